"""A separate fakesnow server, and a replacement for dbt's runs of Python models on it.

fakesnow runs Snowflake's SQL over HTTP, but has no stored procedures, with which dbt runs Python
models on Snowflake. Therefore the model's function is called here with a Snowpark session to the
server, and its result is written like dbt-snowflake does.
"""

import contextlib
import json
import runpy
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import snowflake.connector
from snowflake.snowpark import Session

DATABASE, SCHEMA = "ANALYTICS", "TIDELINE"  # as in profiles.yml
INTERNAL = f"{SCHEMA}_INTERNAL"
START_SECONDS = 60
# A Snowflake function that fakesnow does not have, as a DuckDB macro.
AS_ARRAY = """create function as_array(value) as from_json(value, '["JSON"]')"""
TYPES = {"b": "boolean", "i": "bigint", "u": "bigint", "f": "double", "M": "timestamp_ntz(6)"}


class FakesnowServer:
    """A new, empty Snowflake in a separate process; a context manager."""

    def __init__(self, log: Path):
        self.log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fakesnow", "--server", "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
            )
        try:
            self._wait()
            self.connection = snowflake.connector.connect(**self.parameters)
            self.execute(f"create database {DATABASE}")
            self.execute(f"create schema {DATABASE}.{INTERNAL}")
            self.execute(f"create schema {DATABASE}.{SCHEMA}")
            self.execute(f"use schema {DATABASE}.{SCHEMA}")
            # It creates the function, but then cannot describe the result of the statement.
            with contextlib.suppress(snowflake.connector.errors.ProgrammingError):
                self.execute(AS_ARRAY)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(snowflake.connector.errors.Error):
            self.connection.close()
        self._stop()

    def _wait(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.1)
        raise RuntimeError(f"fakesnow does not answer on port {self.port}: {self.log.read_text()}")

    def _stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def parameters(self):
        return {
            "account": "fakesnow",
            "host": "127.0.0.1",
            "port": self.port,
            "protocol": "http",
            "user": "fake",
            "password": "snow",
            "network_timeout": 300,  # long statements are translated slowly
            "session_parameters": {"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
        }

    @property
    def environment(self):
        """The environment variables that profiles.yml reads."""
        return {"FAKESNOW_HOST": "127.0.0.1", "FAKESNOW_PORT": str(self.port)}

    def execute(self, sql, *values):
        """The rows of a statement; `%s` are placeholders of the values."""
        with self.connection.cursor() as cursor:
            return cursor.execute(sql, values or None).fetchall()

    def place(self, table):
        """The full name of a table of the project, public or internal; None if it is missing."""
        found = [
            schema
            for kind in ("tables", "views")  # `tables` does not include views on fakesnow
            for (schema,) in self.execute(
                f"select table_schema from {DATABASE}.information_schema.{kind} where "
                f"table_name = '{table.upper()}' and table_schema in ('{SCHEMA}', '{INTERNAL}')"
            )
        ]
        return f"{DATABASE}.{found[0]}.{table}" if found else None

    def append(self, name, frame, json_columns=(), schema=INTERNAL):
        """Append a pandas frame to a table, like `COPY INTO`; create the table on first use.

        The columns `json_columns` hold JSON as text and become VARIANT. The frame is sent as one
        JSON text, because the server needs seconds to parse a long `values`.
        """
        types = {name: TYPES.get(dtype.kind, "varchar") for name, dtype in frame.dtypes.items()}
        types |= dict.fromkeys(json_columns, "variant")
        table = f"{DATABASE}.{schema}.{name}"
        if not self.place(name):
            columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
            self.execute(f"create table {table} ({columns})")
        rows = frame.astype(object).itertuples(index=False, name=None)
        text = json.dumps([dict(zip(types, map(literal, row), strict=True)) for row in rows])
        cells = ", ".join(
            f"try_parse_json(value:{name}::varchar)"
            if kind == "variant"
            else f"cast(value:{name}::varchar as {kind})"
            for name, kind in types.items()
        )
        self.execute(
            f"insert into {table} ({', '.join(types)}) "
            f"select {cells} from table(flatten(input => parse_json(%s)))",
            text,
        )

    def run_python_model(self, node, root):
        """Run a Python model of the manifest and write its table, like dbt-snowflake.

        `node`: the model's entry in `manifest["nodes"]`. `root`: the project's folder.
        """
        name, config = node["name"], node["config"]
        table = f"{DATABASE}.{node['schema']}.{name}"
        incremental = config["materialized"] == "incremental" and bool(self.place(name))
        session = Session.builder.configs(
            self.parameters | {"database": DATABASE, "schema": SCHEMA}
        ).create()
        try:
            dbt = DbtStandIn(self, session, node, incremental)
            model = runpy.run_path(str(root / node["original_file_path"]))["model"]
            frame = model(dbt, session)
        finally:
            session.cancel_all = lambda: None  # fakesnow does not have its system function
            session.close()
        if not isinstance(frame, pd.DataFrame):
            frame = frame.to_pandas()
        lower = [column for column in frame.columns if column != column.upper()]
        if lower:
            raise AssertionError(
                f"{name} returns the columns {lower} to Snowflake, where a lower-case column of a "
                "pandas frame can only be read with quotes: upper-case them there."
            )
        if not incremental:
            self.execute(f"drop table if exists {table}")
        elif keys := config.get("unique_key"):
            keys = [key.upper() for key in ([keys] if isinstance(keys, str) else keys)]
            places = " and ".join(f"{key} = %s" for key in keys)
            for row in frame[keys].drop_duplicates().itertuples(index=False, name=None):
                self.execute(f"delete from {table} where {places}", *row)
        self.append(name, frame, schema=node["schema"])


class DbtStandIn:
    """The `dbt` object that dbt-snowflake generates around a Python model."""

    def __init__(self, server, session, node, is_incremental):
        self.config = ConfigStandIn(node["config"])
        self.is_incremental = is_incremental
        self.this = f"{DATABASE}.{node['schema']}.{node['name']}"
        self._server, self._session = server, session

    def ref(self, name):
        return self._session.table(self._server.place(name))


class ConfigStandIn:
    """`dbt.config`: a call declares settings, `get` and `meta_get` read them."""

    def __init__(self, config):
        self._config = config

    def __call__(self, **_):
        pass

    def get(self, key, default=None):
        return self._config.get(key, default)

    def meta_get(self, key, default=None):
        return self._config.get("meta", {}).get(key, default)


def literal(value):
    """A cell of a frame as a JSON value."""
    if pd.isna(value):
        return None
    return value.isoformat(" ") if isinstance(value, datetime) else value
