"""Segments that cannot have members without an event are found from the declarations."""

import duckdb
import pytest

from tideline.declarations.rules import parse, sql_of
from tideline.declarations.unreachable import (
    Attribute,
    declared_attributes,
    declared_rules,
    empty_attributes,
    parts_of,
    sentences,
    without_members,
)
from tideline.landing.plan_check import SEEDS, properties_of
from tideline.landing.plan_infer import read_seed
from tideline.summary import unreachable, without_persona, without_scores
from tideline.warehouse.connection import open_warehouse

PLAN = properties_of(read_seed(SEEDS, "tracking_plan.csv"))
DESK = """
owner: Desk
traits:
  - {name: visits, description: V, event: [visit, call], aggregate: count}
  - {name: loaned, description: L, event: loan, aggregate: sum, property: books}
  - {name: last_loan, description: L, event: loan, aggregate: last_at}
segments:
  - {name: reader, description: R, label: R, when: loaned > 1 and visits > 2, priority: 1}
  - {name: next, description: N, label: N, when: loaned > 9, priority: 2, lifecycle: draft}
  - {name: former, description: F, label: F, when: loaned > 9, priority: 3, lifecycle: retired}
"""
SHOP = """
owner: Shop
shop: true
segments:
  - {name: borrower, description: B, label: B, when: loaned >= 1, priority: 1}
"""


@pytest.fixture
def library(tmp_path):
    """Declarations of a business that is not a shop."""
    folder = tmp_path / "models" / "segments" / "desk"
    folder.mkdir(parents=True)
    (folder / "names.yml").write_text(DESK)
    (folder / "shop.yml").write_text(SHOP)
    (tmp_path / "dbt_project.yml").write_text("vars: {shop: true}")
    return tmp_path


@pytest.mark.parametrize(
    ("rule", "is_out"),
    [
        ("loaned >= 3", True),
        ("last_loan is not null", True),
        ("recency <= 3 and (visits + loaned) > 1", False),  # there are visits
        ("recency <= 3 and loaned * 2 > 1", True),
        ("loaned = 0", False),
        ("last_loan is null and recency > 3", False),
        ("loaned >= 1 or recency < 3", False),
        ("not (loaned >= 1 and recency < 3)", False),
        ("(loaned >= 1 and last_loan is not null) and recency < 3", True),
        ("note = 'a loaned > 1 and b' and recency < 3", False),
        ("loaned between 1 and 3", True),
        ("coalesce(loaned, 9) >= 1", True),
        ("coalesce(last_loan is null, true)", False),
    ],
)
def test_rules_that_can_never_be_true_are_recognized(library, rule, is_out):
    found = without_members({"one": parse(rule)}, empty_attributes(["visit"], library))
    assert found == ({("loan",): ["one"]} if is_out else {})
    both = empty_attributes(["visit", "loan"], library)
    assert without_members({"one": parse(rule)}, both) == {}


def test_a_sentence_per_missing_event_and_one_for_the_shop(library):
    rules = {
        "reader": parse("loaned > 1 and visits > 2"),
        "borrower": parse("loaned >= 1"),
        "guest": parse("visits > 0"),
    }
    assert sentences(rules, [], "came, so these are empty", library) == [
        "No `loan` event came, so these are empty: reader, borrower; map an event to it "
        "(docs/tutorials/your-own-log.md).",
        "No `visit` or `call` event came, so these are empty: reader, guest; map an event to it "
        "(docs/tutorials/your-own-log.md).",
    ]
    assert len(sentences(rules, ["call"], "came", library)) == 1
    del rules["reader"], rules["guest"]
    rules["caller"] = parse("visits >= 1")
    caller = "  - {name: caller, description: C, label: C, when: visits >= 1, priority: 2}\n"
    (library / "models" / "segments" / "desk" / "shop.yml").write_text(SHOP + caller)
    assert sentences(rules, [], "came, so these are empty", library) == [
        "No `loan`, `visit` or `call` event came, so these are empty: borrower, caller; map an "
        "event to it (docs/tutorials/your-own-log.md), or leave the sample shop out with "
        "`shop: false` (docs/tutorials/make-it-yours.md)."
    ]


def test_a_rule_is_cut_where_all_must_be_true():
    parts = parts_of(parse("a > 1 and b = 'x and y' and (c and d)"))
    assert [sql_of(each, "duckdb") for each in parts] == ["a > 1", "b = 'x and y'", "c", "d"]
    assert len([*parts_of(parse("a > 1 and b < 2 or c"))]) == 1


def test_a_rule_that_mixes_kinds_is_left_to_the_build(library):
    empty = empty_attributes([], library)
    for rule in ("loaned > 'x'", "lower(loaned) = 'x'"):
        assert without_members({"one": parse(rule)}, empty) == {}


def test_only_live_segments_are_looked_at_and_those_of_the_shop_as_the_var_says(library):
    reader = {"reader": parse("loaned > 1 and visits > 2")}
    assert declared_rules(library) == reader | {"borrower": parse("loaned >= 1")}
    (library / "dbt_project.yml").write_text("vars: {shop: false}")
    assert declared_rules(library) == reader


def test_a_wrong_declaration_is_left_to_the_build(library):
    (library / "models" / "segments" / "desk" / "wrong.yml").write_text("segments: [")
    assert declared_attributes(library) == declared_rules(library) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "models: [",
        "- name: profile_traits",
        "models: [{name: profile_traits, columns: }]",
        "models: [{name: profile_segments, columns: [{name: b, config: {meta: 1}}]}]",
    ],
)
def test_a_wrong_file_of_dbt_is_left_to_dbt(library, wrong):
    before = declared_attributes(library), declared_rules(library)
    (library / "models" / "wrong.yml").write_text(f"# name: profile_traits\n{wrong}")
    assert (declared_attributes(library), declared_rules(library)) == before


def test_declarations_name_events_of_the_plan():
    named = {event for each in declared_attributes().values() for event in each.needs}
    assert "purchase" in named and named <= set(PLAN)


def test_the_summary_lists_unreachable_segments(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("create schema tideline")
        con.execute("create table tideline.fct_events as select 'page_view' as event_name")
        con.execute(
            "create table tideline.segments as select 'loyal_customer' as segment_name, "
            "'purchases_90d >= 3 and recency <= 30' as rule, 1 as priority, 'live' as lifecycle"
        )
    with open_warehouse({"TIDELINE_WAREHOUSE": str(path)}, read_only=True) as warehouse:
        (line,) = unreachable(warehouse)
    assert line.startswith(
        "  No `purchase` event was accepted, so these segments have no members: loyal_customer; "
        "map an event to it (docs/tutorials/your-own-log.md), or leave the sample shop out with"
    )


def test_the_page_counts_who_has_no_persona_and_names_segments_without_scores(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(
            """
            create schema tideline;
            create schema tideline_internal;
            create table tideline.dim_profiles as select unnest(['a', 'b', 'c']) as profile_id;
            create table tideline.profile_personas as select 'a' as profile_id;
            create table tideline_internal.model_declarations as
                select unnest(['churn', 'upsell']) as model_name;
            create table tideline.profile_scores as select 'upsell' as model_name;
            create table tideline.segments as select * from (values
                ('leaving', 'churn_score >= 0.6 and recency <= 60', 1, 'live'),
                ('perhaps', 'churn_score >= 0.6 or recency <= 60', 2, 'live'),
                ('next', 'churn_score >= 0.6', 3, 'draft'),
                ('ready', 'upsell_score >= 0.6', 3, 'live')
            ) as segments (segment_name, rule, priority, lifecycle)
            """
        )
    environment = {"TIDELINE_WAREHOUSE": str(path)}
    with open_warehouse(environment) as warehouse:
        assert without_scores(warehouse) == [
            "  Model churn scores nobody (see below), so these segments have no members: leaving."
        ]
        assert without_persona(warehouse) == [
            "  2 of 3 profiles have no persona: they have no session in the 90 days before the "
            "data clock. Events with an email alone are in no session."
        ]
        warehouse.execute("insert into tideline.profile_personas values ('b'), ('c')")
        warehouse.execute("insert into tideline.profile_scores values ('churn')")
        assert without_scores(warehouse) == without_persona(warehouse) == []


def test_a_rule_over_many_attributes_is_not_tried_out():
    empty = {f"f{n}": Attribute(("loan",), (0, None)) for n in range(40)}
    assert (
        without_members({"any": parse(" or ".join(f"{name} > 0" for name in empty))}, empty) == {}
    )
    few = dict(list(empty.items())[:5])
    found = without_members({"any": parse(" or ".join(f"{name} > 0" for name in few))}, few)
    assert found == {("loan",): ["any"]}
