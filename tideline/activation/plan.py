"""The plan of a sync: the warehouse compares the desired rows with the ledger.

The plan is the temporary table `activation_plan`: one row per operation, numbered from 1 by
`position`. Only changed rows leave the warehouse, in batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tideline.activation.destinations import Operation
from tideline.activation.destinations.protocol import Op
from tideline.activation.ledger import AGAIN, KNOWN, NEW, SENT_AGAIN, TAKEN_BACK
from tideline.activation.waiting import LATEST, changes_of_people, refused_rows
from tideline.declarations.syncs import Sync
from tideline.text import nearest
from tideline.warehouse.clock import wall_clock
from tideline.warehouse.connection import Kind, Warehouse
from tideline.warehouse.errors import DeclarationError

NOT_IN_ADDRESS = (9, 10, 13, 32, 160, *map(ord, ",:;<>"))  # blanks, and what lists and names have
BOOKKEEPING = "as_of"  # data clock of the row; it changes with every build and is never sent

# What a run sends: what has changed since the last one; of that only rows that were rejected or
# whose outcome is unknown; or every wanted row. Only `changes` lets rejected rows wait.
Scope = Literal["changes", "rejected", "everything"]

# `known`: the row's state in the ledger (`NEW` and others in `ledger.py`). `is_repeat`: the
# destination has acknowledged the same row before. `waits`: why the row is not sent yet, `rejected`
# (until `next_at`) or `limit` (see `waiting.py`).
_PLAN = (
    "create or replace temporary table activation_plan (position bigint, op varchar, "
    "row_key varchar, group_name varchar, payload varchar, payload_hash varchar, "
    "idempotency_key varchar, known integer, problem varchar, is_repeat boolean, "
    "profile_id varchar, segment_name varchar, began_at timestamp, waits varchar, "
    "next_at timestamp)"
)


@dataclass(frozen=True)
class Desired:
    """The desired rows of a sync, as SQL over its table."""

    table: str  # SQL: the sync's table, without rows that lack a required value
    key: tuple[str, ...]
    columns: tuple[str, ...]
    row_key: str  # SQL: the key columns as JSON
    payload: str  # SQL: the other columns as JSON
    group: str  # SQL: the group's name
    problem: str  # SQL: why the row cannot be sent; null if it can
    profile_id: str  # SQL: the person, as text; null if the table does not say it
    segment_name: str  # SQL: the segment; null if the table does not say it
    memberships: str  # SQL: a select of `profile_id`, `segment_name` and `began_at`, when it began
    as_of: datetime | None
    rows: int
    incomplete: int  # rows that lack a required value, which are not among `rows`
    condition: str  # SQL: whether a row may be sent, with `parameters` bound
    parameters: tuple[str, ...]
    withheld: int  # rows that do not meet the condition
    statements: int | None  # consent statements about the purpose; None if no consent is required
    has_clock: bool  # whether the table has the column `as_of`
    unknown: tuple[str, ...]  # what to say of named segments that the last build did not have


@dataclass(frozen=True)
class Counts:
    """Operations of a plan by type, and the rows that are not planned because they wait.

    `unsendable` rows are among the adds and updates, `repeats`, which change nothing at the
    destination as the ledger knows it, among the updates. `next_at` (UTC) is when the first of the
    rows that were rejected is due again.
    """

    adds: int = 0
    updates: int = 0
    removes: int = 0
    unsendable: int = 0
    repeats: int = 0
    waiting: int = 0
    limited: int = 0
    next_at: datetime | None = None


def read_desired(warehouse: Warehouse, sync: Sync) -> Desired:
    """Inspect the sync's table and build the SQL that reads its rows.

    Raises WarehouseError if the table is missing, DeclarationError if the sync names a column that
    the table does not have.
    """
    table = warehouse.relation(sync.schema, sync.table)
    kinds = warehouse.columns(table)
    settings = sync.settings
    reads = "a template" if hasattr(sync.options, "reads") else "key `columns`"
    named = {
        "key `key`": settings.key,
        reads: settings.columns or (),
        "key `require`": settings.require,
        "key `hash`": settings.hash,
    }
    for place, columns in named.items():
        for column in columns:
            if column not in kinds:
                raise DeclarationError(
                    f"exposure `{sync.name}`, meta.sync: {place} names `{column}`, which the "
                    f"table `{sync.table}` does not have; {nearest(column, kinds)}"
                )
    columns = tuple(
        column
        for column in (
            (each for each in kinds if each != BOOKKEEPING)
            if settings.columns is None
            else settings.columns
        )
        if column not in settings.key
    )
    for column in settings.hash:
        if column not in settings.key + columns:
            raise DeclarationError(
                f"exposure `{sync.name}`, meta.sync: key `hash` names `{column}`, which is not "
                f"sent; {nearest(column, settings.key + columns)}"
            )

    def json_of(column: str) -> str:
        name = warehouse.identifier(column)
        if column in settings.hash:
            digest = warehouse.sha256(f"lower(trim(cast({name} as varchar)))")
            return f"'\"' || {digest} || '\"'"
        return warehouse.json_of(name, kinds[column])

    def json_object(names: tuple[str, ...], more: Mapping[str, str] | None = None) -> str:
        values = {name: json_of(name) for name in names} | dict(more or {})
        members = [
            f"""'{"," if index else ""}{json.dumps(name)}:' || coalesce({sql}, 'null')"""
            for index, (name, sql) in enumerate(sorted(values.items()))
        ]
        return " || ".join(["'{'", *members, "'}'"])

    def text_of(column: str) -> str:
        name = warehouse.identifier(column) if column in kinds else "null"
        return f"cast({name} as varchar)"

    if settings.most_changes_per_day is not None and "profile_id" not in kinds:
        raise DeclarationError(
            f"exposure `{sync.name}`, meta.sync: key `most_changes_per_day` needs the column "
            f"`profile_id`, which the table `{sync.table}` does not have"
        )
    problems = [
        f"when {warehouse.identifier(column)} is null then 'the key column {column} is null'"
        for column in settings.key
    ] + [
        f"when {_is_no_address(warehouse.identifier(column))} then 'the key column {column} has no "
        "email address (empty, without @, or already hashed), so its hash would be nobody''s'"
        for column in sync.hashed_addresses
    ]
    group = warehouse.identifier(sync.group_by) if sync.group_by else "null"
    clock = f"max({warehouse.identifier(BOOKKEEPING)})" if BOOKKEEPING in kinds else "null"
    as_of = warehouse.query(f"select {clock} from {table}")[0][0]
    chosen = _rows_of_segments(warehouse, sync, kinds)
    if chosen:
        table = f"(select * from {table} where {chosen}) as chosen"
    all_rows = warehouse.query(f"select count(*) from {table}")[0][0]
    if settings.require:
        present = " and ".join(f"{warehouse.identifier(c)} is not null" for c in settings.require)
        table = f"(select * from {table} where {present}) as complete"
    rows = warehouse.query(f"select count(*) from {table}")[0][0]
    condition, parameters, statements = consent_of(warehouse, sync, kinds)
    withheld = warehouse.query(
        f"select count(*) from {table} where not coalesce({condition}, false)", parameters
    )[0][0]
    return Desired(
        table=table,
        key=settings.key,
        columns=columns,
        row_key=json_object(settings.key, _list_of_row(warehouse, sync)),
        payload=json_object(columns),
        group=f"cast({group} as varchar)",
        problem=f"case {' '.join(problems)} end",
        profile_id=text_of("profile_id"),
        segment_name=text_of("segment_name"),
        memberships=_memberships(warehouse, kinds),
        as_of=_instant(as_of, kinds.get(BOOKKEEPING)),
        rows=rows,
        incomplete=all_rows - rows,
        condition=condition,
        parameters=parameters,
        withheld=withheld,
        statements=statements,
        has_clock=BOOKKEEPING in kinds,
        unknown=_unknown_segments(warehouse, sync),
    )


def _is_no_address(column: str) -> str:
    """SQL condition: the text of a column, as `hash` reads it, is no email address."""
    text = f"lower(trim(cast({column} as varchar)))"
    others = "".join(f" or contains({text}, chr({code}))" for code in NOT_IN_ADDRESS)
    return f"({text} not like '%_@_%._%' or {text} like '%@%@%'{others})"


def _rows_of_segments(warehouse: Warehouse, sync: Sync, kinds: Mapping[str, Kind]) -> str:
    """SQL condition: the row is of a segment that the sync sends; empty if it sends all."""
    if sync.settings.segments is None:
        return ""
    if "segment_name" not in kinds:
        raise DeclarationError(
            f"exposure `{sync.name}`, meta.sync: `segments` and `lists` need the column "
            f"`segment_name`, which the table `{sync.table}` does not have"
        )
    # The names are checked to be of letters, digits and underscores.
    names = ", ".join(f"'{name}'" for name in sync.settings.segments)
    return f"{warehouse.identifier('segment_name')} in ({names})"


def _unknown_segments(warehouse: Warehouse, sync: Sync) -> tuple[str, ...]:
    """The segments that the sync names and the last build did not have.

    They are no error: a segment may have been deleted, and its members have yet to be removed.
    """
    if sync.settings.segments is None or not warehouse.has("segments"):
        return ()
    known = {
        name
        for (name,) in warehouse.query(f"select segment_name from {warehouse.table('segments')}")
    }
    return tuple(
        f"no segment is called `{name}` ({nearest(name, known)})"
        for name in sync.settings.segments
        if name not in known
    )


def _memberships(warehouse: Warehouse, kinds: Mapping[str, Kind]) -> str:
    """SQL of the memberships with their beginnings; without rows if the table is of none."""
    if {"profile_id", "segment_name"} <= kinds.keys() and warehouse.has("segment_memberships"):
        memberships = warehouse.table("segment_memberships")
        if "valid_from" in warehouse.columns(memberships):  # not of an earlier release
            return (
                "select profile_id, segment_name, max(valid_from) as began_at "
                f"from {memberships} group by profile_id, segment_name"
            )
    return (
        "select cast(null as varchar) as profile_id, cast(null as varchar) as segment_name, "
        "cast(null as timestamp) as began_at where false"
    )


def _said_of(column: str, known: str, *texts: str) -> str:
    """SQL of a column's value: of the desired row, else of the first JSON text that has it."""
    said = (f"json_extract_path_text({text}, '{column}')" for text in texts)
    return f"coalesce({known}, {', '.join(said)})"


def _named(warehouse: Warehouse, sync: Sync, profile: str) -> str:
    """SQL of a profile as the ledger has it: hashed if the sync says so."""
    is_hashed = "profile_id" in sync.settings.hash
    return warehouse.sha256(f"lower(trim({profile}))") if is_hashed else profile


def _list_of_row(warehouse: Warehouse, sync: Sync) -> dict[str, str]:
    """SQL of the list at the tool, as JSON, by its name in the key.

    It is a part of the key, so that a removal names the list that has the row, also after another
    list was declared for the segment.
    """
    if not sync.lists:
        return {}
    segment = warehouse.identifier("segment_name")
    cases = " ".join(f"when '{name}' then '\"{each}\"'" for name, each in sync.lists.items())
    return {"list": f"case {segment} {cases} end"}


def consent_of(
    warehouse: Warehouse, sync: Sync, kinds: Mapping[str, Kind]
) -> tuple[str, tuple[str, ...], int | None]:
    """Consent of a row's profile: the SQL condition, its bound parameters, and the number of
    statements about the purpose (None if no consent is required).
    """
    if sync.consents is None or sync.settings.consent is None:
        return "true", (), None
    if "profile_id" not in kinds:
        raise DeclarationError(
            f"exposure `{sync.name}`, meta.sync: key `consent` needs the column `profile_id`, "
            f"which the table `{sync.table}` does not have"
        )
    consents = warehouse.relation(*sync.consents)
    warehouse.columns(consents)  # raises if the table is missing
    statements = warehouse.query(
        f"select count(*) from {consents} where purpose = ?", [sync.settings.consent]
    )[0][0]
    among, said = (
        ("not in", "not is_granted") if sync.settings.silence_is_consent else ("in", "is_granted")
    )
    return (
        f"profile_id {among} (select profile_id from {consents} where purpose = ? and {said})",
        (sync.settings.consent,),
        statements,
    )


def _instant(value: object, kind: Kind | None) -> datetime | None:
    """The data clock in UTC without a zone; None if the column is not a timestamp."""
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=None) if kind == "zoned_timestamp" else value


def find_due(
    warehouse: Warehouse, sync: Sync, desired: Desired, forgotten: Sequence[str] = ()
) -> dict[str, int]:
    """List in `activation_due` the rows that must be removed regardless of the guards.

    These are the rows of profiles that have refused the required consent, and of people who were
    forgotten: the keys in `forgotten` if given, else those of the open requests. A profile without
    a statement has not refused. If the key has no `profile_id`, the profile of a row is known only
    while the row is in the sync's table. A row that is to be forgotten and is still in the sync's
    table is neither changed nor removed before the next build.

    Returns the number of rows by reason; empty with `forgotten`.
    """
    warehouse.execute(
        "create or replace temporary table activation_due (row_key varchar, reason varchar)"
    )
    if forgotten:
        keys = list(forgotten)
        warehouse.insert("activation_due", {"row_key": keys, "reason": ["forgotten"] * len(keys)})
        return {}
    ledger = warehouse.table("activation_ledger")
    has_profile = "profile_id" in sync.settings.key and "profile_id" not in sync.settings.hash
    profile = "json_extract_path_text(row_key, 'profile_id')"
    causes: list[tuple[str, str, tuple[str, ...]]] = []
    if sync.consents is not None and sync.settings.consent is not None:
        refused = (
            f"profile_id in (select profile_id from {warehouse.relation(*sync.consents)} "
            "where purpose = ? and not is_granted)"
        )
        among = f"select {desired.row_key} as row_key, profile_id from {desired.table}"
        if has_profile:
            among = f"select row_key, {profile} as profile_id from {ledger}"
        causes.append(
            (
                f"whose profiles have refused `{sync.settings.consent}`",
                f"select row_key from ({among}) as held where {refused}",
                (sync.settings.consent,),
            )
        )
    if has_profile and warehouse.has("forgotten_identifiers"):
        named = warehouse.sha256(f"'profile_id:' || {profile}")
        causes.append(
            (
                "whose profiles are to be forgotten",
                "select held.row_key from "
                f"(select row_key, sent_at, {named} as named from {ledger} where sync_name = ?) "
                "as held "
                f"inner join {warehouse.table('forgotten_identifiers')} as asked "
                "on held.named = asked.identifier_hash and held.sent_at <= asked.requested_at",
                (sync.name,),
            )
        )
    found = {}
    for reason, row_keys, parameters in causes:
        found[reason] = warehouse.execute(
            "insert into activation_due "
            f"select row_key, ? from {ledger} where sync_name = ? and row_key in ({row_keys}) "
            "and row_key not in (select row_key from activation_due)",
            [reason, sync.name, *parameters],
        )
    return {reason: rows for reason, rows in found.items() if rows}


def plan_resends(
    warehouse: Warehouse, sync: Sync, desired: Desired, only_due: bool = False
) -> tuple[int, int]:
    """Plan the operations with unknown outcomes again.

    With `only_due`, plans those of rows in `activation_due`, else those of all other rows. Returns
    two counts: all operations, and those planned as removals.

    An add or update is sent again unchanged if its row is still desired and not due to be removed.
    Otherwise (the member has left, withdrawn consent or is forgotten) it is sent again as a
    removal with the same idempotency key. A destination that applies the first attempt late then
    ignores it; one that has applied it already ignores the removal. Therefore the row is `doubtful`
    afterwards and is removed once more under a key of its own. If the outcome of that removal is
    unknown too, it is sent again, also if the row is desired again, which is then added anew.
    """
    warehouse.execute(_PLAN)
    due = "(select row_key from activation_due)"
    ledger = warehouse.table("activation_ledger")
    texts = ("row_key", "sent_payload", "payload")
    warehouse.execute(
        f"""
        insert into activation_plan
        with wanted as (
            select
                {desired.row_key} as row_key,
                min({desired.profile_id}) as person,
                min({desired.segment_name}) as segment
            from {desired.table}
            where {desired.condition} and {desired.row_key} not in {due}
            group by 1
        ),
        memberships as (
            {desired.memberships}
        ),
        resent as (
            select
                ledger.*,
                ledger.sent_op <> 'remove'
                and (wanted.row_key is null or ledger.sent_hash is null) as is_taken_back,
                wanted.person,
                wanted.segment,
                memberships.began_at
            from {ledger} as ledger
            left join wanted on ledger.row_key = wanted.row_key
            left join memberships
                on
                    wanted.person = memberships.profile_id
                    and wanted.segment = memberships.segment_name
            where
                ledger.sync_name = ?
                and ledger.state = 'unknown'
                and ledger.row_key {"in" if only_due else "not in"} {due}
        )
        select
            row_number() over (order by group_name, row_key),
            case when is_taken_back then 'remove' else sent_op end,
            row_key,
            group_name,
            case when is_taken_back then null else sent_payload end,
            sent_hash,
            idempotency_key,
            case when is_taken_back then {TAKEN_BACK} else {SENT_AGAIN} end,
            null,
            false,
            {_said_of("profile_id", _named(warehouse, sync, "person"), *texts)},
            {_said_of("segment_name", "segment", *texts)},
            began_at,
            null,
            null
        from resent
        """,
        [*desired.parameters, sync.name],
    )
    return warehouse.query(
        f"select count(*), count(case when known = {TAKEN_BACK} then 1 end) from activation_plan"
    )[0]


def choose_rejected(warehouse: Warehouse, sync: Sync, desired: Desired) -> dict[str, int]:
    """List in `activation_chosen` the rows of unknown outcome, and those whose last operation was
    rejected. Returns the number of rows by what became of them.
    """
    warehouse.execute(
        "create or replace temporary table activation_chosen (row_key varchar, fate varchar)"
    )
    warehouse.execute(
        "insert into activation_chosen select row_key, 'of unknown outcome' "
        f"from {warehouse.table('activation_ledger')} where sync_name = ? and state = 'unknown'",
        [sync.name],
    )
    refused, parameters = rejected_and_wanted(warehouse, sync, desired)
    warehouse.execute(
        f"insert into activation_chosen select row_key, 'rejected' from ({refused}) "
        "as refused where row_key not in (select row_key from activation_chosen)",
        parameters,
    )
    return dict(
        warehouse.query("select fate, count(*) from activation_chosen group by fate order by fate")
    )


def rejected(warehouse: Warehouse) -> str:
    """SQL, with the sync's name bound: the last rejection of each row that was not acknowledged
    since, as `row_key`, `reason` and `is_held`, whether the ledger has the row.
    """
    return (
        "select refused.row_key, refused.reason, ledger.row_key is not null as is_held from ("
        "select sync_name, row_key, reason, rejected_at, row_number() over "
        "(partition by row_key order by rejected_at desc) as place "
        f"from {warehouse.table('activation_rejections')} where sync_name = ?) as refused "
        f"left join {warehouse.table('activation_ledger')} as ledger "
        "on refused.sync_name = ledger.sync_name and refused.row_key = ledger.row_key "
        "where refused.place = 1 and refused.row_key is not null "  # forgotten ones have no key
        "and (ledger.acknowledged_at is null or ledger.acknowledged_at < refused.rejected_at)"
    )


def rejected_and_wanted(
    warehouse: Warehouse, sync: Sync, desired: Desired
) -> tuple[str, list[str]]:
    """A select of `rejected`, and its bound parameters, of rows with something left to do: the
    destination may hold them, or the sync sends them.
    """
    wanted = f"select {desired.row_key} from {desired.table} where {desired.condition}"
    return (
        f"select * from ({rejected(warehouse)}) as refused where is_held or row_key in ({wanted})",
        [sync.name, *desired.parameters],
    )


def plan_changes(
    warehouse: Warehouse,
    sync: Sync,
    desired: Desired,
    run_id: str,
    only_due: bool = False,
    scope: Scope = "changes",
) -> Counts:
    """Plan the changes from the rows in the ledger to the desired rows.

    With `only_due`, plans only the removal of rows in `activation_due`, else the changes of all
    other rows. With the scope `rejected`, only rows in `activation_chosen` and removals are
    planned; with `everything`, every desired row.

    A row has changed if its payload has, or the templates by which the destination makes a message
    of it. Rows with unknown outcomes are not planned. Rows that cannot be sent (no key, or several
    different rows with one key) come after the others, with a `problem`; the destination keeps what
    it holds of them. Rows that wait (see `waiting.py`) come last. Removals never wait: a later one
    would take away what the same person has got under another key.
    """
    warehouse.execute(_PLAN)
    unit = "|| chr(31) ||"  # separates the parts of the idempotency key, which never contain it
    due = "(select row_key from activation_due)"
    chosen = (
        f"hashed.row_key is null and ledger.row_key in {due}"
        if only_due
        else f"(ledger.row_key is null or ledger.row_key not in {due})"
    )
    if scope == "rejected":
        among = "(select row_key from activation_chosen)"
        # Whoever leaves under one key goes before they come under another: see `leaving.py`.
        chosen += f" and (hashed.row_key is null or hashed.row_key in {among})"
    is_planned = f"""
                (ledger.state is null or ledger.state <> 'unknown')
                and (
                    hashed.problem is not null
                    or hashed.row_key is null
                    or ledger.row_key is null
                    or hashed.payload_hash <> ledger.payload_hash
                    or {str(scope == "everything").lower()}
                )
                and {chosen}
    """
    key = warehouse.sha256(f"? {unit} ? {unit} op {unit} row_key {unit} coalesce(payload_hash, '')")
    texts = ("ledger.row_key", "ledger.sent_payload", "ledger.payload")
    profile_id = _said_of("profile_id", _named(warehouse, sync, "hashed.person"), *texts)
    is_patient = scope == "changes" and not only_due
    most = None if only_due else sync.settings.most_changes_per_day
    now = wall_clock()
    refused, of_refused = refused_rows(warehouse, sync, now)
    changes, of_changes = changes_of_people(warehouse, sync, now)
    if most is None:
        changes, of_changes = "select null as profile_id, 0 as changes where false", []
    over = "false" if most is None else f"change_number > {most}"
    counts = (
        "waits is null and problem is null and op <> 'remove' and patient.profile_id is not null"
    )
    warehouse.execute(
        f"""
        insert into activation_plan
        with desired as (
            select
                {desired.row_key} as row_key,
                {desired.group} as group_name,
                {desired.payload} as payload,
                {desired.problem} as problem,
                {desired.profile_id} as person,
                {desired.segment_name} as segment
            from {desired.table}
            where {desired.condition}
        ),
        keyed as (
            select
                row_key,
                min(group_name) as group_name,
                min(payload) as payload,
                min(person) as person,
                min(segment) as segment,
                case
                    when min(problem) is not null then min(problem)
                    when min(payload) <> max(payload)
                        then 'several different rows have this key'
                end as problem
            from desired
            group by row_key
        ),
        hashed as (
            select *, {warehouse.sha256("payload || ?")} as payload_hash from keyed
        ),
        ledger as (
            select * from {warehouse.table("activation_ledger")} where sync_name = ?
        ),
        compared as (
            select
                case
                    when hashed.row_key is null then 'remove'
                    when ledger.row_key is null then 'add'
                    else 'update'
                end as op,
                coalesce(hashed.row_key, ledger.row_key) as row_key,
                coalesce(hashed.group_name, ledger.group_name) as group_name,
                hashed.payload,
                coalesce(hashed.payload_hash, ledger.payload_hash) as payload_hash,
                case when ledger.row_key is null then {NEW} else {KNOWN} end as known,
                hashed.problem,
                hashed.problem is null and coalesce(
                    hashed.payload_hash = replace(ledger.payload_hash, '{AGAIN}', ''), false
                ) as is_repeat,
                hashed.person,
                hashed.segment,
                {profile_id} as profile_id,
                {_said_of("segment_name", "hashed.segment", *texts)} as segment_name,
                ledger.state,
                ledger.sent_at,
                ledger.acknowledged_at,
                {is_planned} as is_planned
            from hashed
            full outer join ledger on hashed.row_key = ledger.row_key
            where {is_planned} or ledger.state <> 'acknowledged'
        ),
        memberships as (
            {desired.memberships}
        ),
        refused as (
            {refused}
        ),
        patient as (
            select
                compared.*,
                memberships.began_at,
                case
                    when
                        {"true" if is_patient else "false"}
                        and refused.next_at > cast(? as timestamp)
                        and refused.next_at <= cast(? as timestamp)
                        and refused.content = compared.payload_hash
                        and compared.op <> 'remove'
                        and compared.problem is null
                        then 'rejected'
                end as waits,
                refused.next_at,
                -- one of them may be null, and not every warehouse ignores it
                coalesce(
                    greatest(compared.acknowledged_at, refused.last_tried_at),
                    compared.acknowledged_at,
                    refused.last_tried_at
                ) as last_tried_at
            from compared
            left join refused on compared.row_key = refused.row_key
            left join memberships
                on
                    compared.person = memberships.profile_id
                    and compared.segment = memberships.segment_name
            where compared.is_planned
        ),
        changes as (
            {changes}
        ),
        numbered as (  -- of a person's rows, new ones first, then that which was tried longest ago
            select
                patient.*,
                case when {counts} then
                    coalesce(changes.changes, 0) + row_number() over (
                        partition by patient.profile_id, case when {counts} then 1 else 0 end
                        order by last_tried_at nulls first, row_key
                    )
                end as change_number
            from patient
            left join changes on patient.profile_id = changes.profile_id
        ),
        limited as (
            select
                op, row_key, group_name, payload, payload_hash, known, problem, profile_id,
                segment_name, began_at, next_at, is_repeat,
                case when {over} then 'limit' else waits end as waits
            from numbered
        )
        select
            row_number() over (
                order by
                    case when waits is not null then 2 when problem is not null then 1 else 0 end,
                    group_name,
                    case op when 'remove' then 0 when 'update' then 1 else 2 end,
                    row_key
            ),
            op, row_key, group_name, payload, payload_hash, {key}, known, problem, is_repeat,
            profile_id, segment_name, began_at, waits, next_at
        from limited
        """,
        [
            *desired.parameters,
            template_text(sync),
            sync.name,
            *of_refused,
            now.isoformat(),
            (now + LATEST).isoformat(),
            *of_changes,
            sync.name,
            run_id,
        ],
    )
    counted = {
        (op, waits): rows
        for op, waits, rows in warehouse.query(
            "select op, waits, count(*) from activation_plan group by op, waits"
        )
    }
    unsendable, repeats, next_at = warehouse.query(
        "select count(problem), count(case when is_repeat and waits is null then 1 end), "
        "min(case when waits = 'rejected' then next_at end) from activation_plan"
    )[0]
    return Counts(
        adds=counted.get(("add", None), 0),
        updates=counted.get(("update", None), 0),
        removes=counted.get(("remove", None), 0),
        unsendable=unsendable,
        repeats=repeats,
        waiting=sum(rows for (_, waits), rows in counted.items() if waits == "rejected"),
        limited=sum(rows for (_, waits), rows in counted.items() if waits == "limit"),
        next_at=next_at,
    )


def read_batches(warehouse: Warehouse, sync: Sync) -> Iterator[tuple[int, list[Operation]]]:
    """The sendable operations of the plan in batches: (first position, operations)."""
    first = 1
    while rows := warehouse.query(
        "select op, idempotency_key, row_key, payload from activation_plan "
        "where problem is null and waits is null "
        f"and position between {first} and {first + sync.batch_rows - 1} order by position"
    ):
        yield (
            first,
            [
                operation_of(op, idempotency_key, row_key, payload)
                for op, idempotency_key, row_key, payload in rows
            ],
        )
        first += len(rows)


def operation_of(op: Op, idempotency_key: str, row_key: str, payload: str | None) -> Operation:
    """An operation from the JSON of its key and row."""
    return Operation(op, idempotency_key, json.loads(row_key), json.loads(payload or "{}"))


def template_text(sync: Sync) -> str:
    """The templates as text: hashed after the payload, so that a change of them changes a row."""
    return json.dumps(sync.templates, sort_keys=True) if sync.templates else ""
