"""Guards: what a plan must pass before anything is sent.

Each guard looks at the whole plan and returns the reason to hold it, or nothing. Guards that take
single rows out of a plan belong into `plan.py`, where the rows are: without the consent that a sync
asks for, a row is not desired (`Desired.condition`), neither added nor kept. Of what is removed in
any case (`find_due`) no guard knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tideline.activation.plan import Counts
from tideline.declarations.syncs import Sync

OVERRIDE = "run again with --allow-large-change"


@dataclass(frozen=True)
class Outlook:
    """What a plan would make of what there is. Rows desired are those that consent lets through."""

    counts: Counts
    held_rows: int  # rows that the destination holds or may hold, but those that are due to go
    desired_rows: int
    withheld: int  # rows that consent does not let through
    statements: int | None  # of consent, about the purpose that the sync asks for
    desired_before: int | None  # of the last plan that was let through
    statements_before: int | None


Guard = Callable[[Sync, Outlook], str | None]


def consents_gone(sync: Sync, outlook: Outlook) -> str | None:
    """Nobody unsays a statement: an emptied table more often means that a build went wrong."""
    now, before, settings = outlook.statements, outlook.statements_before, sync.settings
    if now is None or not before:
        return None
    gone = before - now
    if now and (gone <= settings.guard_min_fall or gone <= settings.max_fall_share * before):
        return None
    return (
        f"there are {now:,} statements of consent about `{settings.consent}`, where the last plan "
        f"had {before:,} ({_fall_limits(sync)}); check the last `dbt build` of "
        f"`profile_consents`, or {OVERRIDE}"
    )


def nothing_desired(sync: Sync, outlook: Outlook) -> str | None:
    """An empty table more often means that a build went wrong than that everybody has left."""
    if outlook.desired_rows or not outlook.held_rows:
        return None
    why = f"the table `{sync.table}` is empty"
    if outlook.withheld:
        why = f"consent withholds all {outlook.withheld:,} rows of the table `{sync.table}`"
    return (
        f"{why}, which would remove all {outlook.held_rows:,} rows that the destination holds; "
        f"check the last `dbt build`, or {OVERRIDE}"
    )


def fall(sync: Sync, outlook: Outlook) -> str | None:
    """Nearly everybody leaves at once, be they few or many."""
    settings = sync.settings
    gone = outlook.held_rows - outlook.desired_rows
    if gone <= settings.guard_min_fall or gone <= settings.max_fall_share * outlook.held_rows:
        return None
    return (
        f"of {outlook.held_rows:,} rows that the destination holds {outlook.desired_rows:,} would "
        f"be left ({_fall_limits(sync)}); check the last change of segments, or {OVERRIDE}"
    )


def blast_radius(sync: Sync, outlook: Outlook) -> str | None:
    """A change of most rows at once is more often a mistake in a rule than the world changing."""
    counts, settings = outlook.counts, sync.settings
    changed = counts.updates + counts.removes
    limit = settings.max_change_share * outlook.held_rows
    if changed <= settings.guard_min_rows or changed <= limit:
        return None
    return (
        f"{counts.updates:,} updates and {counts.removes:,} removes would change "
        f"{changed / outlook.held_rows:.0%} of the {outlook.held_rows:,} rows that the destination "
        f"holds (max_change_share = {settings.max_change_share:.0%}, guard_min_rows = "
        f"{settings.guard_min_rows:,}); check the last change of segments, or {OVERRIDE}"
    )


def growth(sync: Sync, outlook: Outlook) -> str | None:
    """An audience that suddenly is everybody more often is a mistake in a rule.

    The first sync has nothing to compare with. If it was cut off, the rows that it was to bring
    count as well; so do those of a file that was lost.
    """
    settings = sync.settings
    before = max(outlook.held_rows, outlook.desired_before or 0)
    added = outlook.desired_rows - before
    if (
        not before
        or added <= settings.guard_min_rows
        or added <= settings.max_growth_share * before
    ):
        return None
    return (
        f"the rows would grow from {before:,} to {outlook.desired_rows:,} (max_growth_share = "
        f"{settings.max_growth_share:.0%}, guard_min_rows = {settings.guard_min_rows:,}); check "
        f"the last change of segments, or {OVERRIDE}"
    )


GUARDS: tuple[Guard, ...] = (consents_gone, nothing_desired, fall, blast_radius, growth)


def reason_to_hold(sync: Sync, outlook: Outlook) -> str | None:
    """The first guard's objection to a plan, or None."""
    objections = (guard(sync, outlook) for guard in GUARDS)
    return next((reason for reason in objections if reason), None)


def _fall_limits(sync: Sync) -> str:
    settings = sync.settings
    return (
        f"max_fall_share = {settings.max_fall_share:.0%}, "
        f"guard_min_fall = {settings.guard_min_fall:,}"
    )
