"""The table `identity_matches`: the accepted pairs and the withdrawn ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tideline.matching.link import Pair
from tideline.warehouse.clock import wall_clock
from tideline.warehouse.connection import Warehouse

TABLE = "identity_matches"
COLUMNS = ("left_id", "right_id", "probability", "matched_at", "is_withdrawn", "updated_at")
DIGITS = 3  # decimals of a probability, so that a small change of the model changes no row


@dataclass(frozen=True)
class Change:
    """The result of a run: pairs newly accepted (or accepted again), withdrawn, and valid now."""

    new: int
    withdrawn: int
    held: int


def write_matches(warehouse: Warehouse, accepted: Mapping[Pair, float]) -> Change:
    """Write the accepted pairs; pairs that are no longer accepted stay, marked as withdrawn.

    An unchanged row keeps its timestamps, so that identity processes only changed rows.
    """
    name = warehouse.table(TABLE)
    known = {
        row[:2]: row[2:] for row in warehouse.query(f"select {', '.join(COLUMNS)} from {name}")
    }
    later = [updated_at + timedelta(microseconds=1) for *_, updated_at in known.values()]
    now = max([wall_clock(), *later])
    rows, change = [], {"new": 0, "withdrawn": 0, "held": 0}
    for pair in sorted(known.keys() | accepted.keys()):
        before, matched_at, was_withdrawn, updated_at = known.get(pair, (None, None, True, None))
        is_withdrawn = pair not in accepted
        probability = before if is_withdrawn else round(accepted[pair], DIGITS)
        if was_withdrawn and not is_withdrawn:
            matched_at = now
        if (probability, is_withdrawn) != (before, was_withdrawn):
            updated_at = now
        change["new"] += was_withdrawn and not is_withdrawn
        change["withdrawn"] += is_withdrawn and not was_withdrawn
        change["held"] += not is_withdrawn
        rows.append((*pair, probability, matched_at, is_withdrawn, updated_at))
    with warehouse.transaction():
        warehouse.execute(f"delete from {name}")
        if rows:
            columns = zip(*rows, strict=True)
            warehouse.insert(name, dict(zip(COLUMNS, map(list, columns), strict=True)))
    return Change(**change)
