"""A table that holds exactly the desired rows: one transaction per batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pg8000.exceptions import DatabaseError

from tideline.activation.destinations.api import check_timeout
from tideline.activation.destinations.postgres.address import address_of
from tideline.activation.destinations.postgres.failures import FailedError, answer_of
from tideline.activation.destinations.postgres.server import Run, Server
from tideline.activation.destinations.postgres.table import (
    LONGEST_NAME,
    TYPES,
    Owner,
    Table,
    rows_of,
)
from tideline.activation.destinations.protocol import (
    Capabilities,
    Draft,
    Match,
    Operation,
    Origin,
    Outcome,
)
from tideline.warehouse.errors import ActivationError, DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

NO_RIGHT = "42501"  # PostgreSQL's code


@dataclass(frozen=True, kw_only=True)
class PostgresOptions:
    """`url_env`: the name of the variable with the address of the database.

    `table`: the table to fill; without it, named like the sync. `schema`: its schema. `types`: the
    type of columns, one of `text`, `number`, `boolean`, `timestamp`, `jsonb`; a column that it
    does not name is text. `timeout_seconds`: limit of a transaction, from connecting to the commit.
    """

    url_env: str
    table: str | None = None
    schema: str = "public"
    types: dict | None = None
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check names, types and ranges."""
        for name in ("table", "schema"):
            _check_name(f"`{name}`", getattr(self, name))
        for column, kind in (self.types or {}).items():
            if kind not in TYPES:
                raise ValueError(
                    f"`types`: `{column}` is {kind!r}; there are: {', '.join(sorted(TYPES))}"
                )
        check_timeout(self.timeout_seconds)


class Postgres:
    """A table in a PostgreSQL database."""

    Options: ClassVar[type] = PostgresOptions
    default_batch_rows: ClassVar[int] = 5000
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="PostgreSQL",
        holds="a row of a table, which is created if it does not exist",
        delivery="set",
        removal="the row is deleted",
        tried_against="a PostgreSQL server, with kills around each commit",
        page="postgres",
    )

    def __init__(
        self, server: Server, table: Table, columns: tuple[str, ...] | None, database: str
    ) -> None:
        """`columns`: those after the key; None takes those of the rows. `database`: its place."""
        self._server = server
        self._table = table
        self._columns = columns
        self.where = f"{database}, {table.schema}.{table.name}"

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Postgres:
        """Read the address. The table is looked at with the first statement.

        Raises NotConfigured if the address is not set, DeclarationError if it is wrong.
        """
        options, settings = sync.options, sync.settings
        try:
            for column in (*settings.key, *(settings.columns or ())):
                _check_name("a column", column)
            _check_name("the name of the sync, which is that of the table,", sync.name)
        except ValueError as error:
            raise DeclarationError(f"sync `{sync.name}`: {error}") from None
        address = address_of(environment, options.url_env, sync.name)
        place = origin.place.resolve() if isinstance(origin.place, Path) else origin.place
        owner = Owner(sync.name, origin.warehouse_id, str(place))
        name, types = options.table or sync.name, options.types or {}
        table = Table(options.schema, name, settings.key, types, owner)
        server = Server(address, options.url_env, options.timeout_seconds)
        return cls(server, table, settings.columns, address.place)

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """Empty the table if it has another number of rows than expected.

        Raises ActivationError if a person must act, or if it is not known whether it was emptied. A
        server that cannot be reached is left to `send`.
        """
        rows = sum(expected.values())
        is_emptied = False
        try:
            with self._server.transaction() as run:
                if not self._table.exists(run):
                    return [""] if rows else []
                if problem := self._table.problem_of_owner(run):
                    raise ActivationError(problem)
                run(self._table.lock())
                if run(self._table.count())[0][0] == rows:
                    return []
                run(self._table.empty())
                is_emptied = True
        except FailedError as error:
            if error.outcome.fate == "busy" or (error.outcome.fate == "unknown" and not is_emptied):
                return []
            raise ActivationError(f"{self.where}: {error.outcome.reason}") from None
        return [""]

    def drafts(self, batch: Sequence[Operation], most: int) -> list[Draft]:
        """The statements that delete and upsert, with their rows."""
        removes = [each for each in batch if each.op == "remove"]
        others = [each for each in batch if each.op != "remove"]
        found = []
        if removes:
            found.append(Draft(self._table.delete(), [each.key for each in removes]))
        if others:
            statement = self._table.upsert(self._names(others[0].row))
            found.append(Draft(statement, [each.key | each.row for each in others]))
        return found[:most]

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Apply the batch in one transaction, so all of its rows have the same outcome."""
        try:
            with self._server.transaction() as run:
                self._apply(run, batch)
        except FailedError as error:
            return [error.outcome] * len(batch)
        return [Outcome("accepted")] * len(batch)

    def read_back(self, batch: Sequence[Operation]) -> list[Match | Outcome]:
        """Compare rows in the server, so that its types decide what is equal."""
        try:
            columns = self._columns_of(batch[0].row)
            with self._server.transaction() as run:
                if not self._table.exists(run):
                    return ["missing"] * len(batch)
                problem = self._table.problem_of_owner(run)
                if problem := problem or self._table.problem_of_columns(run, columns):
                    raise FailedError(Outcome("held", problem))
                found = run(self._table.compare(columns), rows=rows_of(batch))
        except FailedError as error:
            return [error.outcome] * len(batch)
        matches: dict[bool | None, Match] = {None: "missing", True: "equal", False: "different"}
        return [matches[same] for (same,) in found]

    def _apply(self, run: Run, batch: Sequence[Operation]) -> None:
        """Raises FailedError if the table cannot take the rows."""
        removes = [each for each in batch if each.op == "remove"]
        others = [each for each in batch if each.op != "remove"]
        columns = self._columns_of(others[0].row) if others else None
        if not self._table.exists(run):
            if columns is None:
                return  # nothing is there to remove
            self._create(run, columns)
        problem = self._table.problem_of_owner(run)
        if columns is not None:
            problem = problem or self._table.problem_of_columns(run, columns)
        if problem:
            raise FailedError(Outcome("held", problem))
        run(self._table.lock())
        if removes:
            run(self._table.delete(), rows=rows_of(removes))
        if columns is not None:
            run(self._table.upsert(columns), rows=rows_of(others))

    def _create(self, run: Run, columns: Sequence[str]) -> None:
        statements = self._table.create(columns)
        try:
            for statement in statements:
                run(statement)
        except DatabaseError as error:
            if answer_of(error).get("C") != NO_RIGHT:
                raise
            rights = self._table.rights()
            problem = (
                f"the table {self._table.full_name} is missing, and the user may not create it; "
                f"run there, with the user's name: {'; '.join([*statements, *rights])}"
            )
            raise FailedError(Outcome("held", problem)) from None

    def _columns_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """All columns of the table. Raises FailedError if `types` names another one."""
        columns = self._names(row)
        for each in self._table.types:
            if each not in columns:
                problem = f"`types` names the column `{each}`, which is not sent; remove it"
                raise FailedError(Outcome("held", problem))
        return columns

    def _names(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """All columns of the table, the key first."""
        key = self._table.key
        rest = tuple(row) if self._columns is None else self._columns
        return (*key, *(each for each in rest if each not in key))


def _check_name(what: str, name: str | None) -> None:
    """Raise ValueError unless PostgreSQL can hold the whole name."""
    if name is not None and not (0 < len(name.encode()) <= LONGEST_NAME and "\0" not in name):
        raise ValueError(f"{what} is {name!r}; PostgreSQL's names have 1 to {LONGEST_NAME} bytes")
