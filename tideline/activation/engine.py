"""The engine: plan, guard, deliver, record. One call of `run_sync` is one run of one sync.

What a run sends is its scope: the changes, only rows that were rejected or whose outcome is unknown
(`replay`), or every wanted row (`resync`).
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tideline.activation.alerts import alert
from tideline.activation.delivery import Pace, deliver
from tideline.activation.destinations import (
    DESTINATIONS,
    Destination,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.guards import Outlook, reason_to_hold
from tideline.activation.leaving import Leaving
from tideline.activation.ledger import KNOWN, Ledger, Run, Status
from tideline.activation.place import place_of, problem_of_place
from tideline.activation.plan import (
    Counts,
    Desired,
    Scope,
    choose_rejected,
    find_due,
    plan_changes,
    plan_resends,
    read_batches,
    read_desired,
)
from tideline.activation.preview import Preview
from tideline.activation.waiting import said_of_waiting
from tideline.declarations.syncs import Sync
from tideline.progress import Progress
from tideline.text import counted
from tideline.warehouse.clock import TICK, present_clock, wall_clock
from tideline.warehouse.connection import Warehouse
from tideline.warehouse.errors import ActivationError, NotConfigured

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 3  # batches in a row without a delivered row: the destination is down
# argparse uses 2, for wrong arguments.
EXIT_CODES: dict[Status, int] = {
    "succeeded": 0,
    "skipped": 0,
    "failed": 1,
    "held": 3,
    "rejected": 4,
}


@dataclass(frozen=True)
class SyncResult:
    """The result of a run: `run` is its row of `activation_runs`, `counts` its planned changes.

    `preview`: what would be sent, of a dry run.
    """

    run: Run
    counts: Counts
    preview: Preview | None = None

    @property
    def failed(self) -> bool:
        """Whether the sync must run again: unknown outcomes, or a destination that is down."""
        return self.run.status == "failed"

    @property
    def exit_code(self) -> int:
        """The command's exit code: 0 if the destination is up to date or not configured."""
        return EXIT_CODES[self.run.status]


def run_sync(
    sync: Sync,
    warehouse: Warehouse,
    *,
    allow_large_change: bool = False,
    allow_older: bool = False,
    dry_run: bool = False,
    requests: int = 3,
    scope: Scope = "changes",
    new_account: bool = False,
    forgotten: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
    pace: Pace | None = None,
) -> SyncResult:
    """Bring the destination of one sync to its desired state and record the run.

    - `allow_large_change` overrules the guards.
    - `allow_older` delivers a desired state that is older than the last acknowledged one. A state
      of the future is never delivered.
    - `dry_run` sends and records nothing; the result says what would be done, and its preview has
      the first `requests`.
    - `scope`: what is sent. With `everything`, the guards count only what has changed. Only
      `changes` lets rows wait that were rejected before.
    - `new_account` first forgets the ledger, whose rows another account has; with `everything`.
    - `forgotten`, row keys as in the ledger: only these are removed, regardless of guards and data
      clock.

    Raises ActivationError if the run cannot be recorded (warehouse in use, no ledger). Later
    errors are recorded; the record's `message` says what to do.
    """
    with warehouse.lock():
        runner = _Runner(
            sync,
            warehouse,
            environment,
            pace,
            forgotten,
            allow_large_change or bool(forgotten),
            allow_older or bool(forgotten),
            scope,
            new_account,
            Preview(requests) if dry_run else None,
        )
        return runner.run()


def _withheld(sync: Sync, desired: Desired, counts: Counts) -> str:
    """How many rows are not sent, and why; and segments that do not exist. Empty if all is sent."""
    parts = []
    if desired.withheld:
        parts.append(
            f"{counted(desired.withheld, 'row')} withheld, without consent to "
            f"`{sync.settings.consent}`"
        )
    if desired.incomplete:
        lacking = " or ".join(f"`{column}`" for column in sync.settings.require)
        parts.append(f"{counted(desired.incomplete, 'row')} withheld, without {lacking}")
    parts += said_of_waiting(sync, counts.waiting, counts.next_at, counts.limited)
    return "; ".join([*parts, *desired.unknown])


class _Runner:
    """The state of one run."""

    def __init__(
        self,
        sync: Sync,
        warehouse: Warehouse,
        environment: Mapping[str, str],
        pace: Pace | None,
        forgotten: Sequence[str],
        allow_large_change: bool,
        allow_older: bool,
        scope: Scope,
        new_account: bool,
        preview: Preview | None,
    ) -> None:
        self.sync = sync
        self.warehouse = warehouse
        self.environment = environment
        self.pace = pace or Pace(sync.settings.rows_per_second)
        self.ledger = Ledger(warehouse, sync)
        self.run_record = Run(uuid.uuid4().hex, sync.name, sync.settings.destination, wall_clock())
        self.counts = Counts()
        self.problem = ""  # why not everything was delivered
        self.stopped = False
        self.forgotten = forgotten
        self.allow_large_change = allow_large_change
        self.allow_older = allow_older
        self.scope = scope
        self.new_account = new_account
        self.preview = preview
        self.notes: list[str] = []  # what the message says besides problems

    def run(self) -> SyncResult:
        run = self.run_record
        if not self.preview:
            self.ledger.begin(run)
        try:
            self._run()
            if not self.preview:
                self.ledger.trim()
        except NotConfigured as error:
            run.status, run.message = "skipped", str(error)
        except ActivationError as error:
            run.status, run.message = "failed", str(error)
        except Exception as error:
            # The text may quote rows: the record names only the type, the caller gets the error.
            run.status = "failed"
            run.message = f"stopped by an unexpected {type(error).__name__}; run again"
            self._finish()
            raise
        self._finish()
        return SyncResult(run, self.counts, self.preview)

    def _finish(self) -> None:
        run = self.run_record
        run.finished_at = wall_clock()
        run.check()
        if not self.preview:
            self.ledger.save(run)
        level = logging.WARNING if EXIT_CODES[run.status] else logging.INFO
        log.log(level, "sync %s %s: %s", self.sync.name, run.status, run.message or "up to date")
        if not self.preview and not self.forgotten:
            alert(self.sync, self.warehouse, self.environment, run)

    def _run(self) -> None:
        run, sync, warehouse = self.run_record, self.sync, self.warehouse
        groups = {} if self.new_account else self.ledger.groups()
        origin = Origin(self.ledger.warehouse_id(), warehouse.place, groups)
        destination = DESTINATIONS[sync.settings.destination].open(sync, self.environment, origin)
        run.destination = place_of(sync, destination)
        self.leaving = Leaving(destination)
        desired = read_desired(warehouse, sync)
        run.as_of = desired.as_of
        problem = None if self.new_account else problem_of_place(self.ledger, sync, destination)
        if not problem and not self.forgotten:
            problem = self._of_the_future(desired)
        if not problem and not self.allow_older:
            problem = self._older(desired)
        if problem:
            run.status, run.message = "held", problem
            return
        if self.new_account:
            self._start_anew()
        if self.scope == "rejected":
            found = choose_rejected(warehouse, sync, desired)
            parts = [f"{rows:,} {fate}" for fate, rows in found.items()]
            said = f"{counted(sum(found.values()), 'row')} to send again"
            self.notes.append(f"{said}: {' and '.join(parts)}" if parts else said)
        due = find_due(warehouse, sync, desired, self.forgotten)
        if due or self.forgotten:
            self._remove_due(destination, desired)

        resends, taken_back = plan_resends(warehouse, sync, desired)
        run.plan("resend", resends)
        # If a build has emptied the table, resends must not become removals either.
        held_rows, _ = self.ledger.counts()
        found_back = Counts(removes=taken_back)
        if resends and (objection := self._objection(desired, found_back, held_rows)):
            run.status, run.message = "held", self._message([self._with_due(objection, due)])
            if self.preview:
                self._send(destination, resent=True)
            return
        if resends and not self.stopped:
            self._save()
            self._send(destination, resent=True)

        held_rows, unsure_rows = self.ledger.counts()
        is_whole = not self.forgotten and self.scope != "rejected"
        may_look = not self.preview and not unsure_rows and is_whole
        if may_look and (lost := destination.repair(self.ledger.groups())):
            log.warning("sync %s: lost at the destination, sent again: %s", sync.name, lost)
            self.ledger.forget(lost)
            held_rows, _ = self.ledger.counts()

        counts = Counts()
        if not self.forgotten:
            counts = plan_changes(warehouse, sync, desired, run.run_id, scope=self.scope)
        self._count(counts)
        if self.scope == "everything":
            self.notes.append(f"{counted(counts.repeats, 'unchanged row')} sent again")
        run.waiting, run.limited = counts.waiting, counts.limited
        objection = self._objection(desired, counts, held_rows)
        withheld = _withheld(sync, desired, counts)
        if objection:
            objection = self._with_due(objection, due)
        if self.preview:
            run.status = "held" if objection else "succeeded"
            run.message = objection or withheld
            self._send(destination)  # who decides about a held plan wants to see it
            return
        if not objection and is_whole:
            run.desired_rows = desired.rows - desired.withheld
            run.consent_statements = desired.statements
        self.ledger.save(run)
        if counts.unsendable:
            self.ledger.reject_unsendable(run)
        if objection:
            run.status, self.problem = "held", self.problem or objection
        elif not self.stopped and not self.forgotten:
            if self.scope == "everything":
                repeats = f"select row_key from activation_plan where is_repeat and known = {KNOWN}"
                self.ledger.mark_again(repeats)
            self._send(destination)
        if run.status == "running":
            run.status = self._verdict()
        if run.status == "succeeded" and is_whole:
            run.acknowledged_as_of = run.as_of
        if run.rejected and not self.problem:
            self.problem = (
                f"{counted(run.rejected, 'row')} rejected; `activation_rejections` says why"
            )
        run.message = self._message([self.problem, withheld])

    def _message(self, parts: Sequence[str]) -> str:
        """What the record says: problems, then notes."""
        return "; ".join(filter(None, [*parts, *self.notes]))

    def _save(self) -> None:
        """Write the record, unless this is a dry run."""
        if not self.preview:
            self.ledger.save(self.run_record)

    def _start_anew(self) -> None:
        """Forget the rows of the account that the sync went to before."""
        before = self.ledger.place() or "the former account"
        rows = self.ledger.start_anew()
        self.notes.append(
            f"{counted(rows, 'row')} of the old ledger forgotten; nothing is removed at {before}; "
            "if rows are left to send, go on with `tideline activate run`, because a second "
            "--new-account would forget those that were sent"
        )
        self.run_record.message = self._message([])  # a kill leaves it
        self.ledger.save(self.run_record)

    def _remove_due(self, destination: Destination, desired: Desired) -> None:
        """First remove those who have refused or are forgotten; no guard holds this."""
        run, sync, warehouse = self.run_record, self.sync, self.warehouse
        resends, _ = plan_resends(warehouse, sync, desired, only_due=True)
        run.plan("resend", resends)
        if resends:
            self._save()
            self._send(destination, resent=True)
        counts = plan_changes(warehouse, sync, desired, run.run_id, only_due=True, scope=self.scope)
        self._count(counts)
        if counts.removes:
            self._save()
            if not self.stopped:
                self._send(destination)

    def _count(self, counts: Counts) -> None:
        """Add a plan to the counts of the run."""
        for op, rows in (
            ("add", counts.adds),
            ("update", counts.updates),
            ("remove", counts.removes),
        ):
            self.run_record.plan(op, rows)
        self.counts = replace(counts, removes=self.counts.removes + counts.removes)

    def _with_due(self, objection: str, due: Mapping[str, int]) -> str:
        """An objection, followed by the removals that it does not hold."""
        parts = [
            f"the removal of {counted(rows, 'row')} {why} is not held" for why, rows in due.items()
        ]
        return "; ".join([objection, *parts])

    def _verdict(self) -> Status:
        run = self.run_record
        if run.held or run.unknown:
            return "failed"
        return "rejected" if run.rejected and not run.accepted else "succeeded"

    def _of_the_future(self, desired: Desired) -> str | None:
        """The reason not to send the desired rows if their data clock is in the future.

        Once they are delivered, the present state would count as older. A log may have timestamps
        ahead of this machine's clock; then the data clock just after the newest event is accepted.
        """
        if desired.as_of is None or desired.as_of <= wall_clock():
            return None
        present = present_clock(self.warehouse)
        if present and desired.as_of <= present:
            return None
        than = f"than the newest event ({present - TICK} UTC)" if present else "than any event"
        return (
            f"the table `{self.sync.table}` is as of {desired.as_of} UTC, which is later {than} "
            "and than this machine's clock; build the present state (`dbt build` without the var "
            "`as_of`), then run this again"
        )

    def _older(self, desired: Desired) -> str | None:
        """The reason not to send the desired rows if they are older than the acknowledged ones."""
        newest = self.ledger.acknowledged_as_of()
        if newest is None or not desired.rows or not desired.has_clock:
            return None
        if desired.as_of is not None and desired.as_of >= newest:
            return None
        age = f"is as of {desired.as_of} UTC" if desired.as_of else "has no value in `as_of`"
        return (
            f"the table `{self.sync.table}` {age}, and this sync has delivered the state of "
            f"{newest} UTC; build the present state (`dbt build` without the var `as_of`), or, to "
            "deliver the older state, run again with --allow-older"
        )

    def _objection(self, desired: Desired, counts: Counts, held_rows: int) -> str | None:
        if self.allow_large_change:
            return None
        desired_before, statements_before = self.ledger.let_through()
        outlook = Outlook(
            counts=counts,
            held_rows=held_rows,
            desired_rows=desired.rows - desired.withheld,
            withheld=desired.withheld,
            incomplete=desired.incomplete,
            statements=desired.statements,
            desired_before=desired_before,
            statements_before=statements_before,
        )
        return reason_to_hold(self.sync, outlook)

    def _send(self, destination: Destination, resent: bool = False) -> None:
        """Send the plan batch by batch, until it is delivered or the destination is down.

        A dry run only notes what would be sent.
        """
        run, sync = self.run_record, self.sync
        if self.preview:
            self.preview.add(self.warehouse, sync, destination, self.environment, resent)
            return
        in_vain = 0  # batches in a row without a delivered row

        def send_now(operations: Sequence[Operation]) -> list[Outcome]:
            self.warehouse.renew_lock()
            return destination.send(operations, run.run_id)

        def send(operations: Sequence[Operation]) -> list[Outcome]:
            return self.leaving.send(operations, send_now)

        for first, batch in self._batches(resent):
            self.ledger.intend(run, first, first + len(batch) - 1)
            done = deliver(batch, send, self.pace, sync.settings.max_attempts, resent)
            is_new = not resent and not self.forgotten
            if is_new and any(each.fate == "accepted" for each in done.outcomes):
                run.acknowledged_as_of = run.as_of
            self.ledger.settle(run, first, done.outcomes, done.in_doubt, done.attempts)
            stuck = [each for each in done.outcomes if each.fate in ("held", "unknown")]
            in_vain = in_vain + 1 if len(stuck) == len(batch) else 0
            if stuck:
                self.problem = f"{destination.where}: {done.reason}"
            if done.resume_after:
                at = wall_clock() + timedelta(seconds=done.resume_after)
                self.problem += f", and asks to wait; run again after {at:%Y-%m-%d %H:%M:%S} UTC"
            if done.needs_person:
                run.status = "held"
            if done.needs_person or done.resume_after or in_vain == GIVE_UP_AFTER:
                self.stopped = True
                return

    def _batches(self, resent: bool) -> Iterator[tuple[int, list[Operation]]]:
        """The batches of the plan; a progress bar counts the sent rows."""
        ops = self.run_record.ops.items()
        planned = sum(rows for op, rows in ops if (op == "resend") == resent)
        with Progress(f"sending {self.sync.name}", planned, "rows") as shown:
            for first, batch in read_batches(self.warehouse, self.sync):
                yield first, batch
                shown.advance(len(batch))
