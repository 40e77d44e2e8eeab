"""What the tables tell of one run: whether they tell the same, and what its record does not."""

from __future__ import annotations

from tideline.activation.ledger import FATES, Run
from tideline.activation.views import QUANTILES, latencies
from tideline.warehouse.connection import Warehouse

COUNTS = ("planned", *FATES)


def imbalance(warehouse: Warehouse, run: Run) -> str:
    """What does not add up in the tables about a finished run; empty if all does."""
    counts = ", ".join(f"sum({name})" for name in COUNTS)
    recorded, by_operation = (
        dict(
            zip(
                COUNTS,
                warehouse.query(
                    f"select {counts} from {warehouse.table(table)} where run_id = ?", [run.run_id]
                )[0],
                strict=True,
            )
        )
        for table in ("activation_runs", "activation_results")
    )
    rows = {
        fate: warehouse.query(
            f"select count(*) from {warehouse.table(table)} where run_id = ?", [run.run_id]
        )[0][0]
        for fate, table in (
            ("accepted", "activation_deliveries"),
            ("rejected", "activation_rejections"),
        )
    }
    parts = sum(recorded[fate] or 0 for fate in FATES)
    found = []
    if recorded["planned"] != parts:
        found.append(f"{recorded['planned']} operations were planned and {parts} have an outcome")
    found += [
        f"`activation_results` has {by_operation[name]} {name}, `activation_runs` {recorded[name]}"
        for name in COUNTS
        if by_operation[name] != recorded[name]
    ]
    found += [
        f"{recorded[fate]} operations were {fate} and {count} rows say so"
        for fate, count in rows.items()
        if recorded[fate] != count
    ]
    return "; ".join(found)


def reasons(warehouse: Warehouse, run: Run) -> list[tuple[str, int]]:
    """Why rows of a run were rejected, without personal data, and how many; most frequent first."""
    return warehouse.query(
        f"select reason_kind, count(*) from {warehouse.table('activation_rejections')} "
        "where run_id = ? group by 1 order by 2 desc, 1",
        [run.run_id],
    )


def latency(warehouse: Warehouse, run: Run) -> dict[str, float]:
    """Seconds from the beginning of a membership to its delivery by a run: `median`, `p95` and
    `greatest`; empty if it added no member whose membership has a beginning.
    """
    count, *seconds = warehouse.query(
        f"select {QUANTILES} from ({latencies(warehouse.table('activation_deliveries'))}) as added "
        "where run_id = ?",
        [run.run_id],
    )[0]
    names = ("median", "p95", "greatest")
    return dict(zip(names, map(float, seconds), strict=True)) if count else {}
