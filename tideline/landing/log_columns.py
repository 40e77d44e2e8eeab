"""The columns of a log as a proposal looks at them: counts that tell what a column can be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tideline.landing.log_files import FLOATS, Log
from tideline.landing.mapping import words
from tideline.landing.names import identifier, literal
from tideline.landing.readers import SAID, WRITTEN
from tideline.text import counted
from tideline.warehouse.duckdb_file import only_row

# With fewer rows, counts prove nothing: names decide alone.
ENOUGH = 20
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
# So much of a column must be numbers: the rest is left out, and counted when it lands.
NUMBERS = 0.9


@dataclass(frozen=True)
class Counts:
    """How often the values of a column occur: `filled` rows, `distinct` values, rows of the most
    frequent one, values that occur once.
    """

    filled: int
    distinct: int
    most: int
    once: int

    def __str__(self) -> str:
        """The evidence as a person reads it."""
        return f"{counted(self.distinct, 'value')} in {counted(self.filled, 'row')}"


class Columns:
    """The readable rows of a log in the view `_tl_log`, and what is asked about their columns."""

    def __init__(self, con: duckdb.DuckDBPyConnection, log: Log, folder: Path) -> None:
        """Make the view from a copy of the log in `folder`."""
        self.con, self.log = con, log
        # Read once and kept as columns: each question reads just the columns it is about.
        part = folder / "columns.parquet"
        con.execute(
            "copy (select * exclude (_tl_row, _tl_text), hash(_tl_row) as _tl_hash "
            f"from ({log.select})) to {literal(part)} (compression zstd)"
        )
        source = f"read_parquet({literal(part)})"
        con.execute(f"create or replace temp view _tl_all as from {source}")
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
        """DuckDB type of a column."""
        return self.log.columns[name]

    def holds_others(self, name: str) -> bool:
        """Whether a column is an object of which each value is a column too."""
        return self.kind(name) == "JSON" and any(n.startswith(f"{name}.") for n in self.names)

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers only."""
        return self.kind(name) in (*INTEGERS, *FLOATS) or self.kind(name).startswith("DECIMAL")

    def row(self, what: str, source: str = "_tl_log") -> tuple:
        """The one row of a query over the log."""
        return only_row(self.con, f"select {what} from {source}")

    def count(self, condition: str) -> int:
        """The rows that meet a condition."""
        return self.row(f"count(*) filter (where {condition})")[0]

    def copies(self) -> int:
        """The rows that are identical to an earlier one."""
        groups = "(select count(*) as n from _tl_log group by _tl_hash)"
        return self.row("coalesce(sum(n - 1), 0)::bigint", groups)[0]

    def share(self, name: str, pattern: str) -> float:
        """The share of the filled rows of a column whose whole text matches a pattern."""
        if not self.filled[name]:
            return 0.0
        pattern = pattern.replace("'", "''")
        matched = self.count(f"regexp_full_match({text_of(name)}, '{pattern}')")
        return matched / self.filled[name]

    def holds(self, name: str, pattern: str) -> bool:
        """Whether hardly any text of a column is another than such a one."""
        return self.kind(name) == "VARCHAR" and self.share(name, pattern) >= 0.9

    def counts(self, name: str) -> Counts:
        """How often the values of a column occur."""
        text = text_of(name)
        return Counts(
            *self.row(
                "coalesce(sum(n), 0)::bigint, count(*), coalesce(max(n), 0), "
                "count(*) filter (where n = 1)",
                f"(select count(*) as n from _tl_log where {text} is not null group by {text})",
            )
        )

    def values(self, name: str, most: int) -> list[tuple[str, int]]:
        """The most frequent values of a column and their rows."""
        text = text_of(name)
        return self.con.execute(
            f"select {text}, count(*) from _tl_log where {text} is not null "
            f"group by 1 order by 2 desc, 1 limit {most}"
        ).fetchall()

    def number(self, name: str) -> tuple[str, str] | None:
        """A column of numbers as SQL and what is to be said of it; None if it holds none.

        Text with decimal commas or with separated thousands is a number too, where it can be told;
        a few values may be something else.
        """
        column = identifier(name)
        if self.is_number(name):
            return column, ""
        if self.kind(name) != "VARCHAR" or not self.filled[name]:
            return None
        if not self.count(f"contains({column}, ',')"):
            return None
        texts = {reader: self.count(f"{reader}({column}) is not null") for reader in WRITTEN}
        reader = max(texts, key=lambda each: texts[each])
        rows = texts.pop(reader)
        if rows < NUMBERS * self.filled[name] or rows in texts.values():
            return None
        said, unread = SAID[reader], self.filled[name] - rows
        if unread:
            said += f"; {counted(unread, 'value')} cannot be read and will be left out"
        return f"{reader}({column})", said


def text_of(name: str) -> str:
    """A column as text, empty text as null."""
    return f"nullif(trim(cast({identifier(name)} as varchar)), '')"


def last_word(name: str) -> str:
    """The last word of a name in snake_case."""
    return name.rsplit("_", 1)[-1]


def quoted(text: str) -> str:
    """A text as YAML: plain where that is safe, else in double quotes."""
    is_plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z0-9_]+)*", text) is not None
    is_plain = is_plain and text.lower() not in ("yes", "no", "on", "off", "y", "n")
    is_plain = is_plain and text.lower() not in ("true", "false", "null")
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def quoted_sql(sql: str) -> str:
    """SQL as a YAML text in single quotes."""
    return "'" + sql.replace("'", "''") + "'"
