"""Landed rows, and the time window that a load requests."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Changes may become visible late: an index lags, a transaction commits after later ones, clocks
# differ. Therefore the next load requests the changes of these last minutes again.
OVERLAP_MS = 10 * 60 * 1000


def as_text(value: object) -> str | None:
    """A value as text, written as in JSON; None stays None.

    With all fields as text, a field whose type changes keeps its name. Otherwise dlt writes values
    of a second type to another column (`amount__v_text`).
    """
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # replaces lone surrogates


def text_row(row: Mapping[str, Any]) -> dict[str, str | None]:
    """A record with every value as text.

    Names get single underscores, because dlt reads a double underscore as a path.
    """
    return {re.sub("__+", "_", name): as_text(value) for name, value in row.items()}


def instant(value: object) -> int | None:
    """Milliseconds since 1970 of ISO 8601 text or a number (seconds or ms); None if neither."""
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
    """Milliseconds since 1970 as ISO 8601 text in UTC."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Window:
    """The time that a load covers: from the settled time of the last load to `now`.

    `now`: start of the load, in milliseconds since 1970.
    """

    now: int

    @property
    def settled(self) -> int:
        """All changes up to this time (milliseconds since 1970) are visible by now."""
        return self.now - OVERLAP_MS

    def since(
        self, field: str, key: str | list[str], convert: Callable[[int], Any], **more: Any
    ) -> dict[str, Any]:
        """The `incremental` of a resource: start at the latest `field` seen, at most `settled`.

        `key` identifies the rows at exactly that time that have landed already. `convert` turns
        milliseconds since 1970 into the system's format.

        A load may miss a record that changes while it runs, even if it sees a later one. The record
        is not lost, because the next load starts at the settled time of this one.
        """

        def latest(values: Sequence[object]) -> int:
            """The latest time, at most `settled`; an invalid time counts as `settled`."""
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
