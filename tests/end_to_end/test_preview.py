"""A preview says who a build would put into a segment: the numbers, the people, the labels."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from tests.support.deployment import NO_TESTS, REPOSITORY
from tests.support.edited_project import edited_project
from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.catalog import catalog
from tideline.declarations.definitions import definitions
from tideline.declarations.segments import read_creatives, read_segments, read_traits
from tideline.declarations.syncs import read_syncs
from tideline.declarations.whole import with_rules
from tideline.segments import command
from tideline.segments.deliveries import Delivery
from tideline.segments.models import plan_rows
from tideline.segments.past import DAYS
from tideline.segments.preview import SYNCS_NOTE, preview
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError

NEW = {
    "owner": "Press",
    "traits": [
        {
            "name": "views_then",
            "description": "Views before the last week.",
            "event": ["product_view", "page_view"],
            "aggregate": "count",
            "before": "7 days",
        },
        {
            "name": "views_share",
            "description": "Views of the last week, as a share of those before.",
            "formula": "product_views_7d / views_then",
        },
        {
            "name": "top_name",
            "description": "Name of the most viewed jacket or shoe.",
            "event": "product_view",
            "aggregate": "most_frequent",
            "property": "name",
            "where": "category in ('jackets', 'footwear')",
        },
        {
            "name": "last_revenue",
            "description": "Revenue of the last order, a number.",
            "event": "purchase",
            "aggregate": "last",
            "property": "revenue",
        },
    ],
    "segments": [
        {
            "name": "waking",
            "description": "Views more than before.",
            "label": "Waking – {top_name} – {views_share}",
            "when": "views_share > 0.2 and event_days_in_a_row >= 1",
            "priority": 1,
        },
        {
            "name": "quiet",
            "description": "Never logged in, or long ago.",
            "label": "Quiet",
            "when": "not has_logged_in or minutes_since_login > 20160 or persona_name is null",
            "priority": 2,
        },
        {
            "name": "idea",
            "description": "A draft.",
            "label": "Idea – {top_name}",
            "when": "days_since_purchase < 3",
            "priority": 3,
            "lifecycle": "draft",
        },
        {
            "name": "large_order",
            "description": "The last order was large, as a number; as a text, 100 is less than 99.",
            "label": "Large order",
            "when": "last_revenue > 99",
            "priority": 4,
        },
    ],
}
NEW_LIVE = {"waking", "quiet", "large_order"}
# What follows from declarations, up to the audiences, without the history.
OF_SEGMENTS = (
    *("path:models/segments/intermediate", "trait_readings+2", "profile_attributes"),
    *("profile_segments", "segment_intervals", "segment_memberships", "segments", "segment_sizes"),
    "activation_audiences",
)
EDITS = ("prospects.yml", "searches_7d >= 1", "searches_7d >= 4")


@pytest.fixture(scope="module")
def built(shared_deployment):
    shared_deployment.sample("--people", "120", "--days", "40")
    shared_deployment.dbt("build", *NO_TESTS)
    shared_deployment.run("tideline", "publish")
    return shared_deployment


@pytest.fixture(scope="module")
def edited(built):
    """A project with new segments, and a changed rule."""
    project = edited_project(built.folder, *EDITS)
    path = project / "models" / "segments" / "press" / "new.yml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(NEW, sort_keys=False))
    return project


def previews(built, project):
    """The previews of the segments of a project, by name."""
    plan, traits = plan_rows(project / "seeds"), read_traits(project)
    syncs = read_syncs(built.folder / "target" / "manifest.json", DESTINATIONS)
    with DuckDBWarehouse(built.warehouse.with_name("published.duckdb"), read_only=True) as file:
        return {
            each.name: preview(file, each, traits, plan, syncs) for each in read_segments(project)
        }


def last_sizes(built):
    """The sizes of the last days by segment and day; 0 before there was anybody."""
    rows = built.query("select segment_name, day, profile_count from segment_sizes")
    sizes, last = {}, max(day for _, day, _ in rows)
    for name, day, size in rows:
        days = [last - timedelta(days=count) for count in reversed(range(DAYS))]
        sizes.setdefault(name, dict.fromkeys(days, 0))
        if day in sizes[name]:
            sizes[name][day] = size
    return sizes


def audiences(built):
    """Labels by segment and profile, as syncs send them."""
    found = {}
    for segment, profile, label in built.query(
        "select segment_name, profile_id, segment_label from activation_audiences"
    ):
        found.setdefault(segment, {})[profile] = label
    return found


def check_past_and_deliveries(built, previewed, former):
    """A preview has the sizes of the build, and what changes in the audiences."""
    name, sizes, now = previewed.segment.name, last_sizes(built), audiences(built)
    if previewed.past.because is None:
        assert previewed.past.sizes == sizes[name]
        assert [*previewed.past.sizes.values()][-1] == previewed.size
    ((because,),) = built.query(
        f"select without_intervals_because from segments where segment_name = '{name}'"
    )
    assert previewed.past.because == because and bool(previewed.past.sizes) == (because is None)
    rows, before = now.get(name, {}), former.get(name, {})
    relabels = sum(rows[each] != before[each] for each in rows.keys() & before.keys())
    counts = len(rows.keys() - before.keys()), len(before.keys() - rows.keys()), relabels
    assert previewed.deliveries == [
        Delivery(sync, *counts) for sync in ("segments_to_files", "segments_to_webhook")
    ]


def members(built):
    """Labels by segment and profile."""
    found = {}
    for segment, profile, label in built.query(
        "select segment_name, profile_id, segment_label from segment_memberships"
    ):
        found.setdefault(segment, {})[profile] = label
    return found


def test_nothing_would_change_without_an_edit(built):
    found, now = previews(built, REPOSITORY), members(built)
    assert len(found) >= 7 and sum(map(len, now.values())) > 50
    former = audiences(built)
    for name, each in found.items():
        check_past_and_deliveries(built, each, former)
        assert each.size <= min(count for _, count in each.conditions)
        assert each.size == each.before == len(now.get(name, {})), name
        assert each.enters == each.leaves == 0 and not each.entering and not each.leaving
        assert not each.primaries and not [each for each in each.remarks if "`when`" in each]
        others = {
            other: len(now[other].keys() & now.get(name, {}).keys())
            for other in now
            if other != name
        }
        assert dict(each.overlaps) == {other: count for other, count in others.items() if count}


def test_the_catalog_has_versions_syncs_and_freshness(built):
    segments, traits = read_segments(REPOSITORY), read_traits(REPOSITORY)
    manifest = built.folder / "target" / "manifest.json"
    syncs = ",".join(each.name for each in read_syncs(manifest, DESTINATIONS))
    versions = {each["name"]: each["version"] for each in definitions(segments, traits)}
    edges = dict(
        built.query(
            "select segment_name, max(greatest(last_entered_at, last_left_at)) "
            "from profile_segment_times group by 1"
        )
    )
    rows = built.query(
        "select segment_name, version, destinations, last_changed_at, newest_event_at from segments"
    )
    entries = catalog(segments, traits, creatives=read_creatives(REPOSITORY))
    newest = dict(built.query("from newest_events"))
    assert len(rows) >= 7 and len({newest_at for *_, newest_at in rows}) > 1
    for name, version, destinations, last_changed_at, newest_event_at in rows:
        assert (version, destinations) == (versions[name], syncs)
        assert last_changed_at == edges.get(name)
        entry = entries["segments"][name]
        read = [at for event, at in newest.items() if {event, "*"} & {*entry["events"]}]
        assert newest_event_at == max(read)
    rows = built.query("select trait_name, data_type, read_by, newest_event_at from traits")
    for name, data_type, read_by, newest_event_at in rows:
        entry = entries["traits"][name]
        read = [at for event, at in newest.items() if {event, "*"} & {*entry["events"]}]
        assert newest_event_at == max(read, default=None)
        assert (data_type, read_by) == (entry["type"], ",".join(entry["read_by"]) or None)
    assert len(rows) > 20


def test_a_preview_is_what_the_build_gives(built, edited):
    sizes = last_sizes(built)
    found, before, former = previews(built, edited), members(built), audiences(built)
    built.dbt("run", "--project-dir", edited, "--select", *OF_SEGMENTS)
    after = members(built)
    assert found.keys() - after.keys() >= {"idea"} and after.keys() >= NEW_LIVE
    for name, each in found.items():
        now, then = after.get(name, {}), before.get(name, {})
        if name == "idea":
            assert each.before is None and each.size > 0 and not now
            assert each.deliveries[0].adds == each.size and len(each.past.sizes) == DAYS
            assert each.cost.new_traits == ("top_name",)
            continue
        check_past_and_deliveries(built, each, former)
        assert (each.size, each.enters, each.leaves) == (
            len(now), len(now.keys() - then.keys()), len(then.keys() - now.keys()),
        ), name  # fmt: skip
        assert each.before == (None if name in NEW_LIVE else len(then))
        for profile, label, reason in each.entering:
            assert now[profile] == label and profile not in then and reason.is_met is True
        for profile, _, reason in each.leaving:
            assert profile in then and profile not in now and reason.is_met is not True
    assert found["large_order"].size > 0 and found["large_order"].past.sizes
    ((kind,),) = built.query("select any_value(typeof(last_revenue)) from profile_traits")
    assert kind == "DOUBLE"
    assert found["new_prospect_high_intent"].leaves > 0 and found["waking"].entering
    assert found["new_prospect_high_intent"].deliveries[0].removes > 0
    assert found["new_prospect_high_intent"].past.sizes != sizes["new_prospect_high_intent"]
    built.dbt("run", "--select", *OF_SEGMENTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": "view_share > 1"}, "unknown column `view_share`; did you mean `views_share`?"),
        ({"when": "views_share > 'x'"}, "mixes kinds"),
        ({"label": "Of {nothing}"}, "unknown column `nothing`"),
    ],
)
def test_what_a_build_refuses_is_refused(built, edited, change, message):
    (waking,) = (each for each in read_segments(edited) if each.name == "waking")
    (segment,) = with_rules([replace(waking, spec=replace(waking.spec, **change))])
    with (
        DuckDBWarehouse(built.warehouse, read_only=True) as file,
        pytest.raises(DeclarationError, match="segments/press/new") as error,
    ):
        preview(file, segment, read_traits(edited), plan_rows(edited / "seeds"))
    assert message in str(error.value)


def test_the_command_prints_text_json_and_markdown(built, edited, monkeypatch, capsys):
    monkeypatch.setattr(command, "PROJECT", edited)
    for name in ("TIDELINE_WAREHOUSE", "DBT_TARGET", "DBT_TARGET_PATH"):
        monkeypatch.setenv(name, built.env[name])
    built.warehouse.touch()
    assert command.main(["preview", "new_prospect_high_intent", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["leaves"] == found["size_before"] - found["size"] > 0
    assert found["cost"]["seconds"] < 60
    file = edited / "models/segments/acquisition/prospects.yml"
    assert command.main(["preview", str(file)]) == 0
    text = capsys.readouterr().out
    outdated, segment, *others, note = text.split("\n\n")
    assert len(others) == len(yaml.safe_load(file.read_text())["segments"]) - 1
    assert note == f"{SYNCS_NOTE}\n"
    assert f"\n  Sync segments_to_files: 0 rows added, {found['leaves']:,} removed" in segment
    assert outdated.startswith("The warehouse has changed since the publication of 20")
    assert segment.startswith('Segment "new_prospect_high_intent" (models/segments/acquisition/pro')
    assert f"{found['size_before']:,} are now: 0 enter, {found['leaves']:,} leave" in text
    assert " no       searches_7d >= 4   (searches_7d is " in text
    assert command.main(["preview", "waking", "quiet", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == outdated and lines[4].startswith("| `waking` | new | ")
    assert len(lines) == 8 and lines[-1] == SYNCS_NOTE
    # The edited rule is no longer what its example shows.
    assert command.main(["check"]) == 1
    assert 'example "a search and a look at jackets on the second' in capsys.readouterr().err
    assert command.main(["list"]) == 0
    assert "idea" in capsys.readouterr().out
    with pytest.raises(DeclarationError, match="no segment `wakin` is declared; did you mean `wak"):
        command.main(["preview", "wakin"])
