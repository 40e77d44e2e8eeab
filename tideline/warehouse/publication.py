"""Publishes the public tables of a finished run, so that readers never meet a build.

DuckDB lets either one process write a file or several read it, so a reader of the warehouse would
make `dbt build` fail. In DuckDB the tables are copied to a second file, which replaces the former
one by a rename: a reader keeps the file that it has opened. In Snowflake, where readers block
nobody, a schema of views is for readers.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tideline.warehouse.clock import TICK, present_clock, wall_clock
from tideline.warehouse.connection import INTERNAL, DuckDBWarehouse, Warehouse
from tideline.warehouse.duckdb_file import holder
from tideline.warehouse.errors import WarehouseError

STORAGE = "v1.0.0"  # every DuckDB client since 1.0 reads it
SCHEMA = "_published"  # suffix of the schema of views in Snowflake
STATES = "unfinished_nodes"  # macros/project/unfinished_nodes.sql
SHOWN = 3  # unfinished nodes in an error
CAUSES = ("error", "fail", "started", "stale")  # statuses, the likeliest causes of others first
PART, REST_SECONDS = ".part-", 3600
COPY = "tideline_publication"  # the new file, in SQL
# A table about people with a data clock is of the last run, unless it keeps a history.
CLOCKED, OF_HISTORY = frozenset({"profile_id", "as_of"}), "dbt_valid_from"


@dataclass(frozen=True)
class Publication:
    """What was published: the place for readers, the number of tables, and the data clock."""

    place: Path | str
    tables: int
    as_of: datetime | None


def publish(warehouse: Warehouse, is_older_allowed: bool = False) -> Publication:
    """Publish the tables of the public schema as the last run left them.

    Raises WarehouseError, and leaves the former publication unchanged, if the last run has not
    finished or is as of another time than the present, or if the disk is full. A run as of the past
    is published if `is_older_allowed`.
    """
    names = sorted(warehouse.tables(warehouse.schema))
    as_of = clock_of(warehouse, names)
    check_finished(warehouse, names, as_of)
    check_present(warehouse, as_of, is_older_allowed)
    if not isinstance(warehouse, DuckDBWarehouse):
        return Publication(publish_views(warehouse, names), len(names), as_of)
    target = published_path(Path(warehouse.place))
    check_replaceable(target, warehouse.schema)
    publish_file(warehouse, names, target)
    return Publication(target, len(names), as_of)


def published_path(warehouse: Path) -> Path:
    """The file for readers, beside the warehouse: `published.duckdb`, or `<name>_published.duckdb`
    if the warehouse is not called `warehouse.duckdb`.
    """
    prefix = "" if warehouse.stem == "warehouse" else f"{warehouse.stem}_"
    return warehouse.with_name(f"{prefix}published{warehouse.suffix}")


def outdated_since(warehouse: Path) -> datetime | None:
    """The time of the publication (UTC) if the warehouse has changed since; None if it has not, or
    if nothing is published.
    """
    published = published_path(warehouse)
    if not published.is_file():
        return None
    at = published.stat().st_mtime
    # A small build is in the log alone.
    files = [file for file in (warehouse, log_of(warehouse)) if file.is_file()]
    return datetime.fromtimestamp(at, UTC) if any(f.stat().st_mtime > at for f in files) else None


def clock_of(warehouse: Warehouse, names: list[str]) -> datetime | None:
    """The data clock of the warehouse; None before the first event. Raises WarehouseError if
    nothing is built.
    """
    if "data_clock" not in names:
        raise WarehouseError(f"{warehouse.place} has no tables yet; run `dbt build`")
    found = warehouse.query(f"select as_of from {warehouse.table('data_clock')}")
    return found[0][0] if found else None


def check_finished(warehouse: Warehouse, names: list[str], as_of: datetime | None) -> None:
    """Raise WarehouseError if nodes of dbt are unfinished, or tables have another data clock."""
    if not warehouse.exists(warehouse.schema + INTERNAL, STATES):
        raise WarehouseError(
            "this warehouse does not say whether its last build has finished; run `dbt build`"
        )
    rows = warehouse.query(f"select node_id, status from {warehouse.table(STATES)} order by 1")
    rows.sort(key=lambda row: CAUSES.index(row[1]) if row[1] in CAUSES else len(CAUSES))
    if rows:
        named = ", ".join(f"{node.split('.')[2]} ({status})" for node, status in rows[:SHOWN])
        more = " and so on" if len(rows) > SHOWN else ""
        raise WarehouseError(
            f"the last build has not finished {len(rows)} of its nodes: {named}{more}. Readers "
            "would see a part of a run. Run `dbt build` until it succeeds, then publish"
        )
    for name in names:
        columns = warehouse.columns(warehouse.table(name)).keys()
        if not columns >= CLOCKED or OF_HISTORY in columns:
            continue
        (latest,) = warehouse.query(f"select max(as_of) from {warehouse.table(name)}")[0]
        if latest not in (None, as_of):
            raise WarehouseError(
                f"`{name}` is as of {latest} UTC, but the data clock is {as_of} UTC: a run has "
                "built a part of the graph. Run `dbt build`, or drop the table if no model makes "
                "it any more, then publish"
            )


def check_present(warehouse: Warehouse, as_of: datetime | None, is_older_allowed: bool) -> None:
    """Raise WarehouseError if the data clock was set by the var `as_of`: to the future or, unless
    `is_older_allowed`, to the past.
    """
    present = present_clock(warehouse)
    if as_of is None or present is None:
        return
    how = "Build without the var `as_of`, then publish"
    if as_of > max(present, wall_clock()):
        raise WarehouseError(f"the last build is as of {as_of} UTC, in the future. {how}")
    if as_of < present and not is_older_allowed:
        raise WarehouseError(
            f"the last build is as of {as_of} UTC, but events have arrived until {present - TICK} "
            f"UTC. {how}, or publish the past with --allow-older"
        )


def check_replaceable(target: Path, schema: str) -> None:
    """Raise WarehouseError if a file is a warehouse, or is open for writing."""
    if not target.exists():
        return
    if not target.is_file():
        raise WarehouseError(f"{target} is not a file; move it away")
    try:
        with duckdb.connect(str(target), read_only=True) as con:
            schemas = {
                name
                for (name,) in con.execute("select schema_name from duckdb_schemas()").fetchall()
            }
            if schema + INTERNAL in schemas:
                raise WarehouseError(
                    f"{target} is a warehouse, not a publication; give one of the two another name"
                )
    except duckdb.Error as error:
        if "Conflicting lock" in str(error):
            raise WarehouseError(
                f"a process has {target} open for writing{holder(str(error))}; end it, and open "
                "the file read-only"
            ) from None
        # Otherwise it is damaged, or of another program version, and is replaced.


def publish_file(warehouse: DuckDBWarehouse, names: list[str], target: Path) -> None:
    """Copy tables to a new file and rename it to `target`; nobody may write to it."""
    for former in parts_of(target):
        if time.time() - former.stat().st_mtime > REST_SECONDS:  # of a killed publication
            remove_database(former)
    part = target.with_name(f"{target.name}{PART}{os.getpid()}")
    mode = (target if target.exists() else Path(warehouse.place)).stat().st_mode & 0o777
    umask = os.umask(0o077)  # nobody else reads the unfinished file
    try:
        copy_tables(warehouse, names, part)
        part.chmod(mode & ~0o222)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        log_of(target).unlink(missing_ok=True)  # a client wrote to it; not for the new file
        part.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except (duckdb.Error, OSError) as error:
        warehouse.close()  # it holds the unfinished file
        remove_database(part)
        raise WarehouseError(
            f"{target} cannot be written: {str(error).splitlines()[0]}. The former publication is "
            "unchanged. The disk needs free space of about the size of the warehouse"
        ) from None
    finally:
        os.umask(umask)


def copy_tables(warehouse: DuckDBWarehouse, names: list[str], part: Path) -> None:
    """Copy tables and views, with their descriptions, to a new file."""
    place = str(part).replace("'", "''")
    warehouse.execute(f"attach '{place}' as {COPY} (storage_version '{STORAGE}', read_write)")
    warehouse.execute(f"create schema {COPY}.{warehouse.schema}")
    for name in names:
        warehouse.execute(
            f"create table {copied(warehouse, name)} as select * from {warehouse.table(name)}"
        )
    for statement in comments(warehouse):
        warehouse.execute(statement)
    warehouse.execute(f"detach {COPY}")  # writes all of it to the file


def copied(warehouse: DuckDBWarehouse, name: str) -> str:
    """The place of the copy of a table."""
    return f"{COPY}.{warehouse.schema}.{warehouse.identifier(name)}"


def comments(warehouse: DuckDBWarehouse) -> list[str]:
    """The descriptions of the public tables and columns, as statements for the publication."""
    own = "database_name = current_database() and schema_name = ? and comment is not null"
    tables = warehouse.query(
        f"select table_name, null, comment from duckdb_tables() where {own} "
        f"union all select view_name, null, comment from duckdb_views() where {own} "
        f"union all select table_name, column_name, comment from duckdb_columns() where {own}",
        [warehouse.schema] * 3,
    )
    found = []
    for name, column, comment in tables:
        place, text = copied(warehouse, name), comment.replace("'", "''")
        what = f"column {place}.{warehouse.identifier(column)}" if column else f"table {place}"
        found.append(f"comment on {what} is '{text}'")
    return found


def publish_views(warehouse: Warehouse, names: list[str]) -> str:
    """Make the views for readers in a schema of their own, and drop those of former tables."""
    schema = warehouse.schema + SCHEMA
    place = warehouse.relation(schema, "x").rsplit(".", 1)[0]
    warehouse.execute(f"create schema if not exists {place}")
    for name in set(warehouse.tables(schema)) - set(names):
        warehouse.execute(f"drop view if exists {warehouse.relation(schema, name)}")
    for name in names:
        warehouse.execute(
            f"create or replace view {warehouse.relation(schema, name)} "
            f"as select * from {warehouse.table(name)}"
        )
    return place


def remove_database(path: Path) -> None:
    """Remove a database file and its log, if they exist."""
    path.unlink(missing_ok=True)
    log_of(path).unlink(missing_ok=True)


def parts_of(target: Path) -> list[Path]:
    """The unfinished files of publications, which may be running."""
    paths = target.parent.glob(f"{glob.escape(target.name)}{PART}*")
    return [path for path in paths if path.suffix != ".wal"]


def log_of(path: Path) -> Path:
    """The write-ahead log of a database file."""
    return path.with_name(f"{path.name}.wal")
