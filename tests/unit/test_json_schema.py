"""The JSON Schemas agree with the readers of the declarations."""

import copy
import dataclasses
import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.deployment import REPOSITORY
from tideline import schema
from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.creatives import Creative
from tideline.declarations.experiments import Experiment
from tideline.declarations.files import declaration_files
from tideline.declarations.json_schema import declarations_schema, exposures_schema
from tideline.declarations.segments import (
    Segment,
    Trait,
    read_creatives,
    read_experiments,
    read_segments,
    read_traits,
)
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
        told = [Settings.__doc__, *(each.__doc__ for each in options.__mro__[:-1])]
        said = " ".join(" ".join(told).split())
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


DECLARATIONS = declarations_schema()
PUBLISHED = REPOSITORY / "docs" / "reference" / "schemas" / "declarations.json"
BLOCKS = {
    "trait": (
        Trait,
        {"name": "one", "description": "One.", "event": "login", "aggregate": "count"},
    ),
    "segment": (
        Segment,
        {
            "name": "one",
            "description": "One.",
            "when": "logins > 3",
            "label": "Regulars",
            "owner": "Desk",
            "priority": 1,
        },
    ),
    "creative": (
        Creative,
        {
            "name": "one",
            "description": "One.",
            "owner": "Desk",
            "items": {"left": "logins"},
            "fields": {"headline": "Read {left.name}"},
        },
    ),
    "experiment": (
        Experiment,
        {
            "name": "one",
            "description": "One?",
            "owner": "Desk",
            "segments": "*",
            "arms": {"held_out": 0.1, "treated": 0.9},
            "starts_at": "2026-01-01",
            "outcomes": [{"name": "came", "event": "login", "within": "7 days"}],
        },
    ),
}
BLOCK_CHANGES = [
    {"name": None},
    {"description": None},
    {"event": ["login", "call"]},
    {"event": None},
    {"event": 3},
    {"aggregate": "mean"},
    {"aggregate": "sum", "property": "amount"},
    {"within": "7 days"},
    {"within": 7},
    {"where": "plan = 'paid'"},
    {"before": "7 days"},
    {"before": 7},
    {"event": "*"},
    {"aggregate": "exists"},
    {"aggregate": "streak"},
    {"aggregate": None},
    {"formula": "1 + 1"},
    {"formula": "1 + 1", "event": None, "aggregate": None},
    {"formula": "1 + 1", "event": None, "aggregate": None, "within": "7 days"},
    {"formula": 3, "event": None, "aggregate": None},
    {"sent_as": "logins"},
    {"filter": "a > 1"},
    {"when": "logins > 5"},
    {"when": 3},
    {"label": None},
    {"owner": None},
    {"priority": "first"},
    {"creative": "Hello"},
    {"creative": ["Hello"]},
    {"creative": {"template": 3}},
    {"creative": {"text": "Hello"}},
    {"items": ["left"]},
    {"items": {"left": 3}},
    {"fields": {"headline": "{left.name}", "text": "{left.name}"}},
    {"fields": {"headline": "{left.name}", "body": "{left.name}"}},
    {"fields": {"text": "{left.name}"}},
    {"fallbacks": {"headline": "Read"}},
    {"fallbacks": {"headline": ["Read"]}},
    {"tags": ["winter", "sale"]},
    {"tags": "winter"},
    {"tags": [3]},
    {"lifecycle": "draft"},
    {"lifecycle": "dead"},
    {"examples": [{"name": "one", "is_in": True, "given": {"recency": None}, "at": "2026-01-31"}]},
    {"examples": [{"name": "one", "is_in": "yes"}]},
    {"examples": [{"name": "one"}]},
    {"examples": [{"name": str(number), "is_in": True} for number in range(9)]},
    {"examples": [{"name": "one", "is_in": True, "events": [{"event": "login", "ago": "1 day"}]}]},
    {"examples": [{"name": "one", "is_in": True, "events": [{"event": "login"}]}]},
    {"examples": [{"name": "one", "is_in": True, "given": [1]}]},
    {"segments": ["*"]},
    {"segments": None},
    {"segments": 3},
    {"arms": None},
    {"arms": ["held_out"]},
    {"arms": {"held_out": 0.1, "treated": "0.9"}},
    {"starts_at": "2026-01-01 12:30:00"},
    {"starts_at": "soon"},
    {"starts_at": 2026},
    {"ends_at": "2026-02-01"},
    {"outcomes": None},
    {"outcomes": [{"name": "came", "event": "login"}]},
    {"outcomes": [{"name": "came", "event": "login", "within": "7 days", "where": "a > 1"}]},
    {"outcomes": [{"name": "came", "event": "login", "within": "7 days", "least_lift": "a"}]},
]
FILE_CHANGES = [
    {},
    {"owner": "Desk"},
    {"owner": " "},
    {"owner": 3},
    {"shop": True},
    {"shop": "yes"},
    {"segments": None},
    {"segments": []},
    {"segments": {}},
    {"segments": [None]},
    {"creatives": []},
    {"creatives": [None]},
    {"experiments": []},
    {"experiments": [None]},
    {"traits": []},
    {"models": []},
]


def is_accepted(document):
    return Draft202012Validator(DECLARATIONS).is_valid(document)


def is_read(document, folder):
    path = folder / "models" / "segments" / "desk" / "one.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    try:
        for read in (read_traits, read_segments, read_creatives, read_experiments):
            read(folder)
    except DeclarationError:
        return False
    return True


def test_the_published_file_of_traits_and_segments_is_what_the_command_prints(capsys):
    schema.main(["declarations"])
    printed = capsys.readouterr().out
    assert PUBLISHED.read_text() == printed, "run `tideline schema declarations` into it"
    Draft202012Validator.check_schema(DECLARATIONS)


@pytest.mark.parametrize(
    "path", declaration_files(REPOSITORY), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_each_file_with_declarations_is_accepted_and_names_the_schema(path):
    assert is_accepted(yaml.safe_load(path.read_text()))
    place = path.read_text().splitlines()[0].partition("$schema=")[2]
    assert (path.parent / place).resolve() == PUBLISHED


@pytest.mark.parametrize("change", BLOCK_CHANGES, ids=str)
@pytest.mark.parametrize("kind", BLOCKS)
def test_the_schema_accepts_the_blocks_that_the_reader_accepts(kind, change, tmp_path):
    minimal = BLOCKS[kind][1]
    block = {key: value for key, value in (minimal | change).items() if value is not None}
    document = {f"{kind}s": [block]}
    assert is_accepted({f"{kind}s": [minimal]}) and is_read({f"{kind}s": [minimal]}, tmp_path)
    assert is_accepted(document) == is_read(document, tmp_path)


@pytest.mark.parametrize("is_owned", [True, False])
@pytest.mark.parametrize("change", FILE_CHANGES, ids=str)
def test_the_schema_accepts_the_files_that_the_reader_accepts(change, is_owned, tmp_path):
    """Also a segment without an owner, in a file with and without one."""
    minimal = BLOCKS["segment"][1]
    block = minimal if is_owned else {k: v for k, v in minimal.items() if k != "owner"}
    document = {"segments": [block]} | change
    if document["segments"] is None:
        del document["segments"]
    assert is_accepted(document) == is_read(document, tmp_path)


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_key_of_a_block_is_described(kind):
    properties = DECLARATIONS["$defs"][kind]["properties"]
    assert {each.name for each in dataclasses.fields(BLOCKS[kind][0])} == properties.keys()
    assert all(len(each["description"]) > 9 for each in properties.values())


def test_a_segment_without_an_owner_has_that_of_the_one_that_it_extends(tmp_path):
    keys = {"description": "Text.", "label": "Text", "when": "true", "priority": 1}
    base = {"name": "base", "owner": "Desk"} | keys
    other = {"name": "other", "extends": "base"} | keys | {"priority": 2}
    for last, is_right in ((other, True), ({**other, "extends": 3}, False)):
        document = {"segments": [base, last]}
        assert is_accepted(document) is is_read(document, tmp_path) is is_right
    del other["extends"]
    document = {"segments": [base, other]}
    assert is_accepted(document) is is_read(document, tmp_path) is False
