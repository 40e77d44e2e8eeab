"""What the syncs would send if a segment were built as it is declared now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tideline.activation.plan import consent_of
from tideline.declarations.segments import Declared
from tideline.declarations.syncs import Sync
from tideline.warehouse.connection import DuckDBWarehouse, Warehouse

AUDIENCES = "activation_audiences"
LABEL = "segment_label"
NOT_CONSIDERED = (
    "the guards of a sync",
    "whom an experiment would hold out anew",
    "rows without a key or a required value",
    "other columns than the label",
    "what the destination holds",
)


@dataclass(frozen=True)
class Delivery:
    """The rows of a segment that a sync would add, remove, and send again with another label."""

    sync: str
    adds: int
    removes: int
    relabels: int


def deliveries_of(
    warehouse: DuckDBWarehouse, segment: Declared, syncs: Sequence[Sync]
) -> list[Delivery]:
    """What each sync of the audiences would send, compared with those of the last build.

    Reads the temporary table `_judged` of a preview. A row of somebody who has not agreed to what
    a sync requires is neither at its destination nor sent; nor is one of somebody whom a running
    experiment holds out.
    """
    found = []
    held_out = held_out_sql(warehouse)
    for sync in syncs:
        chosen = sync.settings.segments
        if sync.table != AUDIENCES or (chosen is not None and segment.name not in chosen):
            continue
        audiences = warehouse.relation(sync.schema, sync.table)
        condition, parameters, _ = consent_of(warehouse, sync, warehouse.columns(audiences))
        adds, removes, relabels = warehouse.query(
            "with audience as (select profile_id, segment_label, true as is_there "
            f"from {audiences} where segment_name = ?), "
            "members as (select profile_id, _label, true as is_wanted from _judged where _is_in "
            f"and profile_id not in (select profile_id from ({held_out}))), "
            "compared as (select * from audience full outer join members using (profile_id)) "
            "select count(*) filter (is_there is null), count(*) filter (is_wanted is null), "
            "count(*) filter (is_there and is_wanted and segment_label <> _label) "
            f"from compared where {condition}",
            [segment.name, segment.name, *parameters],
        )[0]
        is_labelled = sync.settings.columns is None or LABEL in sync.settings.columns
        found.append(Delivery(sync.name, adds, removes, relabels if is_labelled else 0))
    return found


def held_out_sql(warehouse: Warehouse) -> str:
    """A select of the people whom running experiments hold out of the delivery of a segment, its
    only parameter: `profile_id`, `experiment_name` and `exposed_at`.
    """
    if not warehouse.has("experiment_arms"):  # an earlier version built this warehouse
        return (
            "select null as profile_id, null as experiment_name, null as exposed_at "
            "where cast(? as varchar) is null and false"
        )
    return (
        "select arms.profile_id, experiments.experiment_name, arms.exposed_at "
        f"from {warehouse.table('experiment_arms')} as arms "
        f"join {warehouse.table('experiments')} as experiments "
        "on arms.experiment_name = experiments.experiment_name "
        "where arms.is_held_out and (experiments.segments = '*' "
        "or contains(',' || experiments.segments || ',', ',' || cast(? as varchar) || ','))"
    )
