"""Values of rows that an error quotes do not get into logs, results and pages."""

import duckdb
import pytest
from dbt.adapters.duckdb.environments import Environment
from dbt_common.exceptions import DbtRuntimeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.warehouse.masked_errors import _run_python_job
from tideline.warehouse.masks import MASK, masked

SAID = 'it\'s "qzx" at zoe@example.net, 0176 7654321'
MANY_LINES = SAID.replace(", ", "\n\nLINE 1: ")  # looks like the end of an error
WORDS = ("zoe@example.net", "7654321", "qzx")
# Casts and functions that fail on a text, and the part of the message that stays.
FAILING = {
    "cast(said as integer)": "to INT32 when casting from source column said",
    "cast(said as decimal(9, 2))": "DECIMAL",
    "cast(said as timestamp)": "expected format",
    "cast(said as json)": "Malformed JSON",
    "cast(said as boolean)": "BOOL",
    "cast('[' || said as integer[])": "Type VARCHAR with value",
    "cast(said as uuid)": "UUID",
    "strptime(said, '%Y')": "Could not parse string",
    "cast(1234567 + length(said) as tinyint)": "out of range",
    "1234567000000 * (length(said) * 1234567000000)": "Overflow in multiplication",
}


def failure(expression, said):
    """DuckDB's message for an expression that fails on a text, and the SQL."""
    sql = f"select {expression} from rows"
    with duckdb.connect() as connection:
        connection.execute("create table rows as select ? as said", [said])
        with pytest.raises(duckdb.Error) as error:
            connection.execute(sql).fetchall()
    return str(error.value), sql


@pytest.mark.parametrize("expression", FAILING)
def test_an_error_is_shown_without_the_row(expression):
    message, sql = failure(expression, SAID)
    told = masked(message, sql)
    assert any(word in message for word in (*WORDS, "1234")), "the case shows nothing"
    assert not any(word in told for word in WORDS), told
    assert MASK in told and FAILING[expression] in told
    if "LINE 1: select" in message:
        assert sql[:30] in told  # the place is still shown
    told = masked(*failure(expression, MANY_LINES))
    assert not any(word in told for word in WORDS), told


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(text=st.text(st.sampled_from("ab'\" \n:.LINE1^x?"), min_size=1, max_size=30))
def test_whatever_the_text_is(text):
    said = f"secret{text}secret"
    with duckdb.connect() as connection:
        sql = "select cast(? as integer)"
        with pytest.raises(duckdb.ConversionException) as error:
            connection.execute(sql, [said]).fetchall()
    assert "secret" not in masked(str(error.value), sql)


def test_text_from_the_sql_is_shown():
    message = "Invalid Input Error: a group of \"identity_edges\" holds 'email' twice"
    assert masked(message, "select error('identity_edges', 'email')") == message
    assert "email" not in masked(message, "select 1")


def test_the_error_of_a_python_model_is_shown_without_the_row():
    code = (
        "class dbtObj:\n    def __init__(self, load): pass\n"
        "def model(dbt, session):\n"
        '    return session.sql("select cast(said as integer) from rows").fetchall()\n'
    )
    run = _run_python_job(Environment.run_python_job.__func__)
    with duckdb.connect() as connection:
        connection.execute("create table rows as select ? as said", [SAID])
        with pytest.raises(DbtRuntimeError) as error:
            run(Environment, connection, None, "model", code, None)
    assert "Python model failed" in str(error.value) and "Could not convert" in str(error.value)
    assert not any(word in str(error.value) for word in WORDS)


@pytest.mark.slow
def test_dbt_writes_it_nowhere(deployment):
    """Neither to the screen nor to its log, whichever program starts it."""
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema tideline")
        connection.execute("create table tideline.rows as select ? as said", [MANY_LINES])
    sql = "select cast(said as integer) as number from tideline.rows"
    output = deployment.run("dbt.cli.main", "show", "--inline", sql, fails=True)
    assert "Could not convert string" in output and MASK.split()[0] in output
    written = output + "".join(
        path.read_text(errors="replace")
        for folder in ("logs", "target")
        for path in (deployment.folder / folder).rglob("*")
        if path.is_file()
    )
    assert "Could not convert string" in written
    assert not any(word in written for word in WORDS)
