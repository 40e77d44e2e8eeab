"""A sync that requires consent sends only people who have agreed."""

import json

import pytest

from tests.support.activation_rig import (
    FILES,
    KILLED_AFTER_SENDING,
    WEBHOOK,
    ConsentRig,
    asking,
    manifest,
    member,
    members,
    numbers,
    sent_since,
    some,
    wanted,
)
from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.activation_fixtures"]


@pytest.mark.parametrize(
    ("silence_is_consent", "expected"), [(False, {"yes"}), (True, {"yes", "silent"})]
)
def test_only_profiles_that_have_agreed_are_sent(tmp_path, silence_is_consent, expected):
    rig = ConsentRig(tmp_path)
    rig.desire([member("yes"), member("no"), member("silent")])
    rig.state(("yes", "marketing", True), ("no", "marketing", False), ("silent", "other", True))
    rig.manifest.write_text(
        json.dumps(asking(consent="marketing", silence_is_consent=silence_is_consent))
    )
    result = rig.sync()
    assert rig.held() == expected
    withheld = 3 - len(expected)
    assert result.run.status == "succeeded"
    assert f"{withheld} row" in rig.last_run("message")
    assert "`marketing`" in rig.last_run("message")


def test_a_later_refusal_removes_and_a_later_consent_adds(tmp_path):
    rig = ConsentRig(tmp_path)
    rig.desire([member("a"), member("b")])
    rig.manifest.write_text(json.dumps(asking(consent="it's marketing")))
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", True))
    rig.sync()
    assert rig.held() == {"a", "b"}
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", False))
    assert rig.sync().run.ops["remove"] == 1
    assert rig.held() == {"a"}
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", True))
    rig.sync()
    assert rig.held() == {"a", "b"}


@pytest.mark.parametrize(
    ("sync", "has_consents", "words"),
    [
        ({"consent": "marketing"}, False, "add `ref('profile_consents')`"),
        ({"silence_is_consent": True}, True, "`silence_is_consent` needs `consent`"),
        ({"consent": 1}, True, "expected text"),
    ],
)
def test_a_wrong_declaration_is_an_error(tmp_path, sync, has_consents, words):
    content = asking(**sync) if has_consents else manifest(s=FILES | sync)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(DeclarationError) as error:
        read_syncs(tmp_path / "manifest.json", DESTINATIONS)
    assert words in str(error.value)


def test_without_the_table_of_consents_nothing_is_sent(tmp_path):
    rig = ConsentRig(tmp_path)
    rig.desire([member("a")])
    rig.manifest.write_text(json.dumps(asking(consent="marketing")))
    result = rig.sync()
    assert result.failed and "dbt build --select +profile_consents" in result.run.message
    assert not (rig.deliveries / "s").exists()


@pytest.fixture
def killed(tmp_path, server):
    """A webhook sync that was killed after it had sent three adds, before the answer."""
    rig = ConsentRig(tmp_path)
    rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
    rig.manifest.write_text(json.dumps(asking(WEBHOOK, consent="marketing")))
    rig.state(*((f"p00{index}", "marketing", True) for index in range(3)))
    rig.desire(members(3))
    process = rig.command(prelude=KILLED_AFTER_SENDING)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -9, out + err
    return rig


def withdraws(rig):
    rig.state(
        ("p000", "marketing", False), ("p001", "marketing", True), ("p002", "marketing", True)
    )


@pytest.mark.parametrize("was_applied", [True, False])
def test_a_withdrawal_between_a_kill_and_the_next_run_prevents_the_add(killed, server, was_applied):
    if not was_applied:
        server.reset()
    withdraws(killed)
    before = len(server.state["requests"])
    result = killed.sync()
    assert numbers(result) == some(resend=3, remove=1, accepted=4)
    assert server.rows == wanted(members(3)[1:])
    sent = sent_since(server, before)
    assert ("remove", "p000") in sent and ("add", "p000") not in sent
    assert killed.sync().run.planned == 0


def test_a_removal_sent_again_without_success_stays_a_removal(killed, server):
    """The process is killed again while the removal is sent; the removal is not a new operation."""
    withdraws(killed)
    process = killed.command(prelude=KILLED_AFTER_SENDING)
    process.communicate(timeout=60)
    assert process.returncode == -9 and len(server.rows) == 3
    before = len(server.state["requests"])
    killed.sync()
    assert server.rows == wanted(members(3)[1:])
    assert ("add", "p000") not in sent_since(server, before)


def test_an_attempt_that_is_applied_after_the_removal_is_ignored(killed, server):
    """The destination is slow: the request of the killed process arrives last."""
    [late] = server.state["requests"]
    server.reset()
    withdraws(killed)
    killed.sync()
    server.post(late["body"])
    assert server.rows == wanted(members(3)[1:])


def test_an_update_with_unknown_outcome_is_taken_back_too(killed, server):
    killed.sync()
    killed.desire(members(3, label="gold"))
    process = killed.command(prelude=KILLED_AFTER_SENDING)
    process.communicate(timeout=60)
    withdraws(killed)
    before = len(server.state["requests"])
    killed.sync()
    assert server.rows == wanted(members(3, label="gold")[1:])
    assert {op for op, profile in sent_since(server, before) if profile == "p000"} == {"remove"}


def test_a_person_forgotten_between_a_kill_and_the_next_run_is_not_added(killed, server):
    """As in `make forget`: the tables no longer have their rows, and only these are removed."""
    killed.desire(members(3)[1:])
    [(key,)] = killed.sql(
        "select row_key from warehouse.tideline.activation_ledger where row_key like '%p000%'"
    )
    before = len(server.state["requests"])
    result = killed.sync(forgotten=[key])
    assert numbers(result) == some(resend=3, remove=1, accepted=4)
    assert server.rows == wanted(members(3)[1:])
    assert ("add", "p000") not in sent_since(server, before)
    assert "p000" not in str(killed.sql("from warehouse.tideline.activation_ledger"))


def test_an_open_request_to_be_forgotten_prevents_the_add(killed, server):
    """The request is open, the destination is not updated yet, and the schedule runs the sync."""
    killed.manifest.write_text(json.dumps(manifest(s=WEBHOOK)))  # a sync without consent
    killed.desire(members(3)[1:])
    before = len(server.state["requests"])
    assert numbers(killed.sync()) == some(resend=3, remove=1, accepted=4)
    assert ("add", "p000") not in sent_since(server, before)
    assert server.rows == wanted(members(3)[1:])


def test_a_removal_does_not_hide_when_the_row_was_sent(killed, server):
    """`make forget` finds rows sent before the request; here it is between send and removal."""
    sent_at = "select sent_at from warehouse.tideline.activation_ledger where row_key like '%p000%'"
    [before] = killed.sql(sent_at)
    killed.desire(members(3)[1:])
    server.script({"do": "ok"}, {"do": "status", "status": 401})
    assert numbers(killed.sync()) == some(resend=3, remove=1, accepted=3, held=1)
    assert killed.sql(sent_at) == [before]
    server.script({"do": "drop_after"}, *[{"do": "error"}] * 4)
    assert numbers(killed.sync()) == some(remove=1, unknown=1)
    assert killed.sql(sent_at) == [before]


def test_an_emptied_table_of_consents_is_held(killed, server):
    killed.sync()
    killed.state()
    result = killed.sync()
    assert (result.run.status, result.exit_code) == ("held", 3)
    for word in ("0 statements", "`marketing`", "had 3", "--allow-large-change"):
        assert word in result.run.message
    assert len(server.rows) == 3
    killed.sync(allow_large_change=True)
    assert server.rows == {}
    assert killed.sync().run.status == "succeeded"


def test_an_emptied_table_does_not_add_profiles_that_have_refused(killed, server):
    killed.manifest.write_text(
        json.dumps(asking(WEBHOOK, consent="marketing", silence_is_consent=True))
    )
    withdraws(killed)
    killed.sync()
    killed.state(("p000", "analytics", False))
    assert killed.sync().run.status == "held"
    assert server.rows == wanted(members(3)[1:])


def test_most_statements_gone_are_held_and_a_few_are_not(tmp_path):
    rig = ConsentRig(tmp_path)
    rig.manifest.write_text(json.dumps(asking(consent="marketing")))
    rig.desire(members(3))

    def stated(count):
        rig.state(*((f"p{index:03}", "marketing", True) for index in range(count)))
        return rig.sync().run.status

    assert [stated(60), stated(5), stated(7), stated(3)] == [
        "succeeded",
        "held",  # 55 of 60 are gone, more than nine in ten
        "succeeded",
        "succeeded",
    ]
