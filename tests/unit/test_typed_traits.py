"""Traits whose values are those of a property have the kind that the tracking plan gives it."""

from datetime import datetime, timedelta

import pytest
import yaml

from tests.support.intervals import built, written
from tests.support.trait_reference import plan_rows
from tideline.declarations import definitions as definitions_of
from tideline.declarations.catalog import catalog
from tideline.declarations.definitions import definitions, readings_version
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments.check import check
from tideline.warehouse.errors import DeclarationError

HEAD = "event_name,property,property_type"
START = datetime(2026, 1, 1)
SEGMENT = {"name": "s", "description": "Text.", "label": "Text", "owner": "Team", "priority": 1}


def plan(folder, *rows):
    path = folder / "seeds" / "tracking_plan.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEAD, *rows, ""]))


def content(rule="true", **keys):
    trait = {"name": "t", "description": "Text.", "event": "loan", "aggregate": "last"}
    return {
        "traits": [trait | {"property": "price"} | keys],
        "segments": [SEGMENT | {"when": rule}],
    }


def declare(folder, rule="true", **keys):
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content(rule, **keys), sort_keys=False))
    return read_segments(folder), read_traits(folder)


@pytest.mark.parametrize("aggregate", ["first", "last", "most_frequent"])
@pytest.mark.parametrize(
    ("event", "rows", "kind"),
    [
        ("loan", ["loan,price,number"], "number"),
        ("loan", ["loan,price,integer"], "number"),
        ("loan", ["loan,price,boolean"], "boolean"),
        ("loan", ["loan,price,timestamp"], "timestamp"),
        ("loan", ["loan,price,text"], "text"),
        ("loan", ["loan,price,array"], "text"),
        ("loan", ["loan,price,number", "visit,price,text"], "number"),
        (["loan", "visit"], ["loan,price,number", "visit,price,integer"], "number"),
        (["loan", "visit"], ["loan,price,number", "visit,price,text"], "text"),
        ("*", ["loan,price,number", "visit,price,timestamp"], "text"),
        ("*", ["loan,price,number", "visit,price,number"], "number"),
        ("loan", ["visit,price,number"], "text"),
        ("loan", [], "text"),
    ],
    ids=str,
)
def test_the_kind_is_that_of_the_plan(tmp_path, aggregate, event, rows, kind):
    plan(tmp_path, *rows)
    segments, traits = declare(tmp_path, event=event, aggregate=aggregate)
    assert traits[0].kind == kind
    assert catalog(segments, traits)["traits"]["t"]["type"] == kind


def test_without_a_readable_plan_it_is_text(tmp_path):
    assert declare(tmp_path)[1][0].kind == "text"
    plan(tmp_path, "loan,price,number")
    (tmp_path / "seeds" / "tracking_plan.csv").write_bytes(b"\xff\xfe")
    assert declare(tmp_path)[1][0].kind == "text"


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        ("number", "t > 100", None),
        ("number", "t > '100'", "`t` is a number and `'100'` is a text; write the number without"),
        ("text", "t > 100", "`t` is a text and `100` is a number"),
        ("boolean", "t and not t", None),
        ("boolean", "t = 'true'", "`t` is a boolean and `'true'` is a text"),
        ("timestamp", "t > timestamp '2026-01-31 12:00:00'", None),
        ("timestamp", "t > '2026-01-31'", "`t` is a timestamp and `'2026-01-31'` is a text"),
    ],
)
def test_rules_are_checked_by_this_kind(tmp_path, monkeypatch, kind, rule, said):
    plan(tmp_path, f"loan,price,{kind}")
    declared = declare(tmp_path, rule)
    rows = [{"event_name": "loan", "property": name, "property_type": of}
            for name, of in ((None, None), ("price", kind))]  # fmt: skip
    monkeypatch.setattr("tideline.segments.check.plan_rows", lambda _: rows)
    problems = check(tmp_path, *declared)
    assert len(problems) == bool(said) and all(said in each for each in problems)


def test_formulas_calculate_with_it(tmp_path):
    rows = [{"name": "half", "description": "Text.", "formula": "t / 2"}]
    path = tmp_path / "models" / "segments" / "team" / "half.yml"
    declare(tmp_path)
    path.write_text(yaml.safe_dump({"traits": rows}))
    with pytest.raises(DeclarationError, match="needs a number, but `t` is a text"):
        read_traits(tmp_path)
    plan(tmp_path, "loan,price,number")
    assert len(read_traits(tmp_path)) == 2


def test_another_kind_is_another_version_and_is_read_anew(tmp_path):
    def versions():
        found = declare(tmp_path, "t is not null")
        return definitions(*found)[0]["version"], readings_version(*found, "duckdb", (), None)

    without = versions()
    plan(tmp_path, "loan,price,text")
    assert versions() == without
    plan(tmp_path, "loan,price,number")
    assert all(new != old for new, old in zip(versions(), without, strict=True))


def test_a_value_that_cannot_be_read_is_none(tmp_path):
    """The last value that is a number decides, with the time of its event."""
    plan(tmp_path, *(",".join(each[key] or "" for key in HEAD.split(",")) for each in plan_rows()))
    *_, selects = written(tmp_path, content("t > 100"))
    assert "double" in selects[0]
    prices = [(1, "90"), (2, "1e2"), (3, 100.5), (4, "many"), (5, None), (6, [1]), (7, "7")]
    events = [
        {
            "profile_id": "p",
            "event_id": f"e{hours}",
            "event_name": "loan",
            "occurred_at": START + timedelta(hours=hours),
            "properties": {"price": price},
        }
        for hours, price in prices
    ]
    expected = [(START + timedelta(hours=3), START + timedelta(hours=7), "e3", "e7")]
    assert built(selects, events, START + timedelta(days=9)) == {("p", "s"): expected}


@pytest.mark.parametrize(
    "file",
    [
        "macros/segments/traits.sql",
        "tideline/declarations/exact.py",
        "macros/segments/_segments.yml",
    ],
)
def test_readings_of_other_code_have_another_version(tmp_path, monkeypatch, file):
    monkeypatch.setattr(definitions_of, "PROJECT", tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)

    def version(text):
        (tmp_path / file).write_text(text)
        return readings_version([], [], "duckdb", (), None)

    assert (version("one") == version("two")) is file.endswith(".yml")
