"""Memberships as tags: a row is a member with the tag of a segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tideline.activation.destinations.api import ApiDestination, in_parts
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.mailchimp.audience import (
    LIMITS,
    MailchimpOptions,
    ask,
    in_words,
    is_missing,
    open_api,
)
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome


@dataclass(frozen=True, kw_only=True)
class TagOptions(MailchimpOptions, WithLists):
    """`lists`: the name of the tag of each segment."""


class MailchimpTags(ApiDestination):
    """A row is a tag of a member who exists. It changes nobody's subscription."""

    Options: ClassVar[type] = TagOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = 100
    merges_rows: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Mailchimp tags",
        holds="the tag of a segment at an existing member of an audience",
        delivery="set",
        removal="the member loses the tag",
        tried_against="a stateful local server",
        source=LIMITS,
        page="mailchimp",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Add and remove tags, a call per member."""
        members: dict[str, list[int]] = {}
        for position, each in enumerate(batch):
            members.setdefault(self._options.email_of(each).lower(), []).append(position)
        return in_parts(batch, list(members.values()), self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change the tags of one member."""
        # If the spelling of an address changes, a tag is removed and added; the addition counts.
        statuses = {each.key["list"]: "inactive" for each in batch if each.op == "remove"}
        statuses |= {each.key["list"]: "active" for each in batch if each.op != "remove"}
        tags = [{"name": name, "status": status} for name, status in statuses.items()]
        email = self._options.email_of(batch[0])
        reply = ask(self._api, self._options, "POST", email, "/tags", {"tags": tags})
        if reply.status == 204:
            return [Outcome("accepted")] * len(batch)
        if is_missing(reply):
            nobody = Outcome(
                "rejected",
                f"the audience `{self._options.audience}` has no such member ({in_words(reply)}); "
                "a sync to `mailchimp_members` creates it",
            )
            return [Outcome("accepted") if each.op == "remove" else nobody for each in batch]
        if reply.status >= 400:
            return [Outcome("refused", in_words(reply))] * len(batch)
        told = Outcome("unknown", f"Mailchimp answered HTTP {reply.status} instead of 204")
        return [told] * len(batch)
