"""Explain why a profile is in a segment, or why not: `tideline why -h`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from tideline.declarations.operations import Value
from tideline.declarations.rules import RuleError, columns_of_rule, parse
from tideline.declarations.segments import Declared, read_traits
from tideline.declarations.whole import Rule, with_rules
from tideline.segments.deliveries import held_out_sql
from tideline.segments.reasons import (
    Reason,
    columns_in,
    lines_of,
    reason_in,
    shown_value,
    taken_by,
)
from tideline.text import listed, nearest, shown, table
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import Warehouse, open_warehouse
from tideline.warehouse.errors import NO_TABLE, DeclarationError, WarehouseError

MOST_PROFILES = 5  # that an error lists


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = parser_of(
        "why",
        """
        Explain why a person is in a segment, or why not: each condition of the rule with the
        values of the last build, and how far an unmet condition is from being met.
        """,
        {
            "tideline why 4f2a… cart_abandoned": "explain one segment for a profile id",
            "tideline why ann@example.org": "list all segments of the person with this address",
            "tideline why - churn_risk < id.txt": "keep the identifier out of the shell's history",
        },
    )
    parser.add_argument(
        "person",
        metavar="PERSON",
        help="a profile id, current or former, or the value of an identifier; - reads it from "
        "standard input",
    )
    parser.add_argument("segment", metavar="SEGMENT", nargs="?", help="default: all segments")
    options = parser.parse_args(arguments)
    person = (
        sys.stdin.buffer.readline().decode(errors="surrogateescape").strip()
        if options.person == "-"
        else options.person
    )
    if any("\ud800" <= letter <= "\udfff" for letter in person):
        raise WarehouseError("the person is not UTF-8 text")
    with open_warehouse(os.environ, read_only=True) as warehouse:
        rules = built_rules(warehouse)
        profile = profile_of(warehouse, person)
        if options.segment is None:
            print(overview(warehouse, profile, rules))
        else:
            print(explained(warehouse, profile, options.segment, rules))
    return 0


def profile_of(warehouse: Warehouse, person: str) -> str:
    """The profile with this id, current or former, or with this identifier.

    Raises WarehouseError if there is none or more than one. The text is not repeated, because it
    may be personal data.
    """
    current = warehouse.query(
        f"select current_profile_id from {warehouse.table('profile_aliases')} where profile_id = ?",
        [person],
    )
    if current and current[0][0] is None:
        raise WarehouseError("this profile has ended: no event carries its identifiers any more")
    found = current or warehouse.query(
        f"select distinct profile_id from {warehouse.table('identity_map')} "
        "where id_value in (?, ?) and valid_to is null order by 1",
        [person, person.lower()],
    )
    if not found:
        raise WarehouseError(
            "no profile has this id or identifier, as of the last build; `identity_map` lists the "
            "identifiers"
        )
    if len(found) > 1:
        ids = ", ".join(profile for (profile,) in found[:MOST_PROFILES])
        more = " and more" if len(found) > MOST_PROFILES else ""
        raise WarehouseError(f"{len(found)} profiles have this identifier; name one: {ids}{more}")
    return found[0][0]


@dataclass(frozen=True)
class Built:
    """What a rule is made of, as the last build has used it."""

    name: str
    when: str
    priority: int
    exclusive: str | None
    frozen_at: datetime | None
    lifecycle: str = "live"


def built_rules(warehouse: Warehouse) -> dict[str, Rule]:
    """The rules of the live segments that the last build has used, by segment."""
    segments = warehouse.table("segments")
    if not warehouse.exists(warehouse.schema, "segments"):
        raise WarehouseError(f"{warehouse.place} {NO_TABLE.format('segments')}")
    columns = warehouse.columns(segments)
    if "lifecycle" not in columns:
        raise WarehouseError("an earlier version built this warehouse; run `dbt build`")
    # Earlier versions do not have these.
    others = [each if each in columns else "null" for each in ("exclusive_group", "frozen_at")]
    rows = warehouse.query(
        f"select segment_name, rule, priority, {', '.join(others)} from {segments} "
        "where lifecycle = 'live' order by priority, 1"
    )
    for name, rule, *_ in rows:
        try:
            parse(rule)
        except RuleError as error:
            raise WarehouseError(f"the built rule of `{name}` cannot be read: {error}") from None
    built = [Declared(Built(*row), False, "segments", str(row[0])) for row in rows]
    return {each.name: each.rule for each in with_rules(built)}


def overview(warehouse: Warehouse, profile: str, rules: Mapping[str, Rule]) -> str:
    """All segments with the label of the profile, or the number of conditions that it meets."""
    row, members = row_of(warehouse, profile), memberships(warehouse, profile)
    if not rules:
        return "The last build has no live segment: see docs/how-to/add-a-segment.md"
    lines = []
    for name, rule in rules.items():
        label = shown(members[name][0]) if name in members else met_by(name, rule, row)
        lines.append((name, "yes" if name in members else "no", label))
    head = f"Profile {profile}, as of {row['as_of']:%Y-%m-%d %H:%M:%S} UTC"
    return f"{head}\n{table(['segment', 'in it', ''], lines)}"


def met_by(segment: str, rule: Rule, row: Mapping[str, Value]) -> str:
    """How far a profile is from a segment."""
    if rule.frozen_at is not None:
        return frozen_since(rule.frozen_at)
    reason = built_reason(segment, rule, row)
    parts = reason.parts if reason.joined == "and" else (reason,)
    met = sum(part.is_met is True for part in parts)
    return f"{met} of {len(parts)} conditions are met"


def frozen_since(at: datetime) -> str:
    """That a segment is frozen."""
    return f"frozen at {at:%Y-%m-%d %H:%M:%S} UTC"


def explained(warehouse: Warehouse, profile: str, segment: str, rules: Mapping[str, Rule]) -> str:
    """The reason of one segment for a profile, as text."""
    if segment not in rules:
        raise WarehouseError(
            f"the last build has no live segment `{shown(segment)}`; {nearest(segment, rules)} "
            "(`tideline segments preview` shows who would be in a draft)"
        )
    row, members = row_of(warehouse, profile), memberships(warehouse, profile)
    reason, frozen_at = built_reason(segment, rules[segment], row), rules[segment].frozen_at
    if frozen_at is None and (reason.is_met is True) is not (segment in members):
        raise WarehouseError(
            f"`{segment}` was built from other values or by another version of the rules; run "
            "`dbt build` and ask again"
        )
    at = f"as of {row['as_of']:%Y-%m-%d %H:%M:%S} UTC"
    if segment in members:
        label, since = members[segment]
        head = f"Profile {profile} is in {segment}, {at}: {shown(label)}"
        times = in_time(warehouse, profile, segment, row["as_of"])
        if not times and since:
            times = [f"Since the build as of {since:%Y-%m-%d %H:%M:%S} UTC."]
        times += held_out_by(warehouse, profile, segment)
    else:
        head = f"Profile {profile} is not in {segment}, {at}"
        head += because_of(taken_by(rules[segment], row), rules[segment].group)
        times = in_time(warehouse, profile, segment, row["as_of"])
    if frozen_at is not None:  # the values of today say nothing about that time
        return "\n".join([head, *times, f"The segment is {frozen_since(frozen_at)}."])
    words, others = descriptions(), other_reasons(rules[segment], row)
    columns = [name for each in (reason, *others.values()) for name in columns_in(each)]
    named = [(name, words[name]) for name in dict.fromkeys(columns) if name in words]
    explanation = [f"  {name}: {text}" for name, text in named]
    described = ["Traits", *explanation] if named else []
    lines = [*lines_of(reason)]
    for name, each in others.items():
        lines += [f"Segment {name}", *lines_of(each)]
    return "\n".join([head, *times, *lines, *described])


def because_of(first: Rule | None, group: str | None) -> str:
    """The end of the sentence that a profile is not in a segment: the one that comes first."""
    if first is None:
        return "."
    return f", because it is in {first.name}, which comes first in the group {group}."


def other_reasons(rule: Rule, row: Mapping[str, Value]) -> dict[str, Reason]:
    """The reasons of the segments that decide: those that a rule reads, and the one that comes
    first in its group and takes the profile.
    """
    first = taken_by(rule, row)
    others = [*rule.reads.values(), *([first] if first else [])]
    return {each.name: reason_in(each, row) for each in others}


def in_time(warehouse: Warehouse, profile: str, segment: str, as_of: Value) -> list[str]:
    """When the rule of a segment begins and ceases to hold for a profile, around the data clock;
    empty for a segment without intervals.
    """
    if not warehouse.has("segment_intervals"):
        return []
    found = warehouse.query(
        "select valid_from, valid_to, entered_event_id, left_event_id, "
        "valid_from < ? and (valid_to is null or valid_to >= ?) as is_now, valid_from >= ? "
        f"from {warehouse.table('segment_intervals')} "
        "where profile_id = ? and segment_name = ? order by valid_from",
        [as_of, as_of, as_of, profile, segment],
    )
    tipped = partial(tipped_by, warehouse, profile, lists_of(warehouse, segment))
    lines = []
    for start, end, entered, left, is_now, is_later in found:
        if is_now:
            lines = [f"Since {instant(start)}, {tipped(start, entered)}."]
            if end is not None:
                lines.append(f"Until {instant(end)}, if no more event arrives.")
            return lines
        if is_later:
            return [*lines, f"From {instant(start)} on it is, if no more event arrives."]
        lines = [
            f"Last in it from {instant(start)}, {tipped(start, entered)}, "
            f"until {instant(end)}, {tipped(end, left)}."
        ]
    return lines


def held_out_by(warehouse: Warehouse, profile: str, segment: str) -> list[str]:
    """The running experiments that hold a member out of the delivery of a segment, as sentences."""
    rows = warehouse.query(
        f"select experiment_name, exposed_at from ({held_out_sql(warehouse)}) as held_out "
        "where profile_id = ? order by 1",
        [segment, profile],
    )
    return [
        f"Held out of delivery by the experiment `{name}`, since {instant(since)}."
        for name, since in rows
    ]


def instant(value: datetime) -> str:
    """A time as text, to the microsecond."""
    return f"{shown_value(value)} UTC"


def lists_of(warehouse: Warehouse, segment: str) -> list[str]:
    """The lists of people that the rule or label of a built segment reads; none before the first
    build with the catalog of traits.
    """
    if not warehouse.has("traits") or "list_name" not in warehouse.columns(
        warehouse.table("traits")
    ):
        return []
    rows = warehouse.query(
        f"select list_name, read_by from {warehouse.table('traits')} where list_name is not null"
    )
    return [name for name, read_by in rows if segment in (read_by or "").split(",")]


def tipped_by(
    warehouse: Warehouse, profile: str, lists: Sequence[str], at: datetime, event_id: str | None
) -> str:
    """What tipped a rule: an event with its name, a list that it reads, or time that passed."""
    if event_id is not None:
        names = warehouse.query(
            f"select event_name from {warehouse.table('fct_events')} where event_id = ?", [event_id]
        )
        named = f"`{shown(names[0][0])}` " if names else ""
        return f"by the event {named}{shown(event_id)}"
    if lists:
        rows = warehouse.query(
            f"select distinct list_name from {warehouse.table('profile_lists')} "
            "where profile_id = ? and ? in (listed_from, listed_until) order by 1",
            [profile, at],
        )
        if quoted := [f"`{shown(name)}`" for (name,) in rows if name in lists]:
            return f"by the list{'s' if len(quoted) > 1 else ''} {listed(quoted, 'and')}"
    return "because time has passed"


def built_reason(segment: str, rule: Rule, row: Mapping[str, Value]) -> Reason:
    """The reason of a built segment. Raises WarehouseError if its rule does not fit the row."""
    if missing := [name for name in columns_of_rule(rule.tree) if name not in row]:
        raise WarehouseError(
            f"`{segment}` reads `{missing[0]}`, which `profile_attributes` does not have: a run "
            "has built a part of the graph; run `dbt build`"
        )
    return reason_in(rule, row)


def row_of(warehouse: Warehouse, profile: str) -> dict[str, Value]:
    """The attributes of a profile, as the values of rules. Raises WarehouseError if it has none."""
    name = warehouse.table("profile_attributes")
    columns = [*warehouse.columns(name)]
    rows = warehouse.query(
        f"select {', '.join(map(warehouse.identifier, columns))} from {name} where profile_id = ?",
        [profile],
    )
    if not rows:
        raise WarehouseError(
            "this profile has no row in `profile_attributes`: it is newer than the last build of "
            "the segments; run `dbt build`"
        )
    return {column: value_in(value) for column, value in zip(columns, rows[0], strict=True)}


def value_in(value: Any) -> Value:
    """A value of the warehouse as one of a rule: numbers of any kind, dates as timestamps."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def memberships(warehouse: Warehouse, profile: str) -> dict[str, tuple[str, datetime | None]]:
    """The labels of the segments that a profile is in, each with the first build that said so."""
    now = warehouse.query(
        "select segment_name, segment_label "
        f"from {warehouse.table('segment_memberships')} where profile_id = ?",
        [profile],
    )
    since: dict[str, datetime] = {}
    if warehouse.has("segment_membership_history"):
        periods = warehouse.query(
            "select segment_name, dbt_valid_from, dbt_valid_to "
            f"from {warehouse.table('segment_membership_history')} where profile_id = ? "
            "order by dbt_valid_from desc",
            [profile],
        )
        for name, start, end in periods:
            if end is None or end == since.get(name):  # a new label begins a new period
                since[name] = start
    return {name: (label, since.get(name)) for name, label in now}


def descriptions() -> dict[str, str]:
    """The descriptions of the declared traits; none if a declaration is wrong."""
    try:
        return {each.name: " ".join(each.spec.description.split()) for each in read_traits()}
    except DeclarationError:
        return {}
