"""Rows as they land, and the window of time that a load asks for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Changes show up late: an index lags, a transaction commits after others that began later, clocks
# differ. What happened this close to the start of a load is asked for again by the next one.
OVERLAP_MS = 10 * 60 * 1000


def as_text(value: object) -> str | None:
    """A value as text, the way JSON writes it.

    All fields being text, one whose type changes keeps its name; dlt would else put the values of
    the second type into a column of another name (`amount__v_text`).
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair is no Unicode


def text_row(row: Mapping[str, Any]) -> dict[str, str | None]:
    """A record with every value as text.

    dlt makes the names snake_case, but keeps double underscores: they mean a path to it.
    """
    return {re.sub("__+", "_", name): as_text(value) for name, value in row.items()}


def instant(value: object) -> int | None:
    """Milliseconds since 1970 of ISO 8601 text, or of a number in seconds or milliseconds."""
    try:
        number = float(str(value))
        return round(number if abs(number) >= 1e11 else number * 1000)
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return math.floor((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def iso(milliseconds: int) -> str:
    """An instant in ISO 8601, UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Window:
    """The time that a load covers: from where the last one may have missed something, to `now`.

    `now`: start of the load, in milliseconds since 1970.
    """

    now: int

    @property
    def settled(self) -> int:
        """Up to this instant (ms) all that happened can be seen by now."""
        return self.now - OVERLAP_MS

    def since(
        self, field: str, key: str | list[str], convert: Callable[[int], Any], **more: Any
    ) -> dict[str, Any]:
        """The `incremental` of a resource: go on at the latest `field` seen, or where it settled.

        `key` tells which rows of that very instant have landed. `convert` makes of the instant (ms)
        what the system calls one.

        A record that changes while a load runs may be passed over by it, though a later one is
        seen. It is not lost, as no load begins after the instant at which the last one settled.
        """

        def latest(values: Sequence[object]) -> int:
            """The latest of some instants, at most the settled one; what is none counts as that."""
            instants = [instant(value) for value in values]
            return min(max(self.settled if at is None else at for at in instants), self.settled)

        return {
            "cursor_path": field,
            "initial_value": 0,
            "last_value_func": latest,
            "on_cursor_value_missing": "include",
            "primary_key": key,
            "convert": convert,
            **more,
        }
