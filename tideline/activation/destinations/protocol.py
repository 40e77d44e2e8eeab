"""What the engine and a destination say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

Op = Literal["add", "update", "remove"]
Fate = Literal["accepted", "rejected", "refused", "busy", "held", "unknown"]


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
    - `refused`: not applied, because some row of the request is bad; the engine sends the rows
      again in smaller requests until the bad ones stand alone and are rejected.
    - `busy`: not applied, may be sent again; `retry_after` seconds if the destination says so.
    - `held`: not applied, and a person has to act (`reason` says how) before anything can be.
    - `unknown`: may or may not have been applied; sent again with the same idempotency key.

    With `needs_person` nothing more is sent until a person has acted; `held` implies it.

    `reason` is stored in the warehouse; for `busy`, `held` and `unknown` it is also logged, so it
    must name neither secrets nor people.
    """

    fate: Fate
    reason: str = ""
    retry_after: float | None = None
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Who delivers: the id of the warehouse, where it is (a file, or the name of a schema), and
    the rows that its ledger knows, by group.
    """

    warehouse_id: str
    place: Path | str
    groups: Mapping[str, int]


class Destination(Protocol):
    """A place that receives rows; one instance lives for one run of one sync."""

    Options: ClassVar[type]  # dataclass: what `meta.sync` may say beyond the common keys
    default_batch_rows: ClassVar[int]

    where: str  # where the rows go, in words fit for a log

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Destination:
        """Make ready to send, and change nothing yet.

        Raises NotConfigured if the environment lacks something, another ActivationError if it is
        wrong or if the place belongs to another warehouse.
        """
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
