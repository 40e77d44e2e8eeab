"""Mailchimp beyond the common suite: nobody is subscribed, formats, its errors, deleted fields."""

import json

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations.mailchimp.audience import MailchimpOptions, open_api
from tideline.activation.destinations.mailchimp.members import MemberOptions
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.tools.fixtures"]


def reasons(rig):
    query = "select reason from warehouse.tideline.activation_rejections order by reason"
    return [reason for (reason,) in rig.sql(query)]


def members(rig):
    return {each["email_address"]: each for each in rig.tools.state["mailchimp"]["members"]}


def test_a_new_member_is_not_subscribed_and_no_status_changes(tool_rig):
    rig = tool_rig("mailchimp_members")
    rig.desire([member("a"), member("new")])
    assert rig.sync().run.accepted == 2
    held = members(rig)
    assert held["new@example.com"]["status"] == "transactional"
    assert held["a@example.com"]["status"] == "subscribed"
    assert not [body for _, _, body in rig.tools.state["requests"] if '"status":' in body]


def test_a_new_member_is_subscribed_only_if_it_is_declared(tool_rig):
    rig = tool_rig("mailchimp_members", status_if_new="subscribed")
    rig.desire([member("new")])
    rig.sync()
    assert members(rig)["new@example.com"]["status"] == "subscribed"


def test_values_have_mailchimps_types_and_null_empties(tool_rig):
    fields = {"LABEL": "{segment_label}", "SCORE": "{score}", "FNAME": "new: {is_new}"}
    rig = tool_rig("mailchimp_members", fields=fields)
    rig.desire([member("a", label="Größe 🎉")])
    assert rig.sync().run.status == "succeeded"
    held = members(rig)["a@example.com"]["merge_fields"]
    assert held == {"LABEL": "Größe 🎉", "SCORE": 0.5, "FNAME": "new: true", "MUST": ""}
    fields = {"LABEL": "{is_new}", "SCORE": "{score}", "FNAME": "{details}"}
    rig = tool_rig("mailchimp_members", fields=fields)
    rig.desire([member("a", score=None, details='["x", 1, true]')])
    assert rig.sync().run.status == "succeeded"
    held = members(rig)["a@example.com"]["merge_fields"]
    assert held == {"LABEL": "true", "SCORE": "", "FNAME": "x, 1, true", "MUST": ""}


def test_capitals_in_an_address_are_the_same_member(tool_rig):
    rig = tool_rig("mailchimp_members")
    rig.desire([member("a", email="A@Example.com")])
    assert rig.sync().run.accepted == 1
    assert rig.held() == {("a@example.com", None): "VIP"}


def test_bad_rows_are_rejected_in_mailchimps_words_and_stop_nobody(tool_rig):
    rig = tool_rig("mailchimp_members")
    rig.desire([member("a"), member("b", email="no address"), member("c", label="x" * 256)])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 2)
    assert reasons(rig) == [
        "Mailchimp: The resource submitted could not be validated. email_address: This value is "
        "not a valid email.",
        "Mailchimp: Your merge fields were invalid. LABEL: Please enter a value of at most 255 "
        "bytes",
    ]


def test_a_merge_field_that_does_not_exist_is_not_taken_for_set(tool_rig):
    rig = tool_rig("mailchimp_members", fields={"LABEL": "{segment_label}", "NONE": "{score}"})
    rig.desire([member("a")])
    assert rig.sync().run.rejected == 1
    assert reasons(rig) == [
        "the audience has no merge field `NONE`; create it, or remove it from `fields`"
    ]


def test_a_merge_field_that_was_deleted_does_not_hold_removals(tool_rig):
    rig = tool_rig("mailchimp_members", fields={"LABEL": "{segment_label}", "SCORE": "{score}"})
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.tools.put("seed", {"mailchimp": ["SCORE-"]})
    rig.desire([member("b", label="Gold")])
    result = rig.sync(allow_large_change=True)
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert members(rig)["a@example.com"]["merge_fields"]["LABEL"] == ""


def test_a_removal_of_somebody_unknown_creates_nobody(tool_rig):
    rig = tool_rig("mailchimp_members")
    rig.desire([member("new")])
    rig.sync()
    rig.tools.put("seed", {"mailchimp": ["new@example.com-"]})
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 1
    assert "new@example.com" not in members(rig) and len(members(rig)) == 6


def test_a_404_that_is_not_mailchimps_removes_nothing(tool_rig):
    rig = tool_rig("mailchimp_members")
    rig.desire([member("a")])
    rig.sync()
    rig.desire([])
    rig.tools.faults({"do": "say", "status": 404, "body": {"message": "no route"}})
    assert rig.sync(allow_large_change=True).run.rejected == 1
    assert rig.sync(allow_large_change=True, scope="rejected").run.accepted == 1
    assert rig.held() == {}


@pytest.mark.parametrize("kind", ["mailchimp_members", "mailchimp_tags"])
def test_a_deleted_audience_rejects_additions_and_ends_removals(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a")])
    rig.sync()
    rig.tools.put("seed", {"mailchimp": ["a1-"]})
    rig.desire([member("b")])
    result = rig.sync(allow_large_change=True)
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "The requested resource could not be found." in reasons(rig)[0]


@pytest.mark.parametrize("kind", ["mailchimp_members", "mailchimp_tags"])
def test_a_missing_right_is_a_rejection_with_the_fix(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b")])
    rig.tools.refuse("forbidden")
    assert rig.sync().run.status == "rejected"
    assert len(reasons(rig)) == 2
    for each in reasons(rig):
        assert "The user does not have permission" in each and "MAILCHIMP_API_KEY" in each


def test_a_403_without_words_is_sent_again(tool_rig):
    rig = tool_rig("mailchimp_tags")
    rig.desire([member("a")])
    rig.tools.faults({"do": "say", "status": 403})
    assert rig.sync().run.accepted == 1


@pytest.mark.parametrize("kind", ["mailchimp_members", "mailchimp_tags"])
def test_an_answer_without_the_member_leaves_the_outcome_unknown(tool_rig, kind):
    rig = tool_rig(kind, max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "say", "status": 200, "body": {"id": "1"}})
    assert rig.sync().run.unknown == 1


def test_the_tags_of_a_member_are_changed_by_one_call(tool_rig):
    rig = tool_rig("mailchimp_tags")
    rig.desire([member("a"), member("a", "new"), member("b")])
    assert rig.sync().run.accepted == 3
    assert len(rig.tools.state["requests"]) == 2


def test_a_tag_stays_if_the_spelling_of_the_address_changes(tool_rig):
    rig = tool_rig("mailchimp_tags")
    rig.desire([member("a", email="A@example.com")])
    rig.sync()
    rig.desire([member("a", email="a@example.com")])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert rig.held() == {("a@example.com", "vip"): None}
    *_, (_, _, body) = rig.tools.state["requests"]
    assert json.loads(body) == {"tags": [{"name": "tag-vip", "status": "active"}]}


def test_a_tag_creates_no_member(tool_rig):
    rig = tool_rig("mailchimp_tags")
    rig.desire([member("a"), member("stranger")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "`mailchimp_members` creates it" in reasons(rig)[0]
    assert len(members(rig)) == 6


def test_the_key_names_the_data_center():
    options = MailchimpOptions(audience="a1")
    where = "us6.api.mailchimp.com, audience a1"
    assert open_api("s", options, {"MAILCHIMP_API_KEY": "x-us6"}).where == where
    with pytest.raises(DeclarationError, match="MAILCHIMP_API_KEY lacks the data center") as error:
        open_api("s", options, {"MAILCHIMP_API_KEY": "secret"})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"audience": "my audience"}, "write the audience's id"),
        ({"fields": {"Segment name": "{segment_label}"}}, "write a merge tag"),
        ({"fields": {}}, "`fields` is empty"),
    ],
)
def test_wrong_options_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        MemberOptions(**{"audience": "a1", "fields": {"LABEL": "{segment_label}"}} | wrong)
