"""One small interface to the warehouse, for DuckDB and Snowflake.

SQL written against it is portable; methods here hide the few differences between the engines.
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import duckdb
import pyarrow as pa

from tideline.text import nearest
from tideline.warehouse.duckdb_file import close_off, open_file
from tideline.warehouse.errors import WarehouseError
from tideline.warehouse.paths import path_of

Kind = Literal["json", "timestamp", "zoned_timestamp", "date", "float", "other"]
LEASE_SECONDS = 600
INTERNAL = "_internal"  # suffix of the schema with the internal tables


class Warehouse(ABC):
    """A connection to the warehouse; a context manager that closes it at the end."""

    schema: str
    place: Path | str  # the file, or database and schema

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple]:
        """All rows of a select with bound `?` parameters."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement with bound `?` parameters; returns the number of rows changed."""

    @abstractmethod
    def insert(self, table: str, rows: Mapping[str, Sequence[Any]]) -> None:
        """Insert rows in bulk; `rows` maps each column to its values, at least one."""

    @abstractmethod
    def columns(self, table: str) -> dict[str, Kind]:
        """The columns of a table in order, lower case. Raises WarehouseError if it is missing."""

    @abstractmethod
    def exists(self, schema: str, table: str) -> bool:
        """Whether the table or view exists."""

    @abstractmethod
    def tables(self, schema: str) -> list[str]:
        """The names of the tables and views of a schema, in lower case."""

    @abstractmethod
    def relation(self, schema: str, table: str) -> str:
        """The full quoted name of a table."""

    @abstractmethod
    def identifier(self, column: str) -> str:
        """The quoted name of a column given in lower case."""

    @abstractmethod
    def json_of(self, column: str, kind: Kind) -> str:
        """SQL of a column's value as JSON text; timestamps in ISO 8601, UTC; null stays null."""

    @abstractmethod
    def sha256(self, sql: str) -> str:
        """SQL of the SHA-256 of a text, in hexadecimal."""

    @abstractmethod
    def create_table(
        self, table: str, description: str, columns: Mapping[str, tuple[str, str]]
    ) -> None:
        """Create a table in `schema`; `columns` maps names to type and description."""

    @abstractmethod
    def create_view(
        self, view: str, description: str, columns: Mapping[str, tuple[str, str]], sql: str
    ) -> None:
        """Create a view of a select in `schema`; `columns` maps names to type and description."""

    @abstractmethod
    def add_column(self, table: str, column: str, kind: str, description: str) -> None:
        """Add an empty column to a table in `schema`."""

    @abstractmethod
    def lock(self) -> Any:
        """A context manager that keeps other syncs out. Raises WarehouseError if one is running."""

    @abstractmethod
    def renew_lock(self) -> None:
        """Keep the lock for longer. Raises WarehouseError if another process has taken it."""

    @abstractmethod
    def rewrite(self) -> None:
        """Remove the bytes of deleted rows from the storage; closes the connection."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    def table(self, name: str) -> str:
        """The full quoted name of a table of the project, public or internal."""
        is_internal = name in self._internal_tables
        return self.relation(self.schema + INTERNAL if is_internal else self.schema, name)

    def has(self, name: str) -> bool:
        """Whether a table of the project, public or internal, exists."""
        return name in self._internal_tables or self.exists(self.schema, name)

    @cached_property
    def _internal_tables(self) -> frozenset[str]:
        """The tables of the internal schema, read once: nobody else writes meanwhile."""
        return frozenset(self.tables(self.schema + INTERNAL))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A context manager: commits the statements inside, or rolls them back on an error."""
        self.execute("begin")
        try:
            yield
        except BaseException:
            self.execute("rollback")
            raise
        self.execute("commit")

    def __enter__(self) -> Warehouse:
        """The warehouse itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()


class DuckDBWarehouse(Warehouse):
    """A DuckDB file. DuckDB lets only one process write at a time."""

    _running: ClassVar[dict[Path, threading.Lock]] = {}  # threads of one process share the file

    def __init__(self, path: Path, schema: str = "tideline", read_only: bool = False) -> None:
        """Open the file. Raises WarehouseError if it is missing or in use."""
        self.schema = schema
        self.place = path.resolve()
        self._path = path
        self._turn = self._running.setdefault(path.resolve(), threading.Lock())
        self._frame = f"frame_{uuid.uuid4().hex}"
        if not path.is_file():
            raise WarehouseError(
                f"there is no warehouse at {path}; run `dbt build` to make it, or set "
                "TIDELINE_WAREHOUSE to the DuckDB file"
            )
        self._connection = open_file(path, read_only=read_only)
        # Where `rewrite` and a publication put the new file.
        close_off(self._connection, [path.parent, path.resolve().parent])
        self._database = self.query("select current_database()")[0][0]

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple]:  # noqa: D102
        return self._connection.execute(sql, list(parameters)).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        changed = self._connection.execute(sql, list(parameters)).fetchone()
        return changed[0] if changed and isinstance(changed[0], int) else 0

    def insert(self, table: str, rows: Mapping[str, Sequence[Any]]) -> None:  # noqa: D102
        names = ", ".join(rows)
        self._connection.register(self._frame, pa.table(dict(rows)))
        try:
            self._connection.execute(
                f"insert into {table} ({names}) select {names} from {self._frame}"
            )
        finally:
            self._connection.unregister(self._frame)

    def columns(self, table: str) -> dict[str, Kind]:  # noqa: D102
        try:
            described = self.query(f"describe {table}")
        except duckdb.CatalogException:
            raise _missing(table) from None
        return {name.lower(): _duckdb_kind(kind) for name, kind, *_ in described}

    def exists(self, schema: str, table: str) -> bool:  # noqa: D102
        return bool(
            self.query(
                "select 1 from information_schema.tables where table_catalog = ? "
                "and lower(table_schema) = lower(?) and lower(table_name) = lower(?)",
                [self._database, schema, table],
            )
        )

    def tables(self, schema: str) -> list[str]:  # noqa: D102
        found = self.query(
            "select lower(table_name) from information_schema.tables where table_catalog = ? "
            "and lower(table_schema) = lower(?)",
            [self._database, schema],
        )
        return [name for (name,) in found]

    def relation(self, schema: str, table: str) -> str:  # noqa: D102
        # With the database: if the file is named like the schema, `tideline.x` is ambiguous.
        return f'"{self._database}"."{schema}".{self.identifier(table)}'

    def identifier(self, column: str) -> str:  # noqa: D102
        return '"' + column.replace('"', '""') + '"'

    def json_of(self, column: str, kind: Kind) -> str:  # noqa: D102
        match kind:
            case "json":
                return f"cast({column} as varchar)"
            case "timestamp" | "zoned_timestamp":  # the session's zone is UTC
                instant = f"cast({column} as timestamp)"
                return f"'\"' || strftime({instant}, '%Y-%m-%dT%H:%M:%S.%fZ') || '\"'"
            case "float":  # JSON has no NaN
                return f"case when isfinite({column}) then cast(to_json({column}) as varchar) end"
            case _:
                return f"cast(to_json({column}) as varchar)"

    def sha256(self, sql: str) -> str:  # noqa: D102
        return f"sha256({sql})"

    def create_table(  # noqa: D102
        self, table: str, description: str, columns: Mapping[str, tuple[str, str]]
    ) -> None:
        name = self.table(table)
        declared = ", ".join(f"{column} {kind}" for column, (kind, _) in columns.items())
        with self.transaction():
            self.execute(f'create schema if not exists "{self._database}"."{self.schema}"')
            self.execute(f"create table if not exists {name} ({declared})")
            self.execute(f"comment on table {name} is {_literal(description)}")
            for column, (_, text) in columns.items():
                self.execute(f"comment on column {name}.{column} is {_literal(text)}")

    def create_view(  # noqa: D102
        self, view: str, description: str, columns: Mapping[str, tuple[str, str]], sql: str
    ) -> None:
        name = self.table(view)
        with self.transaction():
            self.execute(f"create view {name} as {sql}")
            self.execute(f"comment on view {name} is {_literal(description)}")
            for column, (_, text) in columns.items():
                self.execute(f"comment on column {name}.{column} is {_literal(text)}")

    def add_column(self, table: str, column: str, kind: str, description: str) -> None:  # noqa: D102
        name = self.table(table)
        with self.transaction():
            self.execute(f"alter table {name} add column {column} {kind}")
            self.execute(f"comment on column {name}.{column} is {_literal(description)}")

    @contextmanager
    def lock(self) -> Iterator[None]:  # noqa: D102
        if not self._turn.acquire(blocking=False):
            raise WarehouseError(
                "another sync is running in this process; run this again when it has ended"
            )
        try:
            yield
        finally:
            self._turn.release()

    def renew_lock(self) -> None:
        """Nothing to do: this process keeps the file locked until it ends."""

    def rewrite(self) -> None:
        """Copy all tables to a new file and replace this one with it.

        DuckDB frees the blocks of deleted rows without clearing them. The file stays locked until
        it is replaced, so that nobody writes to the old one meanwhile. Raises WarehouseError if the
        disk is full; the file is then unchanged.
        """
        copy = self._path.with_name(f"{self._path.name}.part")
        copy.unlink(missing_ok=True)
        try:
            self.execute(f"attach {_literal(str(copy))} as rewritten")
            self.execute(f'copy from database "{self._database}" to rewritten')
            self.execute("detach rewritten")  # flushes the new file
            self.execute("checkpoint")  # else the old file's log would be applied to the new one
            shutil.copymode(self._path, copy)
            copy.replace(self._path)
        except (duckdb.Error, OSError) as error:
            self.close()
            copy.unlink(missing_ok=True)
            raise WarehouseError(
                f"the warehouse {self._path} cannot be rewritten ({type(error).__name__}); its "
                "disk needs free space of the size of the file. Make room and run this again"
            ) from None
        self.close()

    def close(self) -> None:  # noqa: D102
        self._connection.close()


class SnowflakeWarehouse(Warehouse):
    """A schema on Snowflake or a fakesnow server. A lease row keeps other syncs out."""

    def __init__(self, connection: Any, database: str, schema: str) -> None:
        """Use an open connection with `paramstyle` `qmark`."""
        self._connection = connection
        self._database = database
        self.schema = schema
        self.place = f"{database}.{schema}"
        self._holder = uuid.uuid4().hex

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple]:  # noqa: D102
        with self._connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql, tuple(parameters) or None).fetchall()]

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        with self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(parameters) or None)
            return cursor.rowcount or 0

    def insert(self, table: str, rows: Mapping[str, Sequence[Any]]) -> None:  # noqa: D102
        with self._connection.cursor() as cursor:
            cursor.executemany(
                f"insert into {table} ({', '.join(rows)}) values ({', '.join('?' for _ in rows)})",
                list(zip(*rows.values(), strict=True)),
            )

    def columns(self, table: str) -> dict[str, Kind]:  # noqa: D102
        from snowflake.connector import ProgrammingError

        try:
            described = self.query(f"describe table {table}")
        except ProgrammingError:
            raise _missing(table) from None
        return {row[0].lower(): _snowflake_kind(row[1]) for row in described}

    def exists(self, schema: str, table: str) -> bool:  # noqa: D102
        return bool(
            self.query(
                f'select 1 from "{self._database}".information_schema.tables '
                "where table_schema = ? and table_name = ?",
                [schema.upper(), table.upper()],
            )
        )

    def tables(self, schema: str) -> list[str]:  # noqa: D102
        place = f'"{self._database}".information_schema'
        found = self.query(  # Snowflake lists views in both, fakesnow in one
            f"select lower(table_name) from {place}.tables where table_schema = ? "
            f"union select lower(table_name) from {place}.views where table_schema = ?",
            [schema.upper()] * 2,
        )
        return [name for (name,) in found]

    def relation(self, schema: str, table: str) -> str:  # noqa: D102
        return f'"{self._database}"."{schema.upper()}"."{table.upper()}"'

    def identifier(self, column: str) -> str:  # noqa: D102
        return f'"{column.upper()}"'

    def json_of(self, column: str, kind: Kind) -> str:  # noqa: D102
        match kind:
            case "json":
                return f"to_json({column})"
            case "timestamp" | "zoned_timestamp":
                if kind == "zoned_timestamp":
                    column = f"convert_timezone('UTC', {column})"
                text = f"to_varchar({column}, 'YYYY-MM-DD HH24:MI:SS.FF6')"
                return f"'\"' || replace({text}, ' ', 'T') || 'Z\"'"
            case "date":
                return f"'\"' || to_varchar({column}, 'YYYY-MM-DD') || '\"'"
            case "float":  # JSON has no NaN
                odd = "('NaN'::float, 'inf'::float, '-inf'::float)"
                return f"to_json(to_variant(case when {column} not in {odd} then {column} end))"
            case _:
                return f"to_json(to_variant({column}))"

    def sha256(self, sql: str) -> str:  # noqa: D102
        return f"sha2({sql}, 256)"

    def create_table(  # noqa: D102
        self, table: str, description: str, columns: Mapping[str, tuple[str, str]]
    ) -> None:
        declared = ", ".join(
            f"{column} {kind} comment {_literal(text)}" for column, (kind, text) in columns.items()
        )
        self.execute(
            f"create table if not exists {self.table(table)} ({declared}) "
            f"comment = {_literal(description)}"
        )

    def create_view(  # noqa: D102
        self, view: str, description: str, columns: Mapping[str, tuple[str, str]], sql: str
    ) -> None:
        declared = ", ".join(
            f"{column} comment {_literal(text)}" for column, (_, text) in columns.items()
        )
        self.execute(
            f"create view if not exists {self.table(view)} ({declared}) "
            f"comment = {_literal(description)} as {sql}"
        )

    def add_column(self, table: str, column: str, kind: str, description: str) -> None:  # noqa: D102
        self.execute(
            f"alter table {self.table(table)} add column {column} {kind} "
            f"comment {_literal(description)}"
        )

    @contextmanager
    def lock(self) -> Iterator[None]:  # noqa: D102
        lease = self.table("activation_lease")
        if not self.exists(self.schema, "activation_lease"):
            self.create_table(
                "activation_lease",
                "One row: the process that may run syncs. The lease lasts ten minutes unless "
                "renewed.",
                {
                    "holder": ("varchar", "Random id of the process that holds the lease."),
                    "expires_at": ("timestamp", "When the lease ends unless renewed (UTC)."),
                },
            )
        self.execute(
            f"insert into {lease} (holder, expires_at) "
            f"select 'nobody', sysdate() where not exists (select 1 from {lease})"
        )
        # An update waits for a concurrent one and then sees its result: only one succeeds.
        self.execute(
            f"update {lease} set holder = ?, expires_at = dateadd(second, {LEASE_SECONDS}, "
            "sysdate()) where expires_at <= sysdate()",
            [self._holder],
        )
        holders = self.query(f"select holder, expires_at from {lease}")
        if any(holder != self._holder for holder, _ in holders):
            raise WarehouseError(
                f"another sync is running on this warehouse (its lease lasts until "
                f"{max(until for _, until in holders)} UTC); run this again when it has ended. "
                "A killed sync loses its lease by then"
            )
        try:
            yield
        finally:
            self.execute(
                f"update {lease} set holder = 'nobody', expires_at = sysdate() where holder = ?",
                [self._holder],
            )

    def renew_lock(self) -> None:  # noqa: D102
        self.execute(
            f"update {self.table('activation_lease')} set expires_at = "
            f"dateadd(second, {LEASE_SECONDS}, sysdate()) where holder = ?",
            [self._holder],
        )
        held = self.query(
            f"select count(*) from {self.table('activation_lease')} where holder = ?",
            [self._holder],
        )
        if not held[0][0]:
            raise WarehouseError(
                "this sync has lost its lease to another one (it made no progress for more than "
                f"{LEASE_SECONDS // 60} minutes) and stops; run it again when the other has ended"
            )

    def rewrite(self) -> None:
        """Only close: Snowflake removes deleted rows when Time Travel and Fail-safe end."""
        self.close()

    def close(self) -> None:  # noqa: D102
        self._connection.close()


def open_warehouse(
    environment: Mapping[str, str] = os.environ, read_only: bool = False
) -> Warehouse:
    """Open the warehouse that dbt writes, as `DBT_TARGET` and the variables of profiles.yml say.

    With `read_only`, several processes can open a DuckDB file at once, also without write
    permission. Raises WarehouseError if it is missing, in use or refuses the connection.
    """
    target = environment.get("DBT_TARGET") or "duckdb"
    match target:
        case "duckdb":
            return DuckDBWarehouse(path_of("TIDELINE_WAREHOUSE", environment), read_only=read_only)
        case "fakesnow":
            settings: dict[str, Any] = {
                "account": "fakesnow",
                "host": environment.get("FAKESNOW_HOST") or "127.0.0.1",
                "port": int(environment.get("FAKESNOW_PORT") or 0),
                "protocol": "http",
                "user": "fake",
                "password": "snow",
                "database": "ANALYTICS",
                "schema": "TIDELINE",
            }
        case "snowflake":
            settings = _snowflake_settings(environment)
        case _:
            known = ("duckdb", "fakesnow", "snowflake")
            raise WarehouseError(f"DBT_TARGET is `{target}`; {nearest(target, known)}")
    import snowflake.connector

    try:
        connection = snowflake.connector.connect(
            **settings,
            paramstyle="qmark",
            session_parameters={"TIMEZONE": "UTC"},
            login_timeout=30,
            network_timeout=60,  # for retries of one request; a statement may take longer
        )
    except snowflake.connector.Error as error:
        raise WarehouseError(
            f"Snowflake account `{settings['account']}` refuses the connection: {error}"
        ) from error
    return SnowflakeWarehouse(connection, settings["database"].upper(), settings["schema"])


def _snowflake_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """The variables that profiles.yml reads, as arguments of the connector."""
    for name in ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_WAREHOUSE"):
        if not environment.get(name):
            raise WarehouseError(f"DBT_TARGET is snowflake, but {name} is not set")
    settings = {
        "account": environment["SNOWFLAKE_ACCOUNT"],
        "user": environment["SNOWFLAKE_USER"],
        "warehouse": environment["SNOWFLAKE_WAREHOUSE"],
        "role": environment.get("SNOWFLAKE_ROLE"),
        "database": environment.get("SNOWFLAKE_DATABASE") or "TIDELINE",
        "schema": environment.get("SNOWFLAKE_SCHEMA") or "TIDELINE",
        "private_key_file": environment.get("SNOWFLAKE_PRIVATE_KEY_PATH"),
        "private_key_file_pwd": environment.get("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
        "password": environment.get("SNOWFLAKE_PASSWORD"),
    }
    if settings["private_key_file"]:
        settings["authenticator"] = "SNOWFLAKE_JWT"
        settings.pop("password")
    return {name: value for name, value in settings.items() if value}


def _missing(table: str) -> WarehouseError:
    plain = table.rsplit(".", 1)[-1].strip('"').lower()
    return WarehouseError(
        f"there is no table {table}; run `dbt build --select +{plain}` to make it"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb_kind(name: str) -> Kind:
    if name in ("FLOAT", "DOUBLE"):
        return "float"
    if name in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return "zoned_timestamp"
    if name.startswith("TIMESTAMP") and "[" not in name:
        return "timestamp"
    kinds: dict[str, Kind] = {"JSON": "json", "DATE": "date"}
    return kinds.get(name, "other")


def _snowflake_kind(name: str) -> Kind:
    base = name.split("(")[0].upper()
    if base in ("FLOAT", "DOUBLE", "REAL"):
        return "float"
    if base in ("VARIANT", "OBJECT", "ARRAY"):
        return "json"
    if base in ("TIMESTAMP_TZ", "TIMESTAMP_LTZ"):
        return "zoned_timestamp"
    kinds: dict[str, Kind] = {"TIMESTAMP_NTZ": "timestamp", "DATE": "date"}
    return kinds.get(base, "other")
