"""Experiments are read from YAML; errors name the place and the fix."""

import re
from datetime import date, datetime

import pytest
import yaml

from tests.support.deployment import REPOSITORY
from tests.support.experiments import EXPERIMENT, OUTCOME, Experiments, Plain
from tideline.declarations.segments import read_experiments
from tideline.landing.plan_check import SEEDS
from tideline.segments.check import wrong_experiments
from tideline.segments.models import plan_rows
from tideline.warehouse.errors import DeclarationError


@pytest.fixture
def project(tmp_path):
    return Experiments(tmp_path)


def refused(project, *experiments):
    """The message that refuses experiments, each what differs from a right one."""
    with pytest.raises(DeclarationError) as error:
        project.declare(*experiments)
        read_experiments(project.folder)
    return str(error.value)


def test_a_declaration_is_read_with_its_place(project):
    project.declare({"arms": {"long": 0.3, "held_out": 0.1, "short": 0.6}, "ends_at": "2026-02-01"})
    (found,) = read_experiments(project.folder)
    assert found.place == 'Experiment "reminder" (models/segments/desk/one.yml:15)'
    assert (found.spec.starts_at, found.spec.ends_at) == (
        datetime(2026, 1, 1),
        datetime(2026, 2, 1),
    )
    assert found.spec.segments == ("reader",) and found.spec.lifecycle == "live"
    assert found.spec.ranges == [("held_out", 0, 0.1), ("long", 0.1, 0.4), ("short", 0.4, 1)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (date(2026, 3, 1), datetime(2026, 3, 1)),
        ("2026-03-01", datetime(2026, 3, 1)),
        ("2026-03-01 12:30:00.000001", datetime(2026, 3, 1, 12, 30, 0, 1)),
        ("2026-03-01T12:30:00+02:00", datetime(2026, 3, 1, 10, 30)),
        ("2026-03-01T12:30:00Z", datetime(2026, 3, 1, 12, 30)),
    ],
    ids=str,
)
def test_a_time_is_read_as_utc(project, written, read):
    project.declare({"starts_at": written})
    assert read_experiments(project.folder)[0].spec.starts_at == read


def test_a_file_gives_its_owner_and_its_shop_to_its_experiments(project):
    content = {
        "owner": "Press",
        "shop": True,
        "experiments": [{key: EXPERIMENT[key] for key in EXPERIMENT if key != "owner"}],
    }
    project.declare()
    path = project.folder / "models" / "segments" / "desk" / "two.yml"
    path.write_text(yaml.safe_dump(content))
    (found,) = read_experiments(project.folder)
    assert found.spec.owner == "Press" and found.is_of_shop
    assert read_experiments(project.folder, has_shop=False) == []


WRONG = [
    ({"arms": {"held_out": 0.1, "treated": 0.8}}, "`arms`: the shares sum to 0.9; make it 1"),
    ({"arms": {"control": 0.1, "treated": 0.9}}, "`arms` has no `held_out`"),
    ({"arms": {"held_out": 1}}, "the share of `held_out` is 1.0"),
    ({"arms": {"held_out": 0, "treated": 1}}, "the share of `held_out` is 0.0"),
    ({"arms": {"held_out": -0.5, "treated": 1.5}}, "the share of `held_out` is -0.5"),
    ({"arms": {"held_out": float("nan"), "treated": 1}}, "the share of `held_out` is nan"),
    ({"arms": {"held_out": "half", "treated": 0.5}}, "`held_out`: expected a number, got 'half'"),
    ({"arms": {"held_out": True, "treated": 0.5}}, "`held_out`: expected a number, got True"),
    ({"arms": {True: 0.5, "held_out": 0.5}}, "expected names with numbers"),
    ({"arms": ["held_out", "treated"]}, "expected names with numbers"),
    ({"arms": {"held_out": 0.5, "x' or true": 0.5}}, "use lower-case letters"),
    ({"arms": {"held_out": 0.5} | {f"a{n}": 0.05 for n in range(10)}}, "11 arms; at most 10"),
    (
        {"segments": "*", "arms": {"held_out": 0.5, "a": 0.3, "b": 0.2}},
        "the global holdout has one arm beside `held_out`",
    ),
    ({"segments": "readers"}, "no segment `readers` is declared; did you mean `reader`?"),
    ({"segments": ["*", "reader"]}, '`segments` names "*", which is everybody, and others'),
    ({"segments": []}, "key `segments` is missing"),
    ({"starts_at": "soon"}, "expected a date or a time in UTC such as 2026-10-01, got 'soon'"),
    ({"starts_at": 2026}, "expected a date or a time in UTC"),
    ({"ends_at": "2026-01-01"}, "`ends_at` is not after `starts_at`"),
    ({"outcomes": []}, "key `outcomes` is missing"),
    ({"outcomes": [OUTCOME, OUTCOME]}, "two outcomes have the name `borrowed`"),
    ({"outcomes": [{"name": "a", "event": "loan"}]}, 'key `outcomes` "a": key `within` is missing'),
    ({"outcomes": [OUTCOME | {"within": "a week"}]}, "write a number of minutes, hours or days"),
    ({"outcomes": [OUTCOME | {"where": "(select 1)"}]}, "`where`: `(SELECT 1)` is not allowed"),
    ({"outcomes": [OUTCOME | {"event": "{{ x }}"}]}, "`outcomes` has Jinja in it"),
    ({"outcomes": [OUTCOME | {"property": "a') or ('"}]}, "use letters, digits and underscores"),
    ({"outcomes": [OUTCOME | {"least_lift": 0}]}, "`least_lift` is 0.0; write a share"),
    ({"outcomes": [OUTCOME | {"aggregate": "sum"}]}, 'unknown key "aggregate"'),
    ({"description": " "}, "`description` is empty"),
    ({"name": "Reminder"}, "use lower-case letters"),
    ({"lifecycle": "paused"}, "key `lifecycle` says `paused`; there are: draft, live, retired"),
    ({"shares": 1}, 'unknown key "shares"; did you mean `arms`?'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=str)
def test_a_wrong_experiment_is_refused(project, changes, words):
    message = refused(project, changes)
    assert words in message and "(models/segments/desk/one.yml:15)" in message


def table_of_refusals(project):
    """The table of the page: what was declared, and the message without its place."""
    rows = []
    for changes, _ in WRONG:
        told = re.sub(r"^.*one\.yml:15\)", "", refused(project, changes)).removeprefix(":").strip()
        shown = yaml.dump(
            changes, Dumper=Plain, default_flow_style=True, sort_keys=False, width=1000
        )
        cells = [shown.strip()[1:-1], told]
        rows.append("| ``{}`` | {} |".format(*(cell.replace("|", r"\|") for cell in cells)))
    return "\n".join(["| declared | message |", "| --- | --- |", *rows])


def test_the_page_shows_each_refused_declaration_with_its_message(project):
    text = (REPOSITORY / "docs" / "reference" / "experiments.md").read_text()
    assert table_of_refusals(project) in text, "put table_of_refusals() into the page"


def test_a_segment_is_in_one_live_experiment_besides_the_global_holdout(project):
    other = {"name": "other", "segments": ["writer", "reader"]}
    message = refused(project, {}, other)
    assert (
        'Experiment "other" (models/segments/desk/one.yml:29) holds out of the segment' in message
    )
    assert 'as Experiment "reminder" (models/segments/desk/one.yml:15) does; retire one' in message
    everybody = {"name": "nobody_told", "segments": "*"}
    assert "holds out of everybody" in refused(project, everybody, everybody | {"name": "second"})
    for lifecycle in ("draft", "retired"):
        project.declare({}, other | {"lifecycle": lifecycle}, everybody)
        assert len(read_experiments(project.folder)) == 3


def test_two_experiments_of_one_name_are_refused(project):
    assert "has the name of Experiment" in refused(project, {}, {"lifecycle": "draft"})


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"event": "purchasing"}, 'the most similar is "purchase"'),
        ({"event": "purchase", "property": "revenues"}, 'the most similar is "revenue"'),
        ({"event": "purchase", "property": "revenue", "where": "order_id > 3"}, "is a text"),
    ],
    ids=str,
)
@pytest.mark.parametrize("lifecycle", ["live", "draft", "retired"])
def test_outcomes_are_checked_with_the_tracking_plan(project, outcome, message, lifecycle):
    plan = plan_rows(SEEDS)
    right = {"name": "ordered", "within": "7 days", "event": "purchase", "property": "revenue"}
    project.declare({"lifecycle": lifecycle, "outcomes": [right]})
    assert [*wrong_experiments(read_experiments(project.folder), plan)] == []
    project.declare({"lifecycle": lifecycle, "outcomes": [right | outcome]})
    (error,) = wrong_experiments(read_experiments(project.folder), plan)
    assert message in error and "(models/segments/desk/one.yml:15): outcome `ordered`" in error
