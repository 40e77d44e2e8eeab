"""What the catalog says of declarations: kinds, events, readers of traits, and syncs."""

import pytest
import yaml

from tideline.declarations.catalog import catalog
from tideline.declarations.segments import read_segments, read_traits
from tideline.declarations.syncs import syncs_of

TEXT = {"description": "Text."}
TRAITS = [
    TEXT | {"name": "loans", "event": ["loan", "visit"], "aggregate": "count", "until": "call"},
    TEXT
    | {
        "name": "returns",
        "event": "return",
        "aggregate": "count",
        "after": [{"event": "loan", "without": "call"}],
    },
    TEXT | {"name": "days", "event": "*", "aggregate": "streak"},
    TEXT | {"name": "rate", "formula": "returns / loans"},
    TEXT | {"name": "rate_change", "formula": "rate - 1"},
    TEXT | {"name": "idle", "event": "visit", "aggregate": "exists"},
]
# By rule and label: the kind and the events.
RULES = {
    ("loans > 1", "Text"): ("behavioral", ["call", "loan", "visit"]),
    ("rate_change > 1", "Text"): ("behavioral", ["call", "loan", "return", "visit"]),
    ("loans > 1 and days > 1", "Text"): ("behavioral", ["*"]),
    ("loans > 1", "Text {days}"): ("behavioral", ["*"]),
    ("recency > 1", "Text"): ("behavioral", ["*"]),
    ("loans > 1 and churn_score > 0.5", "Text"): ("predictive", ["*"]),
    ("churn_score > 0.5 and persona_id = 'a'", "Text"): ("predictive", ["*"]),
    ("persona_name = 'a' or loans > 1", "Text"): ("persona", ["*"]),
    ("loans > 1", "Text {persona_name}"): ("behavioral", ["*"]),
    ("1 = 1", "Text"): ("profile", []),
    ("is_known", "Text"): ("profile", ["*"]),
    ("is_known and loans > 1", "Text"): ("behavioral", ["*"]),
}


def found(folder, segments):
    """The catalog of the traits and these segments."""
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"owner": "Team", "traits": TRAITS, "segments": segments}))
    return catalog(read_segments(folder), read_traits(folder))


def segment(name, rule, priority=1, label="Text", **keys):
    return TEXT | {"name": name, "when": rule, "label": label, "priority": priority, **keys}


@pytest.mark.parametrize(("rule", "label"), RULES)
def test_the_kind_and_the_events_of_a_segment(tmp_path, rule, label):
    entry = found(tmp_path, [segment("s", rule, label=label)])["segments"]["s"]
    assert (entry["kind"], entry["events"]) == RULES[rule, label]


def test_the_events_and_readers_of_a_trait(tmp_path):
    segments = [
        segment("b", "rate_change > 1", 1),
        segment("a", "is_known", 2, label="Text {loans}"),
        segment("draft", "idle", 3, lifecycle="draft"),
    ]
    entries = found(tmp_path, segments)["traits"]
    assert {name: entry["read_by"] for name, entry in entries.items()} == {
        "loans": ["b", "a"],
        "returns": ["b"],
        "days": [],
        "rate": ["b"],
        "rate_change": ["b"],
        "idle": [],
    }
    assert entries["loans"]["events"] == ["call", "loan", "visit"]
    assert entries["returns"]["events"] == ["call", "loan", "return"]
    assert entries["rate_change"]["events"] == ["call", "loan", "return", "visit"]
    assert entries["days"]["events"] == ["*"]


def exposure(name, *models, **keys):
    nodes = [f"model.tideline.{model}" for model in models]
    return {"name": name, "depends_on": {"nodes": nodes}, **keys}


def test_the_syncs_of_a_model_are_those_that_are_enabled():
    sync = {"sync": {"destination": "files"}}
    exposures = [
        exposure("late", "activation_audiences", config={"meta": sync}),
        exposure("early", "profile_consents", "activation_audiences", meta=sync),
        exposure("off", "activation_audiences", config={"meta": sync, "enabled": False}),
        exposure("a_dashboard", "activation_audiences", config={"meta": {}}),
        exposure("other", "dim_profiles", config={"meta": sync}),
    ]
    assert syncs_of(exposures, "activation_audiences") == ["early", "late"]
