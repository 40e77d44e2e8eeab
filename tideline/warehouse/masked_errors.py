"""Masks the values of rows that DuckDB errors quote, before dbt writes the errors anywhere.

A failing cast quotes the text that it could not read, which may be personal. dbt writes it to its
log, to `run_results.json` and to the screen, Dagster to its event log. This plugin of dbt-duckdb
(profiles.yml) masks the error before dbt sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from dbt.adapters.duckdb.environments import Environment
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from tideline.warehouse.masks import OF_ROWS, masked


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
