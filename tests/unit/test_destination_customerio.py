"""What is particular to Customer.io: limits, its partial answers, people and segments that it
ignores in silence.
"""

import json

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations import Operation
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.customerio.people import CustomerioPeople, PeopleOptions
from tideline.activation.destinations.customerio.segments import SegmentOptions

pytest_plugins = ["tests.support.tools.fixtures"]


def requests_to(rig, path):
    """The bodies of the requests to a path of the Track API."""
    asked = rig.tools.state["requests"]
    return [json.loads(body) for _, target, body in asked if path in target and body]


def reasons(rig):
    return rig.sql("select reason from warehouse.tideline.activation_rejections order by reason")


def wrong(index, **more):
    return {"batch_index": index, "reason": "invalid", "message": "is wrong"} | more


def test_values_keep_their_types_and_null_empties(tool_rig):
    fields = {
        "score": "{score}",
        "is_new": "{is_new}",
        "entered": "{entered_at}",
        "more": "{details}",
        "label": "{segment_label}",
    }
    rig = tool_rig("customerio_people", fields=fields, region="eu")
    rig.desire([member("a", label="Ünï 🎉", details='{"x": [1, "y"]}')])
    assert rig.sync().run.status == "succeeded"
    assert rig.tools.state["customerio"]["people"][0] == {
        "email": "a@example.com",
        "score": 0.5,
        "is_new": True,
        "entered": "2026-11-01T10:00:00.250000Z",
        "more": {"x": [1, "y"]},
        "label": "Ünï 🎉",
    }
    rig.desire([member("a", label=None, score=None, details="[]")])
    assert rig.sync().run.status == "succeeded"
    assert not {"score", "label"} & set(rig.tools.state["customerio"]["people"][0])


def test_people_are_found_by_id(tool_rig):
    sync = {"key": ["profile_id"], "identify": "profile_id", "id_type": "id"}
    rig = tool_rig("customerio_people", **sync)
    rig.desire([member("a")])
    assert rig.sync().run.status == "succeeded"
    assert {"id": "a", "tideline_label": "VIP"} in rig.tools.state["customerio"]["people"]


def test_a_removal_creates_nobody(tool_rig):
    rig = tool_rig("customerio_people")
    rig.desire([member("z"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    rig.tools.reset()  # as if the people had been deleted at Customer.io
    assert rig.sync().run.status == "succeeded"
    assert rig.tools.state["customerio"]["people"] == []
    (person,) = requests_to(rig, "/batch")[0]["batch"]
    assert person["attributes"] == {"tideline_label": None, "_update": True}


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"label": "é" * 501}, "`tideline_label` has 1002 bytes; Customer.io keeps up to 1000"),
        ({"email": "x" * 151}, "`email` has more than 150 bytes"),
        ({"email": " "}, "`email`, which identifies, is blank"),
    ],
)
def test_a_row_over_a_limit_is_rejected_alone(tool_rig, sent, reason):
    rig = tool_rig("customerio_people")
    rig.desire([member("a", **sent), member("b", label="é" * 500)])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert reason in reasons(rig)[0][0]
    assert [len(body["batch"]) for body in requests_to(rig, "/batch")] == [1]


def test_a_person_with_too_many_bytes_is_rejected_alone(tool_rig):
    fields = {f"f{index}": "{segment_label}" for index in range(40)}
    rig = tool_rig("customerio_people", fields=fields)
    rig.desire([member("a", label="x" * 900), member("b", label="x")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "more than 32,000 bytes" in reasons(rig)[0][0]


def test_a_request_has_at_most_500_000_bytes(tool_rig):
    fields = {f"f{index}": "{segment_label}" for index in range(20)}
    rig = tool_rig("customerio_people", fields=fields)
    rig.desire([member(f"p{index}", label="x" * 990) for index in range(60)])
    assert rig.sync().run.accepted == 60
    asked = rig.tools.state["requests"]
    sizes = [len(body.encode()) for _, target, body in asked if "/batch" in target]
    assert len(sizes) == 3 and max(sizes) <= 500_000


def test_people_that_the_answer_names_are_rejected_with_its_words(tool_rig):
    rig = tool_rig("customerio_people")
    rig.desire([member(each) for each in "abc"])
    answer = {"errors": [wrong(1, field="attributes")]}
    rig.tools.faults({"do": "say", "status": 207, "body": answer})
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected, result.run.unknown) == (2, 1, 0)
    assert reasons(rig) == [("Customer.io: attributes invalid is wrong",)]


@pytest.mark.parametrize(
    ("status", "answer", "rejected"),
    [
        (207, {}, 0),
        (207, {"errors": "wrong"}, 0),
        (207, {"errors": [wrong(9)]}, 0),
        (207, {"errors": [wrong(True)]}, 0),
        (207, {"errors": [wrong(0), {"reason": "invalid"}]}, 1),
        (200, {"errors": [wrong(0), "wrong"]}, 1),
        (200, [], 0),
    ],
)
def test_an_answer_that_does_not_name_who_failed_is_unknown(tool_rig, status, answer, rejected):
    rig = tool_rig("customerio_people", max_attempts=1)
    rig.desire([member(each) for each in "abc"])
    rig.tools.faults({"do": "say", "status": status, "body": answer})
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (0, rejected)
    assert result.run.unknown == 3 - rejected
    assert rig.sync().run.status == "succeeded"


def test_somebody_who_does_not_exist_is_rejected_with_the_fix(tool_rig):
    rig = tool_rig("customerio_segments")
    rig.desire([member("a"), member("nobody")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "a sync to `customerio_people` with `id_type: id` creates" in reasons(rig)[0][0]
    assert requests_to(rig, "add_customers") == [{"ids": ["a"]}]
    rig.tools.put("seed", {"customerio": ["nobody"]})
    assert rig.sync(scope="rejected").run.accepted == 1
    assert rig.held() == rig.case.wanted([member("a"), member("nobody")])


@pytest.mark.parametrize(
    ("segment", "reason"), [("99", "there is no such segment"), ("13", "the segment is dynamic")]
)
def test_a_segment_that_cannot_be_changed_stops_no_other(tool_rig, segment, reason):
    rig = tool_rig("customerio_segments", lists={"vip": segment, "new": "12"})
    rig.desire([member("a"), member("b", "new")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert f"segment `{segment}` cannot be changed: {reason}" in reasons(rig)[0][0]
    assert rig.held() == {("b", "new"): None}


def test_nobody_is_in_a_segment_that_was_deleted(tool_rig):
    rig = tool_rig("customerio_segments")
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    gone = {"errors": [{"detail": "not found", "status": "404"}]}
    rig.tools.faults({"do": "say", "status": 404, "body": gone})
    result = rig.sync()
    assert (result.run.accepted, result.run.status) == (1, "succeeded")
    assert requests_to(rig, "remove_customers") == []


def test_a_page_that_is_not_found_is_no_deleted_segment(tool_rig):
    rig = tool_rig("customerio_segments", max_attempts=1)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    rig.tools.faults({"do": "say", "status": 404, "body": {}})
    assert rig.sync().run.held == 1
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == {("b", "vip"): None}


@pytest.mark.parametrize("answer", ["<html>", [], {"meta": {"errors": ["x"]}}])
def test_a_segment_is_changed_only_if_the_answer_says_so(tool_rig, answer):
    rig = tool_rig("customerio_segments", max_attempts=1)
    rig.desire([member("a")])
    say = {"do": "say", "status": 200, "body": answer}
    rig.tools.faults({"do": "ok"}, {"do": "ok"}, say)
    assert rig.sync().run.unknown == 1
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == {("a", "vip"): None}


def test_a_wrong_key_of_the_app_api_holds_the_sync_and_is_named(tool_rig):
    rig = tool_rig("customerio_segments")
    rig.desire([member("a")])
    rig.environment["CUSTOMERIO_APP_KEY"] = "wrong-secret"
    result = rig.sync()
    assert result.run.status == "held" and "CUSTOMERIO_APP_KEY" in result.run.message
    assert "wrong-secret" not in result.run.message


def test_the_app_api_has_an_address_of_its_own(tool_rig):
    rig = tool_rig("customerio_segments", app_url_env="APP_URL")
    rig.desire([member("a")])
    assert "APP_URL" in rig.sync().run.message
    rig.environment["APP_URL"] = "http://example.com"
    result = rig.sync()
    assert result.run.status == "failed" and "APP_URL is not an https" in result.run.message


@pytest.mark.parametrize("name", ["id", "email", "unsubscribed", "_update"])
def test_attributes_that_identify_or_reach_a_person_are_refused(name):
    with pytest.raises(ValueError, match="identifies or reaches a person"):
        PeopleOptions(fields={name: "{segment_label}"})


def test_declarations_that_customer_io_would_refuse():
    with pytest.raises(ValueError, match="`fields` is empty"):
        PeopleOptions(fields={})
    with pytest.raises(ValueError, match="a name of more than 150 bytes"):
        PeopleOptions(fields={"x" * 151: "{segment_label}"})
    with pytest.raises(ValueError, match="write its number"):
        SegmentOptions(lists={"vip": "vip-list"})


def test_a_person_whom_one_row_leaves_and_another_takes_is_held():
    """As if the address had moved to another profile."""
    sent = []

    class Recorder:
        where = "here"

        def call(self, method, path, body):
            sent.append([each["attributes"].get("a") for each in body["batch"]])
            return Reply(200, {}, {})

    add = Operation("add", "1", {"email": "a@example.com", "profile_id": "p"}, {"b": 1})
    remove = Operation("remove", "2", {"email": "a@example.com", "profile_id": "q"}, {})
    people = CustomerioPeople(Recorder(), PeopleOptions(fields={"a": "{b}"}))
    for batch in ([add, remove], [remove, add]):
        assert [each.fate for each in people.send(batch, "run")] == ["accepted", "accepted"]
    assert sent == [[None, 1], [None, 1]]


def test_the_answer_of_a_proxy_accepts_nobody(tool_rig):
    rig = tool_rig("customerio_people", max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "say", "status": 200, "body": {"login": "required"}})
    assert rig.sync().run.unknown == 1
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted([member("a")])
