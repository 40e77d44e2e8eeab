"""Proposes a mapping for a log: guesses from names, each tested on the rows of the log."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path

import duckdb

from tideline.landing.guess_event import REQUEST, EventGuess, find_event
from tideline.landing.guess_ids import find_ids
from tideline.landing.guess_time import (
    Reading,
    day_and_month_exchanged,
    find_time,
    read_column,
)
from tideline.landing.log_columns import Columns, quoted, quoted_sql, text_of
from tideline.landing.log_files import Log, open_log
from tideline.landing.log_format import OTHER, find_format
from tideline.landing.mapping import LogFormat
from tideline.landing.names import identifier
from tideline.landing.plan_infer import ends_like_id
from tideline.text import counted

MOST_ROWS = 5_000_000  # of a longer log, only the first rows are read
RARE = 0.001  # a column filled in fewer rows may be a typing error
RECEIVED = ("received_at", "collector_tstamp", "ingested_at", "server_time")
BROWSER = "(Mozilla|Opera)/.*"
# Columns for the context, where a build detects bots, devices, referrers and campaigns.
CONTEXT = {
    "user_agent": "userAgent",
    "useragent": "userAgent",
    "ip": "ip",
    "ip_address": "ip",
    "client_ip": "ip",
    "referrer": "page.referrer",
    "referer": "page.referrer",
    "utm_source": "campaign.source",
    "utm_medium": "campaign.medium",
    "utm_campaign": "campaign.name",
    "device_type": "device.type",
    "platform": "device.type",
}


def propose(
    con: duckdb.DuckDBPyConnection, path: Path, folder: Path, seeds: Path
) -> tuple[Log, str]:
    """The log, and a mapping for it as YAML text with comments for open questions."""
    columns, format, seen = look_at(con, path, folder)
    out = [
        f"# A mapping for {path.name}, guessed from its columns and tested on its rows.",
        f"# Correct it, then land with: tideline land {path.name} --mapping THIS_FILE",
        "# Keys and values: docs/reference/landing.md",
        *rows_seen(columns),
    ]
    time = find_time(columns, set())
    used: set[str] = set()
    out += time_lines(time)
    if time:
        used |= set(time.columns)
        received = find_received(columns, time)
        out += [received.line("received_at")] if received else []
        used |= set(received.columns) if received else set()
    ids = find_ids(columns, used)
    out += ids.lines
    used |= set(ids.used.values())
    who = next(iter(ids.used.values()), None)
    event = find_event(columns, used, seeds, who, time.columns if time else ())
    out += event.lines
    rest = [name for name in columns.names if name not in used]
    in_context = context_of(columns, [name for name in rest if name != event.column])
    if in_context:
        out.append("context:  # where bots, devices, referrers and campaigns are looked for")
        out += [f"  {place}: {quoted(name)}" for place, name in in_context.items()]
    rest = [name for name in rest if name not in in_context.values()]
    out += property_lines(columns, rest, event)
    if event.filters:
        out += ["# filters:", *(f"# {line}" for line in event.filters)]
    out += format_lines(format, seen)
    return columns.log, "\n".join(out) + "\n"


def look_at(
    con: duckdb.DuckDBPyConnection, path: Path, folder: Path
) -> tuple[Columns, LogFormat, list[str]]:
    """The columns of a log of unknown format, the format, and the evidence for it."""
    try:
        format, seen = find_format(path)
    except (OSError, EOFError, UnicodeError, zlib.error, gzip.BadGzipFile, csv.Error):
        format, seen = LogFormat(), []  # opening the log raises the error
    columns = Columns(con, open_log(con, path, folder, format, MOST_ROWS), folder)
    wrong = sum(n for why, n in columns.problems.items() if why.startswith("not UTF-8"))
    if not wrong or format.encoding != "utf-8":
        return columns, format, seen
    format = replace(format, encoding=OTHER)
    said = counted(wrong, "row is", "rows are")
    seen.append(f"{said} not UTF-8; {OTHER} is the most usual other encoding")
    return Columns(con, open_log(con, path, folder, format, MOST_ROWS), folder), format, seen


def rows_seen(columns: Columns) -> list[str]:
    """Comments about the rows that were read."""
    rows = counted(columns.rows, "row")
    is_partial = columns.log.is_partial
    lines = [f"# Read: the first {rows}, the rest not." if is_partial else f"# Read: all {rows}."]
    problems = sum(columns.problems.values())
    if problems:
        lines.append(
            f"# {counted(problems, 'more row')} cannot be read; landed, such rows are quarantined."
        )
    return lines


def time_lines(time: Reading | None) -> list[str]:
    """The line for `time`; in doubt, both readings as comments."""
    if not time:
        return ["# time: which column says when? No column can be read as a time throughout."]
    if not time.doubt:
        return [time.line("time")]
    first = time.line("time")
    other = day_and_month_exchanged(first)
    return [f"# {time.doubt} Remove the # before the right one.", f"# {first}", f"# {other}"]


def find_received(columns: Columns, time: Reading) -> Reading | None:
    """The column of the time of arrival, which is never before the time of the event."""
    for name in columns.names:
        if columns.words[name] not in RECEIVED or name in time.columns:
            continue
        reading = read_column(columns, name)
        if reading and not columns.count(f"{reading.sql} < {time.sql}"):
            return reading
    return None


def context_of(columns: Columns, names: list[str]) -> dict[str, str]:
    """Columns by their path in the context, found by name, or by value for browsers."""
    found: dict[str, str] = {}
    for name in names:
        place = CONTEXT.get(columns.words[name])
        if not place and columns.kind(name) == "VARCHAR" and columns.share(name, BROWSER) > 0.5:
            place = "userAgent"
        if place and columns.filled[name]:
            found.setdefault(place, name)
    return found


def property_lines(columns: Columns, names: list[str], event: EventGuess) -> list[str]:
    """The lines of the properties with their types: all columns not used elsewhere."""
    lines = [f"  {name}: {value}" for name, value in event.properties.items()]
    taken = set(event.properties)
    for name in names:
        if name == event.column and not event.is_merged:
            continue  # the event has the same value
        if quoted(name) in event.properties.values():
            continue
        if columns.holds_others(name):
            continue
        if not columns.filled[name]:
            lines.append(f"  # {quoted(name)} is empty in all rows")
            continue
        key = "title" if name == event.column else columns.words[name]
        while key in taken:
            key += "_2"
        taken.add(key)
        value, kind = value_of(columns, name, key)
        kind += ", the event as the log calls it" if name == event.column else ""
        share = columns.filled[name] / columns.rows
        filled = "" if share == 1 else f", filled in {share:.1%}"
        if share < RARE:
            filled = f", filled in {counted(columns.filled[name], 'row')}"
        lines.append(f"  {quoted(key)}: {value}  # {kind}{filled}")
        if columns.share(name, REQUEST) > 0.9:
            url = f"split_part({identifier(name)}, ' ', 2)"
            lines.append(f"  url: {{sql: {quoted_sql(url)}}}  # the page that was asked for")
            taken.add("url")
    return ["properties:  # every other column; keep what you need", *lines] if lines else []


def value_of(columns: Columns, name: str, key: str) -> tuple[str, str]:
    """YAML of a column as the value of a property `key`, and its type as in the tracking plan."""
    number = columns.number(name)
    if number and number[1]:
        return f"{{sql: {quoted_sql(number[0])}}}", number[1]
    if number:
        return quoted(name), "text" if ends_like_id(key) else "number"
    kind = columns.kind(name)
    if kind == "VARCHAR":
        word = "text"
        if (
            columns.count(f"contains({text_of(name)}, ',')")
            and columns.share(name, r"[-\d.,]+") == 1
        ):
            read = f"{{sql: {quoted_sql(f'decimal_comma({identifier(name)})')}}}"
            word = "text: are its commas decimal or between thousands? Write "
            word += f"{read} or {read.replace('decimal', 'thousands')}"
        return quoted(name), word
    if kind == "JSON" or kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return quoted(name), "object or array"
    return quoted(name), "boolean" if kind == "BOOLEAN" and not ends_like_id(key) else "text"


def format_lines(format: LogFormat, seen: list[str]) -> list[str]:
    """The lines of `csv`."""
    options = []
    if format.delimiter:
        options.append(f"  delimiter: {json.dumps(format.delimiter)}")
    if format.encoding != "utf-8":
        options.append(f"  encoding: {format.encoding}")
    if format.columns:
        options.append(f"  columns: [{', '.join(format.columns)}]")
    return [*(f"# {each}" for each in seen), "csv:", *options] if options else []
