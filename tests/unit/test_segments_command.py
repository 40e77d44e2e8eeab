"""`tideline segments preview` says what it compares with, and why nobody may be in a segment."""

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime

import duckdb
import pytest
import yaml

from tideline.declarations.segments import PROJECT, read_segments, read_traits
from tideline.declarations.whole import with_rules
from tideline.segments import command
from tideline.segments.check import check
from tideline.segments.command import formatted, main
from tideline.segments.deliveries import Delivery
from tideline.segments.past import Cost, Past
from tideline.segments.preview import SYNCS_NOTE, Preview
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError
from tideline.warehouse.publication import outdated_since

PUBLISHED = datetime(2026, 11, 30, 12, 3, tzinfo=UTC)
LINE = (
    "The warehouse has changed since the publication of 2026-11-30 12:03 UTC; after a build run "
    "`tideline publish` first."
)


@pytest.fixture
def files(tmp_path):
    """A warehouse and its publication, published afterwards."""
    paths = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    for path in paths:
        path.touch()
        os.utime(path, (PUBLISHED.timestamp(),) * 2)
    os.utime(paths[0], (PUBLISHED.timestamp() - 1,) * 2)
    return paths


def test_a_publication_is_outdated_once_the_warehouse_has_changed(files):
    warehouse, published = files
    assert outdated_since(warehouse) is None
    os.utime(warehouse, (PUBLISHED.timestamp() + 0.5,) * 2)
    assert outdated_since(warehouse) == PUBLISHED
    os.utime(warehouse, (PUBLISHED.timestamp() - 1,) * 2)
    log = warehouse.with_name("warehouse.duckdb.wal")  # a small build changes it alone
    log.touch()
    os.utime(log, (PUBLISHED.timestamp() - 1,) * 2)
    assert outdated_since(warehouse) is None
    os.utime(log, (PUBLISHED.timestamp() + 1,) * 2)
    assert outdated_since(warehouse) == PUBLISHED
    published.unlink()
    assert outdated_since(warehouse) is None


def test_a_publication_without_its_warehouse_is_not_outdated(files):
    files[0].unlink()
    assert outdated_since(files[0]) is None


PAST = Past({date(2026, 10, 29): 1200, date(2026, 10, 30): 7}, None)
UNKNOWN = Past({}, "it reads `recency`, which changes with a build")
COST = Cost(1234, 5678, ("new_one",), 0.26)
SENT = [Delivery("to_files", 1, 1200, 0), Delivery("to_crm", 0, 3, 4)]


def previews(*segments, past=PAST, deliveries=()):
    at = datetime(2026, 10, 30)
    return [
        Preview(each, at, 9, 1, [], 1, 0, 0, [], [], [], past, [*deliveries], COST, False)
        for each in segments
    ]


@pytest.fixture(scope="module")
def some():
    return previews(*read_segments()[:2])


def missing(some, *events):
    return {each.segment.name: [] for each in some} | {some[0].segment.name: [*events]}


def test_a_preview_of_an_outdated_publication_says_so_first(some):
    for form, start in (("text", "Segment "), ("markdown", "| segment |")):
        current = formatted(some, form, missing(some), None)
        assert current.startswith(start)
        assert formatted(some, form, missing(some), PUBLISHED) == f"{LINE}\n\n{current}"
    for outdated in (None, PUBLISHED):
        rows = json.loads(formatted(some, "json", missing(some), outdated))
        assert [row["is_outdated"] for row in rows] == [bool(outdated)] * 2


def test_a_preview_has_sizes_syncs_and_cost():
    (one,) = previews(read_segments()[0], deliveries=SENT)
    text = formatted([one], "text", missing([one]), None)
    for line in (
        "Sizes of the 2 days up to 2026-10-30 (UTC): 1200 7",
        "Sync to_files: 1 row added, 1,200 removed, 0 with another label",
        "Sync to_crm: 0 rows added, 3 removed, 4 with another label",
        "Cost: reads 1,234 of 5,678 events, 0.3 seconds here, new traits: new_one",
    ):
        assert f"\n  {line}\n" in f"{text}\n"
    assert text.endswith(f"\n\n{SYNCS_NOTE}") and "guards" in SYNCS_NOTE
    table = formatted([one], "markdown", missing([one]), None)
    assert "| 7–1,200 | to_files +1 −1,200, to_crm +0 −3 | 1,234 |" in table
    (row,) = json.loads(formatted([one], "json", missing([one]), None))
    assert row["sizes"] == {"2026-10-29": 1200, "2026-10-30": 7}
    assert row["syncs"]["to_crm"] == {"adds": 0, "removes": 3, "relabels": 4}
    assert row["cost"]["events"] == 1234 and row["cost"]["new_traits"] == ["new_one"]
    assert row["without_sizes_because"] is row["without_syncs_because"] is None


def test_a_preview_counts_who_meets_each_condition():
    (one,) = previews(read_segments()[0])
    found = {"conditions": [("views > 2", 1200), ("topic = 'x'", 0)], "size": 0, "has_lists": True}
    one = replace(one, **found)
    text = formatted([one], "text", missing([one]), None)
    assert "would be in it\n  1,200 meet views > 2\n  0 meet topic = 'x'\n  Lists of people" in text
    (row,) = json.loads(formatted([one], "json", missing([one]), None))
    assert row["conditions"] == dict(found["conditions"])


def test_a_preview_of_a_segment_that_is_frozen_later_says_so():
    for frozen_at, end in ((datetime(2026, 10, 29), "\n"), (datetime(2027, 1, 1), "; until then")):
        segment = changed(read_segments()[0], frozen_at=frozen_at)
        (one,) = previews(segment)
        text = formatted([one], "text", missing([one]), None)
        assert f"\n  Frozen at {frozen_at} UTC{end}" in text


def test_a_file_that_is_not_read_is_named_with_the_folder_that_is(tmp_path):
    path = tmp_path / "mine.yml"
    with pytest.raises(DeclarationError) as error:
        command.found_by(str(path), read_segments())
    assert str(error.value) == (
        f"{path} declares no segment that is read; segments are declared in files in the "
        "subfolders of models/segments"
    )


def test_a_preview_says_why_there_are_no_sizes_and_no_syncs(tmp_path):
    (one,) = previews(read_segments()[0], past=UNKNOWN)
    syncs, because = command.declared_syncs(tmp_path / "manifest.json")
    assert not syncs and "there is no manifest" in because
    text = formatted([one], "text", missing([one]), None, because)
    assert "\n  No sizes of earlier days: it reads `recency`, which changes with a build\n" in text
    assert text.endswith(f"What syncs would send is not known: {because}")
    assert "| unknown | none |" in formatted([one], "markdown", missing([one]), None)
    (row,) = json.loads(formatted([one], "json", missing([one]), None, because))
    assert row["without_sizes_because"] == UNKNOWN.because and row["sizes"] == {}
    assert row["without_syncs_because"] == because


def test_no_sync_sends_a_draft():
    segment = changed(read_segments()[0], lifecycle="draft")
    (one,) = previews(segment, deliveries=SENT)
    text = formatted([one], "text", missing([one]), None)
    assert (
        "\n  It is a draft, so no sync sends it; if it were live:\n  Sync to_files: 1 row" in text
    )
    assert "| draft |" in formatted([one], "markdown", missing([one]), None)


def test_the_help_names_what_a_preview_compares_with(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "compared with the last publication (or build, if nothing is published)" in said


def test_events_that_no_build_has_accepted_are_named_with_the_segment(some):
    found = missing(some, ("next_song",), ("login", "logout"))
    line = (
        "No `next_song` event was accepted in the last build; build first if it has landed since."
    )
    other = "No `login` or `logout` event was accepted in the last build; build first if"
    first, second = formatted(some, "text", found, None).split("\n\n")
    assert f"\n  {line}\n  {other}" in first and "accepted" not in second
    table, said = formatted(some, "markdown", found, None).split("\n\n")
    assert "accepted" not in table
    assert said.startswith(f"`{some[0].segment.name}`: {line} {other}")
    rows = json.loads(formatted(some, "json", found, None))
    assert [row["missing_events"] for row in rows] == [["login", "logout", "next_song"], []]


@pytest.fixture(scope="module")
def declared():
    """The traits and segments of this project, and functions that change one."""
    return read_traits(), read_segments()


def changed(declared, **changes):
    """The declaration with other values in its spec."""
    return replace(declared, spec=replace(declared.spec, **changes))


def test_all_problems_of_declarations_are_reported_at_once(declared, monkeypatch, capsys):
    traits, segments = declared
    counts = [each for each in traits if each.spec.aggregate == "count"]
    wrong = {
        counts[0].name: changed(counts[0], event=("purchasing",)),
        counts[1].name: changed(counts[1], where="colour = 'red'"),
        segments[0].name: changed(segments[0], when="levvel > 1", label="Of {nothing_such}"),
        segments[1].name: changed(segments[1], when="is_known > 'x'"),
    }
    monkeypatch.setattr(command, "read_traits", lambda *_: [wrong.get(t.name, t) for t in traits])
    monkeypatch.setattr(
        command, "read_segments", lambda *_: with_rules([wrong.get(s.name, s) for s in segments])
    )
    assert main(["check"]) == 1
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert not said.out and len(lines) == 5, lines
    assert all(line.startswith("error: ") for line in lines)
    for line, place, words in zip(
        lines,
        [counts[0].place, counts[1].place, *[segments[0].place] * 2, segments[1].place],
        ["purchasing", "`colour`", "`levvel`", "`nothing_such`", "is_known > 'x'"],
        strict=True,
    ):
        assert place in line and words in line


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("search_zzz", None),
        ("query", "`query` is a property of `product_search`: declare a trait that reads it"),
        ("order_id", "`order_id` is a property of `purchase`"),
        ("currency", "`currency` is a property of `"),
    ],
)
def test_a_rule_over_a_property_is_told_to_declare_a_trait(declared, name, fix):
    traits, segments = declared
    wrong = with_rules([changed(segments[0], when=f"{name} = 'x'")])
    (rule,) = check(PROJECT, wrong, traits)
    (label,) = check(PROJECT, [changed(segments[0], label=f"Of {{{name}}}")], traits)
    for said in (rule, label):
        assert f"unknown column `{name}`" in said and "there are:" not in said
        assert (fix in said) if fix else "property" not in said
        assert "?; " not in said


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a segment over traits of several events, and a formula."""
    counts = {"plays": "next_song", "moves": ["upgrade", "downgrade"], "visits": "*"}
    traits = [
        {"name": name, "description": "Events.", "event": event, "aggregate": "count"}
        for name, event in counts.items()
    ]
    traits.append({"name": "share", "description": "Part.", "formula": "plays / visits"})
    segment = {
        **{"name": "listener", "description": "Plays.", "label": "Listener {moves}"},
        **{"when": "share > 0.5 and plays > 1", "priority": 1},
    }
    path = tmp_path / "models/segments/own/one.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"owner": "Own", "traits": traits, "segments": [segment]}))
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("rule", "events", "found"),
    [
        ("share > 0.5", ["login"], [("next_song",)]),
        ("share > 0.5 and plays > 1", ["login", "next_song"], []),
        ("moves > 1 or visits > 2", [], [("upgrade", "downgrade")]),
        ("moves > 1", ["upgrade"], []),
    ],
)
def test_a_rule_misses_the_events_of_which_a_trait_has_none(project, tmp_path, rule, events, found):
    segments = with_rules([changed(each, when=rule) for each in read_segments(project)])
    with duckdb.connect(tmp_path / "built.duckdb") as con:
        con.execute("create schema tideline")
        con.execute("create table tideline.fct_events (event_name varchar)")
        for event in events:
            con.execute("insert into tideline.fct_events values (?)", [event])
    with DuckDBWarehouse(tmp_path / "built.duckdb", read_only=True) as warehouse:
        missing = command.missing_events(warehouse, segments, read_traits(project))
    assert missing == {"listener": found}
