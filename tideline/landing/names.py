"""Quotes names and values for SQL, and makes column names unique."""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A Python value as an SQL literal."""
    if isinstance(value, bool | int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def unique(names: Iterable[str]) -> list[str]:
    """Column names that differ in more than case: the second `Id` is `Id_2`."""
    seen: set[str] = set()
    result = []
    for position, name in enumerate(names, 1):
        name = candidate = name.strip() or f"column_{position}"
        number = 1
        while candidate.lower() in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate.lower())
        result.append(candidate)
    return result
