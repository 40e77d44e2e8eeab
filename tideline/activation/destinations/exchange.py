"""One bounded HTTP request: it has a deadline and a size limit, and follows no redirect.

This is the one place where requests leave. Inside `kept`, they are kept and nothing is sent.

The meaning of a failure depends on whether any byte of the request was sent. The connection notes
it just before the first byte. A TLS error therefore counts as "nothing sent" during the handshake,
and as "may have been applied" after it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from tideline.activation.destinations.protocol import Draft

# urllib3 logs the path of each request at DEBUG, and the path of a webhook is often its secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

THREAD = "activation request"
CHUNK = 65_536  # bytes of the decompressed answer that are read at once


@dataclass(frozen=True)
class Answer:
    """An answer. A body longer than the limit is cut, and `is_whole` is false."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


class NoAnswerError(Exception):
    """A request got no answer. The text names neither the address nor the content."""

    def __init__(self, reason: str, was_sent: bool) -> None:
        """`was_sent`: whether the request, or part of it, may have arrived."""
        super().__init__(reason)
        self.was_sent = was_sent


class KeptError(NoAnswerError):
    """A request that was kept instead of sent, so what its answer would be is unknown."""

    def __init__(self, outbox: Outbox) -> None:
        """`outbox` has the request as its last one, unless it was full."""
        super().__init__("kept, not sent", was_sent=True)
        self.outbox = outbox


@dataclass
class Outbox:
    """The first `most` requests that would leave, without headers and without the address."""

    most: int
    drafts: list[Draft] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether no further request is kept."""
        return len(self.drafts) >= self.most

    def keep(self, method: str, path: str, body: bytes | None) -> None:
        """Keep a request. Always raises KeptError."""
        if not self.is_full:
            self.drafts.append(Draft(f"{method} {path}".strip(), _content(body)))
        raise KeptError(self)

    def mark_as_question(self) -> None:
        """Note that the last request only asks, and that others depend on the answer."""
        self.drafts[-1] = replace(self.drafts[-1], is_question=True)


def _content(body: bytes | None) -> Any:
    """The JSON of a body; another one as text."""
    try:
        return body and json.loads(body)
    except ValueError:
        return (body or b"").decode(errors="replace")


_outbox: ContextVar[Outbox | None] = ContextVar("outbox", default=None)


def kept(send: Callable[[], object], most: int) -> list[Draft]:
    """The first `most` requests that `send` would make; none of them leaves."""
    outbox = Outbox(most)
    token = _outbox.set(outbox)
    try:
        send()
    finally:
        _outbox.reset(token)
    return outbox.drafts


def keeps_requests() -> bool:
    """Whether requests are kept instead of sent, so that no login is needed."""
    return _outbox.get() is not None


class Client:
    """Sends requests to one address and reuses the connections."""

    def __init__(self, url: str, authorization: str | None, timeout_seconds: float) -> None:
        """`authorization` is the header of this name.

        `timeout_seconds` limits a whole request, from connecting to the last byte.
        """
        self._url = url
        self._authorization = authorization
        self._timeout_seconds = timeout_seconds
        self._session = _session(authorization)

    def post(self, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
        """POST to the address itself; see `request`."""
        return self.request("POST", "", body, headers, limit)

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> Answer:
        """Send once and read at most `limit` bytes of the answer. Raises NoAnswerError.

        A thread does the work, because no timeout covers name resolution, connecting and the TLS
        handshake together, and each byte that a slow server sends restarts the read timeout.
        """
        if outbox := _outbox.get():
            outbox.keep(method, path, body)
        call = _Call()
        seconds = self._timeout_seconds
        request = {
            "method": method,
            "url": self._url + path,
            "data": body,
            "headers": headers,
            "timeout": seconds,
        }
        arguments = (self._session, request, limit)
        threading.Thread(target=call.make, args=arguments, name=THREAD, daemon=True).start()
        if not call.is_done.wait(seconds):
            self._session = _session(self._authorization)  # the thread may still use the old one
            was_sent = call.abandon()
            what = "did not answer" if was_sent else "cannot be reached"
            raise NoAnswerError(f"{what} within {seconds:g} seconds", was_sent)
        if call.answer is None:
            raise _no_answer(call.error, call.was_sent)
        return call.answer


class _Call:
    """One request, shared by the thread that sends it and the thread that waits for it."""

    def __init__(self) -> None:
        self.is_done = threading.Event()
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.was_sent = False
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._line: socket.socket | None = None

    def make(self, session: requests.Session, request: Mapping[str, Any], limit: int) -> None:
        """Send the request and read the answer; set `answer` or `error`."""
        _current.call = self
        try:
            with session.request(allow_redirects=False, stream=True, **request) as response:
                content = bytearray()
                for chunk in response.iter_content(CHUNK):
                    content += chunk
                    if len(content) > limit:
                        break
                self.answer = Answer(
                    response.status_code,
                    response.headers,
                    bytes(content[:limit]),
                    len(content) <= limit,
                )
        except Exception as error:  # a hostile answer may raise anything; the outcome is unknown
            self.error = error
        finally:
            with self._lock:
                if self._line is not None:
                    self._line.close()
            self.is_done.set()

    def connected(self, line: socket.socket) -> None:
        """Note the connection for `abandon`. Raises TimeoutError if the request is abandoned."""
        with self._lock:
            if self._is_abandoned:
                raise TimeoutError
            if self._line is not None:
                self._line.close()
            self._line = line.dup()

    def sending(self, line: socket.socket) -> None:
        """Note that sending begins. Raises TimeoutError, and sends nothing, if abandoned."""
        self.connected(line)
        self.was_sent = True

    def abandon(self) -> bool:
        """End the request at any stage. Returns whether it may have arrived."""
        with self._lock:
            self._is_abandoned = True
            if self._line is not None:
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)
            return self.was_sent


_current = threading.local()  # `.call`: the request of this thread


class _Watched(HTTPConnection):
    """A connection that reports its state to the call."""

    # A duplicate of the socket: TLS replaces the original, and an answer may close it early.
    _line: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._line = connected.dup()
        _current.call.connected(self._line)
        return connected

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        _current.call.sending(self._line)
        super().endheaders(*arguments, **options)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        super().close()


class _WatchedHTTPS(_Watched, HTTPSConnection):
    """A watched connection with TLS."""


class _PoolHTTP(HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


POOLS = {"http": _PoolHTTP, "https": _PoolHTTPS}


class _Adapter(HTTPAdapter):
    """Opens watched connections, to the address or to the environment's proxy."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if not proxy.lower().startswith(("http://", "https://")):
            raise requests.exceptions.InvalidProxyURL("only HTTP proxies are supported")
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _Session(requests.Session):
    """A session that treats a redirect like any other answer."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None; else requests would read the whole body of a redirect that it does not follow."""


class _Authorization(requests.auth.AuthBase):
    """Sets the header. Without a value, it keeps requests from reading ~/.netrc."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


def _session(authorization: str | None) -> _Session:
    session = _Session()
    session.auth = _Authorization(authorization)
    for scheme in POOLS:
        session.mount(f"{scheme}://", _Adapter())
    return session


def _no_answer(error: Exception | None, was_sent: bool) -> NoAnswerError:
    """An exception of the HTTP libraries as text, without the address that they quote."""
    if was_sent:
        reason = f"broke the connection off ({type(error).__name__})"
    elif isinstance(error, requests.exceptions.SSLError):
        reason = "cannot be reached: its TLS certificate is not trusted, or it does not use TLS"
    else:
        reason = f"cannot be reached ({type(error).__name__})"
    return NoAnswerError(reason, was_sent)
