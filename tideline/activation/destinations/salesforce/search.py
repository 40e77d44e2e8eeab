"""Finds records by the value of a field, with SOQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from tideline.activation.destinations.api import Api, NotDoneError, cut
from tideline.activation.destinations.protocol import Outcome
from tideline.activation.destinations.salesforce.results import EXPECTED, check

QUERY_BYTES = 8_000  # the limit of an address and its headers is 16,384
ESCAPED = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def record_ids(
    api: Api, root: str, sobject: str, field: str, values: Sequence[Any]
) -> list[list[str]]:
    """The ids of the records that have each value in a field; none if there is no record."""
    found = records_of(api, root, sobject, field, values)
    return [[str(each.get("Id")) for each in records] for records in found]


def records_of(
    api: Api,
    root: str,
    sobject: str,
    field: str,
    values: Sequence[Any],
    more: Sequence[str] = (),
) -> list[list[dict[str, Any]]]:
    """The records that have each value in a field, with `more` fields."""
    selected = ",".join(["Id", field, *more])
    unique = list(dict.fromkeys(values))
    literals = [literal(each) for each in unique]
    found: dict[Any, list[dict[str, Any]]] = {each: [] for each in unique}
    parts = cut(range(len(unique)), len(unique), lambda i: len(quote(literals[i])) + 3, QUERY_BYTES)
    for part in parts:
        asked = [unique[position] for position in part]
        among = ",".join(literals[position] for position in part)
        soql = f"SELECT {selected} FROM {sobject} WHERE {field} IN ({among})"
        known = {_same(each): each for each in asked} | {str(each): each for each in asked}
        for record in _records(api, f"{root}/query?q={quote(soql, safe='')}"):
            value = record.get(field)
            owner = asked[0] if len(asked) == 1 else known.get(str(value), known.get(_same(value)))
            if owner is None:  # Salesforce compares in another way than we do
                reason = "Salesforce found a record of another value; it is asked for one at a time"
                raise NotDoneError(Outcome("refused", reason))
            found[owner].append(record)
    return [found[each] for each in values]


def _records(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """The records of a query, page by page."""
    following: Any = path
    while following is not None:
        reply = api.call("GET", following, expected=EXPECTED, only_reads=True)
        check(reply)
        content = reply.content if isinstance(reply.content, dict) else {}
        records, done = content.get("records"), content.get("done")
        following = None if done is True else content.get("nextRecordsUrl")
        is_path = isinstance(following, str) and following.startswith("/services/data/")
        if not isinstance(records, list) or (done is not True and not is_path):
            raise NotDoneError(Outcome("busy", "Salesforce answered without `records`"))
        for each in records:
            if not isinstance(each, dict) or not isinstance(each.get("Id"), str):
                raise NotDoneError(Outcome("busy", "Salesforce answered with a record without id"))
            yield each


def literal(value: Any) -> str:
    """A value in SOQL: a number as it is, else a quoted text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return f"'{''.join(ESCAPED.get(each, each) for each in str(value))}'"


def _same(value: Any) -> str:
    """A value as Salesforce compares it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(float(value))
    return str(value).strip().casefold()
