"""The meaning of an error of Meta's Graph API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tideline.activation.destinations.answers import A_YEAR, failed
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.exchange import Answer
from tideline.activation.destinations.protocol import Outcome

EXPECTED = (400, 401, 403, 404)  # the statuses with which it explains an error
TOKEN = {102, 190}  # its messages may quote the token
# Rate limits, and "another update of the audience is in progress".
BUSY = {4, 17, 32, 341, 613} | set(range(80000, 80015))
IN_PROGRESS = 1870145
# The session has ended, is late, or lacks its first batch: perhaps a request was repeated.
OF_SESSION = {1870147, 1870148, 1870158, 1870159}
# The audience cannot be changed, whoever is in the request: rights, terms, restrictions, deleted.
OF_AUDIENCE = {10, 294, 368, 803, 2650} | set(range(200, 300))
GONE = 33
FLAGGED = 1713230


def outcome_of_error(reply: Reply, token_env: str, audience: str) -> Outcome:
    """The outcome of the rows of a request that Meta has answered with an error."""
    error = reply.content.get("error") if isinstance(reply.content, dict) else None
    if not isinstance(error, dict):
        answer = Answer(reply.status, reply.headers, b"", True)
        return failed(answer, [token_env], "the vendor's API")
    code, subcode = error.get("code"), error.get("error_subcode")
    if code in TOKEN:
        reason = f"Meta does not accept the token (code {code}); renew {token_env}, then run again"
        return Outcome("held", reason)
    if "appsecret_proof" in str(error.get("message")):
        reason = "the app at Meta requires an app secret proof, which is not sent; turn off"
        return Outcome("held", f"{reason} `Require app secret` in its settings, then run again")
    if code in BUSY or subcode == IN_PROGRESS:
        return Outcome("busy", f"Meta is busy (code {code})", _wait(reply.headers))
    if code in (1, 2) or subcode in OF_SESSION or error.get("is_transient") is True:
        return Outcome("unknown", f"Meta failed (code {code})")
    if code in OF_AUDIENCE or subcode in (GONE, FLAGGED):
        return Outcome(
            "rejected",
            f"audience `{audience}` cannot be changed ({in_words(error)}); check it and the "
            f"rights of {token_env}, or name another one in `lists`",
        )
    return Outcome("refused", in_words(error))


def in_words(error: Mapping[str, Any]) -> str:
    """Meta's own words about an error."""
    said = [str(error[key]) for key in ("message", "error_user_msg") if error.get(key)]
    numbers = [str(error[key]) for key in ("code", "error_subcode") if error.get(key) is not None]
    return f"Meta: {' '.join(said) or 'no reason given'} (code {', '.join(numbers) or 'none'})"


def _wait(headers: Mapping[str, str]) -> float | None:
    """The seconds until the account may be used again; the header gives minutes by account."""
    try:
        accounts = json.loads(headers.get("X-Business-Use-Case-Usage") or "{}")
        minutes = [
            float(use["estimated_time_to_regain_access"])
            for uses in accounts.values()
            for use in uses
        ]
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    longest = max(minutes, default=0.0)
    return min(longest * 60, A_YEAR) if longest > 0 else None
