"""One person under two keys: whoever leaves under one and comes under the other is not lost.

A profile that is merged, or another spelling of an address, gives a person a new key. As long as
the removal under the old one is not accepted, it is sent again, perhaps by a later run. Sent after
the new row, it would take away what the tool then holds, so the new row waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tideline.activation.destinations import Destination, Operation, Outcome

LEAVING = Outcome("busy", "the removal of the same person under another key is not accepted yet")

Send = Callable[[Sequence[Operation]], list[Outcome]]


class Leaving:
    """The people of a run whose removal is not accepted yet.

    A destination may have the method `traces(operation)`: what finds the person of a row at the
    tool. With `merges_rows`, it makes one change of all rows of a person in a batch.
    """

    def __init__(self, destination: Destination) -> None:
        """Without `traces`, every row is sent at once."""
        self._traces: Callable[[Operation], set[Any]] = getattr(
            destination, "traces", lambda operation: set()
        )
        self._merges = getattr(destination, "merges_rows", False)
        self._leaving: set[Any] = set()

    def send(self, batch: Sequence[Operation], send: Send) -> list[Outcome]:
        """The outcomes of a batch: first of all rows but those that must wait, then of these."""
        traces = [frozenset(self._traces(each)) for each in batch]
        removes = [i for i, each in enumerate(batch) if each.op == "remove"]
        going = set[Any]().union(*(traces[i] for i in removes))
        self._leaving |= going
        waiting = [
            i
            for i, each in enumerate(batch)
            if each.op != "remove"
            and not self._leaving.isdisjoint(traces[i])
            and not (self._merges and traces[i] <= going)
        ]
        outcomes = [LEAVING] * len(batch)

        def apply(positions: Sequence[int]) -> None:
            if positions:
                told = send([batch[i] for i in positions])
                for i, outcome in zip(positions, told, strict=True):
                    outcomes[i] = outcome

        apply(sorted(set(range(len(batch))).difference(waiting)))
        self._leaving -= going
        self._leaving.update(*(traces[i] for i in removes if outcomes[i].fate != "accepted"))
        apply([i for i in waiting if self._leaving.isdisjoint(traces[i])])
        return outcomes
