"""LinkedIn's matched audiences: headers, the answer for each row, refused requests, `hash`."""

import json
from hashlib import sha256

import pytest

from tests.support.activation_rig import member
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.tools.fixtures"]

KIND = "linkedin_audiences"


def digest(text):
    return sha256(text.encode()).hexdigest()


def stored(rig):
    """All that the warehouse stores of the sync."""
    names = ("ledger", "runs", "rejections")
    tables = (f"warehouse.tideline.activation_{name}" for name in names)
    return str([rig.sql(f"select * from {table}") for table in tables])


def test_a_request_has_hashes_only(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a", email=" A @Example.com")])
    rig.sync()
    [[method, path, body]] = rig.tools.state["requests"]
    assert (method, path) == ("POST", "/linkedin/rest/dmpSegments/10804/users")
    value = digest("a@example.com")
    user = {"idType": "SHA256_EMAIL", "idValue": value}
    assert json.loads(body) == {"elements": [{"action": "ADD", "userIds": [user]}]}


def answers(*elements):
    return {"do": "say", "status": 200, "body": {"elements": list(elements)}}


@pytest.mark.parametrize(
    ("element", "fate"),
    [
        ({"status": 201}, "accepted"),
        ({"status": 400, "error": {"status": 400, "message": "Bad id"}}, "rejected"),
        ({"status": 403}, "rejected"),
        ({"status": 429}, "held"),
        ({"status": 500}, "unknown"),
        ({"status": 303}, "unknown"),
        ({"status": "201"}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_each_row_has_the_outcome_of_its_element(tool_rig, element, fate):
    rig = tool_rig(KIND, max_attempts=1)
    rig.desire([member("a"), member("b")])
    rig.tools.faults(answers({"status": 201}, element))
    run = rig.sync().run
    numbers = {"accepted": 1, "rejected": 0, "held": 0, "unknown": 0}
    numbers[fate] += 1
    assert numbers == {name: getattr(run, name) for name in numbers}
    if fate == "rejected":
        assert "LinkedIn: " in stored(rig)


@pytest.mark.parametrize("elements", [[], [{"status": 201}], [{"status": 201}] * 3])
def test_an_answer_for_other_rows_accepts_none(tool_rig, elements):
    rig = tool_rig(KIND, max_attempts=1)
    rig.desire([member("a"), member("b")])
    rig.tools.faults(answers(*elements))
    assert rig.sync().run.unknown == 2


def test_a_deleted_audience_stops_no_other(tool_rig):
    rig = tool_rig(KIND, lists={"vip": "10804", "new": "999"})
    rig.desire([member("a"), member("a", "new"), member("b", "new")])
    result = rig.sync()
    assert (result.run.status, result.run.accepted, result.run.rejected) == ("succeeded", 1, 2)
    assert "audience `999` cannot be changed (LinkedIn: Could not find" in stored(rig)
    assert len(rig.tools.state["requests"]) == 2  # not one per row


def test_missing_rights_are_rejected_with_the_words(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    said = {"status": 403, "code": "ACCESS_DENIED", "message": "Not enough permissions"}
    rig.tools.faults({"do": "say", "status": 403, "body": said})
    assert rig.sync().run.status == "rejected"
    assert "Not enough permissions (ACCESS_DENIED)" in stored(rig)


def test_an_answer_that_is_not_linkedins_is_held(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    for status in (403, 404):
        rig.tools.faults({"do": "say", "status": status, "body": "<html>"})
        assert rig.sync().run.status == "held"


def test_an_old_version_holds_the_sync_and_names_the_key(tool_rig):
    rig = tool_rig(KIND, version="202401")
    rig.desire([member(each) for each in "abc"])
    result = rig.sync()
    assert result.run.status == "held" and "write a later one in `version`" in result.run.message
    assert len(rig.tools.state["requests"]) == 1


def test_with_hash_the_ledger_has_no_address(tool_rig):
    rig = tool_rig(KIND, hash=["email"])
    rig.desire([member("a"), member("b")])
    assert rig.sync().run.accepted == 2
    rig.desire([member("b")])
    rig.sync(allow_large_change=True)
    assert rig.held() == {("b@example.com", "vip"): None}
    assert "@" not in stored(rig) and digest("b@example.com") in stored(rig)


@pytest.mark.parametrize(
    ("sync", "why"),
    [
        ({"version": "2026-06"}, "write year and month as '202606'"),
        ({"identifiers": {"SHA256_PHONE": "email"}}, "there are: SHA256_EMAIL"),
    ],
)
def test_a_wrong_declaration_is_named(tool_rig, sync, why):
    rig = tool_rig(KIND, **sync)
    with pytest.raises(DeclarationError, match=why):
        rig.sync()
