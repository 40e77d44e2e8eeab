"""Every model, column, seed, snapshot and macro says what it is; the whole graph builds empty."""

import json

import pytest

from tests.conftest import REPOSITORY

DBT_COLUMNS = {"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"}
# Its columns are those of other tables, documented there; see its description.
PASSES_ON = {
    "flagged_events": {"landed_events"},
    "session_events": {"fct_events"},
    "profile_timeline": {"fct_events"},
    "profile_attributes": {"profile_features", "profile_traits"},
    "training_examples": {"profile_features"},
    "segment_membership_history": {"segment_memberships"},
}


@pytest.fixture(scope="module")
def built(shared_deployment):
    message = {"messageId": "m", "type": "page", "anonymousId": "a", "timestamp": "2026-01-01"}
    (shared_deployment.landing / "events" / "one.jsonl").write_text(json.dumps(message))
    sources = {folder.name: "landing" for folder in (REPOSITORY / "models/staging").iterdir()}
    sources.pop("collector")  # it is never off
    shared_deployment.dbt("build", "--empty", variables=json.dumps({"sources": sources}))
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


def test_every_table_and_column_is_documented(built, manifest):
    tables = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    described = {
        name: {column["name"] for column in node["columns"].values() if column["description"]}
        for name, node in tables.items()
    }
    found = {}
    for table, column in built.query(
        "select table_name, column_name from information_schema.columns "
        "where table_schema = 'tideline'"
    ):
        found.setdefault(table, set()).add(column)
    assert found.keys() == tables.keys()
    missing = {
        name: sorted(
            columns
            - described[name]
            - DBT_COLUMNS
            - set().union(*(described[other] for other in PASSES_ON.get(name, ())))
        )
        for name, columns in found.items()
    }
    assert not {name: columns for name, columns in missing.items() if columns}
    assert not {name: d - found[name] for name, d in described.items() if d - found[name]}
    assert not [name for name, node in tables.items() if not node["description"]]


def test_links_of_the_pages_lead_somewhere():
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for part in page.read_text().split("](")[1:]:
            target = part.split(")")[0].split("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
