"""What the catalog says of declarations besides their keys: kinds, events, readers of traits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tideline.declarations.checks import ANY
from tideline.declarations.creatives import template_of, traits_of
from tideline.declarations.definitions import columns_of_segment, needed, with_parts
from tideline.declarations.formulas import all_kinds
from tideline.declarations.rules import columns_of_rule
from tideline.declarations.segments import Declared

PERSONA = ("persona_id", "persona_name")
# Columns that no behavior decides, besides the golden attributes.
OF_PROFILE = frozenset(
    {"profile_id", "as_of", "is_known", "first_seen_at", "identifier_count", "anonymous_id_count"}
)
SCORE = "_score"  # end of the name of a column with a score


def catalog(
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    golden: Sequence[str] = (),
    creatives: Sequence[Declared] = (),
) -> dict[str, dict[str, dict[str, Any]]]:
    """`segments` with `kind`, `events` and `lists`, and `traits` with `type`, `events` and
    `read_by`, by name.

    `golden` are the attributes of golden profiles that rules may read.
    `events` are the names of the events that can change it, `["*"]` for all; `lists` are the lists
    of people that can; `read_by` are the live segments that read it, also through formulas, in
    their label or in their creative.
    """
    kinds = all_kinds(traits)
    read = {each.name: needed(each, traits) for each in segments}
    live = [each.name for each in segments if each.spec.lifecycle == "live"]
    by_creative = {each.name: with_parts(traits_of(each), traits) for each in creatives}
    shown = {each.name: by_creative.get(template_of(each) or "", []) for each in segments}
    return {
        "segments": {
            each.name: {
                "kind": kind_of(each, golden),
                "events": _events(each, read[each.name]),
                "lists": sorted({trait.spec.list for trait in read[each.name] if trait.spec.list}),
            }
            for each in segments
        },
        "traits": {
            each.name: {
                "type": kinds[each.name],
                "events": events_of(with_parts([each.name], traits)),
                "read_by": [name for name in live if each in read[name] + shown[name]],
            }
            for each in traits
        },
    }


def kind_of(segment: Declared, golden: Sequence[str] = ()) -> str:
    """What the rule of a segment reads.

    `predictive` if it reads a score, else `persona` if it reads one, else `behavioral` if it reads
    traits or features, else `profile`.
    """
    read = {*columns_of_rule(segment.rule.tree)}
    if any(name.endswith(SCORE) for name in read):
        return "predictive"
    if not read.isdisjoint(PERSONA):
        return "persona"
    return "profile" if read <= {*OF_PROFILE, *golden} else "behavioral"


def events_of(traits: Sequence[Declared]) -> list[str]:
    """The names of the events that can change any of these traits, sorted; `["*"]` for all."""
    found = set()
    for each in traits:
        found |= {*each.spec.event, *each.spec.until}
        for step in each.spec.after:
            found |= {*step.event, *step.without}
    return [*ANY] if found & {*ANY} else sorted(found)


def _events(segment: Declared, read: Sequence[Declared]) -> list[str]:
    """The events of a segment; features, scores, personas and identity follow from all events."""
    names = {each.name for each in read}
    return events_of(read) if {*columns_of_segment(segment)} <= names else [*ANY]
