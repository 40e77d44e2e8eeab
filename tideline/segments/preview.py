"""Previews declared segments on what is built: who would be in, and what would change.

The SQL of traits and rules is that of the build, rendered without dbt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tideline.declarations.compiled import (
    dicts_of,
    exact_dicts,
    experiment_dicts,
    formulas_sql,
    label_sql,
    rule_sql,
    segment_sql,
    text_sql,
)
from tideline.declarations.definitions import needed
from tideline.declarations.macros import MacroError, Macros, Vars
from tideline.declarations.segments import PROJECT, Declared
from tideline.declarations.unreachable import vars_of
from tideline.landing.plan_check import check as check_plan
from tideline.landing.plan_infer import read_seed
from tideline.segments.reasons import Reason, lines_of, reason_in
from tideline.segments.why import built_rules, value_in
from tideline.text import counted, shown
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError

EXAMPLES = 3  # people that are shown of those who enter, and of those who leave
MOST_OVERLAPS = 5  # that the text names

Example = tuple[str, str, Reason]  # profile id, label, reason


@dataclass(frozen=True)
class Preview:
    """A segment as a build would make it now.

    `size` is its number of members among `profiles`; `before` is that of the last build, None if
    it has no such live segment. `enters` and `leaves` count the difference. `overlaps` counts its
    members in other segments of the last build. `entering` and `leaving` are examples.
    """

    segment: Declared
    as_of: datetime
    profiles: int
    size: int
    before: int | None
    enters: int
    leaves: int
    overlaps: list[tuple[str, int]]
    entering: list[Example]
    leaving: list[Example]


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
        exact=lambda has_shop, dialect: exact_dicts(segments, traits, dialect),
        experiments=lambda has_shop: experiment_dicts(experiments),
        rule_sql=rule_sql,
        text_sql=text_sql,
    )
    macros = Macros(
        declarations=lambda: functions,
        ref=lambda name: plan if name == "tracking_plan" else place(name),
        var=Vars(vars_of(PROJECT)),
        **{
            "config": lambda **_: "",
            "revisions_are_kept": lambda: False,
            "revision_in": lambda name: 0,
            **names,
        },
    )
    try:
        return macros.model(f"segments/{model}.sql")
    except MacroError as error:
        raise DeclarationError(str(error)) from None


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


def preview(
    warehouse: DuckDBWarehouse,
    segment: Declared,
    traits: Sequence[Declared],
    plan: Sequence[dict[str, str]],
) -> Preview:
    """Preview a segment. Raises DeclarationError if a build would refuse it.

    The traits that it reads are computed anew from the events; features, scores and personas are
    those of the last build.
    """
    own = needed(segment, traits)
    types = _attributes(warehouse, own, plan)
    # Other traits are named in suggestions; the rule does not read them.
    types |= {each.name: "varchar" for each in traits if each.name not in types}
    condition = segment_sql(segment.rule, types, "duckdb")
    label = label_sql(segment.place, segment.spec.label, types, "duckdb")
    memberships = warehouse.table("segment_memberships")
    warehouse.execute(
        "create or replace temp table _judged as select _attributes.*, "
        f"{label} as _label, coalesce({condition}, false) as _is_in, profile_id in ("
        f"select profile_id from {memberships} where segment_name = ?) as _was_in "
        "from _attributes",
        [segment.name],
    )
    profiles, size, before, enters, leaves = warehouse.query(
        "select count(*), count_if(_is_in), count_if(_was_in), count_if(_is_in and not _was_in), "
        "count_if(_was_in and not _is_in) from _judged"
    )[0]
    is_built = segment.name in built_rules(warehouse)
    overlaps = warehouse.query(
        f"select others.segment_name, count(*) from {memberships} as others "
        "join _judged on others.profile_id = _judged.profile_id "
        "where _judged._is_in and others.segment_name <> ? group by 1 order by 2 desc, 1",
        [segment.name],
    )
    return Preview(
        segment=segment,
        as_of=warehouse.query(f"select as_of from {warehouse.table('data_clock')}")[0][0],
        profiles=profiles,
        size=size,
        before=before if is_built else None,
        enters=enters,
        leaves=leaves,
        overlaps=[(name, count) for name, count in overlaps],
        entering=_examples(warehouse, segment, "_is_in and not _was_in"),
        leaving=_examples(warehouse, segment, "_was_in and not _is_in"),
    )


def _attributes(
    warehouse: DuckDBWarehouse, traits: Sequence[Declared], plan: Sequence[dict[str, str]]
) -> dict[str, str]:
    """Make the temporary table `_attributes` with these traits; return the types of its columns."""
    place = warehouse.table("profile_attributes")
    names = {each.name for each in traits}
    kept = [f"attributes.{each}" for each in warehouse.columns(place) if each not in names]
    select = f"select {', '.join(kept)} from {place} as attributes"
    if traits:
        new = "".join(f", traits.{each.name}" for each in traits)
        select = (
            f"select {', '.join(kept)}{new} from {place} as attributes "
            f"join ({traits_sql(traits, plan, warehouse.table)}) as traits "
            "on attributes.profile_id = traits.profile_id"
        )
    warehouse.execute(f"create or replace temp table _attributes as {select}")
    return {name.lower(): kind for name, kind, *_ in warehouse.query("describe _attributes")}


def _examples(warehouse: DuckDBWarehouse, segment: Declared, which: str) -> list[Example]:
    """A few profiles that meet a condition, the same ones each time."""
    names = [name for name, *_ in warehouse.query("describe _judged")]
    rows = warehouse.query(
        f"select * from _judged where {which} order by md5(profile_id) limit {EXAMPLES}"
    )
    found = []
    for row in rows:
        values = {name: value_in(value) for name, value in zip(names, row, strict=True)}
        reason = reason_in(segment.rule, values)
        found.append((str(values["profile_id"]), str(values["_label"]), reason))
    return found


def as_dict(found: Preview) -> dict[str, Any]:
    """A preview for programs; the examples are profile ids."""
    return {
        "segment": found.segment.name,
        "file": found.segment.file,
        "lifecycle": found.segment.spec.lifecycle,
        "as_of": found.as_of.isoformat(sep=" "),
        "profiles": found.profiles,
        "size": found.size,
        "size_before": found.before,
        "enters": found.enters,
        "leaves": found.leaves,
        "overlaps": dict(found.overlaps),
        "entering": [profile for profile, *_ in found.entering],
        "leaving": [profile for profile, *_ in found.leaving],
    }


def as_text(found: Preview) -> str:
    """A preview for a person."""
    return "\n".join(_lines(found))


def _lines(found: Preview) -> Iterator[str]:
    share = found.size / found.profiles if found.profiles else 0
    yield f"{found.segment.place}, as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {found.size:,} of {counted(found.profiles, 'profile')} ({share:.1%}) would be in it"
    if found.before is None:
        yield "  The last build has no such live segment."
    else:
        yield f"  {found.before:,} are now: {found.enters:,} enter, {found.leaves:,} leave"
    if found.overlaps:
        named = [f"{name} {count:,}" for name, count in found.overlaps[:MOST_OVERLAPS]]
        yield f"  Its members are also in: {', '.join(named)}"
    for verb, examples in (("enters", found.entering), ("leaves", found.leaving)):
        for profile, label, reason in examples:
            yield f"  {profile} {verb}: {shown(label)}"
            yield from (f"  {line}" for line in lines_of(reason))


def as_markdown(found: Preview) -> str:
    """A preview for a pull request: a row of a table."""
    before = "new" if found.before is None else f"{found.before:,}"
    return (
        f"| `{found.segment.name}` | {before} | {found.size:,} | +{found.enters:,} "
        f"| −{found.leaves:,} |"
    )


MARKDOWN_HEAD = "| segment | now | then | enter | leave |\n| --- | ---: | ---: | ---: | ---: |"
