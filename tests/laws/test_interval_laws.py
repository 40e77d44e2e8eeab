"""Intervals in SQL equal plain Python on random rules and logs, to the microsecond."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.intervals import built, written
from tests.support.random_traits import CLOCKS, EDGES, event_trait, log, related
from tests.support.trait_reference import ATTRIBUTES, intervals_of
from tideline.declarations.formulas import KINDS_OF_AGGREGATES
from tideline.declarations.segments import SINCE

FREEZE = datetime(2026, 1, 30, 12)  # an edge of some windows before the clocks
ALL = tuple(sorted(KINDS_OF_AGGREGATES))
# Numbers that time since an event is compared with; 0.1 days is no whole number of a double.
TIMES = {"days_since": ("1", "1.5", "0.1", "0"), "minutes_since": ("30", "2.5", "0.0000001")}
UNITS = {"days_since": timedelta(days=1), "minutes_since": timedelta(minutes=1)}
NEAR = [timedelta(microseconds=count) for count in range(-2, 4)]
DELAYS = {
    *EDGES,
    *(
        float(number) * UNITS[aggregate] + near
        for aggregate, numbers in TIMES.items()
        for number in numbers
        for near in NEAR
    ),
}
OF_KIND = {
    "number": ("{0} >= 1", "{0} > 1", "{0} = 0", "{0} is null", "{0} between 2 and 3.5"),
    "text": ("{0} = 'art'", "{0} in ('x', '7')", "{0} is not null", "lower({0}) like 'a%'"),
    "boolean": ("{0}", "not {0}"),
    "timestamp": ("{0} > timestamp '2026-01-30 06:00:00'", "{0} + interval '1 day' <= {0}"),
}
OF_ATTRIBUTE = ("{0} = 'DE'", "{0} <> 'DE'", "{0} is null", "lower({0}) like '%t'")
OF_TIME = (
    "{0} > {1}",
    "{0} >= {1}",
    "{1} > {0}",
    "{1} >= {0}",
    "not {0} <= {1}",
    "{0} = {1}",
    "{0} in ({1}, -1)",
    "{0} between 0.5 and {1}",
    "{0} is null",
)


@st.composite
def condition(draw, trait):
    """A condition on a trait."""
    aggregate = trait["aggregate"]
    if aggregate in SINCE:
        number = draw(st.sampled_from(TIMES[aggregate]))
        return draw(st.sampled_from(OF_TIME)).format(trait["name"], number)
    return draw(st.sampled_from(OF_KIND[KINDS_OF_AGGREGATES[aggregate]])).format(trait["name"])


@st.composite
def declared(draw, aggregates, ordered, relations, stated):
    """Four traits, and three rules that read one or more of them, and perhaps each other.

    `stated` of ten conditions are on attributes.
    """
    traits = [draw(event_trait(f"t{number}", aggregates, ordered)) for number in range(4)]
    numeric = [
        each["name"]
        for each in traits
        if KINDS_OF_AGGREGATES[each["aggregate"]] == "number" and each["aggregate"] not in SINCE
    ]
    rules = []
    for _ in range(3):
        parts = draw(st.lists(st.sampled_from(traits), min_size=1, max_size=3))
        joint = draw(st.sampled_from([" and ", " or "]))
        conditions = [
            draw(st.sampled_from(OF_ATTRIBUTE)).format(draw(st.sampled_from(ATTRIBUTES)))
            if draw(st.integers(1, 10)) <= stated
            else draw(condition(each))
            for each in parts
        ]
        rules.append(joint.join(conditions))
    if len(numeric) > 1:
        traits.append(
            {"name": "gap", "description": "Text.", "formula": f"{numeric[0]} - {numeric[1]}"}
        )
        rules.append("gap > 0")
    segments = draw(related(rules, relations))
    if "exclusive" not in segments[-1] and draw(st.booleans()):
        segments[-1]["frozen_at"] = str(FREEZE)
    return {"traits": traits, "segments": segments}


def frozen(intervals, at):
    """The intervals of a rule whose segment is frozen at a time."""
    return [
        each if each[1] is not None and each[1] < at else (each[0], None, each[2], None)
        for each in intervals
        if each[0] < at
    ]


def difference(traits, segments, selects, events, as_of):
    """The first profile and segment whose intervals differ between SQL and Python, if any."""
    found = built(selects, events, as_of)
    known = [each for each in events if each["occurred_at"] < as_of]
    for profile in sorted({each["profile_id"] for each in known}):
        own = [each for each in known if each["profile_id"] == profile]
        for each in segments:
            expected = intervals_of(each.rule.tree, traits, own, DELAYS)
            if each.spec.frozen_at is not None:
                expected = frozen(expected, each.spec.frozen_at)
            if each.spec.lifecycle != "live":
                expected = []
            if found.get((profile, each.name), []) != expected:
                return profile, each.rule, found.get((profile, each.name)), expected
    return None


def check(folder, mutated, examples, aggregates=ALL, ordered=3, relations=0, most=6, stated=2):
    """Compare SQL, which `mutated` may break, with Python. Raises AssertionError if they differ.

    A log has `most` events, or fewer; `stated` of ten state attributes, and of conditions read one.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(content=declared(aggregates, ordered, relations, stated), data=st.data())
    def compared(content, data):
        traits, segments, selects = written(folder, content)
        as_of = data.draw(st.sampled_from(CLOCKS))
        events = data.draw(log(as_of, most, stated))
        selects = [mutated(each) for each in selects]
        assert difference(traits, segments, selects, events, as_of) is None

    compared()


def test_intervals_equal_plain_python(tmp_path):
    check(tmp_path, lambda sql: sql, 40, relations=7)


def test_intervals_of_attributes_equal_plain_python(tmp_path):
    check(tmp_path, lambda sql: sql, 20, ["count", "streak", "most_frequent"], most=12, stated=7)


@pytest.mark.parametrize("aggregate", ["most_frequent", "streak"])
def test_values_that_are_no_window_equal_plain_python(tmp_path, aggregate):
    """Longer logs, so that counts rise and fall, and days are in a row."""
    check(tmp_path, lambda sql: sql, 20, [aggregate], most=24)


MUTANTS = {
    "an event counts a moment too long": (
        r"interval '(\d+) microseconds' preceding and",
        lambda found: f"interval '{int(found[1]) + 1} microseconds' preceding and",
    ),
    "an event counts before its wait is over": (
        r"and interval '\d+ microseconds' preceding\)",
        "and current row)",
    ),
    "a lapse is lost": (
        r"null as event_number\s+from readings\s+where",
        "null as event_number from readings where false and",
    ),
    "null is true": (r"\), false\) as is_in", "), true) as is_in"),
    "a profile exists from its first counted event": (r"where\s+event_number = 1", "where false"),
    "an interval ends with that of another person": (
        r"lead\(happened_at\) over \(partition by profile_id order by happened_at\) as valid_to",
        "lead(happened_at) over (order by happened_at) as valid_to",
    ),
    "no sum is null": (r"coalesce\(sum", "nullif(sum"),
    "an event of the time of its end counts": (
        r"is null or _until_\w+ > occurred_at",
        "is null or true",
    ),
    "nobody goes off a list": (r"-1 as change", "0 as change"),
    "a frozen segment goes on": (r"where happened_at < timestamp '[^']*'", ""),
    "the most frequent value is the last": (r"event_count \* 1000000000 \+", ""),
    "a tie goes to the first value": (r"\+ last_number", "- last_number"),
    "a value counts forever": (r"-1 as change", "0 as change"),
    "a value is there when none counts": ("left join highest_of", "inner join highest_of"),
    "the end of a span is lost": (r"and mod\(end_block, 2 \* width\) = width", "and false"),
    "the beginning of a span is lost": (r"and mod\(first_block, 2 \* width\) = width", "and false"),
    "the source of the lowest rank wins": (r"priority asc", "priority desc"),
    "the first statement survives the latest": (
        r"case when survivor = 'latest' then \w+ end desc,",
        "",
    ),
    "each statement wins": (r"place = min\(place\)", "place >= min(place)"),
    "an attribute is as of today": (
        r"and steps._step_(\w+) = steps_of_\w+",
        r"and (select max(a.step) from attribute_steps as a where a.attribute = '\1' and "
        r"a.profile_id = steps.profile_id) = steps_of_\1",
    ),
    "a streak ends a moment late": (
        r"to_microseconds\(172799999999\)",
        "to_microseconds(172800000000)",
    ),
    "a streak ends with the day": (
        r"(cast\(\(happened_at [^)]*\)\) as date\)\s*\)) <= 1",
        r"\1 <= 0",
    ),
    "a streak goes on over a day": (
        r"cast\(happened_at as date\)\) > 1",
        "cast(happened_at as date)) > 2",
    ),
    "a streak keeps the days that left its window": (
        r"coalesce\((max\(_first_day_\w+\) over \([^)]*) range between [^)]*\)",
        r"coalesce(\1)",
    ),
}
# The aggregates, and how often traits have `until` and `after`, with which a mutant is found; then
# how often segments are related, the most events, and how many of ten state attributes.
OF_STATEMENTS = (["count"], 0, 0, 12, 7)
FOUND_WITH = {
    "no sum is null": (["sum"], 0),
    "nobody goes off a list": (["count", "listed"], 0),
    "an event of the time of its end counts": (["count"], 6, 0, 24),
    "the source of the lowest rank wins": OF_STATEMENTS,
    "the first statement survives the latest": OF_STATEMENTS,
    "each statement wins": OF_STATEMENTS,
    "an attribute is as of today": OF_STATEMENTS,
    "the most frequent value is the last": (["most_frequent"], 0, 0, 24),
    "a tie goes to the first value": (["most_frequent"], 0),
    "a value counts forever": (["most_frequent"], 0),
    "a value is there when none counts": (["most_frequent"], 0),
    "the end of a span is lost": (["most_frequent"], 0, 0, 24),
    "the beginning of a span is lost": (["most_frequent"], 0),
    "a streak ends a moment late": (["streak"], 0),
    "a streak ends with the day": (["streak"], 0),
    "a streak goes on over a day": (["streak"], 0, 0, 24),
    "a streak keeps the days that left its window": (["streak"], 0, 0, 24),
}


# Hypothesis also takes values from the constants in all imported modules, so the example that finds
# a mutant differs from run to run. The first one ends the search.
MOST = 1000


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_select_is_found(tmp_path, name):
    right, wrong = MUTANTS[name]
    seen = []

    def mutated(sql):
        seen.append(re.search(right, sql))
        return re.sub(right, wrong, sql)

    with pytest.raises(AssertionError, match="is None"):
        check(tmp_path, mutated, MOST, *FOUND_WITH.get(name, (ALL, 0)))
    assert any(seen)
