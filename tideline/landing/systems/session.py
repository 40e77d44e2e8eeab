"""HTTP sessions with retries, error codes, and tokens that are renewed when they expire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from tideline.landing.systems.system import LoadError

ATTEMPTS = 5  # per request; the waits between them are 1, 2, 4 and 8 s
LONGEST_WAIT = 120  # seconds, even if the system asks for more
TIMEOUT = 60  # seconds without a received byte
DEFAULT_PORTS = {"https": 443, "http": 80}


class Elsewhere(BaseAdapter):
    """Refuses every request; mounted for all addresses except the system's own."""

    def __init__(self, home: str) -> None:
        """`home` is the address of the system."""
        super().__init__()
        self._home = home

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        """Raise LoadError before anything is sent."""
        raise LoadError(
            f"a next page or redirect leads from {self._home} to {origin(request.url or '')}; "
            "nothing was sent there. If the system has moved, set its address to the new one"
        )

    def close(self) -> None:
        """There is nothing to close."""


def origin(url: str) -> str:
    """Scheme, host and port of an address; the port is always included."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


def http_session(url: str) -> Session:
    """A session for the system at `url` that retries if the system is busy, failing or down.

    It respects `Retry-After`. It follows pages and redirects only to the same scheme, host and
    port, so that credentials are sent nowhere else.
    """
    from dlt.sources.helpers.requests import Client

    session = Client(
        request_timeout=TIMEOUT,
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_max_retry_delay=LONGEST_WAIT,
    ).session
    home = origin(url)
    own = session.get_adapter(url)
    for scheme in ("https://", "http://"):
        session.mount(scheme, Elsewhere(home))
    for spelling in (home, home.removesuffix(f":{DEFAULT_PORTS[urlsplit(home).scheme]}")):
        session.mount(f"{spelling}/", own)
    return session


def error_code(answer: Response) -> str:
    """The system's error code as a suffix, such as ` (INVALID_SESSION_ID)`; empty if none."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    body = body[0] if isinstance(body, list) and body else body
    for part in (body.get("error"), body) if isinstance(body, dict) else ():
        words: list[Any] = [part] if isinstance(part, str) else []
        if isinstance(part, dict):
            words = [part.get(key) for key in ("errorCode", "code", "category", "type", "error")]
        for word in words:
            if isinstance(word, str) and word.isidentifier():
                return f" ({word})"
    return ""


class Token(AuthBase):
    """A bearer token; if it is refused, it is renewed, at most once per request."""

    def __init__(self, token: str | None, renew: Callable[[], str] | None = None) -> None:
        """`renew` returns a new token; with it, `token` may be None."""
        self._token = token
        self._renew = renew

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the `Authorization` header."""
        renew = self._renew
        if renew is None:
            return self._sign(request)
        if self._token is None:
            self._token = renew()

        def retry(response: Response, **how: Any) -> Response:
            return self._again(response, renew, how)

        request.register_hook("response", retry)
        return self._sign(request)

    def _sign(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _again(self, response: Response, renew: Callable[[], str], how: dict[str, Any]) -> Response:
        """Send a request again if its token was refused."""
        if response.status_code != 401:
            return response
        response.close()
        self._token = renew()
        again = self._sign(response.request.copy())
        answer = response.connection.send(again, **how)
        answer.request = again
        answer.history.append(response)
        return answer
