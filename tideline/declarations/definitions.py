"""Versions of segments: what decides who is in a segment, and with which label.

A segment has a new version if its rule, its label, or a trait that it reads means something else. A
description, an owner or a priority may change without one, and so may blanks in a rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tideline.declarations.rules import columns_of_rule, parse, sql_of
from tideline.declarations.segments import Declared, label_parts

OF_PEOPLE = ("name", "description", "sent_as")  # keys of a trait that do not change its values
RULES = ("where", "formula")


def columns_of_segment(segment: Declared) -> list[str]:
    """The columns that the rule and the label of a segment read."""
    parts = label_parts(segment.spec.label)
    return [
        *columns_of_rule(parse(segment.spec.when)),
        *[text for text, is_column in parts if is_column],
    ]


def needed(segment: Declared, traits: Iterable[Declared]) -> list[Declared]:
    """The traits that a segment reads, also through formulas."""
    return with_parts(columns_of_segment(segment), traits)


def with_parts(names: Iterable[str], traits: Iterable[Declared]) -> list[Declared]:
    """The traits among these names, and those that their formulas read."""
    by_name = {each.name: each for each in traits}
    found, left = set(), [*names]
    while left:
        name = left.pop()
        if name in by_name and name not in found:
            found.add(name)
            left += columns_of_rule(parse(by_name[name].spec.formula or "true"))
    return [each for each in by_name.values() if each.name in found]


def definitions(segments: Sequence[Declared], traits: Sequence[Declared]) -> list[dict[str, Any]]:
    """The versions of the live segments: `name`, `version`, a hash, and `definition`, JSON."""
    found = []
    for each in segments:
        if each.spec.lifecycle == "live":
            text = json.dumps(_definition(each, traits), ensure_ascii=False, sort_keys=True)
            version = hashlib.sha256(text.encode()).hexdigest()[:16]
            found.append({"name": each.name, "version": version, "definition": text})
    return found


def _definition(segment: Declared, traits: Sequence[Declared]) -> dict[str, Any]:
    return {
        "when": _rule(segment.spec.when),
        "label": segment.spec.label,
        "traits": {each.name: _trait(asdict(each.spec)) for each in needed(segment, traits)},
    }


def _trait(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a trait, or of a step of its `after`, that decide its values."""
    found = {key: value for key, value in keys.items() if value and key not in OF_PEOPLE}
    found |= {key: _rule(found[key]) for key in RULES if key in found}
    if "after" in found:
        found["after"] = [_trait(step) for step in found["after"]]
    return found


def _rule(text: str) -> str:
    """A rule without what does not change its meaning, such as blanks."""
    return sql_of(parse(text), "duckdb")
