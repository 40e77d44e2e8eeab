"""Masks the values of rows that DuckDB errors quote, before dbt writes the errors anywhere.

A failing cast quotes the text that it could not read, which may be personal. dbt writes it to its
log, to `run_results.json` and to the screen, Dagster to its event log. This plugin of dbt-duckdb
(profiles.yml) masks the error before dbt sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import duckdb
from dbt.adapters.duckdb.environments import Environment
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

# Errors caused by values of rows. Others (a missing column, a syntax error) quote only SQL.
OF_ROWS = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)
MASK = "(masked: it may be personal)"
PLACE = re.compile(r"\n\nLINE \d+:[^\n]*(?:\n *\^+ *)?\Z")
QUOTED = re.compile(r"([\"']).*\1", re.DOTALL)  # to the last quote: a value may hold quotes
UNQUOTED = re.compile(
    r"(?<=with value )\S.*(?= can't be cast)|(?<=cast value )\S+|\([^()]*\d[^()]*\)|\d[\d.:-]{5,}",
    re.DOTALL,
)


def masked(message: str, sql: str) -> str:
    """An error message with the quoted values of rows masked; values from the SQL are kept.

    DuckDB's excerpt of the SQL at the end is kept if it really is part of the SQL.
    """
    place = PLACE.search(message)
    shown = place[0].splitlines()[2].partition(": ")[2].strip(". ") if place else ""
    if not shown or shown not in sql:
        place = None
    said = message[: place.start()] if place else message
    line = place[0] if place else ""
    if "\n" in said and not _is_of(sql, said):  # further lines repeat the value
        return re.split("[\"'\n]", said, maxsplit=1)[0] + MASK + line
    for pattern in (QUOTED, UNQUOTED):
        said = pattern.sub(lambda found: found[0] if _is_of(sql, found[0]) else MASK, said)
    return said + line


def _is_of(sql: str, quoted: str) -> bool:
    """Whether every quoted part, or the whole text if nothing is quoted, occurs in the SQL."""
    words = re.findall(r"\"([^\"]*)\"|'([^']*)'", quoted) or [(quoted, "")]
    return all(one + other in sql for one, other in words)


def _execute(execute: Callable) -> Callable:
    """The cursor's `execute` with masked errors."""

    @wraps(execute)
    def wrapper(self: DuckDBCursorWrapper, sql: str, bindings: Any = None) -> Any:
        try:
            return execute(self, sql, bindings)
        except OF_ROWS as error:
            raise type(error)(masked(str(error), sql)) from None

    return wrapper


def _run_python_job(run: Callable) -> Callable:
    """The run of a Python model with masked errors: its traceback ends with DuckDB's message."""

    @wraps(run)
    def wrapper(cls: type[Environment], *arguments: Any, **named: Any) -> Any:
        try:
            return run(cls, *arguments, **named)
        except DbtRuntimeError as error:
            said, cause = error.msg, error.__context__
            while cause is not None:
                if isinstance(cause, OF_ROWS):
                    said = said.replace(str(cause), masked(str(cause), ""))
                cause = cause.__cause__ or cause.__context__
            raise DbtRuntimeError(said) from None

    return wrapper


class Plugin(BasePlugin):
    """Loaded by dbt-duckdb before it opens the warehouse."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Wrap dbt-duckdb's methods, once per process."""
        if not hasattr(DuckDBCursorWrapper.execute, "__wrapped__"):
            cursor, environment = cast("Any", DuckDBCursorWrapper), cast("Any", Environment)
            cursor.execute = _execute(cursor.execute)
            run = environment.run_python_job.__func__
            environment.run_python_job = classmethod(_run_python_job(run))
