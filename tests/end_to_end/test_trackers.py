"""Rows of existing trackers become events, landed as files or read from a schema."""

import csv
import json
import re
import shutil
import textwrap

import duckdb
import pytest
import yaml

from tests.support import trackers as ada
from tests.support.deployment import REPOSITORY
from tests.support.messages import good

COLUMNS = """
    event_name, occurred_at::varchar, received_at::varchar, anonymous_id, user_id, platform,
    properties::varchar, identifiers::varchar
"""
UP_TO = ["fct_events", "events_duplicated", "events_quarantined"]


def visit(deployment):
    """A message of the collector, because a build needs one."""
    (deployment.landing / "events" / "one.jsonl").write_text(good(1))


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path, rows):
    """Write a CSV file; null is empty."""
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path, rows):
    lines = path.with_name("_rows.jsonl")
    write_lines(lines, rows)
    duckdb.execute(f"copy (from read_json('{lines}')) to '{path}' (format parquet)")
    lines.unlink()


FORMATS = {
    "segment": ("parquet", write_parquet),
    "rudderstack": ("csv", write_csv),
    "snowplow": ("jsonl", write_lines),
    "ga4": ("jsonl", write_lines),
}


def land(deployment, source, tables, name="1"):
    """Land the tables of a source as files."""
    suffix, write = FORMATS[source]
    for table, rows in tables.items():
        folder = deployment.landing / source / table
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}.{suffix}", rows)


def load(deployment, schema, tables, database=None, **columns):
    """Fill a schema of the warehouse like a loader, with additional columns."""
    with duckdb.connect(str(database or deployment.warehouse)) as connection:
        connection.execute(f"create schema if not exists {schema}")
        for table, rows in tables.items():
            path = deployment.folder / "rows.jsonl"
            write_lines(path, [row | columns for row in rows])
            connection.execute(f"create table {schema}.{table} as from read_json('{path}')")


def with_texts(value):
    """The rows with numbers as text, as in a CSV file."""
    return {key: str(v) for key, v in value.items()} if value else value


def found_events(deployment, source):
    """The events of a source, with parsed JSON."""
    rows = deployment.query(
        f"select {COLUMNS} from fct_events "
        f"where source = '{source}' and landed_file not like 'blog.%'"
    )
    return [[*row[:6], *(json.loads(cell) if cell else None for cell in row[6:])] for row in rows]


def expected_events(source):
    return [
        [name, ada.at(occurred_at), ada.at(received_at), *rest]
        for name, occurred_at, received_at, *rest in ada.EVENTS[source]
    ]


def assert_all_events_are_there(deployment, source, adapted=lambda value: value):
    key = json.dumps
    found = sorted(found_events(deployment, source), key=key)
    expected = [[*event[:6], adapted(event[6]), event[7]] for event in expected_events(source)]
    assert found == sorted(expected, key=key)


@pytest.fixture(scope="module")
def landed(shared_deployment):
    """All rows of the four trackers, landed as files."""
    visit(shared_deployment)
    for source, tables in ada.TABLES.items():
        land(shared_deployment, source, tables | ada.SUMMARIES.get(source, {}))
    land(shared_deployment, "snowplow", {"bad_rows": [{"failure": "schema"}]})
    for source in ("ga4", "segment"):
        loose = shared_deployment.landing / source / "loose.jsonl"
        write_lines(loose, [ada.SIGNED_IN | {"id": "loose"}])
    variables = json.dumps({"sources": dict.fromkeys(ada.TABLES, "landing")})
    shared_deployment.build_up_to(*UP_TO, tested=True, variables=variables)
    return shared_deployment


@pytest.mark.parametrize("source", ada.TABLES)
def test_landed_files_become_events(landed, source):
    adapted = with_texts if source == "rudderstack" else lambda value: value
    assert_all_events_are_there(landed, source, adapted)


def test_a_tracked_event_counts_once_and_has_its_properties(landed):
    """Its row in `tracks` is the duplicate, also if the plan requires a property."""
    repeated = landed.query("select landed_file, event_id from events_duplicated order by 1, 2")
    assert repeated == [
        ("rudderstack/tracks/1.csv", "rs-2"),
        ("segment/tracks/1.parquet", "ajs-2"),
        ("segment/tracks/1.parquet", "ajs-5"),
    ]


def test_rows_that_are_not_calls_are_quarantined(landed):
    refused = "select landed_file, reason from events_quarantined order by 1"
    assert landed.query(refused) == [
        ("ga4/loose.jsonl", "not in the folder of a table"),
        ("rudderstack/rudder_discards/1.csv", "not a table of calls: rudder_discards"),
        ("segment/loose.jsonl", "not in the folder of a table"),
        ("segment/users/1.parquet", "not a table of calls: users"),
        ("snowplow/bad_rows/1.jsonl", "no model reads the table bad_rows"),
    ]


def test_the_context_of_an_event_is_kept(landed):
    paths = ["userAgent", "page.path", "campaign.source", "device.type"]
    selected = ", ".join(f"context ->> '$.{path}'" for path in paths)
    rows = landed.query(
        f"select source, {selected} from fct_events where source <> 'collector' "
        "and event_name = 'page_view' order by 1"
    )
    agent = "Mozilla/5.0 (X11; Linux x86_64)"
    assert rows == [
        ("ga4", None, "/shoes/p1", "google", "mobile"),
        ("rudderstack", None, None, None, "iOS"),
        ("segment", agent, "/shoes/p1", "newsletter", None),
        ("snowplow", agent, "/shoes", None, None),
    ]


def test_pings_do_not_make_a_visit(landed):
    landed.dbt("run", "--select", "session_events")
    names = landed.query("select distinct event_name from session_events where not is_idle")
    idle = landed.query("select distinct event_name from session_events where is_idle")
    assert ("page_view",) in names and idle == [("page_ping",)]


def test_a_schema_of_the_warehouse_gives_the_same_events(deployment):
    """Tables without calls and unknown columns are ignored."""
    for source, tables in ada.TABLES.items():
        column = {"_fivetran_synced": "2026-01-05 15:00:00"} if source == "ga4" else {}
        load(deployment, f"own_{source}", tables | ada.SUMMARIES.get(source, {}), **column)
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute(
            "create view own_segment.order_completed_view as from own_segment.order_completed"
        )
    # A second site with only a table of pages, in a schema of the same name.
    profile = yaml.safe_load((REPOSITORY / "profiles.yml").read_text())
    with_blog = {"path": str(deployment.folder / "blog.duckdb"), "alias": "blog"}
    profile["tideline"]["outputs"]["duckdb"]["attach"] = [with_blog]
    (deployment.folder / "profiles.yml").write_text(yaml.safe_dump(profile))
    deployment.env["DBT_PROFILES_DIR"] = str(deployment.folder)
    load(
        deployment,
        "own_segment",
        {"pages": [ada.segment_row("9", "10:10:00", "10:10:01")]},
        database=with_blog["path"],
    )
    visit(deployment)
    sources = {source: f"own_{source}" for source in ada.TABLES}
    variables = {"sources": sources | {"segment": ["own_segment", "blog.own_segment"]}}
    deployment.build_up_to(*UP_TO, variables=json.dumps(variables))

    blog = "select landed_file, event_id from fct_events where landed_file like 'blog.%'"
    assert deployment.query(blog) == [("blog.own_segment.pages/2026-01-05 11:00:00", "ajs-9")]
    manifest = json.loads((deployment.folder / "target" / "manifest.json").read_text())
    for source in ada.TABLES:
        model = manifest["nodes"][f"model.tideline.stg_{source}__events"]
        assert "model.tideline.raw_messages" in model["depends_on"]["nodes"]
    for source in ada.TABLES:
        assert_all_events_are_there(deployment, source)
    accounted = deployment.query(
        "select split_part(landed_file, '/', 1), count(*) from int_events_deduplicated "
        "where source <> 'collector' and landed_file not like 'blog.%' group by 1"
    )
    assert dict(accounted) == {
        f"own_{source}.{table}": len(rows)
        for source, tables in ada.TABLES.items()
        for table, rows in tables.items()
    }
    assert deployment.value("select count(*) from events_quarantined") == 0


def test_the_order_of_the_tables_does_not_matter(deployment, tmp_path_factory):
    """`tracks` may land before the table of an event, or after it."""
    variables = json.dumps({"sources": {"segment": "landing"}})
    outcomes = []
    for number, order in enumerate([("tracks", "order_completed"), ("order_completed", "tracks")]):
        one = deployment if not number else type(deployment)(tmp_path_factory.mktemp("other"))
        visit(one)
        for table in order:
            land(one, "segment", {table: [ada.ORDERED[table]]})
            one.build_up_to(*UP_TO, "assert_nothing_is_lost", variables=variables)
        outcome = "select landed_file, status, properties::varchar "
        outcome += "from int_events_deduplicated order by 1"
        outcomes.append(one.query(outcome))
    deployment.dbt(
        "run", "--full-refresh", "--select", "int_events_deduplicated", variables=variables
    )
    outcomes.append(deployment.query(outcome))
    statuses = {file: status for file, status, _ in outcomes[0]}
    assert statuses == {
        "events/one.jsonl": "valid",
        "segment/order_completed/1.parquet": "valid",
        "segment/tracks/1.parquet": "duplicate",
    }
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_rows_of_ga4_get_a_unique_id(deployment):
    """A row that is exported again is the same event; another row at the same time is another."""
    first = ada.ga4_row("scroll", "14:00:00", {"percent": ("int", "50")}, "1")
    in_parts = ada.ga4_row("scroll", "14:00:00", {"percent": ("int", "50")}, "2")
    old = ada.ga4_row("scroll", "14:00:00", {"percent": ("int", "50")})
    old_other = ada.ga4_row("scroll", "14:00:00", {"percent": ("int", "90")})
    swapped = ada.ga4_row("scroll", "14:01:00", {"a": ("string", "x"), "b": ("double", 1.5)})
    again = swapped | {"event_params": swapped["event_params"][::-1]}
    twice = swapped | {"event_params": swapped["event_params"] * 2}
    visit(deployment)
    land(deployment, "ga4", {"events": [first, in_parts, old, old_other, swapped]})
    broken = {"event_name": "scroll", "event_timestamp": "soon", "event_params": "none"}
    # Numbers as numbers, as in Parquet, and arrays as text, as written by some loaders.
    numbers = {key: int(first[key]) for key in ("event_timestamp", "event_bundle_sequence_id")}
    texts = {"event_params": json.dumps(first["event_params"])}
    land(deployment, "ga4", {"events": [again, twice, first | numbers | texts, broken]}, "2")
    deployment.build_up_to("stg_ga4__events", variables=json.dumps({"sources": {"ga4": "landing"}}))
    ids = deployment.query("select event_id from stg_ga4__events order by landed_file, landed_line")
    ids = [event_id for (event_id,) in ids]
    assert len(set(ids[:5])) == 5
    assert ids[5:8] == [ids[4], ids[4], ids[0]]
    assert deployment.query(
        "select occurred_at, properties::varchar, problem from stg_ga4__events "
        "where landed_file like '%/2.jsonl' and landed_line = 4"
    ) == [(None, "{}", "event_timestamp is not a valid timestamp")]


def test_the_worked_example_of_the_page_works(deployment):
    """The custom tracker of docs/how-to/add-a-source.md, run in a copy of the project."""
    page = (REPOSITORY / "docs/how-to/add-a-source.md").read_text()
    hit = page.split("```json\n")[1].split("```")[0]
    select = page.split("```sql\n")[1].split("```")[0]
    entry = page.split("```yaml\n")[2].split("```")[0]
    project = deployment.folder / "project"
    parts = ["dbt_project.yml", "profiles.yml", "macros", "models", "python_models", "seeds"]
    for part in [".dbtignore", *parts, "snapshots", "tests"]:
        whole = REPOSITORY / part
        copied = shutil.copytree if whole.is_dir() else shutil.copy
        project.mkdir(exist_ok=True)
        copied(whole, project / part)
    model = project / "models" / "staging" / "shoplog" / "stg_shoplog__events.sql"
    model.parent.mkdir()
    model.write_text(select)
    with (project / "models" / "staging" / "_staging.yml").open("a") as staging:
        staging.write(textwrap.dedent(f"\n{entry}").replace("\n", "\n  "))
    visit(deployment)
    for table, line in {"hits": hit, "sizes": "{}"}.items():
        folder = deployment.landing / "shoplog" / table
        folder.mkdir(parents=True)
        (folder / "1.jsonl").write_text(line)
    words = ["build", "--indirect-selection", "buildable", "--project-dir", project]
    selected = ["--select", "+fct_events", "+events_quarantined", "+assert_nothing_is_lost"]
    deployment.dbt(*words, *selected, variables="{sources: {shoplog: landing}}")
    columns = "event_id, event_name, anonymous_id, occurred_at::varchar, properties::varchar"
    assert deployment.query(f"select {columns} from fct_events where source = 'shoplog'") == [
        ("h1", "product_view", "v7", "2026-01-05 10:00:00", '{"product_id":"p1"}')
    ]
    assert deployment.query("select reason from events_quarantined") == [
        ("no model reads the table sizes",)
    ]


def test_a_schema_without_calls_stops_the_build(deployment):
    load(deployment, "own", {"users": ada.SEGMENT_SUMMARIES["users"]})
    visit(deployment)
    output = deployment.dbt(
        "compile",
        "--select",
        "stg_segment__events",
        variables='{"sources": {"segment": "own"}}',
        fails=True,
    )
    words = re.sub(r"\s+", " ", output)
    assert "segment in own, but that schema has no table of calls" in words
