"""Statistics of the columns of a log, from which a proposal guesses their meaning."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tideline.landing.log_files import FLOATS, Log
from tideline.landing.mapping import words
from tideline.landing.names import identifier, literal
from tideline.landing.readers import CURRENCY, SAID, WRITTEN
from tideline.text import counted
from tideline.warehouse.duckdb_file import only_row

# With fewer rows, counts are no evidence: only names decide.
ENOUGH = 20
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
# Share of a column that must be numbers: the rest is omitted, and counted when it lands.
NUMBERS = 0.9
AMOUNTS = ("revenue", "total", "amount", "order_total", "total_amount", "grand_total", "sales")
# Words of names of columns that may hold what a person paid.
MONEY = {
    *AMOUNTS,
    "dollar",
    "dollars",
    "usd",
    "eur",
    "euro",
    "euros",
    "gbp",
    "value",
    "price",
    "paid",
}
MONEY |= {"spent", "spend", "betrag", "umsatz", "preis", "bedrag", "prijs", "montant", "prix"}
MONEY |= {"importe", "precio"}


@dataclass(frozen=True)
class Counts:
    """Frequencies of the values of a column: `filled` rows, `distinct` values, rows with the most
    frequent value (`most`), values that occur once.
    """

    filled: int
    distinct: int
    most: int
    once: int

    def __str__(self) -> str:
        """The counts in words, as evidence."""
        return f"{counted(self.distinct, 'value')} in {counted(self.filled, 'row')}"


class Columns:
    """The readable rows of a log in the view `_tl_log`, with queries about their columns."""

    def __init__(self, con: duckdb.DuckDBPyConnection, log: Log, folder: Path) -> None:
        """Create the view from a copy of the log in `folder`."""
        self.con, self.log = con, log
        # Parsed once and stored by column: a query reads only the columns it needs.
        part = folder / "columns.parquet"
        con.execute(
            "copy (select * exclude (_tl_row, _tl_text), hash(_tl_row) as _tl_hash "
            f"from ({log.select})) to {literal(part)} (compression zstd)"
        )
        source = f"read_parquet({literal(part)})"
        self.kinds = log.columns | dict.fromkeys(scalars(con, log, source), "VARCHAR")
        texts = ", ".join(
            f"{c} ->> '$' as {c}"
            for name, kind in self.kinds.items()
            if kind != log.columns[name] and (c := identifier(name))
        )
        whole = f"select * replace ({texts}) from {source}" if texts else f"from {source}"
        con.execute(f"create or replace temp view _tl_all as {whole}")
        con.execute("create or replace temp view _tl_log as from _tl_all where _tl_problem is null")
        self.problems = dict(
            con.execute(
                "select _tl_problem, count(*) from _tl_all where _tl_problem is not null group by 1"
            ).fetchall()
        )
        self.rows = self.row("count(*)")[0]
        self.names = list(log.columns)
        self.words = {name: words(name) or name for name in self.names}
        filled = self.row(", ".join(f"count({text_of(name)})" for name in self.names))
        self.filled = dict(zip(self.names, filled, strict=True))

    def kind(self, name: str) -> str:
        """DuckDB type of a column; mixed texts and numbers of JSON are text."""
        return self.kinds[name]

    def holds_others(self, name: str) -> bool:
        """Whether a column is an object whose values are columns too."""
        return self.kind(name) == "JSON" and any(n.startswith(f"{name}.") for n in self.names)

    def is_number(self, name: str) -> bool:
        """Whether a column has a number type."""
        return self.kind(name) in (*INTEGERS, *FLOATS) or self.kind(name).startswith("DECIMAL")

    def row(self, what: str, source: str = "_tl_log") -> tuple:
        """The single row of a query over the log."""
        return only_row(self.con, f"select {what} from {source}")

    def count(self, condition: str) -> int:
        """Number of rows that meet a condition."""
        return self.row(f"count(*) filter (where {condition})")[0]

    def copies(self) -> int:
        """Number of rows identical to an earlier one."""
        groups = "(select count(*) as n from _tl_log group by _tl_hash)"
        return self.row("coalesce(sum(n - 1), 0)::bigint", groups)[0]

    def share(self, name: str, pattern: str) -> float:
        """Share of the filled rows of a column whose whole text matches a pattern, 0 to 1."""
        if not self.filled[name]:
            return 0.0
        pattern = pattern.replace("'", "''")
        matched = self.count(f"regexp_full_match({text_of(name)}, '{pattern}')")
        return matched / self.filled[name]

    def holds(self, name: str, pattern: str) -> bool:
        """Whether nearly all texts of a column match."""
        return self.kind(name) == "VARCHAR" and self.share(name, pattern) >= 0.9

    def counts(self, name: str) -> Counts:
        """Frequencies of the values of a column."""
        text = text_of(name)
        return Counts(
            *self.row(
                "coalesce(sum(n), 0)::bigint, count(*), coalesce(max(n), 0), "
                "count(*) filter (where n = 1)",
                f"(select count(*) as n from _tl_log where {text} is not null group by {text})",
            )
        )

    def values(self, name: str, most: int) -> list[tuple[str, int]]:
        """The most frequent values of a column with their numbers of rows."""
        text = text_of(name)
        return self.con.execute(
            f"select {text}, count(*) from _tl_log where {text} is not null "
            f"group by 1 order by 2 desc, 1 limit {most}"
        ).fetchall()

    def number(self, name: str) -> tuple[str, str] | None:
        """SQL of a column of numbers, and a remark; None if the column does not hold numbers.

        Text with decimal commas, thousands separators or currencies counts as numbers if it can be
        told how to read it; a few values may be something else.
        """
        column = identifier(name)
        if self.is_number(name):
            return column, ""
        if self.kind(name) != "VARCHAR" or not self.filled[name]:
            return None
        if not self.count(f"contains({column}, ',') or regexp_matches({column}, '{CURRENCY}')"):
            return None
        texts = {reader: self.count(f"{reader}({column}) is not null") for reader in WRITTEN}
        reader = max(texts, key=lambda each: texts[each])
        rows = texts.pop(reader)
        if rows < NUMBERS * self.filled[name] or rows in texts.values():
            return None
        said, unread = SAID[reader], self.filled[name] - rows
        if self.count(f"regexp_matches({column}, '{CURRENCY}')"):
            said += ", some with a currency"
        if unread:
            said += f"; {counted(unread, 'value')} cannot be read and will be left out"
        return f"{reader}({column})", said


def scalars(con: duckdb.DuckDBPyConnection, log: Log, source: str) -> list[str]:
    """The JSON columns of a log that hold no object and no array."""
    names = [name for name, kind in log.columns.items() if kind == "JSON"]
    if not names:
        return []
    tests = ", ".join(
        f"count(*) filter (where json_type({identifier(name)}) in ('OBJECT', 'ARRAY'))"
        for name in names
    )
    found = only_row(con, f"select {tests} from {source}")
    return [name for name, objects in zip(names, found, strict=True) if not objects]


def text_of(name: str) -> str:
    """A column as text, empty text as null."""
    return f"nullif(trim(cast({identifier(name)} as varchar)), '')"


def last_word(name: str) -> str:
    """The last word of a name in snake_case."""
    return name.rsplit("_", 1)[-1]


def quoted(text: str) -> str:
    """A text as YAML: plain if that is safe, else in double quotes."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z0-9_]+)*", text) is not None
    is_plain = is_plain and text.lower() not in ("yes", "no", "on", "off", "y", "n")
    is_plain = is_plain and text.lower() not in ("true", "false", "null")
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def quoted_sql(sql: str) -> str:
    """SQL as a YAML text in single quotes."""
    return "'" + sql.replace("'", "''") + "'"
