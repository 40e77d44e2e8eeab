"""Receipts: the outcome of each row in the answer of a webhook; `unknown` if it says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tideline.activation.destinations.protocol import Operation, Outcome

RECEIPTS = ("results", "status")
NO_RECEIPT = Outcome(
    "unknown",
    "answered without the receipt that `receipt` in meta.sync expects (see "
    "docs/reference/syncs.md)",
)
SILENT = Outcome("unknown", "answered without an outcome of the row")


def check_receipt(receipt: str | dict) -> None:
    """Raise ValueError if an option `receipt` is neither a known word nor members to expect."""
    if isinstance(receipt, str):
        if receipt not in RECEIPTS:
            raise ValueError(
                f"`receipt` is `{receipt}`; write one of {', '.join(RECEIPTS)}, or the members "
                "that the answer must have, such as {ok: true}"
            )
        return
    if not receipt:
        raise ValueError("`receipt` is empty; name the members that the answer must have")
    for name, value in receipt.items():
        if not isinstance(name, str) or not isinstance(value, str | bool | int):
            raise ValueError(
                f"`receipt` expects `{name}: {value!r}`; a member is text, a whole number, true or "
                "false"
            )


def read_receipt(receipt: str | dict, body: bytes, batch: Sequence[Operation]) -> list[Outcome]:
    """The outcome of each operation, read from the body of an answer with a 2xx status."""
    if receipt == "status":
        return [Outcome("accepted")] * len(batch)
    content = _json_object(body)
    if isinstance(receipt, str):
        results = content.get("results")
        if not isinstance(results, list):
            return [NO_RECEIPT] * len(batch)
        told = _told(results)
        return [told.get(each.idempotency_key, SILENT) for each in batch]
    is_met = all(
        type(content.get(name)) is type(value) and content[name] == value
        for name, value in receipt.items()
    )
    return [Outcome("accepted") if is_met else NO_RECEIPT] * len(batch)


def _json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; empty if it is anything else."""
    try:
        content = json.loads(body, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """The members of an object; None if a name occurs twice, which is ambiguous."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else None


def _told(results: Sequence[Any]) -> dict[str, Outcome]:
    """The outcomes in `results` by idempotency key; SILENT for a key with two different ones."""
    told: dict[str, Outcome] = {}
    for result in results:
        if not isinstance(result, Mapping):
            continue
        key, status, reason = (result.get(n) for n in ("idempotency_key", "status", "reason"))
        if not isinstance(key, str) or status not in ("accepted", "rejected"):
            continue
        if status == "accepted":
            outcome = Outcome("accepted")
        else:
            said = reason if isinstance(reason, str) and reason else "no reason given"
            outcome = Outcome("rejected", said)
        is_contradicted = key in told and told[key].fate != outcome.fate
        told[key] = SILENT if is_contradicted else outcome
    return told
