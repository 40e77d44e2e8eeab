"""What is particular to Braze: formats, limits that it keeps silent about, its partial answers."""

import json

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations import Operation
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.braze.segments import BrazeSegments, SegmentOptions
from tideline.activation.destinations.braze.users import UserOptions, problem_of

pytest_plugins = ["tests.support.tools.fixtures"]

BLOCKED = "provided external_id is blacklisted and disallowed"


def bodies(rig):
    return [json.loads(body) for _, _, body in rig.tools.state["requests"]]


def reasons(rig):
    return rig.sql("select reason from warehouse.tideline.activation_rejections order by reason")


def skipped(index, words=BLOCKED):
    return {"type": words, "input_array": "attributes", "index": index}


def test_values_keep_their_types_and_null_empties(tool_rig):
    fields = {
        "score": "{score}",
        "is_new": "{is_new}",
        "entered": "{entered_at}",
        "tags": "{details}",
        "label": "{segment_label}",
        "text": "Score {score}",
    }
    rig = tool_rig("braze_users", fields=fields)
    rig.desire([member("a", label="Ünï 🎉", details='["x", "y"]')])
    assert rig.sync().run.status == "succeeded"
    assert rig.tools.state["braze"][0] == {
        "external_id": "a",
        "score": 0.5,
        "is_new": True,
        "entered": "2026-11-01T10:00:00.250000Z",
        "tags": ["x", "y"],
        "label": "Ünï 🎉",
        "text": "Score 0.5",
    }
    rig.desire([member("a", label=None, score=None, details="[]")])
    assert rig.sync().run.status == "succeeded"
    held = rig.tools.state["braze"][0]
    assert "score" not in held and "label" not in held and held["tags"] == []


@pytest.mark.parametrize(
    ("label", "details", "reason"),
    [
        ("x" * 256, "[]", "`label` has 256 characters; Braze keeps a text of up to 255"),
        ("VIP", json.dumps(["x"] * 26), "`tags` has 26 elements; Braze keeps 25"),
        ("VIP", '["x", null]', "`tags` is a list that is not of texts"),
        ("VIP", '{"add": ["x"]}', "`tags` is an object"),
    ],
)
def test_a_value_that_braze_would_not_keep_is_rejected_alone(tool_rig, label, details, reason):
    rig = tool_rig("braze_users", fields={"label": "{segment_label}", "tags": "{details}"})
    rig.desire(
        [member("a", label=label, details=details), member("b", label="x" * 255, details="[]")]
    )
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert reason in reasons(rig)[0][0]
    assert [len(body["attributes"]) for body in bodies(rig)] == [1]
    assert rig.tools.state["braze"][1] == {"external_id": "b", "label": "x" * 255, "tags": []}


def test_problem_of_a_text_in_a_list():
    assert problem_of(["x" * 255]) is None
    assert problem_of(["ok", "x" * 256])


def test_all_rows_of_a_user_are_one_update_and_at_most_50_users_one_request(tool_rig):
    rig = tool_rig("braze_segments")
    rig.desire([member(f"p{i}", each) for i in range(60) for each in ("vip", "new")])
    assert rig.sync().run.accepted == 120
    sizes = [len(body["attributes"]) for body in bodies(rig)]
    assert sum(sizes) == 60 and max(sizes) == 50
    first = bodies(rig)[0]["attributes"][0]
    assert first["in_vip"] is True and first["in_new"] is True


def test_a_removal_creates_nobody_and_leaves_other_attributes(tool_rig):
    rig = tool_rig("braze_segments")
    rig.desire([member("z", "vip"), member("z", "new"), member("b", "vip")])
    rig.sync()
    rig.desire([member("z", "new"), member("b", "vip")])
    rig.tools.reset()  # as if the users had been deleted at Braze
    assert rig.sync().run.status == "succeeded"
    assert rig.tools.state["braze"] == []
    assert bodies(rig)[0]["attributes"] == [
        {"_update_existing_only": True, "email": "z@example.com", "in_vip": None}
    ]


def test_users_that_the_answer_names_are_rejected_with_its_words(tool_rig):
    rig = tool_rig("braze_users")
    rig.desire([member(each) for each in "abc"])
    answer = {"message": "success", "attributes_processed": 2, "errors": [skipped(1)]}
    rig.tools.faults({"do": "say", "status": 201, "body": answer})
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected, result.run.unknown) == (2, 1, 0)
    assert reasons(rig) == [(f"Braze: {BLOCKED}",)]


@pytest.mark.parametrize(
    "errors",
    [["something is wrong"], [{"type": "x"}], [skipped(9)], [skipped(True)], {"type": "x"}],
)
def test_an_error_that_names_nobody_is_found_user_by_user(tool_rig, errors):
    rig = tool_rig("braze_users")
    rig.desire([member(each) for each in "abc"])
    rig.tools.refuse("b")
    rig.tools.faults({"do": "say", "status": 201, "body": {"message": "success", "errors": errors}})
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (2, 1)
    assert [len(body["attributes"]) for body in bodies(rig)] == [3, 1, 1, 1]
    assert rig.held() == rig.case.wanted([member("a"), member("c")])


def test_a_failure_while_users_are_sent_alone_leaves_them_unknown(tool_rig):
    rig = tool_rig("braze_users", max_attempts=1)
    rig.desire([member(each) for each in "abc"])
    answer = {"message": "success", "errors": ["something is wrong"]}
    rig.tools.faults({"do": "say", "status": 201, "body": answer}, {"do": "ok"}, {"do": "busy"})
    result = rig.sync()
    assert (result.run.accepted, result.run.unknown, result.run.held) == (1, 2, 0)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "queued"},
        [],
        {"message": "success", "attributes_processed": 0},
    ],
)
def test_a_success_that_does_not_say_so_is_unknown(tool_rig, answer):
    rig = tool_rig("braze_users", max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "say", "status": 201, "body": answer})
    assert rig.sync().run.unknown == 1
    assert rig.sync().run.status == "succeeded"


def test_the_count_of_external_ids_says_nothing_about_users_found_by_email(tool_rig):
    rig = tool_rig("braze_segments")
    rig.desire([member("a")])
    answer = {"message": "success", "attributes_processed": 0}
    rig.tools.faults({"do": "say", "status": 201, "body": answer})
    assert rig.sync().run.accepted == 1


def test_a_blank_identifier_is_rejected(tool_rig):
    rig = tool_rig("braze_segments")
    rig.desire([member("a"), member("b", email=" ")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert reasons(rig) == [("`email`, which identifies, is blank",)]


def test_fewer_rights_hold_the_sync_and_name_the_key(tool_rig):
    rig = tool_rig("braze_users")
    rig.desire([member("a")])
    rig.tools.faults({"do": "status", "status": 403})
    result = rig.sync()
    assert result.run.status == "held" and "BRAZE_API_KEY" in result.run.message


@pytest.mark.parametrize("name", ["email", "external_id", "email_subscribe", "_merge_objects"])
def test_attributes_that_identify_or_reach_a_person_are_refused(name):
    with pytest.raises(ValueError, match="identifies or reaches a person"):
        UserOptions(fields={name: "{segment_label}"})
    with pytest.raises(ValueError, match="identifies or reaches a person"):
        SegmentOptions(lists={"vip": name})


def test_fields_must_not_be_empty():
    with pytest.raises(ValueError, match="`fields` is empty"):
        UserOptions(fields={})


def test_two_segments_cannot_share_a_list():
    with pytest.raises(ValueError, match="`lists` has the list `in_vip` for several segments"):
        SegmentOptions(lists={"vip": "in_vip", "new": "in_vip"})


def test_the_address_is_that_of_the_workspace(tool_rig):
    rig = tool_rig("braze_users", url_env="BRAZE_URL")
    rig.desire([member("a")])
    result = rig.sync()
    assert result.run.status == "skipped" and "BRAZE_URL" in result.run.message
    assert UserOptions(fields={"a": "{b}"}).url_env == "BRAZE_URL"


def test_an_attribute_that_one_row_leaves_and_another_takes_is_held():
    """As after the attributes of two segments were exchanged."""
    sent = []

    class Recorder:
        where = "here"

        def call(self, method, path, body, **_):
            sent.extend(body["attributes"])
            return Reply(201, {"message": "success"}, {})

    key = {"email": "a@example.com", "list": "in_vip"}
    add, remove = Operation("add", "1", key, {}), Operation("remove", "2", key, {})
    options = SegmentOptions(lists={"new": "in_vip"})
    for batch in ([add, remove], [remove, add]):
        outcomes = BrazeSegments(Recorder(), options).send(batch, "run")
        assert [each.fate for each in outcomes] == ["accepted", "accepted"]
    assert [each["in_vip"] for each in sent] == [True, True]
    assert not any(each["_update_existing_only"] for each in sent)
