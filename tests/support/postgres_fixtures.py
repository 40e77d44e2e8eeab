"""The fixtures of the tests of the destination `postgres`."""

from pathlib import Path

import pytest

from tests.support.activation_rig import KEY, ConsentRig
from tests.support.postgres_server import PostgresServer
from tideline.activation.destinations import Operation, Origin
from tideline.activation.destinations.postgres import Postgres
from tideline.declarations.syncs import Settings, Sync

VARIABLE = "APP_DATABASE_URL"
POSTGRES = {
    "destination": "postgres",
    "key": KEY,
    "url_env": VARIABLE,
    "table": "segments",
    "columns": ["segment_label", "score", "is_new", "entered_at", "details", "email"],
    "types": {
        "score": "number",
        "is_new": "boolean",
        "entered_at": "timestamp",
        "details": "jsonb",
    },
}


@pytest.fixture(scope="session")
def postgres_process():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_process):
    """The server, with an empty database and the sync's user as its only role."""
    clean(postgres_process)
    return postgres_process


def clean(server):
    server.query(
        "drop schema public cascade; create schema public; grant usage on schema public to public"
    )


class PostgresRig(ConsentRig):
    """A rig with one sync `s` to a table."""

    def __init__(self, folder, server):
        super().__init__(folder)
        self.server = server
        self.environment[VARIABLE] = server.url()
        self.declare(s=POSTGRES)

    def held(self, table="segments"):
        """The label by (profile, segment)."""
        sql = f'select profile_id, segment_name, segment_label from public."{table}"'
        return {(profile, segment): label for profile, segment, label in self.server.query(sql)}


@pytest.fixture
def filled(tmp_path, postgres):
    return PostgresRig(tmp_path, postgres)


class Sender:
    """The destination alone, with the key `profile_id` and the column `label` of a table `t`."""

    def __init__(self, server, sync="s", warehouse="w", place="/w.duckdb", url=None, **options):
        settings = Settings(destination="postgres", key=("profile_id",), columns=("label",))
        declared = Postgres.Options(url_env=VARIABLE, table="t", **options)
        self.server = server
        self.destination = Postgres.open(
            Sync(sync, "tideline", "audiences", settings, declared, 100),
            {VARIABLE: server.url() if url is None else url},
            Origin(warehouse, Path(place), {}),
        )

    def send(self, remove=(), **labels):
        """Remove and upsert rows in one batch; returns the outcome of all, which is one."""
        batch = [Operation("remove", f"-{each}", {"profile_id": each}, {}) for each in remove]
        batch += [
            Operation("add", f"+{each}", {"profile_id": each}, {"label": label})
            for each, label in labels.items()
        ]
        outcomes = self.destination.send(batch, "run")
        assert len(outcomes) == len(batch) and len(set(outcomes)) == 1
        return outcomes[0]

    def held(self):
        return dict(self.server.query("select profile_id, label from public.t"))


@pytest.fixture
def sender(postgres):
    return Sender(postgres)
