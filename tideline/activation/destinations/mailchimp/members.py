"""Merge fields of members: a row sets them, a removal empties them and leaves the member."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tideline.activation.destinations.api import (
    ApiDestination,
    NotDoneError,
    Reply,
    compared,
    in_parts,
)
from tideline.activation.destinations.fields import WithFields, agree, filled
from tideline.activation.destinations.mailchimp.audience import (
    LIMITS,
    MailchimpOptions,
    ask,
    in_words,
    is_missing,
    open_api,
)
from tideline.activation.destinations.protocol import Capabilities, Match, Operation, Outcome

MERGE_TAG = re.compile(r"[A-Z0-9_]{1,10}")
# A required merge field of the audience, which is not ours, does not stop ours.
WITHOUT_OTHERS = "?skip_merge_validation=true"


@dataclass(frozen=True, kw_only=True)
class MemberOptions(MailchimpOptions, WithFields):
    """`fields`: the template of each merge field, by its merge tag.

    `status_if_new`: the status of a member who is created. `transactional` gets no marketing,
    `pending` is asked by email to confirm, `subscribed` is for tables whose people have agreed.
    The status of a member who exists never changes.
    """

    status_if_new: Literal["transactional", "unsubscribed", "pending", "subscribed"] = (
        "transactional"
    )

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()
        for name in self.fields:
            if not MERGE_TAG.fullmatch(name):
                raise ValueError(
                    f"`fields` has `{name}`; write a merge tag, of at most 10 capitals, digits and "
                    "`_`, such as `SEGMENT`"
                )


class MailchimpMembers(ApiDestination):
    """A row is a member of an audience, found by address.

    Mailchimp's call for many members sets the status of each, also of those who have unsubscribed,
    so each has its own call.
    """

    Options: ClassVar[type] = MemberOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = 100
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Mailchimp members",
        holds="merge fields of a member of an audience, created if there is none, by default "
        "without a subscription",
        delivery="set",
        removal="the merge fields are emptied, the member stays",
        rows_per_request=1,
        tried_against="a stateful local server",
        source=LIMITS,
        page="mailchimp",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Empty and set merge fields, a call per member."""
        kinds = sorted(range(len(batch)), key=lambda i: batch[i].op != "remove")
        return in_parts(batch, [[i] for i in kinds], lambda one: [self._apply(one[0])])

    def _apply(self, operation: Operation) -> Outcome:
        email = self._options.email_of(operation)
        if operation.op == "remove":
            body: dict[str, Any] = {"merge_fields": dict.fromkeys(self._options.fields, "")}
            reply = ask(self._api, self._options, "PATCH", email, WITHOUT_OTHERS, body)
            if is_missing(reply):
                return Outcome("accepted")  # who is unknown there has nothing
            return self._outcome(reply, gone_is_fine=True)
        values = filled(self._options.fields, operation)
        body = {
            "email_address": email,
            "status_if_new": self._options.status_if_new,
            "merge_fields": {name: as_merge_field(value) for name, value in values.items()},
        }
        reply = ask(self._api, self._options, "PUT", email, WITHOUT_OTHERS, body)
        if is_missing(reply):
            return Outcome(
                "rejected", f"{in_words(reply)}; name an audience that exists in `audience`"
            )
        return self._outcome(reply, gone_is_fine=False)

    def read_back(self, batch: Sequence[Operation]) -> list[Match | Outcome]:
        """Compare merge fields, a call per member."""
        return compared(batch, 1, lambda one: [self._compare(one[0])])

    def _compare(self, operation: Operation) -> Match:
        reply = ask(self._api, self._options, "GET", self._options.email_of(operation))
        if is_missing(reply):
            return "missing"
        if reply.status >= 400:
            raise NotDoneError(Outcome("rejected", in_words(reply)))
        match reply.content:
            case {"id": str(), "merge_fields": {**held}}:
                sent = filled(self._options.fields, operation).items()
                same = (agree(as_merge_field(v), held.get(name)) for name, v in sent)
                return "equal" if all(same) else "different"
        raise NotDoneError(Outcome("busy", "Mailchimp answered without the member's merge fields"))

    def _outcome(self, reply: Reply, *, gone_is_fine: bool) -> Outcome:
        """The outcome of a member; Mailchimp leaves out merge fields that it does not have."""
        if reply.status >= 400:
            return Outcome("rejected", in_words(reply))
        match reply.content:
            case {"id": str(), "merge_fields": {**held}}:
                gone = [name for name in self._options.fields if name not in held]
                if not gone or gone_is_fine:
                    return Outcome("accepted")
                return Outcome(
                    "rejected",
                    f"the audience has no merge field `{gone[0]}`; create it, or remove it from "
                    "`fields`",
                )
        return Outcome("unknown", "Mailchimp answered without the member's merge fields")


def as_merge_field(value: Any) -> Any:
    """A value as Mailchimp takes it: text, a number or an object; empty text for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(as_merge_field(each)) for each in value)
    return value
