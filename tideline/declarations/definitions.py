"""Versions of segments: what decides who is in a segment, and with which label.

A segment has a new version if its rule, its label, or a trait or segment on which it depends means
something else. A description or an owner may change without one, and so may blanks in a rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from tideline.declarations.compiled import exact_dicts, frozen_text
from tideline.declarations.formulas import KINDS_OF_AGGREGATES
from tideline.declarations.rules import columns_of_rule, parse, sql_of
from tideline.declarations.segments import PROJECT, Declared
from tideline.declarations.templates import label_parts

OF_PEOPLE = ("name", "description", "sent_as")  # keys of a trait that do not change its values
RULES = ("where", "formula")
KEYS_OF_RULE = ("name", "sql", "traits", "attributes", "events", "is_of_nothing", "frozen_at")
# What computes readings of traits, attributes and intervals of rules.
CODE = (
    *("macros/cross_db", "macros/identity", "macros/segments"),
    *("models/identity/attributes", "models/segments", "tideline/declarations"),
)
LANGUAGES = (".sql", ".py")


def columns_of_segment(segment: Declared) -> list[str]:
    """The columns that the rule and the label of a segment read."""
    parts = label_parts(segment.spec.label)
    return [
        *columns_of_rule(segment.rule.tree),
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
    """The versions of the live segments: `name`, `version`, a hash, `definition`, JSON, and `file`,
    which declares the segment.
    """
    found = []
    for each in segments:
        if each.spec.lifecycle == "live":
            text = json.dumps(_definition(each, traits), ensure_ascii=False, sort_keys=True)
            version = hashlib.sha256(text.encode()).hexdigest()[:16]
            known = {"name": each.name, "version": version, "definition": text, "file": each.file}
            found.append(known)
    return found


def readings_version(
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    dialect: str,
    attributes: Collection[str],
    others: Any,
) -> str:
    """A hash of all that decides what traits read from events and when rules hold.

    `others` are further values, such as the tracking plan. The code counts as well, so that an
    upgrade computes everybody anew.
    """
    found = {
        "rules": [
            {key: each[key] for key in KEYS_OF_RULE}
            for each in exact_dicts(segments, traits, dialect, attributes)["rules"]
        ],
        "traits": [[each.name, _trait(each)] for each in traits],
        "others": others,
    }
    text = json.dumps(found, ensure_ascii=False, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for folder in CODE:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in LANGUAGES:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _definition(segment: Declared, traits: Sequence[Declared]) -> dict[str, Any]:
    frozen = {"frozen_at": frozen_text(segment)} if segment.spec.frozen_at else {}
    return frozen | {
        "when": sql_of(segment.rule.tree, "duckdb"),
        "label": segment.spec.label,
        "traits": {each.name: _trait(each) for each in needed(segment, traits)},
    }


def _trait(trait: Declared) -> dict[str, Any]:
    """What decides the values of a trait: its keys, and the kind that the plan gives it."""
    is_planned = trait.kind != KINDS_OF_AGGREGATES.get(trait.spec.aggregate)
    return _keys(asdict(trait.spec)) | ({"kind": trait.kind} if is_planned else {})


def _keys(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a trait, or of a step of its `after`, that decide its values."""
    found = {key: value for key, value in keys.items() if value and key not in OF_PEOPLE}
    found |= {key: _rule(found[key]) for key in RULES if key in found}
    if "after" in found:
        found["after"] = [_keys(step) for step in found["after"]]
    return found


def _rule(text: str) -> str:
    """A rule without what does not change its meaning, such as blanks."""
    return sql_of(parse(text), "duckdb")
