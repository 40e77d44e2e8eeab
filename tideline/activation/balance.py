"""Whether the tables of a run tell the same: its record, its results, deliveries and rejections."""

from __future__ import annotations

from tideline.activation.ledger import FATES, Run
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
