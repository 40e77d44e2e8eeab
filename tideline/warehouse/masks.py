"""Masks the values of rows that a DuckDB error quotes: they may be personal."""

from __future__ import annotations

import re

import duckdb

# Errors caused by values of rows. Others (a missing column, a syntax error) quote only SQL.
OF_ROWS = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)
MASK = "(masked: it may be personal)"
PLACE = re.compile(r"\n\nLINE \d+:[^\n]*(?:\n *\^+ *)?\Z")
QUOTED = re.compile(r"([\"']).*\1", re.DOTALL)  # to the last quote: a value may hold quotes
UNQUOTED = re.compile(
    r"(?<=with value )\S.*(?= can't be cast)|(?<=cast value )\S+|\([^()]*\d[^()]*\)|\d[\d.:-]{5,}",
    re.DOTALL,
)


def masked(message: str, sql: str) -> str:
    """An error message with the quoted values of rows masked; values from the SQL are kept.

    DuckDB's excerpt of the SQL at the end is kept if it really is part of the SQL.
    """
    place = PLACE.search(message)
    shown = place[0].splitlines()[2].partition(": ")[2].strip(". ") if place else ""
    if not shown or shown not in sql:
        place = None
    said = message[: place.start()] if place else message
    line = place[0] if place else ""
    if "\n" in said and not _is_of(sql, said):  # further lines repeat the value
        return re.split("[\"'\n]", said, maxsplit=1)[0] + MASK + line
    for pattern in (QUOTED, UNQUOTED):
        said = pattern.sub(lambda found: found[0] if _is_of(sql, found[0]) else MASK, said)
    return said + line


def _is_of(sql: str, quoted: str) -> bool:
    """Whether every quoted part, or the whole text if nothing is quoted, occurs in the SQL."""
    words = re.findall(r"\"([^\"]*)\"|'([^']*)'", quoted) or [(quoted, "")]
    return all(one + other in sql for one, other in words)
