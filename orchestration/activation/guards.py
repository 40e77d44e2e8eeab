"""Guards: what a plan must pass before anything is sent.

Each guard looks at the whole plan and returns the reason to hold it, or nothing. Guards that take
single rows out of a plan belong into `plan.py`, where the rows are: without the consent that a sync
asks for, a row is not desired (`Desired.condition`), neither added nor kept.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestration.activation.plan import Counts
from orchestration.activation.syncs import Sync

Guard = Callable[[Sync, Counts, int, int], str | None]


def nothing_desired(sync: Sync, counts: Counts, held_rows: int, desired_rows: int) -> str | None:
    """An empty table more often means that a build went wrong than that everybody has left."""
    if desired_rows or not held_rows:
        return None
    return (
        f"the table `{sync.table}` is empty, which would remove all {held_rows} rows that the "
        "destination holds; check the last `dbt build`, or run again with --allow-large-change"
    )


def blast_radius(sync: Sync, counts: Counts, held_rows: int, desired_rows: int) -> str | None:
    """A change of most rows at once is more often a mistake in a rule than the world changing."""
    changed = counts.updates + counts.removes
    limits = sync.limits
    if changed <= limits.guard_min_rows or changed <= limits.max_change_share * held_rows:
        return None
    return (
        f"{counts.updates} updates and {counts.removes} removes would change "
        f"{changed / held_rows:.0%} of the {held_rows} rows that the destination holds, more than "
        f"max_change_share = {limits.max_change_share:.0%}; check the last change of segments, or "
        "run again with --allow-large-change"
    )


GUARDS: tuple[Guard, ...] = (nothing_desired, blast_radius)


def reason_to_hold(sync: Sync, counts: Counts, held_rows: int, desired_rows: int) -> str | None:
    """The first guard's objection to a plan, or None.

    `held_rows` and `desired_rows` are the rows the destination holds and shall hold.
    """
    objections = (guard(sync, counts, held_rows, desired_rows) for guard in GUARDS)
    return next((reason for reason in objections if reason), None)
