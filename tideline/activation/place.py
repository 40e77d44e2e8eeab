"""Whether a sync still goes to the account or place whose rows its ledger describes."""

from __future__ import annotations

from tideline.activation.destinations import Destination
from tideline.activation.ledger import Ledger
from tideline.declarations.syncs import Sync


def place_of(sync: Sync, destination: Destination) -> str:
    """The kind of the destination and where the rows go, as a run records it."""
    return f"{sync.settings.destination}: {destination.where}"


def problem_of_place(ledger: Ledger, sync: Sync, destination: Destination) -> str | None:
    """The reason not to send if the ledger describes another account or place; None if not."""
    before, now = ledger.place(), place_of(sync, destination)
    if before is None or before == now or not ledger.groups():
        return None
    kind, _, where = before.partition(": ")
    if kind == sync.settings.destination:
        if not where:  # an earlier release did not record it
            return None
        if getattr(destination, "has_moved", lambda place: False)(where):
            return None
    return (
        f"this sync goes to {now}, and its ledger describes what {before} holds; set it back, or, "
        "if it now goes to another account or place, run `tideline activate resync "
        f"{sync.name} --new-account`"
    )
