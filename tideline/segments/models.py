"""The models of `models/segments` on what is built, for other declarations, without dbt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from tideline.declarations.compiled import (
    dicts_of,
    exact_dicts,
    experiment_dicts,
    formulas_sql,
    rule_sql,
    text_sql,
)
from tideline.declarations.files import golden_attributes, vars_of
from tideline.declarations.macros import PROJECT as MODELS_OF
from tideline.declarations.macros import MacroError, Macros, Vars, render
from tideline.declarations.segments import PROJECT, Declared
from tideline.landing.plan_check import check as check_plan
from tideline.landing.plan_infer import read_seed
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError

INTERMEDIATE = MODELS_OF / "models" / "segments" / "intermediate"


def plan_rows(seeds: Path) -> list[dict[str, str]]:
    """The rows of the tracking plan. Raises DeclarationError if it has a problem."""
    if problems := check_plan(seeds):
        raise DeclarationError(
            f"the tracking plan has a problem: {problems[0]}; `tideline plan check` lists all"
        )
    return [row for _, row in read_seed(seeds, "tracking_plan.csv")]


def model_sql(
    model: str,
    traits: Sequence[Declared],
    plan: Sequence[dict[str, str]],
    place: Callable[[str], str],
    segments: Sequence[Declared] = (),
    experiments: Sequence[Declared] = (),
    **names: object,
) -> str:
    """The select of a model of `models/segments`; `place` gives the place of a table.

    `names` are further names for Jinja. Raises DeclarationError for a declaration that a build
    would refuse.
    """
    functions = SimpleNamespace(
        traits=lambda has_shop: dicts_of(traits),
        formulas=lambda has_shop, dialect: formulas_sql(traits, dialect),
        exact=lambda has_shop, dialect: exact_dicts(segments, traits, dialect, attributes()),
        experiments=lambda has_shop: experiment_dicts(experiments),
        rule_sql=rule_sql,
        text_sql=text_sql,
    )
    macros = Macros(
        declarations=lambda: functions,
        ref=lambda name: plan if name == "tracking_plan" else place(name),
        var=_vars(),
        **{
            "config": lambda **_: "",
            "revisions_are_kept": lambda: False,
            "revision_in": lambda name: 0,
            "lists_version": lambda: "",
            "attributes_version": lambda: "",
            **names,
        },
    )
    try:
        return macros.model(f"segments/{model}.sql")
    except MacroError as error:
        raise DeclarationError(str(error)) from None


@cache  # like the macros, which are read once
def _vars() -> Vars:
    return Vars(vars_of(PROJECT))


@cache
def attributes() -> list[str]:
    """The attributes of golden profiles that rules and labels may read."""
    return golden_attributes(PROJECT)


def traits_sql(
    traits: Sequence[Declared], plan: Sequence[dict[str, str]], place: Callable[[str], str]
) -> str:
    """The select of `profile_traits` on the events, without stored readings of traits.

    Raises DeclarationError for a trait that a build would refuse.
    """
    readings = f"({model_sql('intermediate/trait_readings', traits, plan, place)})"
    return model_sql(
        "profile_traits",
        traits,
        plan,
        lambda name: readings if name == "trait_readings" else place(name),
    )


def selects_of(text: str) -> list[str]:
    """The selects of a model with the materialization `selects`, or its only one."""
    return text.split(render("next_select"))


class Derived:
    """Tables that follow from declarations, computed anew as temporary tables.

    A model is computed with those of `models/segments/intermediate` that it reads; it reads all
    other tables as they are built.
    """

    def __init__(
        self,
        warehouse: DuckDBWarehouse,
        segments: Sequence[Declared],
        traits: Sequence[Declared],
        plan: Sequence[dict[str, str]],
        places: Mapping[str, str],
    ) -> None:
        """`places`: the tables that models read instead of the built ones, by model."""
        self._warehouse = warehouse
        self._declared = segments, traits, plan
        self._places = dict(places)

    def compute(self, name: str, folder: str = "") -> str:
        """Make the table of a model in `models/segments`, or in a folder there; return its place.

        Raises DeclarationError for a declaration that a build would refuse.
        """
        segments, traits, plan = self._declared
        text = model_sql(f"{folder}{name}", traits, plan, self.place, segments)
        place = self._places[name] = f"_{name}"
        first, *others = selects_of(text)
        self._warehouse.execute(f"create or replace temp table {place} as {first}")
        for select in others:
            self._warehouse.execute(f"insert into {place} {select}")
        return place

    def place(self, name: str) -> str:
        """The place of a table that a model reads."""
        if name in self._places:
            return self._places[name]
        if (INTERMEDIATE / f"{name}.sql").is_file():
            return self.compute(name, "intermediate/")
        return self._warehouse.table(name)
