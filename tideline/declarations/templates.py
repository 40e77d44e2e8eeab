"""Texts with names in braces, such as `New prospect – {top_category}`."""

from __future__ import annotations

import re

from tideline.declarations.rules import NAME

QUOTED = re.compile(r"\{([^{}]*)\}")


def label_parts(label: str) -> list[tuple[str, bool]]:
    """A label cut into texts and columns: (text, False) or (column, True).

    Raises ValueError for braces without the name of a column.
    """
    return template_parts(label, "label", NAME, "the name of a column")


def template_parts(text: str, key: str, name: re.Pattern[str], held: str) -> list[tuple[str, bool]]:
    """A template cut into texts and names: (text, False) or (name, True).

    `key` is where it is written; each name matches `name`, and `held` says what such a name is.
    Raises ValueError for other braces.
    """
    cut = enumerate(QUOTED.split(text))
    parts = [(each, index % 2 == 1) for index, each in cut if each or index % 2]
    for each, is_name in parts:
        if is_name and not name.fullmatch(each):
            raise ValueError(f"`{key}` has {{{each}}} in it; braces hold {held}")
        if not is_name and ("{" in each or "}" in each):
            raise ValueError(f"`{key}` has a brace without its other one; write {{column}}")
    return parts
