"""With the var `shop` set to false, a log of another business is built, tested and delivered."""

import json
import random
import re
from datetime import datetime, timedelta

import pytest
import yaml

from tests.support import processes
from tests.support.deployment import NO_TESTS, REPOSITORY
from tests.support.edited_project import edited_project
from tideline.declarations.creative_sql import PARTS
from tideline.declarations.segments import read_segments, read_traits

NO_SHOP = "{shop: false}"
SWITCHED = ("--select", "key_features+", "feature_spine+", "trait_readings+")  # these read the var
SWITCHED = (*SWITCHED, "segment_definitions+", "experiments+", "+product_catalog+")
FIRST_DAY = datetime(2026, 3, 1)
OWN_SEGMENTS = """\
segments:
  - name: keen_reader
    description: Reads 'nearly' "every" day; $$ $dbt -- \\ /* {day}
    label: Keen reader
    when: active_days_30d >= 8
    owner: Editors
    priority: 1
    tags: [reading, daily]
  - name: lapsed_reader
    description: Read, and stopped.
    label: Lapsed reader
    when: recency >= 0
    owner: Editors
    priority: 2
    lifecycle: draft
  - name: any_reader
    description: Reads.
    label: Reader
    when: recency >= 0
    owner: CRM
    priority: 1
    lifecycle: retired
"""
NEXT = "traits:\n"  # the segments are inserted before these
FILE = "subscriptions.yml"
PLACE = f"models/segments/traits/{FILE}"


def declared(folder, table):
    """The `meta` of the columns that are documented for dbt, by column."""
    models = yaml.safe_load((REPOSITORY / "models" / folder / f"{table}.yml").read_text())["models"]
    columns = models[0]["columns"]
    return {each["name"]: each.get("config", {}).get("meta", {}) for each in columns}


def metas(declarations):
    return {name: {"shop": each.is_of_shop} for name, each in declarations.items()}


TRAITS = metas({each.name: each for each in read_traits()})
SENT = metas({each.spec.sent_as: each for each in read_traits() if each.spec.sent_as})
PARTS_OF_SHOP = {name: {"shop": True} for name, _ in PARTS.values() if name != "creative"}
SEGMENTS = metas({each.name: each for each in read_segments()})
DECLARED = {
    "profile_segments": declared("segments", "profile_segments") | SEGMENTS,
    "profile_traits": declared("segments", "profile_traits") | TRAITS,
    "profile_attributes": declared("segments", "profile_attributes") | TRAITS,
    "activation_audiences": declared("activation", "activation_audiences") | SENT | PARTS_OF_SHOP,
    "activation_profiles": declared("activation", "activation_profiles") | PARTS_OF_SHOP,
}


def of_shop(table):
    return {name for name, meta in DECLARED[table].items() if meta.get("shop")}


def reading_club(people=60, days=60):
    """Messages of readers of a newspaper: visits, articles, subscriptions and complaints."""
    chance = random.Random(7)
    for person in range(people):
        quits = chance.choice([days, chance.randrange(10, days)])
        pace = chance.uniform(0.1, 0.8)
        events = [(0, "subscription_start", {"plan": "digital"})]
        for day in range(quits):
            if chance.random() < pace:
                events.append((day, "login", {}))
                for _ in range(chance.randrange(1, 5)):
                    events.append((day, "feature_use", {"feature": "article"}))
        if person % 10 == 0:  # enough for the shop's segment `strained_by_support`
            events += [
                (days - day, "support_ticket", {"ticket_id": f"{person}-{day}"})
                for day in (3, 5, 7)
            ]
        for number, (day, event, properties) in enumerate(events):
            instant = FIRST_DAY + timedelta(days=day, hours=person % 12, minutes=number % 60)
            yield {
                "messageId": f"{person}-{number}",
                "type": "track",
                "event": event,
                "userId": f"reader-{person}",
                "timestamp": f"{instant:%Y-%m-%dT%H:%M:%SZ}",
                "receivedAt": f"{instant:%Y-%m-%dT%H:%M:%SZ}",
                "properties": properties,
            }


def columns(deployment, table):
    return {
        name
        for (name,) in deployment.query(
            f"select column_name from duckdb_columns() where table_name = '{table}'"
        )
    }


def deliver(deployment, *words):
    """Run the syncs with any exit code; return status and message of the run to the files."""
    manifest = deployment.folder / "target" / "manifest.json"
    words = ["tideline", "activate", "run", *words, "--manifest", str(manifest)]
    processes.run(processes.module, *words, folder=REPOSITORY, env=deployment.env)
    return deployment.query(
        "select status, message, adds, removes from activation_runs "
        "where sync_name = 'segments_to_files' order by started_at desc limit 1"
    )[0]


def delivered(deployment):
    """Names of the files with members, each of a segment."""
    folder = deployment.deliveries / "segments_to_files"
    return {path.stem for path in folder.rglob("*.jsonl") if path.read_text()}


@pytest.fixture(scope="module")
def club(shared_deployment):
    path = shared_deployment.landing / "events" / "club.jsonl"
    path.write_text("\n".join(map(json.dumps, reading_club())))
    shared_deployment.dbt("build", variables=NO_SHOP)
    return shared_deployment


def test_the_shop_is_turned_off_on_again_and_off(club):
    """One test, because each step starts with the result of the one before."""
    assert club.value("select count(*) from events_quarantined") == 0
    assert deliver(club)[0] == "succeeded"
    page = club.run("tideline", "summary")
    assert "none is declared: see docs/how-to/add-a-segment.md" in page
    words = of_shop("profile_segments") | {"bundle", "cart", "purchase"}
    assert not [word for word in words if word in page.lower()]
    for table in DECLARED:
        assert columns(club, table) == DECLARED[table].keys() - of_shop(table)
    assert club.value("select count(*) from segments") == 0
    assert club.value("select count(feature_adoption_rate) from profile_features") == 0
    assert club.value("select count(*) from product_catalog") == 0
    assert club.query("select distinct model_name from model_versions") == [("churn",)]

    # With the shop on, its segments exist, and readers who complained are in one of them.
    club.dbt("build", *NO_TESTS, *SWITCHED, variables="{shop: true}")
    for table in DECLARED:
        assert columns(club, table) == DECLARED[table].keys()
    members = club.query(
        "select segment_name, count(*) from segment_memberships group by 1 order by 1"
    )
    named, memberships = {name for name, _ in members}, sum(size for _, size in members)
    assert "strained_by_support" in named
    status, _, adds, _ = deliver(club)
    assert (status, adds) == ("succeeded", memberships)
    assert delivered(club) == named

    # With the shop off, everybody leaves. A sync that would empty a destination is held.
    club.dbt("build", *NO_TESTS, *SWITCHED, variables=NO_SHOP)
    status, message, *_ = deliver(club)
    assert status == "held"
    assert "check the last" in message and "--allow-large-change" in message
    assert delivered(club) == named
    status, _, _, removes = deliver(club, "--allow-large-change")
    assert (status, removes) == ("succeeded", memberships)
    assert not delivered(club)
    assert club.query(
        "select segment_name, count(*), count(dbt_valid_to) from segment_membership_history "
        "group by segment_name order by segment_name"
    ) == [(name, size, size) for name, size in members]

    # The data clock has not moved between these builds; their beliefs still follow one another.
    club.dbt("build", *NO_TESTS, *SWITCHED, variables="{shop: true}")
    assert club.query(
        "select count(*), count(dbt_valid_to), count(distinct membership_id || dbt_valid_from), "
        "count(distinct dbt_scd_id), count_if(dbt_valid_to <= dbt_valid_from) "
        "from segment_membership_history"
    ) == [(2 * memberships, memberships, 2 * memberships, 2 * memberships, 0)]
    club.dbt("test", "--select", "segment_membership_history")
    club.dbt("build", *NO_TESTS, *SWITCHED, variables=NO_SHOP)


def test_one_block_declares_a_segment(club, tmp_path):
    """Its members are delivered."""
    project = edited_project(tmp_path, FILE, NEXT, OWN_SEGMENTS + NEXT)
    club.dbt("build", "--select", "profile_segments+", "--project-dir", project, variables=NO_SHOP)
    readers = {
        profile_id
        for (profile_id,) in club.query(
            "select profile_id from profile_features where is_for_serving and active_days_30d >= 8"
        )
    }
    assert deliver(club)[0] == "succeeded" and readers
    assert delivered(club) == {"keen_reader"}
    path = next(club.deliveries.rglob("keen_reader.jsonl"))
    rows = map(json.loads, path.read_text().splitlines())
    assert {row["profile_id"] for row in rows} == readers
    assert re.search(rf"keen_reader +{len(readers)} +Keen reader", club.run("tideline", "summary"))
    # Its description is a comment as it is written.
    said = """Reads 'nearly' "every" day; $$ $dbt -- \\ /* {day}"""
    assert club.value("select description from segments where lifecycle = 'live'") == said
    comment = "select comment from duckdb_columns() where table_name = 'profile_segments'"
    assert club.value(f"{comment} and column_name = 'keen_reader'") == said

    # A draft and a retired segment are listed, without members and without a column.
    assert club.query(
        "select segment_name, tags, lifecycle, profile_count, declared_in from segments order by 1"
    ) == [
        ("any_reader", None, "retired", 0, PLACE),
        ("keen_reader", "reading,daily", "live", len(readers), PLACE),
        ("lapsed_reader", None, "draft", 0, PLACE),
    ]
    assert columns(club, "profile_segments") == {
        *("profile_id", "as_of", "keen_reader", "primary_segment")
    }


@pytest.mark.parametrize("right", ["active_days_30d >= 8", "recency >= 0"])
def test_every_rule_is_checked_also_that_of_a_draft(club, tmp_path, right):
    """The error for a trait of the shop says that the shop is off."""
    wrong = OWN_SEGMENTS.replace(right, "purchases_ever = 0", 1) + NEXT
    project = edited_project(tmp_path, FILE, NEXT, wrong)
    words = "run", "--select", "profile_segments", "--project-dir", project
    output = re.sub(r"\s+", " ", club.dbt(*words, variables=NO_SHOP, fails=True))
    assert "unknown column `purchases_ever`" in output
    assert "The var shop is false: the traits and segments of the shop are off" in output


def test_owners_may_use_one_priority_and_the_name_decides(club, tmp_path):
    segments = OWN_SEGMENTS.replace("lifecycle: retired", "lifecycle: live")
    project = edited_project(tmp_path, FILE, NEXT, segments + NEXT)
    club.dbt("build", "--select", "profile_segments+", "--project-dir", project, variables=NO_SHOP)
    assert club.query(
        "select distinct primary_segment from profile_segments where any_reader and keen_reader"
    ) == [("any_reader",)]
