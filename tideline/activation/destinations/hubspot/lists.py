"""Memberships in manual lists: a row is a contact in the list of its segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import ApiDestination, in_parts
from tideline.activation.destinations.hubspot.account import (
    LIMITS,
    REQUESTS_PER_SECOND,
    HubSpotOptions,
    in_words,
    open_api,
    record_ids,
)
from tideline.activation.destinations.lists import WithLists, by_list
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

MOST_MEMBERS = 500  # per request; five requests of 100 look their contacts up before


@dataclass(frozen=True, kw_only=True)
class ListOptions(HubSpotOptions, WithLists):
    """`lists`: the id of the manual list of each segment."""


class HubSpotLists(ApiDestination):
    """A row is a membership of a contact that exists."""

    Options: ClassVar[type] = ListOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_MEMBERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="HubSpot lists",
        holds="an existing contact in the manual list of a segment",
        delivery="set",
        removal="the contact leaves the list",
        rows_per_request=MOST_MEMBERS,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each request held against HubSpot's specification",
        source=LIMITS,
        page="hubspot",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Remove and add, by requests of one list."""
        return in_parts(batch, by_list(batch, MOST_MEMBERS), self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one list."""
        is_removal = batch[0].op == "remove"
        identified = [str(each.key[self._options.identify]) for each in batch]
        found = record_ids(self._api, self._options, identified)
        ids = [found.get(each) for each in identified]
        known = sorted({each for each in ids if each is not None})
        nobody = Outcome("accepted")
        if not is_removal:
            nobody = Outcome(
                "rejected",
                f"HubSpot has no contact with this `{self._options.id_property}`; a sync to "
                "`hubspot_contacts` creates it",
            )
        if not known:
            return [nobody] * len(batch)
        name = batch[0].key["list"]
        what = "remove" if is_removal else "add"
        reply = self._api.call(
            "PUT", f"/crm/v3/lists/{name}/memberships/{what}", known, expected=(400, 404)
        )
        content: dict[str, Any] = reply.content if isinstance(reply.content, dict) else {}
        if reply.status >= 400:
            return [self._without_list(name, reply.status, content, is_removal)] * len(batch)
        missing = content.get("recordIdsMissing")
        if not isinstance(missing, list):
            told = Outcome("unknown", "HubSpot answered without `recordIdsMissing`")
            return [nobody if each is None else told for each in ids]
        gone = {str(each) for each in missing}
        return [nobody if each is None or each in gone else Outcome("accepted") for each in ids]

    def _without_list(
        self, name: str, status: int, error: Mapping[str, Any], is_removal: bool
    ) -> Outcome:
        """The outcome of rows whose list cannot be changed.

        A 404 of a proxy, or of a wrong address, says nothing about HubSpot.
        """
        if status == 404 and error.get("status") != "error":
            return Outcome(
                "held", "answered HTTP 404; check the address of the API, then run again"
            )
        if status == 404 and is_removal:
            return Outcome("accepted")  # nobody is in a list that was deleted
        return Outcome(
            "rejected",
            f"list `{name}` cannot be changed ({in_words(error)}); name a manual list in `lists`",
        )
