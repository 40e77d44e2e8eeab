"""Forgets people in five steps: ask, rebuild, tell, purge, rewrite.

Each finished step is recorded in `forget_requests` and can be repeated safely, so that an
interrupted request continues where it stopped:

1. `ask`: one transaction. It empties the person's landed rows in the archive, quarantines them in
   `int_events_deduplicated` and deletes the person's rows in every other table. Hashes of the
   identifiers keep out rows that land again. The identifiers are kept for the next steps.
2. `rebuild`: dbt builds everything derived from the events, without tests and without new files.
3. `tell`: each sync removes the person's rows from its destination, as the ledger lists them.
4. `purge`: one transaction. It removes the person's rows from the ledger and the deliveries, the
   content of the quarantined rows, and the identifiers of the request.
5. `rewrite`: the warehouse file and the published file are rewritten without the blocks of deleted
   rows; logs, results of runs and temporary files are deleted.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from tideline.activation.destinations import DESTINATIONS
from tideline.activation.engine import run_sync
from tideline.declarations.syncs import read_syncs
from tideline.privacy.elsewhere import tables_that_name
from tideline.privacy.marks import PersonalTable, read_marks, read_sources
from tideline.privacy.person import (
    PrivacyError,
    find_identifiers,
    find_rows,
    read_identifier,
    recall_identifiers,
    theirs,
)
from tideline.privacy.traces import remove_traces
from tideline.progress import Progress
from tideline.warehouse.clock import wall_clock
from tideline.warehouse.connection import DuckDBWarehouse, Warehouse, open_warehouse
from tideline.warehouse.errors import WarehouseError
from tideline.warehouse.paths import target_of
from tideline.warehouse.publication import publish, published_path, remove_database

ROOT = Path(__file__).parents[2]
LANDED = ("raw_messages", "int_events_deduplicated")  # their rows stay, without content
OWN = ("forget_requests", "forgotten_identifiers", "forget_receipts")
LEDGER, REJECTIONS = "activation_ledger", "activation_rejections"
DELIVERIES = "activation_deliveries"
READ = (
    "identity_map",
    "identity_blocked",
    "identity_matches",
    "identifier_rules",
    "event_identifiers",
)
STEPS = 4  # of the progress bar: ask, rebuild, tell and purge, rewrite
PLACES = "(landed_file, landed_line) in (select landed_file, landed_line from forget_rows)"

Marks = Mapping[str, PersonalTable]


@dataclass(frozen=True)
class Request:
    """An open row of `forget_requests`; `status` is the last finished step."""

    request_id: str
    requested_at: datetime
    needs_full_refresh: bool
    status: str


class Project:
    """The dbt project and the warehouse of a deployment."""

    def __init__(self, environment: Mapping[str, str], variables: str = "{}") -> None:
        """`variables`: the `--vars` of every build of this deployment, as YAML."""
        self.environment = environment
        self.manifest = ROOT / target_of(environment) / "manifest.json"
        self._variables = variables

    def dbt(self, *words: str) -> None:
        """Run a dbt command. Raises PrivacyError with its last 20 lines if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", "--quiet", *words, "--vars", self._variables],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
            raise PrivacyError(f"`dbt {words[0]}` failed; fix it and run this again:\n{told}")

    def open(self) -> Warehouse:
        """Open the warehouse. Raises WarehouseError if it is missing or in use."""
        return open_warehouse(self.environment)


def forget(asked: Sequence[str], project: Project) -> list[tuple[str, str, str, int]]:
    """Forget people, each named as `<type>:<value>`, and finish open requests.

    Returns rows of `forget_receipts`: (request_id, kind, name, row_count). Raises PrivacyError or
    another ActivationError if a request is refused or cannot be finished yet.
    """
    with Progress("forgetting: finding their rows", STEPS, "steps") as shown:
        return _forget(asked, project, shown)


def _forget(
    asked: Sequence[str], project: Project, shown: Progress
) -> list[tuple[str, str, str, int]]:
    project.open().close()  # raises if the warehouse is missing; dbt would create it
    project.dbt("run-operation", "drop_leftovers")  # also writes the manifest
    marks = read_marks(project.manifest)
    with project.open() as warehouse:
        for name in (*OWN, *LANDED, *READ):
            warehouse.columns(warehouse.table(name))  # raises if the table is missing
        check_sources(warehouse, read_sources(project.manifest))
        if len(asked) > 1:  # if one person is unknown, none is forgotten
            for text in asked:
                locate(text, warehouse, marks)
        told = [ask(text, warehouse, marks) for text in asked]
        requests = open_requests(warehouse)
    shown.advance()
    finish(requests, project, marks, shown)
    told += [request.request_id for request in requests]
    with project.open() as warehouse:
        return warehouse.query(
            f"select request_id, kind, name, row_count from {warehouse.table('forget_receipts')} "
            f"where request_id in ({', '.join('?' * len(told)) or 'null'}) order by 1, 2, 3",
            told,
        )


def check_sources(warehouse: Warehouse, named: Collection[str]) -> None:
    """Raise PrivacyError if the warehouse has rows of a source that the vars do not name.

    The rebuild would lose these rows.
    """
    rows = warehouse.query(
        f"select distinct source from {warehouse.table('int_events_deduplicated')}"
    )
    if unnamed := sorted({source for (source,) in rows if source is not None} - set(named)):
        raise PrivacyError(
            f"int_events_deduplicated holds rows of {', '.join(unnamed)}, which the vars do not "
            "name: pass the vars of your builds (make forget VARS='{sources: ...}'), or, if the "
            "source is switched off for good, first build with --full-refresh; nothing was changed"
        )


def open_requests(warehouse: Warehouse) -> list[Request]:
    """The unfinished requests, oldest first."""
    rows = warehouse.query(
        "select request_id, requested_at, needs_full_refresh, status "
        f"from {warehouse.table('forget_requests')} where status <> 'finished' "
        "order by requested_at"
    )
    return [Request(*row) for row in rows]


def locate(text: str, warehouse: Warehouse, marks: Marks) -> str | None:
    """Find the person's identifiers and rows (see `person.py`).

    Returns None, or the id of an earlier request if that has already removed all rows. Raises
    PrivacyError if nobody has the identifier.
    """
    asked = read_identifier(warehouse, text)
    find_identifiers(warehouse, asked)
    if find_rows(warehouse, [marks[name] for name in LANDED]):
        return None
    earlier = warehouse.query(
        f"select request_id from {warehouse.table('forgotten_identifiers')} "
        "where identifier_hash = ? order by requested_at desc",
        [_hash(asked.text)],
    )
    if not earlier:
        raise PrivacyError("no profile has this identifier; nothing was changed")
    return earlier[0][0]


def ask(text: str, warehouse: Warehouse, marks: Marks) -> str:
    """Record a request and remove the person's rows, now and when they land again.

    Returns the id of the request. Raises PrivacyError like `locate`.
    """
    if earlier := locate(text, warehouse, marks):
        return earlier
    raw, events = (warehouse.table(name) for name in LANDED)
    requests, identifiers = (warehouse.table(name) for name in OWN[:2])
    # The data clock as `data_clock` computes it without vars; the last build may have used a var.
    as_of, updated = warehouse.query(
        "select coalesce(max(case when status <> 'quarantined' then received_at end) + "
        f"interval '1 microsecond', max(landed_at)), max(updated_at) from {events}"
    )[0]
    now = max(wall_clock(), updated + timedelta(microseconds=1))
    needs_full_refresh = _repeated(warehouse) or is_matched_with_another(warehouse)
    request = Request(uuid.uuid4().hex, now, needs_full_refresh, "asked")
    stored = _stored(warehouse, marks)  # before the transaction, which Snowflake's `describe` ends
    others = tables_that_name(warehouse, marks.values())
    with warehouse.transaction():
        warehouse.execute(
            f"insert into {requests} (request_id, identifier_hash, requested_at, as_of, "
            "needs_full_refresh, status) select ?, ?, cast(? as timestamp), cast(? as timestamp), "
            "cast(? as boolean), ?",
            [
                request.request_id,
                _hash(read_identifier(warehouse, text).text),
                now.isoformat(),
                as_of.isoformat(),
                request.needs_full_refresh,
                request.status,
            ],
        )
        warehouse.execute(
            f"insert into {identifiers} (request_id, identifier_hash, valid_from, valid_to, "
            f"requested_at, identifier_id) select ?, {warehouse.sha256('identifier_id')}, "
            "valid_from, valid_to, cast(? as timestamp), identifier_id from forget_ids",
            [request.request_id, now.isoformat()],
        )
        removed = [
            ("deleted", name, warehouse.execute(f"delete from {relation} where {condition}"))
            for name, (relation, condition) in stored.items()
        ]
        emptied = warehouse.execute(
            f"update {raw} set {_nothing(marks['raw_messages'])}, problem = 'forgotten' "
            f"where {PLACES}"
        )
        quarantined = warehouse.execute(
            f"update {events} set status = 'quarantined', reason = 'forgotten', event_name = null, "
            f"updated_at = cast(? as timestamp) where {PLACES}",
            [now.isoformat()],
        )
        removed += [("emptied", LANDED[0], emptied), ("emptied", LANDED[1], quarantined)]
        removed += [
            ("landed file", name, rows)
            for name, rows in warehouse.query(
                "select landed_file, count(*) from forget_rows group by landed_file"
            )
        ]
        removed += [("other table", name, rows) for name, rows in others.items()]
        held = Counter(name for name, _ in _ledger_rows(warehouse, request))
        removed += [("destination", name, rows) for name, rows in held.items()]
        for kind, name, rows in removed:
            if rows:
                _receipt(warehouse, request, kind, name, rows)
    return request.request_id


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _nothing(table: PersonalTable) -> str:
    """SQL assignments that empty a table's marked columns as a build of forgotten rows does."""
    return ", ".join(
        f"{column} = {'false' if column.startswith('is_') else 'null'}" for column in table.columns
    )


def _repeated(warehouse: Warehouse) -> bool:
    """Whether a remaining row is a duplicate of a removed event; it must be validated again."""
    events = warehouse.table("int_events_deduplicated")
    return bool(
        warehouse.query(
            f"select 1 from {events} where status = 'duplicate' and not ({PLACES}) "
            f"and event_id in (select event_id from {events} where status = 'valid' and {PLACES})"
        )
    )


def is_matched_with_another(warehouse: Warehouse) -> bool:
    """Whether one of the person's identifiers is matched with one of somebody else.

    The pair is deleted, and an incremental build would not process the other identifier again.
    """
    own = "(select identifier_id from forget_ids)"
    return bool(
        warehouse.query(
            f"select 1 from {warehouse.table('identity_matches')} "
            f"where (left_id in {own}) <> (right_id in {own})"
        )
    )


def _stored(warehouse: Warehouse, marks: Marks) -> dict[str, tuple[str, str]]:
    """The dbt tables with rows about people, by model: full name, SQL condition of the person's."""
    found = {}
    for name, table in marks.items():
        if name in (*LANDED, *OWN, LEDGER, REJECTIONS, DELIVERIES) or not table.is_stored:
            continue
        schema = table.schema or warehouse.schema
        if warehouse.exists(schema, table.name):
            relation = warehouse.relation(schema, table.name)
            found[name] = relation, theirs(table, warehouse.columns(relation))
    return found


def _receipt(warehouse: Warehouse, request: Request, kind: str, name: str, rows: int) -> None:
    """Add a row to the receipts of a request."""
    warehouse.execute(
        f"insert into {warehouse.table('forget_receipts')} (request_id, kind, name, row_count) "
        "select ?, ?, ?, ?",
        [request.request_id, kind, name, rows],
    )


def finish(requests: Sequence[Request], project: Project, marks: Marks, shown: Progress) -> None:
    """Run the remaining steps of all requests.

    Raises PrivacyError if a destination could not remove its rows; other requests are finished.
    """
    asked = [request for request in requests if request.status == "asked"]
    shown.say("forgetting: building the tables")
    if asked:
        rebuild(project, any(request.needs_full_refresh for request in asked))
        note(asked, "rebuilt", project)
    shown.advance()
    shown.say("forgetting: updating the destinations")
    untold: set[str] = set()
    for request in requests:
        if request.status in ("asked", "rebuilt"):
            if problems := tell(request, project):
                untold |= problems
                continue
            note([request], "told", project)
        if request.status != "purged":
            purge(request, project, marks)
            note([request], "purged", project)
    shown.advance()
    shown.say("forgetting: rewriting the warehouse")
    rewrite(project)
    shown.advance()
    if untold:
        raise PrivacyError(
            "removed from the tables, but not yet from these destinations; run this again when "
            "they can be reached (or delete the exposure of one that no longer exists):\n"
            + "\n".join(sorted(untold))
        )


def note(requests: Sequence[Request], status: str, project: Project) -> None:
    """Record the last finished step of requests."""
    with project.open() as warehouse:
        for request in requests:
            warehouse.execute(
                f"update {warehouse.table('forget_requests')} set status = ? where request_id = ?",
                [status, request.request_id],
            )


def rebuild(project: Project, is_full: bool) -> None:
    """Build everything derived from the events; with `is_full`, as a full refresh."""
    words = ["build", "--select", "int_events_validated", "int_events_deduplicated+"]
    for kind in ("test", "unit_test"):
        words += ["--exclude-resource-types", kind]
    project.dbt(*words, *(["--full-refresh"] if is_full else []))


def tell(request: Request, project: Project) -> set[str]:
    """Remove the person from each destination at which the ledger lists rows of theirs.

    Returns one message per failed sync; its rows stay in the ledger for the next run.
    """
    untold = set()
    with project.open() as warehouse:
        syncs = {sync.name: sync for sync in read_syncs(project.manifest, DESTINATIONS)}
        held: dict[str, list[str]] = {}
        for name, row_key in _ledger_rows(warehouse, request):
            held.setdefault(name, []).append(row_key)
        for name in sorted(held.keys() & syncs.keys()):
            run = run_sync(
                syncs[name], warehouse, forgotten=held[name], environment=project.environment
            ).run
            if run.status != "succeeded" or run.rejected:
                untold.add(f"  {name}: {run.message or run.status}")
    return untold


def _ledger_rows(warehouse: Warehouse, request: Request) -> list[tuple[str, str]]:
    """(sync, row key) of ledger rows that name the person and were sent before the request."""
    if not warehouse.exists(warehouse.schema, LEDGER):
        return []
    condition, needles = _speaks(warehouse, request, ("row_key", "payload", "sent_payload"))
    return warehouse.query(
        f"select sync_name, row_key from {warehouse.table(LEDGER)} "
        f"where sent_at <= cast(? as timestamp) and ({condition}) order by 1, 2",
        [request.requested_at.isoformat(), *needles],
    )


def _speaks(
    warehouse: Warehouse, request: Request, columns: Sequence[str]
) -> tuple[str, list[str]]:
    """The SQL condition that one of the columns names the person, and its bound parameters.

    A profile id, an email address and the hash of any identifier are searched anywhere. Another
    identifier must be the value of a JSON member named like its type, because a value such as `1`
    occurs in many places. Shared identifiers are not searched.
    """
    needles = []
    for (identifier_id,) in warehouse.query(
        f"select identifier_id from {warehouse.table('forgotten_identifiers')} where "
        "request_id = ? and valid_from is null and valid_to is null and identifier_id is not null",
        [request.request_id],
    ):
        id_type, _, value = identifier_id.partition(":")
        text = json.dumps(value, ensure_ascii=False)
        is_plain = id_type in ("profile_id", "email")
        needles += [text[1:-1] if is_plain else f'"{id_type}":{text}', _hash(value.strip().lower())]
    said = " || ' ' || ".join(f"lower(coalesce({column}, ''))" for column in columns)
    condition = " or ".join([f"contains({said}, ?)"] * len(needles)) or "false"
    return condition, [needle.lower() for needle in needles]


def purge(request: Request, project: Project, marks: Marks) -> None:
    """Remove the rest: rows of the ledger and the deliveries, content of rejections and quarantined
    rows, identifiers of the request.

    Also removes the notes of the rebuild about these identifiers: which ones it processed, and
    which ones have lost all their events.
    """
    with project.open() as warehouse:
        events, identifiers = (warehouse.table(name) for name in (LANDED[1], OWN[1]))
        has_rejections, has_deliveries = (
            warehouse.exists(warehouse.schema, name) for name in (REJECTIONS, DELIVERIES)
        )
        hashed = ""
        if has_rejections and "payload_hash" in warehouse.columns(warehouse.table(REJECTIONS)):
            hashed = "payload_hash = null, "  # an earlier release did not have it
        left = _ledger_rows(warehouse, request)
        stored = _stored(warehouse, marks)
        recall_identifiers(warehouse, request.request_id)
        with warehouse.transaction():
            for relation, condition in stored.values():
                warehouse.execute(f"delete from {relation} where {condition}")
            for name, condition in lost(warehouse, request).items():
                if name in stored:
                    warehouse.execute(f"delete from {stored[name][0]} where {condition}")
            for name, row_key in left:
                warehouse.execute(
                    f"delete from {warehouse.table(LEDGER)} where sync_name = ? and row_key = ?",
                    [name, row_key],
                )
                warehouse.execute(  # no sync of this name is declared any more
                    f"update {warehouse.table('forget_receipts')} set kind = 'undeclared sync' "
                    "where request_id = ? and kind = 'destination' and name = ?",
                    [request.request_id, name],
                )
            if has_rejections:
                condition, needles = _speaks(warehouse, request, ("row_key", "reason"))
                emptied = warehouse.execute(
                    f"update {warehouse.table(REJECTIONS)} set row_key = null, "
                    f"idempotency_key = null, {hashed}reason = 'forgotten' where {condition}",
                    needles,
                )
                if emptied:
                    _receipt(warehouse, request, "emptied", REJECTIONS, emptied)
            if has_deliveries:
                condition, needles = _speaks(warehouse, request, ("row_key", "profile_id"))
                deleted = warehouse.execute(
                    f"delete from {warehouse.table(DELIVERIES)} where {condition}", needles
                )
                if deleted:
                    _receipt(warehouse, request, "deleted", DELIVERIES, deleted)
            warehouse.execute(  # a rebuild makes one part of an emptied row
                f"delete from {events} where reason = 'forgotten' and landed_part > 1"
            )
            warehouse.execute(
                f"update {events} set {_nothing(marks[LANDED[1]])} where reason = 'forgotten'"
            )
            warehouse.execute(
                f"delete from {identifiers} where request_id = ? "
                "and left(identifier_id, 11) = 'profile_id:'",
                [request.request_id],
            )
            warehouse.execute(
                f"update {identifiers} set identifier_id = null where request_id = ?",
                [request.request_id],
            )


def lost(warehouse: Warehouse, request: Request) -> dict[str, str]:
    """By table: the SQL condition of rows that have lost all their evidence since the request.

    An identifier found only in refused rows or in bot traffic is not in `identity_map`, so only
    this condition removes it.
    """
    asked = f"timestamp '{request.requested_at.isoformat(sep=' ')}'"
    gone = f"identifier_id not in (select identifier_id from {warehouse.table('identifiers')})"
    return {
        "identifier_sets": f"event_count = 0 and lost_at >= {asked}",
        "int_busy_minutes": f"event_count = 0 and stream_id <> '' and updated_at >= {asked}",
        "int_touched_identifiers": gone,
        "int_reached_identifiers": gone,
    }


def publish_again(warehouse: Warehouse) -> None:
    """Replace the file for readers, which still holds the deleted rows; remove it if the last
    build cannot be published.
    """
    if not isinstance(warehouse, DuckDBWarehouse):
        return  # readers have views
    published = published_path(Path(warehouse.place))
    if published.exists():
        try:
            publish(warehouse, is_older_allowed=True)
        except (WarehouseError, duckdb.Error, OSError):
            remove_database(published)


def rewrite(project: Project) -> None:
    """Remove the bytes of deleted rows from the warehouse file and from the file for readers, and
    traces in other files.

    Then marks the purged requests as finished. Raises PrivacyError if a file cannot be removed.
    """
    with project.open() as warehouse:
        purged = [each for each in open_requests(warehouse) if each.status == "purged"]
        if not purged:
            return
        try:
            remove_traces(ROOT, project.environment)
        except OSError as error:
            raise PrivacyError(
                f"{error.filename} cannot be removed ({error.strerror}) and may name them; "
                "make it removable and run this again"
            ) from None
        warehouse.rewrite()
    with project.open() as warehouse:
        publish_again(warehouse)
    now = wall_clock().isoformat()
    with project.open() as warehouse, warehouse.transaction():
        for request in purged:
            warehouse.execute(
                f"update {warehouse.table('forget_requests')} set status = 'finished', "
                "finished_at = cast(? as timestamp) where request_id = ?",
                [now, request.request_id],
            )
