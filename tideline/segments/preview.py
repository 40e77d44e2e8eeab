"""Previews declared segments on what is built: who would be in, and what would change.

The SQL of traits and rules is that of the build, rendered without dbt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tideline.declarations.compiled import label_sql, segment_sql
from tideline.declarations.definitions import needed
from tideline.declarations.formulas import replaced
from tideline.declarations.operations import Call, Node
from tideline.declarations.rules import sql_of, text_of
from tideline.declarations.segments import Declared
from tideline.declarations.syncs import Sync
from tideline.declarations.whole import Rule, is_in
from tideline.segments.deliveries import NOT_CONSIDERED, Delivery, deliveries_of
from tideline.segments.models import Derived
from tideline.segments.past import Cost, Past, cost_of, live_alone, past_of, without_history
from tideline.segments.reasons import Reason, lines_of, reason_in
from tideline.segments.remarks import remarks_of, unknown_values
from tideline.segments.why import built_rules, value_in
from tideline.text import counted, listed, shown
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError

EXAMPLES = 3  # people that are shown of those who enter, and of those who leave
MOST_OVERLAPS = 5  # that the text names

Example = tuple[str, str, Reason]  # profile id, label, reason


@dataclass(frozen=True)
class Preview:
    """A segment as a build would make it now.

    `size` is its number of members among `profiles`; `conditions` counts those who meet each part
    of its rule alone, unless it is frozen. `before` is the size in the last build, None if it has
    no such live segment. `enters` and `leaves` count the difference. `overlaps` counts its members
    in other segments of the last build. `entering` and `leaving` are examples. `past` has its last
    days, `deliveries` what the syncs would send. `has_lists`: it reads lists of people. `taken`
    counts who meets its rule, but is in a segment that comes first in its group. `primaries` counts
    the changes of `primary_segment`, from and to, if nothing else changes. `remarks` are what
    hardly anybody means. A draft is previewed as if it were live.
    """

    segment: Declared
    as_of: datetime
    profiles: int
    size: int
    conditions: list[tuple[str, int]]
    before: int | None
    enters: int
    leaves: int
    overlaps: list[tuple[str, int]]
    entering: list[Example]
    leaving: list[Example]
    past: Past
    deliveries: list[Delivery]
    cost: Cost
    has_lists: bool
    taken: list[tuple[str, int]] = field(default_factory=list)
    primaries: list[tuple[str | None, str | None, int]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def preview(
    warehouse: DuckDBWarehouse,
    segment: Declared,
    traits: Sequence[Declared],
    plan: Sequence[dict[str, str]],
    syncs: Sequence[Sync] = (),
) -> Preview:
    """Preview a segment. Raises DeclarationError if a build would refuse it, or if it is frozen and
    the warehouse is a publication without the values of that time.

    The traits that it reads are computed anew from the events; features, scores and personas are
    those of the last build. `syncs` are those that may send it.
    """
    start = time.perf_counter()
    own = needed(segment, traits)
    derived = live_alone(warehouse, segment, own, plan)
    types = _attributes(warehouse, own, derived)
    # Other traits are named in suggestions; the rule does not read them.
    types |= {each.name: "varchar" for each in traits if each.name not in types}
    condition = segment_sql(segment.rule, types, "duckdb")
    label = label_sql(segment.place, segment.spec.label, types, "duckdb")
    if segment.spec.frozen_at is not None:
        if because := without_history(warehouse, segment, own):
            raise DeclarationError(
                f"{segment.place}: it is frozen, and {because}; build it to see its members"
            )
        condition = _is_current(derived)
    memberships = warehouse.table("segment_memberships")
    warehouse.execute(
        "create or replace temp table _judged as select _attributes.*, "
        f"{label} as _label, coalesce({condition}, false) as _is_in, profile_id in ("
        f"select profile_id from {memberships} where segment_name = ?) as _was_in "
        "from _attributes",
        [segment.name],
    )
    profiles, size, before, enters, leaves = warehouse.query(
        "select count(*), count(*) filter (where _is_in), count(*) filter (where _was_in), "
        "count(*) filter (where _is_in and not _was_in), "
        "count(*) filter (where _was_in and not _is_in) from _judged"
    )[0]
    is_built = segment.name in built_rules(warehouse)
    overlaps = warehouse.query(
        f"select others.segment_name, count(*) from {memberships} as others "
        "join _judged on others.profile_id = _judged.profile_id "
        "where _judged._is_in and others.segment_name <> ? group by 1 order by 2 desc, 1",
        [segment.name],
    )
    past = past_of(warehouse, segment, own, derived)
    return Preview(
        segment=segment,
        as_of=warehouse.query(f"select as_of from {warehouse.table('data_clock')}")[0][0],
        profiles=profiles,
        size=size,
        conditions=[] if segment.spec.frozen_at else _conditions(warehouse, segment.rule),
        before=before if is_built else None,
        enters=enters,
        leaves=leaves,
        overlaps=[(name, count) for name, count in overlaps],
        entering=_examples(warehouse, segment, "_is_in and not _was_in"),
        leaving=_examples(warehouse, segment, "_was_in and not _is_in"),
        past=past,
        deliveries=deliveries_of(warehouse, segment, syncs),
        cost=cost_of(warehouse, own, time.perf_counter() - start),
        has_lists=any(each.spec.list for each in own),
        taken=[] if segment.spec.frozen_at else _taken(warehouse, segment.rule),
        primaries=_primaries(warehouse, segment),
        remarks=[
            *remarks_of(segment),
            *(
                unknown_values(warehouse, "_attributes", segment.rule.written, types)
                if profiles
                else ()
            ),
        ],
    )


def _conditions(warehouse: DuckDBWarehouse, rule: Rule) -> list[tuple[str, int]]:
    """The parts of a rule that must all be true, with the number of profiles that meet each."""
    parts = [rule.written]
    if isinstance(rule.written, Call) and rule.written.operation == "and":
        parts = [*rule.written.arguments]
    named: dict[str, Node] = {name: is_in(each.tree) for name, each in rule.reads.items()}
    rules = [sql_of(replaced(each, named), "duckdb") for each in parts]
    counts = ", ".join(f"count(*) filter (where {each})" for each in rules)
    found = warehouse.query(f"select {counts} from _attributes")[0]
    return [(text_of(each), count) for each, count in zip(parts, found, strict=True)]


def _taken(warehouse: DuckDBWarehouse, rule: Rule) -> list[tuple[str, int]]:
    """The segments that come first in the group of a rule, with the number of profiles that meet it
    and are in this one instead.
    """
    found = []
    left = sql_of(is_in(rule.own), "duckdb")
    for each in rule.above:
        first = sql_of(is_in(each.own), "duckdb")
        ((count,),) = warehouse.query(f"select count(*) from _attributes where {left} and {first}")
        found.append((each.name, count))
        left = f"{left} and not {first}"
    return found


def _primaries(
    warehouse: DuckDBWarehouse, segment: Declared
) -> list[tuple[str | None, str | None, int]]:
    """The changes of `primary_segment` as (from, to, profiles), most first, while the other
    segments stay as the last build has them.
    """
    key = f"({segment.spec.priority}, '{segment.name}')"
    return warehouse.query(
        "with others as (select memberships.profile_id, "
        "min((segments.priority, segments.segment_name)) as first_key "
        f"from {warehouse.table('segment_memberships')} as memberships "
        f"join {warehouse.table('segments')} as segments using (segment_name) "
        "where segment_name <> ? group by 1), "
        "primaries as (select built.primary_segment as before, case "
        f"when _judged._is_in and (others.first_key is null or {key} < others.first_key) then ? "
        "else others.first_key[2] end as after "
        f"from _judged join {warehouse.table('profile_segments')} as built using (profile_id) "
        "left join others using (profile_id)) "
        "select before, after, count(*) from primaries where before is distinct from after "
        "group by 1, 2 order by 3 desc, 1, 2",
        [segment.name, segment.name],
    )


def _attributes(
    warehouse: DuckDBWarehouse, traits: Sequence[Declared], derived: Derived
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
            f"join {derived.compute('profile_traits')} as traits "
            "on attributes.profile_id = traits.profile_id"
        )
    warehouse.execute(f"create or replace temp table _attributes as {select}")
    return {name.lower(): kind for name, kind, *_ in warehouse.query("describe _attributes")}


def _is_current(derived: Derived) -> str:
    """The condition that a profile is in the only segment of `derived`, by its intervals."""
    derived.compute("segment_intervals")
    return f"profile_id in (select profile_id from {derived.place('current_intervals')})"


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
        "conditions": dict(found.conditions),
        "taken": dict(found.taken),
        "size_before": found.before,
        "enters": found.enters,
        "leaves": found.leaves,
        "overlaps": dict(found.overlaps),
        "primary_segments": [
            {"from": before, "to": after, "profiles": count}
            for before, after, count in found.primaries
        ],
        "remarks": found.remarks,
        "entering": [profile for profile, *_ in found.entering],
        "leaving": [profile for profile, *_ in found.leaving],
        "sizes": {day.isoformat(): size for day, size in found.past.sizes.items()},
        "without_sizes_because": found.past.because,
        "syncs": {
            each.sync: {"adds": each.adds, "removes": each.removes, "relabels": each.relabels}
            for each in found.deliveries
        },
        "cost": asdict(found.cost),
    }


def as_text(found: Preview) -> str:
    """A preview for a person."""
    return "\n".join(_lines(found))


def _lines(found: Preview) -> Iterator[str]:
    share = found.size / found.profiles if found.profiles else 0
    yield f"{found.segment.place}, as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {found.size:,} of {counted(found.profiles, 'profile')} ({share:.1%}) would be in it"
    if len(found.conditions) > 1 or not found.size:
        for text, count in found.conditions:
            yield f"  {count:,} meet {text}"
    for name, count in found.taken:
        group = found.segment.spec.exclusive
        yield f"  {count:,} meet all, but are in {name}, which comes first in the group {group}"
    if (frozen_at := found.segment.spec.frozen_at) is not None:
        end = "; until then its members change" if frozen_at > found.as_of else ""
        yield f"  Frozen at {frozen_at:%Y-%m-%d %H:%M:%S} UTC{end}"
    if found.has_lists:
        yield "  Lists of people are those of the last build"
    if found.before is None:
        yield "  The last build has no such live segment."
    else:
        yield f"  {found.before:,} are now: {found.enters:,} enter, {found.leaves:,} leave"
    if found.overlaps:
        named = [f"{name} {count:,}" for name, count in found.overlaps[:MOST_OVERLAPS]]
        yield f"  Its members are also in: {', '.join(named)}"
    if found.primaries:
        total = sum(count for *_, count in found.primaries)
        changes = [f"{before or 'none'} → {after or 'none'} {count:,}"
                   for before, after, count in found.primaries[:MOST_OVERLAPS]]  # fmt: skip
        yield f"  primary_segment changes for {counted(total, 'profile')}: {', '.join(changes)}"
    for remark in found.remarks:
        yield f"  Remark: {remark}"
    yield f"  {_sizes(found.past)}"
    if found.deliveries and found.segment.spec.lifecycle != "live":
        state = {"draft": "a draft"}.get(found.segment.spec.lifecycle, "retired")
        yield f"  It is {state}, so no sync sends it; if it were live:"
    for each in found.deliveries:
        yield (
            f"  Sync {each.sync}: {counted(each.adds, 'row')} added, {each.removes:,} removed, "
            f"{each.relabels:,} with another label"
        )
    yield f"  Cost: {_cost(found.cost)}"
    for verb, examples in (("enters", found.entering), ("leaves", found.leaving)):
        for profile, label, reason in examples:
            yield f"  {profile} {verb}: {shown(label)}"
            if found.segment.spec.frozen_at is None:  # else the values are not those of that time
                yield from (f"  {line}" for line in lines_of(reason))


def _sizes(past: Past) -> str:
    """The sizes of the last days on one line, or why there are none."""
    if past.because:
        return f"No sizes of earlier days: {past.because}"
    sizes = " ".join(str(size) for size in past.sizes.values())
    return f"Sizes of the {len(past.sizes)} days up to {max(past.sizes)} (UTC): {sizes}"


def _cost(cost: Cost) -> str:
    parts = [f"reads {cost.events:,} of {counted(cost.all_events, 'event')}"]
    parts.append(f"{cost.seconds:.1f} seconds here")
    if cost.new_traits:
        parts.append(f"new traits: {', '.join(cost.new_traits)}")
    return ", ".join(parts)


def as_markdown(found: Preview) -> str:
    """A preview for a pull request: a row of a table."""
    before = "new" if found.before is None else f"{found.before:,}"
    sizes = [*found.past.sizes.values()]
    days = f"{min(sizes):,}–{max(sizes):,}" if sizes else "unknown"
    syncs = [f"{each.sync} +{each.adds:,} −{each.removes:,}" for each in found.deliveries]
    if found.segment.spec.lifecycle != "live":
        syncs = [found.segment.spec.lifecycle]
    return (
        f"| `{found.segment.name}` | {before} | {found.size:,} | +{found.enters:,} "
        f"| −{found.leaves:,} | {days} | {', '.join(syncs) or 'none'} | {found.cost.events:,} |"
    )


MARKDOWN_HEAD = (
    "| segment | now | then | enter | leave | 30 days | syncs | events read |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
)
SYNCS_NOTE = (
    "The rows of syncs are compared with the audiences of the last build; "
    f"{listed(NOT_CONSIDERED, 'and')} are not considered."
)
