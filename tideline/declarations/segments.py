"""The declared traits, segments, creatives and experiments, from subfolders of `models/segments`.

They are read from the files, not through dbt: dbt renders Jinja in YAML, and a declaration must not
read the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tideline.declarations.checks import (
    PROPERTY,
    check_events,
    check_length,
    check_name,
    check_rule,
    check_text,
)
from tideline.declarations.creatives import Creative, FromTemplate, check_templates
from tideline.declarations.examples import Example, check_names
from tideline.declarations.experiments import Experiment, check_experiments
from tideline.declarations.extended import Item, specs_of
from tideline.declarations.files import (
    FOLDER,
    columns_of,
    declaration_files,
    golden_attributes,
    meta_of,
    misplaced_files,
    planned_properties,
    read_declarations,
)
from tideline.declarations.formulas import formulas_of, kind_of_aggregate
from tideline.declarations.operations import Kind
from tideline.declarations.reading import read_block
from tideline.declarations.rules import is_control
from tideline.declarations.templates import label_parts
from tideline.declarations.whole import with_rules
from tideline.text import nearest, shown
from tideline.warehouse.errors import DeclarationError

PROJECT = Path(__file__).parents[2]
JINJA = re.compile(r"\{[{%#]")
UPGRADE = "docs/how-to/upgrade-a-warehouse.md"
# Columns beside declared ones, in `profile_attributes` and `profile_segments` and in the tables of
# models/segments/intermediate.
OTHER_ATTRIBUTES = frozenset(
    {"profile_id", "as_of", "is_known", "persona_id", "persona_name"}
    | {"first_seen_at", "identifier_count", "anonymous_id_count"}
    | {"event_id", "event_name", "event_number", "occurred_at", "properties", "happened_at"}
    | {"revision"}
)
OTHER_COLUMNS = frozenset({"profile_id", "as_of", "primary_segment", "happened_at"})
NUMBERS = (
    "number",
    "decimal",
    "numeric",
    "double",
    "float",
    "real",
    "int",
    "big",
    "huge",
    "small",
    "tiny",
)
SINCE = ("days_since", "minutes_since")
OF_NO_PROPERTY = ("count", "exists", "first_at", "last_at", "streak", *SINCE)
LOWEST_PRIORITY = 1_000_000
MOST_STEPS = 5  # that a trait's `after` names
# The keys of a trait over events, which one with a formula or a list has not.
OF_EVENTS = ("event", "property", "where", "within", "before", "until", "after")


@dataclass(frozen=True, kw_only=True)
class Step:
    """The keys of an event that must have come before an event that a trait counts.

    - `event`: the events of the tracking plan, one or several; `"*"` is all.
    - `where`: a condition over the properties of the event.
    - `within`: the longest time from it to the next event, such as `2 hours`; without it, any.
    - `without`: events that must not have occurred between it and the next event.
    """

    event: tuple[str, ...]
    where: str | None = None
    within: str | None = None
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values; events and properties are checked with the tracking plan."""
        check_events(self.event)
        check_length(self.within, "within")
        check_rule(self.where, "`where`")
        if "*" in self.without:
            raise ValueError('`without` names "*"; name the events')


@dataclass(frozen=True, kw_only=True)
class Trait:
    """The keys of a trait, a column computed from a profile's events, from other traits, or from a
    list of people.

    - `name`: its column in `profile_traits` and `profile_attributes`.
    - `description`: what its values are; the comment of the column.
    - `event`: the events of the tracking plan that count, one or several; `"*"` is all.
    - `aggregate`: the computation over these events.
    - `property`: the property that is aggregated; aggregates of events as such take none.
    - `where`: a condition over the properties of an event; only events that meet it count.
    - `within`: how long an event counts, such as `7 days`; without it, forever.
    - `before`: how long after its time an event begins to count, such as `7 days`.
    - `until`: events that end the counting of all events before them.
    - `after`: the events that must have come before an event, in order, so that it counts.
    - `list`: the list of `seeds/lists.csv` that `listed` looks up; instead of `event`.
    - `formula`: an expression over other traits; instead of the keys about events.
    - `sent_as`: its column in `activation_audiences`; without it, it is not sent.
    """

    name: str
    description: str
    event: tuple[str, ...] = ()
    aggregate: (
        Literal[
            "count",
            "count_distinct",
            "sum",
            "average",
            "min",
            "max",
            "first",
            "last",
            "first_at",
            "last_at",
            "most_frequent",
            "exists",
            "days_since",
            "minutes_since",
            "streak",
            "listed",
        ]
        | None
    ) = None
    property: str | None = None
    where: str | None = None
    within: str | None = None
    before: str | None = None
    until: tuple[str, ...] = ()
    after: tuple[Step, ...] = ()
    list: str | None = None
    formula: str | None = None
    sent_as: str | None = None

    def __post_init__(self) -> None:
        """Check the values; events and properties are checked with the tracking plan."""
        check_name(self.name, "the name")
        check_text(self, "description")
        check_name(self.sent_as, "`sent_as`")
        if self.formula is not None:
            self._check_without((*OF_EVENTS, "aggregate", "list"), "formula")
            check_rule(self.formula, "`formula`")
            return
        if self.aggregate is None:
            raise ValueError(
                "key `aggregate` is missing; write `event` and `aggregate`, or `formula`"
            )
        if (self.aggregate == "listed") != (self.list is not None):
            given, missing = ("aggregate", "list") if self.list is None else ("list", "aggregate")
            raise ValueError(
                f"key `{given}` is given without `{missing}`; write `aggregate: listed` and `list`"
            )
        if self.list is not None:
            self._check_without(OF_EVENTS, "list")
            check_name(self.list, "`list`", is_column=False)
            return
        check_events(self.event)
        if "*" in self.until:
            raise ValueError('`until` names "*"; name the events')
        if both := [name for name in self.until if name in self.event]:
            raise ValueError(
                f"`{both[0]}` is in `event` and in `until`, so it would never count; remove one"
            )
        if len(self.after) > MOST_STEPS:
            raise ValueError(f"`after` has {len(self.after)} events; at most {MOST_STEPS}")
        if self.property is None and self.aggregate not in OF_NO_PROPERTY:
            raise ValueError(f"key `property` is missing, which `{self.aggregate}` needs")
        if self.property is not None and self.aggregate in OF_NO_PROPERTY:
            raise ValueError(f"`{self.aggregate}` takes no `property`; remove it")
        for key in ("within", "before"):
            check_length(getattr(self, key), key)
        if self.before is not None and self.aggregate == "streak":
            raise ValueError("`streak` takes no `before`: it ends today or yesterday; remove it")
        if self.property is not None and not PROPERTY.fullmatch(self.property):
            raise ValueError(
                f"`property` `{self.property}` is invalid; use letters, digits and underscores"
            )
        check_rule(self.where, "`where`")

    def _check_without(self, others: Sequence[str], name: str) -> None:
        for key in others:
            if getattr(self, key):
                raise ValueError(f"`{name}` takes no `{key}`; remove one of the two")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The size that a segment should have.

    - `least`: its least number of members.
    - `most`: its largest number of members; without it, everybody but one.
    - `change`: the largest change of its size in a day, as a share of the size a day before, such
      as `0.3`; only for a segment with intervals.
    - `otherwise`: whether a build warns, or stops before anything is delivered.
    """

    least: int = 1
    most: int | None = None
    change: float | None = None
    otherwise: Literal["warn", "stop"] = "warn"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.least < 0 or (self.most is not None and self.most < self.least):
            raise ValueError("write `least` and `most` as whole numbers from 0, the smaller first")
        if self.change is not None and not 0 < self.change < float("inf"):
            raise ValueError(f"`change` is {self.change}; write a share above 0, such as 0.3")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The keys of a segment, a named condition on a profile.

    - `name`: its column in `profile_segments`.
    - `description`: who its members are; the comment of the column.
    - `label`: the text that people read; a column in braces is filled in per profile.
    - `when`: the condition over the columns of `profile_attributes`.
    - `owner`: the team that is responsible for it; without it, the owner of the file.
    - `priority`: its place among the segments of its owner, and of its exclusive group; 1 is first,
      and all are different.
    - `extends`: a segment whose rule must hold too; it gives its owner, creative and tags, where
      none are stated.
    - `exclusive`: a group of segments; of those whose rules hold, only the first by priority has
      the profile as a member.
    - `creative`: what a message to its members shows: a text, or the name of a creative as
      `{template: complete_the_look}`.
    - `tags`: words to find it by in the catalog, in lower case.
    - `expected`: the size that it should have; without it, any.
    - `frozen_at`: the time (UTC) from which nobody enters it or leaves it any more.
    - `lifecycle`: only a live segment has members; a draft has none yet, a retired one no longer.
    - `examples`: people who are in it, and people who are not; a build fails if one is wrong.
    """

    name: str
    description: str
    label: str
    when: str
    owner: str
    priority: int
    extends: str | None = None
    exclusive: str | None = None
    creative: str | FromTemplate | None = None
    tags: tuple[str, ...] = ()
    expected: Expected | None = None
    frozen_at: datetime | None = None
    lifecycle: Literal["draft", "live", "retired"] = "live"
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        """Check the values; columns are checked with the warehouse."""
        check_name(self.name, "the name")
        for name in ("description", "label", "owner"):
            check_text(self, name)
        check_rule(self.when, "`when`")
        check_name(self.exclusive, "`exclusive`", is_column=False)
        if not 1 <= self.priority <= LOWEST_PRIORITY:
            raise ValueError(f"`priority` is {self.priority}; write 1 to {LOWEST_PRIORITY:,}")
        if self.frozen_at is not None and self.exclusive is not None:
            raise ValueError(
                "`frozen_at` takes no `exclusive`: others of the group go on; remove it"
            )
        label_parts(self.label)
        check_names(self.examples)
        for tag in self.tags:
            if "," in tag or tag != tag.strip():
                raise ValueError(f"`tags`: `{tag}` has a comma or a blank at an end; remove it")


@dataclass(frozen=True)
class Declared:
    """A declared trait, segment, creative or experiment with its place."""

    spec: Any  # a Trait, a Segment, a Creative or an Experiment
    is_of_shop: bool
    file: str
    place: str
    rule: Any = field(default=None, repr=False)  # a whole.Rule, if it is a segment
    kind: Kind | None = None  # of the values, if it is a trait with an aggregate

    @property
    def name(self) -> str:
        """The name; that of a trait or a segment is its column."""
        return str(self.spec.name)


KINDS: dict[str, type] = {  # by the key of a file that lists them
    "traits": Trait,
    "segments": Segment,
    "creatives": Creative,
    "experiments": Experiment,
}
OF_FILE = ("owner", "shop", *KINDS)


def read_traits(project: Path = PROJECT, has_shop: bool = True) -> list[Declared]:
    """The traits by file and place in it. Raises DeclarationError for a wrong declaration."""
    traits = _of_shop(_read(project)["traits"], has_shop)
    try:
        formulas_of(traits)
    except DeclarationError as error:
        hint = "" if has_shop else ". The var shop is false: the traits of the shop are off"
        raise DeclarationError(f"{error}{hint}") from None
    return traits


def read_segments(project: Path = PROJECT, has_shop: bool = True) -> list[Declared]:
    """The segments by file and place in it. Raises DeclarationError for a wrong declaration."""
    found = _read(project)
    segments = _of_shop(found["segments"], has_shop)
    check_templates(segments, _of_shop(found["creatives"], has_shop), has_shop)
    first: dict[tuple[str, int], Declared] = {}
    for each in segments:
        if each.spec.lifecycle != "retired":
            key = each.spec.owner.casefold(), each.spec.priority
            if (other := first.setdefault(key, each)) is not each:
                raise DeclarationError(
                    f"{each.place} has the priority {each.spec.priority} of {other.place}; give "
                    f"each segment of the owner {each.spec.owner} its own"
                )
    return with_rules(segments)


def read_creatives(project: Path = PROJECT, has_shop: bool = True) -> list[Declared]:
    """The creatives by file and place in it. Raises DeclarationError for a wrong declaration."""
    return _of_shop(_read(project)["creatives"], has_shop)


def read_experiments(project: Path = PROJECT, has_shop: bool = True) -> list[Declared]:
    """The experiments by file and place in it. Raises DeclarationError for a wrong declaration."""
    found = _read(project)
    experiments = _of_shop(found["experiments"], has_shop)
    check_experiments(experiments, [each.name for each in _of_shop(found["segments"], has_shop)])
    return experiments


def _of_shop(declared: Sequence[Declared], has_shop: bool) -> list[Declared]:
    return [each for each in declared if has_shop or not each.is_of_shop]


def _read(project: Path) -> dict[str, list[Declared]]:
    _refuse_elsewhere(project)
    features = {column["name"] for _, column in columns_of("profile_features", project)}
    attributes = {column["name"] for _, column in columns_of("profile_attributes", project)}
    taken = {
        "traits": features | OTHER_ATTRIBUTES | {*golden_attributes(project)},
        "segments": features | OTHER_COLUMNS | attributes,  # a rule may name both
        "creatives": frozenset(),
        "experiments": frozenset(),
    }
    plan = planned_properties(project)
    found: dict[str, dict[str, Declared]] = {key: {} for key in KINDS}
    items = [
        item
        for path in declaration_files(project)
        for item in _of_file(path, str(path.relative_to(project)))
    ]
    for item, spec in specs_of(items, _spec):
        key, kind = item.key, kind_of_aggregate(spec, plan) if item.key == "traits" else None
        each = Declared(spec, item.is_of_shop, item.file, item.place, kind=kind)
        is_score = key == "traits" and each.name.endswith("_score")
        if each.name in taken[key] or is_score:
            raise DeclarationError(f"{each.place} has the name of another column; give it another")
        same = ("traits", "segments") if key in ("traits", "segments") else (key,)
        others = [found[other][each.name] for other in same if each.name in found[other]]
        if others:
            raise DeclarationError(
                f"{each.place} has the name of {others[0].place}; give one another name"
            )
        found[key][each.name] = each
    return {key: list(named.values()) for key, named in found.items()}


def _of_file(path: Path, file: str) -> Iterator[Item]:
    content, lines = read_declarations(path, file)
    for key in content:
        if key not in OF_FILE:
            raise DeclarationError(f'{file}: unknown key "{key}"; {nearest(key, OF_FILE)}')
    if not KINDS.keys() & content.keys():
        raise DeclarationError(
            f"{file} has neither `traits`, `segments`, `creatives` nor `experiments`"
        )
    shop, owner = content.get("shop", False), content.get("owner", "")
    if not isinstance(shop, bool):
        raise DeclarationError(f"{file}: `shop` is not true or false")
    if not isinstance(owner, str) or ("owner" in content and not owner.strip()):
        raise DeclarationError(f"{file}: `owner` is not the name of a team")
    _check_texts({"owner": owner}, file)
    for key, block in KINDS.items():
        items = content.get(key, [])
        if not isinstance(items, list):
            raise DeclarationError(f"{file}: `{key}` is not a list; begin each item with `- name:`")
        for item, line in zip(items, lines.get(key, []), strict=True):
            place = f"{file}:{line}"
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                raise DeclarationError(f"{place}: {block.__name__.lower()} without a `name`")
            place = f'{block.__name__} "{shown(item["name"])}" ({place})'
            inherited = {"owner": owner} if owner and block is not Trait else {}
            yield Item(key, inherited | item, shop, file, place)


def _spec(item: Item) -> Any:
    block = KINDS[item.key]
    known = {each.name for each in fields(block)}
    for key in item.values:
        if key not in known:
            raise DeclarationError(f'{item.place}: unknown key "{key}"; {nearest(key, known)}')
    _check_texts(item.values, item.place)
    values = {key: _bare(each) for key, each in item.values.items()}
    return read_block(block, values, item.place)


def _bare(value: Any) -> Any:
    """A value whose texts have no blanks at their ends."""
    if isinstance(value, list):
        return [_bare(each) if isinstance(each, dict) else each for each in value]
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    return value.strip() if isinstance(value, str) else value


def _check_texts(values: Mapping[str, Any], place: str) -> None:
    for key, value in values.items():
        for text in _texts(value):
            if JINJA.search(text):
                raise DeclarationError(f"{place}: `{key}` has Jinja in it; write the text itself")
            if any(map(is_control, text)):
                raise DeclarationError(f"{place}: `{key}` has a control character in it; remove it")


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, also in lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(each)


def _refuse_elsewhere(project: Path) -> None:
    """Refuse declarations that nothing reads: for dbt, or in the folder that dbt reads."""
    for model, kind in (("profile_traits", "trait"), ("profile_segments", "segment")):
        for path, column in columns_of(model, project):
            if kind in meta_of(column):
                place = f'{kind.capitalize()} "{column["name"]}" ({path.relative_to(project)})'
                raise DeclarationError(
                    f"{place} is no longer read in a file of dbt; move it to a file in a subfolder "
                    f"of {FOLDER} ({UPGRADE})"
                )
    for path, content in misplaced_files(project):
        if key := next((key for key in KINDS if key in content), None):
            raise DeclarationError(
                f"{path.relative_to(project)}: `{key}` is only read in a subfolder of {FOLDER}, "
                "such as one per owner; move the file"
            )


def kinds_of(types: Mapping[str, str]) -> dict[str, Kind]:
    """The kinds of columns by name, from their types in a warehouse; other types are text."""
    return {name.lower(): _kind(kind.lower()) for name, kind in types.items()}


def _kind(kind: str) -> Kind:
    if kind.startswith("bool"):
        return "boolean"
    if kind.startswith(("timestamp", "date")):
        return "timestamp"
    return "number" if kind.lstrip("u").startswith(NUMBERS) else "text"
