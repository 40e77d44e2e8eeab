"""Traits in SQL equal plain Python on random declarations and logs, to the microsecond."""

import math

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.random_traits import CLOCKS, connected, event_trait, log
from tests.support.trait_reference import ATTRIBUTES, sql_of_model, values_of_traits, write_plan
from tideline.declarations.formulas import KINDS_OF_AGGREGATES
from tideline.declarations.segments import read_traits

FORMULAS = (
    "{0} - {1}",
    "{0} / {1}",
    "coalesce({0}, 0) * 100 / nullif({1}, 0)",
    "case when {0} > {1} then {0} else 0 end",
    "{0} is not null and {1} >= 2",
)


@st.composite
def declarations(draw, aggregates, ordered):
    """Twelve traits over events, and four formulas, also over formulas."""
    traits = [draw(event_trait(f"t{number}", aggregates, ordered)) for number in range(12)]
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


def built(sql, events, as_of):
    """The rows of the select on a log, by profile."""
    with connected(events, as_of) as con:
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
            if name not in ATTRIBUTES and not is_equal(rows[profile][name], value):
                return name, rows[profile][name], value
    return None


def write(folder, traits):
    path = folder / "models" / "segments" / "team" / "traits.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"traits": traits}, sort_keys=False))
    write_plan(folder)
    return read_traits(folder)


def check(folder, mutated, examples, aggregates=tuple(KINDS_OF_AGGREGATES), ordered=3):
    """Compare SQL, which `mutated` may break, with Python. Raises AssertionError if they differ."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(declared=declarations(aggregates, ordered), data=st.data())
    def compared(declared, data):
        traits = write(folder, declared)
        sql = mutated(sql_of_model("profile_traits", folder))
        for _ in range(4):
            as_of = data.draw(st.sampled_from(CLOCKS))
            events = data.draw(log(as_of))
            assert difference(traits, sql, events, as_of) is None

    compared()


def test_traits_equal_plain_python(tmp_path):
    check(tmp_path, lambda sql: sql, 40)


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
    "nobody goes off a list": ("-1 as change", "0 as change"),
    "a list counts before its time": ("case when occurred_at < as_of then", "case when true then"),
    "no sum is null": ("coalesce(sum(", "nullif(sum("),
    "a streak that ended before yesterday": ("days_without in (0, 1)", "days_without in (0, 2)"),
    "a streak counts events": ("select distinct", "select"),
    "time since in whole days": ("date_diff('microsecond'", "86400000000 * date_diff('day'"),
    "the most frequent value is the last": ("event_count * 1000000000", "event_count * 0"),
    "division by zero": ("nullif(", "coalesce("),
    "an event of the time of its end counts": (
        "between current row and unbounded following",
        "between interval '1 microseconds' following and unbounded following",
    ),
    "a step may come too early": (
        ">= occurred_at - interval",
        ">= occurred_at - interval '1 day' - interval",
    ),
    "an interruption is not seen": (
        "and interval '1 microseconds' preceding",
        "and interval '9999 days' preceding",
    ),
    "an interruption may be at the time of the event": (
        "and interval '1 microseconds' preceding",
        "and current row",
    ),
    "an event is before itself": (
        "rows between unbounded preceding and 1 preceding",
        "rows between unbounded preceding and current row",
    ),
}


# Of rare aggregates, the mutants that only they can find.
ONLY = {
    "nobody goes off a list": ["count", "listed"],
    "a list counts before its time": ["count", "listed"],
    "the most frequent value is the last": ["most_frequent"],
    "a tie of times goes to any event": ["first", "last"],
    "a streak that ended before yesterday": ["streak"],
    "a streak counts events": ["streak"],
}
# The mutants that only traits with `until` or `after` can find.
ORDERED = {
    "an event of the time of its end counts",
    "a step may come too early",
    "an interruption is not seen",
    "an interruption may be at the time of the event",
    "an event is before itself",
}


# Hypothesis also takes values from the constants in all imported modules, so the example that finds
# a mutant differs from run to run. The first one ends the search.
MOST = 1000


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_select_is_found(tmp_path, name):
    right, wrong = MUTANTS[name]
    seen = []

    def mutated(sql):
        seen.append(right in sql)
        return sql.replace(right, wrong)

    with pytest.raises(AssertionError, match="is None"):
        if name in ORDERED:
            check(tmp_path, mutated, MOST, ["count"], 6)
        else:
            check(tmp_path, mutated, MOST, ONLY.get(name, tuple(KINDS_OF_AGGREGATES)), 0)
    assert any(seen)
