"""The parts of a rule with their values for one profile: which are met, and how far others are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeGuard

from tideline.declarations.operations import Call, Column, Constant, Node, Value
from tideline.declarations.rules import columns_of_rule, text_of, value_of
from tideline.declarations.whole import Rule
from tideline.text import shown

WORDS = {True: "yes", False: "no", None: "unknown"}
WIDTH = max(map(len, WORDS.values()))
INDENT = 2


@dataclass(frozen=True)
class Reason:
    """A part of a rule for one profile.

    `is_met` is None if it is neither true nor false, because a value is null. `values` holds the
    columns that it reads. A part joined by `and` or `or` has `parts` instead of a text.
    """

    text: str
    is_met: bool | None
    values: Mapping[str, Value]
    shortfall: str | None = None
    joined: Literal["and", "or"] | None = None
    parts: tuple[Reason, ...] = ()


def reason_of(rule: Node, row: Mapping[str, Value]) -> Reason:
    """The reason of a rule for the row of a profile, with its parts."""
    value = value_of(rule, row)
    is_met = value if isinstance(value, bool) else None
    if isinstance(rule, Call) and rule.operation in ("and", "or"):
        parts = tuple(reason_of(each, row) for each in rule.arguments)
        return Reason("", is_met, {}, None, "and" if rule.operation == "and" else "or", parts)
    values = {name: row[name] for name in columns_of_rule(rule)}
    return Reason(text_of(rule), is_met, values, None if is_met else shortfall_of(rule, row))


def reason_in(rule: Rule, row: Mapping[str, Value]) -> Reason:
    """The reason of the rule of a segment for the row of a profile. The segments that it names are
    values, and so are those that come first in its group.
    """
    named = {name: is_member(each.tree, row) for name, each in rule.reads.items()}
    own = reason_of(rule.written, {**row, **named})
    if not rule.above:
        return own
    parts = [*(own.parts if own.joined == "and" else (own,))]
    for each in rule.above:
        is_taken = is_member(each.own, row)
        parts.append(Reason(f"not {each.name}", not is_taken, {each.name: is_taken}))
    value = value_of(rule.tree, row)
    return Reason("", value if isinstance(value, bool) else None, {}, None, "and", tuple(parts))


def taken_by(rule: Rule, row: Mapping[str, Value]) -> Rule | None:
    """The segment that comes first in the group of another one, if only therefore a profile is not
    in that other one.
    """
    if not is_member(rule.own, row):
        return None
    return next((each for each in rule.above if is_member(each.own, row)), None)


def is_member(tree: Node, row: Mapping[str, Value]) -> bool:
    """Whether a rule holds for the row of a profile."""
    return value_of(tree, row) is True


def shortfall_of(part: Node, row: Mapping[str, Value]) -> str | None:
    """How far a comparison of numbers is from being true; None if that is not a distance."""
    if not isinstance(part, Call) or part.operation not in ("<", "<=", ">", ">=", "="):
        return None
    kinds = {type(each) for each in part.arguments}
    if kinds != {Column, Constant}:  # the distance of an expression is not that of its columns
        return None
    left, right = (value_of(each, row) for each in part.arguments)
    if not is_number(left) or not is_number(right):
        return None
    if left == right:
        return "which is the limit itself"
    constant_first = isinstance(part.arguments[0], Constant)
    value, bound = (right, left) if constant_first else (left, right)
    return f"{shown_value(abs(value - bound))} {'too low' if value < bound else 'too high'}"


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown_value(value: Value) -> str:
    """A value as text on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value + 0.0:.10g}"  # 0 instead of -0
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}".removesuffix(".000000")
    return f"'{shown(value)}'" if isinstance(value, str) else str(value)


def lines_of(reason: Reason, depth: int = 1) -> Iterator[str]:
    """The reason as indented lines; the parts of a rule that is one `and` stand alone."""
    if reason.joined == "and" and depth == 1:
        for part in reason.parts:
            yield from lines_of(part, depth)
        return
    head = f"{' ' * INDENT * depth}{WORDS[reason.is_met]:<{WIDTH}}  "
    if reason.joined:
        yield f"{head}{'all' if reason.joined == 'and' else 'one'} of these:"
        for part in reason.parts:
            yield from lines_of(part, depth + 1)
        return
    said = ", ".join(f"{name} is {shown_value(value)}" for name, value in reason.values.items())
    yield (
        head
        + reason.text
        + (f"   ({said}" if said else "")
        + (f", {reason.shortfall})" if reason.shortfall else ")" if said else "")
    )


def columns_in(reason: Reason) -> list[str]:
    """The columns that a reason reads, each once, in the order of the rule."""
    found = [*reason.values]
    for part in reason.parts:
        found += columns_in(part)
    return list(dict.fromkeys(found))
