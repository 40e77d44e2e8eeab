"""Iterable beyond the common suite: order, counts, whom it creates, fields that it drops."""

import json

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.iterable.lists import ListOptions
from tideline.activation.destinations.iterable.users import IterableUsers, UserOptions
from tideline.activation.destinations.protocol import Operation

pytest_plugins = ["tests.support.tools.fixtures"]
USERS, LISTS = "iterable_users", "iterable_lists"


def sent(rig):
    return [json.loads(body) for _, _, body in rig.tools.state["requests"]]


def reasons(rig):
    return [
        each for (each,) in rig.sql("select reason from warehouse.tideline.activation_rejections")
    ]


class Told:
    """An API that has accepted all, and notes the pauses before each request."""

    where = "here"

    def __init__(self):
        self.log = []

    def pause(self, seconds):
        self.log.append(seconds)

    def call(self, method, path, body=None, **_):
        self.log.append([each.get("email") for each in body["users"]])
        return Reply(200, {"successCount": len(body["users"]), "failCount": 0}, {})


def test_two_changes_of_one_user_are_one_request_or_far_apart():
    api = Told()
    destination = IterableUsers(api, UserOptions(fields={"x": "{x}"}, settle_seconds=100))

    def send(*rows):
        batch = [
            Operation(op, key, {"email": email}, {} if op == "remove" else {"x": 1})
            for op, key, email in rows
        ]
        assert {each.fate for each in destination.send(batch, "run")} == {"accepted"}

    send(("add", "k1", "A@x.io"), ("remove", "k2", "a@x.io "), ("add", "k3", "b@x.io"))
    send(("add", "k3", "b@x.io"))  # again: the same change needs no wait
    send(("remove", "k4", "c@x.io"))
    send(("remove", "k5", "B@x.io"))
    assert api.log == [
        100, ["A@x.io", "b@x.io"], ["b@x.io"], ["c@x.io"], 100, ["B@x.io"],
    ]  # fmt: skip


def test_a_run_waits_before_its_first_request(tool_rig):
    rig = tool_rig(USERS, settle_seconds=77)
    assert rig.sync().run.planned == 0 and not rig.clock.waits
    rig.desire([member("a")])
    assert rig.sync().run.accepted == 1
    assert sum(rig.clock.waits) == 77


def test_values_keep_their_types_and_a_removal_sends_null(tool_rig):
    fields = {"tideline_label": "{segment_label}", "score": "{score}", "tags": "{details}"}
    rig = tool_rig(USERS, fields=fields)
    rig.desire([member("a", details='["x"]')])
    rig.sync()
    rig.desire([])
    rig.sync(allow_large_change=True)
    values = [each["users"][0] for each in sent(rig)]
    assert values == [
        {
            "email": "a@example.com",
            "dataFields": {"tideline_label": "VIP", "score": 0.5, "tags": ["x"]},
        },
        {"email": "a@example.com", "dataFields": dict.fromkeys(fields)},
    ]


def test_failures_are_told_by_name_or_found_by_smaller_requests(tool_rig):
    rig = tool_rig(USERS)
    rig.tools.put("seed", {"iterable": ["forgotten:b@example.com"]})
    rows = [member("a"), member("b"), member("c", email="no address"), member("d")]
    rig.desire(rows)
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (2, 2)
    assert sorted(reasons(rig)) == [
        "Iterable: the user is in `forgottenEmails`",
        "Iterable: the user is in `invalidEmails`",
    ]
    rig.tools.put("seed", {"iterable": ["nameless"]})
    rig.desire([member(each, label="Gold") for each in "abcd"])
    run = rig.sync(allow_large_change=True).run
    assert run.rejected == 1 and "failed without a reason" in reasons(rig)[-1]
    assert rig.held() == rig.case.wanted([member(each, label="Gold") for each in "acd"])


def test_counts_that_do_not_add_up_leave_users_unknown(tool_rig):
    rig = tool_rig(USERS, max_attempts=1)
    rig.desire([member("a"), member("b")])
    body = {"successCount": 1, "failCount": 0, "filteredOutFields": 5}
    rig.tools.faults({"do": "say", "status": 200, "body": body})
    assert rig.sync().run.unknown == 2


def test_a_field_that_the_project_drops_stops_the_sync(tool_rig):
    rig = tool_rig(USERS)
    rig.tools.put("seed", {"iterable": ["drops:tideline_label"]})
    rig.desire([member("a")])
    run = rig.sync().run
    assert run.unknown == 1 and run.status == "held"
    assert "Iterable has dropped `tideline_label`" in run.message


def test_user_ids_create_nobody_unless_declared_and_a_removal_never_does(tool_rig):
    keys = {"key": ["profile_id"], "identify": "profile_id", "id_property": "userId"}
    rig = tool_rig(USERS, **keys)
    rig.tools.put("seed", {"iterable": ["user:P1"]})
    rig.desire([member("P1"), member("p1")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert reasons(rig) == ["Iterable: the user is in `notFoundUserIds`"]
    rig.redeclare(prefer_user_id=True)
    assert rig.sync(scope="rejected").run.accepted == 1
    rig.desire([])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert [e["preferUserId"] for body in sent(rig) for e in body["users"]] == [
        False, False, True, False, False,
    ]  # fmt: skip


def test_a_deleted_list_rejects_additions_and_ends_memberships(tool_rig):
    rig = tool_rig(LISTS)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.tools.put("seed", {"iterable": ["list-901"]})
    rig.desire([member("b"), member("c")])
    run = rig.sync(allow_large_change=True).run
    assert (run.accepted, run.rejected) == (1, 1)
    assert "list `901`" in reasons(rig)[0] and "name a list in `lists`" in reasons(rig)[0]


@pytest.mark.parametrize(
    ("make", "keys", "word"),
    [
        (UserOptions, {"region": "mars"}, "us or eu"),
        (UserOptions, {"id_property": "phone"}, "`email` or `userId`"),
        (UserOptions, {"settle_seconds": 301}, "at most 300"),
        (UserOptions, {"fields": {"emailListIds": "x"}}, "Iterable keeps itself"),
        (ListOptions, {"lists": {"vip": "abc"}}, "write its number"),
        (ListOptions, {"lists": {"vip": "901", "new": "0901"}}, "the list of `new` is '0901'"),
    ],
)
def test_a_wrong_declaration_is_refused(make, keys, word):
    more = {"fields": {"x": "y"}} if make is UserOptions else {"lists": {"vip": "1"}}
    with pytest.raises(ValueError, match=word):
        make(**more | keys)
