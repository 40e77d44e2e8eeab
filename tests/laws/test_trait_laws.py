"""Traits in SQL equal plain Python on random declarations and logs, to the microsecond."""

import json
import math
from datetime import datetime, timedelta

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support import trait_reference
from tests.support.trait_reference import PLAN, sql_of_traits, values_of_traits
from tideline.declarations.formulas import KINDS_OF_AGGREGATES
from tideline.declarations.segments import OF_NO_PROPERTY, read_traits

LENGTHS = ("2 minutes", "36 hours", "1 days", "3 days")
WHERES = ("topic = 'art'", "topic is null", "topic like 'a%' or topic = 'x'", "not topic = 'art'")
FORMULAS = (
    "{0} - {1}",
    "{0} / {1}",
    "coalesce({0}, 0) * 100 / nullif({1}, 0)",
    "case when {0} > {1} then {0} else 0 end",
    "{0} is not null and {1} >= 2",
)
CLOCKS = (datetime(2026, 1, 31, 12), datetime(2026, 2, 1))
EDGES = [
    timedelta(0),
    *(trait_reference.length(each) for each in LENGTHS),
    *(trait_reference.length(a) + trait_reference.length(b) for a in LENGTHS for b in LENGTHS),
]
NEAR = (timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1))
TOPICS = ("art", "x", "art", "x", None, "arts", 7, 2.5, True)
NUMBERS = (None, 0, 1, 2.5, "3", "4.25", "many", "1_000", -1, True)


@st.composite
def event_trait(draw, name, aggregates):
    names = draw(st.sampled_from([["loan"], ["visit"], ["call"], ["loan", "visit"], ["*"]]))
    properties = sorted({each for one in (PLAN if names == ["*"] else names) for each in PLAN[one]})
    possible = [each for each in aggregates if properties or each in OF_NO_PROPERTY]
    aggregate = draw(st.sampled_from(possible or ["count"]))
    trait = {"name": name, "description": "Text.", "event": names, "aggregate": aggregate}
    if aggregate not in OF_NO_PROPERTY:
        trait["property"] = draw(st.sampled_from(properties))
    if "topic" in properties and draw(st.booleans()):
        trait["where"] = draw(st.sampled_from(WHERES))
    for key in ("within", "before"):
        if draw(st.booleans()) and not (key == "before" and aggregate == "streak"):
            trait[key] = draw(st.sampled_from(LENGTHS))
    return trait


@st.composite
def declarations(draw, aggregates):
    """Twelve traits over events, and four formulas, also over formulas."""
    traits = [draw(event_trait(f"t{number}", aggregates)) for number in range(12)]
    numeric = [
        each["name"] for each in traits if KINDS_OF_AGGREGATES[each["aggregate"]] == "number"
    ]
    for number in range(4):
        if len(numeric) > 1:
            pair = draw(st.permutations(numeric))[:2]
            text = draw(st.sampled_from(FORMULAS))
            traits.insert(
                draw(st.integers(0, len(traits))),
                {"name": f"f{number}", "description": "Text.", "formula": text.format(*pair)},
            )
            if " and " not in text:
                numeric.append(f"f{number}")
    return traits


@st.composite
def log(draw, as_of):
    """Events of two profiles, many of them at the edges of windows, and at the same instant."""
    size = draw(st.integers(1, 24))
    events = []
    for number in range(size):
        name = draw(st.sampled_from(["loan", "loan", *PLAN]))
        back = (
            draw(st.sampled_from(EDGES))
            if draw(st.booleans())
            else timedelta(hours=draw(st.sampled_from([1, 2, 13, 20, 30, 45, 70, 100])))
        )
        values = {
            prop: draw(st.sampled_from(NUMBERS if kind == "number" else TOPICS))
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


def built(sql, events, as_of):
    """The rows of the select on a log, by profile."""
    with duckdb.connect() as con:
        con.execute("create table data_clock as select ?::timestamp as as_of", [as_of])
        con.execute(
            "create table profile_timeline (profile_id varchar, event_id varchar, "
            "event_name varchar, occurred_at timestamp, properties json)"
        )
        con.executemany(
            "insert into profile_timeline values (?, ?, ?, ?, ?)",
            [
                [*[each[key] for key in ("profile_id", "event_id", "event_name", "occurred_at")],
                 json.dumps(each["properties"])]
                for each in events
            ],
        )  # fmt: skip
        found = con.execute(sql)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {row.pop("profile_id"): row for row in rows}


def is_equal(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, int | float) and not isinstance(theirs, bool):
        return math.isclose(ours, theirs, rel_tol=1e-12, abs_tol=1e-6)
    return ours == theirs and type(ours) is type(theirs)


def difference(traits, sql, events, as_of):
    """The first value that differs between SQL and Python, if any."""
    rows = built(sql, events, as_of)
    for profile in {each["profile_id"] for each in events if each["occurred_at"] < as_of}:
        own = [each for each in events if each["profile_id"] == profile]
        for name, value in values_of_traits(traits, own, as_of).items():
            if not is_equal(rows[profile][name], value):
                return name, rows[profile][name], value
    return None


def write(folder, traits):
    path = folder / "models" / "segments" / "team" / "traits.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"traits": traits}, sort_keys=False))
    return read_traits(folder)


def check(folder, mutated, examples, aggregates=tuple(KINDS_OF_AGGREGATES)):
    """Compare SQL, which `mutated` may break, with Python. Raises AssertionError if they differ."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(declared=declarations(aggregates), data=st.data())
    def compared(declared, data):
        traits = write(folder, declared)
        sql = mutated(sql_of_traits(folder))
        for _ in range(4):
            as_of = data.draw(st.sampled_from(CLOCKS))
            events = data.draw(log(as_of))
            assert difference(traits, sql, events, as_of) is None

    compared()


def test_traits_equal_plain_python(tmp_path):
    check(tmp_path, lambda sql: sql, 60)


MUTANTS = {
    "an event leaves its window a moment early": ("occurred_at >= as_of", "occurred_at > as_of"),
    "an event waits a moment too long": ("occurred_at < as_of - ", "occurred_at <= as_of - "),
    "an event at the data clock counts": (
        "occurred_at < data_clock.as_of",
        "occurred_at <= data_clock.as_of",
    ),
    "values that are null count as others": (
        "is not null then event_number",
        "is not null or true then event_number",
    ),
    "a tie of times goes to any event": (
        "order by profile_timeline.occurred_at, profile_timeline.event_id",
        "order by profile_timeline.occurred_at, profile_timeline.event_id desc",
    ),
    "no sum is null": ("coalesce(sum(", "nullif(sum("),
    "a streak that ended before yesterday": ("when 1 then count(", "when 2 then count("),
    "a streak counts events": ("cast(occurred_at as date)\n", "occurred_at\n"),
    "time since in whole days": ("date_diff('microsecond'", "86400000000 * date_diff('day'"),
    "the most frequent value is the last": ("_met * 1000000000", "_met * 0"),
    "division by zero": ("nullif(", "coalesce("),
}


# Of rare aggregates, the mutants that only they can find.
ONLY = {
    "the most frequent value is the last": ["most_frequent"],
    "a tie of times goes to any event": ["first", "last"],
    "a streak that ended before yesterday": ["streak"],
    "a streak counts events": ["streak"],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_select_is_found(tmp_path, name):
    right, wrong = MUTANTS[name]
    seen = []

    def mutated(sql):
        seen.append(right in sql)
        return sql.replace(right, wrong)

    with pytest.raises(AssertionError, match="is None"):
        check(tmp_path, mutated, 120, ONLY.get(name, tuple(KINDS_OF_AGGREGATES)))
    assert any(seen)
