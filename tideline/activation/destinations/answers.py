"""The meaning of an HTTP answer that is not a success, the same for every destination."""

from __future__ import annotations

import email.utils
import hashlib
import re
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import requests

from tideline.activation.destinations.exchange import Answer
from tideline.activation.destinations.protocol import Outcome

BUSY = {423, 425, 429}
NEEDS_PERSON = {401, 403, 404, 405, 407, 410}
A_YEAR = 31_536_000.0  # seconds; upper limit of `Retry-After`


def failed(answer: Answer, credentials: Sequence[str], address: str) -> Outcome:
    """The outcome of a request whose answer has no 2xx status.

    `credentials` and `address` are names of variables, or words, for the advice.
    """
    status = answer.status
    wait = retry_after(answer.headers.get("Retry-After"))
    may_wait = 400 <= status < 500 and status not in NEEDS_PERSON | {408} and wait is not None
    if status in BUSY or may_wait:
        return Outcome("busy", f"answered HTTP {status}", wait, is_paced=True)
    if status == 408 or status >= 500:
        return Outcome("unknown", f"answered HTTP {status}", wait)
    if status < 400:  # some endpoints redirect after they have applied the rows
        return Outcome("unknown", _advice(status, credentials, address), needs_person=True)
    if status in NEEDS_PERSON:
        return Outcome("held", _advice(status, credentials, address))
    said = answer.body[:500].decode(errors="replace")
    return Outcome("refused", f"HTTP {status}: {said}")


def retry_after(value: str | None) -> float | None:
    """The seconds to wait, at most a year; the header gives seconds or an HTTP date."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, min(seconds, A_YEAR))


def problem_of_address(url: str) -> str | None:
    """The problem of an address, which is not quoted; None if there is none."""
    if re.search(r"[\x00-\x20\x7f]", url):
        return "contains a space, a line break or another control character; remove it"
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_user = "@" in parts.netloc
        requests.Request("POST", url).prepare()
    except (ValueError, requests.RequestException):
        is_http, has_user = False, False
    if has_user:
        return (
            "has a user or a password before its host, which is not sent; remove it, put a bearer "
            "token into a separate variable and name that in `token_env`"
        )
    return None if is_http else "is not an http:// or https:// address"


def place_of(url: str) -> str:
    """Where an address leads, without what may be secret: host, port if it is not the usual one.

    A path tells two accounts of one host apart and may be secret, so it is shown as a short hash. A
    user, a query and a slash at the end make no other place.
    """
    parts = urlsplit(url)
    host = str(parts.hostname)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    path = parts.path.rstrip("/")
    return f"{host}{port}" + (f"/#{hashlib.sha256(path.encode()).hexdigest()[:8]}" if path else "")


def problem_of_token(token: str | None) -> str | None:
    """The problem of a token in an HTTP header, without quoting it; None if there is none."""
    if token is None or re.fullmatch(r"[\x21-\x7e]+", token):
        return None
    return "contains a space, a line break or a non-ASCII character, which no token has; remove it"


def _advice(status: int, credentials: Sequence[str], address: str) -> str:
    if status in (401, 403):
        fix = f"renew the credential in {' and '.join(credentials or [address])}"
    else:
        fix = f"check the address in {address}"
    return f"answered HTTP {status}; {fix}, then run again"
