"""The identity models against a second, plain implementation of their rules, on random logs.

What the golden profile says is among them.
"""

import random

import pytest

from tests.python.identity_project import ScratchProject, identity_model
from tests.python.identity_reference import (
    JUNK,
    LOADS,
    MODELS,
    Row,
    golden,
    load,
    random_exclusions,
    random_log,
    resolve,
    seen_together,
    with_attributes,
)

LOGS = 250
TABLES = {
    "identifiers": "* exclude (updated_at)",
    "identity_edges": "* exclude (updated_at)",
    "identity_blocked": "*",
    "identity_map": "*",
    "dim_profiles": "*",
    "profile_timeline": "event_id, profile_id",
    "profile_attribute_values": "*",
    "golden_profiles": "*",
}


STREAMS = """
    select
        anonymous_id,
        {{ usable_id('anonymous_id', 'anonymous_id', ref('identifier_blocklist')) }} as usable_id
    from {{ ref('fct_events') }}
"""
# (model, text, what stands in its place): broken copies, whose rows have to be others.
BREAKS = {
    "any_end_of_a_limb": (
        "int_cuts",
        "order by ends.first_received_at, exclusions.left_id",
        "order by exclusions.left_id",
    ),
    "the_pair_may_touch": (
        "int_edge_guards",
        "when exclusions.edge_id is not null then 'excluded'",
        "when false then 'excluded'",
    ),
    "excluded_sign_ins": ("int_device_intervals", "where exclusions.edge_id is null", ""),
    "blocklist_as_declared": (
        "int_identifier_guards",
        "'coalesce(identifier_rules.is_gmail_folded, false)'",
        "'false'",
    ),
    "part_of_a_pattern": ("int_identifier_guards", "{{ matches_whole(", "{{ matches("),
    "an_account_is_no_hub": (
        "int_edge_guards",
        "ends.id_type not in (select account_types.id_type from account_types)",
        "true",
    ),
    "accounts_make_room": (
        "int_excess",
        "order by not is_unique_per_profile, first",
        "order by first",
    ),
    "who_is_over_takes_room": (
        "int_excess",
        "partition by cut_component, coalesce(rank_in_type > most_of_type, false)",
        "partition by cut_component",
    ),
    "later_ones_stay": (
        "int_excess",
        "partition by cut_component, id_type order by first_received_at, id_value",
        "partition by cut_component, id_type order by id_value",
    ),
    "no_limit_in_all": ("int_excess", "having count(*) > most_in_all", "having false"),
    "uncut_components": (
        "int_excess",
        "coalesce(cut_components.component, components.component)",
        "components.component",
    ),
    "exclusions_as_declared": ("int_exclusions", "'rights.is_gmail_folded'", "'false'"),
    "held_at_its_end": ("profile_timeline", "valid_to > fct_events", "valid_to >= fct_events"),
    "anybodys_address": (
        "int_attribute_statements",
        "trimmed.identifier_id is null or identity_map.identifier_id is not null",
        "true",
    ),
    "words_for_nothing": ("int_attribute_statements", "{{ usable_value | indent(4) }}", "''"),
    "objects": ("int_attribute_statements", "not in ('{', '[')", "is not null"),
    "blanks": ("int_attribute_statements", "trim(said_text, ' '", "trim(said_text, '' "),
    "any_source": ("int_attribute_statements", "rules.source in (events.source, '*')", "true"),
    "whoever_said_it_last": ("profile_attribute_values", "priority asc,", ""),
    "what_came_last": ("profile_attribute_values", "then occurred_at end", "then 0 end"),
    "always_the_first": ("profile_attribute_values", "survivor = 'latest' then o", "false then o"),
    "never_the_first": ("profile_attribute_values", "occurred_at asc,", "occurred_at desc,"),
    "told_by_any_event": ("profile_attribute_values", "value asc,", ""),
    "counted_twice": ("profile_attribute_values", "count(distinct value)", "count(value)"),
}


def _broken_models() -> dict[str, str]:
    broken = {}
    for name, (model, text, instead) in BREAKS.items():
        sql = identity_model(model)
        assert sql.count(text) == 1, (model, text)
        broken[f"{model}_{name}"] = sql.replace(text, instead)
    return broken


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    chance = random.Random(20260101)
    rows = [row for n in range(LOGS) for row in random_log(f"log{n}", chance)]
    chance = random.Random(20260104)
    return [with_attributes(row, chance) for row in rows]


@pytest.fixture(scope="module")
def exclusions(rows) -> list[tuple]:
    chance = random.Random(20260102)
    logs = [[row for row in rows if row.event_id.startswith(f"log{n}-")] for n in range(LOGS)]
    return [pair for log in logs for pair in random_exclusions(log, chance)]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory, rows, exclusions):
    """All loads in one run, its tests included."""
    project = ScratchProject(
        tmp_path_factory.mktemp("full") / "project",
        MODELS | _broken_models() | {"streams": STREAMS},
        True,
    )
    load(project, rows, exclusions)
    run = project.dbt(({"LOAD": str(LOADS)}, ["build"]))
    assert run.returncode == 0, run.stdout
    return project


@pytest.fixture(scope="module")
def batched(tmp_path_factory, rows, exclusions):
    """One run per load, rows in another order; then a run that finds nothing new."""
    shuffled = random.Random(1).sample(rows, len(rows))
    project = ScratchProject(tmp_path_factory.mktemp("batched") / "project", MODELS, True)
    load(project, shuffled, exclusions)
    loads = [str(load) for load in range(1, LOADS + 1)] + [str(LOADS)]
    run = project.dbt(
        *[({"LOAD": load}, ["build", "--exclude-resource-type", "test"]) for load in loads]
    )
    assert run.returncode == 0, run.stdout
    return project


def test_the_logs_are_worth_testing(rows, exclusions):
    _, blocked, _ = resolve(rows, exclusions)
    kinds = [rule for rule, *_ in blocked]
    rules = ["shared_device", "email_of_two_accounts", "bridges_two_accounts", "excluded"]
    for rule in [*rules, "shared_by_many", "more_than_4_identifiers"]:
        assert kinds.count(rule) > 20
    assert kinds.count("more_than_2_email") + kinds.count("more_than_3_anonymous_id") > 10


def test_map_blocked_and_timeline_follow_the_rules(rebuilt, rows, exclusions):
    single, blocked, owners = resolve(rows, exclusions)
    found = rebuilt.rows(
        "select id_type, id_value, profile_id from tideline.identity_map"
        " where valid_from is null and valid_to is null"
    )
    # A shared device that one account alone signed in to at the deciding instants has one interval.
    devices = {
        ("anonymous_id", device) for rule, _, device, *_ in blocked if rule == "shared_device"
    }
    assert {row for row in found if row[:2] not in devices} == single
    assert (
        set(
            rebuilt.rows(
                "select rule, left_type, left_value, right_type, right_value"
                " from tideline.identity_blocked where rule <> 'blocklisted'"
            )
        )
        == blocked
    )
    timeline = rebuilt.rows("select event_id, profile_id from tideline.profile_timeline")
    assert len(timeline) == len(owners)
    assert set(timeline) == owners


def test_edges_tell_their_evidence(rebuilt, rows):
    found = rebuilt.rows(
        "select left_type, left_value, right_type, right_value, first_received_at,"
        " last_received_at, first_seen_at, last_seen_at, sources, event_count"
        " from tideline.identity_edges"
        " where left_id in (select identifier_id from tideline.identity_map)"
        " and right_id in (select identifier_id from tideline.identity_map)"
    )
    expected = set()
    for (left, right), seen in seen_together(rows).items():
        received = sorted(row.received_at for row in seen)
        occurred = sorted(row.occurred_at for row in seen)
        sources = ", ".join(sorted({row.source for row in seen}))
        times = (received[0], received[-1], occurred[0], occurred[-1])
        expected.add((*left, *right, *times, sources, len(seen)))
    assert set(found) == expected and len(found) == len(expected)
    assert any("," in row[-2] for row in found)


def test_the_golden_profile_follows_the_rules(rebuilt, rows, exclusions):
    single, _, owners = resolve(rows, exclusions)
    expected = golden(rows, owners, single)
    columns = "profile_id, attribute, value, source, event_id, other_value_count"
    query = f"select {columns} from tideline.profile_attribute_values"
    assert set(rebuilt.rows(query)) == expected
    wide = rebuilt.rows(
        "unpivot (select * exclude (profile_id), profile_id as profile from"
        " tideline.golden_profiles) on * exclude (profile) into name attribute value value"
    )
    assert set(wide) == {(profile, name, value) for profile, name, value, *_ in expected}
    assert sum(others > 0 for *_, others in expected) > 30


def test_no_profile_has_two_accounts(rebuilt):
    assert (
        rebuilt.rows(
            "select profile_id from tideline.identity_map where id_type = 'user_id'"
            " group by all having count(distinct id_value) > 1"
        )
        == []
    )


def test_blocklisted_identifiers_own_nothing_and_are_recorded(rebuilt):
    recorded = rebuilt.rows(
        "select left_type, left_value from tideline.identity_blocked where rule = 'blocklisted'"
    )
    assert {("user_id", "null"), ("anonymous_id", "NULL"), ("email", "x@test.com")} <= set(recorded)
    assert {("email", "infodesk@gmail.com"), ("email", "no address")} <= set(recorded)
    assert {value.lower() for _, value in recorded} <= JUNK
    owned = rebuilt.rows("select distinct lower(id_value) from tideline.identity_map")
    assert not {value for (value,) in owned} & JUNK


def test_a_blocklisted_identifier_is_no_stream(rebuilt):
    refused = rebuilt.rows(
        "select distinct anonymous_id from tideline.streams"
        " where usable_id is distinct from anonymous_id"
    )
    assert set(refused) == {("NULL",), ("Till-7",)}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_exclusions_are_found_out(rebuilt, name):
    """The rules' second implementation agrees with the models, so it does not with these."""
    model = BREAKS[name][0]
    query = "select * from tideline.{} order by all"
    assert rebuilt.rows(query.format(model)) != rebuilt.rows(query.format(f"{model}_{name}"))


def test_batches_in_any_order_end_as_one_rebuild(rebuilt, batched):
    for table, columns in TABLES.items():
        query = f"select {columns} from tideline.{table} order by all"
        assert rebuilt.rows(query) == batched.rows(query), table


def test_a_bad_pattern_stops_the_build_with_its_row(batched):
    blocklist = batched.folder / "seeds" / "identifier_blocklist.csv"
    blocklist.write_text(blocklist.read_text() + "phone,pattern,[+](1,Cut off\n")
    words = ["build", "--select", "identifier_blocklist", "int_identifier_guards"]
    run = batched.dbt(({"LOAD": str(LOADS)}, [*words, "--exclude-resource-type", "test"]))
    assert run.returncode == 1
    said = 'seeds/identifier_blocklist.csv: the phone pattern "[+](1" is no regular expression.'
    assert said in " ".join(run.stdout.split())
