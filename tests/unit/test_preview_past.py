"""A preview has the sizes of the last days, and what it costs, from the events alone."""

from datetime import date, datetime, timedelta

import duckdb
import pytest
import yaml

from tests.support.trait_reference import PLAN
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments import models
from tideline.segments.past import DAYS, Cost, Past, cost_of, live_alone, past_of
from tideline.segments.preview import preview
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError

AS_OF = datetime(2026, 2, 10, 12)
ROWS = [{"event_name": name, "property": "", "property_type": ""} for name in PLAN]
TEXT = {"description": "Text."}
TRAITS = [
    TEXT | {"name": "loans", "event": "loan", "aggregate": "count", "within": "2 days"},
    TEXT | {"name": "visits", "event": ["visit", "call"], "aggregate": "count"},
]
# By profile: event, days and hours before the clock.
EVENTS = [
    ("p", "loan", timedelta(days=40)),
    ("p", "loan", timedelta(days=3, hours=12)),  # midnight, so until midnight two days later
    ("q", "loan", timedelta(hours=1)),
    ("q", "visit", timedelta(days=50)),
    ("q", "loan", timedelta(0)),  # at the clock
]


@pytest.fixture
def warehouse(tmp_path):
    """A publication: it has the public tables alone."""
    path = tmp_path / "built.duckdb"
    with duckdb.connect(path) as con:
        con.execute("create schema tideline")
        con.execute("use tideline")
        con.execute("create table data_clock as select ?::timestamp as as_of", [AS_OF])
        con.execute("create table profile_traits (profile_id varchar, visits bigint)")
        con.execute("create table dim_profiles as select unnest(['p', 'q']) as profile_id")
        con.execute(
            "create table profile_attributes as select *, 'DE' as country from dim_profiles"
        )
        con.execute(
            "create table profile_aliases as "
            "select profile_id, profile_id as current_profile_id from dim_profiles"
        )
        con.execute(
            "create table profile_timeline (profile_id varchar, event_id varchar, "
            "event_name varchar, occurred_at timestamp, source varchar, platform varchar, "
            "context json, properties json)"
        )
        for number, (profile, name, back) in enumerate(EVENTS):
            con.execute(
                "insert into profile_timeline values (?, ?, ?, ?, 'web', 'web', null, '{}')",
                [profile, str(number), name, AS_OF - back],
            )
    with DuckDBWarehouse(path, read_only=True) as opened:
        yield opened


@pytest.fixture
def unpublished(tmp_path, warehouse):
    """The warehouse itself, in which q was in FR for a day, and then in DE."""
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes((tmp_path / "built.duckdb").read_bytes())
    with duckdb.connect(path) as con:
        con.execute("create schema tideline_internal")
        con.execute(
            "create table tideline_internal.int_attribute_statements as select 'q' as profile_id, "
            "'country' as attribute, value, value as event_id, occurred_at, "
            "occurred_at as received_at, 1 as priority, 'latest' as survivor "
            "from (values ('FR', timestamp '2026-02-05 12:00:00'), "
            "('DE', timestamp '2026-02-06 12:00:00')) as said (value, occurred_at)"
        )
    with DuckDBWarehouse(path, read_only=True) as opened:
        yield opened


def declared(folder, rule, **keys):
    """A segment with this rule, and the traits."""
    segment = TEXT | {"name": "s", "label": "Text", "when": rule, "priority": 1, **keys}
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"owner": "Team", "traits": TRAITS, "segments": [segment]}))
    return read_segments(folder)[0], read_traits(folder)


def past(warehouse, segment, traits):
    return past_of(warehouse, segment, traits, live_alone(warehouse, segment, traits, ROWS))


def test_the_sizes_of_the_last_days(warehouse, tmp_path):
    for number, lifecycle in enumerate(("live", "draft")):
        segment, traits = declared(tmp_path / str(number), "loans >= 1", lifecycle=lifecycle)
        found = past(warehouse, segment, traits)
        last = date(2026, 2, 10)
        days = [last - timedelta(days=count) for count in reversed(range(DAYS))]
        assert [*found.sizes] == days and found.because is None
        # A stay that ends at midnight is in the size of the day before.
        in_days = {date(2026, 2, 7): 1, date(2026, 2, 8): 1, last: 1}
        assert found.sizes == dict.fromkeys(days, 0) | in_days


def test_a_rule_without_intervals_has_no_sizes(warehouse, tmp_path):
    segment, traits = declared(tmp_path, "loans >= 1 and recency > 2")
    because = "it reads `recency`, which changes with a build"
    assert past(warehouse, segment, traits) == Past({}, because)


def test_the_sizes_of_a_rule_over_an_attribute(unpublished, tmp_path):
    segment, traits = declared(tmp_path / "one", "country = 'FR' and visits >= 1")
    found = past(unpublished, segment, traits)
    assert {day: size for day, size in found.sizes.items() if size} == {date(2026, 2, 5): 1}


def test_a_publication_does_not_know_earlier_values_of_an_attribute(warehouse, tmp_path):
    segment, traits = declared(tmp_path / "one", "country = 'FR' and visits >= 1")
    because = "it reads `country`, whose earlier values are not published"
    assert past(warehouse, segment, traits) == Past({}, because)
    keys = {"frozen_at": "2026-02-01 12:00"}
    segment, traits = declared(tmp_path / "two", "country = 'FR' and visits >= 1", **keys)
    with pytest.raises(DeclarationError, match="it is frozen, and it reads `country`, whose"):
        preview(warehouse, segment, traits, ROWS)


def test_a_segment_without_members_has_sizes_of_zero(warehouse, tmp_path):
    segment, traits = declared(tmp_path, "loans >= 9")
    assert [*past(warehouse, segment, traits).sizes.values()] == [0] * DAYS


def test_the_cost_counts_the_events_that_the_traits_read(warehouse, tmp_path):
    _, (loans, visits) = declared(tmp_path, "loans >= 1")
    assert cost_of(warehouse, [loans], 0.5) == Cost(3, 4, ("loans",), 0.5)
    assert cost_of(warehouse, [visits], 0.5) == Cost(1, 4, (), 0.5)
    assert cost_of(warehouse, [], 0.5) == Cost(0, 4, (), 0.5)


class Places(dict):
    """The place of each table that a model names in braces."""

    def __init__(self, place):
        self.place = place

    def __missing__(self, name):
        return self.place(name)


def test_a_model_follows_the_intermediate_tables_that_it_reads(warehouse, tmp_path, monkeypatch):
    texts = {
        "intermediate/first": "select 1 as number",
        "intermediate/second": "select number + 1 as number from {first}",
        "last": "select second.number, as_of from {second} as second, {data_clock}",
    }
    for name in ("first", "second"):
        (tmp_path / f"{name}.sql").touch()
    monkeypatch.setattr(models, "INTERMEDIATE", tmp_path)
    monkeypatch.setattr(
        models, "model_sql", lambda model, *rest: texts[model].format_map(Places(rest[2]))
    )
    place = models.Derived(warehouse, [], [], [], {}).compute("last")
    assert warehouse.query(f"from {place}") == [(2, AS_OF)]
