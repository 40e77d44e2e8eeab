"""HTTP: sessions that try again, and tokens that are renewed when they expire."""

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
