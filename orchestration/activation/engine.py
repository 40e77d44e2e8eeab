"""The engine: plan, guard, send, record. One call of `run_sync` is one run of one sync."""

from __future__ import annotations

import logging
import os
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestration.activation.destinations import (
    DESTINATIONS,
    Destination,
    Operation,
    Outcome,
)
from orchestration.activation.errors import ActivationError, NotConfigured
from orchestration.activation.guards import reason_to_hold
from orchestration.activation.ledger import Ledger, Run, wall_clock
from orchestration.activation.plan import (
    Counts,
    plan_changes,
    plan_resends,
    read_batches,
    read_desired,
)
from orchestration.activation.syncs import Sync
from orchestration.activation.warehouse import Warehouse

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_WAIT = 60.0  # seconds
LONGEST_RETRY_AFTER = 300.0  # seconds; a destination that asks for more is left to the next run
GIVE_UP_AFTER = 3  # batches in a row of which nothing came through: the destination is down


@dataclass(frozen=True)
class SyncResult:
    """What a run did: `run` is its record as in `activation_runs`, `counts` what it found to do."""

    run: Run
    counts: Counts
    dry_run: bool = False

    @property
    def failed(self) -> bool:
        """Whether somebody has to look: rows of unknown fate, or a destination that is down."""
        return self.run.status == "failed"


@dataclass
class Pace:
    """Waiting: between batches (rows per second) and before attempts (backoff with jitter)."""

    rows_per_second: float | None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    _free_at: float = field(default=0.0, init=False)

    def wait_for(self, rows: int) -> None:
        """Wait until `rows` more may be sent."""
        if self.rows_per_second is None:
            return
        if (early := self._free_at - self.now()) > 0:
            self.sleep(early)
        self._free_at = max(self._free_at, self.now()) + rows / self.rows_per_second

    def back_off(self, attempt: int, retry_after: float | None) -> None:
        """Wait after the failed attempt number `attempt`; never shorter than `retry_after`."""
        backoff = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * (0.5 + self.jitter() / 2)
        self.sleep(max(backoff, retry_after or 0.0))


@dataclass(frozen=True)
class Delivery:
    """What became of a batch: one outcome per operation, none of them `busy`."""

    outcomes: list[Outcome]
    in_doubt: list[bool]  # whether some attempt may have been applied unseen
    attempts: int
    needs_person: bool  # whether the destination wants nothing more until somebody acts


def deliver(
    batch: Sequence[Operation],
    send: Callable[[Sequence[Operation]], list[Outcome]],
    pace: Pace,
    max_attempts: int,
    resent: bool = False,
) -> Delivery:
    """Send a batch, and again what has not come through, until it has or attempts run out.

    What was `busy` to the end is surely not applied and held, unless an earlier attempt (or, if
    `resent`, an earlier run) may have got through: then its fate is unknown.
    """
    outcomes: list[Outcome] = [Outcome("held")] * len(batch)
    in_doubt = [resent] * len(batch)
    open_ones = list(range(len(batch)))
    for attempt in range(1, max_attempts + 1):
        pace.wait_for(len(open_ones))
        answers = send([batch[index] for index in open_ones])
        for index, answer in zip(open_ones, answers, strict=True):
            outcomes[index] = answer
            in_doubt[index] |= answer.fate == "unknown"
        open_ones = [i for i in open_ones if outcomes[i].fate in ("busy", "unknown")]
        needs_person = any(answer.fate == "held" for answer in answers)
        if needs_person or not open_ones:
            break
        retry_after = max((outcomes[i].retry_after or 0.0 for i in open_ones), default=0.0)
        if attempt == max_attempts or retry_after > LONGEST_RETRY_AFTER:
            break
        log.info(
            "%d rows not through at attempt %d: %s",
            len(open_ones),
            attempt,
            outcomes[open_ones[0]].reason,
        )
        pace.back_off(attempt, retry_after)
    for index, outcome in enumerate(outcomes):
        if outcome.fate in ("busy", "held", "unknown"):
            fate = "unknown" if in_doubt[index] else "held"
            outcomes[index] = Outcome(fate, outcome.reason)
    return Delivery(outcomes, in_doubt, attempt, needs_person)


def run_sync(
    sync: Sync,
    warehouse: Warehouse,
    *,
    allow_large_change: bool = False,
    dry_run: bool = False,
    forgotten: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    pace: Pace | None = None,
) -> SyncResult:
    """Bring the destination of one sync to its desired state and record the run.

    With `dry_run` nothing is sent or recorded, and the result says what would be. With `forgotten`,
    row keys as in the ledger, only these are removed, and no guard is asked. Raises
    ActivationError where no record can be kept (warehouse in use, no ledger); everything after
    that ends in the record: `held` and `failed` runs say in `message` what to do.
    """
    with warehouse.lock():
        runner = _Runner(sync, warehouse, environment, pace, forgotten)
        return runner.run(allow_large_change, dry_run)


class _Runner:
    """One run, while it lasts."""

    def __init__(
        self,
        sync: Sync,
        warehouse: Warehouse,
        environment: Mapping[str, str],
        pace: Pace | None,
        forgotten: Sequence[str],
    ) -> None:
        self.sync = sync
        self.warehouse = warehouse
        self.environment = environment
        self.pace = pace or Pace(sync.limits.rows_per_second)
        self.ledger = Ledger(warehouse, sync)
        self.run_record = Run(uuid.uuid4().hex, sync.name, sync.limits.destination, wall_clock())
        self.counts = Counts()
        self.problem = ""  # why not everything came through
        self.stopped = False
        self.forgotten = forgotten

    def run(self, allow_large_change: bool, dry_run: bool) -> SyncResult:
        run = self.run_record
        if not dry_run:
            self.ledger.begin(run)
        try:
            self._run(allow_large_change, dry_run)
        except NotConfigured as error:
            run.status, run.message = "skipped", str(error)
        except ActivationError as error:
            run.status, run.message = "failed", str(error)
        except Exception as error:
            # The text may quote rows: the record names the kind only, the caller gets it whole.
            run.status = "failed"
            run.message = f"stopped by an unexpected {type(error).__name__}; run again"
            self._finish(dry_run)
            raise
        self._finish(dry_run)
        return SyncResult(run, self.counts, dry_run)

    def _finish(self, dry_run: bool) -> None:
        run = self.run_record
        run.finished_at = wall_clock()
        run.check()
        if not dry_run:
            self.ledger.save(run)
        level = logging.WARNING if run.status in ("held", "failed") else logging.INFO
        log.log(level, "sync %s %s: %s", self.sync.name, run.status, run.message or "in step")

    def _run(self, allow_large_change: bool, dry_run: bool) -> None:
        run, sync, warehouse = self.run_record, self.sync, self.warehouse
        destination = DESTINATIONS[sync.limits.destination].open(sync, self.environment)
        run.destination = f"{sync.limits.destination}: {destination.where}"
        desired = read_desired(warehouse, sync)
        run.as_of = desired.as_of

        resends = plan_resends(warehouse, sync)
        run.plan("resend", resends)
        if resends and not dry_run:
            self.ledger.save(run)
            self._send(destination, resent=True)

        held_rows, unknown_rows = self.ledger.counts()
        may_look = not dry_run and not unknown_rows and not self.forgotten
        if may_look and (lost := destination.repair(self.ledger.groups())):
            log.warning("sync %s: sent again whole, because lost: %s", sync.name, lost)
            self.ledger.forget(lost)
            held_rows, _ = self.ledger.counts()

        if self.forgotten:
            warehouse.execute(
                "create or replace temporary table activation_forgotten (row_key varchar)"
            )
            warehouse.insert("activation_forgotten", {"row_key": list(self.forgotten)})
        self.counts = counts = plan_changes(
            warehouse, sync, desired, run.run_id, only_forgotten=bool(self.forgotten)
        )
        for op, rows in (
            ("add", counts.adds),
            ("update", counts.updates),
            ("remove", counts.removes),
        ):
            run.plan(op, rows)
        objection = reason_to_hold(sync, counts, held_rows, desired.rows)
        if allow_large_change or self.forgotten:
            objection = None
        withheld = ""
        if desired.withheld:
            withheld = (
                f"{desired.withheld} rows withheld, whose profiles have not agreed to "
                f"`{sync.limits.consent}`"
            )
        if dry_run:
            run.status, run.message = ("held", objection) if objection else ("succeeded", withheld)
            return
        self.ledger.save(run)
        if counts.unsendable:
            self.ledger.reject_unsendable(run)
        if objection:
            run.status, self.problem = "held", self.problem or objection
        elif not self.stopped:
            self._send(destination)
        if run.status == "running":
            run.status = "failed" if run.held or run.unknown else "succeeded"
        if run.status == "succeeded" and run.rejected:
            self.problem = f"{run.rejected} rows refused; `activation_rejections` says why"
        run.message = "; ".join(filter(None, [self.problem, withheld]))

    def _send(self, destination: Destination, resent: bool = False) -> None:
        """Send the plan, batch by batch, until it is through or the destination is down."""
        run, sync = self.run_record, self.sync
        in_vain = 0  # batches in a row of which nothing came through

        def send(operations: Sequence[Operation]) -> list[Outcome]:
            self.warehouse.renew_lock()
            return destination.send(operations, run.run_id)

        for first, batch in read_batches(self.warehouse, sync):
            self.ledger.intend(run, first, first + len(batch) - 1)
            done = deliver(batch, send, self.pace, sync.limits.max_attempts, resent)
            self.ledger.settle(run, first, done.outcomes, done.in_doubt, done.attempts)
            stuck = [each for each in done.outcomes if each.fate in ("held", "unknown")]
            in_vain = in_vain + 1 if len(stuck) == len(batch) else 0
            if stuck:
                self.problem = f"{destination.where}: {stuck[0].reason}"
            if done.needs_person:
                run.status = "held"
            if done.needs_person or in_vain == GIVE_UP_AFTER:
                self.stopped = True
                return
