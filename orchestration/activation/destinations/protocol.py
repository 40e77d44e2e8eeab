"""What the engine and a destination say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from orchestration.activation.syncs import Sync

Op = Literal["add", "update", "remove"]
Fate = Literal["accepted", "rejected", "busy", "held", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one row.

    `add` and `update` both mean "hold this row under this key", `remove` means "hold nothing under
    this key"; applying one twice changes nothing. A change that is sent again, even by another
    run, carries the same `idempotency_key`.
    """

    op: Op
    idempotency_key: str
    key: dict[str, Any]
    row: dict[str, Any]  # without the key's columns; empty for `remove`


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one operation.

    - `accepted`: the destination has applied it.
    - `rejected`: not applied, and never will be as it is; `reason` says why.
    - `busy`: not applied, may be sent again; `retry_after` seconds if the destination says so.
    - `held`: not applied, and a person has to act (`reason` says how) before anything can be.
    - `unknown`: may or may not have been applied; sent again with the same idempotency key.

    `reason` is stored in the warehouse; for `busy`, `held` and `unknown` it is also logged, so it
    must name neither secrets nor people.
    """

    fate: Fate
    reason: str = ""
    retry_after: float | None = None


class Destination(Protocol):
    """A place that receives rows; one instance lives for one run of one sync."""

    Options: ClassVar[type]  # dataclass: what `meta.sync` may say beyond the common keys
    default_batch_rows: ClassVar[int]

    where: str  # where the rows go, in words fit for a log

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str]) -> Destination:
        """Make ready to send. Raises NotConfigured if the environment lacks something."""
        ...

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """Compare what is held with what it should hold: rows by value of `group_by`.

        Returns the groups that differ. They are emptied here and sent again whole. A destination
        that cannot look (most cannot) returns an empty list.
        """
        ...

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Try once to apply `batch`; one outcome per operation, in order. The engine retries."""
        ...
