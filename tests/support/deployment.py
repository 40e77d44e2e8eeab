"""A separate deployment for a test, in a temporary folder, run by real processes."""

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.support import parsed, processes

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared"
STAGING = REPOSITORY / "models" / "staging"
SOURCES = {path.name for path in STAGING.iterdir() if path.is_dir()}
# The vars that switch every source on; the collector is never off.
ALL_ON = json.dumps({"sources": dict.fromkeys(sorted(SOURCES - {"collector"}), "landing")})
NO_TESTS = ("--exclude-resource-types", "test", "--exclude-resource-types", "unit_test")


class Deployment:
    """A landing folder, a warehouse and deliveries in one folder, run by real processes."""

    def __init__(self, folder):
        self.folder = folder
        self.variables = None  # the vars of dbt's last run
        self.parsed = folder / "target" / "partial_parse.msgpack"
        self.landing = folder / "landing"
        self.warehouse = folder / "warehouse" / "warehouse.duckdb"
        self.deliveries = folder / "deliveries"
        (self.landing / "events").mkdir(parents=True)
        self.warehouse.parent.mkdir()
        self.env = {
            **os.environ,
            "TIDELINE_LANDING": str(self.landing),
            "TIDELINE_WAREHOUSE": str(self.warehouse),
            "TIDELINE_DELIVERIES": str(self.deliveries),
            "DBT_TARGET": "duckdb",
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_LOG_LEVEL_FILE": "none",  # what is printed is enough
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",  # they need no data; test_demo runs them
            "NO_COLOR": "1",
        }
        self.env.pop("TIDELINE_WEBHOOK_URL", None)

    def run(self, *words, fails=False, **env):
        """Run a Python module; return its output. Fails if it ends in an unexpected way."""
        words = list(map(str, words))
        env = {**self.env, **env}
        code, output = processes.run(processes.module, *words, folder=REPOSITORY, env=env)
        assert (code != 0) == fails, f"{' '.join(words)}\n{output}"
        return output

    def reuse_parsed(self, variables):
        """Let dbt start with the project parsed with these vars by any deployment."""
        processes.start()
        shared = parsed.path(variables)
        if shared.exists() and variables != self.variables:
            self.parsed.parent.mkdir(exist_ok=True)
            shutil.copy(shared, self.parsed)
        self.variables = variables

    def dbt(self, *words, fails=False, variables="{}"):
        """Run a dbt command."""
        self.reuse_parsed(variables)
        output = self.run("dbt.cli.main", *words, "--vars", variables, fails=fails)
        if not fails and not parsed.path(variables).exists():
            parsed.share(self.parsed, variables)
        return output

    def build_up_to(self, *nodes, tested=False, variables="{}"):
        """Build these models or data tests, and everything they read.

        `tested`: also run each data test that needs nothing else. That doubles the time, and
        test_demo runs all of them.
        """
        tests = "buildable" if tested else "empty"
        words = ["build", "--indirect-selection", tests, "--select", *(f"+{n}" for n in nodes)]
        return self.dbt(*words, variables=variables)

    def sample(self, *words):
        """Land the sample business, or part of it."""
        truth = self.folder / "truth"
        return self.run("tideline", "sample", *words, "--truth", truth)

    def land(self, *words):
        """Land a log with `tideline land`."""
        return self.run("tideline", "land", *words)

    def activate(self, command="run", *words, fails=False, **env):
        """Run the syncs, or another command of `tideline activate`."""
        words = ["activate", command, *words, "--manifest", self.folder / "target/manifest.json"]
        return self.run("tideline", *words, fails=fails, **env)

    def query(self, sql):
        """The rows of a query; public and internal tables need no schema."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            found = connection.execute("select schema_name from duckdb_schemas()").fetchall()
            path = [name for (name,) in found if name in ("tideline", "tideline_internal")]
            connection.execute(f"set search_path = '{','.join(sorted(path))}'")
            return connection.execute(sql).fetchall()

    def value(self, sql):
        """The one value of a query."""
        return self.query(sql)[0][0]

    def frame(self, table):
        """A whole table as sorted rows."""
        return sorted(self.query(f"select * from {table}"), key=repr)


def shared_data(*parts):
    """A file of the real logs, which are not part of the project; skips the test without it."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return path
