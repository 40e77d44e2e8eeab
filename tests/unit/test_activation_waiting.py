"""Rows that wait, the record of deliveries, and alerts: what a run does not send, and who is told.

The clock of these tests is moved by hand.
"""

import http.server
import json
import threading
from datetime import datetime, timedelta

import pytest

from tests.support.activation_rig import FILES, WEBHOOK, member, numbers, some, wanted
from tideline.activation import alerts, engine, ledger, plan
from tideline.activation.balance import imbalance, latency
from tideline.activation.reasons import kind_of
from tideline.warehouse.connection import DuckDBWarehouse

pytest_plugins = ["tests.support.activation_fixtures"]

SCHEMA = "warehouse.tideline"


class Clock:
    """The wall clock of the engine; each look moves it on by a millisecond."""

    def __init__(self):
        self.now = datetime(2026, 11, 20)

    def __call__(self):
        self.now += timedelta(milliseconds=1)
        return self.now

    def pass_by(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (alerts, engine, ledger, plan):
        monkeypatch.setattr(module, "wall_clock", clock)
    return clock


def balanced(rig, result):
    """The numbers of a run whose tables add up."""
    with DuckDBWarehouse(rig.path) as warehouse:
        assert imbalance(warehouse, result.run) == ""
    return numbers(result)


def test_a_rejected_row_waits_longer_each_time_but_not_if_it_has_changed(hooked, server, clock):
    rows = [member("ann"), member("bob")]
    hooked.desire(rows)
    server.refuse("ann")
    assert balanced(hooked, hooked.sync()) == some(add=2, accepted=1, rejected=1)
    refused = f"{SCHEMA}.activation_rejections"
    for wait in (15, 30, 1440):
        if wait == 1440:  # many more
            hooked.sql(f"insert into {refused} select r.* from {refused} as r, range(2)")
        assert not _is_sent_after(hooked, clock, wait - 1)
        assert _is_sent_after(hooked, clock, wait)

    result = hooked.sync()
    assert (result.run.status, result.exit_code, result.run.waiting) == ("succeeded", 0, 1)
    assert "1 row waits: rejected before; next at 2026-1" in result.run.message
    assert hooked.last_run("waiting") == 1
    hooked.desire([member("ann", label="gold"), rows[1]])  # at once
    assert numbers(hooked.sync()) == some(add=1, rejected=1)
    hooked.desire(rows)  # another content again, whose own rejections are of before
    assert numbers(hooked.sync()) == some(add=1, rejected=1)
    assert _is_sent_after(hooked, clock, 15)
    server.refuse()
    assert numbers(hooked.sync(dry_run=True)) == some()
    assert numbers(hooked.sync(scope="rejected")) == some(add=1, accepted=1)
    assert server.rows == wanted(rows)

    server.refuse("ann")  # an acceptance ends the series
    hooked.desire([member("ann", label="gold"), rows[1]])
    assert numbers(hooked.sync()) == some(update=1, rejected=1)
    assert _is_sent_after(hooked, clock, 15)
    counted = hooked.sql(f"select rejection_count from {SCHEMA}.activation_rejection_reasons")
    assert counted == hooked.sql(f"select count(*) from {refused}")


def _is_sent_after(rig, clock, minutes):
    """Whether a rejected row is sent when this time has passed since it was; else time is back."""
    before = clock.now
    clock.pass_by(minutes=minutes)
    result = rig.sync()
    if not result.run.planned:
        clock.now = before
    assert result.run.rejected + result.run.waiting == 1
    return bool(result.run.planned)


def test_removals_never_wait(hooked, server):
    rows = [member("ann"), member("bob")]
    hooked.desire(rows)
    hooked.sync()
    server.refuse("ann")
    hooked.desire(rows[1:])
    for _ in range(2):
        assert numbers(hooked.sync()) == some(remove=1, rejected=1)
    [(key,)] = hooked.sql(
        f"select row_key from {SCHEMA}.activation_ledger where row_key like '%ann%'"
    )
    assert numbers(hooked.sync(forgotten=[key])) == some(remove=1, rejected=1)
    server.refuse()
    hooked.sync()
    assert server.rows == wanted(rows[1:])


def test_a_person_gets_so_many_changes_a_day_and_the_newest_values_later(hooked, server, clock):
    hooked.declare(s=WEBHOOK | {"most_changes_per_day": 2})
    segments = ["a", "b", "c"]
    hooked.desire([member("ann", segment=each) for each in segments] + [member("bob")])
    result = hooked.sync()
    assert balanced(hooked, result) == some(add=3, accepted=3)
    assert (result.run.status, result.run.limited) == ("succeeded", 1)
    assert "1 row waits for a later run: a person gets 2 changes" in result.run.message
    last = [member("ann", segment=each, label=f"new {each}") for each in segments]
    hooked.desire([*last[1:], member("bob", label="gold")])  # a removal is not limited
    assert numbers(hooked.sync()) == some(remove=1, update=1, accepted=2)
    clock.pass_by(hours=24)
    assert numbers(hooked.sync()) == some(add=1, update=1, accepted=2)
    assert server.rows == wanted([*last[1:], member("bob", label="gold")])

    # What may have been applied counts, also when it is taken back.
    clock.pass_by(hours=25)
    hooked.desire([member("ann", segment="d"), *last[1:], member("bob", label="gold")])
    server.script(*[{"do": "drop_after"}] * 5)
    assert numbers(hooked.sync()) == some(add=1, unknown=1)
    newer = [member("ann", segment=each, label="newer") for each in "bc"]
    hooked.desire([member("ann", segment="d"), *newer, member("bob", label="gold")])
    result = hooked.sync(dry_run=True)
    assert numbers(result) == some(resend=1, update=1, held=2) and result.run.limited == 1
    hooked.desire([*newer, member("bob", label="gold")])
    server.script({"do": "ok"}, {"do": "status", "status": 401})
    assert numbers(hooked.sync()) == some(resend=1, remove=1, update=1, accepted=1, held=2)
    server.script()
    assert numbers(hooked.sync()) == some(remove=1, update=1, accepted=2)
    assert hooked.last_run("limited") == 1
    clock.pass_by(hours=24)
    hooked.sync()
    assert server.rows == wanted([*newer, member("bob", label="gold")])
    ops = dict(hooked.sql(f"select op, count(*) from {SCHEMA}.activation_deliveries group by 1"))
    assert ops == {"add": 4, "update": 4, "remove": 2, "taken back": 1}


def test_each_acceptance_is_one_row_with_its_person_and_its_beginning(rig, clock):
    sync = {"key": ["user_id"], "group_by": None, "hash": ["profile_id"]}
    rig.declare(s=FILES | sync | {"history_kept_days": 3})
    table = f"{SCHEMA}.activation_audiences"
    rig.sql(
        f"create or replace table {table} as select * from (values "
        "('u1', 'ann', 'vip'), ('u2', 'bob', 'new')) as r (user_id, profile_id, segment_name)"
    )
    rig.sql(
        f"create table {SCHEMA}.segment_memberships as select 'ann' as profile_id, "
        "'vip' as segment_name, timestamp '2026-11-19 23:00:00' as valid_from"
    )
    rig.sync()
    rig.sql(  # as left by a killed process
        f"update {SCHEMA}.activation_ledger set state = 'unknown', sent_op = 'add', "
        "sent_payload = payload, sent_hash = payload_hash, payload = null, payload_hash = null; "
        f"delete from {SCHEMA}.activation_deliveries"
    )
    result = rig.sync()
    assert balanced(rig, result) == some(resend=2, accepted=2)
    digest = "sha256(person)"
    rows = (
        f"select op, person, segment_name, began_at from {SCHEMA}.activation_deliveries join "
        f"(values ('ann'), ('bob')) as people (person) on profile_id = {digest} order by 1, 2"
    )
    began = datetime(2026, 11, 19, 23)
    assert rig.sql(rows) == [("add", "ann", "vip", began), ("add", "bob", "new", None)]
    [(count, median, p95, greatest)] = rig.sql(
        "select delivery_count, median_latency_seconds, p95_latency_seconds, "
        f"greatest_latency_seconds from {SCHEMA}.activation_latencies"
    )
    assert count == 1 and median == p95 == greatest == pytest.approx(3600, abs=1)
    with DuckDBWarehouse(rig.path) as warehouse:
        assert latency(warehouse, result.run) == dict.fromkeys(
            ("median", "p95", "greatest"), median
        )
    rig.sql(f"delete from {table} where user_id = 'u2'")
    clock.pass_by(days=2)
    assert balanced(rig, rig.sync()) == some(remove=1, accepted=1)
    assert ("remove", "bob", "new", None) in rig.sql(rows)
    clock.pass_by(days=2)
    rejections = f"{SCHEMA}.activation_rejections"
    for age in (5, 11):  # a row may wait because of the first one
        rig.sql(
            f"insert into {rejections} (run_id, sync_name, row_key, rejected_at) "
            "values ('r', 's', ?, ?)",
            [f"{age}", clock.now - timedelta(days=age)],
        )
    rig.sync()
    assert rig.sql(rows) == [("remove", "bob", "new", None)]
    assert rig.sql(f"select row_key from {rejections}") == [("5",)]

    rig.declare(s=FILES | sync | {"hash": [], "most_changes_per_day": 1})
    rig.sql(f"alter table {table} drop column profile_id")
    assert "`most_changes_per_day` needs the column `profile_id`" in rig.sync().run.message


def test_the_kind_of_a_reason_names_nobody():
    assert kind_of("HTTP 400: INVALID_EMAIL ann.o'hara@x.org (Ann O'Hara), id 4711") == (
        "HTTP 400: INVALID_EMAIL …, id …"
    )
    assert kind_of("the key column profile_id is null") == "the key column profile_id is null"
    assert kind_of("") == "…"


@pytest.fixture
def chat():
    """A server that keeps the texts which it accepts; it answers with `chat.status`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if server.status == 200:
                server.texts.append(body["text"])
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.texts, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}/secret"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_one_alert_per_change_of_state(hooked, server, chat, clock, caplog):
    hooked.declare(
        s=WEBHOOK | {"max_attempts": 1, "alert_rejected_share": 0.4, "alert_stale_hours": 5}
    )
    hooked.environment["TIDELINE_ALERTS_URL"] = chat.url
    rows = [member("ann"), member("bob")]

    def told():
        texts, chat.texts = chat.texts, []
        return [text.split(": ", 1)[1].split(" (")[0].split(". `")[0] for text in texts]

    hooked.desire(rows)
    hooked.sync()
    assert told() == []
    hooked.desire([member("ann", label="gold"), rows[1]])
    server.script(*[{"do": "error"}] * 99)
    chat.status = 500
    assert hooked.sync().run.status == "failed"
    assert "HTTP 500" in caplog.text and chat.url not in caplog.text
    chat.status = 200
    hooked.sync()  # the alert that failed is posted now
    hooked.sync()
    assert told() == ["the last run has failed"]
    clock.pass_by(hours=6)
    hooked.sync()
    assert told() == ["the last run has failed; no run has succeeded for more than 5 hours"]
    server.script()
    hooked.sync()
    hooked.sync()
    assert told() == ["has recovered"]
    server.refuse("ann")
    hooked.desire([member("ann", label="red"), member("bob", label="red")])
    hooked.sync()
    hooked.sync()  # the row waits, so no run rejects it
    assert told() == ["more than 40.0% of the rows are rejected"]
    server.refuse()
    hooked.sync(scope="rejected")
    hooked.sync()
    assert told() == ["has recovered"]
    clock.pass_by(hours=6)  # no run is there to tell
    with DuckDBWarehouse(hooked.path) as warehouse:
        for _ in range(2):
            alerts.alert(_sync_of(hooked), warehouse, hooked.environment)
    assert told() == ["no run has succeeded for more than 5 hours"]
    hooked.environment["TIDELINE_ALERTS_URL"] = "not an address"
    assert hooked.sync().run.status == "succeeded"
    assert "is not an http" in caplog.text or "contains a space" in caplog.text


def _sync_of(rig):
    from tideline.activation.destinations import DESTINATIONS
    from tideline.declarations.syncs import read_syncs

    return read_syncs(rig.manifest, DESTINATIONS)[0]


def test_what_waits_is_neither_recovered_nor_planned_and_who_left_is_not_to_be_replayed(
    hooked, server, chat, clock
):
    hooked.environment["TIDELINE_ALERTS_URL"] = chat.url
    rows = [member("ann"), member("bob")]
    hooked.desire(rows)
    server.refuse("ann", "bob")
    assert hooked.sync().run.status == "rejected"
    assert hooked.sync().run.waiting == 2
    assert len(chat.texts) == 1 and "rejected all rows" in chat.texts[0]
    assert hooked.sync(dry_run=True).preview.text() == ""

    hooked.desire(rows[1:])  # ann was never there and is gone
    refused = f"{SCHEMA}.activation_rejections"
    hooked.sql(f"insert into {refused} (sync_name, reason) values ('s', 'forgotten')")
    server.refuse()
    replayed = hooked.sync(scope="rejected")
    assert replayed.run.message == "1 row to send again: 1 rejected"
    assert "recovered" in chat.texts[-1] and server.rows == wanted(rows[1:])


def test_what_a_destination_has_lost_comes_back_on_the_same_day(rig, clock):
    rig.declare(s=FILES | {"most_changes_per_day": 1})
    rows = [member("ann"), member("bob")]
    rig.desire([*rows, member("cy")])
    rig.sync()
    rig.desire(rows)
    rig.sync()
    (rig.deliveries / "s" / "vip.jsonl").unlink()
    rig.desire([*rows, member("cy")])  # whose add and removal were changes
    result = rig.sync()
    assert numbers(result) == some(add=2, accepted=2) and result.run.limited == 1


def test_a_clock_that_was_set_back_keeps_nobody_waiting_longer_than_a_day(hooked, server, clock):
    hooked.declare(s=WEBHOOK | {"most_changes_per_day": 1})
    rows = [member("ann"), member("bob")]
    hooked.desire(rows)
    server.refuse("ann")
    hooked.sync()
    server.refuse()
    clock.pass_by(days=-300)
    changed = [rows[0], member("bob", label="gold")]
    hooked.desire(changed)
    assert numbers(hooked.sync(allow_older=True)) == some(add=1, update=1, accepted=2)
    assert server.rows == wanted(changed)


def test_a_row_that_is_always_refused_takes_no_turn_of_others(hooked, server, clock):
    hooked.declare(s=WEBHOOK | {"most_changes_per_day": 1})
    server.refuse("ann")
    for day in range(2):  # the rows have other values on each day, so none waits
        hooked.desire([member("ann", segment=each, label=f"{each} {day}") for each in "ab"])
        assert numbers(hooked.sync()) == some(add=1, rejected=1)
        clock.pass_by(hours=25)
    tried = [json.loads(request["body"])["operations"] for request in server.state["requests"]]
    assert [each["key"]["segment_name"] for (each,) in tried] == ["a", "b"]
