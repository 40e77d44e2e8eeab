"""Zendesk beyond the common suite: jobs, whose failure it is, identifiers, tags of others."""

import json

import pytest

from tests.support.activation_rig import member
from tests.support.tools.zendesk import TOKEN
from tideline.activation.destinations.zendesk.jobs import outcomes_of
from tideline.activation.destinations.zendesk.tags import TagOptions
from tideline.activation.destinations.zendesk.users import UserOptions

pytest_plugins = ["tests.support.tools.fixtures"]
USERS, TAGS = "zendesk_users", "zendesk_tags"


def user(rig, email):
    return next(e for e in rig.tools.state["zendesk"]["users"] if e["email"] == email)


def reasons(rig):
    return [
        each for (each,) in rig.sql("select reason from warehouse.tideline.activation_rejections")
    ]


def updates(rig):
    """The users of each job."""
    return [
        json.loads(body)["users"]
        for method, path, body in rig.tools.state["requests"]
        if method == "PUT" and "update_many" in path
    ]


def test_values_fit_their_fields_and_a_removal_empties_only_ours(tool_rig):
    fields = {
        "tideline_label": "{segment_label}",
        "score": "{score}",
        "is_new": "{is_new}",
        "since": "{entered_at}",
        "interests": "{details}",
        "note": "{details}",
    }
    rig = tool_rig(USERS, fields=fields)
    rig.tools.put("seed", {"zendesk": [{"email": "x@example.com", "user_fields": {"theirs": 1}}]})
    rig.desire([member("x", label="Größe", details='["a", "b"]'), member("nobody")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert "a sync creates no users" in reasons(rig)[0]
    assert user(rig, "x@example.com")["user_fields"] == {
        "theirs": 1,
        "tideline_label": "Größe",
        "score": 0.5,
        "is_new": True,
        "since": "2026-11-01",
        "interests": ["a", "b"],
        "note": "a, b",
    }
    rig.desire([])
    rig.sync(allow_large_change=True)
    assert user(rig, "x@example.com")["user_fields"] == {"theirs": 1} | dict.fromkeys(fields)
    assert len(rig.tools.state["zendesk"]["users"]) == 7


def test_a_job_that_does_not_end_is_unknown_and_is_not_overtaken(tool_rig):
    rig = tool_rig(USERS, max_attempts=2)
    rig.tools.put("seed", {"zendesk": [{"hold": 20}]})
    rig.desire([member("a")])
    run = rig.sync().run  # the second attempt waits for the job of the first
    assert run.accepted == 1 and len(updates(rig)) == 2 and sum(rig.clock.waits) > 85

    rig.tools.put("seed", {"zendesk": [{"hold": 200}]})
    rig.desire([member("a", label="Gold")])
    run = rig.sync(allow_large_change=True).run
    assert (run.unknown, len(updates(rig))) == (1, 3)
    rig.tools.faults(*[{"do": "ok"}] * 5, {"do": "status", "status": 404})
    run = rig.sync(allow_large_change=True).run  # the job cannot be read
    assert run.unknown == 1 and "the job of Zendesk cannot be read" in run.message
    rig.tools.faults()
    assert rig.sync(allow_large_change=True).run.accepted == 1
    assert rig.held() == rig.case.wanted([member("a", label="Gold")])


def test_of_two_results_of_one_user_a_failure_counts_in_any_order():
    results = [{"id": 7, "success": True}, {"index": 0, "error": "UserUpdateError"}]
    for order in (1, -1):
        job = {"status": "completed", "results": results[::order]}
        assert outcomes_of(job, [7])[7].fate == "rejected"


def test_a_failure_that_names_nobody_is_found_by_smaller_jobs(tool_rig):
    rig = tool_rig(USERS)
    rig.tools.put("seed", {"zendesk": ["nameless"]})
    rows = [member(each) for each in "abcd"]
    rig.desire(rows)
    rig.tools.refuse("c@example.com", "d@example.com")
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (2, 2)
    assert reasons(rig) == ["Zendesk: UserUpdateError: Email: is blocked"] * 2
    assert [len(each) for each in updates(rig)] == [4, 1, 1]
    assert rig.held() == rig.case.wanted(rows[:2])


def test_a_field_that_zendesk_lacks_holds_additions_and_needs_no_emptying(tool_rig):
    rig = tool_rig(USERS)
    rig.desire([member("a")])
    rig.sync()
    rig.redeclare(fields={"absent": "{segment_label}"})
    run = rig.sync(allow_large_change=True).run
    assert run.status == "held" and "Zendesk has no user field `absent`" in run.message
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 1
    assert len(updates(rig)) == 1


def test_users_are_found_by_external_ids_in_any_case(tool_rig):
    keys = {"key": ["profile_id"], "identify": "profile_id", "id_property": "external_id"}
    rig = tool_rig(USERS, **keys, access_token_env="OAUTH")
    rig.environment["OAUTH"] = TOKEN
    known = [{"email": f"{each}@x.io", "external_id": each} for each in ("P1", "p,2", "gone")]
    rig.tools.put("seed", {"zendesk": [*known[:2], known[2] | {"active": False}]})
    rig.desire([member("p1"), member("p,2"), member("gone")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (2, 1)
    labels = {e["external_id"]: e["user_fields"] for e in rig.tools.state["zendesk"]["users"]}
    assert labels["P1"] == labels["p,2"] == {"tideline_label": "VIP"} and labels["gone"] == {}
    assert len(updates(rig)[0]) == 2

    long = [f"{each}-{'x' * 150}" for each in range(60)]
    rig.tools.put("seed", {"zendesk": [{"external_id": each} for each in long]})
    rig.desire([member(each) for each in ("p1", "p,2", *long)])
    assert rig.sync().run.accepted == 60
    asked = [path for _, path, _ in rig.tools.state["requests"] if "show_many" in path]
    assert max(map(len, asked)) < 6_100 and len(updates(rig)[-1]) == 60


def test_a_user_is_found_by_a_second_address_and_keeps_the_tags_of_others(tool_rig):
    rig = tool_rig(TAGS)
    tags = {"email": "new@example.com", "others": ["a2@example.com"], "tags": ["theirs"]}
    rig.tools.put("seed", {"zendesk": [tags]})
    rig.desire([member("a2")])
    assert rig.sync().run.accepted == 1
    assert user(rig, "new@example.com")["tags"] == ["theirs", "tideline_vip"]
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 1
    assert user(rig, "new@example.com")["tags"] == ["theirs"]


def test_an_answer_without_the_tag_leaves_the_row_unknown(tool_rig):
    rig = tool_rig(TAGS, max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 200, "body": {"tags": []}})
    run = rig.sync().run
    assert run.unknown == 1 and "turn on tags of users" in run.message
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 404, "body": {"error": "no page"}})
    assert "check the address" in rig.sync().run.message


@pytest.mark.parametrize(
    ("make", "keys", "word"),
    [
        (UserOptions, {"subdomain": None}, "`subdomain` is missing"),
        (UserOptions, {"subdomain": "acme.zendesk.com"}, "write only `acme`"),
        (UserOptions, {"id_property": "phone"}, "`email` or `external_id`"),
        (TagOptions, {"lists": {"vip": "VIP"}}, "write it in lower case"),
    ],
)
def test_a_wrong_declaration_is_refused(make, keys, word):
    more = {"fields": {"x": "y"}} if make is UserOptions else {"lists": {"vip": "vip"}}
    with pytest.raises(ValueError, match=word):
        make(**{"subdomain": "acme"} | more | keys)
