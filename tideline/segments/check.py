"""Checks declarations without a warehouse, with the tracking plan and the documented columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tideline.declarations.compiled import label_sql, segment_sql
from tideline.declarations.creatives import catalog_types, wrong_creatives
from tideline.declarations.exact import exact_rules
from tideline.declarations.files import columns_of, golden_attributes, type_of
from tideline.declarations.formulas import all_kinds
from tideline.declarations.segments import Declared
from tideline.segments.models import model_sql, plan_rows, traits_sql
from tideline.segments.people_lists import wrong_lists
from tideline.text import counted, listed
from tideline.warehouse.errors import DeclarationError

MOST_EVENTS = 2  # that an error names
UNKNOWN = re.compile(r"unknown column `([^`]*)`")  # an error of a rule or label


def check(
    project: Path,
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    experiments: Sequence[Declared] = (),
    creatives: Sequence[Declared] = (),
) -> list[str]:
    """What a build would refuse: the first problem of each trait, experiment, rule, label, and row
    of a list of people, and all problems of creatives.

    Raises DeclarationError if the tracking plan has a problem.
    """
    plan = plan_rows(project / "seeds")
    problems = [*wrong_traits(traits, plan), *wrong_experiments(experiments, plan)]
    problems += wrong_lists(project)
    try:
        types = attribute_types(project, traits)
    except DeclarationError as error:  # a formula, so that rules cannot be judged
        return list(dict.fromkeys([*problems, str(error)]))
    problems += wrong_creatives(creatives, traits, catalog_types(project))
    for each in segments:
        if each.spec.frozen_at is not None:
            try:
                exact_rules([each], traits, "duckdb", golden_attributes(project))
            except DeclarationError as error:
                problems.append(str(error))
        for to_sql in (
            partial(segment_sql, each.rule, types),
            partial(label_sql, each.place, each.spec.label, types),
        ):
            try:
                to_sql("duckdb")
            except DeclarationError as error:
                problems.append(explained(error, plan))
    return list(dict.fromkeys(problems))  # a rule is a part of each that depends on it


def wrong_traits(traits: Sequence[Declared], plan: Sequence[dict[str, str]]) -> Iterator[str]:
    """The first problem of each trait; formulas are checked only together with all traits."""
    try:
        traits_sql(traits, plan, str)
    except DeclarationError as of_all:
        found = []
        for each in traits:
            try:
                traits_sql([each] if each.spec.aggregate else [], plan, str)
            except DeclarationError as error:
                found.append(str(error))
        yield from found or [str(of_all)]


def wrong_experiments(
    experiments: Sequence[Declared], plan: Sequence[dict[str, str]]
) -> Iterator[str]:
    """The first problem of the outcomes of each experiment."""
    for each in experiments:
        try:
            model_sql("experiment_results", (), plan, str, experiments=[each])
        except DeclarationError as error:
            yield str(error)


def explained(error: DeclarationError, plan: Sequence[dict[str, str]]) -> str:
    """An error of a rule or label; if the unknown column is a property of events, with the fix."""
    said, unknown = str(error), UNKNOWN.search(str(error))
    events = [row["event_name"] for row in plan if unknown and row["property"] == unknown[1]]
    if not unknown or not events:
        return said
    named = [f"`{event}`" for event in events[:MOST_EVENTS]]
    if more := len(events[MOST_EVENTS:]):
        named.append(counted(more, "more event"))
    fix = f"`{unknown[1]}` is a property of {listed(named, 'and')}: declare a trait that reads it"
    return f"{said}{' ' if said.endswith('?') else '; '}{fix}"


def unused_attributes(project: Path) -> set[str]:
    """The attributes that rules may read, but of which `attribute_rules` has no row."""
    path = project / "seeds" / "attribute_rules.csv"
    text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    return {*golden_attributes(project)} - {
        row.get("attribute") for row in csv.DictReader(text.splitlines())
    }


def attribute_types(project: Path, traits: Sequence[Declared]) -> dict[str, str]:
    """The columns of `profile_attributes` with their types, as documented and declared."""
    found, unused = {}, unused_attributes(project)
    for _, column in columns_of("profile_attributes", project):
        if column["name"] in unused:
            continue
        found[column["name"]] = type_of(column)
    return found | {name: str(kind) for name, kind in all_kinds(traits).items()}
