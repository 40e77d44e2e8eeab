"""Tags: a row is a contact with the tag of its segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.intercom.people import OneByOne, worst
from tideline.activation.destinations.intercom.workspace import (
    LIMITS,
    MOST_SOUGHT,
    REFUSALS,
    REQUESTS_PER_SECOND,
    IntercomOptions,
    has_code,
    open_api,
    refusal,
)
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome


@dataclass(frozen=True, kw_only=True)
class TagOptions(IntercomOptions, WithLists):
    """`lists`: the id of the tag of each segment."""


class IntercomTags(OneByOne):
    """A row is a tag of a contact that exists."""

    Options: ClassVar[type] = TagOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_SOUGHT
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Intercom tags",
        holds="an existing contact with the tag of a segment",
        delivery="set",
        removal="the contact loses the tag",
        rows_per_request=1,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="intercom",
    )

    def _change(self, operation: Operation, known: Sequence[str]) -> Outcome:
        """Tag all contacts of one person, or take the tag off."""
        is_removal = operation.op == "remove"
        if not known and not is_removal:
            return Outcome(
                "rejected",
                f"Intercom has no contact with this `{self._options.id_property}`; a sync to "
                "`intercom_contacts` creates it",
            )
        change = self._untag if is_removal else self._tag
        told = [change(each, operation.key["list"]) for each in known]
        return worst(told)

    def _tag(self, contact: str, tag: str) -> Outcome:
        path = f"/contacts/{contact}/tags"
        reply = self._api.call("POST", path, {"id": tag}, expected=REFUSALS)
        if reply.status >= 400:
            return refusal(reply, f"tag `{tag}`: name an existing tag in `lists`")
        return self._told(reply.content, tag)

    def _untag(self, contact: str, tag: str) -> Outcome:
        path = f"/contacts/{contact}/tags/{tag}"
        reply = self._api.call("DELETE", path, expected=REFUSALS)
        if reply.status == 404 and has_code(reply, "not_found"):
            return Outcome("accepted")  # the tag or the contact was deleted, or it has no such tag
        if reply.status >= 400:
            return refusal(reply, f"tag `{tag}` cannot be taken off")
        return self._told(reply.content, tag)

    def _told(self, content: Any, tag: str) -> Outcome:
        """Accepted, if Intercom names the tag."""
        is_tag = isinstance(content, dict) and content.get("type") == "tag"
        if is_tag and str(content.get("id")) == tag:
            return Outcome("accepted")
        return Outcome("unknown", "Intercom answered without the tag")
