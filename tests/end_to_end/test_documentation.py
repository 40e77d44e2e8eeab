"""Every model, column, seed, snapshot and macro is documented; the whole graph builds empty."""

import json
import re

import pytest

from tests.support.deployment import ALL_ON, NO_TESTS
from tideline.activation.ledger import PERSONAL, TABLES
from tideline.activation.views import VIEWS
from tideline.declarations.creative_sql import PARTS
from tideline.declarations.segments import read_segments, read_traits

# The description of a column says what its name implies, such as the unit.
UNITS = {
    r"(_at|^as_of|_as_of|valid_from|valid_to)$": "UTC",
    r"seconds": "second",
    r"minutes": "minute",
    r"hours": "hour",
    r"(price|revenue|cart_value|order_value|monetary_value|bundle_value)": "currency",
    r"bytes$": "bytes",
}
AS_SENT = {("raw_messages", "sent_at"), ("raw_messages", "received_at")}  # text in any time zone


@pytest.fixture(scope="module")
def built(shared_deployment):
    message = {"messageId": "m", "type": "page", "anonymousId": "a", "timestamp": "2026-01-01"}
    (shared_deployment.landing / "events" / "one.jsonl").write_text(json.dumps(message))
    shared_deployment.dbt("build", "--empty", *NO_TESTS, variables=ALL_ON)
    shared_deployment.activate()  # creates the tables of activation
    return shared_deployment


@pytest.fixture(scope="module")
def manifest(built):
    return json.loads((built.folder / "target" / "manifest.json").read_text())


def test_every_macro_is_documented(manifest):
    ours = [m for m in manifest["macros"].values() if m["package_name"] == "tideline"]
    dispatched = ("duckdb__", "snowflake__", "default__")
    assert not [
        macro["name"]
        for macro in ours
        if not macro["description"] and not macro["name"].startswith((*dispatched, "test_"))
    ]


@pytest.fixture(scope="module")
def tables(manifest):
    """The tables of dbt and of activation, by name."""
    built = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed", "snapshot")
    ]
    written = [
        table
        for table in manifest["sources"].values()
        if table["source_name"] in ("activation", "runs")
    ]
    return {table["name"]: table for table in (*built, *written)}


@pytest.fixture(scope="module")
def described(tables):
    """Descriptions by table and column."""
    return {
        (name, column["name"]): " ".join(column["description"].split())
        for name, table in tables.items()
        for column in table["columns"].values()
        if column["description"]
    }


@pytest.fixture(scope="module")
def comments(built):
    """The comments of all columns in the warehouse, by table and column."""
    return {
        (table, column): " ".join((comment or "").split())
        for table, column, comment in built.query(
            "select table_name, column_name, comment from duckdb_columns() "
            "where schema_name in ('tideline', 'tideline_internal')"
        )
    }


def test_every_table_and_column_is_documented(tables, described, comments):
    """In both directions: everything built is described, and everything described is built."""
    assert {table for table, _ in comments} == tables.keys()
    assert not [key for key, comment in comments.items() if not comment]
    assert described.keys() <= comments.keys()
    assert not [name for name, table in tables.items() if not table["description"]]
    assert {key: comments[key] for key in described} == described


def test_each_declaration_describes_its_columns(described, comments):
    """dbt does not read the declarations; the warehouse has their descriptions all the same."""
    declared = {("profile_segments", each.name): each for each in read_segments()}
    for trait in read_traits():
        declared[("profile_traits", trait.name)] = trait
        declared[("profile_attributes", trait.name)] = trait
        if trait.spec.sent_as:
            declared[("activation_audiences", trait.spec.sent_as)] = trait
        if trait.spec.aggregate:
            declared[("trait_readings", trait.name)] = trait
    assert declared and {key: comments[key] for key in declared} == {
        key: " ".join(each.spec.description.split()) for key, each in declared.items()
    }
    parts = {
        (table, name): description
        for table in ("activation_audiences", "activation_profiles")
        for name, description in PARTS.values()
        if name != "creative"
    }
    assert {key: comments[key] for key in parts} == parts
    ends = {
        ("trait_readings", f"{kind}_{trait.name}")
        for trait in read_traits()
        for kind in ("_ends", "_until")
        if trait.spec.until
    }
    assert comments.keys() - described.keys() == declared.keys() | parts.keys() | ends


def test_descriptions_are_comments_of_the_tables(built, tables):
    comments = dict(
        built.query(
            "select table_name, comment from duckdb_tables() "
            "where schema_name in ('tideline', 'tideline_internal') union all "
            "select view_name, comment from duckdb_views() "
            "where schema_name in ('tideline', 'tideline_internal')"
        )
    )
    assert {name: " ".join((comment or "").split()) for name, comment in comments.items()} == {
        name: " ".join(table["description"].split()) for name, table in tables.items()
    }


@pytest.mark.parametrize("pattern", UNITS)
def test_descriptions_say_the_unit(tables, comments, pattern):
    silent = {
        key
        for key, description in comments.items()
        if re.search(pattern, key[1])
        and UNITS[pattern] not in description.lower().replace("utc", "UTC")
        and tables[key[0]]["resource_type"] != "seed"
    }
    assert silent - AS_SENT == set()


def test_the_types_of_the_tables_of_activation_are_documented(tables):
    declared = {name: columns for name, (_, columns) in TABLES.items()}
    declared |= {name: view.columns for name, view in VIEWS.items()}
    documented = {
        name: {column["name"]: column["data_type"] for column in tables[name]["columns"].values()}
        for name in declared
    }
    assert documented == {
        name: {column: kind for column, (kind, _) in columns.items()}
        for name, columns in declared.items()
    }


def test_the_engine_and_the_documentation_mark_the_same_columns_as_personal(tables):
    """`make forget` uses the marks of the engine; the documentation repeats them."""
    marks = {
        (name, column["name"]): column["config"]["meta"]["personal"]
        for name in TABLES
        for column in tables[name]["columns"].values()
        if "personal" in column["config"]["meta"]
    }
    assert marks == {
        (name, column): kind
        for name, columns in PERSONAL.items()
        for column, kind in columns.items()
    }
