"""Declared segments that have no members as long as certain events are missing.

A trait names the events that it counts. A feature names the event without which it is 0 or null
(`meta.event` in models/features/profile_features.yml). If a required part of a rule is false or
null for such values, the segment is empty.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from tideline.warehouse.duckdb_file import close_off, only_row

PROJECT = Path(__file__).parents[2]
ZERO = ("count", "count_distinct", "sum")  # these aggregates are 0 without events; others null
LITERAL = r"'(?:[^']|'')*'"


@dataclass(frozen=True)
class Attribute:
    """A trait or feature: the events it counts, and its possible values without any of them."""

    events: tuple[str, ...]
    nothing: tuple[int | None, ...]


def columns_of(model: str, project: Path = PROJECT) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and `meta` of each documented column of a model.

    Files that are not valid YAML and wrong declarations are skipped, here and below: a build
    reports them.
    """
    for path in sorted((project / "models").rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        if f"name: {model}" not in text:
            continue
        try:
            models = yaml.safe_load(text)["models"]
        except (yaml.YAMLError, KeyError, TypeError):
            continue
        for each in models:
            for column in each.get("columns") or [] if each.get("name") == model else []:
                yield column["name"], _mapping(_mapping(column.get("config")).get("meta"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def declared_attributes(project: Path = PROJECT) -> dict[str, Attribute]:
    """The traits, and the features that depend on one event; by name."""
    found = {
        name: Attribute((meta["event"],), (0, None))
        for name, meta in columns_of("profile_features", project)
        if "event" in meta
    }
    for name, meta in columns_of("profile_traits", project):
        trait = _mapping(meta.get("trait"))
        events = trait.get("event")
        if isinstance(events, str | list):
            nothing = (0 if trait.get("aggregate") in ZERO else None,)
            found[name] = Attribute(tuple([events] if isinstance(events, str) else events), nothing)
    return found


def declared_rules(project: Path = PROJECT) -> dict[str, str]:
    """The rules of the segments, by name; shop segments only if the var `shop` is true."""
    settings = yaml.safe_load((project / "dbt_project.yml").read_text(encoding="utf-8"))
    has_shop = settings["vars"].get("shop", True)
    return {
        name: meta["segment"]["rule"]
        for name, meta in columns_of("profile_segments", project)
        if isinstance(meta.get("segment"), dict)
        and isinstance(meta["segment"].get("rule"), str)
        and (has_shop or not meta.get("shop"))
    }


def parts_of(rule: str) -> list[str]:
    """The conditions of a rule that must all be true: the rule split at each top-level `and`."""
    words = re.sub(LITERAL, "", rule).lower()
    if re.search(r"\b(or|between|case)\b", words):
        return [rule]
    parts, depth = [""], 0
    for token in re.findall(rf"{LITERAL}|\w+|\s+|.", rule):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token.lower() == "and" and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def is_never(part: str, nothing: Mapping[str, tuple[int | None, ...]]) -> bool:
    """Whether a condition is false or null for every combination of the values in `nothing`.

    `nothing` maps attributes to their values without events. A condition that also reads other
    columns may be true.
    """
    with duckdb.connect() as con:
        close_off(con, ())  # a rule must not read files
        for values in itertools.product(*nothing.values()):
            pairs = zip(nothing, values, strict=True)
            row = ", ".join(f"{'null' if v is None else v} as {name}" for name, v in pairs)
            try:
                if only_row(con, f"select ({part}) is true from (select {row})")[0]:
                    return False
            except duckdb.Error:
                return False
    return True


def without_members(
    rules: Mapping[str, str], accepted: Collection[str], project: Path = PROJECT
) -> dict[tuple[str, ...], list[str]]:
    """The segments without possible members, by the events of which they need at least one."""
    empty = {
        name: attribute
        for name, attribute in declared_attributes(project).items()
        if not set(attribute.events) & set(accepted)
    }
    found: dict[tuple[str, ...], list[str]] = {}
    for segment, rule in rules.items():
        for part in parts_of(rule):
            read = re.findall(r"[a-z_]\w*", re.sub(LITERAL, "", part).lower())
            nothing = {name: empty[name].nothing for name in read if name in empty}
            if nothing and is_never(part, nothing):
                for name in nothing:
                    segments = found.setdefault(empty[name].events, [])
                    segments += [segment] if segment not in segments else []
    return found


def sentences(
    rules: Mapping[str, str], accepted: Iterable[str], why: str, project: Path = PROJECT
) -> list[str]:
    """One sentence per missing event; `why` continues it: where it is missing, what follows."""
    hint = " or see `shop: false` (docs/tutorials/make-it-yours.md)"
    of_shop = {name for name, meta in columns_of("profile_segments", project) if meta.get("shop")}
    return [
        f"No {' or '.join(f'`{event}`' for event in events)} event {why}: "
        f"{', '.join(segments)}; map an event to it (docs/tutorials/your-own-log.md)"
        f"{hint if of_shop & {*segments} else ''}."
        for events, segments in without_members(rules, set(accepted), project).items()
    ]
