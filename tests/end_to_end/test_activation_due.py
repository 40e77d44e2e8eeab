"""People who have refused or must be forgotten are removed, also in a run that a guard holds."""

import hashlib
import json

import pytest

from tests.support.activation_rig import (
    FILES,
    KILLED_AFTER_SENDING,
    WEBHOOK,
    ConsentRig,
    asking,
    manifest,
    members,
    numbers,
    sent_since,
    some,
    wanted,
)

pytest_plugins = ["tests.support.activation_fixtures"]

REFUSED = "the removal of 1 row whose profiles have refused `marketing` is not held"
FORGOTTEN = "the removal of 1 row whose profiles are to be forgotten is not held"


def agreed(count):
    return [(f"p{index:03}", "marketing", True) for index in range(count)]


def refused(*profiles):
    return [(profile, "marketing", False) for profile in profiles]


@pytest.fixture
def asked(tmp_path, server):
    """A webhook sync that requires consent and has delivered ten profiles that have agreed."""
    rig = ConsentRig(tmp_path)
    rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
    rig.manifest.write_text(json.dumps(asking(WEBHOOK, consent="marketing")))
    rig.state(*agreed(10))
    rig.desire(members(10))
    rig.sync()
    return rig


def held(result, *words):
    assert (result.run.status, result.exit_code) == ("held", 3)
    for word in ("--allow-large-change", *words):
        assert word in result.run.message
    return True


@pytest.mark.parametrize("silence_is_consent", [False, True])
def test_a_small_audience_that_all_refuses_is_emptied(asked, server, silence_is_consent):
    sync = WEBHOOK | {"consent": "marketing", "silence_is_consent": silence_is_consent}
    asked.manifest.write_text(json.dumps(asking(sync)))
    asked.state(*refused(*(profile for profile, *_ in agreed(10))))
    dry = asked.sync(dry_run=True)
    assert dry.run.status == "succeeded" and numbers(dry) == some(remove=10, held=10)
    result = asked.sync()
    assert numbers(result) == some(remove=10, accepted=10)
    assert (result.run.status, result.exit_code) == ("succeeded", 0)
    assert server.rows == {}
    assert asked.sync().run.planned == 0


def test_a_refusal_is_applied_in_a_run_that_a_guard_holds(asked, server):
    """A build has emptied the table, and p000 has refused."""
    asked.state(*refused("p000"), *agreed(10)[1:])
    asked.desire([])
    dry = asked.sync(dry_run=True)
    assert held(dry, "is empty", REFUSED) and numbers(dry) == some(remove=10, held=10)
    assert len(server.rows) == 10
    result = asked.sync()
    assert held(result, "is empty", REFUSED)
    assert numbers(result) == some(remove=10, accepted=1, held=9)
    assert server.rows == wanted(members(10)[1:])
    again = asked.sync()
    assert held(again) and numbers(again) == some(remove=9, held=9)
    assert "not held" not in again.run.message


def test_the_command_says_so_and_its_exit_code_stays(asked, server):
    asked.state(*refused("p000"), *agreed(10)[1:])
    asked.desire([])
    process = asked.command()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3 and REFUSED in out, out + err
    assert server.rows == wanted(members(10)[1:])


@pytest.mark.parametrize("statements", [[], refused("p000")])
def test_a_missing_statement_is_not_a_refusal(asked, server, statements):
    """The table of consents is emptied; only profiles with a refusal are removed in any case."""
    asked.state(*statements)
    assert held(asked.sync())
    assert server.rows == wanted(members(10)[len(statements) :])


def test_a_missing_table_of_consents_removes_nobody(asked, server):
    asked.sql("drop table warehouse.tideline.profile_consents")
    assert asked.sync().failed
    assert server.rows == wanted(members(10))


def test_a_refusal_of_another_purpose_removes_nobody(asked, server):
    asked.state(("p000", "analytics", False), *agreed(10))
    asked.desire([])
    assert held(asked.sync())
    assert server.rows == wanted(members(10))


def test_many_refusals_do_not_make_other_changes_pass_or_fail(tmp_path):
    """Guards check only the rest: of 100 rows 90 are refused, and one of the other ten leaves."""
    rig = ConsentRig(tmp_path)
    limits = {"guard_min_fall": 0, "max_fall_share": 0.5, "guard_min_rows": 0}
    rig.manifest.write_text(json.dumps(asking(FILES | limits, consent="marketing")))
    rig.state(*agreed(100))
    rig.desire(members(100))
    rig.sync()
    rig.state(*refused(*(f"p{index:03}" for index in range(10, 100))), *agreed(10))
    rig.desire(members(100)[:4])
    result = rig.sync()
    assert held(result, "only 4 of the 10 rows", "would be left")
    assert numbers(result) == some(remove=96, accepted=90, held=6)
    assert rig.held() == {f"p{index:03}" for index in range(10)}
    rig.desire(members(100)[:9])
    assert numbers(rig.sync()) == some(remove=1, accepted=1)


@pytest.mark.parametrize(
    "sync", [{"key": ["email", "segment_name"]}, {"hash": ["profile_id"]}], ids=["key", "hash"]
)
def test_a_key_that_does_not_show_the_profile_is_looked_up_in_the_table(tmp_path, sync):
    rig = ConsentRig(tmp_path)
    rig.manifest.write_text(json.dumps(asking(FILES | sync, consent="marketing")))
    rig.state(*agreed(10))
    rig.desire(members(10))
    rig.sync()
    rig.state(*refused("p000"))
    result = rig.sync()
    assert held(result, REFUSED) and numbers(result) == some(remove=10, accepted=1, held=9)


def test_unknown_operations_are_taken_back_in_a_held_run_too(tmp_path, server):
    rig = ConsentRig(tmp_path)
    rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
    rig.manifest.write_text(json.dumps(asking(WEBHOOK | {"batch_rows": 9}, consent="marketing")))
    rig.state(*agreed(3))
    rig.desire(members(3))
    rig.command(prelude=KILLED_AFTER_SENDING).communicate(timeout=60)
    assert len(server.rows) == 3
    rig.state(*refused("p000"), *agreed(3)[1:])
    rig.desire([])
    before = len(server.state["requests"])
    result = rig.sync()
    assert held(result, REFUSED)
    assert numbers(result) == some(resend=3, remove=1, accepted=2, held=2)
    assert sent_since(server, before) == [("remove", "p000")] * 2
    assert server.rows == wanted(members(3)[1:])


def test_the_next_run_updates_a_destination_that_was_down(asked, server):
    asked.state(*refused("p000"), *agreed(10)[1:])
    asked.desire(members(9))
    server.script({"do": "status", "status": 401})
    result = asked.sync()
    assert result.run.status == "held" and numbers(result) == some(remove=2, held=2)
    assert len(server.rows) == 10
    assert numbers(asked.sync()) == some(remove=2, accepted=2)
    assert server.rows == wanted(members(9)[1:])


def asks_to_be_forgotten(rig, profile, when="2099-01-01 00:00:00"):
    """Write the request of `make forget`, before destinations are updated."""
    table = "warehouse.tideline_internal.forgotten_identifiers"
    rig.sql(
        f"create table if not exists {table} "
        "(identifier_hash varchar, requested_at timestamp, valid_from timestamp)"
    )
    rig.sql(
        f"insert into {table} values (?, cast(? as timestamp), null)",
        [hashlib.sha256(f"profile_id:{profile}".encode()).hexdigest(), when],
    )


def test_people_to_be_forgotten_are_removed_in_a_run_that_a_guard_holds(hooked, server):
    """The schedule runs the sync before `make forget` has updated the destination."""
    hooked.desire(members(10))
    hooked.sync()
    asks_to_be_forgotten(hooked, "p000")
    hooked.desire([])
    result = hooked.sync()
    assert held(result, FORGOTTEN) and numbers(result) == some(remove=10, accepted=1, held=9)
    assert server.rows == wanted(members(10)[1:])


def test_an_audience_that_is_all_to_be_forgotten_is_emptied(hooked, server):
    hooked.desire(members(2))
    hooked.sync()
    for profile in ("p000", "p001"):
        asks_to_be_forgotten(hooked, profile)
    hooked.desire([])
    assert numbers(hooked.sync()) == some(remove=2, accepted=2)
    assert server.rows == {}


def test_people_who_returned_after_the_request_are_guarded_like_others(hooked, server):
    hooked.desire(members(2))
    hooked.sync()
    asks_to_be_forgotten(hooked, "p000", when="2000-01-01 00:00:00")
    hooked.desire([])
    assert held(hooked.sync()) and len(server.rows) == 2


def test_rows_of_people_to_be_forgotten_are_not_sent(hooked, server):
    """The request is open and the tables are not built yet; other rows are sent as usual."""
    hooked.desire(members(2))
    hooked.sync()
    asks_to_be_forgotten(hooked, "p000")
    hooked.desire(members(2, label="gold"))
    assert numbers(hooked.sync()) == some(update=1, accepted=1)
    assert set(server.rows.values()) == {"VIP", "gold"}
    hooked.desire(members(2, label="gold")[1:])
    assert numbers(hooked.sync()) == some(remove=1, accepted=1)


def test_one_sync_does_not_remove_what_another_holds(rig):
    """Both have the key; only one requires consent."""
    rig = ConsentRig(rig.folder)
    content = asking(FILES, consent="marketing")
    content["exposures"] |= manifest(t=FILES)["exposures"]
    rig.manifest.write_text(json.dumps(content))
    rig.state(*agreed(3))
    rig.desire(members(3))
    rig.sync("s")
    rig.sync("t")
    rig.state(*refused("p000"), *agreed(3)[1:])
    rig.desire([])
    result = rig.sync("s")
    assert held(result, REFUSED) and numbers(result) == some(remove=3, accepted=1, held=2)
    assert numbers(rig.sync("t")) == some(remove=3, held=3)
