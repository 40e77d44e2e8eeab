"""JSON Schemas of the declarations, so that editors complete and check the YAML.

They are derived from the dataclasses that read the declarations. A test compares them with the
files in `docs/reference/schemas`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tideline.declarations.creatives import Creative
from tideline.declarations.experiments import Experiment
from tideline.declarations.segments import KINDS as LISTS
from tideline.declarations.segments import MOST_STEPS, OF_EVENTS, Segment, Step, Trait
from tideline.declarations.syncs import Declarable, Settings

TYPES = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    datetime: {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"},
}
# A trait is computed from events, from a list or from other traits.
TRAITS = {
    "oneOf": [
        {
            "required": ["event", "aggregate"],
            "properties": {"aggregate": {"not": {"const": "listed"}}},
            "not": {"anyOf": [{"required": [key]} for key in ("formula", "list")]},
        },
        {
            "required": ["list", "aggregate"],
            "properties": {"aggregate": {"const": "listed"}},
            "not": {"anyOf": [{"required": [key]} for key in ("formula", *OF_EVENTS)]},
        },
        {
            "required": ["formula"],
            "not": {"anyOf": [{"required": [key]} for key in ("aggregate", "list", *OF_EVENTS)]},
        },
    ]
}
COLUMNS = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    ]
}


def exposures_schema(destinations: Mapping[str, type[Declarable]]) -> dict[str, Any]:
    """The schema of a dbt properties file whose exposures declare syncs.

    It does not describe dbt's own keys (names, owners, other resources).
    """
    sync: dict[str, Any] = {"$ref": "#/$defs/sync"}
    meta = {"type": "object", "properties": {"sync": sync}}
    exposure = {
        "type": "object",
        "properties": {"config": {"type": "object", "properties": {"meta": meta}}, "meta": meta},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dbt exposures that declare syncs",
        "type": "object",
        "properties": {"exposures": {"type": "array", "items": exposure}},
        "$defs": {"sync": sync_schema(destinations)},
    }


def declarations_schema() -> dict[str, Any]:
    """The schema of a file with traits, segments, creatives and experiments."""
    properties = {
        "owner": {
            "type": "string",
            "pattern": r"\S",
            "description": "The owner of each segment, creative and experiment of this file that "
            "names none.",
        },
        "shop": {
            "type": "boolean",
            "description": "Whether the var `shop` turns these off.",
            "default": False,
        },
        "traits": {"type": "array", "items": {"$ref": "#/$defs/trait"}},
        "segments": {"type": "array", "items": {"$ref": "#/$defs/segment"}},
        "creatives": {"type": "array", "items": {"$ref": "#/$defs/creative"}},
        "experiments": {"type": "array", "items": {"$ref": "#/$defs/experiment"}},
    }
    owns = [{"required": ["owner"]}, {"required": ["extends"]}]  # the extended one may name it
    owned = {
        "segments": {"items": {"anyOf": owns}},
        "creatives": {"items": {"required": ["owner"]}},
        "experiments": {"items": {"required": ["owner"]}},
    }
    segment, experiment = _block_schema(Segment), _block_schema(Experiment)
    creative = _block_schema(Creative)
    for block in (segment, creative, experiment):
        block["required"].remove("owner")  # the file may name it
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Traits, segments, creatives and experiments",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [
            {"anyOf": [{"required": [key]} for key in LISTS]},
            {"anyOf": [{"required": ["owner"]}, {"properties": owned}]},
        ],
        "$defs": {
            "trait": _block_schema(Trait) | TRAITS,
            "segment": segment,
            "creative": creative,
            "experiment": experiment,
        },
    }


def _block_schema(block: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": _properties(block),
        "required": sorted(_required(block)),
        "additionalProperties": False,
    }


def sync_schema(destinations: Mapping[str, type[Declarable]]) -> dict[str, Any]:
    """The schema of `meta.sync`: one alternative per destination."""
    return {
        "description": "A declared flow of the rows of one table to a destination.",
        "type": "object",
        "required": ["destination"],
        "properties": {"destination": {"enum": sorted(destinations)}},
        "oneOf": [_alternative(name, destinations[name].Options) for name in sorted(destinations)],
    }


def _alternative(name: str, options: type) -> dict[str, Any]:
    properties = _properties(Settings) | _properties(options)
    return {
        "title": name,
        "properties": properties | {"destination": {"const": name}},
        "required": ["destination", *sorted(_required(Settings) | _required(options))],
        "additionalProperties": False,
    }


def _properties(declared: type) -> dict[str, Any]:
    hints, words = get_type_hints(declared), _descriptions(declared)
    properties = {}
    for each in fields(declared):
        schema = _type(hints[each.name])
        schema["description"] = words[each.name]
        if each.default not in (MISSING, None, ()):
            schema["default"] = each.default
        properties[each.name] = schema
    return properties


def _required(declared: type) -> set[str]:
    return {
        each.name
        for each in fields(declared)
        if each.default is MISSING and each.name != "destination"
    }


def _type(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Union:  # of a Literal and None
        return _type(get_args(hint)[0])
    if is_dataclass(hint):
        return _block_schema(hint)
    if isinstance(hint, UnionType):
        kinds = [_type(each) for each in get_args(hint) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if get_origin(hint) is tuple and is_dataclass(block := get_args(hint)[0]):
        most = {"maxItems": MOST_STEPS} if block is Step else {}
        return {"type": "array", "items": _block_schema(block)} | most
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": dict(TYPES[get_args(hint)[1]])}
    if get_origin(hint) is tuple:
        return dict(COLUMNS)
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    return dict(TYPES[hint])


def _descriptions(declared: type) -> dict[str, str]:
    """Each field's description in the docstring: "`name`: text" or "`a`, `b`: text".

    The docstring of a base describes the fields that it declares.
    """
    # Of two bases, the first one counts, as in Python.
    bases = reversed(declared.__bases__)
    of_bases = [_descriptions(base) for base in bases if is_dataclass(base)]
    text = re.sub(r"\s+", " ", declared.__doc__ or "")
    found = re.split(r"(?:^|[-.] )((?:`\w+`, )*`\w+`): ", text)
    own = {
        name: words[:1].upper() + words[1:].rstrip("-. ") + "."
        for names, words in zip(found[1::2], found[2::2], strict=True)
        for name in re.findall(r"`(\w+)`", names)
    }
    return dict(pair for each in (*of_bases, own) for pair in each.items())
