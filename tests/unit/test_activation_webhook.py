"""Activation with a webhook server process: delivery, failures, guards, secrets."""

import hashlib
import hmac
import json
import logging
import subprocess
import sys
import time

import pytest

from tests.support.activation_rig import KEY, WEBHOOK, member, members, numbers, some, wanted
from tideline.activation.delivery import MOST_PACED
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import WarehouseError

pytest_plugins = ["tests.support.activation_fixtures"]


def test_adds_updates_and_removes_reach_the_destination(hooked, server):
    hooked.desire(members(12))
    assert numbers(hooked.sync()) == some(add=12, accepted=12)
    assert server.rows == wanted(members(12))
    changed = [member("p000", label="gold"), *members(12)[2:], member("q")]
    hooked.desire(changed)
    assert numbers(hooked.sync()) == some(add=1, update=1, remove=1, accepted=3)
    assert server.rows == wanted(changed)


def test_a_second_run_sends_nothing(hooked, server):
    hooked.desire(members(7))
    hooked.sync()
    before = len(server.state["requests"])
    result = hooked.sync()
    assert numbers(result) == some() and result.run.status == "succeeded"
    assert len(server.state["requests"]) == before


def test_a_new_data_clock_alone_is_not_an_update(hooked):
    hooked.desire(members(3))
    hooked.sync()
    hooked.desire(members(3, as_of="2026-11-20 00:00:00"))
    result = hooked.sync()
    assert numbers(result) == some()
    assert result.run.as_of.isoformat() == "2026-11-20T00:00:00"


def test_someone_who_leaves_and_returns_is_added_again(hooked, server):
    for rows in (members(1), [member("q")], members(1), [member("q")], members(1)):
        hooked.desire(rows)
        hooked.sync(allow_large_change=True)
        assert server.rows == wanted(rows)


def test_values_travel_as_json_types_and_instants_as_utc(hooked, server):
    row = member('é"\\\n', email="x", score=None, is_new=False, details='{"b": 1, "a": "ü"}')
    hooked.desire([row])
    hooked.sync()
    [(key, value)] = server.state["rows"].items()
    assert json.loads(key) == {"profile_id": 'é"\\\n', "segment_name": "vip"}
    assert value == {
        "segment_label": "VIP",
        "email": "x",
        "score": None,
        "is_new": False,
        "entered_at": "2026-11-01T10:00:00.250000Z",
        "details": {"b": 1, "a": "ü"},
    }


def test_no_number_is_sent_as_null(hooked, server):
    hooked.desire(members(1, score=float("nan")))
    hooked.sync()
    assert [row["score"] for row in server.state["rows"].values()] == [None]


def test_busy_waits_for_retry_after(hooked, server):
    hooked.desire(members(5))
    server.script({"do": "busy", "retry_after": 7}, {"do": "busy", "retry_after": 0})
    assert numbers(hooked.sync()) == some(add=5, accepted=5)
    assert hooked.waits == [7.0, 2.0]


def test_an_answer_that_asks_for_a_slower_pace_costs_no_attempt(hooked, server):
    hooked.declare(s=WEBHOOK | {"max_attempts": 1})
    hooked.desire(members(3))
    server.script(*[{"do": "busy"}] * (MOST_PACED - 1))
    assert hooked.sync().run.status == "succeeded"
    assert len(hooked.waits) == MOST_PACED - 1 and hooked.waits == sorted(hooked.waits)


def test_a_destination_that_always_asks_for_a_slower_pace_ends_the_batch(hooked, server):
    hooked.desire(members(3))
    server.script(*[{"do": "busy"}] * 20)
    result = hooked.sync()
    assert (result.run.status, result.run.held) == ("failed", 3)
    assert len(server.state["requests"]) == MOST_PACED


def test_after_a_long_retry_after_the_next_run_sends_the_rows(hooked, server):
    hooked.desire(members(5))
    server.script({"do": "busy", "retry_after": 86400})
    result = hooked.sync()
    assert numbers(result) == some(add=5, held=5) and result.failed
    assert hooked.waits == []
    hooked.sync()
    assert server.rows == wanted(members(5))


@pytest.mark.parametrize("step", ["error", "error_after", "drop_before", "drop_after"])
def test_failures_are_retried_with_the_same_idempotency_key(hooked, server, step):
    hooked.desire(members(5))
    server.script({"do": step}, {"do": step})
    assert numbers(hooked.sync()) == some(add=5, accepted=5)
    assert hooked.waits == [1.0, 2.0]
    assert list(server.state["times_sent"].values()) == [3] * 5
    assert server.rows == wanted(members(5))


@pytest.mark.parametrize("step", ["error", "error_after", "drop_before", "drop_after"])
def test_the_next_run_resends_unknown_rows_with_the_same_key(hooked, server, step):
    hooked.desire(members(5))
    server.script(*[{"do": step}] * 5)
    result = hooked.sync()
    assert numbers(result) == some(add=5, unknown=5) and result.failed
    assert numbers(hooked.sync()) == some(resend=5, accepted=5)
    assert list(server.state["times_sent"].values()) == [6] * 5
    assert server.rows == wanted(members(5))


def test_unknown_rows_that_are_no_longer_desired_are_removed(hooked, server):
    hooked.desire(members(5))
    server.script(*[{"do": "drop_after"}] * 5)
    hooked.sync()
    assert len(server.rows) == 5
    hooked.desire([member("p000", label="gold")])
    assert numbers(hooked.sync()) == some(resend=5, update=1, remove=4, accepted=10)
    assert server.rows == {("p000", "vip"): "gold"}


def test_a_request_that_is_applied_late_does_not_undo_a_newer_one(hooked, server):
    hooked.declare(s=WEBHOOK | {"timeout_seconds": 0.2, "max_attempts": 1})
    hooked.desire(members(1))
    server.script({"do": "hang", "seconds": 1})
    assert numbers(hooked.sync()) == some(add=1, unknown=1)
    hooked.desire(members(1, label="gold"))
    hooked.sync()
    time.sleep(1.2)
    assert server.rows == {("p000", "vip"): "gold"}


def test_refused_after_an_unknown_attempt_the_row_is_in_doubt_and_then_removed(hooked, server):
    hooked.desire(members(2))
    server.script(*[{"do": "drop_after"}] * 5)
    hooked.sync()
    server.refuse("p000")
    result = hooked.sync()
    assert numbers(result) == some(resend=2, accepted=1, rejected=1) and result.run.waiting == 1
    server.refuse()
    hooked.desire(members(2)[1:])
    assert numbers(hooked.sync()) == some(remove=1, accepted=1)
    assert server.rows == wanted(members(2)[1:])


def test_a_row_wanted_again_after_its_removal_may_have_arrived_is_added_anew(hooked, server):
    hooked.desire(members(2))
    server.script(*[{"do": "drop_before"}] * 5)
    hooked.sync()
    hooked.desire(members(2)[1:])
    server.script(*[{"do": "drop_after"}] * 9)
    hooked.sync()  # the removal of p000 has arrived under the key of its addition
    hooked.desire(members(2))
    server.script()
    assert hooked.sync().run.status == "succeeded"
    assert server.rows == wanted(members(2))


@pytest.mark.parametrize("how", ["row", "batch"])
def test_one_bad_row_never_stops_a_batch(hooked, server, how):
    hooked.desire(members(12))
    server.refuse("p003", "p011", how=how)
    result = hooked.sync()
    assert numbers(result) == some(add=12, accepted=10, rejected=2) and not result.failed
    assert server.rows == wanted([row for row in members(12) if row[0] not in ("p003", "p011")])
    rejections = hooked.sql(
        "select row_key, op, reason from warehouse.tideline.activation_rejections order by 1"
    )
    assert [json.loads(key)["profile_id"] for key, *_ in rejections] == ["p003", "p011"]
    assert all(op == "add" and reason for _, op, reason in rejections)
    server.refuse()
    assert numbers(hooked.sync(scope="rejected")) == some(add=2, accepted=2)
    assert server.rows == wanted(members(12))


def test_rows_without_key_and_with_a_doubtful_key_are_rejected_and_nothing_else(hooked, server):
    hooked.desire(members(3))
    hooked.sync()
    bad = [member(None), member("p001", label="one"), member("p001", label="two")]
    hooked.desire([members(3)[0], member("p002", label="gold"), members(3)[0], *bad])
    result = hooked.sync()
    assert numbers(result) == some(add=1, update=2, accepted=1, rejected=2)
    assert server.rows == wanted([*members(2), member("p002", label="gold")])
    reasons = hooked.sql("select reason from warehouse.tideline.activation_rejections order by 1")
    assert [reason for (reason,) in reasons] == [
        "several different rows have this key",
        "the key column profile_id is null",
    ]


@pytest.mark.parametrize("status", [401, 403, 404, 407])
def test_a_refused_credential_or_address_holds_the_whole_sync(hooked, server, status):
    hooked.desire(members(12))
    server.script({"do": "ok"}, {"do": "status", "status": status})
    result = hooked.sync()
    assert numbers(result) == some(add=12, accepted=5, held=7)
    assert result.run.status == "held" and not result.failed
    assert f"HTTP {status}" in result.run.message
    assert "TIDELINE_WEBHOOK_URL" in result.run.message
    assert len(server.state["requests"]) == 2
    hooked.sync()
    assert server.rows == wanted(members(12))


def test_a_destination_that_is_down_is_left_after_three_batches(hooked, server):
    hooked.desire(members(40))
    server.script(*[{"do": "error"}] * 100)
    assert numbers(hooked.sync()) == some(add=40, held=25, unknown=15)
    assert len(server.state["requests"]) == 15
    server.script()
    hooked.sync()
    assert server.rows == wanted(members(40))


def test_where_nothing_listens_nothing_is_unknown(hooked):
    hooked.environment["TIDELINE_WEBHOOK_URL"] = "http://127.0.0.1:9/hook"
    hooked.desire(members(3))
    result = hooked.sync()
    assert numbers(result) == some(add=3, held=3) and result.failed
    assert "cannot be reached" in result.run.message


def test_the_rate_limit_spreads_the_batches(hooked):
    hooked.declare(s=WEBHOOK | {"rows_per_second": 2})
    hooked.desire(members(15))
    hooked.sync()
    assert hooked.waits == [2.5, 5.0]  # the clock of the test stands still


def test_splitting_a_refused_batch_keeps_to_the_rate_limit(hooked, server):
    hooked.declare(s=WEBHOOK | {"rows_per_second": 2, "batch_rows": 8})
    hooked.desire(members(8))
    server.refuse("p000", how="batch")
    assert numbers(hooked.sync()) == some(add=8, accepted=7, rejected=1)
    sizes = [request["rows"] for request in server.state["requests"]]
    assert sizes == [8, 4, 2, 1, 1, 2, 4]
    due = [sum(sizes[:index]) / 2 for index in range(1, 7)]  # the clock of the test stands still
    assert hooked.waits == due


def test_guard_holds_a_large_change_and_says_how_to_allow_it(hooked, server):
    hooked.declare(s=WEBHOOK | {"max_change_share": 0.5, "guard_min_rows": 3})
    hooked.desire(members(10))
    hooked.sync()
    hooked.desire(members(5))
    assert numbers(hooked.sync()) == some(remove=5, accepted=5)  # exactly the share
    hooked.desire(members(1))
    held = hooked.sync()
    assert numbers(held) == some(remove=4, held=4) and held.run.status == "held"
    assert "--allow-large-change" in held.run.message and "80%" in held.run.message
    assert len(server.rows) == 5
    hooked.sync(allow_large_change=True)
    assert server.rows == wanted(members(1))


def test_guard_lets_few_rows_pass_and_holds_an_empty_table(hooked, server):
    hooked.desire(members(10))
    hooked.sync()
    hooked.desire(members(1))
    assert hooked.sync().run.status == "succeeded"  # nine rows, fewer than guard_min_rows
    hooked.desire([])
    held = hooked.sync()
    assert held.run.status == "held" and "is empty" in held.run.message
    assert len(server.rows) == 1
    hooked.sync(allow_large_change=True)
    assert server.rows == {}


def test_a_dry_run_sends_and_records_nothing(hooked, server):
    hooked.desire(members(3))
    result = hooked.sync(dry_run=True)
    assert result.counts.adds == 3 and result.run.held == 3
    assert server.state["requests"] == []
    assert hooked.sql("select * from warehouse.tideline.activation_runs") == []
    assert hooked.sql("select * from warehouse.tideline.activation_ledger") == []


def test_a_missing_variable_skips_the_sync_and_names_it(hooked):
    hooked.desire(members(3))
    del hooked.environment["TIDELINE_WEBHOOK_URL"]
    result = hooked.sync()
    assert result.run.status == "skipped" and not result.failed
    assert "TIDELINE_WEBHOOK_URL" in result.run.message


def test_a_missing_table_or_column_is_an_error_with_the_fix(hooked):
    hooked.declare(s=WEBHOOK | {"columns": ["emial"]})
    result = hooked.sync()
    assert result.failed and "did you mean `email`?" in result.run.message
    hooked.sql("drop table warehouse.tideline.activation_audiences")
    result = hooked.sync()
    assert result.failed and "dbt build --select +activation_audiences" in result.run.message


def test_token_and_signature(hooked, server):
    hooked.declare(s=WEBHOOK | {"token_env": "T", "secret_env": "S"})
    hooked.environment |= {"T": "tok", "S": "sec"}
    hooked.desire(members(1))
    hooked.sync()
    request = server.state["requests"][0]
    assert request["headers"]["Authorization"] == "Bearer tok"
    digest = hmac.new(b"sec", request["body"].encode(), hashlib.sha256).hexdigest()
    assert request["headers"]["X-Tideline-Signature"] == f"sha256={digest}"


def test_hashed_columns_leave_and_are_remembered_only_as_hashes(hooked, server):
    hooked.declare(s=WEBHOOK | {"hash": ["email"], "columns": ["email", "segment_label"]})
    hooked.desire([member("p", email="  Ada@Example.COM ")])
    hooked.sync()
    [row] = server.state["rows"].values()
    digest = hashlib.sha256(b"ada@example.com").hexdigest()
    assert row == {"email": digest, "segment_label": "VIP"}
    ledger = str(hooked.sql("select * from warehouse.tideline.activation_ledger")).lower()
    assert digest in ledger and "ada@" not in ledger


def test_logs_name_neither_people_nor_secrets(hooked, server, caplog):
    caplog.set_level(logging.DEBUG)
    hooked.declare(s=WEBHOOK | {"token_env": "T", "secret_env": "S", "max_attempts": 2})
    hooked.environment |= {"T": "token-0", "S": "secret-0"}
    hooked.environment["TIDELINE_WEBHOOK_URL"] += "?code=url-0"
    # A name that no random hexadecimal run id can contain.
    hooked.desire(members(10, email="someone@example.com"))
    server.refuse("p001", how="batch")
    for steps in (["drop_after"] * 9, ["busy", "error"], ["status"]):
        server.script(*[{"do": step, "status": 401} for step in steps])
        hooked.sync()
    hooked.environment["TIDELINE_WEBHOOK_URL"] = "http://127.0.0.1:9/url-0"
    hooked.sync()
    runs = str(hooked.sql("select * from warehouse.tideline.activation_runs"))
    assert "not through" in caplog.text
    for word in ("someone", "example.com", "token-0", "secret-0", "url-0"):
        assert word not in caplog.text + runs


def test_two_runs_at_once_the_second_is_refused(hooked, server):
    hooked.declare(s=WEBHOOK | {"timeout_seconds": 120.0})
    hooked.desire(members(10))
    server.pause(100)
    first = hooked.command()
    while not server.state["requests"]:
        assert first.poll() is None, first.communicate()
    second = hooked.command()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "in use by another process" in err and f"PID {first.pid}" in err, out + err
    server.pause(0)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert server.rows == wanted(members(10))


def test_two_runs_at_once_in_one_process_the_second_is_refused(hooked):
    another = pytest.raises(WarehouseError, match="another sync is running")
    with DuckDBWarehouse(hooked.path) as warehouse, warehouse.lock(), another:
        hooked.sync()


def test_the_command_prints_a_table_and_has_exit_codes(hooked, server):
    hooked.declare(s=WEBHOOK, t=WEBHOOK | {"url_env": "OTHER_URL"})
    hooked.desire(members(3))
    process = hooked.command()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert lines[1][:10] == ["s", "succeeded", "3", "0", "0", "0", "3", "0", "0", "0"]
    assert lines[2][:2] == ["t", "skipped"] and "set OTHER_URL" in out
    server.script(*[{"do": "status", "status": 200}, *[{"do": "error"}] * 9])
    hooked.desire(members(3, label="gold"))
    process = hooked.command("run", "x")
    assert "there is no sync `x`" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_a_missing_warehouse_is_an_error_with_the_fix(hooked):
    hooked.path.unlink()
    process = hooked.command()
    assert "run `dbt build`" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_the_key_may_be_declared_in_any_order(hooked, server):
    hooked.desire(members(3))
    hooked.sync()
    hooked.declare(s=WEBHOOK | {"key": KEY[::-1]})
    assert numbers(hooked.sync()) == some()


def test_a_process_that_ended_without_closing_is_recorded_as_interrupted(hooked):
    hooked.desire(members(3))
    prelude = (
        "import os, tideline.activation.engine as e\ne.deliver = lambda *a: os.kill(os.getpid(), 9)"
    )
    process = hooked.command(prelude=prelude)
    process.communicate(timeout=60)
    assert process.returncode == -9
    hooked.sync()
    runs = hooked.sql(
        "select status, planned, unknown from warehouse.tideline.activation_runs "
        "order by started_at"
    )
    assert runs == [("interrupted", 3, 3), ("succeeded", 3, 0)]


def test_a_locked_warehouse_is_found_from_outside_too(rig):
    code = f"import duckdb; c = duckdb.connect({str(rig.path)!r}); print(1, flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
    try:
        holder.stdout.readline()
        rig.declare(s=WEBHOOK)
        process = rig.command()
        assert "in use by another process" in process.communicate(timeout=60)[1]
    finally:
        holder.kill()
        holder.communicate()
