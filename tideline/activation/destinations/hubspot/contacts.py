"""Properties of contacts: a row sets them, a removal empties them and leaves the contact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import ApiDestination, compared, in_parts
from tideline.activation.destinations.fields import WithFields, agree, filled
from tideline.activation.destinations.hubspot.account import (
    CONTACTS,
    LIMITS,
    MOST_CONTACTS,
    REQUESTS_PER_SECOND,
    HubSpotOptions,
    contacts,
    of_trace,
    open_api,
    record_ids,
)
from tideline.activation.destinations.protocol import Capabilities, Match, Operation, Outcome

# A removal would empty these; without them, a person cannot be found, reached or respected.
NOT_OURS = {
    "email",
    "phone",
    "mobilephone",
    "hs_additional_emails",
    "hs_legal_basis",
    "hs_object_id",
}


@dataclass(frozen=True, kw_only=True)
class ContactOptions(HubSpotOptions, WithFields):
    """`fields`: the template of each property, by its internal name at HubSpot."""

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()
        for name in self.fields:
            if name.lower() in NOT_OURS | {self.id_property.lower()}:
                raise ValueError(
                    f"`fields` has `{name}`, which identifies or reaches a person at HubSpot and "
                    "would be emptied by a removal; write another property"
                )


class HubSpotContacts(ApiDestination):
    """A row is a contact, found by one property; its fields are properties."""

    Options: ClassVar[type] = ContactOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_CONTACTS
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="HubSpot contacts",
        holds="properties of a contact, which is created if it does not exist",
        delivery="set",
        removal="the properties are emptied, the contact stays",
        rows_per_request=MOST_CONTACTS,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each request held against HubSpot's specification",
        source=LIMITS,
        page="hubspot",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Set and empty properties, by requests of at most 100 contacts."""
        removes = [i for i, each in enumerate(batch) if each.op == "remove"]
        others = [i for i, each in enumerate(batch) if each.op != "remove"]
        parts = [
            kind[start : start + MOST_CONTACTS]
            for kind in (removes, others)
            for start in range(0, len(kind), MOST_CONTACTS)
        ]
        return in_parts(batch, parts, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Empty or set the properties of up to 100 contacts."""
        identified = [str(each.key[self._options.identify]) for each in batch]
        if batch[0].op == "remove":
            ids = record_ids(self._api, self._options, identified)
            return self._empty([ids.get(each) for each in identified])
        inputs = [
            {
                "id": identified[position],
                "idProperty": self._options.id_property,
                "objectWriteTraceId": str(position),
                "properties": self._properties(each),
            }
            for position, each in enumerate(batch)
        ]
        reply = self._api.call("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs})
        return of_trace(reply, len(batch))

    def _empty(self, ids: Sequence[str | None]) -> list[Outcome]:
        """Empty the properties of records; one that does not exist holds nothing."""
        known = list(dict.fromkeys(each for each in ids if each is not None))
        if not known:
            return [Outcome("accepted")] * len(ids)
        inputs = [
            {
                "id": each,
                "objectWriteTraceId": str(position),
                "properties": dict.fromkeys(self._options.fields, ""),
            }
            for position, each in enumerate(known)
        ]
        reply = self._api.call("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})
        told = dict(zip(known, of_trace(reply, len(known)), strict=True))
        return [Outcome("accepted") if each is None else told[each] for each in ids]

    def read_back(self, batch: Sequence[Operation]) -> list[Match | Outcome]:
        """Compare the properties of contacts, by questions about at most 100 of them."""
        return compared(batch, MOST_CONTACTS, self._compare)

    def _compare(self, batch: Sequence[Operation]) -> list[Match]:
        identified = [str(each.key[self._options.identify]) for each in batch]
        found = contacts(self._api, self._options, identified, tuple(self._options.fields))
        matches: list[Match] = []
        for who, each in zip(identified, batch, strict=True):
            held = found[who]["properties"] if who in found else None
            sent = self._properties(each).items()
            same = held is not None and all(agree(value, held.get(name)) for name, value in sent)
            matches.append("missing" if held is None else "equal" if same else "different")
        return matches

    def _properties(self, operation: Operation) -> dict[str, str]:
        values = filled(self._options.fields, operation)
        return {name: as_property(value) for name, value in values.items()}


def as_property(value: Any) -> str:
    """A value as HubSpot's API takes it: text, empty for none, `;` between several."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(as_property(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
