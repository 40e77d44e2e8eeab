"""The table of a sync: its SQL, its owner, and whether it is as declared.

The comment of the table names its owner. It is written in the transaction that creates the table,
so there is no table of ours without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tideline.activation.destinations.postgres.server import Run
from tideline.activation.destinations.protocol import Operation

# PostgreSQL's type for each type that a sync may declare.
TYPES = {
    "text": "text",
    "number": "numeric",
    "boolean": "boolean",
    "timestamp": "timestamp with time zone",
    "jsonb": "jsonb",
}
LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer names off
OWNER = "Filled by Tideline: "


@dataclass(frozen=True)
class Owner:
    """Who fills a table: a sync of a warehouse at a place."""

    sync: str
    warehouse_id: str
    place: str

    def comment(self) -> str:
        """The owner as the comment of the table."""
        return OWNER + json.dumps(vars(self), sort_keys=True)


@dataclass(frozen=True)
class Table:
    """A table, its key, and the type of each column that is not text."""

    schema: str
    name: str
    key: tuple[str, ...]
    types: Mapping[str, str]
    owner: Owner

    @property
    def full_name(self) -> str:
        """The quoted name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def exists(self, run: Run) -> bool:
        """Whether there is anything under the name."""
        return self._found(run) is not None

    def problem_of_owner(self, run: Run) -> str | None:
        """Why this sync may not write to the table; None if it may."""
        found = self._found(run)
        comment = found and found[1]
        if comment == self.owner.comment():
            return None
        try:
            other = Owner(**json.loads(str(comment).removeprefix(OWNER)))
        except (ValueError, TypeError):
            whose = "was not created by Tideline"
        else:
            whose = f"belongs to the sync `{other.sync}` of another warehouse"
            if other.warehouse_id == self.owner.warehouse_id:
                whose = f"belongs to the sync `{other.sync}`"
                if other.sync == self.owner.sync:
                    whose = (
                        f"belongs to the warehouse at {other.place}, of which this one, at "
                        f"{self.owner.place}, is a copy, or which was moved"
                    )
        return (
            f"the table {self.full_name} {whose}; name another one in `table`, or, if this sync "
            f"should replace its rows, run there: {self._comment()}"
        )

    def problem_of_columns(self, run: Run, columns: Sequence[str]) -> str | None:
        """How the table differs from the declaration; None if it does not."""
        found = run(
            "select attname, format_type(atttypid, null), coalesce(attnum = any(indkey), false) "
            "from pg_attribute left join pg_index on indrelid = attrelid and indisprimary "
            "where attrelid = cast(cast(:name as text) as regclass) "
            "and attnum > 0 and not attisdropped",
            name=self.full_name,
        )
        there = {name: (kind, is_key) for name, kind, is_key in found}
        wanted = {each: (self._type(each), each in self.key) for each in columns}
        differs = [
            *(f"lacks the column `{each}`" for each in wanted if each not in there),
            *(
                f"has the column `{each}`, which is not sent"
                for each in there
                if each not in wanted
            ),
            *(
                f"has the column `{each}` as {_described(there[each])}, not as "
                f"{_described(wanted[each])}"
                for each in wanted
                if each in there and there[each] != wanted[each]
            ),
        ]
        if not differs:
            return None
        return (
            f"the table {self.full_name} {', and '.join(differs)}; alter it, or drop it so that "
            "the next run creates and fills it"
        )

    def create(self, columns: Sequence[str]) -> list[str]:
        """The statements that create the table and name its owner."""
        of_columns = [f"{quoted(each)} {self._type(each)}" for each in columns]
        key = ", ".join(map(quoted, self.key))
        return [
            f"create table {self.full_name} ({', '.join(of_columns)}, primary key ({key}))",
            self._comment(),
        ]

    def rights(self) -> list[str]:
        """The statements that give a user the rights that a sync needs."""
        return [
            f"grant usage on schema {quoted(self.schema)} to ...",
            f"grant select, insert, update, delete on {self.full_name} to ...",
        ]

    def lock(self) -> str:
        """Wait until an earlier transaction of a sync has ended; readers do not wait."""
        return f"lock table {self.full_name} in share row exclusive mode"

    def count(self) -> str:
        """The number of rows."""
        return f"select count(*) from {self.full_name}"

    def empty(self) -> str:
        """Delete all rows."""
        return f"delete from {self.full_name}"

    def delete(self) -> str:
        """Delete the rows with the keys in `:rows`, as JSON."""
        same = " and ".join(f"held.{quoted(each)} = gone.{quoted(each)}" for each in self.key)
        return (
            f"delete from {self.full_name} as held using {self._rows('gone', self.key)} "
            f"where {same}"
        )

    def upsert(self, columns: Sequence[str]) -> str:
        """Insert or replace the rows in `:rows`, as JSON."""
        names = ", ".join(map(quoted, columns))
        others = [quoted(each) for each in columns if each not in self.key]
        values = ", ".join(f"{each} = excluded.{each}" for each in others)
        return (
            f"insert into {self.full_name} ({names}) "
            f"select {names} from {self._rows('wanted', columns)} "
            f"on conflict ({', '.join(map(quoted, self.key))}) "
            f"do {f'update set {values}' if others else 'nothing'}"
        )

    def compare(self, columns: Sequence[str]) -> str:
        """Whether the table has the same row for each in `:rows`, in order; null if it has none."""
        key = " and ".join(f"held.{quoted(each)} = wanted.{quoted(each)}" for each in self.key)
        same = " and ".join(
            f"held.{quoted(each)} is not distinct from wanted.{quoted(each)}" for each in columns
        )
        typed = ", ".join(f"{quoted(each)} {self._type(each)}" for each in columns)
        first = quoted(self.key[0])
        return (
            f"select case when held.{first} is not null then {same} end "
            "from jsonb_array_elements(cast(:rows as jsonb)) with ordinality as sent (line, place) "
            f"cross join lateral jsonb_to_record(sent.line) as wanted ({typed}) "
            f"left join {self.full_name} as held on {key} order by sent.place"
        )

    def _rows(self, alias: str, columns: Sequence[str]) -> str:
        """Bound JSON as rows: one value, whatever the number of rows."""
        typed = ", ".join(f"{quoted(each)} {self._type(each)}" for each in columns)
        return f"jsonb_to_recordset(cast(:rows as jsonb)) as {alias} ({typed})"

    def _found(self, run: Run) -> list[str | None] | None:
        """Kind and comment of what has the name; None if there is nothing."""
        found = run(
            "select relkind, obj_description(pg_class.oid, 'pg_class') from pg_class "
            "inner join pg_namespace on relnamespace = pg_namespace.oid "
            "where nspname = cast(:schema as text) and relname = cast(:name as text)",
            schema=self.schema,
            name=self.name,
        )
        return found[0] if found else None

    def _comment(self) -> str:
        comment = self.owner.comment().replace("'", "''")
        return f"comment on table {self.full_name} is '{comment}'"

    def _type(self, column: str) -> str:
        return TYPES[self.types.get(column, "text")]


def rows_of(batch: Sequence[Operation]) -> str:
    """The rows of operations as JSON; of removals, their keys."""
    return json.dumps([each.key | each.row for each in batch])


def quoted(name: str) -> str:
    """A name as an identifier."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _described(column: tuple[str, bool]) -> str:
    kind, is_key = column
    return f"{kind} of the primary key" if is_key else kind
