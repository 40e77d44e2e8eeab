"""Guesses the event of a row of a log: a column of event names, or one name for all rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tideline.landing.guess_ids import NOT_IDS
from tideline.landing.log_columns import (
    AMOUNTS,
    ENOUGH,
    MONEY,
    Columns,
    last_word,
    quoted,
    quoted_sql,
    text_of,
)
from tideline.landing.mapping import words
from tideline.landing.names import identifier, literal
from tideline.landing.plan_check import event_key
from tideline.landing.plan_infer import PERSONAL, names_of, read_seed
from tideline.text import counted, shown

MOST_NAMES = 100
LONGEST_NAME = 60
FEW = 30
EVENTS = ("event", "event_name", "event_type", "action", "activity", "page", "type")
EVENT_WORDS = {"event", "action", "activity", "operation"}
# Event words in other languages.
EVENT_WORDS |= {"ereignis", "vorgang", "aktion", "aktivitaet", "evento", "accion", "actividad"}
EVENT_WORDS |= {"evenement", "azione", "attivita", "acao", "gebeurtenis", "actie", "haendelse"}
TYPED_WORDS = {"event", "record", "transaction", "message", "log", "row", "activity", "action"}
# The values of `event` in a Snowplow log, which has the names of events in `event_name`.
SNOWPLOW = {"page_view", "page_ping", "struct", "unstruct", "transaction", "transaction_item"}
OF_SNOWPLOW = [
    "# Is this a log of Snowplow? The var `sources: {snowplow: landing}` reads it with no mapping",
    "# from the folder snowplow/events of the landing folder: docs/reference/trackers.md",
]
ORDERS = (
    *("order_id", "order_number", "order_no", "invoice_no", "invoice_id", "invoice"),
    *("transaction_id", "order"),
)
QUANTITIES, PRICES = ("quantity", "qty"), ("unit_price", "price", "unitprice")
ADDRESSES = ("url", "page_url", "uri", "path", "request", "request_url", "page_path")
# Share of the rows that must have the properties that the tracking plan requires.
FILLED = 0.95
# Ends the name of an event whose rows lack what the plan requires of the event.
LOGGED = "_logged"
# The values of a column that are shown, if each is in this share of the rows.
MOST_SHOWN, MANY_ROWS = 5, 0.01


@dataclass
class EventGuess:
    """Lines of the mapping for `event`, its column, and properties named as in the plan.

    `is_merged` is set if several values of the column get the same name.
    """

    lines: list[str]
    column: str | None = None
    is_merged: bool = False
    properties: dict[str, str] = field(default_factory=dict)  # name: YAML of the value
    filters: list[str] = field(default_factory=list)


def known_events(seeds: Path) -> dict[str, str]:
    """Known event names and aliases in snake_case, with the event of the tracking plan."""
    aliases = read_seed(seeds, "event_aliases.csv")
    known = {words(row["alias"]): row["event_name"] for _, row in aliases}
    return known | {event: event for event in required_properties(seeds)}


def required_properties(seeds: Path) -> dict[str, set[str]]:
    """The events of the tracking plan with the required properties of each."""
    required: dict[str, set[str]] = {}
    for _, row in read_seed(seeds, "tracking_plan.csv"):
        needed = required.setdefault(row["event_name"], set())
        if row["is_required"] == "true":
            needed.add(row["property"])
    return required


def find_event(
    columns: Columns, taken: set[str], seeds: Path, who: str | None, when: Sequence[str]
) -> EventGuess:
    """The column of event names with a name for each value, else one event for all rows.

    `who` is the column of the person, `when` are those of the time.
    """
    free = [name for name in columns.names if name not in taken]
    by_words = {columns.words[name]: name for name in reversed(free)}
    names = [by_words[name] for name in EVENTS if name in by_words]
    names += [name for name in free if name not in names and is_named_event(columns.words[name])]
    refused = []
    if is_snowplow(columns, by_words):
        names.sort(key=lambda name: name != by_words["event_name"])
        refused += OF_SNOWPLOW
    for name in names:
        why = objection(columns, name)
        if why:
            refused.append(f"# event: {quoted(name)}  # not mapped: {why}")
            continue
        return named_events(columns, name, refused, seeds)
    guess = one_event(columns, free, seeds, who, when)
    guess.lines = [*refused, *guess.lines]
    return guess


def is_snowplow(columns: Columns, by_words: dict[str, str]) -> bool:
    """Whether a log has the columns of Snowplow for the kind and the name of an event."""
    if not {"event", "event_name"} <= by_words.keys():
        return False
    kinds = {value for value, _ in columns.values(by_words["event"], len(SNOWPLOW) + 1)}
    return bool(kinds) and kinds <= SNOWPLOW


def is_named_event(name: str) -> bool:
    """Whether the name of a column suggests event names."""
    parts = name.split("_")
    is_typed = len(parts) > 1 and parts[-1] in ("type", "name") and parts[-2] in TYPED_WORDS
    return is_typed or last_word(name) in EVENT_WORDS


def objection(columns: Columns, name: str) -> str | None:
    """The reason why the values of a column are not event names; None if they may be."""
    counts = columns.counts(name)
    if not counts.filled:
        return "empty in all rows"
    if columns.kind(name) == "JSON":
        return "holds objects or arrays"
    if columns.is_number(name):
        return "holds numbers"
    if counts.distinct > MOST_NAMES or (
        columns.rows >= ENOUGH and counts.distinct > 0.5 * counts.filled
    ):
        return f"{counts}: too many to be names of events"
    if columns.share(name, r"(/|[a-z]+://).*") > 0.5:
        return "holds addresses of pages"
    if columns.count(f"length({text_of(name)}) > {LONGEST_NAME} or contains({text_of(name)}, '@')"):
        return "holds text, not names"
    return None


def named_events(columns: Columns, name: str, refused: list[str], seeds: Path) -> EventGuess:
    """The lines for a column of event names.

    A value known to the plan gets the plan's name if the log has the properties that the plan
    requires. Any other value keeps its own name in snake_case; `plan infer` proposes rows for it.
    """
    known, required = known_events(seeds), required_properties(seeds)
    # Columns by the names that the plan and its aliases use.
    available = {columns.words[each]: each for each in columns.names if each != name}
    empty = columns.rows - columns.filled[name]
    note = (
        f"  # {counted(empty, 'row names', 'rows name')} no event and will be quarantined"
        if empty
        else ""
    )
    lines = [*refused, "event:", f"  column: {quoted(name)}{note}", "  names:"]
    given = []
    for number, (value, rows) in enumerate(columns.values(name, MOST_NAMES), 1):
        own = words(value) or f"event_{number}"
        own = own if own[0].isalpha() else f"event_{own}"
        event = known.get(own)
        said = f"# {counted(rows, 'row')}"
        given.append(event or own)
        if not event:
            lines.append(f"    {quoted(value)}: {quoted(own)}  {said}, not in the tracking plan")
            continue
        lacking = {}
        for needed in sorted(required[event]):
            keys = [key for key in names_of(event, needed, seeds) if key in available]
            texts = ", ".join(text_of(available[key]) for key in keys)
            found = (
                columns.count(
                    f"{text_of(name)} = {literal(value)} and coalesce({texts}, null) is not null"
                )
                if keys
                else 0
            )
            if found < rows:
                lacking[needed] = rows - found
        if any(absent > (1 - FILLED) * rows for absent in lacking.values()):
            wanted = " and ".join(lacking)
            given[-1] = own + LOGGED
            lines.append(
                f"    {quoted(value)}: {own}{LOGGED}  {said}; {event} needs {wanted}: map "
                f"{'it' if len(lacking) == 1 else 'them'} under properties and write {event}"
            )
        else:
            said += "".join(f", {n:,} without {each}" for each, n in lacking.items())
            lines.append(f"    {quoted(value)}: {quoted(event)}  {said}")
    return EventGuess(lines, name, is_merged=len(set(given)) < len(given))


def one_event(
    columns: Columns, free: list[str], seeds: Path, who: str | None, when: Sequence[str]
) -> EventGuess:
    """One name for all rows: a purchase, a page view, or the log's own name."""
    by_words = {columns.words[name]: name for name in reversed(free)}
    order = next((by_words[name] for name in ORDERS if name in by_words), None)
    doubt = []
    if order and columns.filled[order] == columns.rows:
        guess = purchase(columns, order, by_words)
        if guess.properties:
            return guess
        doubt = guess.lines
    flat = {word: name for word, name in by_words.items() if columns.kind(name) != "JSON"}
    page = next((flat[name] for name in ADDRESSES if name in flat), None)
    request = next((name for name in free if columns.share(name, REQUEST) > 0.9), None)
    if page or request:
        seen = quoted(page or request or "")
        line = f"event: {{constant: page_view}}  # no column names events; {seen} is a page's"
        return EventGuess([*doubt, line])
    stem = re.sub(r"[^a-z]+", "_", words(columns.log.path.name.split(".")[0])).strip("_")
    own = event_key(f"{stem or 'row'}_recorded")
    line = f"event: {{constant: {own}}}  # no column is called an event: what is a row?"
    others = other_events(columns, free, seeds, who)
    return EventGuess([*doubt, line, *others, *(perhaps_purchase(columns, free, who, when))])


def other_events(columns: Columns, free: list[str], seeds: Path, who: str | None) -> list[str]:
    """Comments on the columns with few values: one of them may hold event names."""
    few = {
        name: columns.counts(name).distinct
        for name in free
        if columns.kind(name) == "VARCHAR"
        and columns.filled[name] >= FILLED * columns.rows
        and not {*columns.words[name].split("_")} & (NOT_IDS | PERSONAL)
        and 2 <= columns.counts(name).distinct <= FEW < columns.rows
        and not objection(columns, name)
    }
    if not few:
        return []
    best = max(few, key=lambda name: few[name])
    others = [
        f"{quoted(name)} ({counted(n, 'value')}{first_values(columns, name, who)})"
        for name, n in few.items()
        if name != best
    ]
    return [
        f"# Does {quoted(best)} ({counted(few[best], 'value')}) say what happened? Then write "
        "instead of the line above:",
        *(f"# {line}" for line in named_events(columns, best, [], seeds).lines),
        *([f"# Other columns of few values: {', '.join(others)}."] if others else []),
    ]


def first_values(columns: Columns, name: str, who: str | None) -> str:
    """The most frequent values of a column after a colon; nothing if they may be personal.

    What a person did differs from row to row, unlike a name; and each value has many rows.
    """
    if not who:
        return ""
    value, person = text_of(name), text_of(who)
    people, several = columns.row(
        "count(*), count(*) filter (where n > 1)",
        f"(select count(distinct {value}) as n from _tl_log where {person} is not null "
        f"group by {person} having count(*) > 1)",
    )
    values = columns.values(name, FEW)
    if 2 * several < people or any(rows < MANY_ROWS * columns.rows for _, rows in values):
        return ""
    more = ", ..." if values[MOST_SHOWN:] else ""
    return f": {', '.join(shown(each) for each, _ in values[:MOST_SHOWN])}{more}"


def perhaps_purchase(
    columns: Columns, free: list[str], who: str | None, when: Sequence[str]
) -> list[str]:
    """Comments that make each row with an amount of money a purchase; none without an amount.

    Without a column of orders, all that a person buys at one time is an order.
    """
    amount = next(
        (
            name
            for name in free
            if {*columns.words[name].split("_")} & MONEY and money(columns, name)
        ),
        None,
    )
    if not amount or not who or not when:
        return []
    order = " || '-' || ".join(f"cast({identifier(name)} as varchar)" for name in (who, *when))
    number = columns.number(amount)
    value = f"{{sql: {quoted_sql(number[0])}}}" if number and number[1] else quoted(amount)
    return [
        f"# Is each row a purchase? {quoted(amount)} may be what was paid. Then write instead of "
        "the line above:",
        "# event: {constant: purchase}",
        "# and under properties:",
        f"#   order_id: {{sql: {quoted_sql(order)}}}  # what a person buys at one time",
        f"#   revenue: {value}",
    ]


def money(columns: Columns, name: str) -> bool:
    """Whether a column holds numbers in at least half of the rows, of which most are positive."""
    number = columns.number(name)
    if number is None or 2 * columns.filled[name] < columns.rows:
        return False
    return 2 * columns.count(f"{number[0]} > 0") > columns.filled[name]


REQUEST = r"(GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH) \S+.*"


def purchase(columns: Columns, order: str, by_words: dict[str, str]) -> EventGuess:
    """Rows with an order and an amount; without properties, perhaps with a doubt, if unclear."""
    amount = next((by_words[name] for name in AMOUNTS if name in by_words), None)
    quantity = next((by_words[name] for name in QUANTITIES if name in by_words), None)
    price = next((by_words[name] for name in PRICES if name in by_words), None)
    number = columns.number(amount) if amount else None
    if amount and number:
        sql, seen = number[0], quoted(amount)
        if repeats_total(columns, order, sql):
            return EventGuess(
                [
                    f"# Rows are lines of orders ({quoted(order)}), and {seen} is the same in all "
                    "lines of an order: added up it would count several times, so rows are no "
                    "purchases as they stand."
                ]
            )
    elif (
        quantity
        and price
        and (pieces := columns.number(quantity))
        and (each := columns.number(price))
    ):
        sql = f"round({pieces[0]} * {each[0]}, 2)"
        seen = f"{quoted(quantity)} times {quoted(price)}"
    else:
        return EventGuess([])
    negative = columns.count(f"{sql} < 0")
    note = f"  # {seen}"
    if negative:
        note += f"; {counted(negative, 'row is', 'rows are')} negative: returns? See filters below"
    revenue = f"{{sql: {quoted_sql(sql)}}}{note}"
    line = f"event: {{constant: purchase}}  # no column names events; {quoted(order)} is an order's"
    filters = [
        f'  - "{sql} >= 0"'.replace('"', "'")
        if '"' not in sql
        else f"  - {quoted_sql(sql + ' >= 0')}"
    ]
    return EventGuess(
        [line],
        properties={"order_id": quoted(order), "revenue": revenue},
        filters=filters if negative else [],
    )


def repeats_total(columns: Columns, order: str, sql: str) -> bool:
    """Whether an amount is the total of the order, repeated in each of its rows."""
    several, same = columns.row(
        "count(*), count(*) filter (amounts = 1)",
        f"(select count(distinct {sql}) as amounts from _tl_log "
        f"group by {identifier(order)} having count(*) > 1)",
    )
    return several >= ENOUGH and same > 0.9 * several
