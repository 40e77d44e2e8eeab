"""The JSON Schema of the syncs agrees with the reader of the declarations."""

import copy
import dataclasses
import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.deployment import REPOSITORY
from tideline import schema
from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.json_schema import exposures_schema, models_schema
from tideline.declarations.segments import Segment, Trait, read_segments, read_traits
from tideline.declarations.syncs import Settings, read_syncs
from tideline.warehouse.errors import DeclarationError

SCHEMA = exposures_schema(DESTINATIONS)
FILE = REPOSITORY / "docs" / "reference" / "schemas" / "exposures.json"
DECLARED = REPOSITORY / "models" / "activation" / "exposures.yml"
MINIMAL = {
    "files": {"destination": "files", "key": ["profile_id"]},
    "webhook": {"destination": "webhook", "key": ["profile_id"], "url_env": "URL"},
}
CHANGES = [
    {"format": "csv"},
    {"format": "xml"},
    {"batch_rows": "many"},
    {"batch_rows": 10},
    {"rows_per_second": 2.5},
    {"silence_is_consent": "yes"},
    {"hash": ["email"]},
    {"hash": "email"},
    {"hash": ["email", "email"]},
    {"hash": {"email": "sha256"}},
    {"token_env": "TOKEN"},
    {"batch_size": 10},
    {"destination": "fax"},
    {"key": None},
]


def accepts(sync):
    document = {"exposures": [{"name": "one", "config": {"meta": {"sync": sync}}}]}
    return Draft202012Validator(SCHEMA).is_valid(document)


def reads(sync, folder):
    table = {"schema": "tideline", "name": "audiences"}
    exposure = {
        "name": "one",
        "config": {"meta": {"sync": sync}},
        "depends_on": {"nodes": ["model.tideline.audiences"]},
    }
    manifest = {"nodes": {"model.tideline.audiences": table}, "exposures": {"one": exposure}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    try:
        read_syncs(folder / "manifest.json", DESTINATIONS)
    except DeclarationError:
        return False
    return True


def test_the_published_file_is_what_the_command_prints(capsys):
    schema.main(["exposures"])
    assert FILE.read_text() == capsys.readouterr().out, "run `tideline schema` into this file"
    Draft202012Validator.check_schema(SCHEMA)


def test_the_declared_syncs_are_accepted_and_their_file_names_the_schema():
    text = DECLARED.read_text()
    document = yaml.safe_load(text)
    Draft202012Validator(SCHEMA).validate(document)
    place = text.splitlines()[0].partition("$schema=")[2]
    assert (DECLARED.parent / place).resolve() == FILE
    broken = copy.deepcopy(document)
    broken["exposures"][0]["config"]["meta"]["sync"]["keys"] = ["profile_id"]
    assert not Draft202012Validator(SCHEMA).is_valid(broken)


def test_every_key_is_described_in_the_words_of_its_docstring():
    for alternative in SCHEMA["$defs"]["sync"]["oneOf"]:
        options = DESTINATIONS[alternative["title"]].Options
        said = " ".join(f"{Settings.__doc__} {options.__doc__}".split())
        for name, key in alternative["properties"].items():
            if name != "destination":
                words = key["description"].rstrip(".")
                assert len(words) > 9 and words[0].lower() + words[1:] in said, name


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("destination", MINIMAL)
def test_the_schema_accepts_what_the_reader_accepts(destination, change, tmp_path):
    sync = MINIMAL[destination] | change
    assert accepts(MINIMAL[destination]) and reads(MINIMAL[destination], tmp_path)
    assert accepts(sync) == reads(sync, tmp_path)


MODELS = models_schema()
BLOCKS = {
    "trait": ("profile_traits", Trait, read_traits, {"event": "login", "aggregate": "count"}),
    "segment": (
        "profile_segments",
        Segment,
        read_segments,
        {"rule": "logins > 3", "label": "Regulars", "owner": "Desk", "priority": 1},
    ),
}
BLOCK_CHANGES = [
    {"event": ["login", "call"]},
    {"event": None},
    {"event": 3},
    {"aggregate": "mean"},
    {"aggregate": "sum", "property": "amount"},
    {"window": "7 days"},
    {"window": 7},
    {"sent_as": "logins"},
    {"filters": "a > 1"},
    {"rule": "logins > 5"},
    {"rule": 3},
    {"label": None},
    {"priority": "first"},
    {"creative": "Hello"},
    {"creative": ["Hello"]},
]


def test_the_published_file_of_traits_and_segments_is_what_the_command_prints(capsys):
    schema.main(["models"])
    file = REPOSITORY / "docs" / "reference" / "schemas" / "models.json"
    assert file.read_text() == capsys.readouterr().out, "run `tideline schema models` into it"
    Draft202012Validator.check_schema(MODELS)
    for name in ("profile_traits", "profile_segments"):
        path = REPOSITORY / "models" / "segments" / f"{name}.yml"
        Draft202012Validator(MODELS).validate(yaml.safe_load(path.read_text()))
        place = path.read_text().splitlines()[0].partition("$schema=")[2]
        assert (path.parent / place).resolve() == file


@pytest.mark.parametrize("change", BLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("kind", BLOCKS)
def test_the_schema_accepts_the_blocks_that_the_reader_accepts(kind, change, tmp_path):
    model, _, read, minimal = BLOCKS[kind]
    block = {key: value for key, value in (minimal | change).items() if value is not None}
    column = {"name": "one", "config": {"meta": {kind: block}}}
    document = {"models": [{"name": model, "columns": [column]}]}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.yml").write_text(yaml.safe_dump(document))
    try:
        is_read = bool(read(tmp_path))
    except DeclarationError:
        is_read = False
    assert Draft202012Validator(MODELS).is_valid(document) == is_read


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_key_of_a_block_is_described(kind):
    properties = MODELS["$defs"][kind]["properties"]
    assert {each.name for each in dataclasses.fields(BLOCKS[kind][1])} == properties.keys()
    assert all(len(each["description"]) > 9 for each in properties.values())
