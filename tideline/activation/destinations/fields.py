"""The fields of a message, declared as templates over columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tideline.activation.destinations.api import ApiOptions
from tideline.activation.destinations.protocol import Operation

COLUMN = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


# As a base, name it after the vendor's own options, whose defaults then count.
@dataclass(frozen=True, kw_only=True)
class WithFields(ApiOptions):
    """`fields`: the template of each field, by its name at the tool."""

    fields: dict

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()
        if not self.fields:
            raise ValueError("`fields` is empty; name the fields to set")
        columns_of(self.fields)

    def reads(self) -> tuple[str, ...]:
        """The columns that the fields read."""
        return columns_of(self.fields)


def columns_of(templates: Mapping[str, Any], where: str = "fields") -> tuple[str, ...]:
    """The columns that templates read, sorted. Raises ValueError for a wrong template."""
    found: set[str] = set()
    for field, template in templates.items():
        if not isinstance(field, str) or not field.strip():
            raise ValueError(f"`{where}` has the name {field!r}; write the name of a field")
        if not isinstance(template, str):
            raise ValueError(
                f"`{where}`: `{field}` is {template!r}; write text, with columns in braces, such "
                'as "{segment_label}"'
            )
        if re.search(r"[{}]", COLUMN.sub("", template)):
            raise ValueError(
                f"`{where}`: `{field}` has braces without the name of a column; write {{column}}"
            )
        found.update(COLUMN.findall(template))
    return tuple(sorted(found))


def filled(templates: Mapping[str, str], operation: Operation) -> dict[str, Any]:
    """The value of each field for one row.

    A template that is one column alone has its value, of any JSON type. In a longer text, a null
    is empty.
    """
    values = operation.key | operation.row
    return {field: _filled(template, values) for field, template in templates.items()}


def agree(sent: Any, held: Any) -> bool:
    """Whether a tool holds what was sent: it may write a number or a time in another form."""
    sent, held = _text(sent), _text(held)
    if sent == held:
        return True
    for read in (float, _milliseconds):
        try:
            return read(sent) == read(held)
        except ValueError:
            continue
    return False


def _milliseconds(text: str) -> int:
    """A time in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _filled(template: str, values: Mapping[str, Any]) -> Any:
    if alone := COLUMN.fullmatch(template):
        return values.get(alone[1])
    return COLUMN.sub(lambda found: _text(values.get(found[1])), template)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
