"""Intervals of rules over attributes are the same, whether builds are many or one."""

import re
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.random_traits import CLOCKS, log
from tests.support.segment_builds import Builds, Known
from tests.support.trait_reference import ATTRIBUTES

TEXT = {"description": "Text.", "label": "Text", "owner": "Team"}
TRAIT = {"name": "loans", "description": "Text.", "event": "loan", "aggregate": "count"}
RULES = ("country = 'DE'", "language is null", "loans >= 2 and country <> language")
SEGMENTS = [
    TEXT | {"name": f"s{place}", "priority": place, "when": rule}
    for place, rule in enumerate(RULES, 1)
]
ALL = "from {} order by all"
BEFORE = timedelta(days=1)


@st.composite
def histories(draw):
    """What builds know, one after the other: events arrive late, in any order, and disappear."""
    as_of = draw(st.sampled_from(CLOCKS))
    events = draw(log(as_of, 12, 7))
    found = []
    for number in range(draw(st.integers(2, 4))):
        some = draw(st.lists(st.sampled_from(events), unique_by=id))
        known = sorted(some, key=events.index)
        clock = as_of - BEFORE if not number else as_of
        known = [each for each in known if each["occurred_at"] < clock]
        found.append(Known(clock, known, {}, [], {}, clock))
    return found


def built(folder, histories, mutated=lambda model, sql: sql):
    """The steps and intervals after these builds."""
    builds = Builds(folder, mutated, ATTRIBUTES)
    builds.declare({"traits": [TRAIT], "segments": SEGMENTS})
    for known in histories:
        builds.build_intervals(known)
    return [builds.rows(ALL.format(name)) for name in ("attribute_steps", "segment_intervals")]


def check(folder, examples, mutated=lambda model, sql: sql):
    """Compare many builds, which `mutated` may break, with the last one alone."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(histories())
    def compared(found):
        assert built(folder, found, mutated) == built(folder, found[-1:])

    compared()


def test_many_builds_equal_one(tmp_path):
    check(tmp_path, 25)


MUTANTS = {
    "people without news are computed without their events": (
        r"(attribute = '\w+')\s+and profile_id in \([^)]*\)",
        r"\1",
    ),
    "late statements are not read": (
        r"(attribute = '\w+')\s+and profile_id in",
        r"\1 and profile_id not in",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_select_is_found(tmp_path, name):
    right, wrong = MUTANTS[name]
    seen = []

    def mutated(model, sql):
        seen.append(model == "segment_intervals" and re.search(right, sql))
        return re.sub(right, wrong, sql) if seen[-1] else sql

    with pytest.raises(AssertionError):
        check(tmp_path, 200, mutated)
    assert any(seen)
