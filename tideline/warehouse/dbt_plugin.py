"""dbt's connection to DuckDB: closed to all that a build does not need, plain when it fails.

dbt-duckdb loads this plugin as profiles.yml says. SQL of a model or of a rule can read the landing
folder, but no other file; Python models are code of the project and can do what Python can.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.events.base_types import EventMsg
from dbt_common.events.event_manager_client import get_event_manager
from dbt_common.exceptions import DbtRuntimeError

from tideline.warehouse.duckdb_file import close_off, open_file
from tideline.warehouse.errors import INTERRUPTED_CODE, WarehouseError
from tideline.warehouse.paths import path_of

SEEDS = Path("seeds")
INTERRUPTED = "Interrupted. Nothing is half-written: run this again."


class Plugin(BasePlugin):
    """Opens the file in dbt's stead and closes the connection off."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """There is nothing to configure; what dbt says of Ctrl-C becomes one sentence."""
        self._opened: duckdb.DuckDBPyConnection | None = None
        for logger in get_event_manager().loggers:
            logger.filter = plain_interrupt(logger.filter)

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


def plain_interrupt(is_told: Callable[[EventMsg], bool]) -> Callable[[EventMsg], bool]:
    """The filter of one of dbt's logs, which of Ctrl-C tells a sentence and no traceback.

    dbt logs what has stopped it while it handles the exception; of all others it tells what it did.
    """

    def is_told_plainly(message: EventMsg) -> bool:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, stop)  # Python lets only the main thread say so
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            if message.info.name == "MainStackTrace":
                return False
            if message.info.name == "MainEncounteredError":
                message.info.msg = INTERRUPTED  # type: ignore[attr-defined]  # of protobuf
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is said
        return is_told(message)

    return is_told_plainly


def stop(*_: object) -> NoReturn:
    """At the first Ctrl-C let dbt cancel its queries and tidy up; the next one does not wait."""
    signal.signal(signal.SIGINT, stop_at_once)
    raise KeyboardInterrupt


def stop_at_once(*_: object) -> NoReturn:
    """End like a process that is killed: DuckDB keeps what was committed, and nothing else."""
    os.write(sys.stderr.fileno(), f"{INTERRUPTED}\n".encode())
    os._exit(INTERRUPTED_CODE)


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
