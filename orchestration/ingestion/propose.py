"""Propose a mapping for a log, guessed from the names, types and values of its columns."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import duckdb

from orchestration.ingestion.log_files import Log, identifier
from orchestration.ingestion.mapping import Event, words
from orchestration.text import nearest

SEEDS = Path(__file__).parents[2] / "seeds"
MOST_NAMES = 50
# Names of columns in snake_case, the likeliest first.
TIMES = ("timestamp", "event_timestamp", "occurred_at", "event_time", "time", "ts", "datetime")
TIMES += ("created_at", "invoice_date", "order_date", "date", "day")
RECEIVED = ("received_at", "collector_tstamp", "ingested_at", "server_time")
EVENT_IDS = ("event_id", "message_id", "insert_id", "event_uuid", "uuid")
USERS = ("user_id", "customer_id", "account_id", "member_id", "customer", "user", "uid")
DEVICES = ("anonymous_id", "visitor_id", "device_id", "client_id", "cookie_id", "cookie")
EMAILS = ("email", "email_address", "user_email", "customer_email")
EVENTS = ("event", "event_name", "event_type", "action", "activity", "page", "type")
# Seconds, milliseconds, microseconds since 1970 of the years 2001 to 2286.
EPOCHS = {"s": (1e9, 1e10), "ms": (1e12, 1e13), "us": (1e15, 1e16)}


@cache
def known_events() -> dict[str, str]:
    """Names that the graph understands, in snake_case, and the event of the tracking plan."""
    with (SEEDS / "event_aliases.csv").open(encoding="utf-8", newline="") as file:
        aliases = {words(row["alias"]): row["event_name"] for row in csv.DictReader(file)}
    return aliases | {event: event for event in required_properties()}


@cache
def required_properties() -> dict[str, set[str]]:
    """The events of the tracking plan and the properties that each of them must have."""
    required: dict[str, set[str]] = {}
    with (SEEDS / "tracking_plan.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            needed = required.setdefault(row["event_name"], set())
            if row["is_required"] == "true":
                needed.add(row["property"])
    return required


def unknown_events(event: Event) -> list[str]:
    """A warning for each event name of a mapping that the tracking plan does not have."""
    constant = [str(event.value.value)] if event.value.kind == "constant" else []
    named = dict.fromkeys([*constant, *event.names.values(), *filter(None, [event.default])])
    return [
        f"event {name!r} is not in the tracking plan, its rows will be quarantined; "
        + nearest(words(name), known_events())
        for name in named
        if words(name) not in known_events()
    ]


def propose(con: duckdb.DuckDBPyConnection, log: Log) -> str:
    """A mapping as YAML text; it lands the log as it stands where the guess was possible."""
    con.execute(f"create or replace temp view _tl_rows as {log.select}")
    used: set[str] = set()

    def pick(names: tuple[str, ...]) -> str | None:
        by_words = {words(column): column for column in log.columns if column not in used}
        found = next((by_words[name] for name in names if name in by_words), None)
        if found:
            used.add(found)
        return found

    out = [
        f"# A mapping for {log.path.name}, guessed from its columns. Correct it, then land with",
        f"#   python -m orchestration.ingestion.land {log.path.name} --mapping THIS_FILE",
        "# Keys and values: docs/landing.md",
    ]
    lines, time = guess_time(con, log)
    out += lines
    used |= {time} if time else set()
    for key, names in [
        ("received_at", RECEIVED),
        ("event_id", EVENT_IDS),
        ("user_id", USERS),
        ("anonymous_id", DEVICES),
        ("email", EMAILS),
    ]:
        column = pick(names)
        if column:
            out.append(f"{key}: {quoted(column)}  # guessed from the name")
    if not any(line.startswith(("user_id", "anonymous_id", "email")) for line in out):
        out.append("# user_id: which column says who? Needed: user_id, anonymous_id or email.")
    event = pick(EVENTS)
    rest = {words(column) or column: column for column in log.columns if column not in used}
    out += guess_event(con, event, set(rest))
    if event:
        rest = {"title": event} | rest
    if rest:
        out.append("properties:  # every other column; keep what you need")
        out += [f"  {quoted(name)}: {quoted(column)}" for name, column in rest.items()]
    return "\n".join(out) + "\n"


def quoted(text: str) -> str:
    """A text as YAML: plain where that is safe, else in double quotes."""
    is_plain = text.isidentifier() and text.lower() not in ("yes", "no", "on", "off", "y", "n")
    is_plain = is_plain and text.lower() not in ("true", "false", "null")
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def guess_time(con: duckdb.DuckDBPyConnection, log: Log) -> tuple[list[str], str | None]:
    """The lines for `time`, and its column."""

    def rank(column: str) -> int:
        return TIMES.index(words(column)) if words(column) in TIMES else len(TIMES)

    for column in sorted(log.columns, key=rank):
        kind, name = log.columns[column], identifier(column)
        if kind.startswith(("TIMESTAMP", "DATE")):
            return [time_line(column, "timezone: UTC", f"{kind.lower()}; in which zone?")], column
        if kind == "VARCHAR":
            readable, values = con.execute(
                f"select count(*) filter (where regexp_matches({name}, '^\\d') "
                f"and try_cast({name} as timestamptz) is not null), count({name}) from _tl_rows"
            ).fetchone()
            if values and readable >= 0.9 * values:
                return [time_line(column, "timezone: UTC", "text; in which zone?")], column
        elif kind in ("BIGINT", "DOUBLE", "INTEGER", "HUGEINT") and rank(column) < len(TIMES):
            low, high = con.execute(f"select min({name}), max({name}) from _tl_rows").fetchone()
            for unit, (least, most) in EPOCHS.items():
                if low is not None and least <= low and high < most:
                    return [time_line(column, f"unit: {unit}", "a number since 1970")], column
    named = next((c for c in log.columns if words(c) in TIMES), None)
    if named:
        note = "no ISO 8601: put its strptime format here"
        return [time_line(named, 'format: "%d/%m/%Y %H:%M"', note)], named
    return ["# time: which column says when? No column looks like a time."], None


def time_line(column: str, option: str, note: str) -> str:
    """One line of YAML."""
    return f"time: {{column: {quoted(column)}, {option}}}  # {note}"


def guess_event(
    con: duckdb.DuckDBPyConnection, column: str | None, properties: set[str]
) -> list[str]:
    """The lines for `event`: its column, and an event of the tracking plan for each of its values.

    What the plan does not know is proposed as the view of a page. A property that the plan wants
    and the log does not have under that name is noted: without it the rows are quarantined.
    """
    if not column:
        return [
            "event: {constant: page_view}  # no column looks like an event name; what is a row?",
            f"# there are: {', '.join(required_properties())}",
        ]
    found = con.execute(
        f"select cast({identifier(column)} as varchar), count(*) from _tl_rows "
        f"where {identifier(column)} is not null group by 1 order by 2 desc, 1 limit {MOST_NAMES}"
    ).fetchall()
    out = ["event:", f"  column: {quoted(column)}", "  names:"]
    for value, rows in found:
        event, note = known_events().get(words(value)), f"{rows:,} rows"
        missing = sorted(required_properties().get(event or "", set()) - properties)
        if missing:
            note += f"; needs {' and '.join(missing)}: name the columns below"
        elif not event:
            note += "; not in the tracking plan"
        out.append(f"    {quoted(value)}: {event or 'page_view'}  # {note}")
    return [*out, "  default: page_view"]
