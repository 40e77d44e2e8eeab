"""The status of a sync, read from the tables of activation alone: no destination is asked."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tideline.activation.plan import read_desired, rejected, rejected_and_wanted
from tideline.activation.reasons import kind_of
from tideline.declarations.syncs import Sync
from tideline.text import counted
from tideline.warehouse.connection import Warehouse
from tideline.warehouse.errors import ActivationError

MOST_REASONS = 3
COLUMNS = "destination, status, message, started_at"
TABLES = ("activation_ledger", "activation_runs", "activation_rejections")


def status_of(sync: Sync, warehouse: Warehouse) -> str:
    """The status of one sync as text. Reads only."""
    facts = {"destination": sync.settings.destination}
    if not all(warehouse.exists(warehouse.schema, name) for name in TABLES):
        return _text(sync, facts | {"last run": "none yet"})
    if not (last := _last_run(sync, warehouse)):
        return _text(sync, facts | {"last run": "none yet"})
    destination, status, message, started_at = last
    facts = {"destination": destination, "last run": f"{_time(started_at)}, {status}"}
    if message:
        facts["message"] = message
    success = _last_run(sync, warehouse, "and status = 'succeeded'")
    facts["last success"] = _time(success[3]) if success else "none yet"
    ((held, unknown),) = warehouse.query(
        "select count(*), count(case when state = 'unknown' then 1 end) "
        f"from {warehouse.table('activation_ledger')} where sync_name = ?",
        [sync.name],
    )
    facts["rows there"] = f"{held:,}"
    facts["unknown"] = f"{unknown:,}"
    reasons = _reasons(sync, warehouse)
    facts["rejected"] = f"{reasons.total():,}"
    text = _text(sync, facts)
    for reason, rows in reasons.most_common(MOST_REASONS):
        text += f"\n    {counted(rows, 'row')}: {reason}"
    return text


def _last_run(sync: Sync, warehouse: Warehouse, condition: str = "") -> tuple | None:
    found = warehouse.query(
        f"select {COLUMNS} from {warehouse.table('activation_runs')} where sync_name = ? "
        f"{condition} order by started_at desc limit 1",
        [sync.name],
    )
    return found[0] if found else None


def _reasons(sync: Sync, warehouse: Warehouse) -> Counter[str]:
    """The kind of reason of each row whose last operation was rejected.

    It is made of the words, because an earlier release did not record it.
    """
    try:
        refused, parameters = rejected_and_wanted(warehouse, sync, read_desired(warehouse, sync))
        rows = warehouse.query(f"select reason from ({refused}) as refused", parameters)
    except ActivationError:  # the table is missing, or is not as declared
        refused = f"select reason from ({rejected(warehouse)}) as refused"
        rows = warehouse.query(refused, [sync.name])
    return Counter(kind_of(reason) for (reason,) in rows)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _text(sync: Sync, facts: dict[str, str]) -> str:
    return "\n".join([sync.name, *(f"  {name:<13}{said}" for name, said in facts.items())])
