"""HubSpot beyond the common suite: merged contacts, answers in parts, deleted lists, own fields."""

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations.answers import failed
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.exchange import Answer
from tideline.activation.destinations.hubspot.account import of_trace
from tideline.activation.destinations.hubspot.contacts import ContactOptions, as_property

pytest_plugins = ["tests.support.tools.fixtures"]

ALL = [member(each) for each in "abc"]


@pytest.mark.parametrize("kind", ["hubspot_contacts", "hubspot_lists"])
def test_who_left_is_removed_under_a_second_address(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire(ALL)
    rig.sync()
    rig.tools.put("seed", {"hubspot": [["merged@example.com", "a@example.com"]]})
    rig.desire([member("b")])
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == rig.case.wanted([member("b")])


def test_two_spellings_of_an_address_are_one_contact_in_a_request(tool_rig):
    rig = tool_rig("hubspot_lists", key=["profile_id", "email", "segment_name"])
    rows = [member("a"), member("twin", email="A@example.com")]
    rig.desire(rows)
    assert rig.sync().run.accepted == 2
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert rig.held() == {}


def answer(results, errors=()):
    content = {"results": list(results), "errors": list(errors)}
    return Reply(207 if errors else 200, content, {})


def result(trace=None):
    return {"id": "1"} | ({} if trace is None else {"objectWriteTraceId": str(trace)})


def error(*traces):
    context = {"objectWriteTraceId": [str(each) for each in traces]} if traces else {}
    return {"message": "Invalid", "context": context}


@pytest.mark.parametrize(
    ("reply", "fates"),
    [
        (answer([result(0), result(1)]), ["accepted", "accepted"]),
        (answer([result(), result()]), ["accepted", "accepted"]),
        (answer([result()]), ["unknown", "unknown"]),
        (answer([result(0)]), ["accepted", "unknown"]),
        (answer([result()], [error(0)]), ["rejected", "accepted"]),
        (answer([], [error(0)]), ["rejected", "unknown"]),
        (answer([result(1)], [error()]), ["rejected", "accepted"]),
        (answer([result()], [error()]), ["unknown", "unknown"]),
        (answer([], [error()]), ["rejected", "rejected"]),
        (Reply(200, {"errors": [error()]}, {}), ["unknown", "unknown"]),
        (Reply(200, None, {}), ["unknown", "unknown"]),
    ],
)
def test_positions_or_numbers_tell_the_outcome_of_each_row(reply, fates):
    assert [each.fate for each in of_trace(reply, 2)] == fates


@pytest.mark.parametrize(("body", "status"), [("<html>", "held"), ({"a": 1}, "held")])
def test_a_removal_is_not_done_if_a_proxy_does_not_know_the_list(tool_rig, body, status):
    rig = tool_rig("hubspot_lists")
    rig.desire(ALL)
    rig.sync()
    rig.desire([member("b")])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 404, "body": body})
    assert rig.sync(allow_large_change=True).run.status == status
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == rig.case.wanted([member("b")])


@pytest.mark.parametrize("name", ["email", "Email", "phone", "customer_id", "hs_object_id"])
def test_a_property_that_identifies_or_reaches_a_person_is_refused(name):
    with pytest.raises(ValueError, match="would be emptied by a removal"):
        ContactOptions(fields={name: "{email}"}, id_property="customer_id")


def test_an_object_is_sent_as_json():
    assert as_property({"a": [True, "ü"]}) == '{"a": [true, "ü"]}'


@pytest.mark.parametrize("status", [423, 477])
def test_a_locked_account_is_busy_and_rejects_nobody(status):
    more = {"Retry-After": "2"} if status == 477 else {}
    outcome = failed(Answer(status, more, b"{}", True), ["HUBSPOT_TOKEN"], "the vendor's API")
    assert (outcome.fate, outcome.is_paced) == ("busy", True)
    assert outcome.retry_after == (2.0 if more else None)
