"""Remarks on rules, and what a preview says of groups and of `primary_segment`."""

import time

import duckdb
import pytest
import yaml

from tideline.declarations.provable import is_never_true
from tideline.declarations.rules import parse
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments import command
from tideline.segments.preview import Preview, as_dict, as_text, preview
from tideline.segments.remarks import remarks_of, remarks_of_trait
from tideline.warehouse.connection import DuckDBWarehouse

TEXT = {"description": "Text.", "label": "Text", "owner": "Team"}
TABLES = """
create schema tideline;
use tideline;
create table data_clock as select timestamp '2026-02-10' as as_of;
create table profile_timeline (event_name varchar, occurred_at timestamp);
create table profile_traits (profile_id varchar);
create table profile_attributes (
    profile_id varchar, recency bigint, churn_score double, persona_name varchar, country varchar
);
insert into profile_attributes values
    ('a', 1, 0.1, 'Bargain hunters', 'de'), ('b', 2, 0.2, 'Bargain hunters', 'de'),
    ('c', 3, 0.3, 'Readers', null), ('d', 4, 0.4, null, 'fr');
create table segments (segment_name varchar, rule varchar, priority bigint, lifecycle varchar);
insert into segments values
    ('early', 'recency <= 2', 3, 'live'), ('late', 'recency >= 2', 5, 'live'),
    ('s', 'recency = 4', 9, 'live');
create table segment_memberships (profile_id varchar, segment_name varchar);
insert into segment_memberships values
    ('a', 'early'), ('b', 'early'), ('b', 'late'), ('c', 'late'), ('d', 'late'), ('d', 's');
create table profile_segments (profile_id varchar, primary_segment varchar);
insert into profile_segments values ('a', 'early'), ('b', 'early'), ('c', 'late'), ('d', 'late');
"""


def declare(folder, *segments, traits=()):
    """Segments with these keys, by name; the first one is `s`."""
    items = [
        TEXT | {"name": "s" if not place else f"s{place}", "priority": place + 1} | each
        for place, each in enumerate(segments)
    ]
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"segments": items, "traits": [*traits]}))
    return {each.name: each for each in read_segments(folder)}


@pytest.fixture
def warehouse(tmp_path):
    path = tmp_path / "built.duckdb"
    with duckdb.connect(path) as con:
        con.execute(TABLES)
    with DuckDBWarehouse(path, read_only=True) as opened:
        yield opened


@pytest.fixture
def previewed(warehouse, tmp_path):
    def of(*segments) -> Preview:
        return preview(warehouse, declare(tmp_path, *segments)["s"], read_traits(tmp_path), [])

    return of


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("recency > 5", []),
        ("recency > 5 and recency < 3 and churn_score > 0",
            ["`when` is never true, so nobody is in it: `recency > 5` excludes `recency < 3`"]),
        ("not (recency > 5 or recency <= 5 or recency is null)",
            ["`when` is never true, so nobody is in it"]),
        ("recency = 1 or true", ["`when` is always true: everybody meets it"]),
    ],
)  # fmt: skip
def test_what_is_proved_of_a_rule_is_said(tmp_path, rule, said):
    assert [*remarks_of(declare(tmp_path, {"when": rule})["s"])] == said


def test_a_rule_of_many_cases_is_left_open_at_once():
    """Two parts of 1,024 cases each; all pairs of them took ten seconds."""
    parts = [" and ".join(f"({name}{n} = 1 or {name}{n} = 2)" for n in range(10)) for name in "ab"]
    start = time.process_time()
    assert not is_never_true(parse(f"({parts[0]}) and ({parts[1]})"))
    assert time.process_time() - start < 5


def test_a_rule_is_judged_with_those_on_which_it_depends(tmp_path):
    read = {"when": "recency > 5"}
    found = declare(tmp_path, {"when": "s1 and recency < 3"}, read, {"when": "not s1 and s1"})
    assert [*remarks_of(found["s"])] == [
        "`when` is never true with the rule of `s1`, so nobody is in it"
    ]
    assert "`not s1` excludes `s1`" in next(remarks_of(found["s2"]))
    first = {"when": "recency > 1", "exclusive": "tier"}
    second = {"when": "recency > 2", "exclusive": "tier"}
    found = declare(tmp_path, first, second)
    assert not [*remarks_of(found["s"])]
    assert [*remarks_of(found["s1"])] == [
        "nobody is in it: who meets `when` is in `s`, first in the group `tier`"
    ]


def test_the_conditions_of_traits_are_judged(tmp_path):
    trait = {"name": "t", "description": "Text.", "event": "loan", "aggregate": "count"}
    step = {"event": "visit", "where": "topic = 'x' or topic is null or topic <> 'x'"}
    declare(tmp_path, traits=[
        trait | {"where": "topic = 'a' and topic = 'b'", "after": [step]},
        trait | {"name": "other", "where": "topic = 'a'"},
    ])  # fmt: skip
    first, other = read_traits(tmp_path)
    assert [*remarks_of_trait(first)] == [
        "`where` is never true, so no event counts: `topic = 'a'` excludes `topic = 'b'`",
        "`after`: `where` is always true: remove it",
    ]
    assert not [*remarks_of_trait(other)]


def test_segments_check_warns_and_succeeds(tmp_path, monkeypatch, capsys):
    dead, retired = {"when": "1 = 2"}, {"when": "1 = 3", "lifecycle": "retired"}
    segments = [*declare(tmp_path, dead, retired).values()]
    monkeypatch.setattr(command, "read_segments", lambda *_: segments)
    for name in ("check", "examples_that_fail", "read_creatives"):
        monkeypatch.setattr(command, name, lambda *_: [])
    assert command.main(["check"]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        'warning: Segment "s" (models/segments/team/all.yml:2): `when` is never true, so nobody is '
        "in it"
    ]
    assert "2 segments" in said.out


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("persona_name = 'Bargain hunter'",
            ["no profile has the persona_name 'Bargain hunter'; did you mean `Bargain hunters`?"]),
        ("'readers' = persona_name",
            ["no profile has the persona_name 'readers'; did you mean `Readers`?"]),
        ("persona_name in ('Readers', 'x') or country in ('de', 'uk')",
            ["no profile has the persona_name 'x'; there are: Bargain hunters, Readers",
             "no profile has the country 'uk'; there are: de, fr"]),
        ("persona_name = 'Readers' and country <> 'uk'", []),
        ("lower(persona_name) = 'x' and persona_name like 'y%'", []),
    ],
)  # fmt: skip
def test_a_value_that_nobody_has_is_named(previewed, rule, said):
    found = previewed({"when": rule})
    assert found.remarks == said == as_dict(found)["remarks"]
    assert all(f"\n  Remark: {each}\n" in as_text(found) for each in said)


def test_of_many_values_none_is_proposed(warehouse, tmp_path):
    with duckdb.connect(tmp_path / "many.duckdb") as con:
        con.execute(TABLES)
        con.execute(
            "insert into profile_attributes select 'p' || range, 1, 0, 'n' || range, null "
            "from range(30)"
        )
    segment = declare(tmp_path, {"when": "persona_name = 'n99'"})["s"]
    with DuckDBWarehouse(tmp_path / "many.duckdb", read_only=True) as many:
        found = preview(many, segment, [], [])
    assert found.remarks == ["no profile has the persona_name 'n99'"]


def test_a_preview_counts_whose_primary_segment_changes(previewed):
    # `s` was last, for d alone. Now it is first for a and b, and for nobody else.
    found = previewed({"when": "recency <= 2"})
    assert found.primaries == [("early", "s", 2)]
    assert "\n  primary_segment changes for 2 profiles: early → s 2\n" in as_text(found)
    rows = as_dict(found)["primary_segments"]
    assert rows == [{"from": "early", "to": "s", "profiles": 2}]
    assert previewed({"when": "recency <= 2", "priority": 4}).primaries == []
    found = previewed({"when": "recency >= 1", "priority": 3})  # the name decides
    assert found.primaries == [("late", "s", 2)]
    assert previewed({"when": "recency = 4", "priority": 9}).primaries == []


def test_a_member_that_has_no_other_segment_loses_its_primary_one(warehouse, tmp_path):
    with duckdb.connect(tmp_path / "alone.duckdb") as con:
        con.execute(TABLES)
        con.execute("delete from segment_memberships where segment_name = 'late'")
        con.execute("update profile_segments set primary_segment = 's' where profile_id = 'd'")
        con.execute("update profile_segments set primary_segment = null where profile_id = 'c'")
    segment = declare(tmp_path, {"when": "recency = 3"})["s"]
    with DuckDBWarehouse(tmp_path / "alone.duckdb", read_only=True) as alone:
        found = preview(alone, segment, [], [])
    assert found.primaries == [("s", None, 1), (None, "s", 1)]
    assert "none → s 1" in as_text(found) and "s → none 1" in as_text(found)


def test_a_preview_counts_whom_the_group_takes(previewed):
    group = {"exclusive": "tier"}
    found = previewed(
        {"when": "recency >= 1", "priority": 9} | group,
        {"when": "recency <= 2", "priority": 1} | group,
        {"when": "recency in (2, 3)", "priority": 2} | group,
    )
    assert (found.size, found.taken) == (1, [("s1", 2), ("s2", 1)])
    line = "1 meet all, but are in s2, which comes first in the group tier"
    assert f"\n  {line}\n" in as_text(found) and as_dict(found)["taken"] == {"s1": 2, "s2": 1}
