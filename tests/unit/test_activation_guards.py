"""Plans that guards hold or accept; a held or rejected run is not a success."""

import pytest

from tests.support.activation_rig import (
    FILES,
    KILLED_AFTER_SENDING,
    WEBHOOK,
    members,
    numbers,
    some,
)

pytest_plugins = ["tests.support.activation_fixtures"]


@pytest.fixture
def filed(rig):
    """A rig with one files sync `s`, with the default limits."""
    rig.declare(s={key: value for key, value in FILES.items() if key != "guard_min_rows"})
    return rig


def run(rig, rows, **options):
    rig.desire(members(rows))
    return rig.sync(**options)


def held(result, *words):
    assert (result.run.status, result.exit_code) == ("held", 3)
    assert result.run.accepted == 0 and "--allow-large-change" in result.run.message
    for word in words:
        assert word in result.run.message
    return True


def test_one_row_that_grows_to_thousands_is_held(filed):
    run(filed, 1)
    growth = ("from 1 to 5,000", "max_growth_share = 100%", "guard_min_rows = 1,000")
    assert held(run(filed, 5000, dry_run=True), *growth)
    assert held(run(filed, 5000), *growth)
    assert run(filed, 5000, allow_large_change=True).run.accepted == 4999
    assert run(filed, 5000).run.status == "succeeded"


@pytest.mark.parametrize("rows", [5000, 1])
def test_a_first_sync_of_any_size_goes_through(filed, rows):
    assert run(filed, rows).run.accepted == rows


@pytest.mark.parametrize(("before", "after"), [(1, 1001), (1200, 2400), (5, 900)])
def test_growth_within_the_limits_goes_through(filed, before, after):
    run(filed, before)
    assert run(filed, after).run.accepted == after - before


def test_an_interrupted_first_sync_continues(hooked, server):
    hooked.declare(s=WEBHOOK | {"guard_min_rows": 10})
    server.script({"do": "ok"}, {"do": "status", "status": 401})
    assert run(hooked, 40).run.accepted == 5
    assert numbers(run(hooked, 40)) == some(add=35, accepted=35)


def test_a_lost_file_is_written_again_whatever_its_size(filed):
    filed.desire([*members(1500), *members(1, segment="new")])
    filed.sync()
    (filed.deliveries / "s" / "vip.jsonl").unlink()
    assert filed.sync().run.accepted == 1500


def test_a_fall_to_one_row_is_held(filed):
    run(filed, 900)
    words = ("only 1 of the 900 rows", "max_fall_share = 90%", "guard_min_fall = 50")
    assert held(run(filed, 1), *words)
    assert run(filed, 1, allow_large_change=True).run.ops["remove"] == 899


@pytest.mark.parametrize(("before", "after"), [(900, 90), (51, 1), (10, 1)])
def test_a_fall_within_the_limits_goes_through(filed, before, after):
    run(filed, before)
    assert run(filed, after).run.accepted == before - after


@pytest.mark.parametrize("after", [0, 1])
def test_resends_are_guarded_too(hooked, server, after):
    hooked.declare(s=WEBHOOK | {"batch_rows": 100})
    hooked.desire(members(100))
    hooked.command(prelude=KILLED_AFTER_SENDING).communicate(timeout=60)
    assert len(server.rows) == 100
    for options in ({"dry_run": True}, {}):
        result = run(hooked, after, **options)
        assert held(result) and numbers(result) == some(resend=100, held=100)
    assert len(server.rows) == 100 and len(server.state["requests"]) == 1
    run(hooked, after, allow_large_change=True)
    assert len(server.rows) == after


def test_the_limits_are_options_of_the_sync(rig):
    rig.declare(s=FILES | {"guard_min_fall": 2, "max_fall_share": 0.5})
    run(rig, 10)
    assert held(run(rig, 4), "max_fall_share = 50%")
    rig.declare(s=FILES | {"guard_min_rows": 2, "max_growth_share": 0.5})
    assert held(run(rig, 16), "from 10 to 16", "max_growth_share = 50%")
    assert run(rig, 15).run.status == "succeeded"


def test_a_run_with_all_rows_rejected_is_not_a_success(hooked, server):
    server.refuse("p000", "p001")
    result = run(hooked, 2)
    assert numbers(result) == some(add=2, rejected=2)
    assert (result.run.status, result.exit_code) == ("rejected", 4)
    assert "2 rows rejected; `activation_rejections` says why" in result.run.message
    assert hooked.last_run("status") == "rejected"
    server.refuse("p000", "p001", "p003")
    some_rejected = run(hooked, 4)
    assert numbers(some_rejected) == some(add=2, accepted=1, rejected=1)
    assert (some_rejected.run.status, some_rejected.exit_code) == ("succeeded", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scripts", "code", "statuses"),
    [
        ([["ok"], ["ok"]], 0, {"succeeded"}),
        ([["ok"], [401]], 3, {"succeeded", "held"}),
        ([[400], [401]], 4, {"rejected", "held"}),
        ([[500], [400]], 1, {"failed", "rejected"}),
    ],
)
def test_the_exit_code_is_that_of_the_worst_sync(hooked, server, scripts, code, statuses):
    hooked.declare(s=WEBHOOK | {"max_attempts": 1}, t=WEBHOOK | {"max_attempts": 1})
    hooked.desire(members(1))
    steps = [step for script in scripts for step in script]
    server.script(
        *[{"do": "ok"} if step == "ok" else {"do": "status", "status": step} for step in steps]
    )
    process = hooked.command()
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert {line.split()[1] for line in out.splitlines()[1:3]} == statuses
