"""The operations of the language of rules: arguments, result, SQL and Python value of each.

Both warehouses and Python give the same results: arithmetic uses doubles, case is changed letter by
letter, and text is ordered by code points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

Kind = Literal["number", "text", "boolean", "timestamp", "interval"]
Value = bool | int | float | str | datetime | timedelta | None


@dataclass(frozen=True)
class Column:
    """A column by its name."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A constant in the rule; a timedelta is an interval."""

    value: Value


@dataclass(frozen=True)
class Call:
    """An operation of `OPERATIONS` on its arguments."""

    operation: str
    arguments: tuple[Node, ...]


Node = Column | Constant | Call


@dataclass(frozen=True)
class Operation:
    """The definition of an operation.

    - `words`: its form in a rule.
    - `takes`: kinds of its arguments: one of `Kind`, `any`, or `same` and `ordered`, which mean one
      kind for all such arguments.
    - `more`: kinds that may follow, repeated as a group.
    - `last`: kinds at the end.
    - `gives`: kind of its result; `same` is the kind of its arguments.
    - `sql`: makes its SQL from the SQL of its arguments.
    - `value`: computes its value from its arguments, which are not null unless `takes_null`.
    - `is_function`: whether it is written with parentheses around its arguments.
    - `is_arithmetic`: whether its arguments are doubles.
    """

    words: str
    takes: tuple[str, ...]
    gives: Any
    sql: Callable[..., str]
    value: Callable[..., Value]
    more: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    takes_null: bool = False
    is_function: bool = False
    is_arithmetic: bool = False

    def kinds(self, count: int) -> tuple[str, ...] | None:
        """The kinds of `count` arguments; None if the operation does not take this number."""
        rest = count - len(self.takes) - len(self.last)
        if rest < 0 or (rest % len(self.more) if self.more else rest):
            return None
        groups = rest // len(self.more) if self.more else 0
        return self.takes + self.more * groups + self.last


def _infix(operator: str) -> Callable[..., str]:
    return lambda *parts: f" {operator} ".join(parts)


def _function(name: str) -> Callable[..., str]:
    return lambda *parts: f"{name}({', '.join(parts)})"


def _and(*values: Value) -> Value:
    return False if False in values else None if None in values else True


def _or(*values: Value) -> Value:
    return True if True in values else None if None in values else False


def _in(value: Value, *others: Value) -> Value:
    if value is None:
        return None
    found = _order(value) in [_order(each) for each in others if each is not None]
    return True if found else None if None in others else False


def _case_sql(*parts: str) -> str:
    *pairs, otherwise = parts
    whens = zip(pairs[::2], pairs[1::2], strict=True)
    branches = " ".join(f"when {condition} then {value}" for condition, value in whens)
    return f"case {branches} else {otherwise} end"


def _case(*values: Value) -> Value:
    *pairs, otherwise = values
    for condition, value in zip(pairs[::2], pairs[1::2], strict=True):
        if condition is True:
            return value
    return otherwise


def _like(text: str, pattern: str) -> bool:
    """Whether a text matches; each `%` first takes nothing, and more only if the rest fails."""
    at, place, retry, start = 0, 0, -1, 0  # in text, in pattern; after the last %, and its text
    while at < len(text):
        if place < len(pattern) and pattern[place] == "%":
            place += 1
            retry, start = place, at
        elif place < len(pattern) and pattern[place] in ("_", text[at]):
            at, place = at + 1, place + 1
        elif retry >= 0:
            start += 1
            at, place = start, retry
        else:
            return False
    return not pattern[place:].strip("%")


def _lower(text: str) -> str:
    """Lower case, letter by letter. There is no `upper`, because engines differ for `ß`."""
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


def _rounded(number: float) -> float:
    return (
        float(Decimal(number).to_integral_value(ROUND_HALF_UP)) if math.isfinite(number) else number
    )


def _whole(change: Callable[[float], int]) -> Callable[[float], float]:
    return lambda number: float(change(number)) if math.isfinite(number) else float(number)


def _order(value: Any) -> Any:
    """A value as warehouses order it: one that is not a number is equal to itself, and greatest."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    return (math.isnan(value), 0 if math.isnan(value) else value)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: compare(_order(left), _order(right))


def _ordered(words: str, compare: Callable[[Any, Any], bool]) -> Operation:
    return Operation(words, ("ordered", "ordered"), "boolean", _infix(words), _compared(compare))


def _between(value: Value, low: Value, high: Value) -> Value:
    at_least = None if None in (value, low) else _order(value) >= _order(low)
    return _and(at_least, None if None in (value, high) else _order(value) <= _order(high))


def _arithmetic(words: str, compute: Callable[[float, float], float]) -> Operation:
    return Operation(
        words,
        ("number", "number"),
        "number",
        _infix(words),
        lambda left, right: compute(float(left), float(right)),
        is_arithmetic=True,
    )


def _divided(words: str, compute: Callable[[float, float], float]) -> Operation:
    """A division; null for a division by zero, which is an error in some warehouses."""
    return Operation(
        words,
        ("number", "number"),
        "number",
        lambda left, right: f"{left} {words} nullif({right}, 0)",
        lambda left, right: compute(float(left), float(right)) if right else None,
        is_arithmetic=True,
    )


def _number(words: str, compute: Callable[[float], float]) -> Operation:
    return Operation(
        words,
        ("number",),
        "number",
        _function(words),
        lambda number: compute(float(number)),
        is_function=True,
        is_arithmetic=True,
    )


def _text(words: str, gives: str, compute: Callable[[str], Value]) -> Operation:
    return Operation(words, ("text",), gives, _function(words), compute, is_function=True)


def _equal(left: Any, right: Any) -> bool:
    return left == right


def _unequal(left: Any, right: Any) -> bool:
    return left != right


def _remainder(left: float, right: float) -> float:
    return math.fmod(left, right) if math.isfinite(left) else math.nan


def _later(instant: datetime, interval: timedelta) -> datetime:
    """An instant after an interval; a warehouse's calendar is longer than Python's."""
    try:
        return instant + interval
    except OverflowError:
        return datetime.max if interval > timedelta() else datetime.min


OPERATIONS: dict[str, Operation] = {
    "and": Operation("and", (), "boolean", _infix("and"), _and, ("boolean",), takes_null=True),
    "or": Operation("or", (), "boolean", _infix("or"), _or, ("boolean",), takes_null=True),
    "not": Operation("not", ("boolean",), "boolean", "not {}".format, lambda each: not each),
    "=": Operation("=", ("same", "same"), "boolean", _infix("="), _compared(_equal)),
    "<>": Operation("<>", ("same", "same"), "boolean", _infix("<>"), _compared(_unequal)),
    "<": _ordered("<", lambda a, b: a < b),
    "<=": _ordered("<=", lambda a, b: a <= b),
    ">": _ordered(">", lambda a, b: a > b),
    ">=": _ordered(">=", lambda a, b: a >= b),
    "is distinct from": Operation(
        "is distinct from",
        ("same", "same"),
        "boolean",
        _infix("is distinct from"),
        _compared(_unequal),
        takes_null=True,
    ),
    "is not distinct from": Operation(
        "is not distinct from",
        ("same", "same"),
        "boolean",
        _infix("is not distinct from"),
        _compared(_equal),
        takes_null=True,
    ),
    "is null": Operation(
        "is null", ("any",), "boolean", "{} is null".format, lambda a: a is None, takes_null=True
    ),
    "between": Operation(
        "between",
        ("ordered", "ordered", "ordered"),
        "boolean",
        "{} between {} and {}".format,
        _between,
        takes_null=True,
    ),
    "in": Operation(
        "in",
        ("same",),
        "boolean",
        lambda value, *others: f"{value} in ({', '.join(others)})",
        _in,
        ("same",),
        takes_null=True,
    ),
    "like": Operation("like", ("text", "text"), "boolean", _infix("like"), _like),
    "case": Operation(
        "case", (), "same", _case_sql, _case, ("boolean", "same"), ("same",), takes_null=True
    ),
    "+": _arithmetic("+", lambda a, b: a + b),
    "-": _arithmetic("-", lambda a, b: a - b),
    "*": _arithmetic("*", lambda a, b: a * b),
    "/": _divided("/", lambda a, b: a / b),
    "%": _divided("%", _remainder),
    "negative": Operation(
        "-", ("number",), "number", "-{}".format, lambda a: -float(a), is_arithmetic=True
    ),
    "later": Operation("+", ("timestamp", "interval"), "timestamp", _infix("+"), _later),
    "earlier": Operation(
        "-", ("timestamp", "interval"), "timestamp", _infix("-"), lambda a, b: _later(a, -b)
    ),
    "||": Operation("||", ("text", "text"), "text", _infix("||"), lambda a, b: a + b),
    "coalesce": Operation(
        "coalesce",
        ("same", "same"),
        "same",
        _function("coalesce"),
        lambda *values: next((each for each in values if each is not None), None),
        ("same",),
        takes_null=True,
        is_function=True,
    ),
    "nullif": Operation(
        "nullif",
        ("same", "same"),
        "same",
        _function("nullif"),
        lambda a, b: None if _order(a) == _order(b) else a,
        takes_null=True,
        is_function=True,
    ),
    "lower": _text("lower", "text", _lower),
    "trim": Operation(
        "trim",
        ("text",),
        "text",
        "trim({}, ' ')".format,  # without it DuckDB also trims other spaces
        lambda text: text.strip(" "),
        is_function=True,
    ),
    "length": _text("length", "number", len),
    "abs": _number("abs", abs),
    "round": _number("round", _rounded),
    "floor": _number("floor", _whole(math.floor)),
    "ceil": _number("ceil", _whole(math.ceil)),
}


def kind_of_value(value: Value) -> Kind | None:
    """The kind of a value; None for null."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "timestamp"
    return "interval" if isinstance(value, timedelta) else None


def constant_sql(value: Value, dialect: str) -> str:
    """A constant in SQL. A backslash is an escape character only in Snowflake."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        text = value.replace("\\", "\\\\") if dialect == "snowflake" else value
        return "'" + text.replace("'", "''") + "'"
    if isinstance(value, datetime):
        kind = "timestamp_ntz" if dialect == "snowflake" else "timestamp"
        return f"cast('{value.isoformat(' ')}' as {kind})"
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        size, unit = next(
            (size, unit)
            for size, unit in ((1440, "days"), (60, "hours"), (1, "minutes"))
            if minutes % size == 0
        )
        return f"interval '{minutes // size} {unit}'"
    return format(Decimal(str(value)), "f")
