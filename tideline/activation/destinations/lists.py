"""The lists of a tool, one for each segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tideline.activation.destinations.api import ApiOptions
from tideline.activation.destinations.protocol import Operation
from tideline.declarations.syncs import check_lists


# As a base, name it after the vendor's own options, whose defaults then count.
@dataclass(frozen=True, kw_only=True)
class WithLists(ApiOptions):
    """`lists`: the id of the list of each segment at the tool."""

    lists: dict

    def __post_init__(self) -> None:
        """Check the lists."""
        super().__post_init__()
        check_lists(self.lists)

    def reads(self) -> tuple[str, ...]:
        """No column beside the key: a membership has no fields."""
        return ()


def by_list(batch: Sequence[Operation], most: int) -> list[list[int]]:
    """Positions of a batch in parts of one list each, removals first, of at most `most` rows."""
    kinds: dict[tuple[bool, str], list[int]] = {}
    for position, each in enumerate(batch):
        kinds.setdefault((each.op != "remove", each.key["list"]), []).append(position)
    return [
        kinds[kind][start : start + most]
        for kind in sorted(kinds)
        for start in range(0, len(kinds[kind]), most)
    ]
