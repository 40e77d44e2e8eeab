"""The closed language of rules, such as `purchases_ever >= 3 and top_category in ('hats', 'caps')`.

`parse` reads a text with sqlglot and rebuilds it from an allowlist, `OPERATIONS`. Everything else
is refused, so a rule reads no table, no file and no setting. Only the rebuilt tree reaches a
warehouse (`sql_of`) or is computed here (`value_of`).

As in SQL, an operation on null gives null; so does a division by zero.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from tideline.declarations.operations import (
    OPERATIONS,
    Call,
    Column,
    Constant,
    Kind,
    Node,
    Value,
    constant_sql,
    kind_of_value,
)
from tideline.text import listed, nearest, shown

ORDERS = ("<", "<=", ">", ">=", "between")
NAME = re.compile(r"[a-z][a-z0-9_]*")
TIMESTAMP = re.compile(r"cast\(('[^']*') as timestamp\)")
LONGEST = 4_000  # characters of a rule
DEEPEST = 40  # parentheses, or other nested parts, within each other
MOST_DIGITS = 15  # of a number; a double would round more of them
UNITS = {"minute": 60, "hour": 3600, "day": 86400}
DATE = re.compile(r"\d{4}-\d\d-\d\d")
INSTANT = re.compile(rf"{DATE.pattern}( \d\d:\d\d(:\d\d(\.\d{{1,6}})?)?)?")
LONGEST_INTERVAL = timedelta(days=36500)
INTERVAL = re.compile(r"([1-9]\d{0,5}) (minute|hour|day)s?")


class RuleError(ValueError):
    """A text is not a rule; the message names the part and the fix."""


def parse(text: str) -> Node:
    """The tree of a rule. Raises RuleError for everything outside the language."""
    if not isinstance(text, str) or not text.strip():
        raise RuleError('a rule is a condition in quotes, such as "recency <= 30"')
    if len(text) > LONGEST:
        raise RuleError(f"it has {len(text):,} characters; at most {LONGEST:,} are allowed")
    if control := next((c for c in text if is_control(c)), None):
        raise RuleError(f"the character {control!a} is not allowed")
    try:
        _check_tokens(sqlglot.tokenize(text))
        trees = sqlglot.parse(text)
        if len(trees) != 1 or trees[0] is None:
            raise RuleError("it is not exactly one condition; comments are not allowed")
        return _node(trees[0], DEEPEST)
    except (SqlglotError, RecursionError) as error:
        raise RuleError(_plain(error)) from None


def is_control(letter: str) -> bool:
    """Whether a character is a control character, or half of another one."""
    return unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t\r"


def _check_tokens(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        if token.comments:
            raise RuleError(f"comments are not allowed: {shown(token.comments[0].strip())}")
        if token.token_type is TokenType.SEMICOLON:
            raise RuleError("it is more than one condition; remove the semicolon")
        if token.token_type in (TokenType.L_BRACE, TokenType.BLOCK_START):
            raise RuleError("Jinja and braces are not allowed; write names without them")
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            raise RuleError("it has a `)` without a `(`")
        if depth > DEEPEST:
            raise RuleError(f"its parentheses are nested more than {DEEPEST} deep")
    if depth:
        raise RuleError("it has a `(` without a `)`")


def _plain(error: Exception) -> str:
    """The place where sqlglot stopped, without traceback and colors."""
    found = getattr(error, "errors", None)
    if not found:
        return "it cannot be read; check its quotes and parentheses"
    near = found[0].get("highlight") or ""
    return f"it cannot be read at `{shown(near)}`; check its quotes and operators"


def _refused(tree: exp.Expr, fix: str = "") -> RuleError:
    part = shown(re.sub(r"\s+", " ", tree.sql()))
    return RuleError(f"`{part}` is not allowed in a rule" + (f"; {fix}" if fix else ""))


def _node(tree: exp.Expr | None, depth: int) -> Node:
    """Our node for a node of sqlglot; `depth` is the number of levels still allowed below it."""
    if tree is None:
        raise RuleError("a function has no value between its parentheses")
    if depth <= 0:
        raise RuleError(f"its parts are nested more than {DEEPEST} deep")
    build = BUILDERS.get(type(tree))
    if build is None:
        raise _refused(tree, _fix(tree))
    return build(tree, depth - 1)


def _fix(tree: exp.Expr) -> str:
    if isinstance(tree, exp.Query | exp.Subquery | exp.Exists):
        return "a rule reads only columns of the profile"
    if isinstance(tree, exp.Cast | exp.TryCast):
        return "columns have their types already"
    if isinstance(tree, exp.ILike):
        return "write `lower(column) like '...'`"
    if isinstance(tree, exp.Func):
        functions = [each.words for each in OPERATIONS.values() if each.is_function]
        return f"the functions are {listed(functions, 'and')}"
    return ""


# The fixes for arguments of sqlglot that a rule must not have.
EXTRA: dict[tuple[type[exp.Expr], str], str] = {
    (exp.In, "query"): "a rule reads only columns of the profile",
    (exp.Column, "table"): "write the name of the column alone",
    (exp.Case, "this"): "write `case when column = 1 then ... end`",
    (exp.Round, "decimals"): "it rounds to whole numbers",
}


def _only(tree: exp.Expr, *keys: str) -> None:
    """Refuse a node of sqlglot with arguments that are not read here."""
    for key, value in tree.args.items():
        if value and key not in keys:
            raise _refused(tree, EXTRA.get((type(tree), key), ""))


def _column(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this")
    _only(tree.this, "this", "quoted")
    name = tree.name.lower()
    if tree.this.args.get("quoted"):
        raise _refused(
            tree, f"write a text in single quotes, '{tree.name}', and a name without any"
        )
    if not NAME.fullmatch(name):
        raise _refused(tree, "names are letters, digits and underscores")
    return Column(name)


def _literal(tree: exp.Expr, depth: int) -> Node:
    if tree.is_string:
        return Constant(tree.this)
    whole, _, fraction = tree.this.partition(".")
    digits = whole.lstrip("0") + fraction
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", tree.this) or len(digits) > MOST_DIGITS:
        raise _refused(tree, f"write a number of at most {MOST_DIGITS} digits, such as 0.25")
    return Constant(float(tree.this) if "." in tree.this else int(tree.this))


def _timestamp(tree: exp.Expr, depth: int) -> Node:
    """`timestamp '2026-01-31 12:00:00'` or `date '2026-01-31'`, which sqlglot reads as a cast."""
    kind = tree.args["to"].this
    is_instant = kind in (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.DATE)
    if not (is_instant and isinstance(tree.this, exp.Literal) and tree.this.is_string):
        raise _refused(tree, _fix(tree))
    text, is_date = tree.this.this, kind == exp.DataType.Type.DATE
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        value = None
    if value is None or not (DATE if is_date else INSTANT).fullmatch(text):
        raise _refused(tree, "write timestamp '2026-01-31 12:00:00' or date '2026-01-31', in UTC")
    return Constant(value)


def _interval(tree: exp.Expr) -> Node:
    unit = tree.args.get("unit")
    text = f"{tree.this.name if tree.this else ''} {unit.name if unit else ''}".strip().lower()
    match = INTERVAL.fullmatch(text)
    if not match:
        raise _refused(tree, "write interval '3 days', in minutes, hours or days")
    interval = timedelta(seconds=int(match[1]) * UNITS[match[2]])
    if interval > LONGEST_INTERVAL:
        raise _refused(tree, f"an interval is at most {LONGEST_INTERVAL.days:,} days long")
    return Constant(interval)


def _sum(operation: str, of_time: str) -> Callable[[exp.Expr, int], Node]:
    def build(tree: exp.Expr, depth: int) -> Node:
        left = _node(tree.this, depth)
        if isinstance(tree.expression, exp.Interval):
            if left == Constant(None):
                raise _refused(tree, "it is always null")
            return Call(of_time, (left, _interval(tree.expression)))
        return Call(operation, (left, _node(tree.expression, depth)))

    return build


def _call(operation: str) -> Callable[[exp.Expr, int], Node]:
    """Build a call from `this`, `expression` and `expressions` of a node of sqlglot."""

    def build(tree: exp.Expr, depth: int) -> Node:
        # `safe`, `typed` and the like are notes of sqlglot about the dialect, not text of the rule.
        _only(tree, "this", "expression", "expressions", "safe", "typed")
        parts = [tree.this, tree.args.get("expression"), *tree.expressions]
        return Call(operation, tuple(_node(part, depth) for part in parts if part is not None))

    return build


def _comparison(operation: str) -> Callable[[exp.Expr, int], Node]:
    """Builds a comparison; one with null would never be true."""

    def build(tree: exp.Expr, depth: int) -> Node:
        if any(isinstance(side, exp.Null) for side in (tree.this, tree.expression)):
            raise _refused(tree, "write `is null` or `is not null`")
        return _call(operation)(tree, depth)

    return build


def _chain(operation: str) -> Callable[[exp.Expr, int], Node]:
    """One call for `a and b and c`, so that a long rule is not deeply nested."""

    def build(tree: exp.Expr, depth: int) -> Node:
        parts = [_node(each, depth) for each in _flat(tree, type(tree))]
        return Call(operation, tuple(parts))

    return build


def _flat(tree: exp.Expr, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """The operands of a chain of one operator, from left to right, without recursion."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if type(part) is kind:
            waiting += [part.expression, part.this]
        else:
            yield part


def _is(tree: exp.Expr, depth: int) -> Node:
    if isinstance(tree.expression, exp.Null):
        return Call("is null", (_node(tree.this, depth),))
    if isinstance(tree.expression, exp.Boolean):
        is_not = Constant(tree.expression.this)
        return Call("is not distinct from", (_node(tree.this, depth), is_not))
    raise _refused(tree, "write `is null`, `is not null`, `is true` or `is false`")


def _in(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this", "expressions")
    if not tree.expressions:
        raise _refused(tree, "list its values, such as ('shoes', 'hats')")
    return Call("in", tuple(_node(each, depth) for each in (tree.this, *tree.expressions)))


def _between(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this", "low", "high")
    parts = (tree.this, tree.args["low"], tree.args["high"])
    return Call("between", tuple(_node(part, depth) for part in parts))


def _like(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this", "expression", "negate")
    pattern = _node(tree.expression, depth)
    if not isinstance(pattern, Constant):
        raise _refused(tree, "write the pattern in quotes")
    call = Call("like", (_node(tree.this, depth), pattern))
    return Call("not", (call,)) if tree.args.get("negate") else call


def _case(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "ifs", "default")
    parts: list[Node] = []
    for each in tree.args["ifs"]:
        parts += [_node(each.this, depth), _node(each.args["true"], depth)]
    default = tree.args.get("default")
    return Call("case", (*parts, _node(default, depth) if default else Constant(None)))


def _trim(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this")
    return Call("trim", (_node(tree.this, depth),))


def _round(tree: exp.Expr, depth: int) -> Node:
    _only(tree, "this")
    return Call(type(tree).__name__.lower(), (_node(tree.this, depth),))


BUILDERS: dict[type[exp.Expr], Callable[[exp.Expr, int], Node]] = {
    exp.Paren: lambda tree, depth: _node(tree.this, depth),
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: lambda tree, depth: Constant(tree.this),
    exp.Null: lambda tree, depth: Constant(None),
    exp.Cast: _timestamp,
    exp.And: _chain("and"),
    exp.Or: _chain("or"),
    exp.Not: _call("not"),
    exp.EQ: _comparison("="),
    exp.NEQ: _comparison("<>"),
    exp.LT: _comparison("<"),
    exp.LTE: _comparison("<="),
    exp.GT: _comparison(">"),
    exp.GTE: _comparison(">="),
    exp.NullSafeEQ: _call("is not distinct from"),
    exp.NullSafeNEQ: _call("is distinct from"),
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Like: _like,
    exp.Case: _case,
    exp.Add: _sum("+", "later"),
    exp.Sub: _sum("-", "earlier"),
    exp.Mul: _call("*"),
    exp.Div: _call("/"),
    exp.Mod: _call("%"),
    exp.Neg: _call("negative"),
    exp.DPipe: _call("||"),
    exp.Coalesce: _call("coalesce"),
    exp.Nullif: _call("nullif"),
    exp.Lower: _call("lower"),
    exp.Length: _call("length"),
    exp.Abs: _call("abs"),
    exp.Trim: _trim,
    exp.Round: _round,
    exp.Floor: _round,
    exp.Ceil: _round,
}


def columns_of_rule(node: Node) -> Iterator[str]:
    """The names of the columns that a rule reads, with repetitions."""
    if isinstance(node, Column):
        yield node.name
    elif isinstance(node, Call):
        for each in node.arguments:
            yield from columns_of_rule(each)


def sql_of(node: Node, dialect: str, column: Callable[[str], str] = str) -> str:
    """The SQL of a tree for `duckdb` or `snowflake`; `column` gives the SQL of a column name."""
    if isinstance(node, Column):
        return column(node.name)
    if isinstance(node, Constant):
        return constant_sql(node.value, dialect)
    operation = OPERATIONS[node.operation]
    parts = []
    for each in node.arguments:
        part = sql_of(each, dialect, column)
        if operation.is_arithmetic and not _is_double(each):
            part = f"cast({part} as double)"  # integers could overflow and fail the whole graph
        elif _is_infix(each) and not operation.is_function:
            part = f"({part})"
        parts.append(part)
    return operation.sql(*parts)


def _is_double(node: Node) -> bool:
    return isinstance(node, Call) and OPERATIONS[node.operation].is_arithmetic


def _is_infix(node: Node) -> bool:
    return isinstance(node, Call) and not OPERATIONS[node.operation].is_function


def value_of(node: Node, row: Mapping[str, Value]) -> Value:
    """The value of a tree for a row; the same as the warehouse computes from `sql_of`."""
    if isinstance(node, Column):
        return row[node.name]
    if isinstance(node, Constant):
        return node.value
    operation = OPERATIONS[node.operation]
    values = [value_of(each, row) for each in node.arguments]
    if not operation.takes_null and None in values:
        return None
    return operation.value(*values)


def kind_of(node: Node, kinds: Mapping[str, Kind]) -> Kind | None:
    """The kind of a tree's value; None for null.

    `kinds`: the kinds of the columns that a rule may read. Raises RuleError for an unknown column
    and for operands of a wrong kind.
    """
    if isinstance(node, Column):
        if node.name not in kinds:
            raise RuleError(f"unknown column `{node.name}`; {nearest(node.name, kinds)}")
        return kinds[node.name]
    if isinstance(node, Constant):
        return kind_of_value(node.value)
    operation = OPERATIONS[node.operation]
    found = [kind_of(each, kinds) for each in node.arguments]
    wanted = operation.kinds(len(found))
    if wanted is None:
        raise RuleError(f"`{operation.words}` has the wrong number of values")
    same: tuple[Node, Kind] | None = None
    for each, kind, want in zip(node.arguments, found, wanted, strict=True):
        if kind is None or want == "any":
            continue
        if want == "ordered" and kind == "boolean":
            raise RuleError(f"`{text_of(node)}` orders true and false; write `= true` or `= false`")
        if want in ("same", "ordered"):
            if same and same[1] != kind:
                raise RuleError(_mismatch(node, same, (each, kind)))
            same = same or (each, kind)
        elif want != kind:
            raise RuleError(
                f"`{text_of(node)}` needs a {want}, but `{text_of(each)}` is a {kind}"
                + (
                    f"; write a comparison, such as `{text_of(each)} > 0`"
                    if want == "boolean"
                    else ""
                )
            )
    return operation.gives if operation.gives != "same" else (same[1] if same else None)


def check_condition(node: Node, kinds: Mapping[str, Kind]) -> None:
    """Raise RuleError if a tree is not a condition over columns of these kinds."""
    kind = kind_of(node, kinds)
    if kind not in ("boolean", None):
        raise RuleError(
            f"`{text_of(node)}` is a {kind}, not a condition; compare it, such as "
            f"`{text_of(node)} {'> 0' if kind == 'number' else 'is not null'}`"
        )


def text_of(node: Node) -> str:
    """A part of a rule as a person would write it, on one line."""
    text = TIMESTAMP.sub(r"timestamp \1", sql_of(node, "duckdb"))
    return shown(text.replace("cast(", "").replace(" as double)", ""))


def _mismatch(node: Node, one: tuple[Node, Kind], other: tuple[Node, Kind]) -> str:
    kinds = listed([f"`{text_of(each)}` is a {kind}" for each, kind in (one, other)], "and")
    fix = "compare values of one kind"
    for (value, kind), (_, wanted) in ((one, other), (other, one)):
        is_number_for_text = isinstance(value, Constant) and wanted == "text" and kind == "number"
        if is_number_for_text and isinstance(node, Call) and node.operation in ORDERS:
            fix = "a text is ordered letter by letter; of a property, `min` or `max` is a number"
        elif isinstance(value, Constant) and is_number_for_text:
            fix = f"write '{value.value}' in quotes"
        elif isinstance(value, Constant) and wanted == "number" and kind == "text":
            fix = "write the number without quotes"
        elif isinstance(value, Constant) and wanted == "timestamp" and kind == "text":
            fix = "write timestamp '2026-01-31 12:00:00'"
    return f"`{text_of(node)}` mixes kinds: {kinds}; {fix}"
