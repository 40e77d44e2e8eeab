"""Traits that are computed from other traits: `formula: views_7d - views_prior_7d`.

A formula is an expression in the language of rules over the names of traits. A formula in a formula
is replaced by its own expression, so that all are computed from aggregates of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tideline.declarations.operations import Call, Column, Kind, Node
from tideline.declarations.rules import RuleError, columns_of_rule, kind_of, parse
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.segments import Declared

MOST_PARTS = 2000  # of a formula with the formulas in it
DEEPEST = 100  # such parts within each other
# The kind of the values of each aggregate; of those in `OF_PROPERTY`, if the plan has no other.
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
    "listed": "boolean",
}
OF_PROPERTY = ("first", "last", "most_frequent")  # aggregates whose value is one of the property
# The kinds of the types of the tracking plan; an object or an array is read as its text.
KINDS_OF_PLAN: dict[str, Kind] = {
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "timestamp": "timestamp",
}


def kind_of_aggregate(spec: Any, plan: Iterable[tuple[str, str, str]]) -> Kind | None:
    """The kind of the values of a trait; None if it has a formula.

    `plan` has the properties of events with their types. If the events of a trait disagree about
    the kind of its property, it is a text.
    """
    if spec.aggregate is None:
        return None
    if spec.aggregate in OF_PROPERTY:
        kinds = {
            KINDS_OF_PLAN.get(kind, "text")
            for event, name, kind in plan
            if name == spec.property and (event in spec.event or "*" in spec.event)
        }
        if len(kinds) == 1:
            return kinds.pop()
    return KINDS_OF_AGGREGATES[spec.aggregate]


def kinds_of_traits(traits: Iterable[Declared]) -> dict[str, Kind]:
    """The kinds of the traits that have no formula, by name."""
    return {each.name: each.kind for each in traits if each.kind is not None}


def all_kinds(traits: Sequence[Declared]) -> dict[str, Kind]:
    """The kinds of all traits by name. Raises DeclarationError for a wrong formula."""
    kinds = kinds_of_traits(traits)
    for name, tree in formulas_of(traits).items():
        kinds[name] = kind_of(tree, kinds) or "text"
    return kinds


def formulas_of(traits: Sequence[Declared]) -> dict[str, Node]:
    """The formulas of traits, over traits that have none. Raises DeclarationError."""
    by_name = {each.name: each for each in traits}
    found: dict[str, Node] = {}
    for each in traits:
        if each.spec.formula is not None:
            _expand(each, by_name, found, ())
    kinds = kinds_of_traits(traits)
    for name, tree in found.items():
        try:
            kind = kind_of(tree, kinds)
        except RuleError as error:
            raise DeclarationError(f"{by_name[name].place}: `formula`: {error}") from None
        if kind is None:
            raise DeclarationError(f"{by_name[name].place}: `formula` is always null")
    return found


def _expand(
    trait: Declared, by_name: Mapping[str, Declared], found: dict[str, Node], path: tuple[str, ...]
) -> None:
    """Add the formula of a trait to `found`, without formulas in it, after those that it needs;
    `path` holds the formulas that need it.
    """
    path = (*path, trait.name)
    tree = parse(trait.spec.formula)
    for name in dict.fromkeys(columns_of_rule(tree)):
        if name not in by_name:
            raise DeclarationError(
                f"{trait.place}: `formula` references unknown trait `{name}`; "
                f"{nearest(name, by_name)}"
            )
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            raise DeclarationError(f"{trait.place}: `formula` refers to itself: {circle}")
        if by_name[name].spec.formula is not None and name not in found and len(path) <= DEEPEST:
            _expand(by_name[name], by_name, found, path)
    size, depth = measured(tree, found)
    if len(path) > DEEPEST or depth > DEEPEST or size > MOST_PARTS:
        raise DeclarationError(
            f"{trait.place}: `formula` is too large with the formulas in it: at most {MOST_PARTS} "
            f"parts, and {DEEPEST} within each other; simplify them"
        )
    found[trait.name] = replaced(tree, found)


def measured(tree: Node, found: Mapping[str, Node]) -> tuple[int, int]:
    """The number of parts that a tree will have, and of parts within each other."""
    if isinstance(tree, Column) and tree.name in found:
        return measured(found[tree.name], {})
    if not isinstance(tree, Call):
        return 1, 1
    sizes = [measured(each, found) for each in tree.arguments]
    return 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


def replaced(tree: Node, parts: Mapping[str, Node]) -> Node:
    """A tree in which other trees stand for some columns."""
    if isinstance(tree, Column):
        return parts.get(tree.name, tree)
    if isinstance(tree, Call):
        return Call(tree.operation, tuple(replaced(each, parts) for each in tree.arguments))
    return tree
