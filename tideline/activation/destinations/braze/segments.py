"""Memberships in segments: each segment is a boolean attribute of its own.

One array with the names of all segments would be cut at 25 elements, and Braze does not say so.
"""

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
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.protocol import Capabilities, Operation


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(BrazeOptions, WithLists):
    """`lists`: the boolean attribute of each segment."""

    def __post_init__(self) -> None:
        """Check the attributes."""
        super().__post_init__()
        check_names(self.lists.values(), "lists")


class BrazeSegments(BrazeDestination):
    """A row is a membership: the attribute of its segment is true."""

    Options: ClassVar[type] = SegmentOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Braze segments",
        holds="a boolean attribute of a user that is true, one per segment; the user is created if "
        "unknown",
        delivery="set",
        removal="the attribute is emptied, the user stays",
        rows_per_request=MOST_USERS,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each request held against a specification of "
        "Braze's API",
        source=LIMITS,
        page="braze",
    )

    def attributes(self, operation: Operation) -> dict[str, Any]:
        """The attribute of the row's segment: true, or null, which Braze takes as "no value"."""
        return {operation.key["list"]: None if operation.op == "remove" else True}
