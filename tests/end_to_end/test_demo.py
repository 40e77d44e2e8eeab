"""The steps of `make demo`, repeated, and with one more day."""

import csv
import json
import re
from collections import defaultdict

import duckdb
import pytest

from tests.support.deployment import NO_TESTS, REPOSITORY
from tideline.declarations.files import columns_of, meta_of
from tideline.declarations.unreachable import declared_attributes
from tideline.segments.why import built_rules, explained
from tideline.warehouse.clock import present_clock
from tideline.warehouse.connection import open_warehouse

SAMPLE = ["--people", 300, "--days", 61]


def last_run(deployment):
    """Adds, updates and removes of the last run of the file sync."""
    return deployment.query(
        "select adds, updates, removes from activation_runs "
        "where sync_name = 'segments_to_files' order by started_at desc limit 1"
    )[0]


def delivered(deployment):
    """Profiles and segments in the delivered files."""
    return {
        (row["profile_id"], row["segment_name"])
        for path in deployment.deliveries.rglob("*.jsonl")
        for row in map(json.loads, path.read_text().splitlines())
    }


def desired(deployment):
    return set(deployment.query("select profile_id, segment_name from activation_audiences"))


def run_demo(deployment, *words):
    deployment.dbt("build", *words)
    deployment.activate()
    truth = deployment.folder / "truth"
    return deployment.run("tideline", "summary") + deployment.run(
        "tideline", "sample", "--compare", "--truth", truth
    )


def strangers_in_one_profile(deployment):
    """Pairs of people whose own identifiers one profile holds."""
    people = defaultdict(set)
    with (deployment.folder / "truth" / "identifiers.csv").open() as file:
        for row in csv.DictReader(file):
            people[row["id_type"], row["id_value"]].add(row["person_id"])
    owners = defaultdict(set)
    for profile, *identifier in deployment.query(
        "select profile_id, id_type, id_value from identity_map"
    ):
        if len(people.get(tuple(identifier), ())) == 1:
            owners[profile] |= people[tuple(identifier)]
    return [sorted(each) for each in owners.values() if len(each) > 1]


@pytest.fixture(scope="module")
def demo(shared_deployment):
    del shared_deployment.env["DBT_EXCLUDE_RESOURCE_TYPES"]  # unit tests run here
    shared_deployment.sample(*SAMPLE, "--to-day", 60)
    shared_deployment.page = run_demo(shared_deployment)
    return shared_deployment


def test_the_results_of_dbt(demo, subtests):
    """The results of dbt's nodes, including data tests and unit tests, as pytest results."""
    results = json.loads((demo.folder / "target" / "run_results.json").read_text())["results"]
    assert {"test", "unit_test", "model"} <= {r["unique_id"].split(".")[0] for r in results}
    fine = {"pass", "success", "no-op"}
    for result in results:
        # With 300 people, a model may be better by chance; the page then says so.
        may_warn = result["unique_id"].endswith(".assert_models_beat_their_baseline")
        with subtests.test(result["unique_id"]):
            assert result["status"] in (fine | {"warn"} if may_warn else fine), result["message"]
        if result["status"] == "warn":
            assert "is not promoted: AUC" in demo.page


def test_a_feature_is_zero_or_null_without_its_declared_event(demo):
    attributes = declared_attributes()
    filled = set()
    for _, column in columns_of("profile_features", REPOSITORY):
        name, meta = column["name"], meta_of(column)
        if "event" not in meta:
            continue
        had = (
            "exists (select 1 from profile_timeline as t where t.profile_id = f.profile_id "
            f"and t.occurred_at < f.as_of and t.event_name = '{meta['event']}')"
        )
        some = f"select count(*) from profile_features as f where coalesce({name}, 0) <> 0 and "
        assert demo.value(f"{some} not {had}") == 0, name
        filled |= {name} if demo.value(f"{some} {had}") else set()
    assert len(filled) > 20 and filled <= set(attributes)
    assert "event was accepted, so these segments have no members" not in demo.page


def test_each_membership_is_explained_by_its_values(demo):
    """`explained` refuses a verdict that the build does not share."""
    of_most = "select profile_id from segment_memberships group by 1 order by count(*) desc, 1"
    of_some = "select profile_id from dim_profiles order by md5(profile_id)"
    people = [*demo.query(f"{of_most} limit 3"), *demo.query(f"{of_some} limit 2")]
    members = set(demo.query("select profile_id, segment_name from segment_memberships"))
    found = set()
    with open_warehouse(demo.env, read_only=True) as warehouse:
        rules = built_rules(warehouse)
        for (profile,) in people:
            for segment in rules:
                said = explained(warehouse, profile, segment, rules)
                is_in = (profile, segment) in members
                assert f"is {'in' if is_in else 'not in'} {segment}, as of" in said
                assert is_in is not ("  no " in said or "  unknown " in said)
                found.add((segment, is_in))
    assert len(found) > len(rules)  # some are in, some are not


def test_only_people_with_a_common_inbox_share_a_profile(demo):
    """A computer that only ever names their common address is in the profile of its owner."""
    with (demo.folder / "truth" / "identifiers.csv").open() as file:
        owners = defaultdict(set)
        for row in csv.DictReader(file):
            if row["id_type"] == "email":
                owners[row["id_value"]].add(row["person_id"])
    inboxes = [sorted(each) for each in owners.values() if len(each) > 1]
    assert inboxes
    wrong = strangers_in_one_profile(demo)
    assert [pair for pair in wrong if pair not in inboxes] == []
    assert len(wrong) <= len(inboxes)


def test_the_demo_twice_and_one_day_later(demo):
    rows = json.loads((demo.folder / "truth" / "rows.json").read_text())
    assert f"{rows['lines']:,}, all that landed." in demo.page
    for heading in ("Segments", "Personas", "Models", "Delivered", "Against the truth"):
        assert heading in demo.page
    assert "adjusted Rand index" in demo.page
    rows_of_identity = re.findall(r"  with.* ([0-9.]+) +([0-9.]+)\n", demo.page)
    guarded, former, unguarded = [tuple(map(float, row)) for row in rows_of_identity]
    assert guarded[0] > 0.97 and guarded[1] > 0.8 and unguarded[0] < 0.5
    assert guarded[1] >= former[1]
    quarantined = demo.value("select count(*) from events_quarantined")
    assert quarantined == rows["plan_breaking"] + rows["not_json"]
    reasons = {reason for (reason,) in demo.query("select reason from events_quarantined")}
    assert reasons == {
        "not a JSON object",
        "unknown event",
        "feature_use: feature is missing",
        "product_search: query is missing",
        "product_view: product_id is missing",
        "purchase: revenue is not a number",
        "support_ticket: priority is not one of low, normal, high, urgent",
        "time_on_page: seconds is not a number",
    }
    assert demo.value("select count_if(is_bot) from fct_events") == rows["bots"]
    repeated = rows["exact_duplicates"] + rows["resent_duplicates"]
    assert demo.value("select count(*) from events_duplicated") == repeated
    first = last_run(demo)
    assert first[0] == len(desired(demo)) > 50
    assert delivered(demo) == desired(demo)

    tables = [
        "raw_messages",
        "int_events_deduplicated",
        "int_sessions",
        "identity_map",
        "profile_segments",
    ]
    before = {table: demo.frame(table) for table in tables}
    with open_warehouse(demo.env, read_only=True) as warehouse:
        # The guard against future states and the removal of forgotten people read internal tables.
        assert present_clock(warehouse) == demo.value("select as_of from data_clock")
        assert warehouse.has("forgotten_identifiers") and not warehouse.has("forgotten")
    run_demo(demo, *NO_TESTS)
    assert last_run(demo) == (0, 0, 0)
    assert {table: demo.frame(table) for table in tables} == before

    quiet = demo.value("select min(stream_id) from int_sessions where ended_at < '2026-09-15'")
    with duckdb.connect(str(demo.warehouse)) as connection:
        connection.execute(
            "update tideline_internal.int_sessions set platform = 'untouched' where stream_id = ?",
            [quiet],
        )
    demo.sample(*SAMPLE, "--from-day", 60)
    run_demo(demo)
    touched = demo.query(f"select platform from int_sessions where stream_id = '{quiet}'")
    assert set(touched) == {("untouched",)}
    newest = "(select max(landed_at) from raw_messages)"
    files = demo.query(f"select distinct landed_file from raw_messages where landed_at = {newest}")
    assert files == [("events/2026-10-31.jsonl",)]
    assert sum(last_run(demo)) < first[0]
    assert delivered(demo) == desired(demo)
    history = demo.query(
        "select count(*), count_if(dbt_valid_to is null) from segment_membership_history"
    )[0]
    assert history[1] == len(desired(demo)) < history[0]
    closed = demo.query(
        "select distinct dbt_valid_to from segment_membership_history "
        "where dbt_valid_to is not null"
    )
    assert closed == demo.query("select as_of from data_clock")
