"""Tags of users: a row is a user with the tag of its segment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tideline.activation.destinations.api import Api, ApiDestination, cut, in_parts, one_by_one
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome
from tideline.activation.destinations.zendesk.account import (
    LIMITS,
    MOST_USERS,
    REQUESTS_PER_SECOND,
    Users,
    ZendeskOptions,
    content_of,
    in_words,
    is_missing,
    open_api,
)

TAG = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class TagOptions(ZendeskOptions, WithLists):
    """`lists`: the tag of each segment."""

    def __post_init__(self) -> None:
        """Check the tags."""
        super().__post_init__()
        for segment, tag in self.lists.items():
            if not TAG.fullmatch(tag):  # Zendesk would keep another one
                raise ValueError(
                    f"`lists`: the tag of `{segment}` is '{tag}'; write it in lower case"
                )


class ZendeskTags(ApiDestination):
    """A row is a tag of a user who exists. Tags that others have set stay."""

    Options: ClassVar[type] = TagOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_USERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Zendesk tags",
        holds="an existing user with the tag of a segment",
        delivery="set",
        removal="the user loses the tag",
        rows_per_request=1,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="zendesk",
    )

    def __init__(self, api: Api, options: TagOptions) -> None:
        """`options` names the identifier of users."""
        super().__init__(api, options)
        self._users = Users(api, options)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Find some users, then change one after the other."""
        parts = list(cut(range(len(batch)), self._users.most, lambda i: 1))
        return in_parts(batch, parts, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        ids = self._users.find([self._users.value(each) for each in batch])
        return one_by_one(batch, lambda row: self._change(row, ids.get(self._users.value(row))))

    def _change(self, operation: Operation, user: int | None) -> Outcome:
        """Add or remove one tag of one user."""
        is_removal, tag = operation.op == "remove", operation.key["list"]
        if user is None:
            return Outcome("accepted") if is_removal else self._users.nobody()
        path = f"/api/v2/users/{user}/tags.json"
        method = "DELETE" if is_removal else "PUT"  # POST would replace the tags of others
        reply = self._api.call(method, path, {"tags": [tag]}, expected=(400, 404, 422))
        if is_missing(reply):  # deleted since the user was found
            return Outcome("accepted") if is_removal else self._users.nobody()
        if reply.status == 404:
            reason = "answered HTTP 404; check the address of the API, then run again"
            return Outcome("held", reason)
        if reply.status >= 400:
            return Outcome("rejected", in_words(content_of(reply)))
        tags = content_of(reply).get("tags")
        if isinstance(tags, list) and (tag in tags) != is_removal:
            return Outcome("accepted")
        reason = f"Zendesk answered without the change of tag `{tag}`; turn on tags of users there"
        return Outcome("unknown", reason)
