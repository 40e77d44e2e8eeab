"""The text of a message, in which a person's own text cannot act."""

from __future__ import annotations

import json
import re
from typing import Any

from tideline.activation.destinations.fields import filled
from tideline.activation.destinations.protocol import Operation

# Line breaks and other control characters, and those that turn the direction of writing: with
# them, a name could look like a line that somebody else has written.
CONTROL = re.compile("[\x00-\x1f\x7f\x85\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
ADDRESS = re.compile("(<https?://[^<>|]*)")  # of a link in a template


def message_of(template: str, operation: Operation) -> str:
    """The message of a row. Slack's control characters in the values of columns are only shown."""
    values = {name: shown(each) for name, each in (operation.key | operation.row).items()}
    row = Operation(operation.op, operation.idempotency_key, values, {})
    parts = enumerate(ADDRESS.split(template))
    # With a character behind it, a template of one column alone is text, too.
    texts = [(index, str(filled({"text": f"{part}\n"}, row)["text"])[:-1]) for index, part in parts]
    return "".join(in_address(text) if index % 2 else text for index, text in texts).strip()


def in_address(text: str) -> str:
    """The address of a link, up to its label; a bar of a value does not end it."""
    return text.replace("|", "%7C").replace(" ", "%20")


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
