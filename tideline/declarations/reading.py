"""Reads a block of YAML into a dataclass, with each value checked against its field's type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

Block = TypeVar("Block")
WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "keys and values",
}


_hints = cache(get_type_hints)


def read_block(block: type[Block], values: Mapping[str, Any], place: str) -> Block:
    """An instance of the dataclass `block`; each value is checked against its field's type."""
    hints = _hints(block)  # type: ignore[arg-type]
    required = {f.name for f in fields(block) if f.default is MISSING}  # type: ignore[arg-type]
    for key in sorted(required - set(values)):
        raise DeclarationError(f"{place}: key `{key}` is missing")
    read = {
        key: _value(value, hints[key], f"{place}: key `{key}`") for key, value in values.items()
    }
    try:
        return block(**read)
    except ValueError as error:
        raise DeclarationError(f"{place}: {error}") from None


def _value(value: Any, kind: Any, place: str) -> Any:
    if get_origin(kind) in (Union, UnionType):
        if value is None and type(None) in get_args(kind):
            return None
        kinds = [each for each in get_args(kind) if each is not type(None)]
        blocks = [each for each in kinds if is_dataclass(each)] if isinstance(value, dict) else []
        kind = type(value) if type(value) in kinds else [*blocks, *kinds][0]
    if is_dataclass(kind):
        if isinstance(value, list):
            raise DeclarationError(f"{place}: expected keys and values, got {value!r}")
        return next(_blocks(kind, value, place))
    if get_origin(kind) is tuple and is_dataclass(block := get_args(kind)[0]):
        return tuple(_blocks(block, value, place))
    if get_origin(kind) is tuple:
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) and each for each in values):
            raise DeclarationError(f"{place}: expected a list of names, got {value!r}")
        names = tuple(each.lower() for each in values)
        if len(set(names)) < len(names):
            raise DeclarationError(f"{place}: names one twice, {value!r}")
        return names
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise DeclarationError(f"{place} says `{value}`; {nearest(value, get_args(kind))}")
        return value
    if get_origin(kind) is dict:
        of = get_args(kind)[1]
        of_words = "texts" if of is str else "numbers"
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value):
            raise DeclarationError(f"{place}: expected names with {of_words}, got {value!r}")
        return {name: _value(each, of, f"{place}: `{name}`") for name, each in value.items()}
    if kind is datetime:
        return _time(value, place)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        if kind is str and isinstance(value, date):
            raise DeclarationError(f"{place}: expected text, got a date; write '{value}' in quotes")
        fix = ""
        if kind is str and isinstance(value, dict):
            fix = "; put a text that begins with a brace in quotes"
        raise DeclarationError(f"{place}: expected {WORDS[kind]}, got {value!r}{fix}")
    return value


def _time(value: Any, place: str) -> datetime:
    """A time in UTC without zone, from a date or time of YAML or their text."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    if not isinstance(found, datetime):
        raise DeclarationError(
            f"{place}: expected a date or a time in UTC such as 2026-10-01, got {value!r}"
        )
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _blocks(block: Any, values: Any, place: str) -> Iterator[Any]:
    """The dataclasses of a list of blocks, or of one block."""
    known = [each.name for each in fields(block)]
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, dict):
            raise DeclarationError(f"{place}: expected keys such as `{known[0]}`, got {value!r}")
        named = f' "{value["name"]}"' if isinstance(value.get("name"), str) else ""
        for key in value:
            if key not in known:
                raise DeclarationError(
                    f'{place}{named}: unknown key "{key}"; {nearest(key, known)}'
                )
        yield read_block(block, value, f"{place}{named}")
