"""The command is killed (SIGKILL) around each write to S3; the next run repairs all."""

import pytest

from tests.support.activation_rig import member, members, wanted
from tests.support.s3_fixtures import PLACE, S3
from tideline.activation.destinations.files.claim import MARKER

pytest_plugins = ["tests.support.s3_fixtures"]

BEFORE = members(6)
AFTER = [*members(6)[2:4], *(member(f"p{i:03}", label="gold") for i in (4, 5)), member("q")]
# A prelude of the command: the process dies before or after a write; it counts them.
MORTAL = """
import os
from tideline.activation.destinations.files.bucket import Bucket
calls, put = 0, Bucket._put
def mortal(*arguments):
    global calls
    calls += 1
    if (calls, "before") == ({call}, {moment!r}):
        os.kill(os.getpid(), 9)
    put(*arguments)
    if (calls, "after") == ({call}, {moment!r}):
        os.kill(os.getpid(), 9)
Bucket._put = mortal
"""


def kill_at(rig, call, moment):
    process = rig.command(prelude=MORTAL.format(call=call, moment=moment))
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, out + err
    rig.check_sums()


@pytest.mark.parametrize(("call", "moment"), [(1, "before"), (1, "after"), (2, "after")])
def test_a_run_killed_while_rows_change(stored, call, moment):
    """The writes are those of the two batches."""
    stored.declare(s=S3 | {"batch_rows": 4})
    stored.desire(BEFORE)
    stored.sync()
    stored.desire(AFTER)
    kill_at(stored, call, moment)
    assert stored.sync().run.status == "succeeded"
    assert stored.held() == wanted(AFTER)
    assert stored.sync().run.planned == 0


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_first_run_killed_and_rows_left(stored, call):
    """The writes are the marker, its list with the object, and the object."""
    stored.desire(BEFORE)
    kill_at(stored, call, "after")
    stored.desire(members(3))
    stored.sync(allow_large_change=True)
    assert stored.held() == wanted(members(3))
    assert stored.store.names() == [f"{PLACE}{MARKER}", f"{PLACE}vip.jsonl"]
