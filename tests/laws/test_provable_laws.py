"""What is proved of a rule is so for all values, and simple rules are judged completely."""

import itertools
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tideline.declarations.operations import Call, Column, Constant
from tideline.declarations.provable import is_always_true, is_never_true
from tideline.declarations.rules import columns_of_rule, parse, value_of

NOON = datetime(2026, 1, 31, 12)
# By column: each value that a comparison with the constants below can tell from others.
NUMBERS = [None, -1, 0, 0.5, 1, 1.5, 2, 3, float("nan")]
VALUES = {
    "a": NUMBERS,
    "b": NUMBERS,
    "t": [None, "", "a", "aa", "b", "c"],
    "s": [None, *(NOON + timedelta(minutes=minutes) for minutes in (-1, 0, 1, 60, 61))],
    "x": [None, True, False],
    "y": [None, True, False],
}
SETTINGS = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck]
)


def call(operation, *arguments):
    return st.tuples(*arguments).map(lambda each: Call(operation, each))


def values(*them):
    return st.sampled_from(them).map(Constant)


def compared(term, constants, null=None):
    """Comparisons of a term with constants, on either side."""
    operations = ("=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from")
    any_of = st.one_of(constants, constants, constants, st.just(Constant(null)))
    return st.one_of(
        *[call(name, term, any_of) for name in operations],
        *[call(name, any_of, term) for name in operations],
        call("between", term, any_of, any_of),
        call("in", term, any_of, any_of),
        call("is null", term),
    )


OF_COLUMNS = st.one_of(
    compared(st.sampled_from([Column("a"), Column("b")]), values(0, 1, 2, 1.0)),
    compared(st.just(Column("t")), values("a", "b")),
    compared(st.just(Column("s")), values(NOON, NOON + timedelta(hours=1))),
    st.sampled_from([Column("x"), Column("y")]),
    call("is null", st.just(Column("x"))),
    values(True, False, None),
)


def combined(atoms):
    truth = values(True, False)
    return st.recursive(
        atoms,
        lambda each: st.one_of(
            call("and", each, each),
            call("and", each, each, each),
            call("or", each, each),
            call("or", each, each, each),
            call("not", each),
            call("coalesce", each, truth),
            call("=", each, truth),
            call("is not distinct from", each, truth),
        ),
        max_leaves=6,
    )


def outcomes(rule):
    """What a rule is for all rows that differ in what it reads."""
    names = sorted({*columns_of_rule(rule)})
    rows = itertools.product(*(VALUES[name] for name in names))
    return {value_of(rule, dict(zip(names, row, strict=True))) for row in rows}


@SETTINGS
@given(rule=combined(OF_COLUMNS))
def test_rules_over_columns_are_judged_completely(rule):
    found = outcomes(rule)
    assert is_never_true(rule) == (True not in found)
    assert is_always_true(rule) == (found == {True})


LENGTHS = st.one_of(
    call("+", st.just(Column("a")), st.just(Column("b"))),
    call("/", st.just(Column("a")), st.just(Column("b"))),
    call("coalesce", st.just(Column("a")), values(0, 1)),
    call("length", st.just(Column("t"))),
)
OF_EXPRESSIONS = st.one_of(
    OF_COLUMNS,
    compared(LENGTHS, values(0, 1, 2)),
    call("=", st.just(Column("a")), st.just(Column("b"))),
    call("=", st.just(Column("x")), st.just(Column("y"))),
    call("like", st.just(Column("t")), values("a%", "%")),
    call("case", st.just(Column("x")), st.just(Column("y")), values(True, None)),
    call("is null", call("like", st.just(Column("t")), values("a"))),
)


@settings(SETTINGS, max_examples=150)
@given(rule=combined(OF_EXPRESSIONS))
def test_what_is_proved_of_expressions_is_so(rule):
    found = outcomes(rule)
    assert not is_never_true(rule) or True not in found
    assert not is_always_true(rule) or found == {True}


MANY = " and ".join(f"(p{number} > 0 or q{number} > 0)" for number in range(20))
CASES = (
    ("a > 5 and a < 3", True, False),
    ("a > 5 and not a > 3", True, False),
    ("a + b > 5 and a + b < 3", True, False),
    ("a + b > 5 and b + a < 3", False, False),  # not proved
    ("a > 5 and (a < 3 or t = 'x' and t = 'y')", True, False),
    ("a > 5 and a < 6", False, False),
    ("a = 1 or true", False, True),
    ("a > 5 or a <= 5", False, False),  # it may be null
    ("a > 5 or a <= 5 or a is null", False, True),
    ("t in ('x', 'y') and t not in ('x', 'y')", True, False),
    ("x and x is null", True, False),
    ("x or not coalesce(x, false)", False, True),
    ("x = 'a'", False, False),  # of a wrong kind, if `x` is a condition
    ("a > 1 and a < 'x'", False, False),
    (f"a > 1 and {MANY} and a < 0", False, False),  # too many cases
    ("not " * 30 + "(a > 1 and a < 0)", True, False),
)


def test_it_is_judged_what_is_written():
    for text, is_never, is_always in CASES:
        rule = parse(text)
        assert (is_never_true(rule), is_always_true(rule)) == (is_never, is_always), text
