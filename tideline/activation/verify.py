"""Compares the rows at a destination with the ledger, and marks those that differ for repair."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tideline.activation.delivery import Delivery, Pace, deliver
from tideline.activation.destinations import (
    DESTINATIONS,
    Destination,
    Match,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.ledger import Ledger
from tideline.activation.place import problem_of_place
from tideline.activation.plan import operation_of, template_text
from tideline.declarations.syncs import Sync
from tideline.text import counted
from tideline.warehouse.connection import Warehouse
from tideline.warehouse.errors import ActivationError, NotConfigured

EXIT_CODES = {"equal": 0, "different": 3, "held": 3, "failed": 1, "skipped": 0}


@dataclass
class Verification:
    """The result for one sync. `rows`: how many were compared, and how many by match."""

    MATCHES: ClassVar[tuple[Match, ...]] = ("equal", "missing", "different", "not comparable")

    sync_name: str
    status: Literal["equal", "different", "held", "failed", "skipped"] = "equal"
    message: str = ""
    rows: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("compared", *Verification.MATCHES), 0)
    )

    @property
    def exit_code(self) -> int:
        """The command's exit code: 3 if there is a difference."""
        return EXIT_CODES[self.status]


def verify_sync(
    sync: Sync,
    warehouse: Warehouse,
    environment: Mapping[str, str] = os.environ,
    pace: Pace | None = None,
) -> Verification:
    """Compare what the destination holds with what it has acknowledged, and mark differences.

    Rows of unknown outcome, and those that the next run sends in any case, are not comparable.
    """
    result = Verification(sync.name)
    with warehouse.lock():
        try:
            _verify(sync, warehouse, environment, pace, result)
        except NotConfigured as error:
            result.status, result.message = "skipped", str(error)
        except ActivationError as error:
            result.status, result.message = "failed", str(error)
    return result


def _verify(
    sync: Sync,
    warehouse: Warehouse,
    environment: Mapping[str, str],
    pace: Pace | None,
    result: Verification,
) -> None:
    ledger = Ledger(warehouse, sync)
    kind = DESTINATIONS[sync.settings.destination]
    if not hasattr(kind, "read_back"):
        result.status = "skipped"
        result.message = f"`{sync.settings.destination}` cannot read back what it holds"
        return
    origin = Origin(ledger.warehouse_id(), warehouse.place, ledger.groups())
    destination = kind.open(sync, environment, origin)
    if problem := problem_of_place(ledger, sync, destination):
        result.status, result.message = "held", problem
        return
    result.rows["not comparable"] = _list_comparable(sync, warehouse)
    pace = pace or Pace(sync.settings.rows_per_second)
    for keys, batch in _batches(sync, warehouse):
        done = _compare(ledger, destination, pace, (keys, batch), result)
        if done.reason:
            result.status = "held" if done.needs_person else "failed"
            result.message = f"{destination.where}: {done.reason}"
            break
    repairs = result.rows["missing"] + result.rows["different"]
    if repairs:
        said = f"{counted(repairs, 'row')} to be sent again by the next run"
        result.message = "; ".join(filter(None, [result.message, said]))
        if result.status == "equal":
            result.status = "different"


def _list_comparable(sync: Sync, warehouse: Warehouse) -> int:
    """List in `activation_compared` the acknowledged rows; returns the number of the others."""
    warehouse.execute(
        "create or replace temporary table activation_compared "
        "(position bigint, row_key varchar, payload varchar)"
    )
    warehouse.execute("create or replace temporary table activation_differing (row_key varchar)")
    ledger = warehouse.table("activation_ledger")
    warehouse.execute(
        "insert into activation_compared "
        "select row_number() over (order by group_name, row_key), row_key, payload "
        f"from {ledger} where sync_name = ? and state = 'acknowledged' "
        f"and payload_hash = {warehouse.sha256('payload || ?')}",
        [sync.name, template_text(sync)],
    )
    return warehouse.query(
        f"select count(*) - (select count(*) from activation_compared) from {ledger} "
        "where sync_name = ?",
        [sync.name],
    )[0][0]


def _batches(sync: Sync, warehouse: Warehouse) -> Iterator[tuple[list[str], list[Operation]]]:
    """Keys as in the ledger, and the operations that would bring the rows there."""
    first = 1
    while rows := warehouse.query(
        "select row_key, payload from activation_compared "
        f"where position between {first} and {first + sync.batch_rows - 1} order by position"
    ):
        yield (
            [row_key for row_key, _ in rows],
            [operation_of("update", "", row_key, payload) for row_key, payload in rows],
        )
        first += len(rows)


def _compare(
    ledger: Ledger,
    destination: Destination,
    pace: Pace,
    rows: tuple[list[str], list[Operation]],
    result: Verification,
) -> Delivery:
    """Compare one batch and mark what differs. Returns how the questions went."""
    keys, batch = rows
    sync, warehouse = ledger.sync, ledger.warehouse
    matches: dict[int, Match] = {}
    position_of = {id(each): position for position, each in enumerate(batch)}

    def read(some: Sequence[Operation]) -> list[Outcome]:
        warehouse.renew_lock()
        outcomes = []
        for each, told in zip(some, destination.read_back(some), strict=True):  # type: ignore[attr-defined]
            if not isinstance(told, Outcome):
                matches[position_of[id(each)]] = told
            outcomes.append(told if isinstance(told, Outcome) else Outcome("accepted"))
        return outcomes

    done = deliver(batch, read, pace, sync.settings.max_attempts)
    for match in matches.values():
        result.rows[match] += 1
        result.rows["compared"] += match != "not comparable"
    result.rows["not comparable"] += len(batch) - len(matches)
    differing = [keys[i] for i, match in matches.items() if match in ("missing", "different")]
    if differing:
        warehouse.execute("delete from activation_differing")
        warehouse.insert("activation_differing", {"row_key": differing})
        ledger.mark_again("select row_key from activation_differing")
    return done
