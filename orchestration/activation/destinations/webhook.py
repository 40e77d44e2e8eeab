"""Webhook: POST batches of operations as JSON to an address of the environment."""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from orchestration.activation.destinations.protocol import Operation, Outcome
from orchestration.activation.errors import DeclarationError, NotConfigured

if TYPE_CHECKING:
    from orchestration.activation.syncs import Sync

# urllib3 logs the path of each request at DEBUG, and the path of a webhook is often its secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

SIGNATURE_HEADER = "X-Tideline-Signature"
BUSY = {408, 425, 429}
NEEDS_PERSON = {401, 403, 404, 405, 410}


@dataclass(frozen=True)
class WebhookOptions:
    """Names of environment variables, never the values themselves.

    `url_env`: the address. `token_env`: a bearer token. `secret_env`: the secret of an HMAC-SHA256
    of the body, sent as `X-Tideline-Signature: sha256=<hex>`. `timeout_seconds`: to connect, and
    between two bytes of the answer.
    """

    url_env: str
    token_env: str | None = None
    secret_env: str | None = None
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check the range."""
        if self.timeout_seconds <= 0:
            raise ValueError(f"`timeout_seconds` is {self.timeout_seconds}; it must be above 0")


class Webhook:
    """An HTTP endpoint that applies operations and remembers their idempotency keys."""

    Options: ClassVar[type] = WebhookOptions
    default_batch_rows: ClassVar[int] = 500

    def __init__(
        self,
        sync_name: str,
        url: str,
        options: WebhookOptions,
        token: str | None = None,
        secret: str | None = None,
    ) -> None:
        """`token` and `secret` are the values, not the names of variables."""
        self._sync_name = sync_name
        self._url = url
        self._options = options
        self._secret = secret
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self.where = f"{urlsplit(url).hostname} (${options.url_env})"

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str]) -> Webhook:
        """Read the address, token and secret. Raises NotConfigured if one is named but not set."""
        options: WebhookOptions = sync.options
        named = {
            "the address of the webhook": options.url_env,
            "its bearer token": options.token_env,
            "the secret of its signature": options.secret_env,
        }
        for what, variable in named.items():
            if variable and not environment.get(variable):
                raise NotConfigured(f"set {variable} to {what}; until then nothing is sent")
        url = environment[options.url_env]
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise DeclarationError(
                f"sync `{sync.name}`: {options.url_env} is not an http:// or https:// address"
            )
        token = environment[options.token_env] if options.token_env else None
        secret = environment[options.secret_env] if options.secret_env else None
        return cls(sync.name, url, options, token, secret)

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """A webhook cannot be looked into."""
        return []

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """POST a batch once; one that is refused (4xx) is split until the bad rows stand alone."""
        answer = self._post(batch, run_id)
        if answer is not None:
            return answer
        middle = len(batch) // 2
        first = self.send(batch[:middle], run_id)
        if any(outcome.fate == "held" for outcome in first):
            return first + [Outcome("held", "not sent")] * (len(batch) - middle)
        return first + self.send(batch[middle:], run_id)

    def _post(self, batch: Sequence[Operation], run_id: str) -> list[Outcome] | None:
        """The outcomes of one request, or None if the batch was refused and should be split."""
        body = json.dumps(
            {
                "sync": self._sync_name,
                "run_id": run_id,
                "operations": [
                    {
                        "op": each.op,
                        "idempotency_key": each.idempotency_key,
                        "key": each.key,
                        "row": each.row,
                    }
                    for each in batch
                ],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        try:
            response = self._session.post(
                self._url,
                data=body,
                headers=headers,
                timeout=self._options.timeout_seconds,
                allow_redirects=False,  # a redirected POST would become a GET without rows
            )
        except requests.RequestException as error:
            # Not the text of the error: it quotes the address.
            return [_failure(error)] * len(batch)
        return self._read(response, batch)

    def _read(
        self, response: requests.Response, batch: Sequence[Operation]
    ) -> list[Outcome] | None:
        status = response.status_code
        if 200 <= status < 300:
            return _results(response, batch)
        if status in BUSY or status == 503:
            retry_after = _retry_after(response.headers.get("Retry-After"))
            fate = "unknown" if status == 503 else "busy"
            outcome = Outcome(fate, f"answered HTTP {status}", retry_after)
        elif status >= 500:
            outcome = Outcome("unknown", f"answered HTTP {status}")
        elif status in NEEDS_PERSON or status < 400:
            outcome = Outcome("held", self._advice(status))
        elif len(batch) > 1:
            return None
        else:
            outcome = Outcome("rejected", f"HTTP {status}: {response.text[:500]}")
        return [outcome] * len(batch)

    def _advice(self, status: int) -> str:
        options = self._options
        if status in (401, 403):
            names = [name for name in (options.token_env, options.secret_env) if name]
            fix = f"renew the credential in {' and '.join(names or [options.url_env])}"
        else:
            fix = f"check the address in {options.url_env}"
        return f"answered HTTP {status}; {fix}, then run again"


class _Bearer(requests.auth.AuthBase):
    """Sets the token. Without one it stands in the way of requests' reading of ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _failure(error: requests.RequestException) -> Outcome:
    """What an exchange without an answer means: nothing sent, or nobody knows."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        return Outcome("busy", "its TLS certificate is not trusted")
    if isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError):
        return Outcome("busy", "cannot be reached")
    if isinstance(error, requests.Timeout):
        return Outcome("unknown", "did not answer in time")
    return Outcome("unknown", f"broke the connection off ({type(error).__name__})")


def _results(response: requests.Response, batch: Sequence[Operation]) -> list[Outcome]:
    """The outcome of each operation; an answer without `results` accepts them all."""
    try:
        results = response.json()["results"]
    except (ValueError, KeyError, TypeError):
        return [Outcome("accepted")] * len(batch)
    told: dict[Any, Outcome] = {}
    for result in results if isinstance(results, list) else ():
        if isinstance(result, Mapping) and result.get("status") in ("accepted", "rejected"):
            reason = str(result.get("reason") or "no reason given")
            accepted = result["status"] == "accepted"
            told[result.get("idempotency_key")] = (
                Outcome("accepted") if accepted else Outcome("rejected", reason)
            )
    silent = Outcome("unknown", "answered without saying what became of the row")
    return [told.get(each.idempotency_key, silent) for each in batch]


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from seconds or an HTTP date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
