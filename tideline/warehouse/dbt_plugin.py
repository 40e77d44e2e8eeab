"""Restricts dbt's DuckDB connection to the files that a build needs, and shortens its errors.

dbt-duckdb loads this plugin as profiles.yml says. SQL of models and rules can read the project's
folders (`folders()`) and no other file. Python models are code of the project, without limits.
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
    """Opens the file before dbt does and restricts the connection."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Make dbt report Ctrl-C in one sentence. The plugin has no configuration."""
        self._opened: duckdb.DuckDBPyConnection | None = None
        for logger in get_event_manager().loggers:
            logger.filter = plain_interrupt(logger.filter)

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Open the file before dbt does, because dbt shows an error of DuckDB as a traceback.

        dbt then shares the open file: DuckDB opens a file only once per process.
        """
        try:
            self._opened = open_file(creds.path, config)
        except WarehouseError as error:
            raise DbtRuntimeError(str(error)) from None

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Restrict dbt's connection, and close the one that was opened first.

        The databases of the profile are attached here, because dbt attaches them too late.
        """
        for attachment in (self.creds and self.creds.attach) or ():
            conn.execute(attachment.to_sql())
        close_off(conn, folders(), linked_files())
        if self._opened:
            self._opened.close()


def plain_interrupt(is_told: Callable[[EventMsg], bool]) -> Callable[[EventMsg], bool]:
    """Wrap the filter of a dbt logger: Ctrl-C is logged as one sentence, without a traceback.

    dbt logs the traceback while it handles the exception. Other messages are not changed.
    """

    def is_told_plainly(message: EventMsg) -> bool:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, stop)  # only the main thread may set a handler
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            if message.info.name == "MainEncounteredError":
                message.info.msg = INTERRUPTED  # type: ignore[attr-defined]  # of protobuf
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # until each logger has written it
            if message.info.name == "MainStackTrace":  # dbt's next message
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                return False
        return is_told(message)

    return is_told_plainly


def stop(*_: object) -> NoReturn:
    """On the first Ctrl-C, let dbt cancel its queries and clean up; the next one exits at once."""
    signal.signal(signal.SIGINT, stop_at_once)
    raise KeyboardInterrupt


def stop_at_once(*_: object) -> NoReturn:
    """Exit at once, without cleaning up: DuckDB keeps only what was committed."""
    os.write(sys.stderr.fileno(), f"{INTERRUPTED}\n".encode())
    os._exit(INTERRUPTED_CODE)


def folders() -> list[Path]:
    """The folders that a build reads and writes besides the warehouse's own.

    dbt runs in the project's folder, so the seeds are a relative path. Broken landed files are
    repaired in the temporary folder.
    """
    deployment = [path_of("TIDELINE_LANDING"), path_of("TIDELINE_DELIVERIES")]
    return [*deployment, SEEDS, Path(tempfile.gettempdir())]


def linked_files() -> list[Path]:
    """The files that are symbolic links in the landing folder or among the seeds."""
    places = [
        Path(folder, name)
        for root in (path_of("TIDELINE_LANDING"), SEEDS)
        for folder, _, names in os.walk(root)
        for name in names
    ]
    return [path for path in places if path.is_symlink() and path.is_file()]
