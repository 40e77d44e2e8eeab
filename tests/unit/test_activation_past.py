"""Past and future states are held; an older state is delivered only with `--allow-older`."""

import json

import pytest

from tests.support.activation_rig import FILES, Rig, member, members, numbers, some, wanted

pytest_plugins = ["tests.support.activation_fixtures"]

MAY, JUNE, JULY = ("2026-05-01 00:00:00", "2026-06-01 00:00:00", "2026-07-01 00:00:00")


def desire(rig, count, as_of):
    rig.desire(members(count, as_of=as_of))


def test_an_older_state_is_held_with_the_command_that_overrides(hooked, server):
    desire(hooked, 3, JUNE)
    hooked.sync()
    desire(hooked, 1, MAY)
    for dry_run in (True, False):
        result = hooked.sync(dry_run=dry_run)
        assert (result.run.status, result.exit_code) == ("held", 3)
        assert numbers(result) == some()
        for word in (MAY, JUNE, "--allow-older", "activation_audiences"):
            assert word in result.run.message
    assert server.rows == wanted(members(3))
    assert numbers(hooked.sync(allow_older=True)) == some(remove=2, accepted=2)
    assert server.rows == wanted(members(1))


def test_the_command_refuses_and_overrides(hooked, server):
    desire(hooked, 2, JUNE)
    hooked.sync()
    desire(hooked, 1, MAY)
    process = hooked.command()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3 and "--allow-older" in out, out + err
    process = hooked.command("run", "--allow-older")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert server.rows == wanted(members(1))


def test_an_overridden_state_is_the_present_afterwards(hooked, server):
    """A removed landing sets the clock back permanently."""
    desire(hooked, 3, JULY)
    hooked.sync()
    desire(hooked, 2, MAY)
    hooked.sync(allow_older=True)
    desire(hooked, 3, JUNE)
    assert hooked.sync().run.status == "succeeded"
    desire(hooked, 2, MAY)
    assert hooked.sync().run.status == "held"


def test_a_state_in_which_nothing_changed_counts_as_delivered(hooked):
    desire(hooked, 3, MAY)
    hooked.sync()
    desire(hooked, 3, JULY)
    assert numbers(hooked.sync()) == some()
    desire(hooked, 2, JUNE)
    assert hooked.sync().run.status == "held"


def test_a_state_without_accepted_rows_does_not_count(hooked, server):
    desire(hooked, 3, MAY)
    hooked.sync()
    desire(hooked, 4, JULY)
    server.script({"do": "status", "status": 401})
    assert hooked.sync().run.status == "held"
    desire(hooked, 2, JUNE)
    assert hooked.sync().run.status == "succeeded"


def test_a_state_with_some_accepted_rows_counts(hooked, server):
    desire(hooked, 3, MAY)
    hooked.sync()
    desire(hooked, 13, JULY)
    server.script({"do": "ok"}, {"do": "status", "status": 401})
    assert hooked.sync().run.status == "held"
    desire(hooked, 2, JUNE)
    assert "--allow-older" in hooked.sync().run.message


def test_resends_do_not_count_as_the_new_state(hooked, server):
    hooked.declare(s={**declared(hooked), "max_attempts": 1, "guard_min_fall": 0})
    desire(hooked, 3, MAY)
    server.script({"do": "drop_before"})
    assert hooked.sync().run.unknown == 3
    desire(hooked, 3, JULY)
    server.script({"do": "ok"}, {"do": "status", "status": 401})
    hooked.desire([member("p000", label="gold", as_of=JULY), *members(3, as_of=JULY)[1:]])
    assert numbers(hooked.sync()) == some(resend=3, update=1, accepted=3, held=1)
    desire(hooked, 2, JUNE)
    assert hooked.sync().run.status == "succeeded"


def declared(rig):
    [exposure] = json.loads(rig.manifest.read_text())["exposures"].values()
    return exposure["config"]["meta"]["sync"]


def test_an_older_state_does_not_resend_unknown_operations(hooked, server):
    hooked.declare(s={**declared(hooked), "max_attempts": 1})
    desire(hooked, 3, JUNE)
    hooked.sync()
    hooked.desire(members(3, label="gold", as_of=JULY))
    server.script({"do": "drop_before"})
    hooked.sync()
    desire(hooked, 3, MAY)
    before = len(server.state["requests"])
    assert hooked.sync().run.status == "held"
    assert len(server.state["requests"]) == before


def test_rows_with_a_null_clock_are_not_newer(hooked):
    desire(hooked, 3, JUNE)
    hooked.sync()
    desire(hooked, 2, None)
    result = hooked.sync()
    assert result.run.status == "held" and "has no value in `as_of`" in result.run.message
    assert hooked.sync(allow_older=True).run.status == "succeeded"


def test_a_table_without_a_clock_is_delivered_as_it_is(hooked):
    desire(hooked, 3, JUNE)
    hooked.sync()
    hooked.sql("alter table warehouse.tideline.activation_audiences drop column as_of")
    assert hooked.sync().run.status == "succeeded"


def test_the_first_run_and_another_sync_have_nothing_to_be_older_than(rig):
    rig.declare(s=FILES, t=FILES)
    desire(rig, 3, JUNE)
    assert rig.sync("s").run.status == "succeeded"
    desire(rig, 2, MAY)
    assert rig.sync("t").run.status == "succeeded"
    assert rig.sync("s").run.status == "held"


def test_forgotten_people_are_removed_at_any_clock(hooked, server):
    desire(hooked, 3, JUNE)
    hooked.sync()
    desire(hooked, 2, MAY)
    [(key,)] = hooked.sql(
        "select row_key from warehouse.tideline.activation_ledger where row_key like '%p002%'"
    )
    assert numbers(hooked.sync(forgotten=[key])) == some(remove=1, accepted=1)
    assert server.rows == wanted(members(2))
    assert hooked.sync().run.status == "held"


FUTURE = "2099-01-01 00:00:00"
JUST_AFTER = "2099-01-01 00:00:00.000001"


def received(rig, *events):
    """Write the landed events: time received and status."""
    rig.sql("delete from warehouse.tideline_internal.int_events_deduplicated")
    for event in events:
        rig.sql(
            "insert into warehouse.tideline_internal.int_events_deduplicated "
            "select cast(? as timestamp), ?",
            event,
        )


def test_a_state_of_the_future_is_held_and_the_present_delivered_after_it(hooked, server):
    desire(hooked, 3, MAY)
    hooked.sync()
    desire(hooked, 1, FUTURE)
    received(hooked, (JUNE, "valid"), (FUTURE, "quarantined"))
    for options in ({"dry_run": True}, {}, {"allow_older": True}, {"allow_large_change": True}):
        result = hooked.sync(**options)
        assert (result.run.status, result.exit_code) == ("held", 3)
        assert numbers(result) == some()
        for word in (FUTURE, JUNE, "activation_audiences", "without the var `as_of`"):
            assert word in result.run.message
    assert server.rows == wanted(members(3))
    desire(hooked, 2, JULY)
    assert hooked.sync().run.status == "succeeded"
    assert server.rows == wanted(members(2))


def test_the_command_holds_a_state_of_the_future(hooked, server):
    desire(hooked, 2, FUTURE)
    received(hooked)
    process = hooked.command()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3 and "later than any event" in out, out + err
    assert server.rows == {}


def test_a_state_later_than_all_events_but_not_in_the_future_is_delivered(hooked):
    """Nothing has landed for days, and a build uses the present time as `as_of`."""
    desire(hooked, 3, "2020-01-02 00:00:00")
    received(hooked, ("2020-01-01 00:00:00", "valid"))
    assert hooked.sync().run.status == "succeeded"


def test_a_log_ahead_of_the_machines_clock_is_delivered(hooked):
    """Its clock is just after the newest event, also after that event is forgotten."""
    desire(hooked, 3, JUST_AFTER)
    received(hooked, (FUTURE, "valid"))
    assert hooked.sync().run.status == "succeeded"
    desire(hooked, 2, "2099-01-01 00:00:00.000002")
    received(hooked, (FUTURE, "valid"))
    assert hooked.sync().run.status == "held"
    desire(hooked, 2, JUST_AFTER)
    received(hooked, (JUNE, "valid"))
    assert hooked.sync().run.status == "held"
    clock = f"select cast('{JUST_AFTER}' as timestamp) as as_of"
    hooked.sql(f"create table warehouse.tideline.forget_requests as {clock}")
    assert hooked.sync().run.status == "succeeded"


def test_forgotten_people_are_removed_with_a_future_clock_too(hooked, server):
    desire(hooked, 3, JUNE)
    hooked.sync()
    desire(hooked, 2, FUTURE)
    received(hooked, (JUNE, "valid"))
    [(key,)] = hooked.sql(
        "select row_key from warehouse.tideline.activation_ledger where row_key like '%p002%'"
    )
    assert numbers(hooked.sync(forgotten=[key])) == some(remove=1, accepted=1)
    assert server.rows == wanted(members(2))


@pytest.fixture
def of_before(hooked):
    """A rig with the tables of an earlier release."""
    desire(hooked, 3, JUNE)
    hooked.sync()
    for column in ("acknowledged_as_of", "desired_rows", "consent_statements"):
        hooked.sql(f"alter table warehouse.tideline.activation_runs drop column {column}")
    hooked.sql("drop table warehouse.tideline.activation_warehouse")
    return hooked


def test_what_an_earlier_release_delivered_counts(of_before: Rig):
    desire(of_before, 2, MAY)
    assert "--allow-older" in of_before.sync().run.message
    desire(of_before, 2, JULY)
    assert of_before.sync().run.status == "succeeded"
