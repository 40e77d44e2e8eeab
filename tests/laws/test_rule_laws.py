"""SQL and Python give the same results for random rules and rows; a rule's SQL parses to itself."""

from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tideline.declarations import operations
from tideline.declarations.operations import OPERATIONS, Call, Column, Constant
from tideline.declarations.rules import RuleError, kind_of, parse, sql_of, value_of

NOON = datetime(2026, 1, 31, 12)
WORDS = st.text(alphabet="aAzßÄ %_'\\", max_size=4)
INSTANTS = st.one_of(st.just(NOON), st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)))
# Columns: kind, type in DuckDB, values.
COLUMNS = {
    "score": ("number", "double", st.floats(-1e6, 1e6)),
    "amount": ("number", "double", st.sampled_from([0.0, -0.0, 1e308, -2.5, 2.5, 0.5, 2.0**60])),
    "visits": ("number", "bigint", st.one_of(st.integers(-3, 3), st.integers(-(2**62), 2**62))),
    "topic": ("text", "varchar", WORDS),
    "persona": ("text", "varchar", WORDS),
    "is_known": ("boolean", "boolean", st.booleans()),
    "is_new": ("boolean", "boolean", st.booleans()),
    "seen_at": ("timestamp", "timestamp", INSTANTS),
    "as_of": ("timestamp", "timestamp", INSTANTS),
}
KINDS = {name: kind for name, (kind, *_) in COLUMNS.items()}
ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.one_of(st.none(), values) for name, (*_, values) in COLUMNS.items()}
    ),
    min_size=1,
    max_size=5,
)
COMPARISONS = ["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from", "in"]


def call(operation, *arguments):
    return st.tuples(*arguments).map(lambda each: Call(operation, each))


def columns(kind):
    return st.sampled_from([name for name, each in KINDS.items() if each == kind]).map(Column)


def constants(values):
    return values.map(Constant)


TEXTS = st.recursive(
    st.one_of(constants(WORDS), columns("text")),
    lambda each: st.one_of(
        call("||", each, each),
        call("lower", each),
        call("trim", each),
        call("coalesce", each, each),
        call("nullif", each, each),
    ),
    max_leaves=4,
)
NUMBERS = st.recursive(
    st.one_of(
        constants(st.one_of(st.integers(0, 10), st.sampled_from([0.5, 0.1, 1.25, 100000.0]))),
        columns("number"),
        call("length", TEXTS),
    ),
    lambda each: st.one_of(
        *[call(name, each, each) for name in ("+", "-", "*", "/", "%", "coalesce", "nullif")],
        *[call(name, each) for name in ("negative", "abs", "round", "floor", "ceil")],
    ),
    max_leaves=6,
)
SPANS = constants(st.sampled_from([timedelta(minutes=90), timedelta(hours=5), timedelta(days=2)]))
TIMES = st.recursive(
    st.one_of(columns("timestamp"), constants(st.just(NOON))),
    lambda each: st.one_of(call("later", each, SPANS), call("earlier", each, SPANS)),
    max_leaves=3,
)


def comparisons(values):
    return st.one_of(
        *[call(name, values, values) for name in COMPARISONS],
        call("in", values, values, values, constants(st.none())),
        call("is null", values),
        call("between", values, values, values),
    )


CONDITIONS = st.recursive(
    st.one_of(
        comparisons(NUMBERS),
        comparisons(TEXTS),
        comparisons(TIMES),
        call("like", TEXTS, constants(WORDS)),
        columns("boolean"),
        constants(st.sampled_from([True, False, None])),
    ),
    lambda each: st.one_of(
        call("and", each, each),
        call("or", each, each, each),
        call("not", each),
        call("=", each, each),
        call("case", each, each, each, each, each),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        yield con


def in_duckdb(con, sql, rows):
    marks = ", ".join(f"cast(? as {kind})" for _, kind, _ in COLUMNS.values())
    values = ", ".join(f"({marks})" for _ in rows)
    people = f"(values {values}) as people ({', '.join(COLUMNS)})"
    parameters = [row[name] for row in rows for name in COLUMNS]
    return [value for (value,) in con.execute(f"select {sql} from {people}", parameters).fetchall()]


def check(con, rule, rows):
    assert kind_of(rule, KINDS) in ("boolean", None)
    values = [value_of(rule, row) for row in rows]
    assert all(value in (True, False, None) for value in values)
    assert in_duckdb(con, sql_of(rule, "duckdb"), rows) == values


@settings(
    max_examples=300, suppress_health_check=list(HealthCheck), deadline=None, derandomize=True
)
@given(rule=CONDITIONS, rows=ROWS)
def test_the_warehouse_and_python_give_the_same(con, rule, rows):
    check(con, rule, rows)


def written(rule):
    """A rule as written by a person: without the casts and guards of the generated SQL."""
    sql = sql_of(rule, "duckdb")
    return sql.replace("cast(", "").replace(" as double)", "").replace(", ' ')", ")")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rule=CONDITIONS)
def test_what_is_written_is_what_is_parsed(rule):
    """Parsing the SQL of a parsed rule gives the same tree again."""
    sql = written(rule)
    if "nullif(" not in sql and " as timestamp)" not in sql:
        try:
            tree = parse(sql)
        except RuleError as error:  # nobody may write a comparison with null
            assert "write `is null` or `is not null`" in str(error)
            return
        assert sql_of(parse(written(tree)), "duckdb") == sql_of(tree, "duckdb")


BOOLEANS = st.one_of(columns("boolean"), constants(st.none()))
MUTANTS = {  # operation, broken value, rules that contain it
    "null is false": ("and", lambda *values: all(values), call("and", BOOLEANS, BOOLEANS)),
    "or of null": ("or", lambda *values: True in values, call("or", BOOLEANS, BOOLEANS)),
    "an edge counts": ("<", lambda left, right: left <= right, call("<", NUMBERS, NUMBERS)),
    "in a list with null": (
        "in",
        lambda value, *others: value in others,
        call("in", TEXTS, TEXTS, constants(st.none())),
    ),
    "a pattern in part": (
        "like",
        lambda text, pattern: pattern.strip("%") in text,
        call("like", TEXTS, constants(WORDS)),
    ),
    "half to even": (
        "round",
        lambda number: float(round(number)),
        call(">", call("round", columns("number")), columns("number")),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_law_finds_each_mutant(con, mutant, monkeypatch):
    name, value, rules = MUTANTS[mutant]
    broken = operations.Operation(**{**OPERATIONS[name].__dict__, "value": value})
    monkeypatch.setitem(OPERATIONS, name, broken)

    @settings(
        max_examples=500,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
        phases=[Phase.generate],  # without shrinking
        report_multiple_bugs=False,
    )
    @given(rule=rules, rows=ROWS)
    def law(rule, rows):
        check(con, rule, rows)

    with pytest.raises(Exception):  # noqa: B017  # an assertion, or a type that does not fit
        law()
