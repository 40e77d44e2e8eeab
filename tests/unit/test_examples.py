"""The examples of segments run by the SQL of a build, and say what is wrong."""

import copy
import shutil

import pytest
import yaml

import dbt_tideline
from tests.support.deployment import REPOSITORY
from tideline.declarations import macros
from tideline.declarations.examples import ExampleEvent
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments import command, examples
from tideline.segments.examples import examples_that_fail
from tideline.segments.models import plan_rows

TRAITS = [
    {"name": "views", "event": "product_view", "aggregate": "count", "within": "7 days"},
    {"name": "revenue", "event": "purchase", "aggregate": "sum", "property": "revenue"},
    {"name": "half", "formula": "revenue / 2"},
    {"name": "topic", "event": "product_view", "aggregate": "last", "property": "category"},
    {"name": "paid", "event": "purchase", "aggregate": "last", "property": "revenue"},
    {"name": "days", "event": "login", "aggregate": "streak"},
    {"name": "is_staff", "aggregate": "listed", "list": "staff"},
    {"name": "bought_at", "event": "purchase", "aggregate": "last_at"},
    {
        "name": "found",
        "event": "product_view",
        "aggregate": "count",
        "where": "source = 'web' and platform = 'ios' and campaign_source = 'a' and "
        "campaign_medium = 'b' and campaign_name = 'c' and url_path = '/d' and locale = 'en'",
    },
]
FEATURES = """
models:
  - name: profile_attributes
    columns:
      - {name: recency, data_type: bigint}
      - {name: churn_score, data_type: double}
      - {name: persona_name, data_type: varchar}
      - {name: country, data_type: varchar, meta: {golden: true}}
"""
VIEW = {"event": "product_view", "ago": "1 hour", "properties": {"product_id": "p"}}
PURCHASE = {"event": "purchase", "ago": "1 day", "properties": {"order_id": "o", "revenue": 8}}


@pytest.fixture
def project(tmp_path):
    """A project with the tracking plan of the shop."""
    (tmp_path / "models" / "segments" / "desk").mkdir(parents=True)
    (tmp_path / "models" / "attributes.yml").write_text(FEATURES)
    shutil.copytree(REPOSITORY / "seeds", tmp_path / "seeds")
    return tmp_path


def failed(project, when, *of_segment, label="Text", **keys):
    """What is wrong with the examples of a segment with this rule."""
    segment = {"name": "s", "description": "Text.", "label": label, "when": when, "owner": "Desk"}
    segment |= {"priority": 1, "examples": [*of_segment]} | keys
    traits = [{"description": "Text."} | each for each in TRAITS]
    path = project / "models" / "segments" / "desk" / "one.yml"
    content = {"traits": traits, "segments": [segment]}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return failures(project)


def failures(project):
    return examples_that_fail(
        project, read_segments(project), read_traits(project), plan_rows(project / "seeds")
    )


def example(is_in=True, *events, name="one", **keys):
    return {"name": name, "events": [copy.deepcopy(each) for each in events], "is_in": is_in} | keys


def problem(found):
    """The only failure, without its place."""
    (said,) = found
    return said.partition("): ")[2]


def test_an_example_may_be_on_a_list(project):
    rule = "views = 1 and not is_staff"
    on_it = example(False, VIEW, name="staff", lists=["staff"])
    assert failed(project, rule, example(True, VIEW), on_it) == []
    assert "is_staff is true" in problem(failed(project, rule, on_it | {"is_in": True}))
    misspelt = on_it | {"lists": ["stuff"]}
    assert "`stuff`, which no trait of the rule or the label reads; did you mean `staff`?" in (
        problem(failed(project, rule, misspelt))
    )


def test_the_examples_of_the_project_hold(capsys, monkeypatch):
    """Each segment has one for who is in it, and one for who is not."""
    segments = read_segments()
    for each in segments:
        assert {one.is_in for one in each.spec.examples} == {True, False}, each.place
    assert command.main(["check"]) == 0
    number = sum(len(each.spec.examples) for each in segments)
    assert f"\n{number} examples hold.\n" in capsys.readouterr().out
    monkeypatch.setattr(command, "examples_that_fail", lambda *_: ["Segment x: wrong"])
    assert command.main(["check"]) == 1
    assert capsys.readouterr().err == "error: Segment x: wrong\n"


def test_dbt_runs_them(project, monkeypatch):
    monkeypatch.setattr(dbt_tideline, "_project", lambda: project)
    failed(project, "views >= 1", example(False, VIEW))
    (said,) = dbt_tideline.FUNCTIONS["examples_that_fail"](True)
    assert said == failures(project)[0] and "should not be in it, but is" in said


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("views >= 1", example(True, VIEW | {"ago": "7 days"})),
        ("views >= 1", example(False, VIEW | {"ago": "7 days 1 second"})),
        ("views >= 1", example(False, VIEW | {"ago": "0 seconds"}, PURCHASE)),
        ("half > 4 or half = 4", example(True, PURCHASE)),
        ("revenue = 16", example(True, PURCHASE, PURCHASE)),
        ("paid < 10", example(True, PURCHASE)),
        ("recency > 3", example(True, given={"recency": 4})),
        ("recency > 3 or churn_score > 0.5", example(False, given={"recency": None}
            | {"churn_score": 0.5})),
        ("recency is null", example(True, given={"recency": None})),
        # Attributes of the golden profile, whose rules have intervals.
        ("country = 'DE' and views = 1", example(True, VIEW, given={"country": "DE"})),
        ("country is null", example(True, PURCHASE, given={"country": None})),
        ("country = 'DE'", example(False, PURCHASE, given={"country": "FR"})),
        ("country = 'DE'", example(True, given={"country": "DE"})),
        ("churn_score >= 0.5 and views = 0", example(True, PURCHASE, given={"churn_score": 1})),
        ("days = 2", example(True, *[{"event": "login", "ago": ago} for ago in
            ("12 hours", "12 hours 1 second")])),
        ("days = 1", example(True, *[{"event": "login", "ago": ago} for ago in
            ("11 hours", "12 hours")])),
        ("bought_at < timestamp '2026-03-02'", example(True, PURCHASE, at="2026-03-02 23:59:59")),
        ("bought_at < timestamp '2026-03-02'", example(False, PURCHASE, at="2026-03-03")),
        ("as_of = timestamp '2026-01-15 12:00'", example(True)),
    ],
    ids=str,
)  # fmt: skip
def test_an_example_that_holds_says_nothing_and_its_opposite_fails(project, when, holds):
    assert failed(project, when, holds) == []
    (said,) = failed(project, when, holds | {"is_in": not holds["is_in"]})
    assert ("should be in it, but is not" in said) is not holds["is_in"]


def test_a_failure_names_the_example_its_line_and_the_values(project):
    views = [VIEW | {"ago": f"{days} days"} for days in (6, 8)]
    (said,) = failed(
        project, "views >= 2 and topic is null", example(True, *views, VIEW, name="fine"),
        example(True, *views, name="two views"),
    )  # fmt: skip
    text = (project / "models" / "segments" / "desk" / "one.yml").read_text()
    line = text.partition("name: two views")[0].count("\n") + 1
    assert said == (
        f'Segment "s", example "two views" (models/segments/desk/one.yml:{line}): '
        "the person should be in it, but is not\n"
        "  no       views >= 2   (views is 1, 1 too low)\n"
        "  yes      topic is null   (topic is null)"
    )


def test_of_two_events_at_one_time_the_lower_one_is_later(project):
    first, last = (
        VIEW | {"properties": {"product_id": "p", "category": word}} for word in ("hats", "shoes")
    )
    labelled = example(True, first, last, label="Of shoes")
    assert failed(project, "views = 2", labelled, label="Of {topic}") == []
    assert "the label should be 'Of shoes', but is 'Of hats'" in problem(
        failed(project, "views = 2", example(True, last, first, label="Of shoes"),
               label="Of {topic}")
    )  # fmt: skip


def test_each_field_that_a_where_reads_can_be_given(project):
    fields = {"source": "web", "platform": "ios", "campaign_source": "a", "campaign_medium": "b"}
    fields |= {"campaign_name": "c", "url_path": "/d", "locale": "en"}
    _, expressions = macros.Macros(
        var=macros.Vars({"passive_events": [], "idle_events": []})
    ).call("event_fields")  # fmt: skip
    assert set(expressions) - {"event_name", "is_activity"} == set(fields)
    assert set(fields) < set(ExampleEvent.__dataclass_fields__)
    others = [
        example(False, VIEW | fields | {name: "other"}, name=f"not {name}") for name in fields
    ]
    assert failed(project, "found = 1", example(True, VIEW | fields), *others) == []


def test_each_example_is_a_person_of_its_own_also_those_of_a_draft(project):
    many = [example(n % 2 == 0, *[VIEW] * (n % 2 + 1), name=f"n{n}") for n in range(9)]
    many += [example(False, *[VIEW] * 2, name="later", at="2026-05-05")]
    assert failed(project, "views = 1", *many) == []
    for lifecycle in ("draft", "retired"):
        found = failed(project, "views = 2", *many, lifecycle=lifecycle)
        assert len(found) == len(many)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (example(True, VIEW | {"event": "product_vew"}),
         "no event `product_vew` in the plan; did you mean `product_view`?"),
        (example(True, VIEW | {"properties": {"product_id": "p", "categori": "x"}}),
         "the plan has no property `categori` for `product_view`; did you mean `category`?"),
        (example(True, VIEW, {"event": "identify", "ago": "1 day", "properties": {"email": "x"}}),
         "the plan has no property `email` for `identify`; it has none"),
        (example(True, VIEW | {"properties": {}}),
         "a build would quarantine an event: product_view: product_id is missing"),
        (example(True, PURCHASE | {"properties": {"order_id": "o", "revenue": "much"}}),
         "a build would quarantine an event: purchase: revenue is not a number"),
        (example(True, VIEW | {"properties": {"product_id": "p", "price": float("nan")}}),
         "`price` of `product_view` is nan; write a text, a number, true or false, or a date"),
        (example(True, VIEW, given={"recency": "4"}), "`given` has '4' for `recency`, which is a "
         "whole number"),
        (example(True, VIEW, given={"recency": 4.5}), "`given` has 4.5 for `recency`"),
        (example(True, VIEW, given={"recency": True}), "`given` has True for `recency`"),
        (example(True, VIEW, given={"recency": 10**30}), "`given` has 10000000000000000000000"),
        (example(True, VIEW, given={"recency": [4]}), "`given` has [4] for `recency`"),
        (example(True, VIEW, given={"recency": 4, "views": 3}),
         "`given` has the trait `views`, which events or `lists` give; remove it there"),
        (example(True, VIEW, given={"recency": 4}, lists=["staff"]),
         "`lists` has `staff`, which no trait of the rule or the label reads; remove it there"),
        (example(True, VIEW, given={"recency": 4, "churn_score": 0.5}),
         "`given` has `churn_score`, which neither the rule nor the label reads; "),
        (example(True, VIEW, given={"recency": 4, "as_of": "2026-01-31"}),
         "`given` has `as_of`, which each example has; remove it"),
        (example(True, VIEW), "no event gives `recency`; add it to `given`, null if there is none"),
        (example(True, VIEW, given={"recency": 4}, label="Of x"), "no event gives `persona_name`"),
        (example(True, given={"recency": 4}), "no event is before the instant, so there is nobody"),
        (example(True, VIEW | {"ago": "0 days"}, given={"recency": 4}),
         "no event is before the instant, so there is nobody with a `views`; add an event"),
    ],
    ids=lambda each: each[:40] if isinstance(each, str) else "",
)  # fmt: skip
def test_an_example_of_nobody_that_there_can_be_is_refused(project, wrong, words):
    right = example(True, VIEW, name="right", given={"recency": 4})
    rule = "views >= 1 and recency > 3"
    assert problem(failed(project, rule, right, wrong, label="Of {persona_name}")).startswith(words)


def test_intervals_that_differ_from_the_rule_are_reported(project, monkeypatch):
    model_sql = examples.model_sql

    def without_intervals(model, *arguments):
        select = model_sql(model, *arguments)
        return f"{select} and false" if model == "segment_intervals" else select

    monkeypatch.setattr(examples, "model_sql", without_intervals)
    assert "`segment_intervals` and the rule differ" in problem(
        failed(project, "views = 1", example(True, VIEW))
    )
    assert failed(project, "recency = 1", example(True, given={"recency": 1})) == []
