"""Declared segments that have no members as long as certain events, or a model, are missing.

A trait names the events that it counts. A feature names the event without which it is 0 or null
(`meta.event` in models/features/profile_features.yml). If a required part of a rule is false or
null for such values, the segment is empty.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tideline.declarations.checks import ANY
from tideline.declarations.files import columns_of, meta_of, vars_of
from tideline.declarations.formulas import formulas_of
from tideline.declarations.operations import Call, Node, Value
from tideline.declarations.rules import columns_of_rule, value_of
from tideline.declarations.segments import PROJECT, Declared, read_segments, read_traits
from tideline.declarations.whole import is_in
from tideline.text import listed
from tideline.warehouse.errors import DeclarationError

# The values of aggregates without events; those of others are null.
NOTHING = {"count": 0, "count_distinct": 0, "sum": 0, "streak": 0, "exists": False}
MOST_COMBINATIONS = 4096  # of empty values that are tried; a rule with more may have members
MAPPING = "map an event to it (docs/tutorials/your-own-log.md)"

LEAVE_OUT = ", or leave the sample shop out with `shop: false` (docs/tutorials/make-it-yours.md)"


@dataclass(frozen=True)
class Attribute:
    """An attribute: the events or the model that it needs, and its possible values without them."""

    needs: tuple[str, ...]
    nothing: tuple[Value, ...]


def declared_attributes(project: Path = PROJECT) -> dict[str, Attribute]:
    """The traits, and the features that depend on one event; by name."""
    found = {
        column["name"]: Attribute((event,), (0, None))
        for _, column in columns_of("profile_features", project)
        if isinstance(event := meta_of(column).get("event"), str)
    }
    traits = _traits(project)
    for trait in traits:
        if trait.spec.event and trait.spec.event != ANY:
            nothing = NOTHING.get(trait.spec.aggregate)
            found[trait.name] = Attribute(trait.spec.event, (nothing,))
    for name, tree in formulas_of(traits).items():
        parts = [found.get(part) for part in columns_of_rule(tree)]
        if all(parts):
            row = {part: found[part].nothing[0] for part in columns_of_rule(tree)}
            needs = dict.fromkeys(event for part in parts if part for event in part.needs)
            found[name] = Attribute(tuple(needs), (value_of(tree, row),))
    return found


def shop_is_on(project: Path) -> bool:
    """The var `shop` of dbt_project.yml."""
    return bool(vars_of(project).get("shop", True))


def live_segments(project: Path = PROJECT) -> list[Declared]:
    """The segments that may have members; those of the shop only if the var `shop` is true.

    None at all if a declaration is wrong, which a build reports.
    """
    try:
        segments = read_segments(project, shop_is_on(project))
    except DeclarationError:
        return []
    return [each for each in segments if each.spec.lifecycle == "live"]


def declared_rules(project: Path = PROJECT) -> dict[str, Node]:
    """The whole rules of the live segments, by name."""
    return {each.name: each.rule.tree for each in live_segments(project)}


def _traits(project: Path) -> list[Declared]:
    """The traits; none at all if a declaration is wrong, which a build reports."""
    try:
        return read_traits(project)
    except DeclarationError:
        return []


def parts_of(rule: Node) -> Iterator[Node]:
    """The conditions of a rule that must all be true."""
    if isinstance(rule, Call) and rule.operation == "and":
        for each in rule.arguments:
            yield from parts_of(each)
    elif isinstance(rule, Call) and rule == is_in(rule.arguments[0]):  # that of another segment
        yield from parts_of(rule.arguments[0])
    else:
        yield rule


def is_never(part: Node, nothing: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether a condition is false or null for every combination of the values in `nothing`.

    `nothing` maps attributes to their values without events. A condition that also reads other
    columns may be true.
    """
    if not {*columns_of_rule(part)} <= nothing.keys():
        return False
    if math.prod(map(len, nothing.values())) > MOST_COMBINATIONS:
        return False
    combinations = itertools.product(*nothing.values())
    rows = (dict(zip(nothing, values, strict=True)) for values in combinations)
    try:
        return not any(value_of(part, row) is True for row in rows)
    except (TypeError, ArithmeticError, ValueError):  # wrong types, which a build reports
        return False


def without_members(
    rules: Mapping[str, Node], empty: Mapping[str, Attribute]
) -> dict[tuple[str, ...], list[str]]:
    """Segments without members because of empty attributes, by what each attribute needs."""
    found: dict[tuple[str, ...], list[str]] = {}
    for segment, rule in rules.items():
        for part in parts_of(rule):
            nothing = {name: empty[name].nothing for name in columns_of_rule(part) if name in empty}
            if nothing and is_never(part, nothing):
                for name in nothing:
                    segments = found.setdefault(empty[name].needs, [])
                    segments += [segment] if segment not in segments else []
    return found


def empty_attributes(accepted: Collection[str], project: Path = PROJECT) -> dict[str, Attribute]:
    """The traits and features without any accepted event."""
    return {
        name: attribute
        for name, attribute in declared_attributes(project).items()
        if not set(attribute.needs) & set(accepted)
    }


def sentences(
    rules: Mapping[str, Node],
    accepted: Iterable[str],
    why: str,
    project: Path = PROJECT,
    quarantined: Collection[str] = (),
) -> list[str]:
    """Sentences about missing events; `why` says where they are missing and what follows.

    Segments of the sample shop share one sentence; each other missing event has its own. Of the
    events in `quarantined` there are rows, but none that was accepted.
    """
    of_shop = {each.name for each in live_segments(project) if each.is_of_shop}
    own, shop_events, shop_segments = [], [], []
    for events, names in without_members(rules, empty_attributes(set(accepted), project)).items():
        if set(names) <= of_shop:
            shop_events += [each for each in events if each not in shop_events]
            shop_segments += [each for each in names if each not in shop_segments]
        else:
            own.append(sentence(events, names, why, quarantined))
    if shop_segments:
        own.append(sentence(shop_events, shop_segments, why, quarantined, LEAVE_OUT))
    return own


def sentence(
    events: Iterable[str],
    segments: Iterable[str],
    why: str,
    quarantined: Collection[str],
    other_fix: str = "",
) -> str:
    """The sentence about missing events that segments need."""
    named = {event: f"`{event}`" for event in events}
    there = [name for event, name in named.items() if event in quarantined]
    said = f"No {'accepted ' if there else ''}{listed(named.values())} event {why}: "
    said += f"{', '.join(segments)}; {MAPPING}{other_fix}."
    if there:
        said += f" Rows of {listed(there, 'and')} landed, but none is accepted."
    return said
