"""Renders the SQL of the project's macros and models for DuckDB, without dbt.

A landing reports the same reasons as the build for rows that will be quarantined, and a preview
computes the same traits. Their SQL exists only in `macros/` and `models/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, NoReturn

from jinja2 import Environment, Template

PROJECT = Path(__file__).parents[2]
MACRO = re.compile(r"\{%-? macro (\w+)\(.*?\{%-? endmacro -?%\}", re.DOTALL)
# Types of the seed columns that are not text.
TYPES: dict[str, Callable[[str], object]] = {
    "is_required": lambda text: text == "true",
    "priority": int,
}


class MacroError(Exception):
    """A seed holds a value that cannot be rendered as SQL; the message names it and the fix."""


class _Returned(Exception):
    """Carries the value that a macro returns instead of text."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


class Vars:
    """The vars of the project, as dbt gives them to Jinja."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """`values`: the vars by name."""
        self._values = values

    def __call__(self, name: str) -> Any:
        """The value of a var."""
        return self._values[name]

    def has_var(self, name: str) -> bool:
        """Whether there is a var of this name."""
        return name in self._values


class Macros:
    """All macros of the project, and the parts of dbt that they use."""

    def __init__(self, **names: object) -> None:
        """`names`: what Jinja finds under other names, such as `ref`."""
        self._environment = _environment()
        self._modules: dict[str, Any] = {}
        macros = {name: partial(self.call, name) for name in _texts()}
        self._environment.globals |= macros
        self._environment.globals |= {
            "return": _return,
            "seed_rows": _seed_rows,
            "tideline": SimpleNamespace(**macros),
            "adapter": SimpleNamespace(
                dispatch=lambda name, _: partial(self.call, f"duckdb__{name}")
            ),
            "dbt": SimpleNamespace(
                dateadd=lambda part, count, time: f"date_add({time}, interval ({count}) {part})",
                datediff=lambda first, second, part: f"date_diff('{part}', {first}, {second})",
                generate_series=lambda last: (
                    f"select range as generated_number from range(1, {last} + 1)"
                ),
            ),
            "exceptions": SimpleNamespace(raise_compiler_error=_fail),
            "execute": True,
            "modules": SimpleNamespace(re=re),
            "target": SimpleNamespace(type="duckdb"),
            **names,
        }

    def call(self, name: str, *arguments: object, **named: object) -> Any:
        """The result of a macro call; a seed is a list of rows as dicts of texts.

        Raises MacroError if a value of a seed cannot be rendered as SQL.
        """
        if name not in self._modules:  # one macro each: a `return` then ends that macro alone
            self._modules[name] = self._template(_texts()[name]).module
        try:
            return getattr(self._modules[name], name)(*arguments, **named)
        except _Returned as returned:
            return returned.value

    def model(self, path: str) -> str:
        """The select of a model; `path` is below `models/`."""
        text = (PROJECT / "models" / path).read_text(encoding="utf-8")
        return self._template(text).render()

    def _template(self, text: str) -> Template:
        return Template.from_code(self._environment, _code(text), self._environment.globals)


def render(name: str, *arguments: object, **named: object) -> Any:
    """The result of a macro call, for DuckDB. Raises MacroError."""
    return _macros().call(name, *arguments, **named)


@cache
def _macros() -> Macros:
    return Macros()


@cache
def _texts() -> Mapping[str, str]:
    """The text of each macro, by name."""
    paths = sorted((PROJECT / "macros").rglob("*.sql"))
    files = [path.read_text(encoding="utf-8") for path in paths]
    return {found[1]: found[0] for file in files for found in MACRO.finditer(file)}


def _environment() -> Environment:
    return Environment(extensions=["jinja2.ext.do"], autoescape=False)


@cache  # the examples of segments render the same macros many times
def _code(text: str) -> CodeType:
    return _environment().compile(text)


def _return(value: object) -> NoReturn:
    raise _Returned(value)


def _fail(message: str) -> NoReturn:
    raise MacroError(message)


def _seed_rows(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> list[list[object]]:
    """The rows of a seed, sorted with nulls last, like the macro `seed_rows` returns them."""
    found = [
        [TYPES.get(column, str)(row[column]) if row[column] else None for column in columns]
        for row in rows
    ]
    return sorted(found, key=lambda row: [(value is None, value or 0) for value in row])
