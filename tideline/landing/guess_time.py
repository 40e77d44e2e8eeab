"""Guesses the time column of a log and its format, by reading all values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import duckdb

from tideline.landing.log_columns import ENOUGH, Columns, quoted, text_of
from tideline.landing.mapping import UNITS
from tideline.landing.names import identifier, literal
from tideline.text import counted
from tideline.warehouse.duckdb_file import only_row

# Names of columns in snake_case, the likeliest first.
TIMES = (
    *("derived_tstamp", "timestamp", "event_timestamp", "occurred_at", "event_time", "time", "ts"),
    *("datetime", "created_at", "invoice_date", "order_date", "date", "day"),
)
TIME_WORDS = {"time", "timestamp", "ts", "date", "datetime", "day", "at", "when", "epoch", "clock"}
TIME_WORDS |= {"tstamp", "stamp"}
# Words for times other than that of the row.
OTHER_TIMES = {"registration", "birth", "birthday", "dob", "expires", "expiry", "updated", "end"}
OTHER_TIMES |= {"due", "renewal", "registered", "received", "ingested", "loaded", "modified"}
OTHER_TIMES |= {"next", "etl", "load", "collector", "sent", "synced", "processed"}
READABLE = 0.9  # the least share of the filled rows
SAMPLE = 100  # rows at either end, which rule out most formats
AT_ONCE = 20  # readings that are tried in one query
DAY_FIRST, MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"
DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"),
    *("%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"),
    *("%m-%d-%y", "%d/%b/%Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y"),
)
CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %H:%M:%S,%f", "T%H:%M:%S", " %I:%M %p"),
    *(" %I:%M:%S %p", ":%H:%M:%S %z", " %H:%M:%S %z", " %H:%M:%S %Z", " %H:%M %z", ", %H:%M"),
    *(", %H:%M:%S", " %H%M%S", "%H%M%S", " %Hh%M", " %H.%M", " %H.%M Uhr", " %H:%M Uhr"),
)
FORMATS = (
    *(date + clock for date, clock in product(DATES, CLOCKS)),
    *("[%d/%b/%Y:%H:%M:%S %z]", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Z %Y"),
)
NEAR = "between timestamp '1970-01-02' and timezone('UTC', now())::timestamp + interval 366 day"
# Numbers as text, usual in JSON and for 16 or more digits, which a double does not hold exactly.
EPOCH = r"\d{9,19}([.]\d+)?"
CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.]\d+)?)?|\d{1,2}([:.h]\d{2}|[:.]\d{2} Uhr)"
ZONED = r":\d\d.*([zZ]|UTC|GMT|[+-]\d\d(:?\d\d)?)$"


@dataclass(frozen=True)
class Reading:
    """A way to read columns as a time: the YAML of its value and options, and its SQL.

    It reads `rows` of the `filled` rows. `doubt` is set if two readings are equally good.
    """

    columns: tuple[str, ...]
    value: str
    options: str
    sql: str
    rows: int
    filled: int
    evidence: str
    doubt: str | None = None

    def line(self, key: str) -> str:
        """One line of YAML."""
        options = f", {self.options}" if self.options else ""
        unread = self.filled - self.rows
        note = f"{self.rows:,} of {self.filled:,} filled rows are read; " if unread else ""
        return f"{key}: {{{self.value}{options}}}  # {note}{self.evidence}"


def find_time(columns: Columns, used: set[str]) -> Reading | None:
    """The reading of the likeliest column with nearly all values readable as times."""
    for name in sorted((c for c in columns.names if c not in used), key=lambda c: rank(columns, c)):
        reading = read_column(columns, name)
        if reading:
            return with_clock(columns, reading) or reading
    return bracketed(columns)


def rank(columns: Columns, name: str) -> tuple[int, int]:
    """A sort key: likelier names of the time come first."""
    name = columns.words[name]
    if name in TIMES:
        return 0, TIMES.index(name)
    parts = set(name.split("_"))
    if parts & OTHER_TIMES:
        return 3, 0
    return (1, 0) if parts & TIME_WORDS else (2, 0)


def read_column(columns: Columns, name: str) -> Reading | None:
    """The reading of a column as a time; None if it does not hold times."""
    kind, column, filled = columns.kind(name), identifier(name), columns.filled[name]
    if not filled:
        return None
    value = f"column: {quoted(name)}"
    if kind.startswith(("TIMESTAMP", "DATE")):
        if kind == "TIMESTAMP WITH TIME ZONE":
            sql = f"timezone('UTC', {column})"
            return Reading((name,), value, "", sql, filled, filled, "instants with a zone")
        note = f"{kind.lower()} without a zone: UTC is assumed"
        sql = f"cast({column} as timestamp)"
        return Reading((name,), value, "timezone: UTC", sql, filled, filled, note)
    if columns.is_number(name):
        return read_epoch(columns, name) or read_formats(columns, (name,), value, text_of(name))
    if kind != "VARCHAR":
        return None
    is_epoch = columns.share(name, EPOCH) >= READABLE
    return (
        (read_epoch(columns, name) if is_epoch else None)
        or read_iso(columns, (name,), value, text_of(name))
        or read_formats(columns, (name,), value, text_of(name))
    )


def read_epoch(columns: Columns, name: str) -> Reading | None:
    """The reading of numbers since 1970; None unless nearly all are from 1990 on."""
    filled = columns.filled[name]
    for unit in UNITS:
        sql = epoch(identifier(name), unit)
        rows = columns.count(f"{sql} {NEAR} and {sql} >= timestamp '1990-01-01'")
        if rows < READABLE * filled:
            continue
        if rank(columns, name)[0] == 2 and not is_in_order(columns, sql):
            return None
        evidence = "numbers since 1970 UTC"
        return Reading(
            (name,), f"column: {quoted(name)}", f"unit: {unit}", sql, rows, filled, evidence
        )
    return None


def epoch(number: str, unit: str) -> str:
    """SQL of a number since 1970 UTC, or its text, as a UTC time: null if there is no such time."""
    micros = f"round(try_cast({number} as double) * {UNITS[unit]})"
    return f"try(make_timestamp(cast({micros} as bigint)))"


def is_in_order(columns: Columns, sql: str) -> bool:
    """Whether the values ascend or descend through the rows of the log."""
    steps, down, up = steps_of(columns, sql)
    return steps >= ENOUGH and min(down, up) <= 0.02 * steps and max(down, up) > 0.1 * steps


def steps_of(columns: Columns, sql: str) -> tuple[int, int, int]:
    """Numbers of steps from row to row: all, those that go down, those that go up."""
    return columns.row(
        "count(*), count(*) filter (where current_at < before), "
        "count(*) filter (where current_at > before)",
        f"(select {sql} as current_at, lag({sql}) over (order by _tl_line) as before from _tl_log) "
        "where current_at is not null and before is not null",
    )


def read_iso(columns: Columns, names: tuple[str, ...], value: str, text: str) -> Reading | None:
    """The reading of ISO 8601 text, which the landing reads without a format."""
    filled = columns.count(f"{text} is not null")
    sql = f"timezone('UTC', try_cast({text} as timestamptz))"
    if not filled:
        return None
    rows = columns.count(f"regexp_matches({text}, '^\\d') and {sql} {NEAR}")
    if rows < READABLE * filled:
        return None
    zoned = columns.count(f"regexp_matches({text}, '{ZONED}')")
    if zoned == filled:
        return Reading(names, value, "", sql, rows, filled, "ISO 8601, each value names its zone")
    note = "ISO 8601 without a zone: UTC is assumed"
    if zoned:
        note = f"ISO 8601, {counted(filled - zoned, 'value')} without a zone: UTC is assumed"
    return Reading(names, value, "timezone: UTC", sql, rows, filled, note)


def read_formats(columns: Columns, names: tuple[str, ...], value: str, text: str) -> Reading | None:
    """The reading of text in the strptime format that reads the most values."""
    written = f"select {text} as written from _tl_log where {text} is not null order by _tl_line"
    sample = (
        f"(select distinct written from (({written} limit {SAMPLE}) "
        f"union all ({written} desc limit {SAMPLE})))"
    )
    total, *counts = rows_read(columns.con, [instant(f, "written") for f in FORMATS], NEAR, sample)
    if not total:
        return None
    likely = [f for f, n in zip(FORMATS, counts, strict=True) if n >= READABLE * total]
    sqls = {each: instant(each, text) for each in likely}
    if not sqls:
        return None
    filled = columns.count(f"{text} is not null")
    _, *rows = rows_read(columns.con, [*sqls.values()], NEAR, "_tl_log")
    best = max(rows)
    if best < READABLE * filled:
        return None
    ties = [each for each, n in zip(likely, rows, strict=True) if n == best]
    chosen, evidence, doubt = decide(columns, {each: sqls[each] for each in ties})
    other = swapped(chosen)
    if other and not evidence and not doubt:
        n = columns.count(f"{instant(other, text)} {NEAR}")
        evidence = f"as {other} only {n:,} of {filled:,} could be read"
    zone = "" if has_zone(chosen) else ", timezone: UTC"
    note = "each value names its zone" if has_zone(chosen) else "no zone: UTC is assumed"
    options = f"format: {json.dumps(chosen)}{zone}"
    evidence = "; ".join(filter(None, [evidence, note]))
    return Reading(names, value, options, sqls[chosen], best, filled, evidence, doubt)


def rows_read(
    con: duckdb.DuckDBPyConnection, readings: Sequence[str], plausible: str, source: str
) -> list[int]:
    """The number of rows of a source, and of those that each reading gives a plausible time for.

    A query has a few readings, because the time to plan it grows with the square of their number.
    """
    if len(readings) > AT_ONCE:
        con.execute(f"create or replace temp table _tl_written as from {source}")
        source = "_tl_written"
    found = [*only_row(con, f"select count(*) from {source}")]
    for first in range(0, len(readings), AT_ONCE):
        few = readings[first : first + AT_ONCE]
        counts = ", ".join(f"count(*) filter (where {sql} {plausible})" for sql in few)
        found += only_row(con, f"select {counts} from {source}")
    return found


def instant(format: str, text: str) -> str:
    """SQL of a text in a format as a UTC time."""
    parsed = f"try_strptime({text}, {literal(format)})"
    return f"timezone('UTC', {parsed})" if has_zone(format) else parsed


def has_zone(format: str) -> bool:
    """Whether a strptime format reads a zone."""
    return "%z" in format or "%Z" in format


def swapped(format: str) -> str | None:
    """The format with day and month exchanged; None unless both are numbers."""
    if "%m" not in format or "%d" not in format or format.startswith("%Y"):
        return None
    return day_and_month_exchanged(format)


def day_and_month_exchanged(text: str) -> str:
    """A text that holds a format, with the day in place of the month."""
    return text.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def decide(columns: Columns, sqls: dict[str, str]) -> tuple[str, str, str | None]:
    """The best of several formats that read equally many rows: it puts the rows in order.

    Returns the format, the evidence, and a doubt if the formats cannot be told apart.
    """
    first, *others = sqls
    for other in others:
        if not columns.count(f"{sqls[first]} is distinct from {sqls[other]}"):
            continue
        downs = {}
        for each in (first, other):
            steps, down, up = steps_of(columns, sqls[each])
            downs[each] = min(down, up) / steps if steps else 0.0
        better = min(downs, key=lambda each: downs[each])
        worse = max(downs, key=lambda each: downs[each])
        if downs[worse] > downs[better] == 0 or downs[worse] - 0.02 > downs[better] <= 0.02:
            note = f"so the rows are in order of time; as {worse} they are not"
            return better, note, None
        return first, "", f"both {first} and {other} read all values: day or month first?"
    return first, "", None


def with_clock(columns: Columns, date: Reading) -> Reading | None:
    """The reading of a date column joined with a column of clock times; None if there is none."""
    if columns.count(f"{date.sql} <> date_trunc('day', {date.sql})"):
        return None
    for name in columns.names:
        if name in date.columns or columns.kind(name) != "VARCHAR":
            continue
        if columns.share(name, CLOCK) < 1 or columns.filled[name] < date.rows:
            continue
        day, clock = (f"cast({identifier(each)} as varchar)" for each in (*date.columns, name))
        sql = f"{day} || ' ' || {clock}"
        names, value = (*date.columns, name), f"sql: {json.dumps(sql)}"
        reading = read_iso(columns, names, value, sql) or read_formats(columns, names, value, sql)
        if reading:
            return reading
    return None


def bracketed(columns: Columns) -> Reading | None:
    """The reading of a web server's time, split by a blank into two columns: `[day:clock zone]`."""
    for left, right in zip(columns.names, columns.names[1:], strict=False):
        if columns.kind(left) != "VARCHAR" or columns.kind(right) != "VARCHAR":
            continue
        if columns.share(left, r"\[.*") < READABLE or columns.share(right, r".*\]") < READABLE:
            continue
        sql = f"{identifier(left)} || ' ' || {identifier(right)}"
        return read_formats(columns, (left, right), f"sql: {json.dumps(sql)}", sql)
    return None
