"""Checks declarations without a warehouse, with the tracking plan and the documented columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tideline.declarations.compiled import label_sql, rule_sql
from tideline.declarations.files import columns_of
from tideline.declarations.formulas import KINDS_OF_AGGREGATES, formulas_of
from tideline.declarations.operations import Kind
from tideline.declarations.rules import kind_of
from tideline.declarations.segments import Declared
from tideline.segments.models import model_sql, plan_rows
from tideline.text import counted, listed
from tideline.warehouse.errors import DeclarationError

MOST_EVENTS = 2  # that an error names
UNKNOWN = re.compile(r"unknown column `([^`]*)`")  # an error of a rule or label
QUOTED = re.compile(r"'([^']*)'")  # a type that depends on the warehouse: the last is DuckDB's


def check(project: Path, segments: Sequence[Declared], traits: Sequence[Declared]) -> list[str]:
    """What a build would refuse: the first problem of each trait, rule and label.

    Raises DeclarationError if the tracking plan has a problem.
    """
    plan = plan_rows(project / "seeds")
    problems = [*wrong_traits(traits, plan)]
    try:
        types = attribute_types(project, traits)
    except DeclarationError as error:  # a formula, so that rules cannot be judged
        return list(dict.fromkeys([*problems, str(error)]))
    for each in segments:
        for to_sql, what, text in (
            (rule_sql, f"{each.place}: `when`", each.spec.when),
            (label_sql, each.place, each.spec.label),
        ):
            try:
                to_sql(what, text, types, "duckdb")
            except DeclarationError as error:
                problems.append(explained(error, plan))
    return problems


def wrong_traits(traits: Sequence[Declared], plan: Sequence[dict[str, str]]) -> Iterator[str]:
    """The first problem of each trait; formulas are checked only together with all traits."""
    try:
        model_sql("profile_traits", traits, plan, str)
    except DeclarationError as of_all:
        found = []
        for each in traits:
            try:
                model_sql("profile_traits", [each] if each.spec.aggregate else [], plan, str)
            except DeclarationError as error:
                found.append(str(error))
        yield from found or [str(of_all)]


def explained(error: DeclarationError, plan: Sequence[dict[str, str]]) -> str:
    """An error of a rule or label; if the unknown column is a property of events, with the fix."""
    said, unknown = str(error), UNKNOWN.search(str(error))
    events = [row["event_name"] for row in plan if unknown and row["property"] == unknown[1]]
    if not unknown or not events:
        return said
    named = [f"`{event}`" for event in events[:MOST_EVENTS]]
    if more := len(events[MOST_EVENTS:]):
        named.append(counted(more, "more event"))
    fix = f"`{unknown[1]}` is a property of {listed(named, 'and')}: declare a trait that reads it"
    return f"{said}{' ' if said.endswith('?') else '; '}{fix}"


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
