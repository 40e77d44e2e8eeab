"""Finds declared segments without members because an event or a model is missing.

Traits declare their events, and features the event that they need (`meta.event` in
models/features/profile_features.yml). A rule has no members if one of its parts is never true of
empty attributes.
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

from tideline.text import listed
from tideline.warehouse.duckdb_file import close_off, only_row

PROJECT = Path(__file__).parents[2]
ZERO = ("count", "count_distinct", "sum")  # these aggregates are 0 without events; others null
MAPPING = "map an event to it (docs/tutorials/your-own-log.md)"
LITERAL = r"'(?:[^']|'')*'"


@dataclass(frozen=True)
class Attribute:
    """An attribute: the events or the model that it needs, and its possible values without them."""

    needs: tuple[str, ...]
    nothing: tuple[int | None, ...]


def columns_of(model: str, project: Path = PROJECT) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and `meta` of the documented columns of a model.

    Wrong declarations are left out here and below: the build names them.
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
    """The traits, and the features that need an event."""
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
    """The rules of the segments; those of the shop only if the var `shop` is true."""
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
    """The conditions that a rule joins by `and` at its top level."""
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
    """Whether a part of a rule is false for all empty values of its attributes.

    A part that also reads other attributes may be true.
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
    rules: Mapping[str, str], empty: Mapping[str, Attribute]
) -> dict[tuple[str, ...], list[str]]:
    """Segments without members because of empty attributes, by what each attribute needs."""
    found: dict[tuple[str, ...], list[str]] = {}
    for segment, rule in rules.items():
        for part in parts_of(rule):
            read = re.findall(r"[a-z_]\w*", re.sub(LITERAL, "", part).lower())
            nothing = {name: empty[name].nothing for name in read if name in empty}
            if nothing and is_never(part, nothing):
                for name in nothing:
                    segments = found.setdefault(empty[name].needs, [])
                    segments += [segment] if segment not in segments else []
    return found


def empty_attributes(accepted: Collection[str], project: Path = PROJECT) -> dict[str, Attribute]:
    """The traits and features none of whose events has been accepted."""
    return {
        name: attribute
        for name, attribute in declared_attributes(project).items()
        if not set(attribute.needs) & set(accepted)
    }


def sentences(
    rules: Mapping[str, str], accepted: Iterable[str], why: str, project: Path = PROJECT
) -> list[str]:
    """Sentences about missing events; `why` says where they are missing and what follows.

    Segments of the sample shop share one sentence; each other missing event has its own.
    """
    of_shop = {name for name, meta in columns_of("profile_segments", project) if meta.get("shop")}
    own, shop_events, shop_segments = [], [], []
    for events, names in without_members(rules, empty_attributes(set(accepted), project)).items():
        words = " or ".join(f"`{event}`" for event in events)
        if set(names) <= of_shop:
            shop_events += [each for each in events if each not in shop_events]
            shop_segments += [each for each in names if each not in shop_segments]
        else:
            own.append(f"No {words} event {why}: {', '.join(names)}; {MAPPING}.")
    if shop_segments:
        own.append(
            f"No {listed(f'`{event}`' for event in shop_events)} event {why}: "
            f"{', '.join(shop_segments)}; {MAPPING}, or leave the sample shop out with "
            "`shop: false` (docs/tutorials/make-it-yours.md)."
        )
    return own
