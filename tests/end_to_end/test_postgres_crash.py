"""The command is killed (SIGKILL) around each commit in PostgreSQL; the next run repairs all."""

import pytest

from tests.support.activation_rig import member, members, wanted
from tests.support.postgres_fixtures import POSTGRES

pytest_plugins = ["tests.support.postgres_fixtures"]

BEFORE = members(9)
AFTER = [
    *members(9)[3:6],
    *(member(f"p{index:03}", label="gold") for index in range(6, 9)),
    *(member(f"q{index}") for index in range(3)),
]

# The function at which the process dies, before or after its work, and the number of the call. The
# first commit is that of the count, the others are those of the batches.
SERVER = "destinations.postgres.server"
POINTS = {
    "counted": (f"{SERVER}.commit", "before", 1),
    "intent written, nothing sent": ("ledger.Ledger.intend", "after", 1),
    "first batch not committed": (f"{SERVER}.commit", "before", 2),
    "first batch committed, answer unheard": (f"{SERVER}.commit", "after", 2),
    "second batch not committed": (f"{SERVER}.commit", "before", 3),
    "second batch committed, answer unheard": (f"{SERVER}.commit", "after", 3),
    "answer not written down": ("ledger.Ledger.settle", "before", 2),
}


def death(point):
    path, moment, call = point
    owner, _, name = path.rpartition(".")
    before, after = ("die()", "") if moment == "before" else ("", "die()")
    return f"""
import os
from tideline.activation import command, destinations, ledger
import tideline.activation.{SERVER}
calls, real = 0, {owner}.{name}
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
{owner}.{name} = mortal
"""


def kill_at(rig, point):
    process = rig.command(prelude=death(point))
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, out + err
    rig.check_sums()


@pytest.mark.parametrize("point", POINTS)
def test_a_run_killed_while_rows_change(filled, point):
    filled.declare(s=POSTGRES | {"batch_rows": 5})
    filled.desire(BEFORE)
    filled.sync()
    filled.desire(AFTER)
    kill_at(filled, POINTS[point])
    assert filled.sync().run.status == "succeeded"
    assert filled.held() == wanted(AFTER)
    assert filled.sync().run.planned == 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_killed_while_the_table_is_created_and_rows_left(filled, moment):
    filled.desire(BEFORE)
    kill_at(filled, (f"{SERVER}.commit", moment, 2))
    filled.desire(members(3))
    filled.sync(allow_large_change=True)
    assert filled.held() == wanted(members(3))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_killed_while_a_table_with_other_rows_is_emptied(filled, moment):
    filled.desire(BEFORE)
    filled.sync()
    filled.server.query("delete from public.segments where profile_id = 'p001'")
    kill_at(filled, (f"{SERVER}.commit", moment, 1))
    assert filled.sync().run.status == "succeeded"
    assert filled.held() == wanted(BEFORE)
