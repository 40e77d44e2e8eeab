"""Checks of single values of declarations; errors say what is wrong and the fix."""

from __future__ import annotations

import re
from typing import Any

from tideline.declarations.rules import NAME, RuleError, parse

WITHIN = re.compile(r"[1-9][0-9]{0,5} (minutes|hours|days)")
PROPERTY = re.compile(
    r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*"
)  # a dot reads a nested property
ANY = ("*",)  # every event of the tracking plan
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
when whenever where window with interval current_user session_user current_catalog current_schema
current_role user
"""
RESERVED = frozenset(_WORDS.split())


def check_text(block: Any, key: str) -> None:
    """Raise ValueError if a text of a block is empty."""
    if not getattr(block, key):
        raise ValueError(f"`{key}` is empty")


def check_name(name: str | None, what: str, is_column: bool = True) -> None:
    """Raise ValueError if a name is invalid, or cannot be that of a column; None is no name."""
    if name is None:
        return
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{what} `{name}` is invalid; use lower-case letters, digits and underscores"
        )
    if is_column and name in RESERVED:
        raise ValueError(f"{what} `{name}` is a word of SQL; use another")


def check_events(names: tuple[str, ...]) -> None:
    """Raise ValueError for names of events that make no sense together, or are none."""
    if not names:
        raise ValueError('key `event` is missing; name an event of the tracking plan, or "*"')
    if "*" in names and names != ANY:
        raise ValueError('`event` names "*", which is all events, and others; write one of them')


def check_length(length: str | None, key: str) -> None:
    """Raise ValueError for a length of time that is none; None is any."""
    if length is not None and not WITHIN.fullmatch(length):
        raise ValueError(
            f"`{key}` is `{length}`; write a number of minutes, hours or days, such as `7 days`"
        )


def check_rule(rule: str | None, what: str) -> None:
    """Raise ValueError for a rule that the language does not have; None is no rule."""
    if rule is None:
        return
    try:
        parse(rule)
    except RuleError as error:
        raise ValueError(f"{what}: {error}") from None
