"""A Salesforce org: its API, with an access token that is renewed when it has expired."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode, urlsplit

from tideline.activation.destinations.answers import failed, problem_of_token
from tideline.activation.destinations.api import Api, ApiOptions, NotDoneError, Reply
from tideline.activation.destinations.exchange import (
    Answer,
    Client,
    NoAnswerError,
    keeps_requests,
)
from tideline.activation.destinations.protocol import Outcome
from tideline.activation.destinations.salesforce.login import Login

# The hosts of orgs: production and sandboxes, government clouds, China.
HOSTS = (".salesforce.com", ".salesforce.mil", ".sfcrmproducts.cn")
TOKEN_BYTES = 100_000
# Otherwise each update of a lead, case or account would assign it to an owner anew.
HEADERS = {"Sforce-Auto-Assign": "FALSE"}


class Org(Api):
    """Calls to one org. It signs in at the first call, and again if its token is refused."""

    def __init__(self, address: str, login: Login, options: ApiOptions) -> None:
        """`address` is that of the login; Salesforce tells the address of the API with a token."""
        super().__init__(
            address,
            authorization=None,
            credentials=login.variables,
            options=options,
            headers=HEADERS,
        )
        self._home = address.rstrip("/")
        self._gate = Client(self._home, None, options.timeout_seconds)
        self._login = login
        self._timeout_seconds = options.timeout_seconds
        self._is_signed_in = False

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expected: Collection[int] = (),
        only_reads: bool = False,
    ) -> Reply:
        """The answer of the API; see `Api.call`. A refused token has applied nothing."""
        if not self._is_signed_in and not keeps_requests():
            self._sign_in()
        allowed = {*expected, 401}
        reply = super().call(method, path, body, expected=allowed, only_reads=only_reads)
        if reply.status == 401:
            self._is_signed_in = False
            self._sign_in()
            reply = super().call(method, path, body, expected=expected, only_reads=only_reads)
        return reply

    def _sign_in(self) -> None:
        """Get a token and the address of the API."""
        answer = self._ask_for_token()
        content = _json(answer)
        token, address = content.get("access_token"), content.get("instance_url")
        if not isinstance(token, str) or not isinstance(address, str) or problem_of_token(token):
            raise NotDoneError(Outcome("busy", "Salesforce answered without an access token"))
        if not is_of_salesforce(address, self._home):
            reason = (
                f"Salesforce says that its API is at another host than those of Salesforce; "
                f"nothing was sent there; check the address in {self._address}"
            )
            raise NotDoneError(Outcome("held", reason))
        self._client = Client(address.rstrip("/"), f"Bearer {token}", self._timeout_seconds)
        self._is_signed_in = True

    def _ask_for_token(self) -> Answer:
        form = urlencode(self._login.form()).encode()
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            answer = self._gate.request(
                "POST", "/services/oauth2/token", form, headers, TOKEN_BYTES
            )
        except NoAnswerError as error:
            raise NotDoneError(Outcome("busy", f"the login {error}")) from None
        if answer.status in (400, 401, 403):
            word = _json(answer).get("error")
            said = f" ({word})" if isinstance(word, str) and word.isidentifier() else ""
            reason = (
                f"the login answered HTTP {answer.status}{said}; renew the credential in "
                f"{' and '.join(self._credentials)}, then run again"
            )
            raise NotDoneError(Outcome("held", reason))
        if not 200 <= answer.status < 300:
            outcome = failed(answer, self._credentials, self._address)
            reason = f"the login answered HTTP {answer.status}"
            if outcome.fate in ("busy", "unknown") and not outcome.needs_person:
                raise NotDoneError(Outcome("busy", reason, outcome.retry_after))
            reason += f"; check the address in {self._address}, then run again"
            raise NotDoneError(Outcome("held", reason))
        return answer


def is_of_salesforce(address: str, home: str) -> bool:
    """Whether the token may be sent to an address: to Salesforce, or to the host of the login."""
    try:
        parts, own = urlsplit(address), urlsplit(home)
        same = (parts.scheme, parts.hostname, parts.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
    if parts.username is not None or parts.query or parts.fragment:
        return False
    is_theirs = parts.scheme == "https" and (parts.hostname or "").endswith(HOSTS)
    return is_theirs or same


def _json(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
