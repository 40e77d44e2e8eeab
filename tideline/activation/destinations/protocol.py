"""The interface between the engine and a destination."""

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
    run, has the same `idempotency_key`.
    """

    op: Op
    idempotency_key: str
    key: dict[str, Any]
    row: dict[str, Any]  # without the key's columns; empty for `remove`


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one operation.

    - `accepted`: the destination has applied it.
    - `rejected`: not applied, and sending it again will not help; `reason` says why.
    - `refused`: not applied, because a row of the request is bad; the engine sends the rows again
      in smaller requests until the bad rows are alone and rejected.
    - `busy`: not applied, may be sent again, after `retry_after` seconds if given.
    - `held`: not applied; nothing can be applied until a person acts as `reason` says.
    - `unknown`: may or may not have been applied; sent again with the same idempotency key.

    With `is_paced`, a `busy` destination only asks for a slower pace; that costs no attempt.

    With `needs_person` nothing more is sent until a person has acted; `held` implies it.

    `reason` is stored in the warehouse; for `busy`, `held` and `unknown` it is also logged, so it
    must contain neither secrets nor personal data.
    """

    fate: Fate
    reason: str = ""
    retry_after: float | None = None
    needs_person: bool = False
    is_paced: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be sent, for people: not yet masked, without headers and credentials.

    `what`: the method and path of a request, the name of a file, or a statement. `body`: its
    content as JSON values. `is_question`: it only asks, and what follows depends on the answer.
    """

    what: str
    body: Any = None
    is_question: bool = False


# What is held under a key, compared with the row that was acknowledged: `not comparable` if the
# destination keeps too little of it to tell.
Match = Literal["equal", "missing", "different", "not comparable"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The sender: the warehouse's id, its place (a file or the name of a schema), and the number
    of rows in its ledger by group.
    """

    warehouse_id: str
    place: Path | str
    groups: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a destination can do, as data; the page of destinations is written from it.

    - `holds`: what a row is at the destination.
    - `delivery`: `set`: the same operation may arrive twice and changes nothing the second time;
      `keyed`: it changes nothing the second time because the destination recognizes the
      idempotency key; `append`: each arrival adds something.
    - `removal`: what a removal does there.
    - `rows_per_request`, `bytes_per_request`, `requests_per_second`: limits that are kept; None if
      there is none.
    - `tried_against`: what the tests run it against.
    - `source`: the page on which the vendor states the limits.
    - `page`: our page about it in docs/reference/destinations, without `.md`.
    """

    title: str
    holds: str
    delivery: Literal["set", "keyed", "append"]
    removal: str
    tried_against: str
    rows_per_request: int | None = None
    bytes_per_request: int | None = None
    requests_per_second: float | None = None
    source: str | None = None
    page: str | None = None


class Destination(Protocol):
    """A system that receives rows; one instance serves one run of one sync.

    It may have these methods too:

    - `has_moved(before)`: whether the place that `where` was before has itself moved here.
    - `traces(operation)`: what finds the person of a row; see `leaving.py`.
    - `read_back(batch) -> list[Match | Outcome]`: for each row of `batch`, which was acknowledged,
      whether the destination holds the same, or the outcome of a question that failed, as of
      `send`. It changes nothing. `tideline activate verify` calls it.
    """

    Options: ClassVar[type]  # dataclass: the keys of `meta.sync` beyond the common ones
    default_batch_rows: ClassVar[int]
    capabilities: ClassVar[Capabilities]

    # Where the rows go: it tells one account from another as far as the declaration and the address
    # do. It is logged and recorded, so without secrets; with a new value, a sync is held.
    where: str

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Destination:
        """Prepare to send, without changing anything yet.

        Raises NotConfigured if an environment variable is not set, another ActivationError if one
        is wrong or if the destination belongs to another warehouse.
        """
        ...

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """Compare the rows at the destination with `expected`: row counts by value of `group_by`.

        Empties the groups that differ and returns them; the engine sends them again in full. A
        destination that cannot count its rows (most cannot) returns an empty list.
        """
        ...

    def drafts(self, batch: Sequence[Operation], most: int) -> list[Draft]:
        """The first `most` requests, files or statements that `send` would make of `batch`.

        Sends and changes nothing. A class that sends by `exchange.Client` alone returns what `kept`
        keeps of its `send`.
        """
        ...

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Try once to apply `batch`; return one outcome per operation, in order."""
        ...
