"""Fields of users: a row sets them, a removal empties them and leaves the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.iterable.project import (
    LIMITS,
    MOST_BYTES,
    MOST_USERS,
    REQUESTS_PER_SECOND,
    IterableDestination,
    IterableOptions,
)
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

# A removal would empty these; without them, a user cannot be found, reached or respected.
NOT_OURS = {
    "email",
    "userid",
    "phonenumber",
    "emaillistids",
    "subscribedmessagetypeids",
    "unsubscribedchannelids",
    "unsubscribedmessagetypeids",
    "devices",
    "signupdate",
    "signupsource",
    "profileupdatedat",
}


@dataclass(frozen=True, kw_only=True)
class UserOptions(IterableOptions, WithFields):
    """`fields`: the template of each user field, by its name at Iterable."""

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()
        for name in self.fields:
            if name.lower() in NOT_OURS:
                raise ValueError(
                    f"`fields` has `{name}`, which Iterable keeps itself and a removal would empty;"
                    " write another field"
                )


class IterableUsers(IterableDestination):
    """A row is a user; its fields are data fields."""

    Options: ClassVar[type] = UserOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Iterable users",
        holds="data fields of a user, who is created if unknown",
        delivery="set",
        removal="the fields are emptied, the user stays",
        rows_per_request=MOST_USERS,
        bytes_per_request=MOST_BYTES,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="iterable",
    )

    def kind(self, operation: Operation) -> tuple[bool, str]:
        """Removals and others share requests."""
        return False, ""

    def row(self, operation: Operation) -> dict[str, Any]:
        """A user with its fields; null empties one."""
        is_removal = operation.op == "remove"
        fields = self._options.fields
        values = dict.fromkeys(fields) if is_removal else filled(fields, operation)
        return self.identifier(operation) | {"dataFields": values}

    def change(self, changes: Sequence[Operation]) -> list[Outcome]:
        """Set and empty the fields of up to 1,000 users."""
        users = [self.row(each) for each in changes]
        reply = self._api.call("POST", "/api/users/bulkUpdate", {"users": users})
        content = reply.content if isinstance(reply.content, dict) else {}
        dropped = content.get("filteredOutFields")
        known = map(str, dropped) if isinstance(dropped, list) else ()
        lost = sorted(set(self._options.fields) & set(known))
        if lost and any(each.op != "remove" for each in changes):
            named = ", ".join(f"`{each}`" for each in lost)
            reason = f"Iterable has dropped {named}; create the fields in the project, or allow new"
            return [Outcome("unknown", reason, needs_person=True)] * len(changes)
        return self.outcomes(reply, changes)
