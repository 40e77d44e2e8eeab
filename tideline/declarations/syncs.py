"""The declared syncs: dbt exposures with `meta.sync`, read from the manifest and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from tideline.declarations.reading import read_block
from tideline.declarations.rules import NAME
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

CONSENTS = "profile_consents"
# Seconds between two batches at most: the lease of a warehouse is renewed with each batch.
LONGEST_PAUSE = 300.0
LIST_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Declarable(Protocol):
    """A type of destination, as far as the declaration of a sync depends on it."""

    # A dataclass: the keys of `meta.sync` beyond the common ones. It may have the methods
    # `in_key()`, the columns that `key` must have, `reads()`, the other columns that are sent, and
    # `hashable()`, those of `in_key()` that `hash` may have, which are email addresses; and the
    # fields `lists`, the list at the tool by segment, and `fields`, templates over columns.
    Options: ClassVar[type]
    default_batch_rows: ClassVar[int]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of `meta.sync` that every destination has.

    - `destination`: the type of the destination.
    - `key`: the columns that identify a row at the destination.
    - `columns`: the other columns to send; without it, all but `as_of`.
    - `segments`: only rows of these segments are sent; without it, those of all (of those that
      `lists` names, for a destination with lists).
    - `require`: columns without which a row is not sent, such as the address by which the tool
      knows a person; a row at the destination that loses its value is removed.
    - `hash`: columns sent and remembered only as SHA-256 of the trimmed, lower-cased text.
    - `batch_rows`: rows per request; without it, the destination's default.
    - `rows_per_second`: upper limit of rows sent per second, averaged over the run. A batch has at
      most the rows of five minutes.
    - `max_attempts`: how often one run sends a batch; the next run tries again.
    - `max_change_share`, `max_growth_share`, `guard_min_rows`: a sync is held if it would change
      (update or remove), or add, more than this share of the rows at the destination and more than
      `guard_min_rows` rows.
    - `max_fall_share`, `guard_min_fall`: a sync is held if more than this share of the rows at the
      destination, or of the consent statements, would be gone and these are more than
      `guard_min_fall`. It is always held if all of them would be gone.
    - `consent`: a purpose of `profile_consents`; only profiles that have agreed to it are sent, the
      others are removed.
    - `silence_is_consent`: whether profiles without a statement about that purpose are sent too.
    - `most_changes_per_day`: a person (`profile_id`) gets at most this many adds and updates in 24
      hours; further ones wait. Removals do not.
    - `history_kept_days`: accepted and rejected operations older than this are deleted from
      `activation_deliveries` and `activation_rejections` at the end of a run.
    - `alert_rejected_share`: an alert is posted if more than this share of the desired rows has
      been rejected, in this run or before.
    - `alert_stale_hours`: an alert is posted if no run has succeeded for longer than this.
    """

    destination: str
    key: tuple[str, ...]
    columns: tuple[str, ...] | None = None
    segments: tuple[str, ...] | None = None
    require: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    batch_rows: int | None = None
    rows_per_second: float | None = None
    max_attempts: int = 5
    max_change_share: float = 0.5
    max_growth_share: float = 1.0
    guard_min_rows: int = 1000
    max_fall_share: float = 0.9
    guard_min_fall: int = 50
    consent: str | None = None
    silence_is_consent: bool = False
    most_changes_per_day: int | None = None
    history_kept_days: int = 90
    alert_rejected_share: float | None = None
    alert_stale_hours: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.key:
            raise ValueError("`key` is empty; name the columns that identify a row")
        for name in self.segments or ():
            if not NAME.fullmatch(name):
                raise ValueError(f"`segments` has `{name}`; write names of segments")
        if self.segments == ():
            raise ValueError("`segments` is empty; name segments, or remove it to send all")
        above_0 = ("batch_rows", "rows_per_second", "max_attempts", "most_changes_per_day")
        for name in (*above_0, "history_kept_days", "alert_stale_hours"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` is {value}; it must be above 0")
        for name in ("max_change_share", "max_fall_share", "alert_rejected_share"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}; it is a share, from 0 to 1")
        for name in ("max_growth_share", "guard_min_rows", "guard_min_fall"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"`{name}` is {getattr(self, name)}; it must not be below 0")
        if self.silence_is_consent and self.consent is None:
            raise ValueError("`silence_is_consent` needs `consent`; name the purpose there")


@dataclass(frozen=True)
class Sync:
    """A declared sync: the rows of one table and the destination that receives them."""

    name: str
    schema: str
    table: str
    settings: Settings
    options: Any  # the destination's own `Options`
    batch_rows: int  # rows per request
    consents: tuple[str, str] | None = None  # schema and table of the consents, if required
    # The columns that the model describes and does not mark as personal; others may be personal.
    public: frozenset[str] = frozenset()

    @property
    def lists(self) -> Mapping[str, str]:
        """The list at the tool for each segment; empty if the destination has no lists."""
        return getattr(self.options, "lists", None) or {}

    @property
    def templates(self) -> Mapping[str, str]:
        """The template of each field; empty if the destination has no fields."""
        return getattr(self.options, "fields", None) or {}

    @property
    def hashed_addresses(self) -> tuple[str, ...]:
        """The columns of `hash` with email addresses by which the destination knows a person."""
        known = self.options.hashable() if hasattr(self.options, "hashable") else ()
        return tuple(column for column in self.settings.hash if column in known)

    @property
    def group_by(self) -> str | None:
        """The column that names the group (file) of a row, if the destination has groups."""
        return getattr(self.options, "group_by", None)


def read_syncs(manifest: Path, destinations: Mapping[str, type[Declarable]]) -> list[Sync]:
    """The enabled syncs of a dbt manifest, sorted by name.

    `destinations` maps the names that a sync may use to their classes. Raises DeclarationError if
    the manifest is missing or unreadable, or if a declaration is wrong.
    """
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeclarationError(
            f"there is no manifest at {manifest}; run `dbt parse` (or `dbt build`) to write it, "
            "or name another with --manifest"
        ) from None
    except (OSError, ValueError) as error:
        raise DeclarationError(
            f"the manifest {manifest} cannot be read ({type(error).__name__}); "
            "run `dbt parse` to write it again"
        ) from error
    exposures = sorted(content.get("exposures", {}).values(), key=lambda each: each["name"])
    return [
        _sync(exposure, content, destinations)
        for exposure in exposures
        if "sync" in _meta(exposure) and _is_enabled(exposure)
    ]


def syncs_of(
    exposures: Iterable[Mapping[str, Any]], model: str, segment: str | None = None
) -> list[str]:
    """The names of the enabled syncs among dbt's exposures that send the rows of a model, sorted.

    With `segment`, only those that send the rows of this segment.
    """
    return sorted(
        each["name"]
        for each in exposures
        if "sync" in _meta(each)
        and _is_enabled(each)
        and model in _models(each)
        and (segment is None or _sends(_meta(each)["sync"], segment))
    )


def _sends(declared: Any, segment: str) -> bool:
    """Whether a sync, as declared, sends the rows of a segment."""
    if not isinstance(declared, Mapping):
        return False
    chosen = declared.get("segments", declared.get("lists"))
    if isinstance(chosen, str):
        chosen = [chosen]
    return chosen is None or segment in [str(each).lower() for each in chosen]


def _models(exposure: Mapping[str, Any]) -> list[str]:
    """The names of the models that an exposure reads."""
    nodes = (exposure.get("depends_on") or {}).get("nodes", [])
    return [node.split(".")[-1] for node in nodes]


def _meta(exposure: Mapping[str, Any]) -> Mapping[str, Any]:
    """`meta` as dbt resolved it: under `config` since 1.10, at the top before."""
    return {**(exposure.get("meta") or {}), **((exposure.get("config") or {}).get("meta") or {})}


def _is_enabled(exposure: Mapping[str, Any]) -> bool:
    return (exposure.get("config") or {}).get("enabled", True)


def _sync(
    exposure: Mapping[str, Any],
    manifest: Mapping[str, Any],
    destinations: Mapping[str, type[Declarable]],
) -> Sync:
    name = exposure["name"]
    place = f"exposure `{name}` ({exposure.get('original_file_path', 'manifest')}), meta.sync"
    declared = _meta(exposure)["sync"]
    if not isinstance(declared, Mapping):
        raise DeclarationError(f"{place}: expected keys and values, got {declared!r}")
    kind = declared.get("destination")
    if kind is None:
        raise DeclarationError(
            f"{place}: key `destination` is missing; there are: {', '.join(sorted(destinations))}"
        )
    if kind not in destinations:
        raise DeclarationError(
            f"{place}: key `destination` says `{kind}`; {nearest(kind, destinations)}"
        )
    options_type = destinations[kind].Options
    common = {field.name for field in fields(Settings)}
    own = {field.name for field in fields(options_type)}
    for key in declared:
        if key not in common | own:
            raise DeclarationError(f"{place}: unknown key `{key}`; {nearest(key, common | own)}")
    settings = read_block(Settings, {k: v for k, v in declared.items() if k in common}, place)
    options: Any = read_block(options_type, {k: v for k, v in declared.items() if k in own}, place)
    group_by = getattr(options, "group_by", None)
    if group_by is not None and group_by not in settings.key:
        raise DeclarationError(
            f"{place}: key `group_by` says `{group_by}`, which is not part of `key`; "
            f"{nearest(group_by, settings.key)}"
        )
    try:
        settings = _with_columns_read(settings, options, place)
    except ValueError as error:  # of a template
        raise DeclarationError(f"{place}: {error}") from None
    settings = _with_lists(settings, options, place)
    nodes = list((exposure.get("depends_on") or {}).get("nodes", []))
    consents = None
    if settings.consent is not None:
        asked = [node for node in nodes if node.split(".")[-1] == CONSENTS]
        if not asked:
            raise DeclarationError(
                f"{place}: key `consent` reads the model `{CONSENTS}`, which `depends_on` does not "
                f"name; add `ref('{CONSENTS}')` to it"
            )
        nodes.remove(asked[0])
        consents = _relation(manifest["nodes"][asked[0]])
    if len(nodes) != 1 or nodes[0] not in manifest.get("nodes", {}):
        raise DeclarationError(
            f"{place}: a sync reads exactly one model, `depends_on` names "
            f"{', '.join(nodes) or 'none'}; write `depends_on: [ref('activation_audiences')]`"
        )
    batch_rows = settings.batch_rows or destinations[kind].default_batch_rows
    if settings.rows_per_second is not None:
        batch_rows = min(batch_rows, max(1, int(settings.rows_per_second * LONGEST_PAUSE)))
    model = manifest["nodes"][nodes[0]]
    table = _relation(model)
    return Sync(name, *table, settings, options, batch_rows, consents, _public_columns(model))


def _public_columns(model: Mapping[str, Any]) -> frozenset[str]:
    """The described columns without `config.meta.personal`; `profile_id` always stands for one."""
    described = model.get("columns") or {}
    personal = {name for name, column in described.items() if "personal" in _meta(column)}
    return frozenset(described) - personal - {"profile_id"}


def _with_columns_read(settings: Settings, options: Any, place: str) -> Settings:
    """The settings with the columns that the destination reads, if it declares them."""
    for column in options.in_key() if hasattr(options, "in_key") else ():
        if column not in settings.key:
            raise DeclarationError(
                f"{place}: key `key` lacks `{column}`, by which `{settings.destination}` knows a "
                f"row; add it"
            )
    if hasattr(options, "in_key"):
        hashes = hasattr(options, "hashable")
        hashable = options.hashable() if hashes else ()
        for column in sorted(set(settings.hash) & (set(options.in_key()) - set(hashable))):
            how = (
                "normalizes in another way before it is hashed"
                if hashes
                else "knows a person by as plain text"
            )
            raise DeclarationError(
                f"{place}: key `hash` has `{column}`, which `{settings.destination}` {how}, so the "
                "hash would be nobody's; remove it"
            )
    if not hasattr(options, "reads"):
        return settings
    if settings.columns is not None:
        raise DeclarationError(
            f"{place}: key `columns` is not read by `{settings.destination}`, whose own keys name "
            "the columns; remove it"
        )
    return replace(settings, columns=tuple(options.reads()))


def _with_lists(settings: Settings, options: Any, place: str) -> Settings:
    """The settings with the segments that have a list, if the destination has lists."""
    lists = getattr(options, "lists", None)
    if lists is None:
        return settings
    try:
        check_lists(lists)  # they become SQL (`plan.py`), whatever the destination has checked
    except ValueError as error:
        raise DeclarationError(f"{place}: {error}") from None
    for segment in settings.segments or ():
        if segment not in lists:
            raise DeclarationError(
                f"{place}: key `lists` lacks the segment `{segment}` of `segments`; add it"
            )
    if "list" in settings.key:
        raise DeclarationError(f"{place}: key `key` has `list`, which is added by `lists`")
    if "segment_name" not in settings.key:
        raise DeclarationError(f"{place}: key `key` lacks `segment_name`, which `lists` reads")
    return settings if settings.segments else replace(settings, segments=tuple(lists))


def check_lists(lists: Any) -> None:
    """Raise ValueError unless `lists` maps names of segments to ids of lists."""
    if not isinstance(lists, dict) or not lists:
        raise ValueError("`lists` is empty; name the list of each segment, as {vip: '12'}")
    for segment, each in lists.items():
        if not isinstance(segment, str) or not NAME.fullmatch(segment):
            raise ValueError(f"`lists` has {segment!r}; write names of segments")
        if not isinstance(each, str) or not LIST_ID.fullmatch(each):
            raise ValueError(
                f"`lists`: the list of `{segment}` is {each!r}; write its id in quotes, of "
                "letters, digits, `_` and `-`"
            )
    # Who left one of two segments with the same list would leave the list of the other too.
    if repeated := sorted({each for each in lists.values() if [*lists.values()].count(each) > 1}):
        raise ValueError(
            f"`lists` has the list `{repeated[0]}` for several segments; give each its own"
        )


def _relation(node: Mapping[str, Any]) -> tuple[str, str]:
    """Schema and name of a model's table."""
    return node["schema"], node.get("alias") or node["name"]
