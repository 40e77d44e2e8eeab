"""Compiles a mapping over a log to SQL: a select that turns the rows into messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress

import duckdb
from numpy import ndarray

from tideline.declarations.macros import render
from tideline.landing.guess_time import epoch
from tideline.landing.log_files import FLOATS, LandError, Log
from tideline.landing.mapping import UNITS, LogMapping, MappingError, Time, Value, check_columns
from tideline.landing.names import identifier, literal
from tideline.landing.readers import READS, columns_of
from tideline.text import nearest, similar
from tideline.warehouse.duckdb_file import only_row
from tideline.warehouse.masks import OF_ROWS, masked

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", *FLOATS)
MOST_VALUES = 10_000  # of the event column, compared with a misspelled value
CALLS = ("identify", "group", "alias")
# An invalid offset: beyond 18:00, or with 60 or more minutes (macros/cross_db/iso_8601.sql).
FAR_OFFSET = r":\d\d.*[+-](18:?(0[1-9]|[1-5]\d)|(19|[2-9]\d)(:?\d\d)?|\d\d:?[6-9]\d)$"


class Compiler:
    """The SQL expressions of a mapping over one log."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, log: Log, mapping: LogMapping, id_prefix: str
    ) -> None:
        """Check the mapping against the log; raises `MappingError`.

        A row without its own id gets the id `<id_prefix>:<line>`.
        """
        self.con, self.log, self.mapping, self.id_prefix = con, log, mapping, id_prefix
        check_columns(mapping, log.columns, log.path.name)
        con.execute(f"create or replace temp view _tl_rows as {log.select}")
        for value in mapping.values():
            self.type_of(value)

    def error(self, key: str, message: str) -> MappingError:
        """An error that names the mapping file and the key."""
        return MappingError(f"{self.mapping.path}: {key}: {message}")

    def natural(self, value: Value) -> str:
        """SQL of a value, in its own type."""
        if value.kind == "column":
            return identifier(value.value)
        return literal(value.value) if value.kind == "constant" else f"({value.value})"

    def type_of(self, value: Value) -> str:
        """DuckDB type of a value; raises `MappingError` if its SQL is wrong."""
        try:
            sql = f"describe select {self.natural(value)} as v from _tl_rows"
            return only_row(self.con, sql)[1]
        except duckdb.Error as error:
            said = " ".join(str(error).split("LINE ")[0].split()).split(" Candidate functions")[0]
            how = ""
            # Casting a column does not fix an expression with an unknown name.
            if isinstance(error, duckdb.BinderException) and "Referenced" not in said:
                how = "".join(f"{fix(value, each)}. " for each in self.columns_of(value)[:1])
            names = ", ".join(f"{name} {kind}" for name, kind in self.log.columns.items())
            raise self.error(
                value.key, f"{value.value!r}: {said.rstrip('.')}. {how}The columns are: {names}"
            ) from None

    def text(self, value: Value) -> str:
        """SQL of a value as text: empty text is null, 17850.0 is 17850."""
        if value.kind == "constant":
            return literal(str(value.value))
        sql, kind = self.natural(value), self.type_of(value)
        if kind in FLOATS and value.kind == "column" and self.log.is_text:
            sql = f"_tl_text.{sql}"  # as written: 1.10 is not 1.1
        elif kind in FLOATS:
            sql = (
                f"case when {sql} = trunc({sql}) and isfinite({sql}) "
                f"then coalesce(cast(try_cast({sql} as hugeint) as varchar), "
                f"cast({sql} as varchar)) when not isnan({sql}) then cast({sql} as varchar) end"
            )
        elif kind == "JSON":
            sql = f"({sql} ->> '$')"
        return f"nullif(trim(cast({sql} as varchar)), '')"

    def json(self, value: Value) -> str:
        """SQL of a value as JSON: null for NaN and infinity, which JSON lacks."""
        sql = self.natural(value)
        if value.kind != "constant" and self.type_of(value) in FLOATS:
            return f"case when isfinite({sql}) then to_json({sql}) end"
        return f"to_json({sql})"

    def object(self, values: dict[str, Value]) -> str:
        """SQL of values as one JSON object without nulls; a dotted name is a path."""
        tree: dict = {}
        for name, value in values.items():
            *path, last = name.split(".")
            node = tree
            for step in path:
                node = node.setdefault(step, {})
                if isinstance(node, str):
                    raise self.error(value.key, f"{step!r} is a value already")
            if last in node:
                raise self.error(value.key, f"{last!r} holds other values already")
            node[last] = self.json(value)

        def build(node: dict) -> str:
            parts = (
                f"{literal(k)}, {build(v) if isinstance(v, dict) else v}" for k, v in node.items()
            )
            return f"json_object({', '.join(parts)})"

        return f"json_merge_patch('{{}}', {build(tree)})"  # a patch of null removes the key

    def instant(self, when: Time) -> str:
        """SQL of a time as a UTC timestamp: null if it cannot be read."""
        value, sql, kind = when.value, self.natural(when.value), self.type_of(when.value)
        zone = literal(when.timezone)
        known = self.con.execute(f"select 1 from pg_timezone_names() where name = {zone}")
        if not known.fetchone():
            zones = self.con.execute("select name from pg_timezone_names()").fetchall()
            near = nearest(when.timezone, (name for (name,) in zones))
            raise self.error(f"{value.key}.timezone", f"unknown timezone {when.timezone!r}; {near}")
        is_clock, is_number = kind.startswith(("TIMESTAMP", "DATE")), kind in NUMBERS
        if when.unit and is_clock:
            raise self.error(f"{value.key}.unit", f"{value.value!r} holds {kind}: leave unit out")
        if is_number and not when.unit and not when.format:
            fix = f"say unit: {', '.join(UNITS)}, or format"
            raise self.error(value.key, f"{value.value!r} holds numbers; {fix}")

        def local(clock: str) -> str:  # summer time: docs/reference/landing.md
            return f"timezone('UTC', timezone({zone}, {clock}))"

        text = self.text(value)
        if when.unit:
            read = epoch(text, when.unit)
        elif when.format:
            parsed = f"try_strptime({text}, {literal(when.format)})"
            is_zoned = "%z" in when.format or "%Z" in when.format
            read = f"timezone('UTC', {parsed})" if is_zoned else local(parsed)
        elif kind == "TIMESTAMP WITH TIME ZONE":
            read = f"timezone('UTC', {sql})"
        elif is_clock:
            read = local(f"cast({sql} as timestamp)")
        else:
            zoned = rf"regexp_matches({text}, ':\d\d.*([zZ]|UTC|GMT|[+-]\d\d(:?\d\d)?)$')"
            read = (
                rf"case when not regexp_matches({text}, '^\d') "
                rf"or regexp_matches({text}, '{FAR_OFFSET}') then null when {zoned} "
                f"then timezone('UTC', try_cast({text} as timestamptz)) "
                f"else {local(f'try_cast({text} as timestamp)')} end"
            )
        return f"case when isfinite({read}) then {read} end"

    def event(self) -> str:
        """SQL of the event name as text; both Unicode forms of ï are the same letter."""
        event = self.mapping.event
        text = self.text(event.value)
        if not event.names and event.default is None:
            return text
        cases = "".join(
            f" when {literal(composed(a))} then {literal(b)}" for a, b in event.names.items()
        )
        other = text if event.default is None else literal(event.default)
        named = f"case nfc_normalize({text}){cases} else {other} end" if cases else other
        return f"case when {text} is not null then {named} end"

    def rows(self) -> str:
        """Select of the log with `_tl_filter`, the number of the first filter that a row fails, the
        event name `_tl_event`, and the timestamps `_tl_at` and `_tl_received`.
        """
        cases = "".join(
            f" when not coalesce({self.natural(condition)}, false) then {number}"
            for number, condition in enumerate(self.mapping.filters)
        )
        received = self.mapping.received_at
        fields = {
            "_tl_filter": f"case when false then 0{cases} end",
            "_tl_event": self.event(),
            "_tl_at": self.instant(self.mapping.time),
            "_tl_received": self.instant(received) if received else "null::timestamp",
        }
        columns = ", ".join(
            f"case when _tl_problem is null then {sql} end as {name}"
            for name, sql in fields.items()
        )
        return f"select *, {columns} from _tl_rows"

    def messages(self) -> str:
        """Select of the messages, in the order of the log."""
        m, file = self.mapping, self.log.path.name
        email = {"traits.email": Value("email", m.email.kind, m.email.value)} if m.email else {}
        line = f"{literal(self.id_prefix + ':')} || _tl_line"
        ids = {
            key: self.text(value) if value else "null::varchar"
            for key, value in [("user", m.user_id), ("anonymous", m.anonymous_id)]
        }
        message_id = f"coalesce({self.text(m.event_id)}, {line})" if m.event_id else line
        fields = {
            "type": f"case when _tl_event in {CALLS} then _tl_event else 'track' end",
            "event": "_tl_event",
            "messageId": message_id,
            "anonymousId": ids["anonymous"],
            "userId": ids["user"],
            "timestamp": f"coalesce({iso('_tl_at')}, {unread_time(self.text(m.time.value))})",
            # The time of arrival must not replace an unreadable time.
            "receivedAt": (
                f"case when _tl_at is not null then {iso('coalesce(_tl_received, _tl_at)')} end"
            ),
            "context": self.object(m.context | email),
            "traits": self.object(m.traits) if m.traits else "null::json",
        }
        columns = ", ".join(
            f"case when _tl_problem is null then {sql} end as {identifier(name)}"
            for name, sql in fields.items()
        )
        unreadable = (
            f"json_object('problem', _tl_problem, 'file', {literal(file)}, "
            "'line', _tl_line, 'original', _tl_row)"
        )
        properties = (
            f"case when _tl_problem is not null then {unreadable} "
            f"else {self.object(m.properties)} end as properties"
        )
        return f"select {columns}, {properties} from ({self.rows()}) where _tl_filter is null"

    def breaks(self) -> tuple[ndarray, ndarray]:
        """The messages, counted from 0, whose line does not follow that of the message before, in
        ascending order; and their lines.
        """
        found = self.con.execute(
            "select message, line from (select row_number() over () - 1 as message, _tl_line as "
            f"line, lag(_tl_line) over () as before from ({self.rows()}) where _tl_filter is null) "
            "where line is distinct from before + 1"
        ).fetchnumpy()
        return found["message"], found["line"]

    def blame(self, error: duckdb.Error) -> Exception:
        """The error for the first value of the mapping that fails on the rows.

        The error names the columns and the first line, and masks the value.
        """
        if not isinstance(error, OF_ROWS):  # such as a full memory or disk: no value caused it
            return LandError(f"{self.log.path}: {str(error).splitlines()[0]}")
        for value in self.mapping.values():
            sql = f"select max(cast({self.natural(value)} as varchar)) from _tl_rows"
            sql += " where _tl_problem is null"
            try:
                self.con.execute(sql)
            except OF_ROWS as failure:
                said = " ".join(masked(str(failure), sql).split("LINE ")[0].split())
                columns = self.columns_of(value)
                with suppress(duckdb.Error):  # `try` does not accept every expression
                    _, line, _ = self.unread(value, columns, "_tl_rows where _tl_problem is null")
                    said = f"line {line} of {self.log.path.name}: {said}"
                named = f"column {' or '.join(columns)}, " if columns else ""
                text = f"{value.value!r}: cannot read {named}{said}. "
                return self.error(value.key, text + fix(value, *columns[:1]))
        return LandError(f"{self.log.path}: {masked(str(error), '').splitlines()[0]}")

    def columns_of(self, value: Value) -> list[str]:
        """Columns of the log that a value of the mapping reads."""
        return columns_of(self.con, self.natural(value), self.log.columns)

    def unread(self, value: Value, columns: list[str], rows: str) -> tuple[int, int | None, int]:
        """Number and first line of the rows with filled columns whose value is null or fails, and
        the number of all rows with filled columns.
        """
        filled = [f"{self.text(Value('', 'column', each))} is not null" for each in columns]
        is_unread = f"filter (where try({self.natural(value)}) is null)"
        return only_row(
            self.con,
            f"select count(*) {is_unread}, min(_tl_line) {is_unread}, count(*) from {rows} and "
            + " and ".join(filled or ["true"]),
        )

    def copies(self) -> int:
        """Number of landed rows identical to an earlier one; 0 if rows have an event id."""
        if self.mapping.event_id:
            return 0
        return only_row(
            self.con,
            "select coalesce(sum(n - 1), 0)::bigint from (select count(*) as n from "
            f"({self.rows()}) where _tl_problem is null and _tl_filter is null "
            "group by hash(_tl_row))",
        )[0]

    def unmatched(self) -> dict[str, str | None]:
        """The values under `event.names` that no row has, each with the most similar value of the
        rows that is not listed there.
        """
        event = self.mapping.event
        if not event.names:
            return {}
        value = f"nfc_normalize({self.text(event.value)})"
        names = ", ".join(literal(composed(each)) for each in event.names)

        def values(where: str) -> list[str]:
            rows = self.con.execute(
                f"select {value} from _tl_rows where _tl_problem is null and {value} {where} "
                f"group by 1 order by count(*) desc, 1 limit {MOST_VALUES}"
            )
            return [text for (text,) in rows.fetchall()]

        found = {*values(f"in ({names})")}
        missing = [each for each in event.names if composed(each) not in found]
        others = values(f"not in ({names})") if missing else []
        return {each: similar(each, others) for each in missing}

    def losses(self) -> Iterator[tuple[str, str, int, int, int]]:
        """Expressions that omit unreadable values: key, columns, number of rows, first line, number
        of rows in which the columns are filled.
        """
        for value in self.mapping.values():
            is_other = value.key.startswith(("time", "received_at", "filters"))
            if is_other or value.kind != "sql" or not READS.search(value.value):
                continue
            columns = self.columns_of(value)
            landed = f"({self.rows()}) where _tl_problem is null and _tl_filter is null"
            rows, line, filled = self.unread(value, columns, landed) if columns else (0, None, 0)
            if rows and line:
                yield value.key, " and ".join(columns), rows, line, filled


def composed(text: str) -> str:
    """A text in Unicode NFC: editors may save ï as two characters."""
    return unicodedata.normalize("NFC", text)


def fix(value: Value, column: str = "COLUMN") -> str:
    """Advice for a column whose text is not always a number."""
    decimal = f"decimal_comma({column}) for numbers such as 12,50"
    if value.key.startswith("filters"):  # a filter must not drop unreadable rows silently
        typed = f"types: {{{column}: double}}"
        return f"Say {typed}, so that a row with another value lands as unreadable, or {decimal}"
    return (
        f"Write try_cast({column} as double), try(...), or {decimal}: what cannot be read is left "
        "out then, and counted"
    )


def unread_time(text: str) -> str:
    """SQL of the text of an unreadable time, marked so that a build does not parse it."""
    read = render("try_timestamp", text)
    return f"case when {read} is null then {text} else 'not read by the mapping: ' || {text} end"


def iso(sql: str) -> str:
    """SQL of a UTC timestamp as ISO 8601 text with microseconds."""
    return f"strftime({sql}, '%Y-%m-%dT%H:%M:%S.%fZ')"
