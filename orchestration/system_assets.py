"""The landed tables of source systems as assets; all tables of a system are loaded together."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from orchestration.project import environment
from tideline.landing.systems import SYSTEMS
from tideline.landing.systems.load import load
from tideline.landing.systems.system import LoadError, NotConfigured, System

LOG = logging.getLogger(__name__)


def table_keys(system: System) -> list[dg.AssetKey]:
    """The asset keys of a system's tables, such as `landing/stripe/charges`."""
    return [dg.AssetKey(["landing", system.name, table]) for table in system.tables]


def _loaded(system: System) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"load_{system.name}",
        specs=[
            dg.AssetSpec(
                key,
                group_name="landing",
                kinds={"dlt", system.name},
                description=system.tables[key.path[-1]],
            )
            for key in table_keys(system)
        ],
        pool=f"load_{system.name}",  # a second load waits instead of failing
    )
    def load_system() -> Iterator[dg.MaterializeResult]:
        """Land new records. Without credentials, nothing is loaded and the result says so.

        Without a result, Dagster would skip all downstream assets.
        """
        landing = Path(environment()["TIDELINE_LANDING"])
        try:
            rows = load(system, landing, os.environ)
        except NotConfigured as error:
            LOG.warning("skipped: %s", error)
            skipped = {"status": "skipped", "message": str(error)}
            yield from (dg.MaterializeResult(key, metadata=skipped) for key in table_keys(system))
            return
        except LoadError as error:  # not `from error`: its causes may quote rows
            raise dg.Failure(str(error)) from None
        for key in table_keys(system):
            table = key.path[-1]
            folder = landing / system.name / table
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={"rows landed": rows[table], "folder": dg.MetadataValue.path(folder)},
            )

    return load_system


load_assets = [_loaded(system) for system in SYSTEMS.values()]
landed_tables = [key for system in SYSTEMS.values() for key in table_keys(system)]


def configured_tables() -> list[dg.AssetKey]:
    """The asset keys of the systems that have credentials now."""
    chosen = [system for system in SYSTEMS.values() if system.is_configured(os.environ)]
    return [key for system in chosen for key in table_keys(system)]
