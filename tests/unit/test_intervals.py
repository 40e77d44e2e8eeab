"""When a rule over events holds: each construct, to the microsecond."""

import re
from datetime import datetime, timedelta

import pytest
import yaml

from tests.support.intervals import built, written
from tests.support.trait_reference import Statement
from tideline.declarations.exact import exact_rules
from tideline.declarations.segments import read_segments, read_traits
from tideline.warehouse.errors import DeclarationError

START = datetime(2026, 1, 1)
MOMENT = timedelta(microseconds=1)
TRAIT = {"name": "t", "description": "Text.", "aggregate": "count"}
SEGMENT = {
    "name": "s",
    "description": "Text.",
    "label": "Text",
    "owner": "Team",
    "priority": 1,
}


def at(hours, moments=0):
    return START + timedelta(hours=hours) + moments * MOMENT


def event(name, hours, **properties):
    """An event of profile p, whose id is its name and hour."""
    return {
        "profile_id": "p",
        "event_id": f"{name} {hours}",
        "event_name": name,
        "occurred_at": at(hours),
        "properties": properties,
    }


def stated(name, hours, value, priority=1, attribute="country"):
    """An event that states an attribute; the survivors are those of `SURVIVORS`."""
    found = event(name, hours)
    return found | {"statements": [Statement(attribute, value, priority, found["occurred_at"])]}


LOANS = [event("loan", 1), event("loan", 3)]
LATER = at(1000)
MOST_FREQUENT = {"event": "loan", "aggregate": "most_frequent", "property": "topic"}
STREAK = {"event": "loan", "aggregate": "streak"}


def intervals(folder, trait, rule, events, as_of=LATER, mutated=str):
    """The intervals of a rule over one trait, beside another rule: (from, to, event, event)."""
    content = {
        "traits": [
            TRAIT | trait,
            TRAIT | {"name": "visits", "event": "visit"},
            TRAIT | {"name": "days", **STREAK},
        ],
        "segments": [
            SEGMENT | {"when": rule},
            SEGMENT | {"name": "other", "when": "visits >= 1", "priority": 2},
        ],
    }
    *_, selects = written(folder, content)
    return built([mutated(each) for each in selects], events, as_of).get(("p", "s"), [])


CASES = {
    "a window slides": (
        {"event": "loan", "within": "5 hours"},
        "t >= 2",
        LOANS,
        [(at(3), at(6), "loan 3", None)],
    ),
    "an event without a window counts forever": (
        {"event": "loan"},
        "t >= 2",
        LOANS,
        [(at(3), None, "loan 3", None)],
    ),
    "an event waits": (
        {"event": "loan", "before": "2 hours", "within": "1 hours"},
        "t = 1",
        LOANS,
        [(at(3), at(4), None, None), (at(5), at(6), None, None)],
    ),
    "names that are columns elsewhere": (
        {"name": "is_in", "event": "loan"},
        "is_in >= 2",
        LOANS,
        [(at(3), None, "loan 3", None)],
    ),
    "somebody exists from the first event of any name": (
        {"event": "loan"},
        "t = 0",
        [event("visit", 0), *LOANS],
        [(at(0), at(1), "visit 0", "loan 1")],
    ),
    "an event that the rule does not count tips nothing": (
        {"event": "loan", "within": "5 hours"},
        "t >= 1",
        [*LOANS, event("visit", 8)],
        [(at(1), at(8), "loan 1", None)],
    ),
    "time since an event passes a number": (
        {"event": "loan", "aggregate": "minutes_since"},
        "t > 90",
        LOANS,
        [(at(2.5), at(3), None, "loan 3"), (at(4.5), None, None, None)],
    ),
    "time since an event reaches a number": (
        {"event": "loan", "aggregate": "minutes_since"},
        "t >= 90",
        LOANS,
        [(at(2.5, -1), at(3), None, "loan 3"), (at(4.5, -1), None, None, None)],
    ),
    "another event ends the counting": (
        {"event": "loan", "until": "call"},
        "t >= 1",
        [*LOANS, event("call", 4), event("loan", 9)],
        [(at(1), at(4), "loan 1", "call 4"), (at(9), None, "loan 9", None)],
    ),
    "an abandoned basket: filled, and not bought within an hour": (
        {"event": "loan", "before": "1 hours", "until": "call"},
        "t >= 1",
        [event("loan", 1), event("call", 1.5), event("loan", 4), event("call", 9)],
        [(at(5), at(9), None, "call 9")],
    ),
    "a sequence: a visit, then a loan within an hour, without a call": (
        {"event": "loan", "after": [{"event": "visit", "within": "1 hours", "without": "call"}]},
        "t >= 1",
        [
            event("visit", 0),
            event("loan", 2),  # too late
            event("visit", 3),
            event("call", 3.5),
            event("loan", 4),  # interrupted
            event("visit", 5),
            event("loan", 6),
        ],
        [(at(6), None, "loan 6", None)],
    ),
    "a step of the same time is before": (
        {"event": "loan", "after": [{"event": "visit"}]},
        "t >= 1",
        [event("loan", 1), event("visit", 1)],
        [(at(1), None, "loan 1", None)],
    ),
    "of two values at one time the last by id counts": (
        {"event": ["loan", "visit"], "aggregate": "last", "property": "topic"},
        "t = 'art'",
        [event("visit", 1, topic="art"), event("loan", 1, topic="x")],
        [(at(1), None, "visit 1", None)],
    ),
    "a sequence of three": (
        {
            "event": "call",
            "after": [
                {"event": "visit", "within": "1 hours"},
                {"event": "loan", "without": "visit"},
            ],
        },
        "t >= 1",
        [event("visit", 0), event("loan", 1), event("call", 9)],
        [(at(9), None, "call 9", None)],
    ),
    "the last value changes back": (
        {"event": "loan", "aggregate": "last", "property": "topic", "within": "4 hours"},
        "t = 'art'",
        [event("loan", 1, topic="art"), event("loan", 2, topic="x"), event("loan", 3, topic="art")],
        [(at(1), at(2), "loan 1", "loan 2"), (at(3), at(7), "loan 3", None)],
    ),
    "equal values are counted once": (
        {"event": "loan", "aggregate": "count_distinct", "property": "topic", "within": "4 hours"},
        "t >= 2",
        [event("loan", 1, topic="art"), event("loan", 2, topic="art"), event("loan", 3, topic="x")],
        [(at(3), at(6), "loan 3", None)],
    ),
    "of equally frequent values the last one counts": (
        MOST_FREQUENT,
        "t = 'art'",
        [event("loan", 1, topic="art"), event("loan", 2, topic="x"), event("loan", 3, topic="art")],
        [(at(1), at(2), "loan 1", "loan 2"), (at(3), None, "loan 3", None)],
    ),
    "a value without a topic is none": (
        MOST_FREQUENT,
        "t is null",
        [event("loan", 1), event("loan", 2, topic="x")],
        [(at(1), at(2), "loan 1", "loan 2")],
    ),
    "the most frequent value of a window, and then none": (
        MOST_FREQUENT | {"within": "4 hours"},
        "t = 'art' or t is null",
        [event("loan", 1, topic="art"), event("loan", 2, topic="art"), event("loan", 3, topic="x")],
        [(at(1), at(5), "loan 1", None), (at(7), None, None, None)],
    ),
    "the most frequent value of an earlier window": (
        MOST_FREQUENT | {"before": "2 hours", "within": "4 hours"},
        "t = 'art'",
        [event("loan", 1, topic="art"), event("loan", 2, topic="x")],
        [(at(3), at(4), None, None)],
    ),
    "another event ends the counting of values": (
        MOST_FREQUENT | {"until": "call"},
        "t = 'art'",
        [
            *(event("loan", hour, topic="art") for hour in (1, 2)),
            event("call", 3),
            event("loan", 4, topic="x"),
            event("loan", 5, topic="art"),
        ],
        [(at(1), at(3), "loan 1", "call 3"), (at(5), None, "loan 5", None)],
    ),
    "values that do not count long enough to be seen": (
        MOST_FREQUENT | {"before": "2 hours", "until": "call"},
        "t is not null",
        [event("loan", 1, topic="art"), event("call", 2), event("loan", 4, topic="art")],
        [(at(6), None, None, None)],
    ),
    "a streak ends after a whole day without an event": (
        STREAK,
        "t >= 2",
        [event("loan", 1), event("loan", 30)],
        [(at(30), at(72, -1), "loan 30", None)],
    ),
    "a streak of 0, as a build at the next midnight has it": (
        STREAK,
        "t = 0",
        [event("loan", 1), event("loan", 72)],
        [(at(48, -1), at(72), None, "loan 72"), (at(120, -1), None, None, None)],
    ),
    "an event at midnight is of the new day": (
        STREAK,
        "t >= 2",
        [event("loan", 1), event("loan", 24)],
        [(at(24), at(72, -1), "loan 24", None)],
    ),
    "a streak goes on over a day, not over two": (
        STREAK,
        "t = 2",
        [event("loan", hour) for hour in (1, 2, 47, 96, 120)],
        [(at(47), at(72, -1), "loan 47", None), (at(120), at(168, -1), "loan 120", None)],
    ),
    "a streak is shorter when its first day leaves the window": (
        STREAK | {"within": "36 hours"},
        "t = 2",
        [event("loan", hour) for hour in (1, 3, 30, 50)],
        # From 39 on the loans of the first day no longer count, and the loan of 50 is a second day.
        [(at(30), at(39), "loan 30", None), (at(50), at(66), "loan 50", None)],
    ),
    "another event ends a streak": (
        STREAK | {"until": "call"},
        "t >= 2",
        [event("loan", 1), event("loan", 25), event("call", 26), event("loan", 27)],
        [(at(25), at(26), "loan 25", "call 26")],
    ),
    "two aggregates that need more than a window, in one rule": (
        {"name": "t", **MOST_FREQUENT, "within": "30 hours"},
        "t = 'art' and days >= 2",
        [
            event("loan", 1, topic="art"),
            event("loan", 25, topic="x"),
            event("loan", 26, topic="art"),
        ],
        [(at(26), at(56), "loan 26", None)],
    ),
    "an attribute of the golden profile changes with the events that state it": (
        {"event": "loan"},
        "country = 'DE'",
        [
            stated("visit", 1, "DE"),
            stated("visit", 2, "DE"),
            stated("visit", 3, "FR"),
            stated("visit", 4, "DE"),
        ],
        [(at(1), at(3), "visit 1", "visit 3"), (at(4), None, "visit 4", None)],
    ),
    "a better source wins for good": (
        {"event": "loan"},
        "country = 'DE'",
        [
            stated("visit", 1, "DE", priority=2),
            stated("visit", 2, "FR", priority=1),
            stated("visit", 3, "DE", priority=2),
        ],
        [(at(1), at(2), "visit 1", "visit 2")],
    ),
    "the first statement survives where the rules say so": (
        {"event": "loan"},
        "country = 'DE'",
        [stated("visit", 1, "DE", priority=2), stated("visit", 2, "FR", priority=2)],
        [(at(1), None, "visit 1", None)],
    ),
    "an attribute is null until an event states it": (
        {"event": "loan"},
        "country is null",
        [event("visit", 0), stated("visit", 1, "DE")],
        [(at(0), at(1), "visit 0", "visit 1")],
    ),
    "an attribute and a trait": (
        {"event": "loan", "within": "5 hours"},
        "t >= 1 and language = 'de' and country = 'DE'",
        [
            event("loan", 1),
            stated("visit", 2, "de", attribute="language"),
            stated("visit", 3, "DE"),
        ],
        [(at(3), at(6), "visit 3", None)],
    ),
    "a condition on the event itself": (
        {"event": "*", "where": "event_name = 'loan' and platform = 'web' and is_activity"},
        "t >= 1",
        [event("visit", 0), *LOANS],
        [(at(1), None, "loan 1", None)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_intervals(tmp_path, name):
    trait, rule, events, expected = CASES[name]
    assert intervals(tmp_path, trait, rule, events) == expected


@pytest.mark.parametrize(
    ("frozen_at", "expected"),
    [
        # As a build whose data clock is this time: an event of the time itself is not seen.
        (at(1), []),
        (at(1, 1), [(at(1), None, "loan 1", None)]),
        (at(3), [(at(1), None, "loan 1", None)]),
        (at(3, 1), [(at(1), at(3), "loan 1", "loan 3")]),
        (at(9), [(at(1), at(3), "loan 1", "loan 3"), (at(8), None, None, None)]),
        (at(8), [(at(1), at(3), "loan 1", "loan 3")]),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"until": "call"}])
def test_nobody_enters_or_leaves_a_frozen_segment(tmp_path, frozen_at, expected, keys):
    """Loans of seven hours, at 1 and at 3; in it is who has exactly one."""
    trait = {"event": "loan", "within": "7 hours"} | keys
    content = {
        "traits": [TRAIT | trait],
        "segments": [SEGMENT | {"when": "t = 1", "frozen_at": str(frozen_at)}],
    }
    *_, selects = written(tmp_path, content)
    assert built(selects, LOANS, LATER).get(("p", "s"), []) == expected


def test_a_frozen_segment_needs_intervals(tmp_path):
    segment = SEGMENT | {"when": "t > 1 and recency > 2", "frozen_at": "2026-01-03"}
    written_to = tmp_path / "models" / "segments" / "team" / "all.yml"
    written_to.parent.mkdir(parents=True)
    content = {"traits": [TRAIT | {"event": "loan"}], "segments": [segment]}
    written_to.write_text(yaml.safe_dump(content))
    with pytest.raises(DeclarationError) as error:
        exact_rules(read_segments(tmp_path), read_traits(tmp_path), "duckdb", ())
    said = "`frozen_at` needs a rule with intervals, but it reads `recency`, which changes with a"
    assert said in str(error.value)


def test_an_event_at_the_data_clock_is_not_seen(tmp_path):
    """Nor is a later one; what lapses later is known."""
    trait, expected = {"event": "loan", "within": "5 hours"}, [(at(1), at(6), "loan 1", None)]
    for as_of in (at(1, 1), at(3)):
        assert intervals(tmp_path, trait, "t >= 1", LOANS, as_of) == expected
    assert intervals(tmp_path, trait, "t >= 1", LOANS, at(1)) == []


MUTANTS = {
    "an event that does not count yet tips it": (
        r"case when .* then event_id end",
        "event_id",
        "an event waits",
    ),
    "an event that ends others is no instant": (
        "or _ends_t is not null",
        "",
        "another event ends the counting",
    ),
    "what ended still counts": (", _period_t", "", "another event ends the counting"),
    "equal values are counted twice": (
        r"count\(distinct",
        "count(",
        "equal values are counted once",
    ),
    "a step of the same time is not before": (
        r"current row(\s+\)\s+end)",
        r"interval '1 microseconds' preceding\1",
        "a step of the same time is before",
    ),
    "a tie of times goes to any event": (
        "order by profile_timeline.occurred_at, profile_timeline.event_id",
        "order by profile_timeline.occurred_at, profile_timeline.event_id desc",
        "of two values at one time the last by id counts",
    ),
    "a streak ends on the day after": (
        "172799999999",
        "172800000000",
        "a streak ends after a whole day without an event",
    ),
    "a streak is seen as of the instant": (
        re.escape("(happened_at + to_microseconds(1))"),
        "happened_at",
        "a streak ends after a whole day without an event",
    ),
    "a streak never ends by itself": (
        r"_next_t is null or _next_t >=",
        "false and _next_t >=",
        "a streak ends after a whole day without an event",
    ),
    "a streak keeps the days that left the window": (
        r"(coalesce\(max\(_first_day_t\) over) \([^)]*\)",
        r"\1 (partition by profile_id order by happened_at)",
        "a streak is shorter when its first day leaves the window",
    ),
    "a streak goes on over what ended it": (
        "partition by profile_id, _period_t",
        "partition by profile_id",
        "another event ends a streak",
    ),
    "of equally frequent values the first one counts": (
        r"\+ last_number",
        "- last_number",
        "of equally frequent values the last one counts",
    ),
    "the last value counts": (
        r"event_count \* 1000000000 \+",
        "",
        "the most frequent value of a window, and then none",
    ),
    "a value is there when none counts": (
        "left join highest_of",
        "inner join highest_of",
        "the most frequent value of a window, and then none",
    ),
    "time since is a moment behind": (
        r"\) \+ 1 as double",
        ") as double",
        "time since an event reaches a number",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_select_is_found(tmp_path, mutant):
    right, wrong, name = MUTANTS[mutant]
    trait, rule, events, expected = CASES[name]
    found = intervals(tmp_path, trait, rule, events, mutated=lambda sql: re.sub(right, wrong, sql))
    assert found != expected


UNLIKE = {
    "email = 'x'": "it reads `email`, which changes with a build",
    "country = 'DE' or is_known": "it reads `is_known`, which changes with a build",
    "lower(country) = 'de' and t > 3": None,
    "recency > 3": "it reads `recency`, which changes with a build",
    "t > 3 or churn_score > 0.5": "it reads `churn_score`, which changes with a build",
    "since / 2 > 3": "it calculates with `since`; compare it with a number",
    "half > 3": "it calculates with `since`; compare it with a number",
    "since > t": "it calculates with `since`; compare it with a number",
    "case when since > 3 then since else t end > 4": (
        "it calculates with `since`; compare it with a number"
    ),
    "since > 3 and since <= 3 * 60 and 1 < since and since is not null": None,
    "t > 3 and since between 1 and 2": None,
}


@pytest.mark.parametrize("rule", UNLIKE)
def test_a_rule_that_changes_with_a_build_has_no_intervals(tmp_path, rule):
    """The reason names the part."""
    content = {
        "traits": [
            TRAIT | {"event": "loan"},
            TRAIT | {"name": "since", "event": "loan", "aggregate": "days_since"},
            {"name": "half", "description": "Text.", "formula": "since / 2"},
        ],
        "segments": [SEGMENT | {"when": rule}],
    }
    written(tmp_path, content)
    (found,), traits = exact_rules(
        read_segments(tmp_path), read_traits(tmp_path), "duckdb", ["country"]
    )
    assert found.because == UNLIKE[rule]
    assert bool(traits) == (found.because is None)


def test_an_aggregate_that_a_warehouse_cannot_slide_has_no_intervals_there(tmp_path):
    trait = TRAIT | {"event": "loan", "aggregate": "count_distinct", "property": "topic"}
    written(tmp_path, {"traits": [trait], "segments": [SEGMENT | {"when": "t > 1"}]})
    (found,), _ = exact_rules(read_segments(tmp_path), read_traits(tmp_path), "snowflake", ())
    assert found.because == "it reads `t`, whose aggregate is `count_distinct`"
