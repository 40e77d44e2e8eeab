"""HTTP: sessions that try again, codes of errors, tokens that are renewed when they expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.auth import AuthBase

ATTEMPTS = 5  # of one request; the waits between them grow: 1, 2, 4, 8 s
LONGEST_WAIT = 120  # seconds, also when the system asks for more
TIMEOUT = 60  # seconds without a byte


def http_session() -> Session:
    """A session that tries again when a system is busy, broken or away.

    It waits as `Retry-After` says.
    """
    from dlt.sources.helpers.requests import Client

    return Client(
        request_timeout=TIMEOUT,
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_max_retry_delay=LONGEST_WAIT,
    ).session


def error_code(answer: Response) -> str:
    """The system's own code of an error, a word, e.g. ` (INVALID_SESSION_ID)`."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    body = body[0] if isinstance(body, list) and body else body
    for part in (body.get("error"), body) if isinstance(body, dict) else ():
        words = [part] if isinstance(part, str) else []
        if isinstance(part, dict):
            words = [part.get(key) for key in ("errorCode", "code", "category", "type", "error")]
        for word in words:
            if isinstance(word, str) and word.isidentifier():
                return f" ({word})"
    return ""


class Token(AuthBase):
    """A bearer token; `renew` gives another one when it is refused, at most once per request."""

    def __init__(self, token: str | None, renew: Callable[[], str] | None = None) -> None:
        """`token` may be absent where it can be renewed."""
        self._token = token
        self._renew = renew

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        if self._token is None:
            self._token = self._renew()
        if self._renew:
            request.register_hook("response", self._retry)
        return self._sign(request)

    def _sign(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _retry(self, response: Response, **how: Any) -> Response:
        """Send a request again that was refused for its token."""
        if response.status_code != 401:
            return response
        response.close()
        self._token = self._renew()
        again = self._sign(response.request.copy())
        answer = response.connection.send(again, **how)
        answer.request = again
        answer.history.append(response)
        return answer
