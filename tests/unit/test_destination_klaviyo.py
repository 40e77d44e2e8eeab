"""Klaviyo beyond the common suite: formats, limits, its errors, deleted lists and profiles."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.activation_rig import member
from tests.support.tools.klaviyo import error
from tideline.activation.delivery import MOST_PACED
from tideline.activation.destinations.klaviyo.lists import ListOptions
from tideline.activation.destinations.klaviyo.profiles import ProfileOptions

pytest_plugins = ["tests.support.tools.fixtures"]


def sent(rig, method, start):
    """The bodies of the requests to a place."""
    return [
        json.loads(body)
        for how, path, body in rig.tools.state["requests"]
        if how == method and path.startswith(f"/klaviyo{start}")
    ]


def reasons(rig):
    return [
        each for (each,) in rig.sql("select reason from warehouse.tideline.activation_rejections")
    ]


def properties(rig):
    return {
        each["email"]: each["properties"]
        for each in rig.tools.state["klaviyo"]["profiles"]
        if each["properties"]
    }


def test_values_keep_their_types_and_null_unsets(tool_rig):
    fields = {
        "label": "{segment_label}",
        "score": "{score}",
        "is_new": "{is_new}",
        "entered_at": "{entered_at}",
        "interests": "{details}",
        "words": "since {entered_at}",
    }
    rig = tool_rig("klaviyo_profiles", fields=fields)
    rig.desire([member("a", label="Größe 🎉", details='["x", "y"]')])
    assert rig.sync().run.status == "succeeded"
    held = properties(rig)["a@example.com"]
    assert held.pop("words") == f"since {held['entered_at']}"
    assert held.pop("entered_at").startswith("2026-11-01")
    assert held == {"label": "Größe 🎉", "score": 0.5, "is_new": True, "interests": ["x", "y"]}
    rig.desire([member("a", label="Größe 🎉", score=None, details=None)])
    assert rig.sync().run.status == "succeeded"
    held = properties(rig)["a@example.com"]
    assert set(held) == {"label", "is_new", "entered_at", "words"}


def test_a_removal_unsets_only_our_properties_and_creates_nobody(tool_rig):
    rig = tool_rig("klaviyo_profiles")
    rig.desire([member("new"), member("a")])
    rig.sync()
    rig.tools.put(
        "seed", {"klaviyo": [{"email": "a@example.com", "theirs": 1}, "new@example.com-"]}
    )
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert properties(rig) == {"a@example.com": {"theirs": 1}}
    emails = {each["email"] for each in rig.tools.state["klaviyo"]["profiles"]}
    assert "a@example.com" in emails and "new@example.com" not in emails


def test_removals_that_klaviyo_stops_halfway_are_finished_later(tool_rig):
    rig = tool_rig("klaviyo_profiles", max_attempts=1)
    rig.desire([member("a"), member("b"), member("c")])
    rig.sync()
    rig.desire([])
    rig.tools.faults({"do": "ok"}, {"do": "ok"}, *[{"do": "busy"}] * MOST_PACED)
    result = rig.sync(allow_large_change=True)
    assert (result.run.accepted, result.run.held) == (1, 2)
    assert len(properties(rig)) == 2
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert properties(rig) == {}


def test_a_profile_that_is_deleted_between_search_and_removal_counts_as_removed(tool_rig):
    rig = tool_rig("klaviyo_profiles")
    rig.desire([member("a")])
    rig.sync()
    rig.desire([])
    gone = error("not_found", "Not found.", "A profile with id 1 does not exist.")
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 404, "body": gone})
    assert rig.sync(allow_large_change=True).run.accepted == 1


def test_a_404_that_is_not_klaviyos_removes_nothing(tool_rig):
    rig = tool_rig("klaviyo_profiles")
    rig.desire([member("a")])
    rig.sync()
    rig.desire([])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 404, "body": {"message": "no route"}})
    assert rig.sync(allow_large_change=True).run.rejected == 1
    assert rig.sync(allow_large_change=True, scope="rejected").run.accepted == 1
    assert properties(rig) == {}


def test_an_invalid_address_is_rejected_in_klaviyos_words_and_stops_nobody(tool_rig):
    rig = tool_rig("klaviyo_profiles")
    rig.desire([member("a"), member("b", email="no address"), member("c", label="x" * 100_001)])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 2)
    said = sorted(reasons(rig))
    assert said[1] == "Klaviyo: Invalid email address (/data/attributes/email)"
    assert said[0].startswith("HTTP 413") and "The maximum size is 100KB." in said[0]
    assert properties(rig) == {"a@example.com": {"tideline_label": "VIP"}}


@pytest.mark.parametrize("kind", ["klaviyo_profiles", "klaviyo_lists"])
def test_a_missing_scope_is_a_rejection_with_the_fix(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b")])
    rig.tools.refuse("forbidden")
    assert rig.sync().run.status == "rejected"
    assert len(reasons(rig)) == 2
    for each in reasons(rig):
        assert "You do not have permission to perform this action." in each
        assert "KLAVIYO_API_KEY" in each
    rig.tools.refuse()
    assert rig.sync(scope="rejected").run.accepted == 2


def test_without_the_profile_in_the_answer_the_outcome_is_unknown(tool_rig):
    rig = tool_rig("klaviyo_profiles", max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "say", "status": 200, "body": {"data": None}})
    assert rig.sync().run.unknown == 1


def test_the_external_id_identifies(tool_rig):
    rig = tool_rig(
        "klaviyo_profiles", key=["profile_id"], identify="profile_id", id_property="external_id"
    )
    rig.desire([member("A"), member("a")])
    assert rig.sync().run.accepted == 2
    rig.desire([member("A")])
    assert rig.sync().run.accepted == 1
    held = {e["external_id"]: e["properties"] for e in rig.tools.state["klaviyo"]["profiles"]}
    assert held["A"] == {"tideline_label": "VIP"} and held["a"] == {}


def test_reserved_names_of_properties_are_refused():
    with pytest.raises(ValueError, match=r"`\$consent`; Klaviyo reserves"):
        ProfileOptions(fields={"$consent": "{segment_label}"})


def test_two_segments_cannot_share_a_list():
    with pytest.raises(ValueError, match=r"`lists` has the list `.*` for several segments"):
        ListOptions(lists={"vip": "Xy1", "new": "Xy1"})


def test_lists_are_changed_by_a_thousand_and_looked_up_by_a_hundred(tool_rig):
    rig = tool_rig("klaviyo_lists", batch_rows=1_100)
    rows = [member(f"p{index:04}") for index in range(1_001)]
    rig.tools.put("seed", {"klaviyo": [row[3] for row in rows]})
    rig.desire(rows)
    assert rig.sync().run.accepted == 1_001
    assert rig.held() == rig.case.wanted(rows)
    adds = sent(rig, "POST", "/api/lists/Xy1")
    assert [len(each["data"]) for each in adds] == [1_000, 1]


def test_long_addresses_are_looked_up_by_fewer(tool_rig):
    rig = tool_rig("klaviyo_lists")
    strange = 'é"' * 60
    rows = [member(f"p{index}", email=f"{index}{strange}@example.com") for index in range(40)]
    rig.tools.put("seed", {"klaviyo": [row[3] for row in rows]})
    rig.desire(rows)
    assert rig.sync().run.accepted == 40
    searches = [path for how, path, _ in rig.tools.state["requests"] if how == "GET"]
    assert len(searches) > 1 and max(map(len, searches)) < 8_000
    asked = "".join(parse_qs(urlsplit(each).query)["filter"][0] for each in searches)
    assert asked.count("@example.com") == 40


def test_a_deleted_list_rejects_additions_and_ends_memberships(tool_rig):
    rig = tool_rig("klaviyo_lists")
    rig.desire([member("a"), member("b"), member("a", "new")])
    rig.sync()
    rig.tools.put("seed", {"klaviyo": ["Xy1-"]})
    rig.desire([member("b"), member("c"), member("c", "new")])
    result = rig.sync(allow_large_change=True)
    assert (result.run.accepted, result.run.rejected) == (3, 1)
    assert rig.held() == {("c@example.com", "new"): None}
    assert reasons(rig) == [
        "list `Xy1`: Klaviyo: A list with id Xy1 does not exist. (/data/); name a list in `lists`"
    ]


def test_somebody_unknown_is_rejected_and_created_by_no_list(tool_rig):
    rig = tool_rig("klaviyo_lists")
    rig.desire([member("a"), member("stranger")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "`klaviyo_profiles` creates it" in reasons(rig)[0]
    assert len(rig.tools.state["klaviyo"]["profiles"]) == 6


def test_a_change_of_a_list_is_accepted_by_204_alone(tool_rig):
    rig = tool_rig("klaviyo_lists", max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 200, "body": {}})
    assert rig.sync().run.unknown == 1


@pytest.mark.parametrize("kind", ["klaviyo_profiles", "klaviyo_lists"])
def test_a_profile_of_another_spelling_is_removed_and_not_taken_for_missing(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b"), member("c")])
    rig.sync()
    spelled, other = (
        {"type": "profile", "id": f"01GDD{number:05}", "attributes": {"email": email}}
        for number, email in enumerate(["spelled@example.com", "b@example.com"])
    )
    answers = [{"data": [spelled, other]}, {"data": [spelled]}]
    rig.tools.faults(*({"do": "say", "status": 200, "body": each} for each in answers))
    rig.desire([member("c")])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert rig.held() == rig.case.wanted([member("c")])
