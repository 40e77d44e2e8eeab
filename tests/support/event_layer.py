"""The event layer without starting dbt: the compiled SQL, run in a DuckDB of this process.

dbt builds the layer on two messages and compiles its incremental models twice, for a first run and
for a later one. The SQL of a later run contains its watermark as a literal. At compilation this is
a unique date, and each run replaces it with the watermark of its own table. Likewise, runs replace
the days that `int_event_counts` looks up before it counts them again, and the spans of time that
limit what other models read. The view `int_events_validated` is compiled for a warehouse that has
forgotten a person and reads contacts of Salesforce, whose rows may contain two facts. The models
are compiled with two removed files, of which one removal was noted.
"""

import json
import re
import sys
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.support import processes
from tests.support.deployment import NO_TESTS, REPOSITORY, Deployment

OVERLAP = 60  # minutes; the watermarks are compiled with it
ALLOWED = 3  # events of a stream per minute; low, so that bursts come and go often
VIEWS = ["fct_events", "events_duplicated", "events_quarantined", "data_clock", "traffic_bursts"]
# Incremental models in the order of their runs: watermark column and placeholder.
WATERMARKS = {
    "int_events_deduplicated": ("landed_at", datetime(2041, 1, 1, 1, 11, 11, 111111)),
    "int_busy_minutes": ("updated_at", datetime(2042, 2, 2, 2, 22, 22, 222222)),
    "int_event_counts": ("updated_at", datetime(2043, 3, 3, 3, 33, 33, 333333)),
}
SESSION_WATERMARKS = {
    "int_events_deduplicated": WATERMARKS["int_events_deduplicated"],
    "int_busy_minutes": WATERMARKS["int_busy_minutes"],
    "int_sessions": ("updated_at", datetime(2044, 4, 4, 4, 44, 44, 444444)),
}
# The days of the two messages, so that a run that touches them is compiled.
FIRST_DAY, LAST_DAY = "1998-01-03", "1998-02-05"
MESSAGES = [
    {"messageId": day, "type": "page", "anonymousId": "v", "timestamp": day}
    for day in (FIRST_DAY, LAST_DAY)
]


def _compile(names: list[str], variables: str) -> None:
    """Print the models compiled for a later run and for a first run, and their lookups."""
    from dbt.cli.main import dbtRunner

    lookups = []

    def note(event):
        if event.info.name == "SQLQuery":
            lookups.append([event.data.node_info.node_name, event.data.sql])

    words = ["compile", "--quiet", "--vars", variables, "--select", *names]
    compiled = []
    for more in ([], ["--full-refresh"]):
        done = dbtRunner(callbacks=[note] if not more else []).invoke([*words, *more])
        if not done.success:
            sys.exit(f"{done.exception}")
        compiled.append(
            {
                node.name: [
                    node.compiled_code,
                    node.config.unique_key,
                    [hook.sql for hook in node.config.post_hook],
                ]
                for node in (result.node for result in done.result.results)
                if node.resource_type == "model"
            }
        )
    print("COMPILED " + json.dumps([*compiled, lookups]), flush=True)


@dataclass(frozen=True)
class Model:
    """An incremental model as compiled by dbt."""

    name: str
    first: str  # the SQL of its first run
    later: str  # the SQL of a later run, with `stand_in` as the watermark
    unique_key: list[str]
    watermark: str  # the column
    stand_in: str
    post_hooks: list[str]
    lookups: dict[str, list]  # results by query, for the days or spans that a later run reads

    def broken(self, text: str, other: str) -> "Model":
        """The model with a text replaced; fails if the text is missing."""
        held = self.later + "".join(self.lookups)
        assert text in held, f"{self.name} no longer holds {text!r}"
        return replace(
            self,
            first=self.first.replace(text, other),
            later=self.later.replace(text, other),
            lookups={query.replace(text, other): gave for query, gave in self.lookups.items()},
        )


def compile_layer(
    folder: Path, watermarks: dict[str, tuple] = WATERMARKS, variables: str = ""
) -> tuple[Path, dict[str, Model]]:
    """Build the layer on two messages; return the warehouse and the compiled models."""
    deployment = Deployment(folder)
    (deployment.landing / "events" / "one.jsonl").write_text(
        "\n".join(json.dumps(message) for message in MESSAGES)
    )
    variables = (
        f"{{arrival_overlap_minutes: {OVERLAP}, sources: {{salesforce: landing}}, {variables}}}"
    )
    selected = [f"+{name}" for name in (*VIEWS, *watermarks)]
    deployment.dbt("build", *NO_TESTS, "--select", *selected, variables=variables)
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("set search_path = 'tideline,tideline_internal'")
        connection.execute(
            f"update traffic_rules set value = '{ALLOWED}' where part = 'events_per_minute'"
        )
        connection.execute("update int_events_deduplicated set updated_at = timestamp '2050-01-01'")
        for model, (column, stand_in) in watermarks.items():
            connection.execute(f"update {model} set {column} = ?", [stand_in])
        connection.execute("update landed_files set removed_at = timestamp '2050-01-01'")
        connection.execute(
            "insert into int_pending_removals (received_on, landed_on, removed_at) "
            f"values ('{FIRST_DAY}', '{LAST_DAY}', timestamp '2051-01-01')"
        )
        connection.execute(  # each type needs a join
            "delete from identifier_rules where id_type not in "
            "('user_id', 'anonymous_id', 'email', 'salesforce_id')"
        )
        connection.execute("insert into forgotten_identifiers (identifier_hash) values ('nobody')")
    names = ["int_events_validated", "int_pending_removals", *watermarks]
    code, output = processes.run(_compile, names, variables, folder=REPOSITORY, env=deployment.env)
    assert code == 0, output
    line = next(line for line in output.splitlines() if line.startswith("COMPILED "))
    later, first, lookups = json.loads(line.removeprefix("COMPILED "))
    with duckdb.connect(str(deployment.warehouse)) as connection:
        judged = first["int_events_validated"][0]
        connection.execute(
            f"create or replace view tideline_internal.int_events_validated as {judged}"
        )
    sql, *_ = later["int_pending_removals"]
    models = {
        "int_pending_removals": Model(
            "int_pending_removals", sql, sql, [], "removed_at", "", [], {}
        )
    }
    for name, (column, stand_in) in watermarks.items():
        literal = f"timestamp '{stand_in - timedelta(minutes=OVERLAP)}'"
        sql, key, hooks = later[name]
        hooks = [hook.replace("{{ this }}", name) for hook in hooks if "{{ this }}" in hook]
        looked = {
            query: deployment.query(query)
            for node, query in lookups
            if node == name and ("day_text" in query or "first_at" in query)
        }
        assert literal in sql + "".join(looked), (
            f"{name} does not look at {column} less the overlap"
        )
        keys = [key] if isinstance(key, str) else key
        models[name] = Model(name, first[name][0], sql, keys, column, literal, hooks, looked)
    return deployment.warehouse, models


def within(sql: str, gave: list[tuple], found: list[tuple]) -> str:
    """The SQL with the compiled span of time, if any, replaced by the found one."""
    first, last = (re.escape(f"timestamp '{instant}'") for instant in gave[0])
    span = re.compile(rf"(\S+) >= {first}\s+and \1 <= {last}")
    assert span.search(sql), "the span is no longer two literals"
    first, last = (f"timestamp '{instant}'" for instant in found[0]) if found else ("null", "null")
    return span.sub(rf"\1 >= {first} and \1 <= {last}", sql)


def with_days(sql: str, found: list[tuple]) -> str:
    """The SQL with the two compiled days replaced by these days."""
    days = [day for (day, *_) in found]
    listed = re.compile(f"date '{FIRST_DAY}',\\s+date '{LAST_DAY}'")
    assert listed.search(sql), "the days are no longer a list of literals"
    if not days:
        return f"select * from ({sql}) where false"
    sql = listed.sub(", ".join(f"date '{day}'" for day in days), sql)
    return sql.replace(FIRST_DAY, days[0]).replace(LAST_DAY, days[-1])


class EventLayer:
    """The tables of the event layer in memory."""

    def __init__(self, warehouse: Path, models: dict[str, Model], overlap: int = 0) -> None:
        """`overlap`: minutes before the newest arrival that a later run reads again."""
        self.models = models
        self.overlap = overlap
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'")
        self.catalog = catalog = warehouse.stem
        self.connection.execute(f"attach '{warehouse}' as built (read_only)")
        self.connection.execute(f"attach ':memory:' as {catalog}")
        self.connection.execute(f"copy from database built to {catalog}")
        self.connection.execute("detach built")
        self.connection.execute(
            f"set search_path = '{catalog}.tideline_internal,{catalog}.tideline'"
        )
        self.is_built = False
        self.clear()

    def clear(self) -> None:
        """Delete everything that has landed."""
        for table in ("raw_messages", "landed_files", "int_pending_removals"):
            self.connection.execute(f"truncate {table}")
        self.is_built = False

    def remove(self, files: Iterable[str], removed_at: datetime) -> None:
        """Delete the rows of files from the archive, as if their landing was replaced."""
        for file in files:
            self.connection.execute(
                "insert into landed_files (landed_file, removed_at) values (?, ?)",
                [file, removed_at],
            )
        self.delete_removed("raw_messages")

    def delete_removed(self, table: str) -> None:
        """Like the macro `delete_removed`, a post-hook of two models."""
        removed = {
            "raw_messages": "select landed_file from landed_files where removed_at is not null",
            "int_events_deduplicated": "select removed_file from int_pending_removals",
        }
        self.connection.execute(
            f"delete from {table} where exists "
            f"(from ({removed[table]}) as removed(file) where file = landed_file)"
        )

    def land(self, rows: list[dict]) -> None:
        """Insert rows into `raw_messages`; JSON as text, timestamps as datetimes or text."""
        columns = [name for name, *_ in self.query("describe raw_messages")]
        texts = {"landed_line": pa.int64(), "landed_at": pa.timestamp("us")}
        schema = pa.schema([(name, texts.get(name, pa.string())) for name in columns])
        self.connection.register("landing", pa.Table.from_pylist(rows, schema=schema))
        self.connection.execute("insert into raw_messages by name select * from landing")
        self.connection.unregister("landing")

    def run(self, full_refresh: bool = False, left_out: Container[str] = ()) -> None:
        """Run the incremental models as dbt does, except those in `left_out`.

        The view `int_events_validated` is read once, because planning it is slower than running it.
        """
        self.connection.execute("create or replace temp table judged as from int_events_validated")
        for model in self.models.values():
            if model.name in left_out:
                continue
            if model.name == "int_pending_removals":
                self.note_removals()
                continue
            if full_refresh or not self.is_built:
                self.connection.execute(
                    f"create or replace table {model.name} as {self.read_once(model.first)}"
                )
                continue
            seen = self.value(
                f"select coalesce(max({model.watermark}), timestamp '1970-01-01') "
                f"- interval '{self.overlap} minutes' from {model.name}"
            )
            sql = model.later.replace(model.stand_in, f"timestamp '{seen}'")
            for query, gave in model.lookups.items():
                found = self.query(query.replace(model.stand_in, f"timestamp '{seen}'"))
                sql = within(sql, gave, found) if "first_at" in query else with_days(sql, found)
            self.connection.execute(
                f"create or replace temp table arrived as {self.read_once(sql)}"
            )
            key = ", ".join(model.unique_key)
            self.connection.execute(
                f"delete from {model.name} where ({key}) in (select distinct {key} from arrived)"
            )
            self.connection.execute(f"insert into {model.name} by name select * from arrived")
            for hook in model.post_hooks:
                self.connection.execute(hook)
            if model.name == "int_events_deduplicated":
                self.delete_removed("int_events_deduplicated")
        self.empty_forgotten()
        self.is_built = True

    def note_removals(self) -> None:
        """Run `int_pending_removals` and its post-hook, the macro `delete_read_removals`."""
        if not self.is_built:
            return
        sql = self.models["int_pending_removals"].later
        self.connection.execute(f"insert into int_pending_removals by name {sql}")
        have_read = " and ".join(
            f"removed_at <= (select max(updated_at) from {reader}) "
            f"- interval '{self.overlap} minutes'"
            for reader in self.models.keys() - {"int_pending_removals", "int_events_deduplicated"}
        )
        self.connection.execute(f"delete from int_pending_removals where {have_read}")

    def empty_forgotten(self) -> None:
        """Like the macro `empty_forgotten`, a post-hook of `int_events_deduplicated`."""
        kept = ("landed_file", "landed_line", "landed_at", "source", "table_name", "problem")
        columns = [name for name, *_ in self.query("describe raw_messages") if name not in kept]
        self.connection.execute(
            f"update raw_messages set {', '.join(f'{name} = null' for name in columns)}, "
            "problem = 'forgotten' where (landed_file, landed_line) in "
            "(select landed_file, landed_line from int_events_deduplicated "
            "where reason = 'forgotten')"
        )

    def read_once(self, sql: str) -> str:
        """The SQL with the view replaced by the table."""
        return sql.replace(f'"{self.catalog}"."tideline_internal"."int_events_validated"', "judged")

    def query(self, sql: str) -> list[tuple]:
        """Rows of a query."""
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str) -> object:
        """The one value of a query."""
        return self.query(sql)[0][0]
