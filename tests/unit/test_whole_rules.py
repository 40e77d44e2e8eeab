"""Rules that name other segments, extend one, or stand in an exclusive group."""

import pytest
import yaml

from tideline.declarations.compiled import segment_sql
from tideline.declarations.definitions import definitions
from tideline.declarations.exact import exact_rules
from tideline.declarations.rules import value_of
from tideline.declarations.segments import read_segments, read_traits
from tideline.declarations.unreachable import parts_of
from tideline.segments.check import check
from tideline.warehouse.errors import DeclarationError

TRAITS = [
    {"name": name, "description": "Text.", "event": "purchase", "aggregate": "count"}
    for name in ("loans", "calls")
]
SEGMENT = {"description": "Text.", "label": "Text", "owner": "Desk"}


def declare(folder, *segments, **keys):
    """Write segments, whose priorities are their places unless they have one, and read them."""
    items = [SEGMENT | {"priority": n} | each for n, each in enumerate(segments, 1)]
    path = folder / "models" / "segments" / "desk" / "one.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"traits": TRAITS, "segments": items} | keys
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=1000))
    return {each.name: each for each in read_segments(folder)}


def refused(folder, *segments, **keys):
    """The message that refuses segments."""
    with pytest.raises(DeclarationError) as error:
        declare(folder, *segments, **keys)
    return str(error.value)


def members(segments, **row):
    """The segments whose rules hold for a row."""
    return {name for name, each in segments.items() if value_of(each.rule.tree, row) is True}


READER = {"name": "reader", "when": "loans >= 3"}
LATE = {"name": "late", "when": "loans >= 1 and not reader"}


@pytest.mark.parametrize("order", [(READER, LATE), (LATE, READER)], ids=["after", "before"])
def test_a_rule_reads_another_segment(tmp_path, order):
    segments = declare(tmp_path, *order)
    assert members(segments, loans=3) == {"reader"}
    assert members(segments, loans=2) == {"late"}
    assert members(segments, loans=0) == set()


def test_who_is_not_known_to_be_in_a_segment_is_not_in_it(tmp_path):
    segments = declare(tmp_path, READER, {"name": "others", "when": "not reader"})
    assert members(segments, loans=None) == {"others"}
    segments = declare(
        tmp_path,
        READER | {"exclusive": "desk"},
        {"name": "others", "when": "calls >= 0", "exclusive": "desk"},
    )
    assert members(segments, loans=None, calls=0) == {"others"}


def test_a_segment_extends_another(tmp_path):
    segments = declare(
        tmp_path,
        READER | {"when": "loans >= 3 or loans = 0", "creative": "Read", "tags": ["books"]},
        {"name": "caller", "extends": "reader", "when": "calls > 0 or calls is null"},
        {"name": "own", "extends": "caller", "when": "loans < 9", "creative": "Own", "tags": []},
    )
    caller, own = segments["caller"].spec, segments["own"].spec
    assert caller.when == "(loans >= 3 or loans = 0) and (calls > 0 or calls is null)"
    assert own.when == f"{caller.when} and loans < 9"
    assert (caller.creative, caller.tags) == ("Read", ("books",))
    assert (own.creative, own.tags) == ("Own", ())
    assert members(segments, loans=3, calls=0) == {"reader"}
    assert members(segments, loans=9, calls=1) == {"reader", "caller"}
    assert members(segments, loans=1, calls=1) == set()


def test_the_owner_is_that_of_the_file_then_that_of_the_extended_segment(tmp_path):
    other = {"name": "caller", "extends": "reader", "when": "calls > 0", "description": "Text."}
    more = tmp_path / "models" / "segments" / "press" / "two.yml"
    more.parent.mkdir(parents=True)
    for file, owner in (({"owner": "Press"}, "Press"), ({}, "Desk")):
        item = other | {"label": "Text", "priority": 7}
        more.write_text(yaml.safe_dump(file | {"segments": [item]}))
        assert declare(tmp_path, READER)["caller"].spec.owner == owner


TIERS = [
    {"name": "gold", "when": "loans >= 9", "exclusive": "tier", "priority": 2},
    {"name": "basic", "when": "loans >= 1", "exclusive": "tier", "priority": 5},
    {"name": "silver", "when": "loans >= 3", "exclusive": "tier", "priority": 3},
]


def test_of_a_group_only_the_first_whose_rule_holds_has_the_profile(tmp_path):
    segments = declare(tmp_path, *TIERS, {"name": "best", "when": "basic or gold", "priority": 1})
    assert members(segments, loans=9) == {"gold", "best"}
    assert members(segments, loans=3) == {"silver"}
    assert members(segments, loans=1) == {"basic", "best"}


def test_only_live_segments_take_members_in_a_group(tmp_path):
    for lifecycle in ("draft", "retired"):
        segments = declare(tmp_path, TIERS[0] | {"lifecycle": lifecycle}, *TIERS[1:])
        assert members(segments, loans=9) == {"gold", "silver"}
        draft = declare(tmp_path, *TIERS[:2], TIERS[2] | {"lifecycle": lifecycle})
        assert members(draft, loans=3) == {"silver", "basic"}
        assert members(draft, loans=9) == {"gold"}


def test_a_segment_extends_one_that_comes_after_it_in_its_group(tmp_path):
    """It extends the rule, not what the group leaves of it."""
    segments = declare(
        tmp_path,
        {"name": "vip", "extends": "reader", "when": "calls > 0", "exclusive": "tier"},
        READER | {"exclusive": "tier"},
    )
    assert members(segments, loans=3, calls=1) == {"vip"}
    assert members(segments, loans=3, calls=0) == {"reader"}


REFUSED = {
    "a circle": (
        [{"name": "a", "when": "b"}, {"name": "b", "when": "loans > 1 or a"}],
        'Segment "a" (models/segments/desk/one.yml:11): `when` refers to itself: a → b → a',
    ),
    "a circle by the group": (
        [
            {"name": "a", "when": "not b", "exclusive": "tier"},
            {"name": "b", "when": "loans > 1", "exclusive": "tier"},
        ],
        "`when` refers to itself: a → b → a; `a` comes before `b` in the exclusive group",
    ),
    "extends in a circle": (
        [{"name": "a", "extends": "b", "when": "true"}, {"name": "b", "extends": "a", "when": "1"}],
        "`extends` refers to itself: a → b → a",
    ),
    "a draft is read": (
        [{"name": "a", "when": "b"}, {"name": "b", "when": "true", "lifecycle": "draft"}],
        'Segment "a" (models/segments/desk/one.yml:11): `when` reads the segment `b`, which is a '
        "draft; make `b` live, or `a` a draft",
    ),
    "a frozen segment is read": (
        [
            {"name": "a", "when": "b and x"},
            {"name": "b", "when": "true", "frozen_at": "2026-01-01"},
        ],
        "`when` reads the segment `b`, which is frozen; write its rule itself",
    ),
    "a retired segment is read by a draft": (
        [
            {"name": "a", "when": "b", "lifecycle": "draft"},
            {"name": "b", "when": "true", "lifecycle": "retired"},
        ],
        "`when` reads the segment `b`, which is retired; write its rule itself",
    ),
    "a draft is extended": (
        [
            {"name": "a", "extends": "b", "when": "true"},
            {"name": "b", "when": "true", "lifecycle": "draft"},
        ],
        "`extends` names the segment `b`, which is a draft; make `b` live, or `a` a draft",
    ),
    "one priority in a group": (
        [
            {"name": "a", "when": "true", "exclusive": "tier", "priority": 1},
            {"name": "b", "when": "true", "exclusive": "tier", "priority": 1, "owner": "Press"},
        ],
        'has the priority 1 of Segment "a" (models/segments/desk/one.yml:11); give each segment of '
        "the exclusive group `tier` its own",
    ),
    "the name of a trait": (
        [{"name": "loans", "when": "true"}],
        'Segment "loans" (models/segments/desk/one.yml:11) has the name of Trait "loans" '
        "(models/segments/desk/one.yml:2); give one another name",
    ),
    "a long rule": (
        [READER | {"when": "loans > 1" + " " * 3000}, {"name": "a", "extends": "b", "when": "c"}],
        "`extends` names no segment, but `b`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_resolved_is_refused(tmp_path, case):
    segments, message = REFUSED[case]
    assert message in refused(tmp_path, *segments)


def test_a_rule_is_refused_before_it_grows(tmp_path):
    """Each level doubles the rule, or nests it; in both orders of the file."""
    for when in ("s{0} or not s{0}", "not s{0}"):
        names = [{"name": "s0", "when": "loans > 1"}]
        names += [{"name": f"s{n}", "when": when.format(n - 1)} for n in range(1, 600)]
        for order in (names, names[::-1]):
            assert "is too large with the segments" in refused(tmp_path, *order)
    longest = "loans > 1 and " * 200 + "loans > 2"
    chain = [READER | {"when": longest}, {"name": "a", "extends": "reader", "when": longest}]
    assert "with the segments that it extends, `when`: it has 5," in refused(tmp_path, *chain)
    chain = [
        {"name": f"s{n}", "extends": f"s{n - 1}" if n else "reader", "when": "true"}
        for n in range(1200)
    ]
    for order in ([READER, *chain], [*chain[::-1], READER]):
        assert "with the segments that it extends, `when`: it has 4," in refused(tmp_path, *order)


def test_a_wrong_part_of_another_segment_is_told_at_that_segment(tmp_path):
    wrong = {"name": "late", "when": "loanz > 1"}
    segments = declare(tmp_path, READER | {"when": "loans > 1 and not late"}, wrong)
    for each in segments.values():
        with pytest.raises(DeclarationError, match=r'^Segment "late" .*unknown column `loanz`'):
            segment_sql(each.rule, {"loans": "bigint"}, "duckdb")
    segments = declare(tmp_path, READER | {"when": "loans > 1 and not latest"}, wrong)
    with pytest.raises(DeclarationError, match="unknown column `latest`; did you mean `late`"):
        segment_sql(segments["reader"].rule, {"loans": "bigint"}, "duckdb")
    with pytest.raises(DeclarationError, match="`reader` is a segment and a column of"):
        segment_sql(declare(tmp_path, READER, LATE)["late"].rule, {"reader": "text"}, "duckdb")
    segments = declare(tmp_path, READER | {"when": "late + 1 > 1"}, wrong)
    with pytest.raises(DeclarationError, match="needs a number, but `late` is a boolean"):
        segment_sql(segments["reader"].rule, {"loans": "bigint"}, "duckdb")


SCORED = [
    {"name": "risk", "when": "churn_score > 0.5", "exclusive": "care", "priority": 1},
    {"name": "calm", "when": "loans >= 1", "exclusive": "care", "priority": 2},
    {"name": "safe", "when": "loans >= 1 and not risk", "priority": 3},
    {"name": "free", "when": "loans >= 1", "priority": 4},
]


def test_a_rule_has_intervals_if_all_on_which_it_depends_have(tmp_path):
    segments = declare(tmp_path, *SCORED)
    rules, _ = exact_rules([*segments.values()], read_traits(tmp_path), "duckdb", ())
    assert {each.segment.name: each.because for each in rules} == {
        "risk": "it reads `churn_score`, which changes with a build",
        "calm": "`risk` comes first in the group `care` and has none: it reads `churn_score`, "
        "which changes with a build",
        "safe": "it depends on the segment `risk`, which has none: it reads `churn_score`, which "
        "changes with a build",
        "free": None,
    }


def test_a_version_changes_with_the_segments_on_which_it_depends(tmp_path):
    def versions(*segments):
        found = declare(tmp_path, *segments)
        return {
            each["name"]: each["version"]
            for each in definitions([*found.values()], read_traits(tmp_path))
        }

    def changed(**keys):
        after = versions(SCORED[0] | keys, *SCORED[1:])
        return {name for name in after if after[name] != before.get(name)}

    before = versions(*SCORED)
    assert changed(when="churn_score > 0.6") == {"risk", "calm", "safe"}
    assert changed(exclusive="other") == {"calm"}
    assert changed(priority=9) == {"risk", "calm", "safe"}
    assert changed(description="Words.", when=" churn_score  > 0.5") == set()


def test_the_conditions_of_another_segment_must_hold_too(tmp_path):
    segments = declare(tmp_path, READER, {"name": "a", "when": "reader and calls > 1"})
    assert len([*parts_of(segments["a"].rule.tree)]) == 2
    assert next(parts_of(segments["a"].rule.tree)) == segments["reader"].rule.tree


def test_segments_check_tells_a_problem_once(tmp_path, monkeypatch):
    segments = declare(tmp_path, READER | {"when": "loanz > 1"}, LATE)
    monkeypatch.setattr("tideline.segments.check.plan_rows", lambda _: [])
    monkeypatch.setattr("tideline.segments.check.wrong_traits", lambda *_: [])
    (problem,) = check(tmp_path, [*segments.values()], read_traits(tmp_path))
    assert problem.startswith('Segment "reader"')
