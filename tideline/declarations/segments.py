"""The declared traits and segments, read from the project's YAML and checked.

They are read from the files, not from dbt's manifest: dbt renders Jinja in YAML, and a declaration
must not read the environment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from tideline.declarations.operations import Kind
from tideline.declarations.reading import read_block
from tideline.declarations.rules import NAME, RuleError, is_control, parse
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

PROJECT = Path(__file__).parents[2]
TRAITS, SEGMENTS = "profile_traits", "profile_segments"
JINJA = re.compile(r"\{[{%#]")
# Columns of `profile_attributes` and `profile_segments` that are not declared.
OTHER_ATTRIBUTES = frozenset({"profile_id", "as_of", "is_known", "persona_id", "persona_name"})
OTHER_META = ("shop", "personal")
OTHER_COLUMNS = frozenset({"profile_id", "as_of", "primary_segment"})
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
WINDOW = re.compile(r"[1-9][0-9]{0,5} (minutes|hours|days)")
PROPERTY = re.compile(
    r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*"
)  # a dot reads a nested property
QUOTED = re.compile(r"\{([^{}]*)\}")
OF_NO_PROPERTY = ("count", "first_at", "last_at")
# Words that cannot be the name of a column without quotes in every warehouse.
_WORDS = """
all alter analyse analyze and anti any array as asc asof asymmetric at authorization begin between
binary both by cache call case cast check collate collation column comment commit concurrently
constraint copy create cross current current_date current_time current_timestamp default
deferrable delete desc describe distinct do drop else end except execute exists explain false
fetch for foreign freeze from full glob grant group having if ilike in increment initially inner
insert intersect into is isnull join lambda lateral leading left like limit load localtime
localtimestamp merge minus natural not notnull null of offset on only or order organization outer
overlaps pivot pivot_longer pivot_wider placing positional pragma prepare primary qualify
references regexp rename returning revoke right rlike rollback row rows sample select semi set
show similar some start summarize symmetric table tablesample then to trailing trigger true
truncate try_cast union unique unpack unpivot update use using vacuum values variadic verbose view
when whenever where window with
"""
RESERVED = frozenset(_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class Trait:
    """The keys of `meta.trait`, a column computed from a profile's events.

    - `event`: the events of the tracking plan that count, one or several.
    - `aggregate`: the computation over these events.
    - `property`: the property that is aggregated; `count`, `first_at` and `last_at` take none.
    - `filter`: a condition over the properties of an event; only events that meet it count.
    - `window`: how long an event counts, such as `7 days`; without it, forever.
    - `sent_as`: its column in `activation_audiences`; without it, it is not sent.
    """

    event: tuple[str, ...]
    aggregate: Literal[
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
    ]
    property: str | None = None
    filter: str | None = None
    window: str | None = None
    sent_as: str | None = None

    def __post_init__(self) -> None:
        """Check the values; events and properties are checked with the tracking plan."""
        if not self.event:
            raise ValueError("`event` is empty; name an event of the tracking plan")
        if self.property is None and self.aggregate not in OF_NO_PROPERTY:
            raise ValueError(f"key `property` is missing, which `{self.aggregate}` needs")
        if self.property is not None and self.aggregate in OF_NO_PROPERTY:
            raise ValueError(f"`{self.aggregate}` takes no `property`; remove it")
        if self.window is not None and not WINDOW.fullmatch(self.window):
            raise ValueError(
                f"`window` is `{self.window}`; write a number of minutes, hours or days, such as "
                "`7 days`"
            )
        if self.property is not None and not PROPERTY.fullmatch(self.property):
            raise ValueError(
                f"`property` `{self.property}` is invalid; use letters, digits and underscores"
            )
        _check_name(self.sent_as, "`sent_as`")
        _check_rule(self.filter, "`filter`")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The keys of `meta.segment`, a named condition on a profile.

    - `rule`: the condition over the columns of `profile_attributes`.
    - `label`: the text that people read; a column in braces is filled in per profile.
    - `owner`: the team that is responsible for the segment.
    - `priority`: its place among the segments; 1 is first, and all are different.
    - `creative`: what a message to its members shows.
    """

    rule: str
    label: str
    owner: str
    priority: int
    creative: str | None = None

    def __post_init__(self) -> None:
        """Check the values; columns are checked with the warehouse."""
        _check_rule(self.rule, "`rule`")
        label_parts(self.label)
        for name in ("label", "owner"):
            if not getattr(self, name).strip():
                raise ValueError(f"`{name}` is empty")


@dataclass(frozen=True)
class Declared:
    """A declared trait or segment: its column, its declaration, and its place."""

    name: str
    description: str
    spec: Any  # a Trait or a Segment
    is_of_shop: bool
    place: str


def read_traits(project: Path = PROJECT) -> list[Declared]:
    """All traits. Raises DeclarationError for the first wrong declaration."""
    features = {column["name"] for _, column in columns_of("profile_features", project)}
    return _read(TRAITS, "trait", Trait, project, features | OTHER_ATTRIBUTES)


def read_segments(project: Path = PROJECT) -> list[Declared]:
    """All segments. Raises DeclarationError for the first wrong declaration."""
    return _read(SEGMENTS, "segment", Segment, project, OTHER_COLUMNS)


def _read(
    model: str, kind: str, block: type, project: Path, taken: Collection[str]
) -> list[Declared]:
    found: dict[str, Declared] = {}
    for path, column in columns_of(model, project):
        meta = meta_of(column)
        place = f'{kind.capitalize()} "{column["name"]}" ({path.relative_to(project)})'
        known = (kind, *OTHER_META)
        if unknown := [key for key in meta if key not in known]:
            raise DeclarationError(
                f'{place}: unknown key "{unknown[0]}" of meta; {nearest(unknown[0], known)}'
            )
        if kind not in meta:
            continue
        declared = _declared(column, meta, kind, block, place)
        if declared.name in taken or (kind == "trait" and declared.name.endswith("_score")):
            raise DeclarationError(f"{place} has the name of another column; give it another")
        if declared.name in found:
            raise DeclarationError(f"{place} is declared twice; give one another name")
        found[declared.name] = declared
    return list(found.values())


def _declared(
    column: Mapping[str, Any], meta: Mapping[str, Any], kind: str, block: type, place: str
) -> Declared:
    spec, known = meta[kind], {each.name for each in fields(block)}
    if not isinstance(spec, Mapping):
        raise DeclarationError(f"{place}: `meta.{kind}` is not a block of keys and values")
    for key in spec:
        if key not in known:
            raise DeclarationError(f'{place}: unknown key "{key}"; {nearest(key, known)}')
    description = column.get("description") or ""
    for key, value in {**spec, "description": description}.items():
        if any(JINJA.search(each) for each in _texts(value)):
            raise DeclarationError(f"{place}: `{key}` has Jinja in it; write the text itself")
        if any(is_control(letter) for each in _texts(value) for letter in each):
            raise DeclarationError(f"{place}: `{key}` has a control character in it; remove it")
    try:
        _check_name(column["name"], "the name")
    except ValueError as error:
        raise DeclarationError(f"{place}: {error}") from None
    if not isinstance(meta.get("shop", False), bool):
        raise DeclarationError(f"{place}: `meta.shop` is not true or false")
    text = str(description).strip()
    values: Any = read_block(block, spec, place)
    return Declared(column["name"], text, values, bool(meta.get("shop")), place)


def _texts(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


class _Duplicate(Exception):
    """A key occurs twice in a YAML mapping; the message names it and its line."""


class _Unique(yaml.SafeLoader):
    """PyYAML's safe loader, but without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises _Duplicate."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise _Duplicate(f"line {line}: the key `{key.value}` occurs twice; remove one")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def columns_of(model: str, project: Path = PROJECT) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The documented columns of a model, each with its file.

    Files that are not valid YAML and invalid columns are skipped: dbt reports them. Raises
    DeclarationError for a key that occurs twice, of which YAML would ignore the first.
    """
    for path in sorted((project / "models").rglob("*.y*ml")):
        try:
            text = path.read_text(encoding="utf-8")
            models = yaml.load(text, _Unique)["models"] if model in text else []
        except _Duplicate as error:
            raise DeclarationError(f"{path.relative_to(project)}, {error}") from None
        except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
            continue
        for each in models if isinstance(models, list) else []:
            if isinstance(each, dict) and each.get("name") == model:
                for column in each.get("columns") or []:
                    if isinstance(column, dict) and isinstance(column.get("name"), str):
                        yield path, column


def meta_of(column: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `meta` of a documented column, and its `config.meta`, which goes first."""
    found: dict[str, Any] = {}
    for holder in (column, column.get("config")):
        if isinstance(holder, Mapping) and isinstance(holder.get("meta"), Mapping):
            found |= holder["meta"]
    return found


def label_parts(label: str) -> list[tuple[str, bool]]:
    """A label cut into texts and columns: (text, False) or (column, True).

    Raises ValueError for braces without the name of a column.
    """
    cut = enumerate(QUOTED.split(label))
    parts = [(each, index % 2 == 1) for index, each in cut if each or index % 2]
    for each, is_column in parts:
        if is_column and not NAME.fullmatch(each):
            raise ValueError(f"`label` has {{{each}}} in it; braces hold the name of a column")
        if not is_column and ("{" in each or "}" in each):
            raise ValueError("`label` has a brace without its other one; write {column}")
    return parts


def kinds_of(types: Mapping[str, str]) -> dict[str, Kind]:
    """The kinds of columns by name, from their types in a warehouse; other types are text."""
    return {name.lower(): _kind(kind.lower()) for name, kind in types.items()}


def _kind(kind: str) -> Kind:
    if kind.startswith("bool"):
        return "boolean"
    if kind.startswith(("timestamp", "date")):
        return "timestamp"
    return "number" if kind.lstrip("u").startswith(NUMBERS) else "text"


def _check_name(name: str | None, what: str) -> None:
    if name is None:
        return
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{what} `{name}` is invalid; use lower-case letters, digits and underscores"
        )
    if name in RESERVED:
        raise ValueError(f"{what} `{name}` is a word of SQL; use another")


def _check_rule(rule: str | None, what: str) -> None:
    if rule is None:
        return
    try:
        parse(rule)
    except RuleError as error:
        raise ValueError(f"{what}: {error}") from None
