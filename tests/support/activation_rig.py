"""A rig for the activation tests: a warehouse file, declared syncs, a webhook server process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import requests

from tideline.activation.delivery import Pace
from tideline.activation.destinations import DESTINATIONS
from tideline.activation.destinations.files.claim import MARKER
from tideline.activation.engine import run_sync
from tideline.activation.verify import verify_sync
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.connection import DuckDBWarehouse

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "tests" / "support" / "webhook_server.py"
KEY = ["profile_id", "segment_name"]
COLUMNS = (
    "profile_id varchar, segment_name varchar, segment_label varchar, email varchar, "
    "score double, is_new boolean, entered_at timestamp, details json, as_of timestamp"
)
FILES = {"destination": "files", "key": KEY, "group_by": "segment_name", "guard_min_rows": 1000}
WEBHOOK = {
    "destination": "webhook",
    "key": KEY,
    "url_env": "TIDELINE_WEBHOOK_URL",
    "batch_rows": 5,
    "timeout_seconds": 5,
}


def member(profile, segment="vip", label="VIP", email=None, **others):
    """One desired row as a tuple in the order of COLUMNS."""
    row = {
        "profile_id": profile,
        "segment_name": segment,
        "segment_label": label,
        "email": email or f"{profile}@example.com",
        "score": 0.5,
        "is_new": True,
        "entered_at": "2026-11-01 10:00:00.25",
        "details": '{"b": 1, "a": [true, null]}',
        "as_of": "2026-11-19 00:00:00",
    }
    return tuple((row | others).values())


def members(count, **others):
    return [member(f"p{index:03}", **others) for index in range(count)]


class Rig:
    """A folder with a warehouse, a manifest and deliveries; syncs run in this process."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "warehouse.duckdb"
        self.manifest = self.folder / "manifest.json"
        self.deliveries = self.folder / "deliveries"
        self.environment = {"TIDELINE_DELIVERIES": str(self.deliveries)}
        self.waits = []
        self.desire([])

    def sql(self, sql, parameters=()):
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def desire(self, rows):
        """Create the table of desired rows, and the newest event behind them."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("create schema if not exists warehouse.tideline")
            table = "warehouse.tideline.activation_audiences"
            connection.execute(f"create or replace table {table} ({COLUMNS})")
            if rows:
                columns = zip(*rows, strict=True)
                frame = pa.table({f"c{i}": list(column) for i, column in enumerate(columns)})
                connection.register("frame", frame)
                connection.execute(f"insert into {table} select * from frame")
            connection.execute(
                "create schema if not exists warehouse.tideline_internal; "
                "create or replace table warehouse.tideline_internal.int_events_deduplicated as "
                f"select max(as_of) as received_at, 'valid' as status from {table}"
            )

    def declare(self, **syncs):
        self.manifest.write_text(json.dumps(manifest(**syncs)))

    def sync(self, name="s", **options):
        """Run one declared sync; its waits are recorded in `waits` and skipped."""
        sync = next(each for each in read_syncs(self.manifest, DESTINATIONS) if each.name == name)
        pace = Pace(sync.settings.rows_per_second, self.waits.append, lambda: 0.0, lambda: 1.0)
        with DuckDBWarehouse(self.path) as warehouse:
            result = run_sync(sync, warehouse, environment=self.environment, pace=pace, **options)
        self.check_sums()
        return result

    def verify(self, name="s"):
        """Compare what the destination of a sync holds with the ledger; waits are skipped."""
        sync = next(each for each in read_syncs(self.manifest, DESTINATIONS) if each.name == name)
        pace = Pace(sync.settings.rows_per_second, self.waits.append, lambda: 0.0, lambda: 1.0)
        with DuckDBWarehouse(self.path) as warehouse:
            return verify_sync(sync, warehouse, self.environment, pace)

    def check_sums(self):
        broken = self.sql(
            "select * from warehouse.tideline.activation_runs "
            "where planned <> accepted + rejected + held + unknown "
            "or planned <> adds + updates + removes + resends"
        )
        assert not broken

    def files(self, name="s"):
        """The files of a sync's folder, without the marker."""
        names = sorted(path.name for path in (self.deliveries / name).iterdir())
        assert MARKER in names
        return [name for name in names if name != MARKER]

    def last_run(self, column):
        query = f"select {column} from warehouse.tideline.activation_runs order by started_at desc"
        return self.sql(query)[0][0]

    def command(self, *arguments, prelude="", environment=None):
        """Run the real command line in a new process; without arguments it runs the syncs.

        `prelude` is code that runs before it.
        """
        code = f"{prelude}\nimport sys\nfrom tideline.activation.command import main\n"
        start = ["-c", code + "sys.exit(main(sys.argv[1:]))"] if prelude else ["-m", *MODULE]
        return subprocess.Popen(
            [sys.executable, "-B", *start, *(arguments or ["run"]), "--manifest", self.manifest],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "TIDELINE_WAREHOUSE": str(self.path),
                **self.environment,
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


MODULE = ("tideline", "activate")
# A prelude of the command: the process dies after it sends the first batch, before the answer.
KILLED_AFTER_SENDING = """
import os
from tideline.activation import engine
deliver = engine.deliver
def mortal(*arguments, **options):
    deliver(*arguments, **options)
    os.kill(os.getpid(), 9)
engine.deliver = mortal
"""


def manifest(**syncs):
    """A dbt manifest with one model and an exposure per sync."""
    model = "model.tideline.activation_audiences"
    return {
        "nodes": {model: {"schema": "tideline", "name": "activation_audiences", "alias": None}},
        "exposures": {
            f"exposure.tideline.{name}": {
                "name": name,
                "original_file_path": "models/activation/exposures.yml",
                "depends_on": {"nodes": [model]},
                "meta": {},
                "config": {"enabled": True, "meta": {"sync": sync}},
            }
            for name, sync in syncs.items()
        },
    }


class Server:
    """The process of the webhook server."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.url = f"{self.address}/hook"

    def script(self, *steps):
        requests.put(f"{self.address}/script", json=list(steps), timeout=10)

    def refuse(self, *ids, how="row"):
        requests.put(f"{self.address}/refuse", json={"ids": ids, "how": how}, timeout=10)

    def pause(self, seconds):
        requests.put(f"{self.address}/pause", json={"seconds": seconds}, timeout=10)

    def post(self, body):
        """Send a request to the hook, as another sender or a late retry would."""
        requests.post(self.url, data=body.encode(), timeout=10)

    def reset(self):
        requests.post(f"{self.address}/reset", timeout=10)

    @property
    def state(self):
        return requests.get(f"{self.address}/state", timeout=10).json()

    @property
    def rows(self):
        """The label by (profile, segment)."""
        return {
            (key["profile_id"], key["segment_name"]): row["segment_label"]
            for key, row in ((json.loads(k), r) for k, r in self.state["rows"].items())
        }


def wanted(rows):
    """Desired rows in the form of `Server.rows`."""
    return {(row[0], row[1]): row[2] for row in rows}


def numbers(result):
    """The numbers of a run, by operation and by fate."""
    run = result.run
    return run.ops | {
        name: getattr(run, name) for name in ("accepted", "rejected", "held", "unknown")
    }


def some(**values):
    """The same dictionary with these numbers; the others are 0."""
    return (
        dict.fromkeys(
            ("add", "update", "remove", "resend", "accepted", "rejected", "held", "unknown"), 0
        )
        | values
    )


CONSENTS = "model.tideline.profile_consents"


def asking(of=FILES, **sync):
    """A manifest with one sync that requires consent."""
    content = manifest(s=of | sync)
    content["nodes"][CONSENTS] = {"schema": "tideline", "name": "profile_consents", "alias": None}
    content["exposures"]["exposure.tideline.s"]["depends_on"]["nodes"].append(CONSENTS)
    return content


class ConsentRig(Rig):
    """A rig with a table of consents."""

    def state(self, *rows):
        """Write consent statements: (profile, purpose, whether it was granted)."""
        table = "warehouse.tideline.profile_consents"
        self.sql(
            f"create or replace table {table} "
            "(profile_id varchar, purpose varchar, is_granted boolean)"
        )
        if rows:
            values = ", ".join(["(?, ?, ?)"] * len(rows))
            self.sql(f"insert into {table} values {values}", [v for row in rows for v in row])

    def held(self):
        """Profiles in the file of the segment `vip`."""
        path = self.deliveries / "s" / "vip.jsonl"
        return {json.loads(line)["profile_id"] for line in path.read_text().splitlines()}


def sent_since(server, before):
    """(operation, profile) of each row sent after the given number of requests."""
    return [
        (each["op"], each["key"]["profile_id"])
        for request in server.state["requests"][before:]
        for each in json.loads(request["body"])["operations"]
    ]
