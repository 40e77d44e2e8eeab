"""Rules of the project, checked on dbt's manifest: folders, public models, keys, nothing unused.

Each rule is a function that lists violations. It finds none in the project, and finds the mistake
in a copy of the manifest with one broken thing.
"""

import configparser
import copy
import json
import re
from pathlib import PurePosixPath

import pytest
import yaml

from tests.support.deployment import ALL_ON, REPOSITORY, SOURCES, STAGING

# Each folder reads only from those before it; `events` also reads `privacy`.
FOLDERS = (
    "raw",
    "staging",
    "events",
    "identity",
    "sessions",
    "features",
    "predictions",
    "segments",
    "activation",
)
BESIDE = "privacy"
READ_BY = {BESIDE: {"events", BESIDE}}
INTERNAL_FOLDERS = ("raw", "staging")
SCHEMA, INTERNAL_SCHEMA = "tideline", "tideline_internal"

WITHOUT_CONTRACT = {
    "activation_audiences": "a trait that says `sent_as` is a column",
    "activation_profiles": "a part of a creative is a column",
    "golden_profiles": "an attribute of the seed `attribute_rules` is a column",
    "profile_attributes": "a trait is a column",
    "profile_segments": "a segment is a column",
    "profile_traits": "a trait is a column",
}
WITHOUT_KEY = {
    "event_identifiers": "a view that is slow to plan; `identifier_sets` holds its rows",
    "int_attribute_statements": "a view; `profile_attribute_values` keeps one of its rows",
    "int_events_flagged": "a view of `int_events_deduplicated`",
    "int_events_validated": "a view; `int_events_deduplicated` holds its rows",
    "int_pending_removals": "notes, which do no harm twice",
    "raw_messages": "each row is one of `int_events_deduplicated`",
    "session_events": "a view of `fct_events`",
    "traffic_bursts": "a view of `int_busy_minutes`",
}
# Of `profile_features`: who, when, and for which model.
NO_FEATURES = {"profile_id", "as_of", "is_for_serving", "is_for_churn", "is_for_bundle_purchase"}
CALLED_FROM_OUTSIDE = {
    "create_raw_messages": "a command",
    "get_incremental_reached_sql": "dbt, for the incremental strategy `reached`",
    "get_incremental_revised_sql": "dbt, for the incremental strategy `revised`",
    "get_persist_docs_column_list": "dbt, in the place of its own",
    "move_former_tables": "a command",
    "persist_docs": "dbt, in the place of its own",
    "snapshot_get_time": "dbt, in the place of its own",
    "why_linked": "a command",
}


def folder_of(node):
    root, *parts = PurePosixPath(node["original_file_path"]).parts
    return {"models": parts[0], "python_models": "predictions", "snapshots": "segments"}[root]


def model(manifest, name):
    return manifest["nodes"][f"model.tideline.{name}"]


def contract(node):
    return [(column["name"], column["data_type"]) for column in node["columns"].values()]


def tables(manifest, *kinds):
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def is_at_the_top(node):
    root, folder, *rest = PurePosixPath(node["original_file_path"]).parts
    return root == "models" and folder not in INTERNAL_FOLDERS and len(rest) == 1


def is_public(node):
    return node["config"].get("access") == "public"


def reads_from_the_right(manifest):
    for node in tables(manifest, "model", "snapshot"):
        for key in node["depends_on"]["nodes"]:
            parent = manifest["nodes"].get(key)
            if not parent or parent["resource_type"] == "seed":
                continue
            mine, theirs = folder_of(node), folder_of(parent)
            if BESIDE in (mine, theirs):
                is_allowed = mine in READ_BY.get(theirs, ())
            else:
                is_allowed = FOLDERS.index(theirs) <= FOLDERS.index(mine)
            if not is_allowed:
                yield f"{node['name']} ({mine}) reads {parent['name']} ({theirs})"


def wrong_access(manifest):
    for node in tables(manifest, "model"):
        if is_at_the_top(node) != is_public(node):
            yield node["name"]


def wrong_schema(manifest):
    for node in tables(manifest, "model", "seed"):
        if node["schema"] != (SCHEMA if is_public(node) else INTERNAL_SCHEMA):
            yield node["name"]


def without_owner(manifest):
    groups = {group["name"]: group["owner"] for group in manifest["groups"].values()}
    for node in tables(manifest, "model", "snapshot"):
        if is_public(node) or node["resource_type"] == "snapshot":
            owner = groups.get(node["config"].get("group"), {})
            if not owner.get("name"):
                yield node["name"]


def without_contract(manifest):
    for node in tables(manifest, "model"):
        is_enforced = node["config"]["contract"]["enforced"]
        if is_public(node) and is_enforced == (node["name"] in WITHOUT_CONTRACT):
            yield node["name"]


def untyped_or_undescribed(manifest):
    for node in tables(manifest, "model"):
        for column in node["columns"].values() if is_public(node) else ():
            if not column["description"] or not column["data_type"]:
                yield f"{node['name']}.{column['name']}"


def public_scratch(manifest):
    for node in tables(manifest, "model"):
        if is_public(node) and node["name"].startswith(("int_", "stg_")):
            yield node["name"]


def exposed_internals(manifest):
    for exposure in manifest["exposures"].values():
        for key in exposure["depends_on"]["nodes"]:
            if not is_public(manifest["nodes"][key]):
                yield f"{exposure['name']} on {key}"


def without_key(manifest):
    tests = [node for node in tables(manifest, "test") if node.get("attached_node")]
    for node in tables(manifest, "model", "snapshot"):
        own = [test for test in tests if test["attached_node"] == node["unique_id"]]
        columns = {
            kind: {t["column_name"] for t in own if t["test_metadata"]["name"] == kind}
            for kind in ("unique", "not_null")
        }
        has_key = bool(columns["unique"] & columns["not_null"]) or any(
            test["test_metadata"]["name"] == "unique_combination" for test in own
        )
        is_staging = folder_of(node) == "staging"  # rows of `int_events_deduplicated`
        if not is_staging and has_key == (node["name"] in WITHOUT_KEY):
            yield node["name"]


def unused_seeds(manifest):
    for node in tables(manifest, "seed"):
        readers = manifest["child_map"][node["unique_id"]]
        if not any(reader.startswith("model.") for reader in readers):
            yield node["name"]


def other_staging_columns(manifest):
    """Models of `staging` that do not give the universal event schema, by contract."""
    schema = contract(model(manifest, "stg_collector__events"))
    for node in tables(manifest, "model"):
        is_enforced = node["config"]["contract"]["enforced"]
        if folder_of(node) == "staging" and (contract(node) != schema or not is_enforced):
            yield node["name"]


def lost_on_the_way(manifest):
    """Columns of the universal event schema that a model of the events leaves out."""
    schema = [name for name, _ in contract(model(manifest, "stg_collector__events"))]
    for name, left_out in (
        ("int_events_validated", {"problem"}),
        ("int_events_deduplicated", {"problem"}),
        ("int_events_flagged", {"problem"}),
        ("fct_events", {"problem", "original"}),
    ):
        columns = model(manifest, name)["columns"]
        yield from (f"{name}.{each}" for each in schema if each not in {*columns, *left_out})


def described_anew(manifest):
    """Columns handed on from another table that do not say, or are typed, as they are there."""
    for name, source in (
        ("training_examples", "profile_features"),
        ("profile_attributes", "profile_features"),
    ):
        declared = model(manifest, source)["columns"]
        for key, column in model(manifest, name)["columns"].items():
            said = declared.get(key, column) if key not in NO_FEATURES else column
            is_one_block = said["doc_blocks"] == column["doc_blocks"]
            types = {each["data_type"] for each in (said, column)} - {None}
            if not is_one_block or said["description"] != column["description"] or len(types) > 1:
                yield f"{name}.{key}"


def feature_without_block(manifest):
    """Features, which several tables hand on, whose description is not in features.md."""
    for key, column in model(manifest, "profile_features")["columns"].items():
        if key not in NO_FEATURES and column["doc_blocks"] != [f"doc.tideline.{key}"]:
            yield key


RULES = (
    reads_from_the_right,
    wrong_access,
    wrong_schema,
    without_owner,
    without_contract,
    untyped_or_undescribed,
    public_scratch,
    exposed_internals,
    without_key,
    unused_seeds,
    other_staging_columns,
    lost_on_the_way,
    described_anew,
    feature_without_block,
)


@pytest.fixture(scope="module")
def manifest(shared_deployment):
    shared_deployment.dbt("parse", variables=ALL_ON)
    return json.loads((shared_deployment.folder / "target" / "manifest.json").read_text())


@pytest.mark.parametrize("rule", RULES)
def test_the_project_keeps_the_rule(manifest, rule):
    assert list(rule(manifest)) == []


def backwards(manifest):
    parents = model(manifest, "fct_events")["depends_on"]["nodes"]
    parents.append("model.tideline.profile_segments")
    return "fct_events (events) reads profile_segments (segments)"


def forgetting(manifest):
    parents = model(manifest, "profile_segments")["depends_on"]["nodes"]
    parents.append("model.tideline.forget_requests")
    return "profile_segments (segments) reads forget_requests (privacy)"


def opened(manifest):
    model(manifest, "int_sessions")["config"]["access"] = "public"
    return "int_sessions"


def closed(manifest):
    model(manifest, "fct_sessions")["config"]["access"] = "protected"
    return "fct_sessions"


def misplaced(manifest):
    model(manifest, "fct_sessions")["schema"] = INTERNAL_SCHEMA
    return "fct_sessions"


def disowned(manifest):
    model(manifest, "fct_sessions")["config"]["group"] = None
    return "fct_sessions"


def unbound(manifest):
    model(manifest, "fct_sessions")["config"]["contract"]["enforced"] = False
    return "fct_sessions"


def untyped(manifest):
    model(manifest, "fct_sessions")["columns"]["session_id"]["data_type"] = None
    return "fct_sessions.session_id"


def undescribed(manifest):
    model(manifest, "profile_traits")["columns"]["profile_id"]["description"] = ""
    return "profile_traits.profile_id"


def scratch(manifest):
    model(manifest, "fct_sessions")["name"] = "int_all_sessions"
    return "int_all_sessions"


def exposed(manifest):
    exposure = next(iter(manifest["exposures"].values()))
    exposure["depends_on"]["nodes"] = ["model.tideline.int_sessions"]
    return f"{exposure['name']} on model.tideline.int_sessions"


def keyless(manifest):
    for key, node in list(manifest["nodes"].items()):
        if node.get("attached_node") == "model.tideline.fct_sessions":
            del manifest["nodes"][key]
    return "fct_sessions"


def unread(manifest):
    manifest["child_map"]["seed.tideline.key_features"] = ["test.tideline.any"]
    return "key_features"


def extended(manifest):
    columns = model(manifest, "stg_stripe__events")["columns"]
    columns["library"] = {**columns["platform"], "name": "library"}
    return "stg_stripe__events"


def uncontracted(manifest):
    model(manifest, "stg_stripe__charges")["config"]["contract"]["enforced"] = False
    return "stg_stripe__charges"


def dropped(manifest):
    del model(manifest, "fct_events")["columns"]["identifiers"]
    return "fct_events.identifiers"


def reworded(manifest):
    column = model(manifest, "training_examples")["columns"]["recency"]
    column["doc_blocks"] = []
    return "training_examples.recency"


def retyped(manifest):
    model(manifest, "profile_attributes")["columns"]["recency"]["data_type"] = "double"
    return "profile_attributes.recency"


def inlined(manifest):
    model(manifest, "profile_features")["columns"]["recency"]["doc_blocks"] = []
    return "recency"


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [
        (reads_from_the_right, backwards),
        (reads_from_the_right, forgetting),
        (wrong_access, opened),
        (wrong_access, closed),
        (wrong_schema, misplaced),
        (without_owner, disowned),
        (without_contract, unbound),
        (untyped_or_undescribed, untyped),
        (untyped_or_undescribed, undescribed),
        (public_scratch, scratch),
        (exposed_internals, exposed),
        (without_key, keyless),
        (unused_seeds, unread),
        (other_staging_columns, extended),
        (other_staging_columns, uncontracted),
        (lost_on_the_way, dropped),
        (described_anew, reworded),
        (described_anew, retyped),
        (feature_without_block, inlined),
    ],
)
def test_a_broken_rule_is_noticed(manifest, rule, breaks):
    broken = copy.deepcopy(manifest)
    assert breaks(broken) in list(rule(broken))


def texts():
    """The files that dbt reads, by path, without the descriptions of macros."""
    folders = ("models", "python_models", "macros", "snapshots", "tests/dbt")
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.*")]
    found = [path for path in [*paths, REPOSITORY / "dbt_project.yml"] if path.is_file()]
    kept = [p for p in found if p.suffix in (".sql", ".py", ".yml")]
    return {
        str(path.relative_to(REPOSITORY)): path.read_text()
        for path in kept
        if not (path.suffix == ".yml" and "macros" in path.parts)
    }


def unused_macros(manifest, texts):
    text = "\n".join(texts.values())
    dispatched = ("duckdb__", "snowflake__", "default__", "materialization_", "test_")
    for macro in manifest["macros"].values():
        name = macro["name"]
        if macro["package_name"] != "tideline" or name.startswith(dispatched):
            continue
        uses = len(re.findall(rf"\b{name}\b", text))
        uses -= len(re.findall(rf"\bmacro {name}\b|dispatch\('{name}'", text))
        if uses < 1 and name not in CALLED_FROM_OUTSIDE:
            yield name


def unused_vars(variables, texts):
    text = "\n".join(
        text
        for path, text in texts.items()
        if path not in ("dbt_project.yml", "macros/project/var_rules.sql")
    )
    for name in variables:
        if not re.search(rf"""['"]{name}['"]""", text):
            yield name


def test_no_macro_is_unused(manifest):
    assert list(unused_macros(manifest, texts())) == []
    uncalled = {
        path: re.sub(r"(?<!macro )page_path\(", "path(", text) for path, text in texts().items()
    }
    assert "page_path" in list(unused_macros(manifest, uncalled))


def test_no_var_is_unused():
    variables = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text())["vars"]
    assert list(unused_vars(variables, texts())) == []
    assert list(unused_vars([*variables, "of_no_use"], texts())) == ["of_no_use"]


def switched_otherwise(models):
    """Models of a source that the var `sources` does not switch on by the name of the source."""
    for each in models:
        _, source, *_ = each["name"].split("_")
        named = None if source == "collector" else f"{{{{ '{source}' in var('sources') }}}}"
        if each.get("config", {}).get("enabled") != named:
            yield each["name"]


def test_each_source_is_switched_on_by_its_name():
    models = yaml.safe_load((STAGING / "_staging.yml").read_text())["models"]
    assert {each["name"] for each in models} == {path.stem for path in STAGING.rglob("*.sql")}
    assert list(switched_otherwise(models)) == []
    broken = copy.deepcopy(models)
    for each in broken:
        if each["name"] == "stg_stripe__charges":
            del each["config"]
    assert list(switched_otherwise(broken)) == ["stg_stripe__charges"]


def texts_listed(path, macro):
    """The texts of the list that a macro returns."""
    text = (REPOSITORY / "macros" / path).read_text().split(f"macro {macro}(")[1]
    return re.findall(r"'(\w+)'", text.split("[")[1].split("]")[0])


def other_readers(manifest, awaited):
    """Readers of `int_pending_removals` that its rows do not wait for, and the other way round.

    `int_events_deduplicated` deletes the rows in the same run; those of identity have read them
    where `identity_progress` is newer.
    """
    children = manifest["child_map"]["model.tideline.int_pending_removals"]
    names = {key.removeprefix("model.tideline.") for key in children if key.startswith("model.")}
    readers = {
        "identity_progress" if folder_of(model(manifest, name)) == "identity" else name
        for name in names - {"int_events_deduplicated"}
    }
    return readers ^ set(awaited)


def test_a_removal_waits_for_all_that_read_it(manifest):
    awaited = texts_listed("events/removals.sql", "delete_read_removals")
    assert other_readers(manifest, awaited) == set()
    read_too = copy.deepcopy(manifest)
    read_too["child_map"]["model.tideline.int_pending_removals"].append("model.tideline.segments")
    assert other_readers(read_too, awaited) == {"segments"}


def looked_up_at_a_bad_time(manifest, names, callers):
    """Tables that dbt may write at the same time as a model which looks them up.

    A table that is written anew is missing for a moment, so the model would find no watermark.
    """
    for caller in callers:
        related = {caller}
        for edges in ("parent_map", "child_map"):
            waiting = [f"model.tideline.{caller}"]
            while waiting:
                found = {each.split(".")[-1]: each for each in manifest[edges][waiting.pop()]}
                waiting += [key for name, key in found.items() if name not in related]
                related |= found.keys()
        yield from (f"{caller} looks up {name}" for name in names if name not in related)


@pytest.mark.parametrize("folder, kind", [("segments", "revision"), ("identity", "identity")])
def test_a_watermark_looks_up_no_table_that_is_written_at_the_same_time(manifest, folder, kind):
    names = texts_listed(f"{folder}/progress.sql", f"{kind}_watermark")
    callers = [
        each["name"]
        for each in tables(manifest, "model")
        if folder_of(each) == folder
        and (
            f"{kind}_watermark()" in each["raw_code"]
            or each["config"].get("incremental_strategy") == "revised"
        )
    ]
    assert len(callers) > 1 and len(names) > 3
    assert list(looked_up_at_a_bad_time(manifest, names, callers)) == []
    assert list(looked_up_at_a_bad_time(manifest, ["attribute_steps"], callers))


def test_the_universal_columns_are_those_of_the_contract(manifest):
    schema = [name for name, _ in contract(model(manifest, "stg_collector__events"))]
    assert texts_listed("staging/universal_schema.sql", "universal_columns") == schema


def test_every_list_of_sources_is_the_folders_of_staging():
    """dbt cannot list folders, and sqlfluff must be told which sources are on."""
    assert texts_listed("staging/source_rows.sql", "known_sources") == sorted(SOURCES)
    linted = configparser.ConfigParser()
    linted.read(REPOSITORY / ".sqlfluff")
    assert {*linted["sqlfluff:templater:dbt:context:sources"], "collector"} == SOURCES
