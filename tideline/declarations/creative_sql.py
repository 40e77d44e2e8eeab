"""The SQL of creatives: what `activation_audiences` shows of the products of the catalog.

The texts of a creative are cut into texts and names, and only literals and known names reach SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tideline.declarations.creatives import (
    ADDRESSES,
    WEB,
    given,
    is_number,
    is_whole,
    parts_of,
    template_of,
)
from tideline.declarations.operations import constant_sql
from tideline.declarations.segments import Declared

PRODUCT = "product_of_"  # begins the name of a join of the catalog, before that of a trait
# The columns of `activation_audiences` with the parts of a creative, and their descriptions.
PARTS = {
    "headline": ("creative", "Creative of the message: a text, or the headline of a creative."),
    "text": ("creative_text", "Text of the creative; null if a product that it names is missing."),
    "image": ("creative_image", "Address of the image of the creative, if there is one."),
    "link": ("creative_link", "Address that a click on the creative opens, if there is one."),
    "price": ("creative_price", "Price that the creative shows, in its currency."),
    "currency": ("creative_currency", "Currency of the price of the creative."),
}


def audience_creatives(
    creatives: Sequence[Declared],
    segments: Sequence[Declared],
    types: Mapping[str, str],
    dialect: str,
) -> dict[str, Any]:
    """What `activation_audiences` shows of the creatives that segments name, but for drafts.

    A retired segment has no members, but keeps the columns of its creative: syncs name them, and
    without them could not even remove those who have left.

    `joins` are the products to look up, as dicts of `name`, `trait` and `segments`, whose members
    are looked up; `columns` are dicts of `part`, `name`, `description` and `sql`, which is a case
    of the segments. A part is only in it if one of these creatives has it. `types` are those of
    the columns of the catalog.
    """
    shown = [
        (each, [segment.name for segment in users])
        for each in creatives
        if (
            users := [
                segment
                for segment in segments
                if segment.spec.lifecycle != "draft" and template_of(segment) == each.name
            ]
        )
    ]
    joins: dict[str, list[str]] = {}
    for each, names in shown:
        for trait in (each.spec.items or {}).values():
            joins.setdefault(trait, []).extend(names)
    columns = []
    for part, (name, description) in PARTS.items():
        cases = [
            f"when segment_memberships.segment_name in ({_names(names)}) "
            f"then {_part_sql(part, each, types, dialect)}"
            for each, names in shown
            if part in given(each.spec.fields)
        ]
        if cases:
            rest = ["else segments.creative"] if part == "headline" else []
            # Indented here, since the filter `indent` would change the lines of a text, too.
            sql = "\n".join(["case", *(f"        {case}" for case in [*cases, *rest]), "    end"])
            columns.append({"part": part, "name": name, "description": description, "sql": sql})
    return {
        "joins": [
            {"name": f"{PRODUCT}{trait}", "trait": trait, "segments": _names(sorted({*names}))}
            for trait, names in joins.items()
        ],
        "columns": columns,
    }


def _names(segments: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in segments)


def _part_sql(part: str, creative: Declared, types: Mapping[str, str], dialect: str) -> str:
    """A part of a creative: null, or the fallback, if anything that it names is missing."""
    pieces, items = [], creative.spec.items or {}
    parts = parts_of(part, given(creative.spec.fields)[part])
    for text, is_name in parts:
        name, _, column = text.partition(".")
        if not is_name:
            pieces.append(constant_sql(text, dialect))
        elif not column:
            pieces.append(_filled(f"profile_traits.{name}"))
        elif part == "price":
            return f"cast({_finite(f'{PRODUCT}{items[name]}.{column}')} as double)"
        else:
            pieces.append(_product_text(f"{PRODUCT}{items[name]}.{column}", types[column]))
    found = " || ".join(pieces)  # a null makes all of it null
    if part in ADDRESSES and parts[0][1]:  # else `javascript:` of the catalog would be followed
        is_web = " or ".join(f"lower({found}) like '{each}%'" for each in WEB)
        found = f"case when {is_web} then {found} end"
    fallbacks = given(creative.spec.fallbacks) if creative.spec.fallbacks else {}
    if part in fallbacks:
        return f"coalesce({found}, {constant_sql(fallbacks[part], dialect)})"
    return found


def _product_text(column: str, kind: str) -> str:
    """A value of the catalog as text; a number that may have a fraction has two digits of it."""
    if is_number(kind) and not is_whole(kind):
        return f"cast(cast({_finite(column)} as decimal(18, 2)) as varchar)"
    return _filled(column)


def _finite(column: str) -> str:
    """A number that a price can be; another one is null, so that it does not stop the build."""
    return f"case when abs({column}) < 1e15 then {column} end"


def _filled(column: str) -> str:
    """A value as text; one without letters is null, as if it were missing."""
    return f"nullif(trim(cast({column} as varchar)), '')"
