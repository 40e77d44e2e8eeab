"""The functions with which dbt compiles declarations: `modules.tideline` in Jinja.

dbt loads each module named `dbt_...` at its start. The functions read traits and segments and turn
their text into SQL. No text reaches a warehouse in another way, except that a description also
becomes a comment, which dbt quotes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import dbt.context.base
from dbt.flags import get_flags
from dbt_common.exceptions import CompilationError
from dbt_common.invocation import get_invocation_id

from tideline.declarations.catalog import catalog as catalog_of
from tideline.declarations.commits import last_commits
from tideline.declarations.compiled import (
    dicts_of,
    exact_dicts,
    experiment_dicts,
    formulas_sql,
    label_sql,
    rule_columns,
    rule_sql,
    segment_sql,
    text_sql,
)
from tideline.declarations.creative_sql import audience_creatives as audience_creatives_of
from tideline.declarations.creatives import SHOP_IS_OFF, catalog_types, wrong_creatives
from tideline.declarations.definitions import definitions as versions_of
from tideline.declarations.definitions import readings_version as version_of
from tideline.declarations.files import golden_attributes
from tideline.declarations.rules import RuleError
from tideline.declarations.segments import (
    Declared,
    read_creatives,
    read_experiments,
    read_segments,
    read_traits,
)
from tideline.declarations.syncs import syncs_of
from tideline.segments.examples import examples_that_fail as run_examples
from tideline.segments.models import plan_rows
from tideline.warehouse.errors import DeclarationError

T = TypeVar("T")


def _project() -> Path:
    """The folder of the project that dbt runs."""
    return Path(getattr(get_flags(), "PROJECT_DIR", None) or Path.cwd())


def _once_per_run(function: Callable[..., T]) -> Callable[..., T]:
    """Cache what a function returns for a run of dbt, whose macros ask hundreds of times."""

    @functools.lru_cache(maxsize=16)
    def cached(_run: str, _folder: Path, *arguments: Any) -> T:
        return function(*arguments)

    @functools.wraps(function)
    def found(*arguments: Any) -> T:
        return cached(get_invocation_id(), _project(), *arguments)

    return found


@_once_per_run
def _segments(has_shop: bool) -> list[Declared]:
    return read_segments(_project(), has_shop)


@_once_per_run
def _traits(has_shop: bool) -> list[Declared]:
    return read_traits(_project(), has_shop)


@_once_per_run
def traits(has_shop: bool) -> list[dict[str, Any]]:
    """The traits of the project as dicts of name, spec, is_of_shop, file and place."""
    return dicts_of(_traits(has_shop))


@_once_per_run
def segments(has_shop: bool) -> list[dict[str, Any]]:
    """The segments of the project as dicts of name, spec, is_of_shop, file, place and rule."""
    return dicts_of(_segments(has_shop))


@_once_per_run
def _creatives(has_shop: bool) -> list[Declared]:
    found = read_creatives(_project(), has_shop)
    for problem in wrong_creatives(found, _traits(has_shop), catalog_types(_project())):
        raise DeclarationError(f"{problem}{'' if has_shop else SHOP_IS_OFF}")
    return found


@_once_per_run
def creatives(has_shop: bool) -> list[dict[str, Any]]:
    """The creatives of the project as dicts of name, spec, is_of_shop, file and place."""
    return dicts_of(_creatives(has_shop))


@_once_per_run
def audience_creatives(has_shop: bool, dialect: str) -> dict[str, list[Any]]:
    """What audiences show of creatives, as `tideline.declarations.creative_sql` has it."""
    types = catalog_types(_project())
    return audience_creatives_of(_creatives(has_shop), _segments(has_shop), types, dialect)


@_once_per_run
def experiments(has_shop: bool) -> list[dict[str, Any]]:
    """The experiments of the project, as `tideline.declarations.compiled` has them."""
    return experiment_dicts(read_experiments(_project(), has_shop))


@_once_per_run
def formulas(has_shop: bool, dialect: str) -> dict[str, str]:
    """The SQL of the traits with a formula, over the columns of the other traits."""
    return formulas_sql(_traits(has_shop), dialect)


@_once_per_run
def exact(has_shop: bool, dialect: str) -> dict[str, list[Any]]:
    """The rules of live segments as functions of time, and the traits and attributes of these."""
    return exact_dicts(_segments(has_shop), _traits(has_shop), dialect, golden())


@_once_per_run
def definitions(has_shop: bool) -> list[dict[str, Any]]:
    """The versions of the live segments, as `tideline.declarations.definitions` has them."""
    return versions_of(_segments(has_shop), _traits(has_shop))


def commits(files: Collection[str]) -> dict[str, dict[str, Any]]:
    """The last commits of files as dicts of `commit_id` and `author`, if they are known."""
    return {file: asdict(commit) for file, commit in last_commits(_project(), files).items()}


def readings_version(has_shop: bool, dialect: str, others: Any) -> str:
    """The version of what traits read, as `tideline.declarations.definitions` has it."""
    segments, traits = _segments(has_shop), _traits(has_shop)
    return version_of(segments, traits, dialect, golden(), others)


@_once_per_run
def golden() -> list[str]:
    """The attributes of golden profiles that rules and labels may read."""
    return golden_attributes(_project())


def examples_that_fail(has_shop: bool) -> list[str]:
    """What is wrong with the examples of the segments, evaluated in DuckDB on each target."""
    project = _project()
    segments, traits = _segments(has_shop), _traits(has_shop)
    if not any(each.spec.examples for each in segments):
        return []
    return run_examples(project, segments, traits, plan_rows(project / "seeds"))


@_once_per_run
def catalog(has_shop: bool) -> dict[str, dict[str, dict[str, Any]]]:
    """What the catalog says of segments and traits, as `tideline.declarations.catalog` has it."""
    segments, traits = _segments(has_shop), _traits(has_shop)
    return catalog_of(segments, traits, golden(), _creatives(has_shop))


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
    for each in (
        traits,
        segments,
        creatives,
        audience_creatives,
        experiments,
        formulas,
        exact,
        definitions,
        commits,
        readings_version,
        golden,
        examples_that_fail,
        catalog,
        syncs_of,
        rule_columns,
        rule_sql,
        segment_sql,
        label_sql,
        text_sql,
    )
}
_modules_of_dbt = dbt.context.base.get_context_modules


def _modules() -> dict[str, Any]:
    return {**_modules_of_dbt(), "tideline": FUNCTIONS}


dbt.context.base.get_context_modules = _modules
