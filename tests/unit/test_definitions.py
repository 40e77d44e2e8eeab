"""A version of a segment changes with its meaning, and with nothing else."""

from copy import deepcopy
from datetime import datetime, timedelta

import pytest
import yaml

from tests.support.segment_builds import Builds
from tideline.declarations.definitions import definitions
from tideline.declarations.segments import read_segments, read_traits

LONG = "loans >= 1 and loans < 1000000 and loans < 1000001 and loans < 1000002 and loans >= 1"
CONTENT = {
    "owner": "Desk",
    "traits": [
        {
            "name": "loans",
            "description": "Text.",
            "event": "loan",
            "aggregate": "count",
            "where": "topic = 'cast(x'",
            "after": [{"event": "visit", "within": "1 hours", "where": "topic = 'x'"}],
        },
        {"name": "half", "description": "Text.", "formula": "loans / 2"},
        {"name": "other", "description": "Text.", "event": "loan", "aggregate": "count"},
    ],
    "segments": [
        {
            "name": "reader",
            "description": "Text.",
            "label": "Reader",
            "when": f"{LONG} and half > 0",
            "priority": 1,
        }
    ],
}


def version(folder, *edits):
    """The version of the segment, with some texts of the declarations replaced."""
    text = yaml.safe_dump(CONTENT, sort_keys=False, width=1000)
    for right, wrong in edits:
        assert right in text
        text = text.replace(right, wrong)
    path = folder / "models" / "segments" / "desk" / "one.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (found,) = definitions(read_segments(folder), read_traits(folder))
    return found["version"]


@pytest.mark.parametrize(
    "edit",
    [
        ("loans >= 1 and half", "loans >= 2 and half"),  # the last part of a long rule
        ("half > 0", "half >= 0"),
        ("loans / 2", "loans / 3"),  # a formula
        ("'cast(x'", "'x'"),
        ("aggregate: count\n  where", "aggregate: streak\n  where"),
        ("within: 1 hours", "within: 2 hours"),
        ("where: topic = 'x'", "where: topic = 'y'"),
        ("label: Reader", "label: Reader of {loans}"),
        ("label: Reader", "label: Reader\n  frozen_at: 2026-01-05"),
    ],
    ids=str,
)
def test_another_meaning_is_another_version(tmp_path, edit):
    before = version(tmp_path)
    assert version(tmp_path, edit) != before


@pytest.mark.parametrize(
    "edit",
    [
        ("half > 0", "(half   > 0)"),
        ("owner: Desk", "owner: Press"),
        ("priority: 1", "priority: 2"),
        ("description: Text.", "description: Words."),
        ("name: other", "name: another"),
        ("  priority: 1", "  priority: 1\n  examples: [{name: one, is_in: true}]"),
    ],
    ids=str,
)
def test_the_same_meaning_is_the_same_version(tmp_path, edit):
    before = version(tmp_path)
    assert version(tmp_path, edit) == before


FILE = "models/segments/team/all.yml"
START = datetime(2026, 1, 1)
FOUND = "select version, author, commit_id, is_new from segment_definitions order by first_built_at"


class Versions:
    """The table of versions, built again and again."""

    def __init__(self, folder):
        self.builds, self.days = Builds(folder), 0
        self.content = deepcopy(CONTENT)

    def build(self, label, author=None):
        """Build with this label, in a file whose last commit is by this author, if it has one."""
        self.content["segments"][0]["label"] = label
        self.builds.declare(self.content)
        commit = {"author": author, "commit_id": f"c{self.days}"}
        self.builds.commits = {FILE: commit} if author else {}
        self.days += 1
        self.builds.build_definitions(START + timedelta(days=self.days))
        return [row[1:] for row in self.builds.rows(FOUND)]


def test_a_version_keeps_the_author_of_its_first_build(tmp_path):
    versions = Versions(tmp_path)
    ada = ("Ada O'Neil \\'", "c0")
    assert versions.build("One", ada[0]) == [(*ada, True)]
    assert versions.build("One", "Grace") == [(*ada, False)]
    assert versions.build("Two") == [(*ada, False), (None, None, True)]
    assert versions.build("Two", "Grace") == [(*ada, False), (None, None, False)]
    # A version that comes back was first built long ago.
    assert versions.build("One", "Grace") == [(*ada, True), (None, None, False)]


def test_git_is_asked_once_and_only_if_a_version_is_new(tmp_path):
    versions = Versions(tmp_path)
    versions.content["segments"].append(
        versions.content["segments"][0] | {"name": "second", "priority": 2}
    )
    versions.build("One", "Ada")
    assert len(versions.builds.asked) == 1
    versions.build("One", "Ada")
    assert len(versions.builds.asked) == 1
    versions.build("Two", "Ada")
    assert len(versions.builds.asked) == 2


def test_the_table_of_an_earlier_release_knows_no_author(tmp_path):
    versions = Versions(tmp_path)
    versions.build("One", "Ada")
    table = "alter table segment_definitions"
    for column in ("author", "commit_id"):
        versions.builds.con.execute(f"{table} drop column {column}")
    for column in ("author", "commit_id"):  # dbt appends new columns after the select is compiled
        versions.builds.later.append(f"{table} add column {column} varchar")
    assert versions.build("Two", "Grace") == [(None, None, False), ("Grace", "c1", True)]
