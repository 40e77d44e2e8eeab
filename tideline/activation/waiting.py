"""Rows that wait: rejected before, or of a person who has had enough changes for a day.

They are not planned, so they are neither sent nor counted as held. A later run plans them with the
values of then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tideline.declarations.syncs import Sync
from tideline.text import counted
from tideline.warehouse.connection import Warehouse

# Minutes that a row waits after its first rejection; doubled with each one in a row.
FIRST_WAIT, LONGEST_WAIT = 15, 24 * 60
SPAN = timedelta(hours=24)  # of `most_changes_per_day`
LATEST = timedelta(minutes=LONGEST_WAIT)  # a later `next_at` is of a clock that was set back
# A rejection is looked at for so long: for the wait, and for the turns of a person's rows.
REMEMBERED = timedelta(days=10)


def _waits() -> list[int]:
    """The minutes to wait after the first, second, ... rejection; the last for all later ones."""
    waits = [FIRST_WAIT]
    while waits[-1] < LONGEST_WAIT:
        waits.append(min(2 * waits[-1], LONGEST_WAIT))
    return waits


def refused_rows(warehouse: Warehouse, sync: Sync, now: datetime) -> tuple[str, list[str]]:
    """A select of the rows whose last try was lately rejected, and its bound parameters.

    Columns: `row_key`; `content`, the hash of the rejected row, or `remove`; `last_tried_at`
    and `next_at` (UTC), when the same content is due again. Rejections of other content and
    deliveries end a series. Rows that the plan itself rejected have no hash: they are not sent, so
    they need not wait.
    """
    rejections = warehouse.table("activation_rejections")
    *growing, longest = _waits()
    cases = " ".join(
        f"when count(*) = {times} then max(tried_at) + interval '{minutes} minutes'"
        for times, minutes in enumerate(growing, start=1)
    )
    lately = (
        f"select row_key from {rejections} where sync_name = ? and rejected_at > "
        "cast(? as timestamp)"
    )
    of_lately = [sync.name, (now - REMEMBERED).isoformat()]
    return (
        f"""
        select
            row_key,
            content,
            max(tried_at) as last_tried_at,
            case {cases} else max(tried_at) + interval '{longest} minutes' end as next_at
        from (
            select
                *,
                max(case when content is distinct from newest then tried_at end)
                    over (partition by row_key) as changed_at
            from (
                select
                    *,
                    first_value(content) over (
                        partition by row_key order by tried_at desc, content nulls first
                    ) as newest
                from (
                    select
                        row_key,
                        case when op = 'remove' then op else payload_hash end as content,
                        rejected_at as tried_at
                    from {rejections}
                    where sync_name = ? and row_key in ({lately})
                    union all
                    select row_key, null as content, accepted_at as tried_at
                    from {warehouse.table("activation_deliveries")}
                    where sync_name = ? and row_key in ({lately})
                ) as tried
            ) as ordered
        ) as series
        where content = newest and (changed_at is null or tried_at > changed_at)
        group by row_key, content
        """,
        [sync.name, *of_lately] * 2,
    )


def changes_of_people(warehouse: Warehouse, sync: Sync, now: datetime) -> tuple[str, list[str]]:
    """A select of the changes that people have had in 24 hours, and its bound parameters.

    Columns: `profile_id` and `changes`, the accepted adds and updates and those that may have been
    applied. What the destination has lost since, or another account holds, does not count: its row
    is not in the ledger, and no removal was accepted. Reads the CTEs `ledger` and `compared` of the
    plan. If the clock was set back by more than a day, changes of the future do not count.
    """
    deliveries = warehouse.table("activation_deliveries")
    span = [(now - SPAN).isoformat(), (now + SPAN).isoformat()]

    def is_lately(column: str) -> str:
        return f"{column} > cast(? as timestamp) and {column} < cast(? as timestamp)"

    def latest(is_removal: bool) -> str:
        """SQL: when an operation of each row was last accepted, of those of the last 24 hours."""
        return (
            f"select row_key, max(accepted_at) as accepted_at from {deliveries} where "
            f"sync_name = ? and accepted_at > cast(? as timestamp) "
            f"and op {'=' if is_removal else '<>'} 'remove' group by row_key"
        )

    return (
        f"""
        select profile_id, count(*) as changes
        from (
            select accepted.profile_id
            from (
                select * from {deliveries}
                where sync_name = ? and op <> 'remove' and {is_lately("accepted_at")}
            ) as accepted
            left join ledger on accepted.row_key = ledger.row_key
            left join ({latest(is_removal=True)}) as removed
                on accepted.row_key = removed.row_key
            where ledger.row_key is not null or removed.accepted_at >= accepted.accepted_at
            union all
            select compared.profile_id
            from compared
            left join ({latest(is_removal=False)}) as last_sent
                on compared.row_key = last_sent.row_key
            where
                compared.state <> 'acknowledged'
                and {is_lately("compared.sent_at")}
                and (
                    last_sent.accepted_at is null or last_sent.accepted_at < compared.sent_at
                )
        ) as sent
        where profile_id is not null
        group by profile_id
        """,
        [sync.name, *span, *[sync.name, span[0]] * 2, *span],
    )


def said_of_waiting(sync: Sync, waiting: int, next_at: datetime | None, limited: int) -> list[str]:
    """What the message of a run says of the rows that wait."""
    parts = []
    if waiting:
        wait = "waits" if waiting == 1 else "wait"
        parts.append(
            f"{counted(waiting, 'row')} {wait}: rejected before; next at "
            f"{next_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    if limited:
        wait = "waits" if limited == 1 else "wait"
        most = counted(sync.settings.most_changes_per_day or 0, "change")
        parts.append(
            f"{counted(limited, 'row')} {wait} for a later run: a person gets {most} in 24 hours "
            "(most_changes_per_day)"
        )
    return parts
