"""Guards: checks that a plan must pass before anything is sent.

Each guard looks at the whole plan and returns a reason to hold it, or None. Conditions on single
rows are in `plan.py`: a row without the required consent is not desired (`Desired.condition`), so
it is neither added nor kept. Guards do not see the rows that are removed in any case (`find_due`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tideline.activation.plan import Counts
from tideline.declarations.syncs import Sync

OVERRIDE = "run again with --allow-large-change"


@dataclass(frozen=True)
class Outlook:
    """The numbers that guards compare: a plan, the present state, and the last accepted plan."""

    counts: Counts
    held_rows: int  # rows that the destination holds or may hold, without those due to be removed
    desired_rows: int  # desired rows with consent
    withheld: int  # desired rows without consent
    incomplete: int  # rows that lack a required value, which are not desired
    statements: int | None  # consent statements about the purpose of the sync
    desired_before: int | None  # of the last plan that passed the guards
    statements_before: int | None  # of the last plan that passed the guards


Guard = Callable[[Sync, Outlook], str | None]


def consents_gone(sync: Sync, outlook: Outlook) -> str | None:
    """Consent statements are never deleted, so a large loss usually means a failed build."""
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
    """An empty table usually means a failed build, not that everybody has left."""
    if outlook.desired_rows or not outlook.held_rows:
        return None
    why = f"the table `{sync.table}` is empty"
    if outlook.withheld:
        why = f"consent withholds all {outlook.withheld:,} rows of the table `{sync.table}`"
    elif outlook.incomplete:
        lacking = " or ".join(f"`{column}`" for column in sync.settings.require)
        why = f"all {outlook.incomplete:,} rows of the table `{sync.table}` are without {lacking}"
    elif sync.settings.segments is not None:
        why = f"the table `{sync.table}` has no row of the segments that the sync sends"
    return (
        f"{why}, which would remove all {outlook.held_rows:,} rows that the destination holds; "
        f"check the last `dbt build`, or {OVERRIDE}"
    )


def fall(sync: Sync, outlook: Outlook) -> str | None:
    """Nearly all rows would be removed at once, also when they are few."""
    settings = sync.settings
    gone = outlook.held_rows - outlook.desired_rows
    if gone <= settings.guard_min_fall or gone <= settings.max_fall_share * outlook.held_rows:
        return None
    return (
        f"only {outlook.desired_rows:,} of the {outlook.held_rows:,} rows that the destination "
        f"holds would be left ({_fall_limits(sync)}); check the last change of segments, or "
        f"{OVERRIDE}"
    )


def blast_radius(sync: Sync, outlook: Outlook) -> str | None:
    """A change of most rows at once is usually a mistake in a rule."""
    counts, settings = outlook.counts, sync.settings
    updates = counts.updates - counts.repeats
    changed = updates + counts.removes
    limit = settings.max_change_share * outlook.held_rows
    if changed <= settings.guard_min_rows or changed <= limit:
        return None
    return (
        f"{updates:,} updates and {counts.removes:,} removes would change "
        f"{changed / outlook.held_rows:.0%} of the {outlook.held_rows:,} rows that the destination "
        f"holds (max_change_share = {settings.max_change_share:.0%}, guard_min_rows = "
        f"{settings.guard_min_rows:,}); check the last change of segments, or {OVERRIDE}"
    )


def growth(sync: Sync, outlook: Outlook) -> str | None:
    """A sudden growth of the audience is usually a mistake in a rule.

    The first sync has nothing to compare with. The rows of the last accepted plan count even if
    they did not arrive: the first sync may have been interrupted, or a file may have been lost.
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
    """The reason of the first guard that objects to a plan, or None."""
    objections = (guard(sync, outlook) for guard in GUARDS)
    return next((reason for reason in objections if reason), None)


def _fall_limits(sync: Sync) -> str:
    settings = sync.settings
    return (
        f"max_fall_share = {settings.max_fall_share:.0%}, "
        f"guard_min_fall = {settings.guard_min_fall:,}"
    )
