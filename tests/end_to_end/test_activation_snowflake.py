"""The syncs with Snowflake SQL on a fakesnow server, and the lease that replaces the lock."""

import json

import fakesnow
import pytest

from tests.support.activation_rig import FILES, asking, manifest
from tideline.activation.balance import imbalance
from tideline.activation.destinations import DESTINATIONS, Outcome
from tideline.activation.destinations.files import Files
from tideline.activation.engine import run_sync
from tideline.activation.status import status_of
from tideline.activation.verify import verify_sync
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.connection import open_warehouse
from tideline.warehouse.errors import WarehouseError


@pytest.fixture(scope="module")
def environment():
    with fakesnow.server() as address:
        settings = {"DBT_TARGET": "fakesnow", "FAKESNOW_PORT": str(address["port"])}
        with open_warehouse(settings) as warehouse:
            warehouse.execute("create schema if not exists analytics.tideline")
        yield settings


def desire(warehouse, rows, as_of="2026-11-19"):
    warehouse.execute("create schema if not exists analytics.tideline_internal")
    warehouse.execute(
        "create or replace table analytics.tideline_internal.int_events_deduplicated as "
        "select '2026-11-19'::timestamp_ntz as received_at, 'valid' as status"
    )
    warehouse.execute(
        "create or replace table analytics.tideline.activation_audiences (profile_id varchar, "
        "segment_name varchar, score float, spent number(10, 2), details variant, "
        "entered_at timestamp_ntz, is_new boolean, born_on date, as_of timestamp_ntz)"
    )
    for profile, segment, score in rows:
        warehouse.execute(
            "insert into analytics.tideline.activation_audiences select ?, ?, ?, 1.50, "
            "parse_json('{\"a\": [1]}'), '2026-11-01 10:00:00.25'::timestamp_ntz, true, "
            f"'2000-01-31'::date, '{as_of}'::timestamp_ntz",
            [profile, segment, score],
        )


def test_a_sync_mirrors_on_snowflake(environment, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest(s=FILES | {"batch_rows": 2})))
    [sync] = read_syncs(path, DESTINATIONS)
    settings = {"TIDELINE_DELIVERIES": str(tmp_path)}

    def delivered():
        with (tmp_path / "s" / "vip.jsonl").open() as lines:
            return [json.loads(line) for line in lines]

    with open_warehouse(environment) as warehouse:
        desire(warehouse, [("p1", "vip", 0.5), ("p2", "vip", None), ("p3", "vip", 1)])
        run = run_sync(sync, warehouse, environment=settings).run
        assert (run.status, run.accepted, run.ops["add"]) == ("succeeded", 3, 3)
        assert delivered()[0] == {
            "profile_id": "p1",
            "segment_name": "vip",
            "born_on": "2000-01-31",
            "details": {"a": [1]},
            "entered_at": "2026-11-01T10:00:00.25Z",
            "is_new": True,
            "score": 0.5,
            "spent": 1.5,
        }
        assert run_sync(sync, warehouse, environment=settings).run.planned == 0
        desire(warehouse, [("p2", "vip", 0.1), ("p3", "vip", 1), ("p4", "vip", 1), (None, "x", 1)])
        run = run_sync(sync, warehouse, environment=settings).run
        assert (run.planned, run.accepted, run.rejected) == (4, 3, 1)
        assert sorted((row["profile_id"], row["score"]) for row in delivered()) == [
            ("p2", 0.1),
            ("p3", 1),
            ("p4", 1),
        ]
        assert run.as_of.isoformat() == "2026-11-19T00:00:00"
        resent = run_sync(sync, warehouse, environment=settings, scope="everything")
        assert (resent.run.status, resent.counts.repeats) == ("succeeded", 3)
        run = run_sync(sync, warehouse, environment=settings, scope="rejected").run
        assert (run.planned, run.rejected) == (1, 1)
        assert verify_sync(sync, warehouse, settings).rows["equal"] == 3
        assert "rows there   3" in (told := status_of(sync, warehouse)) and "rejected     1" in told


def test_an_older_state_is_held_also_by_a_ledger_of_an_earlier_release(environment, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest(older=FILES)))
    [sync] = read_syncs(path, DESTINATIONS)
    settings = {"TIDELINE_DELIVERIES": str(tmp_path)}
    rows = [("p1", "vip", 1), ("p2", "vip", 1)]
    with open_warehouse(environment) as warehouse:
        desire(warehouse, rows)
        assert run_sync(sync, warehouse, environment=settings).run.accepted == 2
        runs = warehouse.table("activation_runs")
        for column in ("acknowledged_as_of", "desired_rows", "consent_statements"):
            warehouse.execute(f"alter table {runs} drop column {column}")
        desire(warehouse, rows[:1], as_of="2026-11-18")
        held = run_sync(sync, warehouse, environment=settings).run
        assert (held.status, held.planned) == ("held", 0)
        assert "2026-11-18" in held.message and "2026-11-19" in held.message
        result = run_sync(sync, warehouse, environment=settings, allow_older=True)
        assert (result.run.status, result.run.ops["remove"]) == ("succeeded", 1)
        desire(warehouse, rows, as_of="2099-01-01")
        held = run_sync(sync, warehouse, environment=settings, allow_older=True).run
        assert held.status == "held" and "newest event (2026-11-19 00:00:00 UTC)" in held.message
        desire(warehouse, rows, as_of="2026-11-18 12:00:00")
        assert run_sync(sync, warehouse, environment=settings).run.accepted == 1


def test_undesired_unknown_rows_are_sent_again_as_removals(environment, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest(taken=FILES)))
    [sync] = read_syncs(path, DESTINATIONS)
    settings = {"TIDELINE_DELIVERIES": str(tmp_path)}
    with open_warehouse(environment) as warehouse:
        desire(warehouse, [("p1", "vip", 1), ("p2", "vip", 1), ("p3", "vip", 1)])
        run_sync(sync, warehouse, environment=settings)
        warehouse.execute(  # as left by a killed process
            f"update {warehouse.table('activation_ledger')} set state = 'unknown', "
            "sent_op = 'add', sent_payload = payload, sent_hash = payload_hash, payload = null, "
            "payload_hash = null where sync_name = 'taken'"
        )
        desire(warehouse, [("p2", "vip", 1), ("p3", "vip", 1)])
        run = run_sync(sync, warehouse, environment=settings).run
        assert (run.status, run.accepted, run.ops["resend"], run.ops["remove"]) == (
            "succeeded",
            4,
            3,
            1,
        )
        with (tmp_path / "taken" / "vip.jsonl").open() as lines:
            assert [json.loads(line)["profile_id"] for line in lines] == ["p2", "p3"]
        assert run_sync(sync, warehouse, environment=settings).run.planned == 0


def test_a_refusal_and_a_request_are_applied_in_a_held_run(environment, tmp_path):
    path = tmp_path / "manifest.json"
    content = asking(FILES, consent="marketing")
    content["exposures"]["exposure.tideline.s"]["name"] = "due"
    path.write_text(json.dumps(content))
    [sync] = read_syncs(path, DESTINATIONS)
    settings = {"TIDELINE_DELIVERIES": str(tmp_path)}
    with open_warehouse(environment) as warehouse:
        consents, asked = map(warehouse.table, ("profile_consents", "forgotten_identifiers"))
        desire(warehouse, [(profile, "vip", 1) for profile in ("p1", "p2", "p3")])
        warehouse.execute(
            f"create or replace table {consents} as select column1 as profile_id, "
            "'marketing' as purpose, true as is_granted from values ('p1'), ('p2'), ('p3')"
        )
        assert run_sync(sync, warehouse, environment=settings).run.accepted == 3
        warehouse.execute(f"update {consents} set is_granted = false where profile_id = 'p1'")
        warehouse.execute(
            f"create or replace table {asked} as select sha2('profile_id:p2', 256) as "
            "identifier_hash, '2099-01-01'::timestamp_ntz as requested_at, "
            "null::timestamp_ntz as valid_from"
        )
        desire(warehouse, [])
        run = run_sync(sync, warehouse, environment=settings).run
        warehouse.execute(f"drop table {asked}")
        assert (run.status, run.ops["remove"], run.accepted, run.held) == ("held", 3, 2, 1)
        assert "have refused `marketing`" in run.message and "to be forgotten" in run.message
        with (tmp_path / "due" / "vip.jsonl").open() as lines:
            assert [json.loads(line)["profile_id"] for line in lines] == ["p3"]


def test_rows_wait_and_deliveries_are_recorded(environment, tmp_path, monkeypatch):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest(waits=FILES | {"most_changes_per_day": 1})))
    [sync] = read_syncs(path, DESTINATIONS)
    settings = {"TIDELINE_DELIVERIES": str(tmp_path)}
    send = Files.send

    def refusing(self, batch, run_id):
        good = iter(send(self, [each for each in batch if each.key["profile_id"] != "p3"], run_id))
        return [
            Outcome("rejected", "no address") if each.key["profile_id"] == "p3" else next(good)
            for each in batch
        ]

    monkeypatch.setattr(Files, "send", refusing)
    with open_warehouse(environment) as warehouse:
        warehouse.execute(
            f"create or replace table {warehouse.table('segment_memberships')} as select 'p1' as "
            "profile_id, 'a' as segment_name, '2026-11-19 10:00:00'::timestamp_ntz as valid_from"
        )
        desire(warehouse, [("p1", "a", 1), ("p1", "b", 1), ("p2", "a", 1), ("p3", "a", 1)])
        run = run_sync(sync, warehouse, environment=settings).run
        assert (run.ops["add"], run.accepted, run.rejected, run.limited) == (3, 2, 1, 1)
        assert imbalance(warehouse, run) == ""
        again = run_sync(sync, warehouse, environment=settings).run
        assert (again.status, again.planned, again.waiting, again.limited) == ("succeeded", 0, 1, 1)
        assert "next at 20" in again.message
        monkeypatch.undo()
        run = run_sync(sync, warehouse, environment=settings, scope="rejected").run
        warehouse.execute(f"drop table {warehouse.table('segment_memberships')}")
        assert (run.ops["add"], run.accepted, run.limited) == (1, 1, 0)  # p3 alone is looked at
        deliveries = warehouse.query(
            "select profile_id, segment_name, op, began_at is not null "
            f"from {warehouse.table('activation_deliveries')} where sync_name = 'waits' order by 1"
        )
        assert deliveries == [(f"p{i}", "a", "add", i == 1) for i in (1, 2, 3)]
        assert warehouse.query(
            "select delivery_count, median_latency_seconds > 0 "
            f"from {warehouse.table('activation_latencies')} where sync_name = 'waits'"
        ) == [(1, True)]
        assert warehouse.query(
            "select reason, rejection_count "
            f"from {warehouse.table('activation_rejection_reasons')} where sync_name = 'waits'"
        ) == [("no address", 1)]


def test_a_lease_keeps_a_second_sync_out_until_it_ends_or_expires(environment):
    with open_warehouse(environment) as first, open_warehouse(environment) as second:
        refused = pytest.raises(WarehouseError, match="another sync is running")
        with first.lock():
            with refused, second.lock():
                pass
            first.renew_lock()
        with second.lock():
            pass
        lost = pytest.raises(WarehouseError, match="lost its lease")
        with first.lock():
            first.execute(
                f"update {first.table('activation_lease')} set expires_at = '2000-01-01'::timestamp"
            )
            with second.lock(), lost:
                first.renew_lock()
