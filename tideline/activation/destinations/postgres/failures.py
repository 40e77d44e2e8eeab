"""The meaning of PostgreSQL's errors, by their code (SQLSTATE)."""

from __future__ import annotations

import ssl

from pg8000.exceptions import DatabaseError

from tideline.activation.destinations.protocol import Outcome

# Classes of codes that a row causes: its values, a constraint, its size, a trigger that refuses it.
OF_A_ROW = ("21", "22", "23", "27", "38", "39", "44", "54", "P0")
# What a person must correct: rights, names, a server that only reads, the login.
OF_A_PERSON = ("0A", "25006", "28", "3D", "3F", "42")
# A table that another transaction has just created or dropped: look again.
CHANGED = ("42P01", "42P07")
# At the commit: only these codes say that it was undone.
UNDONE = ("23", "40")


class FailedError(Exception):
    """A transaction that failed; `outcome` is that of each of its rows."""

    def __init__(self, outcome: Outcome) -> None:
        """`outcome.reason` has no secrets; only if it is refused may it have values of rows."""
        super().__init__(outcome.reason)
        self.outcome = outcome


def of_login(error: BaseException, variable: str) -> Outcome:
    """The outcome of rows for which no connection could be opened."""
    said = answer_of(error)
    code = said.get("C", "")
    if code.startswith("28"):
        return Outcome("held", f"the server does not accept the user or password in {variable}")
    if code.startswith(OF_A_PERSON):
        return Outcome("held", f"{said.get('M', code)}; correct {variable}, then run again")
    if code:
        return Outcome("busy", f"the server takes no connection: {said.get('M', code)}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome(
            "held",
            f"the server's TLS certificate is not trusted ({error.verify_message}); name the file "
            f"of its authority as `sslrootcert` in {variable}",
        )
    if "SSL" in str(error):
        return Outcome("held", f"the server offers no TLS that is accepted; see {variable}")
    if isinstance(error, OSError) or "network error" in str(error):
        return Outcome("busy", f"the server cannot be reached ({type(error).__name__})")
    return Outcome("held", f"the server asks for a login that {variable} does not allow")


def of_statement(error: BaseException) -> Outcome:
    """The outcome of rows whose transaction failed before its commit, so nothing is applied."""
    said = answer_of(error)
    code, words = said.get("C", ""), said.get("M", "")
    if code.startswith(OF_A_ROW):
        detail = f" ({said['D']})" if "D" in said else ""
        return Outcome("refused", f"{words}{detail}")
    if code.startswith(OF_A_PERSON) and code not in CHANGED:
        return Outcome("held", f"{words}; correct it there, then run again")
    if code:
        return Outcome("busy", f"{words} (code {code}); nothing of the batch is applied")
    return Outcome("busy", "the connection broke off before the commit")


def of_commit(error: BaseException) -> Outcome:
    """The outcome of rows whose commit was sent: it may be done although its answer is lost."""
    if answer_of(error).get("C", "").startswith(UNDONE):
        return of_statement(error)
    return Outcome("unknown", "the connection broke off during the commit")


def answer_of(error: BaseException) -> dict[str, str]:
    """The fields of the server's error, also if closing the connection failed after it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DatabaseError) and cause.args and isinstance(cause.args[0], dict):
            return cause.args[0]
        cause = cause.__context__
    return {}
