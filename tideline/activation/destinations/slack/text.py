"""The text of a message, in which a person's own text cannot act."""

from __future__ import annotations

import json
import re
from typing import Any

from tideline.activation.destinations.fields import filled
from tideline.activation.destinations.protocol import Operation

# Line breaks and other control characters, and those that turn the direction of writing: with
# them, a name could look like a line that somebody else has written.
CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028-\u202e\u2066-\u2069]+")


def message_of(template: str, operation: Operation) -> str:
    """The message of a row. Slack's control characters in the values of columns are only shown."""
    values = {name: shown(each) for name, each in (operation.key | operation.row).items()}
    row = Operation(operation.op, operation.idempotency_key, values, {})
    # With a character behind it, a template of one column alone is text, too.
    return str(filled({"text": f"{template}\n"}, row)["text"]).strip()


def shown(value: Any) -> Any:
    """A value whose text Slack shows as it is: no mention, no link, no line of its own."""
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return shown(json.dumps(value, ensure_ascii=False))
    if not isinstance(value, str):
        return value
    line = CONTROL.sub(" ", value)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
