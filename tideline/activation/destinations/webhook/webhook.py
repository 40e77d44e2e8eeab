"""Webhook: POSTs batches of operations as JSON to an address from the environment."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tideline.activation.destinations.answers import (
    failed,
    place_of,
    problem_of_address,
    problem_of_token,
)
from tideline.activation.destinations.api import check_timeout
from tideline.activation.destinations.exchange import Answer, Client, NoAnswerError, kept
from tideline.activation.destinations.protocol import (
    Capabilities,
    Draft,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.destinations.webhook.receipts import check_receipt, read_receipt
from tideline.warehouse.errors import DeclarationError, NotConfigured

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

SIGNATURE_HEADER = "X-Tideline-Signature"
ANSWER_BYTES, ANSWER_BYTES_PER_ROW = 1_000_000, 4_000  # the longest answer that is read


@dataclass(frozen=True)
class WebhookOptions:
    """The keys that end in `_env` are names of environment variables, never the values themselves.

    `url_env`: the address. `token_env`: a bearer token. `secret_env`: the secret of an HMAC-SHA256
    of the body, sent as `X-Tideline-Signature: sha256=<hex>`. `timeout_seconds`: limit of a whole
    request, from connecting to the last byte of the answer. `receipt`: how an answer with a 2xx
    status accepts rows: `results` (a JSON object; its `results` give the outcome of each row),
    members and values that the JSON object must have (they accept the whole batch), or `status`
    (the status alone accepts the whole batch).
    """

    url_env: str
    token_env: str | None = None
    secret_env: str | None = None
    timeout_seconds: float = 30.0
    receipt: str | dict = "results"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_timeout(self.timeout_seconds)
        check_receipt(self.receipt)


class Webhook:
    """An HTTP endpoint that applies operations and recognizes repeated idempotency keys."""

    Options: ClassVar[type] = WebhookOptions
    default_batch_rows: ClassVar[int] = 500
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Webhook",
        holds="what the endpoint makes of a row",
        delivery="keyed",
        removal="an operation `remove`",
        tried_against="a stateful local server with faults",
    )

    def __init__(
        self,
        sync_name: str,
        url: str,
        options: WebhookOptions,
        token: str | None = None,
        secret: str | None = None,
    ) -> None:
        """`token` and `secret` are the values themselves."""
        self._sync_name = sync_name
        self._options = options
        self._secret = secret
        self._client = Client(url, token and f"Bearer {token}", options.timeout_seconds)
        self.where = place_of(url)

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Webhook:
        """Read the address, token and secret from the environment.

        Raises NotConfigured if a named variable is not set, DeclarationError if a value is
        unusable.
        """
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
        token = environment[options.token_env] if options.token_env else None
        secret = environment[options.secret_env] if options.secret_env else None
        problems = {
            options.url_env: problem_of_address(url),
            options.token_env: problem_of_token(token),
            options.secret_env: _problem_of_secret(secret),
        }
        for variable, problem in problems.items():
            if problem:
                raise DeclarationError(f"sync `{sync.name}`: {variable} {problem}")
        return cls(sync.name, url, options, token, secret)

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """An empty list: the rows behind a webhook cannot be counted."""
        return []

    def drafts(self, batch: Sequence[Operation], most: int) -> list[Draft]:
        """The request that `send` would make."""
        return kept(lambda: self.send(batch, ""), most)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """POST a batch once; return one outcome per operation."""
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
            key = self._secret.encode(errors="surrogateescape")
            headers[SIGNATURE_HEADER] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
        limit = ANSWER_BYTES + ANSWER_BYTES_PER_ROW * len(batch)
        try:
            answer = self._client.post(body, headers, limit)
        except NoAnswerError as error:
            return [Outcome("unknown" if error.was_sent else "busy", str(error))] * len(batch)
        return self._read(answer, batch, limit)

    def _read(self, answer: Answer, batch: Sequence[Operation], limit: int) -> list[Outcome]:
        if 200 <= answer.status < 300:
            if answer.is_whole:
                return read_receipt(self._options.receipt, answer.body, batch)
            outcome = Outcome("unknown", f"answered with more than {limit:,} bytes")
        else:
            options = self._options
            names = [name for name in (options.token_env, options.secret_env) if name]
            outcome = failed(answer, names, options.url_env)
        return [outcome] * len(batch)


def _problem_of_secret(secret: str | None) -> str | None:
    if secret is None or secret == secret.strip():
        return None
    return "begins or ends with a space or a line break; remove it"
