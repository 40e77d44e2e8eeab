"""Checks declarations without a warehouse, with the tracking plan and the documented columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tideline.declarations.compiled import label_sql, rule_sql
from tideline.declarations.files import columns_of
from tideline.declarations.formulas import KINDS_OF_AGGREGATES, formulas_of
from tideline.declarations.operations import Kind
from tideline.declarations.rules import kind_of
from tideline.declarations.segments import Declared
from tideline.segments.preview import model_sql, plan_rows

QUOTED = re.compile(r"'([^']*)'")  # a type that depends on the warehouse: the last is DuckDB's


def check(project: Path, segments: Sequence[Declared], traits: Sequence[Declared]) -> None:
    """Raise DeclarationError for the first declaration that a build would refuse."""
    model_sql("profile_traits", traits, plan_rows(project / "seeds"), str)
    types = attribute_types(project, traits)
    for each in segments:
        rule_sql(f"{each.place}: `when`", each.spec.when, types, "duckdb")
        label_sql(each.place, each.spec.label, types, "duckdb")


def attribute_types(project: Path, traits: Sequence[Declared]) -> dict[str, str]:
    """The columns of `profile_attributes` with their types, as documented and declared."""
    found = {}
    for _, column in columns_of("profile_attributes", project):
        text = str(column.get("data_type", ""))
        found[column["name"]] = (QUOTED.findall(text) or [text])[-1]
    kinds: dict[str, Kind] = {
        each.name: KINDS_OF_AGGREGATES[each.spec.aggregate]
        for each in traits
        if each.spec.aggregate
    }
    for name, tree in formulas_of(traits).items():
        kinds[name] = kind_of(tree, kinds) or "text"
    return found | {name: str(kind) for name, kind in kinds.items()}
