"""Proposes rows of the tracking plan from landed data: events, properties, types, values.

It reads the warehouse, where aliases are resolved, or only the landed files. The result holds
counts and short lists of values, but no values that look like ids or personal data.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tideline.landing.names import literal
from tideline.landing.plan_check import (
    COLUMNS,
    SEEDS,
    UNSAFE,
    Row,
    event_key,
    properties_of,
    read,
    snake_case,
)
from tideline.text import counted, shown
from tideline.warehouse.duckdb_file import only_row, reason

# An event with fewer rows may be a typing error, and so may a property in fewer of its rows.
LEAST_ROWS = 10
MOST_RARE = 20
MOST_ROWS = 2_000_000  # of more rows, every second, third, ... is read
MOST_LANDED_ROWS = 500_000  # the limit while landing, with limited memory
LEAST_SHARE = 0.01
MOST_PROPERTIES = 100
# The least rows for which to propose required properties and lists of allowed values.
ENOUGH_ROWS = 200
MOST_VALUES = 8
LEAST_VALUE_SHARE = 0.01
LONGEST_VALUE = 40
# The share of the filled rows that must fit a type: the rest is quarantined.
FIT = 0.95
# Calls with traits of a person instead of properties.
TRAIT_CALLS = ("identify", "group", "alias")
# Words of property names, in snake_case, that suggest personal data.
PERSONAL = {
    *(
        "email",
        "mail",
        "phone",
        "mobile",
        "tel",
        "fax",
        "ip",
        "user",
        "username",
        "nickname",
        "login",
    ),
    *("first", "last", "full", "firstname", "lastname", "fullname", "surname", "person", "contact"),
    *(
        "address",
        "street",
        "city",
        "zip",
        "postcode",
        "postal",
        "lat",
        "lng",
        "latitude",
        "longitude",
    ),
    *("birthday", "birth", "dob", "age", "gender", "sex", "ssn", "passport", "iban", "bic", "card"),
    *("cvv", "account", "password", "secret", "token"),
}
IDS = {
    *("id", "ids", "uuid", "guid", "key", "sku", "hash", "slug", "code", "number", "no"),
    *("url", "uri", "path", "href", "link"),
}
# Never integers: a later amount may have cents.
AMOUNTS = {"price", "amount", "revenue", "value", "total", "cost", "tax", "discount", "mrr", "fee"}
EMAIL = "[^@ ]+@[^@ ]+[.][A-Za-z]{2,}"
PHONE = "[+]?[0-9][0-9 ()/.-]{5,}[0-9]"
IP = "[0-9]{1,3}([.][0-9]{1,3}){3}"
PERSONAL_TEXT = f"{EMAIL}|{PHONE}|{IP}"
# An event name with an email address or many digits may be personal data.
PERSONAL_NAME = re.compile(r"@|[0-9]{5}|([0-9][^0-9]*){7}")
OPAQUE_TEXT = "[0-9a-fA-F-]{16,}|.*[0-9]{5,}.*"
INSTANT = "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.*)?"


class InferError(Exception):
    """Nothing can be proposed; the message names what is missing and the fix."""


@dataclass
class Proposal:
    """Rows of the plan as texts in the order of its columns, notes, and what was read."""

    origin: str
    rows: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Property:
    """Statistics of a property of an event: numbers of filled rows, in total and by kind.

    `personal` counts values like an address or a phone number, `opaque` those like an id. `values`
    maps the values to their rows if they are few, else it is None.
    """

    name: str
    filled: int
    objects: int
    arrays: int
    strings: int
    booleans: int
    numbers: int
    integers: int
    timestamps: int
    personal: int
    opaque: int
    values: dict[str, int] | None


def infer(warehouse: Path | None, landing: Path, seeds: Path, everything: bool) -> Proposal:
    """Proposed rows for all landed events if `everything`, else for what the plan does not have.

    Reads the warehouse if it has landed events, else the landing folder. Raises InferError if
    neither has an event.
    """
    with duckdb.connect() as con:
        if warehouse and warehouse.exists():
            proposal = Proposal(str(warehouse))
            read_warehouse(con, warehouse)
        elif landing.is_dir():
            proposal = Proposal(str(landing))
            paths = sorted(path for path in (landing / "events").rglob("*") if path.is_file())
            read_files(con, paths, seeds, proposal.notes)
        else:
            raise InferError(
                f"there is neither the warehouse {warehouse} nor the landing folder {landing}; "
                "set TIDELINE_WAREHOUSE or TIDELINE_LANDING, or build first"
            )
        known = properties_of(read_seed(seeds, "tracking_plan.csv"))
        events = sample_events(con, seeds, proposal.notes)
        rare = [*rare_events(con, known)]
        if not events and not rare:
            raise InferError(f"no event has landed in {proposal.origin} {LEAST_ROWS} times or more")
        proposal.notes += rare
        for event, rows in events:
            if event in TRAIT_CALLS and (everything or event not in known):
                proposal.rows.append(row_of(event, description=f"{counted(rows, 'row')} landed"))
            elif event not in TRAIT_CALLS:
                skip = set() if everything else known.get(event, set())
                add_event(con, proposal, event, rows, skip, event in known and not everything)
    return proposal


def infer_unknown(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path = SEEDS
) -> Proposal:
    """Proposed rows for the unknown events of landed files, accepted without review.

    They hold only types that all landed rows fit and require no properties.
    """
    proposal = Proposal(", ".join(map(str, paths)))
    read_files(con, paths, seeds, proposal.notes)
    known = properties_of(read_seed(seeds, "tracking_plan.csv"))
    for event, rows in sample_events(con, seeds, proposal.notes, MOST_LANDED_ROWS):
        if event not in known:
            add_event(con, proposal, event, rows, set(), is_known=False, is_lenient=True)
    return proposal


def rare_events(con: duckdb.DuckDBPyConnection, known: Collection[str]) -> Iterator[str]:
    """Notes about unknown events with too few rows, each with the line to add for it."""
    found = con.execute(RARE_EVENTS).fetchall()
    new = [(event, rows) for event, rows in found if event not in known and is_event_name(event)]
    for event, rows in new[:MOST_RARE]:
        yield (
            f"{event} ({counted(rows, 'row')}) is left out: an event with fewer than {LEAST_ROWS} "
            f"rows may be a typing error. If it is not, add `{event},,,,,,What happened`"
        )
    if more := len(new[MOST_RARE:]):
        yield f"{counted(more, 'more event is', 'more events are')} left out, for the same reason"


def types_of(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path, events: Iterable[str]
) -> dict[tuple[str, str], str | None]:
    """The types of the properties of some events of landed files, by event and property."""
    read_files(con, paths, seeds, [])
    sample_events(con, seeds, [], MOST_LANDED_ROWS)
    return {
        (event, each.name): loose_type(each)
        for event in events
        for each in (Property(*row) for row in con.execute(PROPERTIES, [event]).fetchall())
    }


def read_seed(seeds: Path, file: str) -> list[Row]:
    """The readable rows of a seed."""
    return read(seeds / file, COLUMNS[file])[0]


def names_of(event: str, name: str, seeds: Path = SEEDS) -> list[str]:
    """A property of the plan, then its aliases in the collector's events."""
    aliases = [row for _, row in read_seed(seeds, "property_aliases.csv")]
    return [
        name,
        *(
            row["alias"]
            for row in aliases
            if row["property"] == name
            and row["event_name"] in ("*", event)
            and row["source"] in ("*", "collector")
        ),
    ]


def sample_events(
    con: duckdb.DuckDBPyConnection, seeds: Path, notes: list[str], most: int = MOST_ROWS
) -> list[tuple[str, int]]:
    """The events of `landed` with their rows; creates the tables that `add_event` reads."""
    rows = only_row(con, "select count(*) from landed")[0]
    step = max(1, -(-rows // most))
    if step > 1:
        notes.append(f"one of {step} rows is read of {rows:,}")
    con.execute(
        "create or replace temp table sampled as select event_name, properties from landed "
        f"where number % {step} = 0"
    )
    con.execute("create or replace temp table entries as " + ENTRIES)
    con.execute("create or replace temp table names (event_name text, alias text, property text)")
    plan = properties_of(read_seed(seeds, "tracking_plan.csv"))
    names = [
        [event, row["alias"], row["property"]]
        for _, row in read_seed(seeds, "property_aliases.csv")
        for event, properties in plan.items()
        if row["event_name"] in ("*", event) and row["property"] in properties
    ]
    if names:
        con.executemany("insert into names values (?, ?, ?)", names)
    return con.execute(EVENTS).fetchall()


def read_warehouse(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the view `landed` of `event_name` and `properties` from the read-only warehouse."""
    try:
        con.execute(f"attach {literal(str(path))} as warehouse (read_only)")
        con.execute(
            "create temp view landed as select event_name, properties, rowid as number "
            "from warehouse.tideline_internal.int_events_deduplicated "
            "where status <> 'duplicate'"
        )
    except duckdb.IOException as error:
        landed = "or give the landed files instead (--landing DIR)"
        raise InferError(f"{reason(path, error)}; {landed}") from None
    except duckdb.Error as error:
        why = str(error).split("\n")[0]
        raise InferError(
            f"{path}: cannot be read; build first (dbt build), or give the landed files "
            f"(--landing DIR). {why}"
        ) from None


def read_files(
    con: duckdb.DuckDBPyConnection, paths: Iterable[Path], seeds: Path, notes: list[str]
) -> None:
    """Create the table `landed` of `event_name` and `properties` from files of a collector."""
    con.execute("create or replace temp table messages (event_name text, properties json)")
    for path in paths:
        kind = path.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
        if kind == "parquet":
            lines = f"select to_json(t) as line from read_parquet({literal(str(path))}) as t"
        elif kind in ("jsonl", "ndjson", "json"):
            lines = (
                f"select json as line from read_ndjson_objects({literal(str(path))}, "
                "ignore_errors = true, maximum_object_size = 67108864)"
            )
        else:
            continue
        try:
            con.execute(f"insert into messages {MESSAGES.format(lines=lines)}")
        except duckdb.Error as error:
            notes.append(f"{path} is left out: {str(error).splitlines()[0]}")
    con.execute("create or replace temp table event_names (event_key text, event_name text)")
    aliases = read_seed(seeds, "event_aliases.csv")
    if aliases:
        con.executemany(
            "insert into event_names values (?, ?)",
            [[event_key(row["alias"]), row["event_name"]] for _, row in aliases],
        )
    con.execute(
        "create or replace temp view landed as "
        "select coalesce(event_names.event_name, messages.event_name) as event_name, "
        "messages.properties, messages.rowid as number "
        "from messages left join event_names on messages.event_name = event_names.event_key"
    )


MESSAGES = """
    select
        case
            when line ->> '$.type' in ('page', 'screen') then 'page_view'
            when line ->> '$.type' in ('identify', 'group', 'alias') then line ->> '$.type'
            else lower(replace(replace(trim(line ->> '$.event'), ' ', '_'), '-', '_'))
        end,
        case
            when json_type(line, '$.properties') = 'VARCHAR'
                then try_cast(line ->> '$.properties' as json)
            else line -> '$.properties'
        end
    from ({lines})
    where json_type(line) = 'OBJECT'
"""
# One row per filled property.
ENTRIES = """
    select number, event_name, entry.key as key, entry.value as value
    from (
        select
            row_number() over () as number,
            event_name,
            unnest(map_entries(from_json(properties, '"MAP(VARCHAR, JSON)"'))) as entry
        from sampled
        where json_type(properties) = 'OBJECT'
    )
    where json_type(entry.value) <> 'NULL'
"""
EVENTS = f"""
    select event_name, count(*)
    from sampled
    where event_name is not null
    group by event_name
    having count(*) >= {LEAST_ROWS}
    order by event_name
"""
RARE_EVENTS = f"""
    select event_name, count(*)
    from sampled
    where event_name is not null
    group by event_name
    having count(*) < {LEAST_ROWS}
    order by 2 desc, 1
"""
# Statistics of the properties of an event; an alias counts as its property.
PROPERTIES = f"""
    with named as (
        select
            coalesce(names.property, entries.key) as name,
            any_value(entries.value) as value,
            any_value(json_type(entries.value)) as kind,
            any_value(entries.value ->> '$') as text
        from entries
        left join names
            on entries.event_name = names.event_name and entries.key = names.alias
        where entries.event_name = ?
        group by entries.number, coalesce(names.property, entries.key)
    )

    select
        name,
        count(*),
        count(*) filter (kind = 'OBJECT'),
        count(*) filter (kind = 'ARRAY'),
        count(*) filter (kind = 'VARCHAR'),
        count(*) filter (lower(text) in ('true', 'false')),
        count(*) filter (abs(try_cast(text as double)) < 1e300 and not contains(text, '_')),
        count(*) filter (regexp_full_match(text, '[+-]?[0-9]+([.]0+)?')),
        count(*) filter (
            regexp_full_match(text, '{INSTANT}') and try_cast(text as timestamptz) is not null
        ),
        count(*) filter (regexp_full_match(text, '{PERSONAL_TEXT}')),
        count(*) filter (regexp_full_match(text, '{OPAQUE_TEXT}')),
        case when approx_count_distinct(text) <= {8 * MOST_VALUES} then histogram(text) end
    from named
    group by name
    order by name
"""


def add_event(
    con: duckdb.DuckDBPyConnection,
    proposal: Proposal,
    event: str,
    rows: int,
    skip: set[str],
    is_known: bool,
    is_lenient: bool = False,
) -> None:
    """Add the rows of one event to the proposal; with `is_lenient`, every row read fits them."""
    if not is_event_name(event):
        proposal.notes.append(
            f"{shown_name(event)}, {counted(rows, 'row')}, is left out: {renamed(event)}"
        )
        return
    found = [Property(*row) for row in con.execute(PROPERTIES, [event]).fetchall()]
    least = max(LEAST_ROWS, LEAST_SHARE * rows)
    usual = [each for each in found if each.filled >= least and is_name(each.name)]
    usual = sorted(usual, key=lambda each: (-each.filled, each.name))[:MOST_PROPERTIES]
    if len(usual) < len(found):
        left = counted(len(found) - len(usual), "property is", "properties are")
        proposal.notes.append(
            f"{event}: {left} left out: in fewer than {least:.0f} of {counted(rows, 'row')}, or "
            "with a name that cannot be looked up"
        )
    new = [each for each in usual if each.name not in skip]
    if is_lenient:  # properties outside the plan are not checked
        mixed = [each for each in new if not loose_type(each)]
        new = [each for each in new if each not in mixed]
        proposal.notes += [
            f"{event}.{each.name} is left out: it is an object or array in some rows only"
            for each in mixed
        ]
    proposal.rows += [proposed(event, each, rows, is_lenient) for each in new]
    if not new and not is_known:
        proposal.rows.append(row_of(event, description=f"{counted(rows, 'row')} landed"))


def is_event_name(name: str) -> bool:
    """Whether a name is a valid event name of the plan."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name))


def shown_name(event: str) -> str:
    """The name of an event on one line, unless it may be personal data."""
    if is_event_name(event):
        return event
    return "(a name with an address or number)" if PERSONAL_NAME.search(event) else shown(event)


def renamed(event: str) -> str:
    """The problem of a name that is not in snake_case, with a valid name."""
    if PERSONAL_NAME.search(event):
        return "its name is not in snake_case"
    return f"its name is not in snake_case; call it `{shown(snake_case(event))}`"


def is_name(name: str) -> bool:
    """Whether a key can be a property of the plan: not a path, and not like a value."""
    return bool(re.fullmatch(r"[^\W\d][\w $:-]{0,99}", name)) and not UNSAFE.search(name)


def proposed(event: str, each: Property, rows: int, is_lenient: bool) -> dict[str, str]:
    """The proposed row of the plan for a property."""
    kind, fitting = (loose_type(each) or "", each.filled) if is_lenient else type_of(each)
    allowed = [] if is_lenient else allowed_of(each, kind)
    facts = [f"Filled in {each.filled / rows:.1%} of {counted(rows, 'row')}"]
    if fitting < each.filled:
        facts.append(f"{counted(each.filled - fitting, 'is', 'are')} no {kind}")
    others = each.filled - sum((each.values or {}).get(value, 0) for value in allowed)
    if allowed and others:
        facts.append(f"{counted(others, 'is', 'are')} another value")
    is_text_of_persons = (
        kind == "text" and each.personal and not IDS.intersection(words_of(each.name))
    )
    if is_text_of_persons or PERSONAL.intersection(words_of(each.name)):
        facts.append("may be personal data")
    is_always = each.filled == rows and rows >= ENOUGH_ROWS
    return row_of(
        event,
        each.name,
        kind,
        "true" if is_always and not is_lenient else "false",
        "|".join(allowed),
        "; ".join(facts),
    )


def row_of(
    event: str,
    name: str = "",
    kind: str = "",
    is_required: str = "",
    allowed: str = "",
    description: str = "",
) -> dict[str, str]:
    """A row of the plan."""
    values = (event, name, kind, is_required, allowed, "", description)
    return dict(zip(COLUMNS["tracking_plan.csv"], values, strict=True))


def loose_type(each: Property) -> str | None:
    """The type that later values are most likely to fit; None if only some are objects."""
    for kind, count in (("object", each.objects), ("array", each.arrays)):
        if count:
            return kind if count == each.filled else None
    if each.strings or ends_like_id(each.name):  # a later string may be any text
        return "text"
    for kind, count in (("boolean", each.booleans), ("number", each.numbers)):
        if count == each.filled:
            return kind
    return "text"


def type_of(each: Property) -> tuple[str, int]:
    """The narrowest type that nearly all filled rows fit, and their number; an id is text."""
    words = words_of(each.name)
    fitting = {"object": each.objects, "array": each.arrays}
    if not ends_like_id(each.name):
        fitting |= {"boolean": each.booleans, "timestamp": each.timestamps}
        fitting |= {} if AMOUNTS.intersection(words) else {"integer": each.integers}
        fitting |= {"number": each.numbers}
    fitting["text"] = each.filled - each.objects - each.arrays
    enough = FIT * each.filled
    return next(
        ((kind, count) for kind, count in fitting.items() if count >= enough),
        ("text", fitting["text"]),
    )


def allowed_of(each: Property, kind: str) -> list[str]:
    """The allowed values of a property: if few and not private, else an empty list."""
    is_private = bool((PERSONAL | IDS | {"name"}).intersection(words_of(each.name)))
    is_private = is_private or each.personal > 0 or each.opaque > 0
    if kind != "text" or is_private or not each.values or each.filled < ENOUGH_ROWS:
        return []
    usual = {v for v, rows in each.values.items() if rows >= LEAST_VALUE_SHARE * each.filled}
    covered = sum(each.values[value] for value in usual)
    fits = all(
        0 < len(v) <= LONGEST_VALUE and v == v.strip() and not set(v) & {"|", "\\"} for v in usual
    )
    is_closed = 2 <= len(usual) <= MOST_VALUES and covered >= FIT * each.filled
    return sorted(usual) if fits and is_closed else []


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case, camelCase or with spaces, in lower case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.split(r"[^a-z0-9]+", spaced.lower())


def ends_like_id(name: str) -> bool:
    """Whether a name ends like an id: `order_number` does, `number_of_items` does not."""
    return words_of(name)[-1] in IDS


def described(rows: list[dict[str, str]]) -> list[str]:
    """A short line per event of the rows: its properties with their types."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        found = lines.setdefault(row["event_name"], [])
        if row["property"]:
            found.append(f"{row['property']} {row['property_type']}")
    return [f"{event}: {', '.join(found) or 'no properties'}" for event, found in lines.items()]


def written(rows: list[dict[str, str]]) -> str:
    """Rows as CSV with the columns of the seed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS["tracking_plan.csv"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
