"""`tideline segments preview` says what it compares with, and why nobody may be in a segment."""

import json
import os
from datetime import UTC, datetime

import pytest

from tideline.declarations.segments import read_segments
from tideline.segments.command import formatted, main
from tideline.segments.preview import Preview
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
    published.unlink()
    assert outdated_since(warehouse) is None


def test_a_publication_without_its_warehouse_is_not_outdated(files):
    files[0].unlink()
    assert outdated_since(files[0]) is None


def previews(*segments):
    at = datetime(2026, 10, 30)
    return [Preview(each, at, 9, 1, 1, 0, 0, [], [], []) for each in segments]


@pytest.fixture(scope="module")
def some():
    return previews(*read_segments()[:2])


def test_a_preview_of_an_outdated_publication_says_so_first(some):
    for form, start in (("text", "Segment "), ("markdown", "| segment |")):
        current = formatted(some, form, None)
        assert current.startswith(start)
        assert formatted(some, form, PUBLISHED) == f"{LINE}\n\n{current}"
    for outdated in (None, PUBLISHED):
        rows = json.loads(formatted(some, "json", outdated))
        assert [row["is_outdated"] for row in rows] == [bool(outdated)] * 2


def test_the_help_names_what_a_preview_compares_with(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "compared with the last publication (or build, if nothing is published)" in said
