"""The outcomes of rows, from Salesforce's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideline.activation.destinations.api import NotDoneError, Reply
from tideline.activation.destinations.protocol import Outcome

EXPECTED = (400, 403, 404)
# Errors of a row that pass: another change holds the record, or Salesforce is too busy.
PASSING = {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG"}
# Errors of a request about what the sync declares, which is the same for each of its rows.
DECLARED = {
    "INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "NOT_FOUND",
    "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY",
}  # fmt: skip
FIX = "check `object`, `external_id`, `fields` and the rights of the app's user"
AN_HOUR = 3600.0  # seconds; requests are counted over the last 24 hours
SILENT = Outcome("unknown", "Salesforce answered without an outcome of the row")


def of_rows(reply: Reply, rows: int, are_removals: bool = False) -> list[Outcome]:
    """The outcome of each row of a collection; results have the order of the rows.

    Raises NotDoneError if Salesforce has refused the request.
    """
    check(reply)
    results = reply.content
    if not isinstance(results, list) or len(results) != rows:
        return [SILENT] * rows
    return [_of_row(each, are_removals) for each in results]


def _of_row(result: Any, is_removal: bool) -> Outcome:
    if not isinstance(result, dict):
        return SILENT
    if result.get("success") is True:
        return Outcome("accepted")
    errors = _objects(result.get("errors"))
    if result.get("success") is not False or not errors:
        return SILENT
    if is_removal and any(each.get("statusCode") == "ENTITY_IS_DELETED" for each in errors):
        return Outcome("accepted")  # the record was deleted since it was found
    if all(each.get("statusCode") in PASSING for each in errors):
        return Outcome("busy", f"Salesforce: {errors[0]['statusCode']}")
    return Outcome("rejected", in_words(errors, "statusCode"))


def check(reply: Reply) -> None:
    """Raise NotDoneError if Salesforce has refused the request."""
    if reply.status < 400:
        return
    errors = _objects(reply.content)
    codes = [str(each.get("errorCode")) for each in errors]
    said = in_words(errors, "errorCode")
    if "REQUEST_LIMIT_EXCEEDED" in codes:
        used_up = any("TotalRequests" in str(each.get("message")) for each in errors)
        reason = "Salesforce: REQUEST_LIMIT_EXCEEDED, the org's requests are used up"
        raise NotDoneError(Outcome("busy", reason, AN_HOUR if used_up else None))
    if DECLARED.intersection(codes):
        raise NotDoneError(Outcome("rejected", f"{said}; {FIX}"))
    if reply.status == 400:
        raise NotDoneError(Outcome("refused", said))
    words = f" ({codes[0]})" if codes and codes[0].isidentifier() else ""
    reason = (
        f"answered HTTP {reply.status}{words}; check the address of the org and the rights of the "
        "app's user, then run again"
    )
    raise NotDoneError(Outcome("held", reason))


def in_words(errors: list[Mapping[str, Any]], code: str) -> str:
    """Salesforce's own words about errors; `code` is the name of their code."""
    words = [f"{each.get('message') or 'no reason given'} ({each.get(code)})" for each in errors]
    return f"Salesforce: {'; '.join(words) or 'no reason given'}"


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
