"""Functions with which a mapping reads numbers with commas, and the columns of an expression."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from tideline.warehouse.duckdb_file import only_row

# A blank, also one that keeps a line together, and the signs and codes of currencies.
BLANK = "[\\s\u00a0\u202f]"
CURRENCY = r"(?i:€|[$]|£|EUR|USD|GBP|kr[.]?|CHF)"
# A currency is left out before and after a number, but not the minus before it.
BEFORE, AFTER = rf"^{BLANK}*(?:(-?){CURRENCY}{BLANK}*)?", rf"{BLANK}*{CURRENCY}?{BLANK}*$"
# Regular expressions of numbers, by the function that reads them.
WRITTEN = {
    "decimal_comma": rf"-?\d{{1,3}}((?:[.]|{BLANK})\d{{3}})+(,\d+)?|-?\d+(,\d+)?",
    "thousands_comma": r"-?\d{1,3}(,\d{3})+([.]\d+)?|-?\d+([.]\d+)?",
}
SAID = {
    "decimal_comma": "numbers with a decimal comma",
    "thousands_comma": "numbers with commas between thousands",
}
BARE = {
    "decimal_comma": f"replace(regexp_replace({{text}}, '[.]|{BLANK}', '', 'g'), ',', '.')",
    "thousands_comma": "replace({text}, ',', '')",
}
# Functions that return null for an unreadable value instead of an error.
READS = re.compile(rf"\b(try_cast|try|try_strptime|{'|'.join(WRITTEN)})\s*\(", re.IGNORECASE)
ARGUMENT = re.compile(
    rf"\b(?:{'|'.join(WRITTEN)})\s*\(\s*(?:\"((?:[^\"]|\"\")+)\"|([^\W\d]\w*))\s*\)", re.IGNORECASE
)


def create_readers(con: duckdb.DuckDBPyConnection) -> None:
    """Create the functions; they return numbers unchanged."""
    for name, written in WRITTEN.items():
        sent = "cast(written as varchar)"
        # JSON strings have quotes, JSON numbers do not.
        text = f"regexp_replace(trim({sent}, '\"'), '{BEFORE}', '\\1')"
        text = f"regexp_replace({text}, '{AFTER}', '')"
        con.execute(
            f"create or replace temp macro {name}(written) as case "
            "when typeof(written) not in ('VARCHAR', 'JSON') or typeof(written) = 'JSON' "
            f"and not starts_with({sent}, '\"') then try_cast({sent} as double) "
            f"when regexp_full_match({text}, '{written}') "
            f"then cast({BARE[name].format(text=text)} as double) end"
        )


def columns_as_written(expressions: Iterable[str]) -> frozenset[str]:
    """Columns, in lower case, that the functions read: they stay text, as 1.250 may be 1250."""
    return frozenset(
        (quoted.replace('""', '"') or bare).lower()
        for sql in expressions
        for quoted, bare in ARGUMENT.findall(sql)
    )


def columns_of(con: duckdb.DuckDBPyConnection, sql: str, columns: Iterable[str]) -> list[str]:
    """Columns of a log that an expression reads."""
    (tree,) = only_row(con, "select json_serialize_sql(?)", [f"select {sql} from rows"])
    named = {name.lower() for name in _references(json.loads(tree))}
    return [column for column in columns if column.lower() in named]


def _references(node: Any) -> Iterator[str]:
    """The column names in the syntax tree of a statement."""
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
