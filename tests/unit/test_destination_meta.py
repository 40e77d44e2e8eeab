"""Meta's Custom Audiences: hashes only, partial failures, errors of the Graph API, `hash`."""

import json
from hashlib import sha256

import pytest

from tests.support.activation_rig import member
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.meta import audiences
from tideline.activation.destinations.meta.answers import outcome_of_error
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.tools.fixtures"]

KIND = "meta_audiences"
TABLE = "warehouse.tideline.activation_audiences"


def digest(text):
    return sha256(text.encode()).hexdigest()


def reasons(rig):
    rows = rig.sql("select row_key, reason from warehouse.tideline.activation_rejections")
    return {json.loads(key)["email"]: reason for key, reason in rows}


def sent(rig):
    """(method, audience, payload) of each request."""
    return [
        (method, path.split("/")[-2], json.loads(body)["payload"])
        for method, path, body in rig.tools.state["requests"]
    ]


def set_emails(rig, **emails):
    """Rows of these profiles, with these values as address."""
    rig.desire([member(each) for each in emails])
    for profile, email in emails.items():
        rig.sql(f"update {TABLE} set email = ? where profile_id = ?", [email, profile])


def test_only_hashes_leave_and_a_removal_has_the_same_one(tool_rig):
    rig = tool_rig(KIND)
    set_emails(rig, a=" Ada@Example.com")
    rig.sync()
    rig.desire([member("b")])
    rig.sync(allow_large_change=True)
    ada, other = [[digest("ada@example.com")]], [[digest("b@example.com")]]
    assert sent(rig) == [
        ("POST", "2385001", {"schema": ["EMAIL"], "data": ada}),
        ("DELETE", "2385001", {"schema": ["EMAIL"], "data": ada}),
        ("POST", "2385001", {"schema": ["EMAIL"], "data": other}),
    ]
    assert "@" not in json.dumps(sent(rig))


def test_each_request_is_a_whole_session(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("a", "new")])
    rig.sync()
    sessions = [json.loads(body)["session"] for _, _, body in rig.tools.state["requests"]]
    assert len({each["session_id"] for each in sessions}) == 2
    assert {(each["batch_seq"], each["last_batch_flag"]) for each in sessions} == {(1, True)}


def test_what_is_no_address_is_rejected_and_not_sent(tool_rig):
    rig = tool_rig(KIND)
    set_emails(rig, a="a@example.com", b="", c="n/a", d=digest("d@example.com"))
    assert rig.sync().run.rejected == 3
    assert rig.held() == {("a@example.com", "vip"): None}
    found = reasons(rig)
    assert found[""] == "`email` is empty; it must be an email address, such as ada@example.com"
    assert "is not an email address" in found["n/a"]
    assert "already hashed" in found[digest("d@example.com")]
    assert len(sent(rig)[0][2]["data"]) == 1


def test_invalid_rows_are_found_though_meta_only_counts_them(tool_rig):
    rig = tool_rig(KIND)
    profiles = [f"p{index:03}" for index in range(40)]
    rig.tools.put("seed", {"meta": [f"{each}@example.com" for each in profiles]})
    rig.desire([member(each) for each in profiles])
    rig.tools.refuse("p003@example.com", "p017@example.com", "p018@example.com")
    result = rig.sync()
    assert (result.run.status, result.run.accepted, result.run.rejected) == ("succeeded", 37, 3)
    assert set(reasons(rig)) == {f"p{each}@example.com" for each in ("003", "017", "018")}
    assert len(rig.held()) == 37


def test_who_may_have_been_added_is_not_forgotten_if_the_search_breaks_off(tool_rig):
    """The first request has applied the valid rows; the search for the others fails."""
    rig = tool_rig(KIND, max_attempts=1)
    rig.desire([member(each) for each in "abcd"])
    rig.tools.refuse("c@example.com")
    rig.tools.faults({"do": "ok"}, {"do": "busy", "retry_after": 9999})
    assert rig.sync().run.unknown == 4
    rig.tools.faults()
    rig.desire([member("d")])
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == {("d@example.com", "vip"): None}


def test_a_long_search_goes_on_in_the_next_attempt(tool_rig, monkeypatch):
    rig = tool_rig(KIND)
    monkeypatch.setattr(audiences, "SEARCH_SECONDS", -1.0)
    rig.desire([member(each) for each in "abcdef"])
    rig.tools.refuse("c@example.com")
    assert not rig.sync().run.unknown and set(reasons(rig)) == {"c@example.com"}
    assert len(rig.held()) == 5


@pytest.mark.parametrize(
    "body",
    [
        {"audience_id": "1", "session_id": "1", "num_received": 1, "num_invalid_entries": 0},
        {"audience_id": "1", "session_id": "1", "num_received": 2},
        {"num_invalid_entries": 0},
        [],
        "ok",
    ],
)
def test_an_answer_without_all_rows_accepts_none(tool_rig, body):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b")])
    rig.tools.faults(*[{"do": "say", "status": 200, "body": body}] * 9)
    run = rig.sync().run
    assert (run.status, run.accepted, run.unknown) == ("failed", 0, 2)


# Bodies in the format of https://developers.facebook.com/docs/graph-api/guides/error-handling
def refusal(code, subcode=None, **more):
    told = {"message": "Said so.", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return {"error": told | ({"error_subcode": subcode} if subcode else {}) | more}


@pytest.mark.parametrize(
    ("status", "body", "fate"),
    [
        (400, refusal(100), "refused"),
        (400, refusal(100, 33), "rejected"),
        (400, refusal(100, 1713230, error_user_msg="Appeal the restrictions"), "rejected"),
        (403, refusal(200, 1870090), "rejected"),
        (403, refusal(294), "rejected"),
        (400, refusal(2650), "rejected"),
        (400, refusal(2650, 1870145), "busy"),
        (400, refusal(2650, 1870159), "unknown"),
        (400, refusal(80003, 2446079), "busy"),
        (400, refusal(17), "busy"),
        (400, refusal(2, is_transient=True), "unknown"),
        (400, refusal(190, 463), "held"),
        (401, refusal(190), "held"),
        (400, refusal(100, message="API calls require an appsecret_proof argument"), "held"),
        (401, None, "held"),
        (404, "<html>", "held"),
        (400, {"error": "no object"}, "refused"),
    ],
)
def test_the_meaning_of_an_error(status, body, fate):
    outcome = outcome_of_error(Reply(status, body, {}), "META_ACCESS_TOKEN", "2385001")
    assert outcome.fate == fate
    if fate == "rejected":
        assert "Said so." in outcome.reason and "`2385001`" in outcome.reason
    if fate == "held":
        assert "Said so." not in outcome.reason and "run again" in outcome.reason


def test_a_rate_limit_says_how_long_to_wait():
    usage = {"1": [{"type": "custom_audience", "estimated_time_to_regain_access": 19}]}
    headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    reply = Reply(400, refusal(80003), headers)
    assert outcome_of_error(reply, "T", "1").retry_after == 19 * 60
    for wrong in ("", "no", "[]", '{"1": 2}', '{"1": [{}]}'):
        reply = Reply(400, refusal(80003), {"X-Business-Use-Case-Usage": wrong})
        assert outcome_of_error(reply, "T", "1").retry_after is None


def test_a_deleted_audience_stops_no_other(tool_rig):
    rig = tool_rig(KIND, lists={"vip": "2385001", "new": "999"})
    rig.desire([member("a"), member("a", "new"), member("b", "new")])
    result = rig.sync()
    assert (result.run.status, result.run.accepted, result.run.rejected) == ("succeeded", 1, 2)
    reason = reasons(rig)["a@example.com"]
    assert "audience `999` cannot be changed" in reason and "does not exist" in reason
    assert len(rig.tools.state["requests"]) == 2  # not one per row


def test_several_identifiers_are_all_in_the_key(tool_rig):
    names = {"EMAIL": "email", "FN": "segment_label"}
    rig = tool_rig(KIND, key=["email", "segment_label", "segment_name"], identifiers=names)
    rig.desire([member("a", label="Zoë")])
    rig.sync()
    rig.desire([member("a", label="Mary")])
    rig.sync(allow_large_change=True)
    ada = digest("a@example.com")
    assert sent(rig) == [
        ("POST", "2385001", {"schema": ["EMAIL", "FN"], "data": [[ada, digest("zoë")]]}),
        ("DELETE", "2385001", {"schema": ["EMAIL", "FN"], "data": [[ada, digest("zoë")]]}),
        ("POST", "2385001", {"schema": ["EMAIL", "FN"], "data": [[ada, digest("mary")]]}),
    ]
    assert rig.held() == {("a@example.com", "vip"): None}


def test_rows_of_earlier_identifiers_can_be_removed(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b")])
    rig.sync()
    more = {"identifiers": {"EMAIL": "email", "FN": "segment_label"}}
    redeclare(rig, key=["email", "segment_label", "segment_name"], **more)
    rig.desire([member("b")])
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == {("b@example.com", "vip"): None}


def redeclare(rig, **sync):
    content = json.loads(rig.manifest.read_text())
    content["exposures"]["exposure.tideline.s"]["config"]["meta"]["sync"].update(sync)
    rig.manifest.write_text(json.dumps(content))


def stored(rig):
    """All that the warehouse stores of the sync."""
    names = ("ledger", "runs", "rejections")
    tables = (f"warehouse.tideline.activation_{name}" for name in names)
    return str([rig.sql(f"select * from {table}") for table in tables])


def test_with_hash_the_ledger_has_no_address(tool_rig):
    rig = tool_rig(KIND, hash=["email"])
    set_emails(rig, a=" A@Example.com", b="b@example.com")
    assert rig.sync().run.accepted == 2
    assert set(rig.held()) == {("a@example.com", "vip"), ("b@example.com", "vip")}
    assert "@" not in stored(rig) and digest("a@example.com") in stored(rig)
    rig.desire([member("b")])
    rig.sync(allow_large_change=True)
    assert set(rig.held()) == {("b@example.com", "vip")}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "n/a",
        "a@b",
        "a@@example.com",
        "a b@example.com",
        "a@example.com\t",
        "hash",
        "a@example.com;",
        "Ada<a@example.com>",
        "mailto:a@example.com",
        "a\u00a0b@example.com",
    ],
)
def test_with_hash_what_is_no_address_is_rejected(tool_rig, value):
    rig = tool_rig(KIND, hash=["email"])
    set_emails(rig, a=digest("a@example.com") if value == "hash" else value, b="b@example.com")
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert rig.held() == {("b@example.com", "vip"): None}
    assert "the key column email has no email address" in stored(rig)


@pytest.mark.parametrize(("before", "after"), [([], ["email"]), (["email"], [])])
def test_hash_may_be_declared_later_and_taken_back(tool_rig, before, after):
    rig = tool_rig(KIND, hash=before)
    rig.desire([member("a"), member("b")])
    rig.sync()
    redeclare(rig, hash=after)
    rig.desire([member("b")])
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == {("b@example.com", "vip"): None}
    assert ("@" in stored(rig)) is (not after)


@pytest.mark.parametrize("step", ["drop_before", "drop_after", "busy", "error"])
def test_a_late_removal_does_not_remove_who_came_under_another_key(tool_rig, step):
    """Its removal under the plain address fails, and is sent again in the next run."""
    rig = tool_rig(KIND, max_attempts=1)
    rig.desire([member("a")])
    rig.sync()
    redeclare(rig, hash=["email"])
    rig.tools.faults({"do": step})
    assert rig.sync(allow_large_change=True).run.status == "failed"
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.held() == {("a@example.com", "vip"): None}
    assert "@" not in stored_ledger(rig)


def stored_ledger(rig):
    return str(rig.sql("select * from warehouse.tideline.activation_ledger"))


def test_hash_is_refused_where_it_would_be_the_hash_of_nobody(tool_rig):
    names = {"EMAIL": "email", "PHONE": "profile_id"}
    key = ["email", "profile_id", "segment_name"]
    rig = tool_rig(KIND, identifiers=names, key=key, hash=["email", "profile_id"])
    with pytest.raises(DeclarationError, match=r"key `hash` has `profile_id`.*remove it"):
        rig.sync()


@pytest.mark.parametrize(
    ("sync", "why"),
    [
        ({"identifiers": {"MAIL": "email"}}, "`identifiers` has `MAIL`; there are: COUNTRY"),
        ({"identifiers": {"FN": "email"}}, "none of EMAIL, PHONE, MADID, EXTERN_ID"),
        ({"identifiers": {"EMAIL": "an email"}}, "write a column's name"),
        ({"identifiers": {"PHONE": "profile_id"}}, "key `key` lacks `profile_id`"),
        ({"country_code": "+49"}, "write its digits in quotes"),
        ({"version": "25"}, "write it as 'v25.0'"),
        ({"lists": {}}, "`lists` is empty"),
    ],
)
def test_a_wrong_declaration_is_named(tool_rig, sync, why):
    rig = tool_rig(KIND, **sync)
    with pytest.raises(DeclarationError, match=why.replace("+", r"\+")):
        rig.sync()


def test_a_phone_number_without_a_country_code_is_rejected_with_the_fix(tool_rig):
    key = ["profile_id", "segment_name"]
    rig = tool_rig(KIND, identifiers={"PHONE": "profile_id"}, key=key)
    rig.desire([member("030 123456"), member("+49 30 123456")])
    result = rig.sync()
    assert (result.run.accepted, result.run.rejected) == (1, 1)
    assert "or set `country_code`" in stored(rig)
    assert sent(rig)[0][2] == {"schema": ["PHONE"], "data": [[digest("4930123456")]]}


def test_a_message_that_quotes_the_token_is_not_shown(tool_rig, caplog):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    rig.environment["META_ACCESS_TOKEN"] = "EAAB-secret"
    result = rig.sync()
    assert result.run.status == "held" and "renew META_ACCESS_TOKEN" in result.run.message
    assert "EAAB-secret" not in f"{result.run.message}{stored(rig)}{caplog.text}"
