"""Custom attributes of contacts: a row sets them, a removal empties them and leaves the contact."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.intercom.people import OneByOne, worst
from tideline.activation.destinations.intercom.workspace import (
    LIMITS,
    MOST_SOUGHT,
    REFUSALS,
    REQUESTS_PER_SECOND,
    IntercomOptions,
    errors_of,
    has_code,
    open_api,
    refusal,
)
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

LONGEST = 255  # characters of a text; Intercom would cut a longer one
CONFLICT = re.compile(r"A contact matching those details already exists with id=(\w+)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FIX = "check the values, and that the attributes in `fields` exist"
SILENT = Outcome("unknown", "Intercom answered without the contact")


@dataclass(frozen=True, kw_only=True)
class ContactOptions(IntercomOptions, WithFields):
    """`fields`: the template of each custom attribute, by its name at Intercom."""

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()


class IntercomContacts(OneByOne):
    """A row is a contact, found by its address or external id."""

    Options: ClassVar[type] = ContactOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_SOUGHT
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Intercom contacts",
        holds="custom attributes of a contact, which is created if it does not exist",
        delivery="set",
        removal="the attributes are emptied, the contact stays",
        rows_per_request=1,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="intercom",
    )

    def _change(self, operation: Operation, known: Sequence[str]) -> Outcome:
        """Set or empty the attributes of one person."""
        if operation.op == "remove":
            told = [self._update(each, dict.fromkeys(self._options.fields), True) for each in known]
            return worst(told)
        attributes = filled(self._options.fields, operation)
        attributes = {name: as_attribute(name, value) for name, value in attributes.items()}
        for name, value in attributes.items():
            if isinstance(value, str) and len(value) > LONGEST:
                reason = f"`{name}` has {len(value)} characters; Intercom holds at most {LONGEST}"
                return Outcome("rejected", reason)
        if len(known) > 1:
            what = self._options.id_property
            return Outcome(
                "rejected",
                f"Intercom has {len(known)} contacts with this `{what}`; merge them there",
            )
        return self._update(known[0], attributes) if known else self._create(operation, attributes)

    def _create(self, operation: Operation, attributes: dict[str, Any]) -> Outcome:
        value = self._value(operation)
        if not value.strip():
            column = self._options.identify
            return Outcome("rejected", f"the column `{column}` is empty; add it to `require`")
        body = {"role": "user", self._options.id_property: value, "custom_attributes": attributes}
        reply = self._api.call("POST", "/contacts", body, expected=REFUSALS)
        if reply.status == 409:
            said = "; ".join(str(each.get("message")) for each in errors_of(reply))
            if exists := CONFLICT.match(said):  # it was created since it was sought
                self._contacts.note(value, exists[1])
                return self._update(exists[1], attributes)
            return refusal(reply, "unarchive or merge the contact there")
        if reply.status >= 400:
            return refusal(reply, FIX)
        contact = _id_of(reply)
        if contact is None:
            return SILENT
        self._contacts.note(value, contact)
        return Outcome("accepted")

    def _update(
        self, contact: str, attributes: dict[str, Any], is_removal: bool = False
    ) -> Outcome:
        body = {"custom_attributes": attributes}
        reply = self._api.call("PUT", f"/contacts/{contact}", body, expected=REFUSALS)
        if is_removal and reply.status == 404 and has_code(reply, "not_found"):
            return Outcome("accepted")  # the contact was deleted since it was found
        if reply.status >= 400:
            return refusal(reply, FIX)
        return Outcome("accepted") if _id_of(reply) == contact else SILENT


def _id_of(reply: Reply) -> str | None:
    content = reply.content if isinstance(reply.content, dict) else {}
    contact = content.get("id")
    return contact if content.get("type") == "contact" and isinstance(contact, str) else None


def as_attribute(name: str, value: Any) -> Any:
    """A value as Intercom takes it: a time of a name with `_at` in seconds, a list as text."""
    if isinstance(value, list):
        texts = (each if isinstance(each, str) else json.dumps(each) for each in value)
        return ", ".join(texts)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and name.endswith("_at") and TIME.fullmatch(value):
        return int(datetime.fromisoformat(value).timestamp())
    return value
