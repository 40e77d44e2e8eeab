"""Random traits over events, random logs with events on the edges of windows, and segments."""

import json
from datetime import datetime, timedelta

import duckdb
from hypothesis import strategies as st

from tests.support import trait_reference
from tests.support.trait_reference import LISTED, PLAN, SURVIVORS, TIMES, Statement
from tideline.declarations.segments import OF_NO_PROPERTY

OF_NUMBER = ("sum", "average", "min", "max")
NUMERIC = {prop for kinds in PLAN.values() for prop, kind in kinds.items() if kind == "number"}
LISTS = 2  # of ten traits, if any may be of a list
LENGTHS = ("2 minutes", "36 hours", "1 days", "3 days")
WHERES = (
    "topic = 'art'",
    "topic is null",
    "topic like 'a%' or topic = 'x'",
    "not topic = 'art'",
    "event_name <> 'visit'",
)
CLOCKS = (datetime(2026, 1, 31, 12), datetime(2026, 2, 1))
EDGES = [
    timedelta(0),
    *(trait_reference.length(each) for each in LENGTHS),
    *(trait_reference.length(a) + trait_reference.length(b) for a in LENGTHS for b in LENGTHS),
]
# A rule that names another segment.
RELATIONS = ("{0} and {1}", "{0} and not {1}", "{0} or {1}", "not {1}", "({1}) = ({0})")
STATED = ("DE", "FR", "DE", "it")
NEAR = (timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1))
# As the model has them: from the first event of the profile on.
CLAMPED = """
create or replace table profile_lists as
select profile_id, list_name, listed_until, greatest(listed_from, min(occurred_at)) as listed_from
from profile_lists inner join profile_timeline using (profile_id)
group by profile_id, list_name, profile_lists.listed_from, listed_until
having listed_until is null or listed_until > greatest(listed_from, min(occurred_at))
"""
TOPICS = ("art", "x", "art", "x", None, "arts", 7, 2.5, True)
NUMBERS = (None, 0, 1, 2.5, "3", "4.25", "many", "1_000", -1, True)
VALUES = {"number": NUMBERS, "timestamp": (*TIMES, "soon", "2026-02-30", None, True)}


@st.composite
def event_trait(draw, name, aggregates, ordered):
    """A trait over events; `ordered` of ten have `until`, and as many have `after`."""
    if "listed" in aggregates and draw(st.integers(1, 10)) <= LISTS:
        of_list = draw(st.sampled_from(["staff", "guests"]))
        return {"name": name, "description": "Text.", "aggregate": "listed", "list": of_list}
    aggregates = [each for each in aggregates if each != "listed"]
    names = draw(st.sampled_from([["loan"], ["visit"], ["call"], ["loan", "visit"], ["*"]]))
    properties = sorted({each for one in (PLAN if names == ["*"] else names) for each in PLAN[one]})
    possible = [each for each in aggregates if properties or each in OF_NO_PROPERTY]
    aggregate = draw(st.sampled_from(possible or ["count"]))
    trait = {"name": name, "description": "Text.", "event": names, "aggregate": aggregate}
    if aggregate not in OF_NO_PROPERTY:
        fit = [each for each in properties if each in NUMERIC or aggregate not in OF_NUMBER]
        trait["property"] = draw(st.sampled_from(fit))
    if "topic" in properties and draw(st.booleans()):
        trait["where"] = draw(st.sampled_from(WHERES))
    for key in ("within", "before"):
        if draw(st.booleans()) and not (key == "before" and aggregate == "streak"):
            trait[key] = draw(st.sampled_from(LENGTHS))
    if draw(st.integers(1, 10)) <= ordered:
        ends = [each for each in PLAN if each not in names]
        trait["until"] = draw(st.lists(st.sampled_from(ends), min_size=1, unique=True))
    if draw(st.integers(1, 10)) <= ordered:
        trait["after"] = draw(st.lists(step(), min_size=1, max_size=3))
    return trait


@st.composite
def step(draw):
    """A step of `after`."""
    found = {"event": draw(st.sampled_from([["loan"], ["visit"], ["loan", "call"], ["*"]]))}
    if found["event"] == ["loan"] and draw(st.booleans()):
        found["where"] = draw(st.sampled_from(WHERES))
    if draw(st.booleans()):
        found["within"] = draw(st.sampled_from(LENGTHS))
    if draw(st.booleans()):
        found["without"] = [draw(st.sampled_from([*PLAN]))]
    return found


@st.composite
def related(draw, rules, relations=5):
    """Segments with these rules; `relations` of ten name or extend others, or share a group."""
    may = st.just(False)
    if relations:
        may = st.integers(1, 10).map(lambda number: number <= relations)
    items = []
    for place, rule in enumerate(rules, 1):
        item = {"name": f"s{place}", "description": "Text.", "label": "Text", "owner": "Team"}
        item |= {"priority": place, "lifecycle": "live", "when": rule}
        if items and draw(may):
            other = draw(st.sampled_from(items))["name"]
            item["when"] = draw(st.sampled_from(RELATIONS)).format(rule, other)
        if items and draw(may):
            item["extends"] = draw(st.sampled_from(items))["name"]
        if draw(may):
            item["exclusive"] = draw(st.sampled_from(("left", "left", "right")))
        items.append(item)
    if draw(may):
        items[-1]["lifecycle"] = "draft"  # nothing depends on the last one
    return items


@st.composite
def statement(draw, occurred_at):
    """What an event states about an attribute."""
    attribute, priority = draw(st.sampled_from(sorted(SURVIVORS)))
    delay = timedelta(hours=draw(st.integers(0, 2)))
    return Statement(attribute, draw(st.sampled_from(STATED)), priority, occurred_at + delay)


@st.composite
def log(draw, as_of, most=24, stated=0):
    """As `events_of`; `stated` of ten events state up to two attributes."""
    events = draw(events_of(as_of, most))
    for each in events:
        if draw(st.integers(1, 10)) <= stated:
            said = statement(each["occurred_at"])
            each["statements"] = draw(st.lists(said, min_size=1, max_size=2))
    return events


@st.composite
def events_of(draw, as_of, most):
    """Events of two profiles, many of them at the edges of windows, and at the same instant."""
    size = draw(st.integers(1, most))
    events = []
    for number in range(size):
        name = draw(st.sampled_from(["loan", "loan", *PLAN]))
        back = (
            draw(st.sampled_from(EDGES))
            if draw(st.booleans())
            else timedelta(hours=draw(st.sampled_from([1, 2, 13, 20, 30, 45, 70, 100])))
        )
        values = {
            prop: draw(st.sampled_from(VALUES.get(kind, TOPICS)))
            for prop, kind in PLAN[name].items()
            if draw(st.integers(0, 4))
        }
        events.append(
            {
                "profile_id": draw(st.sampled_from("pppq")),
                "event_id": f"e{draw(st.integers(0, 3))}-{number}",
                "event_name": name,
                "occurred_at": as_of - back + draw(st.sampled_from(NEAR)),
                "properties": values,
            }
        )
    return events


def connected(events, as_of):
    """An in-memory warehouse with the events as timeline, as of a data clock."""
    con = duckdb.connect(config={"threads": 1})
    con.execute("create table data_clock as select ?::timestamp as as_of", [as_of])
    timeline(con)
    fill(con, events)
    con.execute(
        "create table profile_lists (profile_id varchar, list_name varchar, "
        "listed_from timestamp, listed_until timestamp)"
    )
    con.executemany("insert into profile_lists values (?, ?, ?, ?)", LISTED)
    con.execute(CLAMPED)
    state(con, [each for each in events if each["occurred_at"] < as_of])
    return con


def state(con, events):
    """Make the statements of events about attributes, as `int_attribute_statements` has them."""
    con.execute(
        "create table int_attribute_statements (profile_id varchar, attribute varchar, "
        "value varchar, event_id varchar, occurred_at timestamp, received_at timestamp, "
        "priority integer, survivor varchar)"
    )
    rows = [
        [
            *(each["profile_id"], said.attribute, said.value),
            *(each["event_id"], each["occurred_at"], said.received_at),
            *(said.priority, SURVIVORS[said.attribute, said.priority]),
        ]
        for each in events
        for said in each.get("statements", ())
    ]
    if rows:
        con.executemany(
            "insert into int_attribute_statements values (?, ?, ?, ?, ?, ?, ?, ?)", rows
        )


def timeline(con):
    """Make an empty timeline."""
    con.execute(
        "create table profile_timeline (profile_id varchar, event_id varchar, "
        "event_name varchar, occurred_at timestamp, properties json, source varchar, "
        "platform varchar, context json)"
    )


def fill(con, events):
    """Add events to the timeline."""
    if not events:
        return
    con.executemany(
        "insert into profile_timeline select ?, ?, ?, ?, ?, 'web', 'web', null",
        [
            [*[each[key] for key in ("profile_id", "event_id", "event_name", "occurred_at")],
             json.dumps(each["properties"])]
            for each in events
        ],
    )  # fmt: skip
