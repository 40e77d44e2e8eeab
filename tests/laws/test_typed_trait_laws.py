"""Intervals of rules over values of properties with a kind equal plain Python on random logs."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.intervals import built, written
from tests.support.random_traits import CLOCKS, EDGES, event_trait, log
from tests.support.trait_reference import PLAN, intervals_of, write_plan
from tideline.declarations.formulas import kind_of_aggregate
from tideline.declarations.segments import Trait

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def with_a_time(monkeypatch):
    """A property of the plan that is a timestamp."""
    monkeypatch.setitem(PLAN["loan"], "due", "timestamp")


CONDITIONS = {
    "number": ("{0} > 2", "{0} = 3", "{0} is null", "not {0} between 0 and 1"),
    "text": ("{0} = 'art'", "{0} > 'art'", "{0} is null"),
    "boolean": ("{0}", "not {0}", "{0} is null"),
    "timestamp": ("{0} > timestamp '2026-01-30 05:00:00'", "{0} is null"),
}


def kind(trait):
    lists = {"event": tuple(trait["event"]), "until": (), "after": ()}
    rows = [(event, *each) for event, named in PLAN.items() for each in named.items()]
    return kind_of_aggregate(Trait(**{**trait, **lists}), rows)


@st.composite
def declared(draw):
    """Four values of properties, each with a rule."""
    traits = [draw(event_trait(f"t{number}", ("first", "last"), 3)) for number in range(4)]
    traits = [each for each in traits if "property" in each]
    segments = [
        {"name": f"s_{each['name']}", "description": "Text.", "label": "Text", "owner": "Team"}
        | {"priority": place, "when": draw(st.sampled_from(CONDITIONS[kind(each)]))}
        for place, each in enumerate(traits, 1)
    ]
    for trait, segment in zip(traits, segments, strict=True):
        segment["when"] = segment["when"].format(trait["name"])
    return {"traits": traits, "segments": segments}


def difference(traits, segments, found, events, as_of):
    """The first profile and segment whose intervals differ between SQL and Python, if any."""
    known = [each for each in events if each["occurred_at"] < as_of]
    for profile in sorted({each["profile_id"] for each in known}):
        own = [each for each in known if each["profile_id"] == profile]
        for each in segments:
            expected = intervals_of(each.rule.tree, traits, own, EDGES)
            if (sql := found.get((profile, each.name), [])) != expected:
                return profile, each.rule, sql, expected
    return None


def check(folder, mutated, examples):
    write_plan(folder)
    seen = set()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(content=declared().filter(lambda found: found["traits"]), data=st.data())
    def compared(content, data):
        traits, segments, selects = written(folder, content)
        seen.update(each.kind for each in traits)
        as_of = data.draw(st.sampled_from(CLOCKS))
        events = data.draw(log(as_of, 6))
        selects = [mutated(each) for each in selects]
        assert difference(traits, segments, built(selects, events, as_of), events, as_of) is None

    compared()
    assert seen == {"number", "text", "boolean", "timestamp"}


def test_intervals_of_typed_values_equal_plain_python(tmp_path):
    check(tmp_path, lambda sql: sql, 60)


MUTANTS = {
    "a text that is no boolean is false": ("when 'false' then false", "else false"),
    "the zone of a time is ignored": ("as timestamptz) at time zone 'UTC'", "as timestamp)"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_select_is_found(tmp_path, name):
    right, wrong = MUTANTS[name]
    with pytest.raises(AssertionError, match="is None"):
        check(tmp_path, lambda sql: sql.replace(right, wrong), 1000)
