"""dbt's connection to DuckDB: closed to all that a build does not need, plain when it fails.

dbt-duckdb loads this plugin as profiles.yml says. SQL of a model or of a rule can read the landing
folder, but no other file; Python models are code of the project and can do what Python can.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from tideline.warehouse.duckdb_file import close_off, open_file
from tideline.warehouse.errors import WarehouseError
from tideline.warehouse.paths import path_of

SEEDS = Path("seeds")


class Plugin(BasePlugin):
    """Opens the file in dbt's stead and closes the connection off."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """There is nothing to configure."""
        self._opened: duckdb.DuckDBPyConnection | None = None

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Open the file before dbt does, which would show an error of DuckDB as a traceback.

        dbt then shares what is open: within a process DuckDB opens a file once.
        """
        try:
            self._opened = open_file(creds.path, config)
        except WarehouseError as error:
            raise DbtRuntimeError(str(error)) from None

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Close off dbt's connection, and the one that it replaces.

        What the profile attaches is attached before; dbt would do so afterwards.
        """
        for attachment in (self.creds and self.creds.attach) or ():
            conn.execute(attachment.to_sql())
        close_off(conn, folders(), linked_files())
        if self._opened:
            self._opened.close()


def folders() -> list[Path]:
    """What a build reads and writes beside the warehouse; dbt runs in the folder of the project.

    The seeds are files of the project; broken landed files are mended in the temporary folder.
    """
    deployment = [path_of("TIDELINE_LANDING"), path_of("TIDELINE_DELIVERIES")]
    return [*deployment, SEEDS, Path(tempfile.gettempdir())]


def linked_files() -> list[Path]:
    """Files that stand in the landing folder or among the seeds as links."""
    places = [
        Path(folder, name)
        for root in (path_of("TIDELINE_LANDING"), SEEDS)
        for folder, _, names in os.walk(root)
        for name in names
    ]
    return [path for path in places if path.is_symlink() and path.is_file()]
