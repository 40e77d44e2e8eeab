"""The ledger: the rows that each destination is known to hold, and the record of each run.

It survives crashes: before a batch is sent, its operations and idempotency keys are written to the
ledger with state `unknown`. When the destination has answered, they become `acknowledged` or return
to their former state. Both steps are transactions that also update the run's record. If the process
ends in between, the rows stay `unknown`; the next run first sends exactly these operations again,
or their removal if they are no longer wanted. What is accepted, and what is rejected, is recorded
in the same transaction.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from tideline.activation.destinations import Outcome
from tideline.activation.reasons import kind_of
from tideline.activation.views import VIEWS
from tideline.activation.waiting import REMEMBERED
from tideline.declarations.syncs import Sync
from tideline.warehouse.clock import wall_clock
from tideline.warehouse.connection import Warehouse

Status = Literal["running", "succeeded", "held", "rejected", "failed", "skipped", "interrupted"]

# The destination may or may not hold a row that it rejected after an attempt with an unknown
# outcome. The same applies to a row that was sent again as a removal, because a destination ignores
# a key that it has seen before. Such rows get this value as hash, which no payload has, so that the
# next plan updates or removes them. A row that shall be sent again has it in front of its hash.
IN_DOUBT = "in doubt"
AGAIN = f"{IN_DOUBT} "

TABLES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "activation_ledger": (
        "One row per sync and key that the destination holds or may hold.",
        {
            "sync_name": ("varchar", "Name of the exposure."),
            "row_key": ("varchar", "The key columns as JSON, sorted by name."),
            "group_name": ("varchar", "Value of the column `group_by`, if the sync has one."),
            "state": (
                "varchar",
                "acknowledged: the destination holds `payload`. unknown: `sent_op` was sent or "
                "is being sent and its outcome is not known; it is sent again with the same "
                "idempotency key. doubtful: refused, or sent again as a removal, after an "
                "attempt with an unknown outcome, or marked by `tideline activate resync` or "
                "`verify`; updated or removed next.",
            ),
            "payload": (
                "varchar",
                "The row last acknowledged, JSON sorted by column, hashed columns as hashes; "
                "null if the destination has acknowledged nothing under this key.",
            ),
            "payload_hash": (
                "varchar",
                "SHA-256 of `payload` and the templates of `fields`, with `in doubt ` in front of "
                "it while a marked row waits to be sent again; null if there is none.",
            ),
            "sent_op": ("varchar", "add, update or remove, while its outcome is unknown."),
            "sent_payload": ("varchar", "The row sent, while its outcome is unknown."),
            "sent_hash": (
                "varchar",
                "SHA-256 of the row sent, while its outcome is unknown; null for a removal that "
                "was sent in its place.",
            ),
            "idempotency_key": ("varchar", "Idempotency key of the last operation sent."),
            "attempts": ("integer", "How often the last operation has been sent, at most."),
            "run_id": ("varchar", "The run that last sent this row."),
            "sent_at": (
                "timestamp",
                "When the last add or update was first sent (wall clock, UTC). A removal does "
                "not change it, so that a row sent before a request to be forgotten stays "
                "recognizable.",
            ),
            "acknowledged_at": (
                "timestamp",
                "When the row was last acknowledged (wall clock, UTC).",
            ),
            "acknowledged_as_of": (
                "timestamp",
                "The data clock of the row last acknowledged, UTC.",
            ),
        },
    ),
    "activation_runs": (
        "One row per run of a sync; planned = accepted + rejected + held + unknown, always.",
        {
            "run_id": ("varchar", "Random id of the run."),
            "sync_name": ("varchar", "Name of the exposure."),
            "destination": ("varchar", "Kind of destination and where the rows go."),
            "status": (
                "varchar",
                "running, succeeded, held (waits for a decision), rejected (the destination "
                "rejected everything), failed, skipped (not configured) or interrupted (the "
                "process died).",
            ),
            "message": (
                "varchar",
                "Why the run did not fully succeed and what to do, and how many rows were "
                "withheld for lack of consent, or wait.",
            ),
            "adds": ("bigint", "Rows planned to be added."),
            "updates": ("bigint", "Rows planned to be updated."),
            "removes": ("bigint", "Rows planned to be removed."),
            "resends": (
                "bigint",
                "Operations of earlier runs with an unknown outcome, sent again.",
            ),
            "planned": ("bigint", "adds + updates + removes + resends."),
            "accepted": ("bigint", "Operations that the destination has acknowledged."),
            "rejected": ("bigint", "Operations refused, each with a row in activation_rejections."),
            "held": (
                "bigint",
                "Operations not sent, or certainly not applied; the next run plans them again.",
            ),
            "unknown": (
                "bigint",
                "Operations with an unknown outcome; the next run sends them again.",
            ),
            "waiting": (
                "bigint",
                "Rows not planned because they were rejected before and their wait is not over.",
            ),
            "limited": (
                "bigint",
                "Rows not planned because of `most_changes_per_day`; sent later, with the values "
                "of then.",
            ),
            "as_of": (
                "timestamp",
                "The data clock of the desired rows, UTC; null if there are none.",
            ),
            "acknowledged_as_of": (
                "timestamp",
                "`as_of` (UTC), once the destination has acknowledged at least a part of these "
                "rows. Desired rows older than those of the last such run are refused.",
            ),
            "desired_rows": (
                "bigint",
                "Rows that the destination should hold; null if a guard refused the plan.",
            ),
            "consent_statements": (
                "bigint",
                "Consent statements about the purpose of the sync; null if a guard refused the "
                "plan or the sync asks for no consent.",
            ),
            "started_at": ("timestamp", "Wall clock, UTC."),
            "finished_at": ("timestamp", "Wall clock, UTC; null while running."),
        },
    ),
    "activation_results": (
        "One row per run of a sync and operation; planned = accepted + rejected + held + unknown.",
        {
            "run_id": ("varchar", "The run."),
            "sync_name": ("varchar", "Name of the exposure."),
            "operation": ("varchar", "add, update, remove or resend, as in `activation_runs`."),
            "planned": ("bigint", "Operations planned."),
            "accepted": ("bigint", "Operations that the destination has acknowledged."),
            "rejected": ("bigint", "Operations refused."),
            "held": ("bigint", "Operations not sent, or certainly not applied."),
            "unknown": ("bigint", "Operations with an unknown outcome."),
        },
    ),
    "activation_deliveries": (
        "One row per operation that a destination has accepted, for `history_kept_days`.",
        {
            "run_id": ("varchar", "The run."),
            "sync_name": ("varchar", "Name of the exposure."),
            "row_key": ("varchar", "The key columns as JSON, sorted by name."),
            "profile_id": (
                "varchar",
                "The person, as a hash if the sync hashes this column; null if neither the key "
                "nor the row says it.",
            ),
            "segment_name": (
                "varchar",
                "The segment; null if neither the key nor the row says it.",
            ),
            "op": (
                "varchar",
                "add, update, remove, or taken back: a removal in place of an operation that may "
                "have been applied.",
            ),
            "began_at": (
                "timestamp",
                "`segment_memberships.valid_from` (UTC) when the operation was planned; null if "
                "the row is of no membership, or the segment has no intervals.",
            ),
            "accepted_at": ("timestamp", "When the answer was recorded (wall clock, UTC)."),
        },
    ),
    "activation_alerts": (
        "One row per sync of which an alert was posted.",
        {
            "sync_name": ("varchar", "Name of the exposure."),
            "state": (
                "varchar",
                "What the last alert said, as words with commas; empty: all well.",
            ),
            "changed_at": ("timestamp", "When it was posted (wall clock, UTC)."),
        },
    ),
    "activation_warehouse": (
        "One row: the id by which destinations recognize this warehouse.",
        {
            "warehouse_id": ("varchar", "Random id, made by the first sync."),
            "created_at": ("timestamp", "When the id was made (wall clock, UTC)."),
        },
    ),
    "activation_rejections": (
        "One row per operation that was refused, by run.",
        {
            "run_id": ("varchar", "The run."),
            "sync_name": ("varchar", "Name of the exposure."),
            "row_key": ("varchar", "The key columns as JSON, sorted by name."),
            "op": ("varchar", "add, update or remove."),
            "idempotency_key": ("varchar", "Idempotency key of the operation."),
            "reason": ("varchar", "Reason given by the destination or the plan."),
            "reason_kind": (
                "varchar",
                "The reason without the words that may be personal data, which are `…`.",
            ),
            "payload_hash": (
                "varchar",
                "SHA-256 of the row sent and the templates of `fields`; null if it was not sent.",
            ),
            "rejected_at": ("timestamp", "Wall clock, UTC."),
        },
    ),
}

# Their columns with personal data, like `config.meta.personal` of a model; see tideline/privacy.
PERSONAL: dict[str, dict[str, str]] = {
    "activation_ledger": {
        "row_key": "content",
        "payload": "content",
        "sent_payload": "content",
    },
    "activation_rejections": {"row_key": "content", "reason": "content"},
    "activation_deliveries": {"row_key": "content", "profile_id": "pseudonym"},
}


# The state of a planned operation's row in the ledger: not there, there, sent again unchanged, sent
# again as a removal.
NEW, KNOWN, SENT_AGAIN, TAKEN_BACK = 0, 1, 2, 3
# SQL: the operation of a plan's row, as a run counts it.
OPERATION = f"case when known >= {SENT_AGAIN} then 'resend' else op end"
OPERATIONS = ("add", "update", "remove", "resend")
FATES = ("accepted", "rejected", "held", "unknown")


def _kept(planned: str, column: str) -> str:
    """SQL of a ledger column's new value: unchanged if the operation is sent again."""
    return f"case when sending.known >= {SENT_AGAIN} then ledger.{column} else {planned} end"


def _storable(reason: str) -> str:
    """A reason, maybe written by a destination, as text that every warehouse can store."""
    reason = reason[:1000].encode(errors="replace").decode()
    return re.sub(r"[\x00-\x1f\x7f]+", " ", reason)


@dataclass
class Run:
    """The record of one run. Each operation is counted once; until it is sent, it is `held`."""

    run_id: str
    sync_name: str
    destination: str
    started_at: datetime
    status: Status = "running"
    message: str = ""
    as_of: datetime | None = None
    acknowledged_as_of: datetime | None = None
    desired_rows: int | None = None
    consent_statements: int | None = None
    finished_at: datetime | None = None
    waiting: int = 0
    limited: int = 0
    ops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 0))
    fates: dict[str, dict[str, int]] = field(
        default_factory=lambda: {op: dict.fromkeys(FATES, 0) for op in OPERATIONS}
    )

    @property
    def planned(self) -> int:
        """The number of planned operations, including resends."""
        return sum(self.ops.values())

    @property
    def accepted(self) -> int:
        """The number of operations that the destination has acknowledged."""
        return self._with("accepted")

    @property
    def rejected(self) -> int:
        """The number of operations that were refused."""
        return self._with("rejected")

    @property
    def held(self) -> int:
        """The number of operations not sent, or certainly not applied."""
        return self._with("held")

    @property
    def unknown(self) -> int:
        """The number of operations with an unknown outcome."""
        return self._with("unknown")

    def _with(self, fate: str) -> int:
        return sum(fates[fate] for fates in self.fates.values())

    def plan(self, op: str, rows: int) -> None:
        """Count `rows` operations as planned and held."""
        self.ops[op] += rows
        self.fates[op]["held"] += rows

    def move(self, op: str, rows: int, before: str, after: str) -> None:
        """Count `rows` operations as `after` instead of `before`."""
        self.fates[op][before] -= rows
        self.fates[op][after] += rows

    def check(self) -> None:
        """Raise RuntimeError unless every planned operation is counted exactly once."""
        for op, planned in self.ops.items():
            parts = tuple(self.fates[op].values())
            if planned != sum(parts) or min(parts) < 0:
                raise RuntimeError(
                    f"run {self.run_id} of sync `{self.sync_name}` does not add up for `{op}`: "
                    f"planned {planned}, {', '.join(FATES)} {parts}; this is a bug"
                )


class Ledger:
    """The rows of one sync in the ledger's tables.

    A plan is the temporary table `activation_plan` (see `plan.py`). Its operations are addressed by
    position, so that rows do not leave the warehouse and return.
    """

    def __init__(self, warehouse: Warehouse, sync: Sync) -> None:
        """Create the tables that are missing."""
        self.warehouse = warehouse
        self.sync = sync
        self.rows = warehouse.table("activation_ledger")
        self.runs = warehouse.table("activation_runs")
        self.rejections = warehouse.table("activation_rejections")
        self.results = warehouse.table("activation_results")
        self.deliveries = warehouse.table("activation_deliveries")
        there = set(warehouse.tables(warehouse.schema))
        for name, (description, columns) in TABLES.items():
            if name not in there:
                warehouse.create_table(name, description, columns)
        for name in ("activation_runs", "activation_rejections"):
            self._add_missing_columns(name)
        for name, view in VIEWS.items():
            if name not in there:
                warehouse.create_view(
                    name, view.description, view.columns, view.sql(warehouse.table)
                )
        # Created here because on Snowflake a `create` ends the transaction in which it is used.
        warehouse.execute(
            "create or replace temporary table activation_outcomes "
            "(position bigint, fate varchar, reason varchar, reason_kind varchar, in_doubt boolean)"
        )

    def _add_missing_columns(self, table: str) -> None:
        """Add the columns that a table of an earlier release lacks."""
        known = self.warehouse.columns(self.warehouse.table(table))
        for name, (kind, description) in TABLES[table][1].items():
            if name not in known:
                self.warehouse.add_column(table, name, kind, description)
                if name == "acknowledged_as_of":
                    self.warehouse.execute(
                        f"update {self.runs} set acknowledged_as_of = as_of "
                        "where status = 'succeeded'"
                    )

    def warehouse_id(self) -> str:
        """The id of this warehouse; created on the first call."""
        table = self.warehouse.table("activation_warehouse")
        if not self.warehouse.query(f"select warehouse_id from {table}"):
            self.warehouse.execute(
                f"insert into {table} (warehouse_id, created_at) select ?, cast(? as timestamp)",
                [uuid.uuid4().hex, wall_clock().isoformat()],
            )
        return self.warehouse.query(f"select min(warehouse_id) from {table}")[0][0]

    def place(self) -> str | None:
        """The `destination` of the last run that has sent rows or succeeded; None without one.

        An earlier release recorded the kind of the destination alone.
        """
        found = self.warehouse.query(
            f"select destination from {self.runs} where sync_name = ? "
            "and (accepted + rejected + unknown > 0 or status = 'succeeded') "
            "order by started_at desc limit 1",
            [self.sync.name],
        )
        return found[0][0] if found else None

    def start_anew(self) -> int:
        """Forget all rows; returns their number."""
        return self.warehouse.execute(
            f"delete from {self.rows} where sync_name = ?", [self.sync.name]
        )

    def mark_again(self, row_keys: str, parameters: Sequence[Any] = ()) -> None:
        """Mark acknowledged rows, whose keys a SQL query gives, so that the next plan sends them.

        The mark survives a kill: only the row's next acknowledgement takes it off.
        """
        self.warehouse.execute(
            f"update {self.rows} set state = 'doubtful', payload_hash = '{AGAIN}' || payload_hash "
            "where sync_name = ? and state = 'acknowledged' "
            f"and row_key in ({row_keys})",
            [self.sync.name, *parameters],
        )

    def acknowledged_as_of(self) -> datetime | None:
        """The data clock (UTC) of the last acknowledged desired rows; None if there are none."""
        return self._last("acknowledged_as_of")

    def _last(self, column: str) -> Any:
        """The value of a column in the latest run that has one."""
        found = self.warehouse.query(
            f"select {column} from {self.runs} where sync_name = ? and {column} is not null "
            "order by started_at desc limit 1",
            [self.sync.name],
        )
        return found[0][0] if found else None

    def let_through(self) -> tuple[int | None, int | None]:
        """Desired rows and consent statements of the last plan that passed the guards."""
        return self._last("desired_rows"), self._last("consent_statements")

    def counts(self) -> tuple[int, int]:
        """Two counts: rows that the destination holds or may hold, and rows with uncertain state.

        Rows that are due to be removed are only in the second one.
        """
        return self.warehouse.query(
            "select count(case when due.row_key is null then 1 end), "
            "count(case when ledger.state <> 'acknowledged' then 1 end) "
            f"from {self.rows} as ledger "
            "left join activation_due as due on ledger.row_key = due.row_key "
            "where ledger.sync_name = ?",
            [self.sync.name],
        )[0]

    def groups(self) -> dict[str, int]:
        """The number of rows by group."""
        counted = self.warehouse.query(
            f"select group_name, count(*) from {self.rows} where sync_name = ? group by 1",
            [self.sync.name],
        )
        return {group or "": rows for group, rows in counted}

    def forget(self, groups: Sequence[str]) -> None:
        """Delete the rows of groups that the destination has lost."""
        for group in groups:
            self.warehouse.execute(
                f"delete from {self.rows} where sync_name = ? and coalesce(group_name, '') = ?",
                [self.sync.name, group],
            )

    def begin(self, run: Run) -> None:
        """Record the start of a run, and mark earlier runs that never ended as interrupted."""
        with self.warehouse.transaction():
            self.warehouse.execute(
                f"update {self.runs} set status = 'interrupted', "
                "finished_at = cast(? as timestamp), message = ? "
                "where sync_name = ? and status = 'running'",
                [
                    run.started_at.isoformat(),
                    "the process ended during the run; the next run has taken over",
                    self.sync.name,
                ],
            )
            self.warehouse.execute(
                f"insert into {self.runs} (run_id, sync_name, destination, started_at) "
                "select ?, ?, ?, cast(? as timestamp)",
                [run.run_id, run.sync_name, run.destination, run.started_at.isoformat()],
            )
            self.warehouse.execute(
                f"insert into {self.results} (run_id, sync_name, operation) values "
                + ", ".join(["(?, ?, ?)"] * len(OPERATIONS)),
                [value for op in OPERATIONS for value in (run.run_id, run.sync_name, op)],
            )
            self.save(run)

    def save(self, run: Run) -> None:
        """Write the record of a run and of its operations.

        Raises RuntimeError if its counts do not add up.
        """
        run.check()
        self.warehouse.execute(
            f"update {self.runs} set status = ?, message = ?, adds = ?, updates = ?, removes = ?, "
            "resends = ?, planned = ?, accepted = ?, rejected = ?, held = ?, unknown = ?, "
            "waiting = ?, limited = ?, desired_rows = ?, consent_statements = ?, "
            "as_of = cast(? as timestamp), acknowledged_as_of = cast(? as timestamp), "
            "finished_at = cast(? as timestamp), destination = ? where run_id = ?",
            [
                run.status,
                run.message,
                *(run.ops[op] for op in OPERATIONS),
                run.planned,
                run.accepted,
                run.rejected,
                run.held,
                run.unknown,
                run.waiting,
                run.limited,
                run.desired_rows,
                run.consent_statements,
                run.as_of and run.as_of.isoformat(),
                run.acknowledged_as_of and run.acknowledged_as_of.isoformat(),
                run.finished_at and run.finished_at.isoformat(),
                run.destination,
                run.run_id,
            ],
        )
        counts = {"planned": run.ops} | {
            fate: {op: run.fates[op][fate] for op in OPERATIONS} for fate in FATES
        }
        cases = " ".join(f"when '{op}' then cast(? as bigint)" for op in OPERATIONS)
        self.warehouse.execute(
            f"update {self.results} set "
            + ", ".join(f"{name} = case operation {cases} end" for name in counts)
            + " where run_id = ?",
            [*(each[op] for each in counts.values() for op in OPERATIONS), run.run_id],
        )

    def intend(self, run: Run, first: int, last: int) -> None:
        """Record that the operations at these positions are about to be sent.

        An operation that is sent again as a removal keeps its original entry, so that a crash does
        not hide that the original may have been applied. Only its `sent_hash` is emptied: the
        destination may now know its key as that of a removal, so the row never goes under it again.
        """
        sending = f"select * from activation_plan where position between {first} and {last}"
        with self.warehouse.transaction():
            self.warehouse.execute(
                f"insert into {self.rows} (sync_name, row_key, group_name, state, attempts) "
                f"select ?, row_key, group_name, 'unknown', 0 from ({sending}) as sending "
                f"where known = {NEW}",
                [self.sync.name],
            )
            self.warehouse.execute(
                f"update {self.rows} as ledger set state = 'unknown', "
                f"sent_op = {_kept('sending.op', 'sent_op')}, "
                f"sent_payload = {_kept('sending.payload', 'sent_payload')}, "
                f"sent_hash = case when sending.known <> {TAKEN_BACK} "
                f"then {_kept('sending.payload_hash', 'sent_hash')} end, "
                f"attempts = {_kept('0', 'attempts')}, "
                "idempotency_key = sending.idempotency_key, run_id = ?, "
                f"sent_at = case when sending.op = 'remove' or sending.known >= {SENT_AGAIN} "
                "then ledger.sent_at else cast(? as timestamp) end "
                f"from ({sending}) as sending "
                "where ledger.sync_name = ? and ledger.row_key = sending.row_key",
                [run.run_id, wall_clock().isoformat(), self.sync.name],
            )
            for op, rows in self._by_operation(sending):
                run.move(op, rows, "held", "unknown")
            self.save(run)

    def _by_operation(self, planned: str) -> list[tuple[str, int]]:
        """The number of planned rows by operation as a run counts it."""
        return self.warehouse.query(
            f"select {OPERATION}, count(*) from ({planned}) as planned group by 1"
        )

    def settle(
        self,
        run: Run,
        first: int,
        outcomes: Sequence[Outcome],
        in_doubt: Sequence[bool],
        attempts: int,
    ) -> None:
        """Record the outcomes of the operations from position `first` on.

        `in_doubt` says for each whether an earlier attempt may have been applied.
        """
        last = first + len(outcomes) - 1
        others = {
            first + index: (outcome, doubt)
            for index, (outcome, doubt) in enumerate(zip(outcomes, in_doubt, strict=True))
            if outcome.fate != "accepted"
        }
        now = wall_clock().isoformat()
        with self.warehouse.transaction():
            self.warehouse.execute("delete from activation_outcomes")
            if others:
                self.warehouse.insert(
                    "activation_outcomes",
                    {
                        "position": list(others),
                        "fate": [outcome.fate for outcome, _ in others.values()],
                        "reason": [_storable(outcome.reason) for outcome, _ in others.values()],
                        "reason_kind": [kind_of(outcome.reason) for outcome, _ in others.values()],
                        "in_doubt": [doubt for _, doubt in others.values()],
                    },
                )
            batch = (
                "select plan.row_key, plan.op, plan.known, plan.idempotency_key, "
                "plan.payload_hash, plan.profile_id, plan.segment_name, plan.began_at, "
                "outcomes.reason, outcomes.reason_kind, case "
                f"when outcomes.fate is null and plan.known = {TAKEN_BACK} then 'taken back' "
                "when outcomes.fate is null then 'accepted' "
                "else outcomes.fate end as fate, outcomes.in_doubt "
                "from activation_plan as plan left join activation_outcomes as outcomes "
                "on plan.position = outcomes.position "
                f"where plan.position between {first} and {last}"
            )

            def these(condition: str) -> str:
                """SQL condition: the ledger row of an operation in the batch meets `condition`."""
                return (
                    f"sync_name = ? and row_key in (select row_key from ({batch}) as batch "
                    f"where {condition})"
                )

            name = self.sync.name
            accepted = "fate = 'accepted'"
            removed = "fate = 'accepted' and op = 'remove'"
            doubtful = "fate = 'taken back' or (fate = 'rejected' and in_doubt)"
            self.warehouse.execute(
                f"insert into {self.rejections} (run_id, sync_name, row_key, op, idempotency_key, "
                "reason, reason_kind, payload_hash, rejected_at) "
                "select ?, ?, row_key, op, idempotency_key, reason, reason_kind, payload_hash, "
                f"cast(? as timestamp) from ({batch}) as batch where fate = 'rejected'",
                [run.run_id, name, now],
            )
            self.warehouse.execute(
                f"insert into {self.deliveries} (run_id, sync_name, row_key, profile_id, "
                "segment_name, op, began_at, accepted_at) "
                "select ?, ?, row_key, profile_id, segment_name, "
                "case fate when 'taken back' then fate else op end, began_at, "
                f"cast(? as timestamp) from ({batch}) as batch "
                "where fate in ('accepted', 'taken back')",
                [run.run_id, name, now],
            )
            self.warehouse.execute(
                f"update {self.rows} set attempts = attempts + ? where {these('true')}",
                [attempts, name],
            )
            self.warehouse.execute(
                f"delete from {self.rows} where {these(removed)}",
                [name],
            )
            self.warehouse.execute(
                f"update {self.rows} set state = 'acknowledged', payload = sent_payload, "
                "payload_hash = sent_hash, sent_op = null, sent_payload = null, sent_hash = null, "
                "acknowledged_at = cast(? as timestamp), acknowledged_as_of = cast(? as timestamp) "
                f"where {these(accepted)}",
                [now, run.as_of and run.as_of.isoformat(), name],
            )
            self.warehouse.execute(
                f"update {self.rows} set payload = null, payload_hash = '{IN_DOUBT}' "
                f"where {these(doubtful)}",
                [name],
            )
            untouched = these("fate in ('rejected', 'held', 'taken back')")
            self.warehouse.execute(
                f"delete from {self.rows} where payload_hash is null and {untouched}", [name]
            )
            self.warehouse.execute(
                f"update {self.rows} set sent_op = null, sent_payload = null, sent_hash = null, "
                f"state = case when payload_hash like '{IN_DOUBT}%' then 'doubtful' "
                f"else 'acknowledged' end where {untouched}",
                [name],
            )
            for op, fate, rows in self.warehouse.query(
                f"select {OPERATION}, case fate when 'taken back' then 'accepted' else fate end, "
                f"count(*) from ({batch}) as batch group by 1, 2"
            ):
                run.move(op, rows, "unknown", fate)
            self.save(run)

    def reject_unsendable(self, run: Run) -> None:
        """Record the planned operations that cannot be sent as rejected, with the reason."""
        with self.warehouse.transaction():
            self.warehouse.execute(
                f"insert into {self.rejections} (run_id, sync_name, row_key, op, idempotency_key, "
                "reason, reason_kind, rejected_at) select ?, ?, row_key, op, idempotency_key, "
                "problem, problem, cast(? as timestamp) from activation_plan "
                "where problem is not null",
                [run.run_id, self.sync.name, wall_clock().isoformat()],
            )
            for op, rows in self._by_operation(
                "select * from activation_plan where problem is not null"
            ):
                run.move(op, rows, "held", "rejected")
            self.save(run)

    def trim(self) -> None:
        """Delete the sync's deliveries and rejections that are older than `history_kept_days`.

        Rejections stay as long as they make a row wait.
        """
        kept = timedelta(days=self.sync.settings.history_kept_days)
        for table, column, age in (
            (self.deliveries, "accepted_at", kept),
            (self.rejections, "rejected_at", max(kept, REMEMBERED)),
        ):
            self.warehouse.execute(
                f"delete from {table} where sync_name = ? and {column} < cast(? as timestamp)",
                [self.sync.name, (wall_clock() - age).isoformat()],
            )
