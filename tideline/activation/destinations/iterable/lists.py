"""Memberships in static lists: a row is a user in the list of its segment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.iterable.project import (
    LIMITS,
    MOST_BYTES,
    MOST_USERS,
    REQUESTS_PER_SECOND,
    IterableDestination,
    IterableOptions,
)
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

NUMBER = re.compile(r"[1-9][0-9]*")
NO_LIST = "error.lists.invalidListId"


@dataclass(frozen=True, kw_only=True)
class ListOptions(IterableOptions, WithLists):
    """`lists`: the id of the static list of each segment."""

    def __post_init__(self) -> None:
        """Check the lists."""
        super().__post_init__()
        for segment, name in self.lists.items():
            if not NUMBER.fullmatch(name):  # else one list could be named twice
                raise ValueError(
                    f"`lists`: the list of `{segment}` is '{name}'; write its number at Iterable, "
                    "in quotes"
                )


class IterableLists(IterableDestination):
    """A row is a membership. It changes nobody's subscription to a channel."""

    Options: ClassVar[type] = ListOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Iterable lists",
        holds="a user in the static list of a segment; the user is created if unknown",
        delivery="set",
        removal="the user leaves the list, without a change of subscriptions",
        rows_per_request=MOST_USERS,
        bytes_per_request=MOST_BYTES,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="iterable",
    )

    def kind(self, operation: Operation) -> tuple[bool, str]:
        """Removals and additions of each list."""
        return operation.op != "remove", operation.key["list"]

    def row(self, operation: Operation) -> dict[str, Any]:
        """A subscriber."""
        subscriber = self.identifier(operation)
        if operation.op == "remove":
            subscriber.pop("preferUserId", None)
        return subscriber

    def change(self, changes: Sequence[Operation]) -> list[Outcome]:
        """Subscribe or unsubscribe up to 1,000 users of one list."""
        is_removal, name = changes[0].op == "remove", changes[0].key["list"]
        body: dict[str, Any] = {"listId": int(name), "subscribers": [self.row(e) for e in changes]}
        if is_removal:  # else Iterable would take the user off the whole channel
            body["channelUnsubscribe"] = False
        what = "unsubscribe" if is_removal else "subscribe"
        reply = self._api.call("POST", f"/api/lists/{what}", body, expected=(400,))
        if reply.status != 400:
            return self.outcomes(reply, changes)
        said = reply.content if isinstance(reply.content, dict) else {}
        words = ": ".join(str(said[key]) for key in ("code", "msg") if said.get(key))
        if NO_LIST not in words:
            return [Outcome("refused", f"Iterable: {words or 'HTTP 400'}")] * len(changes)
        if is_removal:
            return [Outcome("accepted")] * len(changes)  # nobody is in a list that was deleted
        reason = f"list `{name}`: Iterable: {words}; name a list in `lists`"
        return [Outcome("rejected", reason)] * len(changes)
