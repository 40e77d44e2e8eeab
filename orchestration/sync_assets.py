"""The syncs as assets, where the lineage ends: one per dbt exposure with `meta.sync`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.project import WRITER_POOL, environment
from orchestration.transform import team
from tideline.activation.balance import imbalance, latency, reasons
from tideline.activation.destinations import DESTINATIONS
from tideline.activation.engine import SyncResult, run_sync
from tideline.activation.ledger import Run
from tideline.declarations.syncs import Sync, read_syncs
from tideline.warehouse.connection import Warehouse, open_warehouse

CHECK = "in_step"
BALANCE = "receipt_balances"


def sync_assets(manifest: Path) -> list[dg.AssetsDefinition]:
    """One asset per declared sync, downstream of the models that its exposure depends on.

    Raises DeclarationError if a declaration is wrong.
    """
    exposures = json.loads(manifest.read_text(encoding="utf-8"))["exposures"].values()
    by_name = {exposure["name"]: exposure for exposure in exposures}
    return [_sync_asset(sync, by_name[sync.name]) for sync in read_syncs(manifest, DESTINATIONS)]


def _sync_asset(sync: Sync, exposure: Mapping[str, Any]) -> dg.AssetsDefinition:
    owner = exposure["owner"].get("email") or exposure["owner"].get("name")
    spec = dg.AssetSpec(
        sync.name,
        deps=[node.split(".")[-1] for node in exposure["depends_on"]["nodes"]],
        description=exposure["description"],
        group_name="destinations",
        kinds={sync.settings.destination},
        owners=[team(owner)] if owner else [],
        # If a run has updated the audience without this sync, send the changes.
        automation_condition=dg.AutomationCondition.eager(),
        skippable=True,
    )
    checks = [
        dg.AssetCheckSpec(
            CHECK, asset=sync.name, description="The destination holds exactly the desired rows."
        ),
        dg.AssetCheckSpec(
            BALANCE,
            asset=sync.name,
            description="Each planned operation is accepted, rejected, held or unknown, and each "
            "accepted or rejected one has its row.",
        ),
    ]

    @dg.multi_asset(name=sync.name, specs=[spec], check_specs=checks, pool=WRITER_POOL)
    def deliver() -> Iterator[dg.MaterializeResult | dg.AssetObservation | dg.AssetCheckResult]:
        variables = environment()
        with open_warehouse(variables) as warehouse:
            result = run_sync(sync, warehouse, environment=variables)
            wrong = imbalance(warehouse, result.run)
            told = told_by_tables(warehouse, result.run)
        yield balance(spec.key, wrong)
        yield from events(spec.key, result, told)

    return deliver


def balance(key: dg.AssetKey, wrong: str) -> dg.AssetCheckResult:
    """The check that the receipt of a run balances; `wrong` says what does not add up."""
    return dg.AssetCheckResult(
        asset_key=key, check_name=BALANCE, passed=not wrong, description=wrong or None
    )


def told_by_tables(warehouse: Warehouse, run: Run) -> Mapping[str, Any]:
    """Metadata of a run beside its numbers: reasons of rejections, seconds until delivery."""
    found: dict[str, Any] = {
        f"{name} latency (seconds)": seconds for name, seconds in latency(warehouse, run).items()
    }
    if rejected := reasons(warehouse, run):
        found["rejected because"] = _table(
            "reason", [{"reason": reason, "rows": rows} for reason, rows in rejected]
        )
    return found


def _table(first: str, rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows with one text, `first`, and numbers."""
    numbers = [name for name in rows[0] if name != first]
    columns = [dg.TableColumn(first), *(dg.TableColumn(name, "int") for name in numbers)]
    return dg.TableMetadataValue(
        [dg.TableRecord(dict(row)) for row in rows], dg.TableSchema(columns)
    )


def events(
    key: dg.AssetKey, result: SyncResult, told: Mapping[str, Any] | None = None
) -> Sequence[dg.MaterializeResult | dg.AssetObservation | dg.AssetCheckResult]:
    """The Dagster events of a run; `told` is more metadata.

    A sync that is not configured is observed, not materialized; its check passes. Raises
    dagster.Failure if the run failed, was held or had all rows rejected.
    """
    run = result.run
    metadata: dict[str, Any] = {
        "status": run.status,
        **({"message": run.message} if run.message else {}),
        "to": run.destination,
        "adds": run.ops["add"],
        "updates": run.ops["update"],
        "removes": run.ops["remove"],
        "resends": run.ops["resend"],
        "accepted": run.accepted,
        "rejected": run.rejected,
        "held": run.held,
        "unknown": run.unknown,
        "waiting": run.waiting,
        "limited": run.limited,
        "by operation": _table(
            "operation",
            [{"operation": op, "planned": run.ops[op], **run.fates[op]} for op in run.ops],
        ),
        **(told or {}),
    }
    if result.exit_code:
        raise dg.Failure(run.message, metadata=metadata)
    is_skipped = run.status == "skipped"
    check = dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=is_skipped
        or (run.status == "succeeded" and not (run.rejected or run.waiting or run.limited)),
        severity=dg.AssetCheckSeverity.WARN,
        description=run.message or None,
    )
    if is_skipped:
        return [dg.AssetObservation(key, metadata=metadata), check]
    return [dg.MaterializeResult(key, metadata=metadata, check_results=[check])]
