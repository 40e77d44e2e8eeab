"""The command is killed (SIGKILL) during a sync; the next run repairs everything."""

import json
import time

import pytest

from tests.support.activation_rig import FILES, member, members, wanted

pytest_plugins = ["tests.support.activation_fixtures"]

BEFORE = members(12)
AFTER = [
    *members(12)[3:8],
    *(member(f"p{index:03}", label="gold") for index in range(8, 12)),
    *(member(f"q{index}") for index in range(6)),
]

# Where the process dies: a function, before or after its work, and the number of the call.
POINTS = {
    "nothing planned": ("engine.plan_changes", "before", 1),
    "planned": ("engine.plan_changes", "after", 1),
    "before the first intent": ("ledger.Ledger.intend", "before", 1),
    "intent written, nothing sent": ("ledger.Ledger.intend", "after", 1),
    "sent, answer unheard": ("engine.deliver", "after", 1),
    "second batch sent": ("engine.deliver", "after", 2),
    "in the transaction of the second intent": ("ledger.Ledger.save", "before", 4),
    "in the transaction of the acknowledgement": ("ledger.Ledger.save", "before", 5),
    "acknowledged": ("ledger.Ledger.settle", "after", 2),
    "all done but the record": ("engine._Runner._finish", "before", 1),
}


def death(point):
    where, moment, call = POINTS[point]
    module, _, path = where.partition(".")
    owner, _, name = path.rpartition(".")
    target = f"{module}.{owner}" if owner else module
    before, after = ("die()", "") if moment == "before" else ("", "die()")
    return f"""
import os
from tideline.activation import engine, ledger
calls, real = 0, {target}.{name}
def die():
    if calls == {call}:
        os.kill(os.getpid(), 9)
def mortal(*arguments, **options):
    global calls
    calls += 1
    {before}
    result = real(*arguments, **options)
    {after}
    return result
{target}.{name} = mortal
"""


def kill_at(rig, point):
    process = rig.command(prelude=death(point))
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, out + err
    rig.check_sums()


@pytest.mark.parametrize("point", POINTS)
def test_webhook(hooked, server, point):
    hooked.desire(BEFORE)
    hooked.sync()
    hooked.desire(AFTER)
    kill_at(hooked, point)
    result = hooked.sync()
    assert result.run.status == "succeeded"
    assert server.rows == wanted(AFTER)
    times_sent = server.state["times_sent"].values()
    assert len(times_sent) == 12 + 3 + 4 + 6  # each operation has one key
    assert sum(times > 1 for times in times_sent) <= 5  # at most the batch whose answer was lost
    assert hooked.sync().run.planned == 0


@pytest.mark.parametrize("point", POINTS)
def test_webhook_killed_and_desired_rows_changed(hooked, server, point):
    hooked.desire(BEFORE)
    hooked.sync()
    hooked.desire(AFTER)
    kill_at(hooked, point)
    hooked.desire(members(5, label="silver"))
    hooked.sync()
    assert server.rows == wanted(members(5, label="silver"))


@pytest.mark.parametrize("point", POINTS)
def test_files(rig, point):
    rig.declare(s=FILES | {"batch_rows": 5})
    rig.desire(BEFORE)
    rig.sync()
    rig.desire(AFTER)
    kill_at(rig, point)
    assert rig.sync().run.status == "succeeded"
    lines = (rig.deliveries / "s" / "vip.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(AFTER)
    assert {row["profile_id"]: row["segment_label"] for row in rows} == {
        row[0]: row[2] for row in AFTER
    }
    assert rig.files() == ["vip.jsonl"]


def test_files_killed_while_a_file_is_being_written(rig):
    rig.declare(s=FILES)
    rig.desire(BEFORE)
    rig.sync()
    before = (rig.deliveries / "s" / "vip.jsonl").read_bytes()
    rig.desire(AFTER)
    process = rig.command(prelude="import os; os.fsync = lambda _: os.kill(os.getpid(), 9)")
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert (rig.deliveries / "s" / "vip.jsonl").read_bytes() == before
    assert (rig.deliveries / "s" / "vip.jsonl.part").exists()
    rig.sync()
    assert rig.files() == ["vip.jsonl"]


@pytest.mark.parametrize("requests_seen", [1, 3])
def test_the_plain_command_killed_from_outside(hooked, server, requests_seen):
    hooked.desire(members(40))
    server.pause(0.1)
    process = hooked.command()
    while len(server.state["requests"]) < requests_seen:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.communicate()
    server.pause(0)
    rerun = hooked.command()
    out, err = rerun.communicate(timeout=60)
    assert rerun.returncode == 0, out + err
    assert server.rows == wanted(members(40))
    hooked.check_sums()
