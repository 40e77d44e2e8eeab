"""Attributes of users: a row sets them, a removal empties them and leaves the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.braze.workspace import (
    LIMITS,
    MOST_USERS,
    REQUESTS_PER_SECOND,
    BrazeDestination,
    BrazeOptions,
    check_names,
)
from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.protocol import Capabilities, Operation

LONGEST_TEXT = 255  # characters; Braze drops a longer text and says nothing
LONGEST_LIST = 25  # elements; Braze drops the others and says nothing


@dataclass(frozen=True, kw_only=True)
class UserOptions(BrazeOptions, WithFields):
    """`fields`: the template of each attribute."""

    def __post_init__(self) -> None:
        """Check the templates and the names."""
        super().__post_init__()
        check_names(self.fields, "fields")


class BrazeUsers(BrazeDestination):
    """A row is a user; its fields are attributes."""

    Options: ClassVar[type] = UserOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Braze users",
        holds="attributes of a user, who is created if unknown",
        delivery="set",
        removal="the attributes are emptied, the user stays",
        rows_per_request=MOST_USERS,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each request held against a specification of "
        "Braze's API",
        source=LIMITS,
        page="braze",
    )

    def attributes(self, operation: Operation) -> dict[str, Any]:
        """The fields of a row; of a removal, each is null, which Braze takes as "no value"."""
        if operation.op == "remove":
            return dict.fromkeys(self._options.fields)
        values = filled(self._options.fields, operation)
        for name, value in values.items():
            if problem := problem_of(value):
                raise ValueError(f"`{name}` {problem}")
        return values


def problem_of(value: Any) -> str | None:
    """The reason why Braze would not keep a value as it is; None if it would."""
    if isinstance(value, dict):
        return "is an object, parts of which Braze would take as commands; send its parts as text"
    if isinstance(value, list):
        if len(value) > LONGEST_LIST:
            return f"has {len(value)} elements; Braze keeps {LONGEST_LIST}"
        if not all(isinstance(each, str) for each in value):
            return "is a list that is not of texts, which Braze does not keep"
        return next(filter(None, map(problem_of, value)), None)
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"has {len(value)} characters; Braze keeps a text of up to {LONGEST_TEXT}"
    return None
