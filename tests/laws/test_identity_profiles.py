"""The identity models and the golden profile, compared with a second implementation of their rules
on random logs.
"""

import random

import pytest

from tests.support.identity_project import BUILD, ScratchProject, identity_model
from tests.support.identity_reference import (
    JUNK,
    LOADS,
    MODELS,
    WITHIN_A_TYPE,
    Match,
    Minute,
    Row,
    golden,
    load,
    matched,
    random_bursts,
    random_exclusions,
    random_log,
    random_matches,
    random_removed,
    random_revivals,
    resolve,
    seen_together,
    with_attributes,
)

LOGS = 250
TABLES = {
    "identifier_sets": "*",
    "identifiers": "* exclude (updated_at)",
    "int_neighbourhoods": "*",
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
# (model, text, wrong replacement): broken copies, which must give other rows.
BREAKS = {
    "any_end_of_a_limb": (
        "int_reached_edges_joining_excluded",
        "order by ends.is_match, ends.first_received_at, exclusions.left_id",
        "order by exclusions.left_id",
    ),
    "the_pair_may_touch": (
        "int_reached_edge_guards",
        "when exclusions.edge_id is not null then 'excluded'",
        "when false then 'excluded'",
    ),
    "excluded_sign_ins": ("int_reached_device_intervals", "where exclusions.edge_id is null", ""),
    "blocklist_as_declared": (
        "int_blocklisted_identifiers",
        "'coalesce(identifier_rules.is_gmail_folded, false)'",
        "'false'",
    ),
    "part_of_a_pattern": ("int_blocklisted_identifiers", "{{ matches_whole(", "{{ matches("),
    "an_account_is_no_hub": (
        "int_reached_edge_guards",
        "ends.id_type not in (select account_types.id_type from account_types)",
        "true",
    ),
    "accounts_make_room": (
        "int_reached_edges_over_limit",
        "order by not is_unique_per_profile, first",
        "order by first",
    ),
    "who_is_over_takes_room": (
        "int_reached_edges_over_limit",
        "partition by cut_component, coalesce(rank_in_type > most_of_type, false)",
        "partition by cut_component",
    ),
    "what_touches_no_account": (
        "int_reached_account_regions",
        "contested_components.account_type not in (edges.left_type, edges.right_type) asc,",
        "",
    ),
    "however_often": ("int_reached_account_regions", "edges.event_count desc,", ""),
    "whenever_received": ("int_reached_account_regions", "edges.first_received_at asc,", ""),
    "all_that_touch_no_account": (
        "int_reached_edges_joining_accounts",
        "where lefts.account_id <> rights.account_id",
        "where lefts.id_type not in (edges.left_type, edges.right_type)",
    ),
    "later_ones_stay": (
        "int_reached_edges_over_limit",
        "partition by cut_component, id_type order by first_received_at, id_value",
        "partition by cut_component, id_type order by id_value",
    ),
    "a_match_goes_before": (
        "int_reached_edge_guards",
        "order by is_match, first_received_at, neighbour_id\n        ) as account_rank",
        "order by first_received_at, neighbour_id\n        ) as account_rank",
    ),
    "withdrawn_pairs": ("identity_edges", "not is_withdrawn", "true"),
    "pairs_seen_together": (
        "identity_edges",
        "where matches.edge_id not in (select counted_edges.edge_id from counted_edges)",
        "",
    ),
    "no_limit_in_all": (
        "int_reached_edges_over_limit",
        "having count(*) > most_in_all",
        "having false",
    ),
    "uncut_components": (
        "int_reached_edges_over_limit",
        "coalesce(cut_components.component, components.component)",
        "components.component",
    ),
    "exclusions_as_declared": ("int_exclusions", "'rights.is_gmail_folded'", "'false'"),
    "held_at_its_end": ("profile_timeline", "valid_to > fct_events", "valid_to >= fct_events"),
    "whose_an_event_is": (
        "dim_profiles",
        "(partition by set_id order by priority, id_type)",
        "(partition by set_id order by priority desc, id_type)",
    ),
    "shared_since_ever": (
        "dim_profiles",
        "identity_map.valid_from <= device_rows.occurred_at",
        "true",
    ),
    "anybodys_address": (
        "int_attribute_statements",
        "trimmed_statements.identifier_id is null or identity_map.identifier_id is not null",
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
def log() -> tuple[list[Row], list[Minute], list[tuple[Row, int]]]:
    """Rows, minutes that become or stop being bursts, and rows that are removed again."""
    chance = random.Random(20260101)
    logs = [random_log(f"log{n}", chance) for n in range(LOGS)]
    chance = random.Random(20260105)
    removed = [gone for rows in logs for gone in random_removed(rows, chance)]
    rows = [random_revivals(row, chance) for rows in logs for row in rows]
    chance = random.Random(20260104)
    rows = [with_attributes(row, chance) for row in rows]
    return *random_bursts(rows, chance), removed


@pytest.fixture(scope="module")
def rows(log) -> list[Row]:
    return log[0]


@pytest.fixture(scope="module")
def exclusions(rows) -> list[tuple]:
    chance = random.Random(20260102)
    logs = [[row for row in rows if row.event_id.startswith(f"log{n}-")] for n in range(LOGS)]
    return [pair for log in logs for pair in random_exclusions(log, chance)]


@pytest.fixture(scope="module")
def matches(rows) -> list[Match]:
    chance = random.Random(20260103)
    logs = [[row for row in rows if row.event_id.startswith(f"log{n}-")] for n in range(LOGS)]
    across = [match for log in logs for match in random_matches(log, chance)]
    chance = random.Random(20260105)
    return across + [m for log in logs for m in random_matches(log, chance, WITHIN_A_TYPE)]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory, log, exclusions, matches):
    """All loads in one run, including its tests."""
    project = ScratchProject(
        tmp_path_factory.mktemp("full") / "project",
        MODELS | _broken_models() | {"streams": STREAMS},
        True,
    )
    rows, minutes, removed = log
    load(project, rows, exclusions, matches, minutes, removed)
    run = project.dbt(({"LOAD": str(LOADS)}, ["build"]))
    assert run.returncode == 0, run.stdout
    return project


def run_by_run(folder, log, exclusions, matches, mistake=None) -> ScratchProject:
    """One run per load, with rows in another order; the second run is interrupted.

    The run before the last one does not read the minutes of its arrivals. `mistake`: a model, a
    text in it and its wrong replacement; then only the models that show the mistake are built.
    """
    words = ["--select", "+identity_progress"] if mistake else []
    unlooked = [] if mistake else [({"LOAD": "3"}, ["run", "--exclude", "int_busy_minutes"])]
    project = ScratchProject(folder / "project", MODELS, True)
    if mistake:
        model, text, instead = mistake
        (path,) = (project.folder / "models" / "identity").rglob(f"{model}.sql")
        assert path.read_text().count(text) == 1
        path.write_text(path.read_text().replace(text, instead))
    rows, minutes, removed = log
    mixed = random.Random(1).sample(rows, len(rows))
    load(project, mixed, exclusions, matches, minutes, removed)
    run = project.dbt(
        ({"LOAD": "1"}, [*BUILD, *words]),
        ({"LOAD": "2"}, ["run", *words, "--exclude", "identity_map", "dim_profiles"]),
        *unlooked,
        *[({"LOAD": str(number)}, ["run", *words]) for number in range(3, LOADS + 1)],
    )
    assert run.returncode == 0, run.stdout
    return project


@pytest.fixture(scope="module")
def batched(tmp_path_factory, log, exclusions, matches):
    """The loads run by run, and a last run without new rows."""
    folder = tmp_path_factory.mktemp("batched")
    project = run_by_run(folder, log, exclusions, matches)
    run = project.dbt(({"LOAD": str(LOADS)}, ["run"]))
    assert run.returncode == 0, run.stdout
    return project


def test_the_logs_are_worth_testing(rows, exclusions, matches):
    _, blocked, _ = resolve(rows, exclusions, matches)
    kinds = [rule for rule, *_ in blocked]
    rules = ["shared_device", "email_of_two_accounts", "bridges_two_accounts", "excluded"]
    for rule in [*rules, "shared_by_many", "more_than_4_identifiers"]:
        assert kinds.count(rule) > 20
    assert kinds.count("more_than_2_email") + kinds.count("more_than_3_anonymous_id") > 10


def test_map_blocked_and_timeline_follow_the_rules(rebuilt, rows, exclusions, matches):
    single, blocked, owners = resolve(rows, exclusions, matches)
    found = rebuilt.rows(
        "select id_type, id_value, profile_id from tideline.identity_map"
        " where valid_from is null and valid_to is null"
    )
    # A shared device has one interval if only one account signed in at the deciding times.
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


def test_edges_name_their_evidence(rebuilt, rows):
    found = rebuilt.rows(
        "select left_type, left_value, right_type, right_value, first_received_at,"
        " last_received_at, first_seen_at, last_seen_at, sources, event_count"
        " from tideline.identity_edges"
        " where left_id in (select identifier_id from tideline.identity_map)"
        " and right_id in (select identifier_id from tideline.identity_map)"
        " and probability is null"
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


def test_matched_pairs_are_edges(rebuilt, rows, exclusions, matches):
    found = rebuilt.rows(
        "select left_id, right_id, first_received_at, probability, sources, event_count"
        " from tideline.identity_edges where probability is not null"
    )
    pairs = matched(rows, matches)
    expected = {
        (*map(":".join, pair), match.matched_at, match.probability, "matching", 0)
        for pair, match in pairs.items()
    }
    assert set(found) == expected and len(found) == len(expected) > 50
    _, blocked, _ = resolve(rows, exclusions, matches)
    assert sum((edge[1:3], edge[3:5]) in pairs for edge in blocked) > 5


def test_the_golden_profile_follows_the_rules(rebuilt, rows, exclusions, matches):
    single, _, owners = resolve(rows, exclusions, matches)
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


def test_a_blocklisted_identifier_is_not_a_stream(rebuilt):
    refused = rebuilt.rows(
        "select distinct anonymous_id from tideline.streams"
        " where usable_id is distinct from anonymous_id"
    )
    assert set(refused) == {("NULL",), ("Till-7",)}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_exclusions_are_noticed(rebuilt, name):
    """The second implementation agrees with the models, so it must not agree with these."""
    model = BREAKS[name][0]
    query = "select * from tideline.{} order by all"
    assert rebuilt.rows(query.format(model)) != rebuilt.rows(query.format(f"{model}_{name}"))


def _is_unlike(project, other, table) -> bool:
    query = f"select {TABLES[table]} from tideline.{table} order by all"
    return project.rows(query) != other.rows(query)


def test_batches_in_any_order_end_as_one_rebuild(rebuilt, batched):
    assert [table for table in TABLES if _is_unlike(rebuilt, batched, table)] == []


# Mistakes of an incremental run, and the models that show them.
MISTAKES = {
    "whom_they_are_with": (
        ("int_reached_identifiers", "where component in", "where false and component in"),
        "identity_map",
    ),
    "what_came_apart": (
        ("int_neighbourhoods", "where may_have_lost", "where false"),
        "int_neighbourhoods",
    ),
    "a_minute_that_changed": (
        (
            "identifier_sets",
            "where busy_minutes.updated_at",
            "where false and busy_minutes.updated_at",
        ),
        "identifier_sets",
    ),
    "the_other_end": (
        (
            "int_touched_identifiers",
            "or left_id in (select landed_identifiers.identifier_id from landed_identifiers)",
            "",
        ),
        "identity_edges",
    ),
    "what_was_removed": (
        (
            "int_touched_identifiers",
            "where removed_at >",
            "where false and removed_at >",
        ),
        "identity_map",
    ),
    "sets_that_nobody_carries": (
        ("identifier_sets", "is_incremental() and has_rows(removals, 'true')", "false"),
        "identifier_sets",
    ),
    "identifiers_that_nobody_carries": (
        ("identifiers", "is_incremental() and has_rows(removals, 'true')", "false"),
        "identifiers",
    ),
    "a_run_cut_off": (
        ("identity_progress", "'false' if left_out", "'true' if left_out"),
        "dim_profiles",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_incomplete_run_is_noticed(tmp_path, rebuilt, log, exclusions, matches, name):
    mistake, seen_in = MISTAKES[name]
    project = run_by_run(tmp_path, log, exclusions, matches, mistake)
    assert _is_unlike(rebuilt, project, seen_in)


def test_a_bad_pattern_stops_the_build_with_its_row(batched):
    blocklist = batched.folder / "seeds" / "identifier_blocklist.csv"
    blocklist.write_text(blocklist.read_text() + "phone,pattern,[+](1,Cut off\n")
    words = [*BUILD, "--select", "identifier_blocklist", "int_blocklisted_identifiers"]
    run = batched.dbt(({"LOAD": str(LOADS)}, words))
    assert run.returncode == 1
    said = 'identifier_blocklist.csv: the phone pattern "[+](1" is not a valid regular expression.'
    assert said in " ".join(run.stdout.split())
