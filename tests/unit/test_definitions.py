"""A version of a segment changes with its meaning, and with nothing else."""

import pytest
import yaml

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
