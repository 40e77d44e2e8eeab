"""The functions with which dbt compiles declarations: `modules.tideline` in Jinja.

dbt loads each module named `dbt_...` at its start. The functions read traits and segments and turn
their text into SQL. No text reaches a warehouse in another way, except that a description also
becomes a comment, which dbt quotes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dbt.context.base
from dbt.flags import get_flags
from dbt_common.exceptions import CompilationError

from tideline.declarations.formulas import formulas_of
from tideline.declarations.operations import Kind, constant_sql
from tideline.declarations.rules import RuleError, check_condition, parse, sql_of
from tideline.declarations.segments import (
    Declared,
    kinds_of,
    label_parts,
    read_segments,
    read_traits,
)
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError


def _dicts(declared: Sequence[Declared]) -> list[dict[str, Any]]:
    return [{"name": each.name, **asdict(each)} for each in declared]


def _project() -> Path:
    """The folder of the project that dbt runs."""
    return Path(getattr(get_flags(), "PROJECT_DIR", None) or Path.cwd())


def traits(has_shop: bool) -> list[dict[str, Any]]:
    """The traits of the project as dicts of name, spec, is_of_shop, file and place."""
    return _dicts(read_traits(_project(), has_shop))


def segments(has_shop: bool) -> list[dict[str, Any]]:
    """The segments of the project as dicts of name, spec, is_of_shop, file and place."""
    return _dicts(read_segments(_project(), has_shop))


def formulas(has_shop: bool, dialect: str) -> dict[str, str]:
    """The SQL of the traits with a formula, over the columns of the other traits."""
    trees = formulas_of(read_traits(_project(), has_shop))
    return {name: sql_of(tree, dialect) for name, tree in trees.items()}


def rule_sql(
    what: str,
    text: str,
    types: Mapping[str, str] | None,
    dialect: str,
    expressions: Mapping[str, str] | None = None,
    hint: str = "",
) -> str:
    """The SQL of a rule; errors begin with `what`, and `hint` follows an unknown column.

    `types` maps the columns that the rule may read to their types; if it is None, because nothing
    is built yet, columns are not checked. `expressions` maps columns to SQL other than their names.
    """
    tree = parse(text)
    if types is not None:
        try:
            check_condition(tree, kinds_of(types))
        except RuleError as error:
            raise DeclarationError(f"{what}: {error}{hint}") from None
    known = {name.lower(): sql for name, sql in (expressions or {}).items()}
    return sql_of(tree, dialect, lambda name: known.get(name, name))


def label_sql(
    what: str, label: str, types: Mapping[str, str] | None, dialect: str, hint: str = ""
) -> str:
    """The SQL of a label; a null column becomes `unknown`."""
    kinds: Mapping[str, Kind] | None = None if types is None else kinds_of(types)
    parts = []
    for text, is_column in label_parts(label):
        if is_column and kinds is not None and text not in kinds:
            raise DeclarationError(
                f"{what}: `label`: unknown column `{text}`; {nearest(text, kinds)}{hint}"
            )
        column = f"coalesce(cast({text} as varchar), 'unknown')"
        parts.append(column if is_column else constant_sql(text, dialect))
    return " || ".join(parts)


def text_sql(text: str, dialect: str) -> str:
    """A text as an SQL literal."""
    return constant_sql(text, dialect)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that dbt shows its errors with the model."""

    @functools.wraps(function)
    def compiled(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except (DeclarationError, RuleError) as error:
            raise CompilationError(str(error)) from None

    return compiled


FUNCTIONS = {
    each.__name__: _compiled(each)
    for each in (traits, segments, formulas, rule_sql, label_sql, text_sql)
}
_modules_of_dbt = dbt.context.base.get_context_modules


def _modules() -> dict[str, Any]:
    return {**_modules_of_dbt(), "tideline": FUNCTIONS}


dbt.context.base.get_context_modules = _modules
