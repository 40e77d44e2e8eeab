"""The views of the ledger's tables for people; like the tables, the first sync creates them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Named = Callable[[str], str]

# SQL of the columns that sum up the rows of `latencies`.
QUANTILES = """
            count(*) as delivery_count,
            percentile_cont(0.5) within group (order by latency_seconds) as median_latency_seconds,
            percentile_cont(0.95) within group (order by latency_seconds) as p95_latency_seconds,
            max(latency_seconds) as greatest_latency_seconds
"""


def latencies(deliveries: str) -> str:
    """SQL of the added members whose membership has a beginning, and how long each took."""
    return f"""
        select
            run_id,
            sync_name,
            cast(accepted_at as date) as delivered_on,
            cast(datediff('microsecond', began_at, accepted_at) as double) / 1000000
                as latency_seconds
        from {deliveries}
        where op = 'add' and began_at is not null
    """


@dataclass(frozen=True)
class View:
    """A view: its columns with type and description, and its SQL, given the names of tables."""

    description: str
    columns: dict[str, tuple[str, str]]
    sql: Callable[[Named], str]


def _rejection_reasons(table: Named) -> str:
    return f"""
        select
            sync_name,
            coalesce(reason_kind, 'recorded by an earlier version') as reason,
            count(*) as rejection_count,
            min(rejected_at) as first_rejected_at,
            max(rejected_at) as last_rejected_at
        from {table("activation_rejections")}
        group by 1, 2
    """


def _latencies(table: Named) -> str:
    deliveries = table("activation_deliveries")
    return f"""
        select
            sync_name,
            delivered_on,
            {QUANTILES}
        from ({latencies(deliveries)}) as latencies
        group by 1, 2
    """


VIEWS = {
    "activation_rejection_reasons": View(
        "One row per sync and kind of reason for which rows were rejected.",
        {
            "sync_name": ("varchar", "Name of the exposure."),
            "reason": (
                "varchar",
                "The reason, with `…` for words that may be personal data.",
            ),
            "rejection_count": ("bigint", "Rejections, those of the same row in every run."),
            "first_rejected_at": ("timestamp", "Wall clock, UTC."),
            "last_rejected_at": ("timestamp", "Wall clock, UTC."),
        },
        _rejection_reasons,
    ),
    "activation_latencies": View(
        "One row per sync and day on which it added members whose membership has a beginning.",
        {
            "sync_name": ("varchar", "Name of the exposure."),
            "delivered_on": ("date", "The day (UTC) on which the destination accepted them."),
            "delivery_count": ("bigint", "Members added."),
            "median_latency_seconds": (
                "double",
                "Median of the seconds from the beginning of the membership to the acceptance.",
            ),
            "p95_latency_seconds": ("double", "95th percentile of these seconds."),
            "greatest_latency_seconds": ("double", "Greatest number of these seconds."),
        },
        _latencies,
    ),
}
