"""Traits that are computed from other traits: `formula: views_7d - views_prior_7d`.

A formula is an expression in the language of rules over the names of traits. A formula in a formula
is replaced by its own expression, so that all are computed from aggregates of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tideline.declarations.operations import Call, Column, Kind, Node
from tideline.declarations.rules import RuleError, columns_of_rule, kind_of, parse
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.segments import Declared

# The kind of the values of each aggregate; the values of properties are texts.
KINDS_OF_AGGREGATES: dict[str, Kind] = {
    "count": "number",
    "count_distinct": "number",
    "sum": "number",
    "average": "number",
    "min": "number",
    "max": "number",
    "first": "text",
    "last": "text",
    "most_frequent": "text",
    "first_at": "timestamp",
    "last_at": "timestamp",
    "exists": "boolean",
    "days_since": "number",
    "minutes_since": "number",
    "streak": "number",
}


def formulas_of(traits: Sequence[Declared]) -> dict[str, Node]:
    """The formulas of traits, over traits that have none. Raises DeclarationError."""
    found: dict[str, Node] = {}
    by_name = {each.name: each for each in traits}
    for each in traits:
        if each.spec.formula is not None:
            found[each.name] = _expanded(each, by_name, found, ())
    kinds: dict[str, Kind] = {
        each.name: KINDS_OF_AGGREGATES[each.spec.aggregate]
        for each in traits
        if each.spec.aggregate is not None
    }
    for name, tree in found.items():
        try:
            kind = kind_of(tree, kinds)
        except RuleError as error:
            raise DeclarationError(f"{by_name[name].place}: `formula`: {error}") from None
        if kind in (None, "interval"):
            raise DeclarationError(
                f"{by_name[name].place}: `formula` gives {kind or 'null'}; write one that gives a "
                "number, a text, a timestamp, or true and false"
            )
    return found


def _expanded(
    trait: Declared,
    by_name: Mapping[str, Declared],
    found: Mapping[str, Node],
    path: tuple[str, ...],
) -> Node:
    """The formula of a trait, without formulas in it; `path` holds the formulas that need it."""
    path = (*path, trait.name)
    tree = parse(trait.spec.formula)
    parts: dict[str, Node] = {}
    for name in columns_of_rule(tree):
        if name not in by_name:
            raise DeclarationError(
                f"{trait.place}: `formula` references unknown trait `{name}`; "
                f"{nearest(name, by_name)}"
            )
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            raise DeclarationError(f"{trait.place}: `formula` refers to itself: {circle}")
        if by_name[name].spec.formula is not None:
            parts[name] = found.get(name) or _expanded(by_name[name], by_name, found, path)
    return replaced(tree, parts)


def replaced(tree: Node, parts: Mapping[str, Node]) -> Node:
    """A tree in which other trees stand for some columns."""
    if isinstance(tree, Column):
        return parts.get(tree.name, tree)
    if isinstance(tree, Call):
        return Call(tree.operation, tuple(replaced(each, parts) for each in tree.arguments))
    return tree
