"""Opens a DuckDB file, explains in one sentence why it cannot, and restricts a connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tideline.warehouse.errors import WarehouseError

CLOSED = {
    "global TimeZone": "'UTC'",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    # `raw_messages` changes this setting to read files in parallel; it gives access to nothing.
    "allowed_configs": "['preserve_insertion_order']",
    "lock_configuration": "true",  # the last one: no setting can be changed afterwards
}


def open_file(
    path: Path | str, config: Mapping[str, Any] | None = None, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open a file; create it if it is missing. Raises WarehouseError that says what to do."""
    try:
        return duckdb.connect(str(path), read_only=read_only, config=dict(config or {}))
    except duckdb.Error as error:
        raise WarehouseError(reason(path, error)) from None


def only_row(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple:
    """The row of a query that always returns exactly one, such as a count."""
    (row,) = con.execute(sql, list(parameters)).fetchall()
    return row


def reason(path: Path | str, error: duckdb.Error) -> str:
    """Why a file could not be opened, and what to do, in one sentence."""
    text = str(error)
    if "Conflicting lock" in text:
        return (
            f"the warehouse {path} is in use by another process{holder(text)}; DuckDB lets either "
            "one process write or several read, so wait until it has ended, or end it, and run "
            "this again"
        )
    if re.search("Permission denied|Read-only file system|Operation not permitted", text):
        return (
            f"the warehouse {path} cannot be written here; give this user the right to write the "
            "file and its folder, or set TIDELINE_WAREHOUSE to another file"
        )
    if "Cannot open file" in text and not Path(path).parent.is_dir():
        return f"the folder {Path(path).parent} of the warehouse does not exist; make it"
    return f"the warehouse {path} cannot be opened: {text.splitlines()[0]}"


def holder(text: str) -> str:
    """The process that holds a lock, read from DuckDB's message: its id and command name.

    The arguments of the command are left out, as they may be secret or personal.
    """
    found = re.search(r"held in (\S+) \(PID (\d+)\)", text)
    if not found:
        return ""
    program, pid = found.groups()
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # not Linux, or the process has just ended
        words = [program]
    return f" (PID {pid}, {command_name(words)})"


def command_name(words: list[str]) -> str:
    """The name of a command: `dbt` for `/usr/bin/python3 /opt/venv/bin/dbt build --vars ...`."""
    program, *arguments = words
    if Path(program).name.startswith("python"):
        match arguments:
            case ["-m", "tideline", *rest]:
                program, arguments = "tideline", rest
            case ["-m", module, *_]:
                return f"python -m {module}"
            case [script, *rest] if script and not script.startswith("-"):
                program, arguments = script, rest
    name = Path(program).name
    is_ours = name == "tideline" and arguments and arguments[0].isalpha()
    return f"{name} {arguments[0]}" if is_ours else name


def close_off(
    connection: duckdb.DuckDBPyConnection, folders: Iterable[Path], files: Iterable[Path] = ()
) -> None:
    """Restrict a connection to its own file, these folders and these files; set its zone to UTC.

    This cannot be undone. All connections of a process to the file share these settings, so only
    the first call has an effect.
    """
    if connection.execute("select current_setting('lock_configuration')").fetchall()[0][0]:
        return
    connection.execute(f"set allowed_directories = {quoted(folders)}")
    connection.execute(f"set allowed_paths = {quoted(files)}")
    for name, value in CLOSED.items():
        connection.execute(f"set {name} = {value}")


def quoted(paths: Iterable[Path]) -> str:
    """Paths as an SQL list, with links resolved, because DuckDB resolves links before it compares.

    Each path is also listed as a glob pattern with its special characters escaped, as queries
    write it. Paths that are not UTF-8 are left out: DuckDB cannot open them.
    """
    names = [name for path in paths if "\\udc" not in ascii(name := str(path.resolve()))]
    names += [re.sub(r"([\[\]*?])", r"[\1]", name) for name in names]
    texts = ("'" + name.replace("'", "''") + "'" for name in dict.fromkeys(names))
    return f"[{', '.join(texts)}]"
