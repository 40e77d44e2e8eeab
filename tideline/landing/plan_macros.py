"""The SQL by which a build judges events, rendered from the project's macros without dbt.

So a landing gives the reasons of the build for the rows that it will refuse. `macros/` holds the
rules; nothing of them is said again here.
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
# How dbt types the columns of the seeds that are no text.
TYPES: dict[str, Callable[[str], object]] = {
    "is_required": lambda text: text == "true",
    "priority": int,
}


class PlanMacroError(Exception):
    """A seed holds what no SQL can be made of; the message names it and the fix."""


class _Returned(Exception):
    """What a macro returns instead of text."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def render(name: str, *arguments: object, **named: object) -> Any:
    """What a macro makes of its arguments, for DuckDB; a seed is a list of rows as dicts of texts.

    Raises PlanMacroError.
    """
    try:
        return getattr(_module(name), name)(*arguments, **named)
    except _Returned as returned:
        return returned.value


@cache
def _texts() -> dict[str, str]:
    """The text of each macro."""
    files = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.sql"))]
    return {found[1]: found[0] for file in files for found in MACRO.finditer(file)}


@cache
def _module(name: str) -> ModuleType:
    """One macro: if it calls others of its file, their `return` is theirs alone."""
    module: Any = _environment().from_string(_texts()[name]).module
    return module


@cache
def _environment() -> Environment:
    """What the macros call: each other, and of dbt what they need."""
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
    """The rows of a seed as the macro of this name reads them from the warehouse, nulls last."""
    found = [
        [TYPES.get(column, str)(row[column]) if row[column] else None for column in columns]
        for row in rows
    ]
    return sorted(found, key=lambda row: [(value is None, value or 0) for value in row])
