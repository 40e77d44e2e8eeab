"""Renders the SQL with which a build checks events from the project's macros, without dbt.

A landing reports the same reasons as the build for rows that will be quarantined. The rules exist
only in `macros/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from jinja2 import Environment

FOLDER = Path(__file__).parents[2] / "macros"
MACRO = re.compile(r"\{%-? macro (\w+)\(.*?\{%-? endmacro -?%\}", re.DOTALL)
# Types of the seed columns that are not text.
TYPES: dict[str, Callable[[str], object]] = {
    "is_required": lambda text: text == "true",
    "priority": int,
}


class PlanMacroError(Exception):
    """A seed holds a value that cannot be rendered as SQL; the message names it and the fix."""


class _Returned(Exception):
    """Carries the value that a macro returns instead of text."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def render(name: str, *arguments: object, **named: object) -> Any:
    """The result of a macro call, for DuckDB; a seed is a list of rows as dicts of texts.

    Raises PlanMacroError if a value of a seed cannot be rendered as SQL.
    """
    try:
        return getattr(_module(name), name)(*arguments, **named)
    except _Returned as returned:
        return returned.value


@cache
def _texts() -> dict[str, str]:
    """The text of each macro, by name."""
    files = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.sql"))]
    return {found[1]: found[0] for file in files for found in MACRO.finditer(file)}


@cache
def _module(name: str) -> ModuleType:
    """A module of one macro only: a `return` in another macro then ends that macro alone."""
    module: Any = _environment().from_string(_texts()[name]).module
    return module


@cache
def _environment() -> Environment:
    """The environment of the macros: all macros, and the parts of dbt that they use."""
    environment = Environment(extensions=["jinja2.ext.do"], autoescape=False)
    macros = {name: partial(render, name) for name in _texts()}
    environment.globals |= macros
    environment.globals |= {
        "return": _return,
        "seed_rows": _seed_rows,
        "tideline": SimpleNamespace(**macros),
        "adapter": SimpleNamespace(dispatch=lambda name, _: partial(render, f"duckdb__{name}")),
        "exceptions": SimpleNamespace(raise_compiler_error=_fail),
        "modules": SimpleNamespace(re=re),
    }
    return environment


def _return(value: object) -> NoReturn:
    raise _Returned(value)


def _fail(message: str) -> NoReturn:
    raise PlanMacroError(message)


def _seed_rows(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> list[list[object]]:
    """The rows of a seed, sorted with nulls last, like the macro `seed_rows` returns them."""
    found = [
        [TYPES.get(column, str)(row[column]) if row[column] else None for column in columns]
        for row in rows
    ]
    return sorted(found, key=lambda row: [(value is None, value or 0) for value in row])
