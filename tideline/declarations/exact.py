"""Which rules are functions of time alone, and when their traits can change.

A trait over events is a step function of time: an event begins to count at its time plus `before`,
and stops when `within` has passed. Time since an event grows between events, but a comparison of it
with a number changes at one instant. An attribute of the golden profile changes at the events that
state it. So such a rule holds on intervals that are known to the microsecond, also those that end
in the future. A rule that reads a feature, a score or a persona changes with the build that
computes these, and has no intervals.

An instant `s` stands for a build whose data clock is a microsecond later: that build counts the
events up to and including `s`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tideline.declarations.formulas import formulas_of, replaced
from tideline.declarations.operations import Call, Column, Node, Value
from tideline.declarations.rules import columns_of_rule, sql_of, value_of
from tideline.declarations.segments import SINCE, Declared
from tideline.declarations.whole import why_not
from tideline.warehouse.errors import DeclarationError

MICROSECONDS = {"minutes": 60_000_000, "hours": 3_600_000_000, "days": 86_400_000_000}
UNITS = {"minutes_since": MICROSECONDS["minutes"], "days_since": MICROSECONDS["days"]}
# Aggregates whose value a warehouse cannot compute at each instant.
UNLIKE = {"duckdb": frozenset[str](), "snowflake": frozenset({"count_distinct", "first", "last"})}
# The values of aggregates over no event; the others are null.
EMPTY: dict[str, Value] = {
    "count": 0,
    "count_distinct": 0,
    "sum": 0,
    "streak": 0,
    "exists": False,
    "listed": False,
}
COMPARISONS = ("<", "<=", ">", ">=", "=", "<>", "between", "in", "is null")


@dataclass
class ExactTrait:
    """A trait that a rule with intervals reads.

    An event counts from `start` microseconds after its time, for `length` microseconds, or forever
    if that is None. `offsets` are the microseconds after an event at which the value, or a
    comparison of it, can change, besides the time of the event itself.
    """

    trait: Declared
    start: int
    length: int | None
    offsets: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class ExactRule:
    """The rule of a segment as SQL over the values of its `traits`, and of its `attributes` of the
    golden profile, at an instant.

    `events` are the columns of `trait_readings` that are not null where an event changes it at
    once. `is_of_nothing` tells whether it may hold for somebody with no event that a trait counts.
    `because` says why it has no intervals; then the others are empty.
    """

    segment: Declared
    sql: str = ""
    traits: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    is_of_nothing: bool = False
    because: str | None = None


def exact_rules(
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    dialect: str,
    attributes: Collection[str],
) -> tuple[list[ExactRule], list[ExactTrait]]:
    """The rules of segments as functions of time, and the traits that those with intervals read.

    `attributes` are those of the golden profile that rules may read. Raises DeclarationError for a
    frozen segment without intervals.
    """
    by_name = {each.name: each for each in traits}
    formulas = formulas_of(traits)
    used: dict[str, ExactTrait] = {}
    rules = []
    for segment in segments:
        tree = replaced(segment.rule.tree, formulas)
        if because := why_not(
            segment.rule,
            lambda part: _because(replaced(part, formulas), by_name, dialect, attributes),
        ):
            if segment.spec.frozen_at is not None:
                raise DeclarationError(
                    f"{segment.place}: `frozen_at` needs a rule with intervals, but {because}"
                )
            rules.append(ExactRule(segment, because=because))
            continue
        columns = dict.fromkeys(columns_of_rule(tree))
        names = tuple(name for name in columns if name in by_name)
        of_profile = tuple(name for name in columns if name not in by_name)
        for name in names:
            used.setdefault(name, _exact_trait(by_name[name]))
        for name, number, is_reached in _compared(tree):
            if name in used and (unit := UNITS.get(used[name].trait.spec.aggregate)) is not None:
                used[name].offsets |= _crossing(number, unit, is_reached)
        sql = sql_of(tree, dialect, lambda name: _column(name, by_name))
        at_once = [name for name in names if not used[name].start]
        ends = [f"_ends_{name}" for name in names if by_name[name].spec.until]
        nothing: dict[str, Value] = dict.fromkeys(of_profile)
        nothing |= {name: EMPTY.get(by_name[name].spec.aggregate) for name in names}
        of_list = any(by_name[name].spec.list for name in names)
        is_of_nothing = of_list or value_of(tree, nothing) is True
        rules.append(ExactRule(segment, sql, names, of_profile, (*at_once, *ends), is_of_nothing))
    order = {name: place for place, name in enumerate(by_name)}
    return rules, sorted(used.values(), key=lambda each: order[each.trait.name])


def _because(
    tree: Node, traits: Mapping[str, Declared], dialect: str, attributes: Collection[str]
) -> str | None:
    """Why a rule has no intervals; None if it has."""
    names = [name for name in columns_of_rule(tree) if name not in attributes]
    for name in names:
        if name not in traits:
            return f"it reads `{name}`, which changes with a build"
        aggregate = traits[name].spec.aggregate
        if aggregate in UNLIKE[dialect]:
            return f"it reads `{name}`, whose aggregate is `{aggregate}`"
    times = {name for name in names if traits[name].spec.aggregate in SINCE}
    if loose := next(_calculated(tree, times), None):
        return f"it calculates with `{loose}`; compare it with a number"
    return None


def _calculated(tree: Node, times: set[str]) -> Iterator[str]:
    """The names among `times` that a rule does not only compare with constants."""
    if isinstance(tree, Column) and tree.name in times:
        yield tree.name
    if isinstance(tree, Call) and not _is_comparison(tree):
        for each in tree.arguments:
            yield from _calculated(each, times)
    elif isinstance(tree, Call):
        column, *others = sorted(tree.arguments, key=lambda each: not isinstance(each, Column))
        rest = others if isinstance(column, Column) else tree.arguments
        for each in rest:
            yield from _calculated(each, times)


def _is_comparison(tree: Call) -> bool:
    """Whether a call compares one column with constants."""
    columns = [each for each in tree.arguments if isinstance(each, Column)]
    return (
        tree.operation in COMPARISONS
        and len(columns) == 1
        and not any(
            [*columns_of_rule(each)] for each in tree.arguments if not isinstance(each, Column)
        )
    )


def _compared(tree: Node) -> Iterator[tuple[str, float, bool]]:
    """The columns that a rule compares with numbers; whether the comparison changes when a growing
    value reaches the number, else when it exceeds it.
    """
    if not isinstance(tree, Call):
        return
    if _is_comparison(tree):
        (name,) = columns_of_rule(tree)
        is_left = isinstance(tree.arguments[0], Column)
        for place, each in enumerate(tree.arguments):
            number = None if isinstance(each, Column) else value_of(each, {})
            if isinstance(number, int | float) and not isinstance(number, bool):
                if tree.operation in (("<", ">=") if is_left else (">", "<=")):
                    changes = [True]
                elif tree.operation in (("<=", ">") if is_left else ("<", ">=")):
                    changes = [False]
                elif tree.operation == "between" and is_left:
                    changes = [place == 1]
                else:
                    changes = [True, False]
                yield from ((name, float(number), is_reached) for is_reached in changes)
    for each in tree.arguments:
        yield from _compared(each)


def _crossing(number: float, unit: int, is_reached: bool) -> set[int]:
    """The microseconds after an event at which the time since it, in units, reaches a number, or
    exceeds it; none if it does so at once.

    The warehouse divides whole microseconds as doubles, so the edge is searched for by division.
    """
    if not 0 <= number * unit < 2**53:  # 285 years; doubles are whole microseconds up to there
        return set()
    since = max(1, math.floor(number * unit) - 2)
    while since / unit < number or (not is_reached and since / unit == number):
        since += 1
    return {since - 1} - {0}


def _exact_trait(trait: Declared) -> ExactTrait:
    start = _microseconds(trait.spec.before) or 0
    length = _microseconds(trait.spec.within)
    offsets = {start} if length is None else {start, start + length}
    return ExactTrait(trait, start, length, offsets - {0})


def _microseconds(text: str | None) -> int | None:
    if text is None:
        return None
    count, unit = text.split()
    return int(count) * MICROSECONDS[unit]


def _column(name: str, traits: Mapping[str, Declared]) -> str:
    """The value of a trait or an attribute, from what decides it at an instant."""
    unit = UNITS.get(traits[name].spec.aggregate) if name in traits else None
    if unit is None:
        return name
    since = f"datediff('microsecond', {name}, happened_at) + 1"
    return f"(cast({since} as double) / {unit})"
