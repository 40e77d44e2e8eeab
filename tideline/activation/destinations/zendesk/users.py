"""User fields: a row sets them, a removal empties them and leaves the user."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import Api, ApiDestination, NotDoneError, cut, in_parts
from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome
from tideline.activation.destinations.zendesk.account import (
    LIMITS,
    MOST_USERS,
    REQUESTS_PER_SECOND,
    Users,
    ZendeskOptions,
    all_of,
    open_api,
)
from tideline.activation.destinations.zendesk.jobs import Jobs

TIME = re.compile(r"(\d{4}-\d\d-\d\d)T.*")


@dataclass(frozen=True, kw_only=True)
class UserOptions(ZendeskOptions, WithFields):
    """`fields`: the template of each user field, by its key at Zendesk."""

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()


class ZendeskUsers(ApiDestination):
    """A row is a user who exists; its fields are user fields."""

    Options: ClassVar[type] = UserOptions
    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_USERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Zendesk users",
        holds="user fields of an existing user",
        delivery="set",
        removal="the fields are emptied, the user stays",
        rows_per_request=MOST_USERS,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server",
        source=LIMITS,
        page="zendesk",
    )

    def __init__(self, api: Api, options: UserOptions) -> None:
        """`options` names the fields."""
        super().__init__(api, options)
        self._users, self._jobs = Users(api, options), Jobs(api)
        self._known: dict[str, str] | None = None

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Empty and set fields, by jobs of at most 100 users."""
        removes = [i for i, each in enumerate(batch) if each.op == "remove"]
        others = [i for i, each in enumerate(batch) if each.op != "remove"]
        most = self._users.most
        parts = [part for kind in (removes, others) for part in cut(kind, most, lambda i: 1)]
        return in_parts(batch, parts, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change up to 100 users by one job."""
        is_removal = batch[0].op == "remove"
        kinds = self._kinds()
        missing = sorted(set(self._options.fields) - set(kinds))
        if missing and not is_removal:  # Zendesk ignores a field that it does not know
            named = ", ".join(f"`{each}`" for each in missing)
            reason = f"Zendesk has no user field {named}; create it, or correct `fields`"
            raise NotDoneError(Outcome("held", reason))
        identified = [self._users.value(each) for each in batch]
        ids = self._users.find(identified)
        changes = {}
        for value, each in zip(identified, batch, strict=True):
            if value in ids:
                changes[ids[value]] = {"user_fields": self._values(each, kinds)}
        empty = is_removal and len(missing) == len(self._options.fields)
        told = self._jobs.update(changes) if changes and not empty else {}
        nobody = Outcome("accepted") if is_removal else self._users.nobody()
        accepted = Outcome("accepted")  # only what has no field any more is not told
        return [told.get(ids[each], accepted) if each in ids else nobody for each in identified]

    def _values(self, operation: Operation, kinds: dict[str, str]) -> dict[str, Any]:
        fields = self._options.fields
        if operation.op == "remove":
            return {name: None for name in fields if name in kinds}
        values = filled(fields, operation)
        return {name: as_field(value, kinds[name]) for name, value in values.items()}

    def _kinds(self) -> dict[str, str]:
        """The type of each user field, by its key; it is asked for once in a run."""
        if self._known is None:
            found = all_of(self._api, "/api/v2/user_fields.json", "user_fields")
            self._known = {str(each.get("key")): str(each.get("type")) for each in found}
        return self._known


def as_field(value: Any, kind: str) -> Any:
    """A value as a user field of a type takes it: a date without its time, a list as text."""
    if isinstance(value, str) and kind == "date" and (time := TIME.fullmatch(value)):
        return time[1]
    if isinstance(value, list) and kind != "multiselect":
        return ", ".join(each if isinstance(each, str) else json.dumps(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value
