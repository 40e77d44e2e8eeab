"""Reads from the manifest which columns hold personal data, and which sources are used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tideline.activation.ledger import PERSONAL
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

KINDS = {
    "identifier": "identifies a person: an address, an account, a cookie",
    "pseudonym": "a key of Tideline that stands for a person",
    "content": "data that a person entered or caused; may name anybody",
}


@dataclass(frozen=True)
class PersonalTable:
    """A model, a snapshot or a table of activation, with its marked columns and their kinds."""

    schema: str | None  # None: the schema of the tables of activation
    name: str
    is_stored: bool  # whether it stores rows, in contrast to a view
    columns: dict[str, str]


def read_marks(manifest: Path) -> dict[str, PersonalTable]:
    """The tables with marked columns, by model name.

    Raises DeclarationError if a mark is not in KINDS.
    """
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    tables = {}
    for node in sorted(nodes, key=lambda each: each["name"]):
        if node["resource_type"] not in ("model", "snapshot"):
            continue
        kinds = {name: _kind(node, name, column) for name, column in node["columns"].items()}
        if marked := {name: kind for name, kind in kinds.items() if kind is not None}:
            is_stored = node["config"]["materialized"] not in ("view", "ephemeral")
            name = node.get("alias") or node["name"]
            tables[node["name"]] = PersonalTable(node["schema"], name, is_stored, marked)
    for name, columns in PERSONAL.items():
        tables[name] = PersonalTable(None, name, True, columns)
    return tables


def read_sources(manifest: Path) -> set[str]:
    """The sources that `int_events_validated` reads, with the names used in the vars."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    parents = nodes["model.tideline.int_events_validated"]["depends_on"]["nodes"]
    return {found[1] for each in parents if (found := re.search(r"\.stg_(\w+)__events$", each))}


def _kind(node: Mapping[str, Any], name: str, column: Mapping[str, Any]) -> str | None:
    kind = ((column.get("config") or {}).get("meta") or {}).get("personal")
    if kind is not None and kind not in KINDS:
        raise DeclarationError(
            f"model `{node['name']}` ({node['original_file_path']}), column `{name}`: "
            f"`meta.personal` says `{kind}`; {nearest(kind, KINDS)}"
        )
    return kind
