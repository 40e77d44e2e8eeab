"""Reads and checks a mapping: a YAML file that defines how a row of a log becomes a message.

The format is described in `docs/reference/landing.md`. A mapping is trusted configuration, like a
dbt model: its `sql` runs unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tideline.landing.readers import columns_as_written
from tideline.text import nearest, plain

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}  # in microseconds
VALUE_KEYS = ("column", "constant", "sql")
TIME_KEYS = ("column", "sql", "timezone", "unit", "format")
EVENT_KEYS = ("column", "constant", "sql", "names", "default")
CSV_KEYS = ("delimiter", "encoding", "columns")


WITHOUT_PERSON = (
    "user_id, anonymous_id and email are missing; map at least one of them to the column that says "
    "who did it"
)


class MappingError(ValueError):
    """The mapping is invalid; the message names the key, the problem and the fix."""


@dataclass(frozen=True)
class Value:
    """The source of a value: the name of a `column`, a `constant`, or a DuckDB `sql` expression.

    `key` is its place in the mapping (`properties.revenue`), for errors.
    """

    key: str
    kind: str
    value: Any


@dataclass(frozen=True)
class Time:
    """A time: a value and its format.

    With `unit` (s, ms, us, ns) it is a number since 1970 UTC; `format` is a strptime format;
    `timezone` applies to values without a zone.
    """

    value: Value
    timezone: str = "UTC"
    unit: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class Event:
    """The event name: a value, names for some of its values, and a default name for the others.

    Without `default`, a value that is not in `names` is the event name.
    """

    value: Value
    names: dict[str, str] = field(default_factory=dict)
    default: str | None = None


@dataclass(frozen=True)
class LogFormat:
    """The format of a file: types of columns, and for CSV the delimiter, encoding and column names.

    Without `columns`, the first line holds the names. The delimiter " " is any run of blanks.
    `texts` are columns, in lower case, that stay text even if all their values look like numbers.
    """

    types: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    encoding: str = "utf-8"
    columns: tuple[str, ...] | None = None
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LogMapping:
    """The definition of the messages for the rows of one kind of log."""

    path: str
    time: Time
    event: Event
    event_id: Value | None = None
    user_id: Value | None = None
    anonymous_id: Value | None = None
    email: Value | None = None
    received_at: Time | None = None
    properties: dict[str, Value] = field(default_factory=dict)
    context: dict[str, Value] = field(default_factory=dict)
    traits: dict[str, Value] = field(default_factory=dict)
    filters: tuple[Value, ...] = ()
    format: LogFormat = LogFormat()

    def values(self) -> Iterator[Value]:
        """All values of the mapping, including the filters."""
        times = [time.value for time in (self.time, self.received_at) if time]
        ids = [self.event_id, self.user_id, self.anonymous_id, self.email]
        objects = [*self.properties.values(), *self.context.values(), *self.traits.values()]
        yield from (v for v in [*times, self.event.value, *ids, *objects, *self.filters] if v)


TOP_KEYS = (
    *("event_id", "user_id", "anonymous_id", "email", "time", "received_at", "event"),
    *("properties", "context", "traits", "filters", "types", "csv"),
)


def load_mapping(path: Path) -> LogMapping:
    """Read a mapping file.

    Raises `MappingError` if it cannot be read, is not YAML or is invalid.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MappingError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise MappingError(f"{path}: is not valid YAML: {error}") from None
    return parse_mapping(document, path.name)


def parse_mapping(document: Any, path: str = "mapping") -> LogMapping:
    """The mapping of a parsed YAML document; `path` is its name in errors.

    Raises `MappingError` if it is invalid.
    """
    try:
        top = _object(document, "the mapping", TOP_KEYS)
        for key, missing in [("time", "when it happened"), ("event", "what happened")]:
            if top.get(key) is None:
                raise MappingError(f"{key}: is missing; say which column holds {missing}")
        if top.get("user_id") is None and top.get("anonymous_id") is None and not top.get("email"):
            raise MappingError(WITHOUT_PERSON)
        csv = _object(top.get("csv") or {}, "csv", CSV_KEYS)
        if csv.get("columns") is not None and not isinstance(csv["columns"], list):
            raise MappingError("csv.columns: must be the list of the column names")
        types = _named(top.get("types"), "types")
        filters, received = top.get("filters") or [], top.get("received_at")
        if not isinstance(filters, list) or not all(isinstance(f, str) for f in filters):
            raise MappingError("filters: must be a list of SQL conditions, each a text")

        def one(key: str) -> Value | None:
            return None if top.get(key) is None else _value(top[key], key)

        def several(key: str) -> dict[str, Value]:
            named = _named(top.get(key), key)
            return {name: _value(value, f"{key}.{name}") for name, value in named.items()}

        found = LogMapping(
            path=path,
            time=_time(top["time"], "time"),
            event=_event(top["event"]),
            received_at=_time(received, "received_at") if received else None,
            event_id=one("event_id"),
            user_id=one("user_id"),
            anonymous_id=one("anonymous_id"),
            email=one("email"),
            properties=several("properties"),
            context=several("context"),
            traits=several("traits"),
            filters=tuple(Value(f"filters[{i}]", "sql", f) for i, f in enumerate(filters, 1)),
            format=LogFormat(
                types={name: str(kind) for name, kind in types.items()},
                delimiter=csv.get("delimiter"),
                encoding=csv.get("encoding", "utf-8"),
                columns=tuple(str(c) for c in csv["columns"]) if csv.get("columns") else None,
            ),
        )
        texts = columns_as_written(v.value for v in found.values() if v.kind == "sql")
        return replace(found, format=replace(found.format, texts=texts))
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from None


def check_columns(mapping: LogMapping, columns: Iterable[str], log: str) -> None:
    """Raise `MappingError` for the columns of the mapping that the log does not have."""
    columns = list(columns)
    named = [(value.key, value.value) for value in mapping.values() if value.kind == "column"]
    missing = [
        f"{key}: {log} has no column {column!r}; {nearest(column, columns)}"
        for key, column in [*named, *((f"types.{name}", name) for name in mapping.format.types)]
        if column not in columns
    ]
    if missing and len(columns) == 1 and re.search(r"[;,|\t]|\s{2}", columns[0]):
        missing.append(f"{log} was read as one column: is csv.delimiter missing or wrong?")
    if missing:
        raise MappingError("\n".join(f"{mapping.path}: {each}" for each in missing))


def _object(document: Any, key: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """A YAML object; raises `MappingError` if it has unknown keys."""
    if not isinstance(document, dict):
        raise MappingError(f"{key}: must be an object with some of the keys {', '.join(keys)}")
    for name in document:
        if name not in keys:
            place = "" if key == "the mapping" else f"{key}."
            raise MappingError(f"{place}{name}: unknown key; {nearest(str(name), keys)}")
    return document


def _named(document: Any, key: str) -> dict[str, Any]:
    """A YAML object with any keys; empty if it is missing."""
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise MappingError(f"{key}: must be an object, `name: column` per line")
    return {str(name): value for name, value in document.items()}


def _value(document: Any, key: str, allowed: tuple[str, ...] = VALUE_KEYS) -> Value:
    """The value of a column name, or of an object with one of `column`, `constant`, `sql`."""
    if isinstance(document, str):
        return Value(key, "column", document)
    if not isinstance(document, dict):
        raise MappingError(
            f"{key}: must be a column name or an object with one of {', '.join(VALUE_KEYS)}; "
            f"write {{constant: {document}}} for a fixed value"
        )
    document = _object(document, key, allowed)
    kinds = [kind for kind in VALUE_KEYS if kind in document]
    if len(kinds) != 1:
        choices = ", ".join(kind for kind in VALUE_KEYS if kind in allowed)
        raise MappingError(f"{key}: must have exactly one of {choices}")
    value = document[kinds[0]]
    if kinds[0] != "constant" and not isinstance(value, str):
        raise MappingError(f"{key}.{kinds[0]}: must be a text, not {value!r}")
    if isinstance(value, list | dict) or value is None:
        raise MappingError(f"{key}.constant: must be a text, a number or a boolean")
    return Value(key, kinds[0], value)


def _time(document: Any, key: str) -> Time:
    """The time of a YAML value."""
    value = _value(document, key, TIME_KEYS)
    options = document if isinstance(document, dict) else {}
    unit, form = options.get("unit"), options.get("format")
    if unit is not None and unit not in UNITS:
        raise MappingError(f"{key}.unit: unknown unit {unit!r}; there are: {', '.join(UNITS)}")
    if unit and (form or "timezone" in options):
        raise MappingError(f"{key}.unit: a number since 1970 UTC has no timezone or format")
    if form is not None and not isinstance(form, str):
        raise MappingError(f"{key}.format: must be a strptime format such as '%d/%m/%Y %H:%M'")
    return Time(value, str(options.get("timezone", "UTC")), unit, form)


def _event(document: Any) -> Event:
    """The event name of a YAML value."""
    value = _value(document, "event", EVENT_KEYS)
    options = document if isinstance(document, dict) else {}
    names = _named(options.get("names"), "event.names")
    for name in (*names.values(), options.get("default", "")):
        if not isinstance(name, str):
            raise MappingError(f"event: {name!r} is not an event name; put it in quotes")
    # YAML 1.1 reads the bare words yes, no, on, off as booleans and loses the value of the log.
    for name in options.get("names") or {}:
        if isinstance(name, bool):
            raise MappingError("event.names: put quotes around yes, no, on, off, true and false")
    return Event(value, names, options.get("default"))


def words(name: str) -> str:
    """A name in snake_case: `Product Viewed` and `productViewed` are `product_viewed`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain(name.strip()))
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")
