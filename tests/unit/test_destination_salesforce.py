"""Salesforce beyond the suite of all destinations: logins, formats, answers, records of others."""

import pytest

from tests.support.activation_rig import member
from tests.support.tools.salesforce import KEY, USER
from tests.support.tools.salesforce_key import as_pem
from tideline.activation.destinations.api import NotDoneError, Reply
from tideline.activation.destinations.protocol import Operation
from tideline.activation.destinations.salesforce.org import is_of_salesforce
from tideline.activation.destinations.salesforce.records import RecordOptions, SalesforceRecords
from tideline.activation.destinations.salesforce.search import record_ids

pytest_plugins = ["tests.support.tools.fixtures"]
KIND = "salesforce_records"
NAMES = {"TIDELINE_SALESFORCE_CLIENT_ID", "TIDELINE_SALESFORCE_CLIENT_SECRET"}


def records(rig):
    return {each[KEY]: each for each in rig.tools.state["salesforce"]["records"]}


def reasons(rig):
    return [
        reason
        for (reason,) in rig.sql("select reason from warehouse.tideline.activation_rejections")
    ]


def rig_again(rig):
    """The same sync with larger requests."""
    rig.manifest.write_text(rig.manifest.read_text().replace('"batch_rows": 1', '"batch_rows": 9'))
    return rig


def with_key(rig, pem):
    del rig.environment["TIDELINE_SALESFORCE_CLIENT_SECRET"]
    rig.environment |= {
        "TIDELINE_SALESFORCE_PRIVATE_KEY": pem,
        "TIDELINE_SALESFORCE_USERNAME": USER,
    }


@pytest.mark.parametrize("pem", [as_pem(), as_pem().replace("\n", "\\n")])
def test_an_app_signs_in_with_its_private_key(tool_rig, pem):
    rig = tool_rig(KIND)
    with_key(rig, pem)
    rig.desire([member("a")])
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == {("a@example.com", None): "VIP"}


def test_an_assertion_for_another_user_holds_the_sync(tool_rig):
    rig = tool_rig(KIND)
    with_key(rig, as_pem())
    rig.environment["TIDELINE_SALESFORCE_USERNAME"] = "somebody@example.com"
    rig.desire([member("a")])
    run = rig.sync().run
    assert run.status == "held" and "invalid_grant" in run.message
    assert "TIDELINE_SALESFORCE_PRIVATE_KEY and TIDELINE_SALESFORCE_USERNAME" in run.message


def test_a_private_key_that_is_none_is_named_not_quoted(tool_rig):
    rig = tool_rig(KIND)
    with_key(rig, "-----BEGIN hidden")
    rig.desire([member("a")])
    run = rig.sync().run
    assert run.status == "failed" and "TIDELINE_SALESFORCE_PRIVATE_KEY is not an RSA" in run.message
    assert "hidden" not in run.message and rig.tools.state["requests"] == []


def test_an_expired_token_is_renewed_within_the_run(tool_rig):
    rig = tool_rig(KIND, batch_rows=1)
    rig.desire([member(each) for each in "abcdefgh"])
    result = rig.sync()
    assert result.run.accepted == 8 and rig.waits == []
    assert rig.tools.state["salesforce"]["logins"] == 3


def test_a_token_that_is_refused_again_holds_the_sync(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    expired = {
        "do": "status",
        "status": 401,
        "body": [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    }
    rig.tools.faults({"do": "ok"}, expired, {"do": "ok"}, expired)
    run = rig.sync().run
    assert run.status == "held" and all(name in run.message for name in NAMES)


@pytest.mark.parametrize(
    ("address", "is_theirs"),
    [
        ("https://acme.my.salesforce.com", True),
        ("https://acme--dev.sandbox.my.salesforce.com", True),
        ("https://proxy.acme.example:8443/sf", True),
        ("http://acme.my.salesforce.com", False),
        ("https://salesforce.com.evil.example", False),
        ("https://evilsalesforce.com", False),
        ("https://proxy.acme.example/sf", False),
        ("http://127.0.0.1/", False),
        ("https://user@acme.my.salesforce.com", False),
        ("https://[", False),
    ],
)
def test_a_token_is_sent_only_to_salesforce_or_to_the_host_of_the_login(address, is_theirs):
    assert is_of_salesforce(address, "https://proxy.acme.example:8443") is is_theirs


def test_nothing_is_sent_to_an_address_elsewhere(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    told = {"access_token": "t", "instance_url": "https://acme.evil.example"}
    rig.tools.faults({"do": "say", "status": 200, "body": told})
    run = rig.sync().run
    assert run.status == "held" and "another host" in run.message
    assert len(rig.tools.state["requests"]) == 1


def test_a_removal_creates_nobody(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.tools.reset()  # somebody has deleted all contacts
    rig.desire([member("b")])
    run = rig.sync().run
    assert (run.status, run.accepted) == ("succeeded", 1)
    assert records(rig) == {}


def test_a_record_deleted_after_it_was_found_holds_nothing(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    gone = {"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted", "fields": []}
    body = [{"success": False, "errors": [gone]}]
    rig.tools.faults({"do": "ok"}, {"do": "ok"}, {"do": "say", "status": 200, "body": body})
    assert rig.sync().run.accepted == 1


def test_two_rows_of_one_record_are_removed_together(tool_rig):
    rig = tool_rig(KIND, key=["email", "segment_name"], batch_rows=1)
    rig.desire([member("a"), member("a", "new"), member("b")])
    assert rig.sync().run.accepted == 3
    rig = rig_again(rig)
    rig.desire([member("b")])
    assert rig.sync().run.accepted == 2
    assert rig.held() == {("b@example.com", None): "VIP"}


def test_a_removal_leaves_the_record_and_the_fields_to_keep(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("x"), member("y")])
    rig.sync()
    rig.desire([member("y")])
    rig.sync()
    left = records(rig)["x@example.com"]
    assert (left["LastName"], left["Tideline_Label__c"]) == ("Unknown", None)


def test_without_keep_salesforce_refuses_to_empty_a_required_field(tool_rig):
    rig = tool_rig(KIND, keep=[])
    rig.desire([member("x"), member("y")])
    rig.sync()
    rig.desire([member("y")])
    assert rig.sync().run.rejected == 1
    assert reasons(rig) == [
        "Salesforce: Required fields are missing: [LastName] (REQUIRED_FIELD_MISSING)"
    ]


def test_values_arrive_in_salesforces_types(tool_rig):
    fields = {
        "Tideline_Label__c": "{segment_label}",
        "Score__c": "{score}",
        "New__c": "{is_new}",
        "Entered__c": "{entered_at}",
        "Tags__c": "{details}",
    }
    rig = tool_rig(KIND, fields=fields, keep=[])
    rig.desire([
        member("a", label="Zoë 🎉", details='["x", "y", 1, true]'),
        member("b", score=None, is_new=False, entered_at=None, details="null"),
    ])  # fmt: skip
    assert rig.sync().run.accepted == 2
    found = records(rig)
    a, b = ([found[f"{each}@example.com"][name] for name in fields] for each in "ab")
    assert a == ["Zoë 🎉", 0.5, True, "2026-11-01T10:00:00.250Z", "x;y;1;true"]
    assert b == ["VIP", None, False, None, None]


def test_a_value_too_long_rejects_its_row_in_salesforces_words(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b", label="long" * 11), member("c")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (2, 1)
    (reason,) = reasons(rig)
    assert "data value too large" in reason and "STRING_TOO_LONG" in reason


def test_several_records_with_the_value_reject_its_row(tool_rig):
    rig = tool_rig(KIND)
    rig.tools.put("seed", {"salesforce": ["a@example.com"]})
    rig.desire([member("a"), member("b")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert "DUPLICATE_EXTERNAL_ID" in reasons(rig)[0]


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("fields", {"Deleted__c": "{segment_label}"}, "No such column 'Deleted__c'"),
        ("object", "Deleted__c", "The requested resource does not exist"),
        ("external_id", "Deleted__c", "Provided external ID field does not exist"),
    ],
)
def test_a_deleted_field_or_object_rejects_all_rows_in_one_request(tool_rig, key, value, word):
    rig = tool_rig(KIND, **{"keep": [], "fields": {"Tideline_Label__c": "x"}, key: value})
    rig.desire([member(each) for each in "abcd"])
    run = rig.sync().run
    assert (run.status, run.rejected) == ("rejected", 4)
    assert all(word in each and "check `object`" in each for each in reasons(rig))
    assert len(rig.tools.state["requests"]) == 2  # the login, and the rows


def test_a_locked_record_is_tried_again(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a"), member("b")])
    said = "unable to obtain exclusive access to this record or 1 records: 003000000000001"
    locked = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": said, "fields": []}
    told = [
        {"id": "003000000000000AAA", "success": True, "errors": [], "created": False},
        {"success": False, "errors": [locked]},
    ]
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 200, "body": told})
    run = rig.sync().run
    assert (run.accepted, len(rig.waits)) == (2, 1)
    assert records(rig)["b@example.com"]["Tideline_Label__c"] == "VIP"


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"id": "003", "success": True, "errors": []}],
        [{"id": "003", "errors": []}, {"success": False, "errors": []}],
        {"success": True},
        [None, "x"],
    ],
)
def test_an_answer_that_does_not_name_each_row_leaves_them_unknown(tool_rig, body):
    rig = tool_rig(KIND, max_attempts=1)
    rig.desire([member("a"), member("b")])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 200, "body": body})
    run = rig.sync().run
    assert (run.status, run.unknown) == ("failed", 2)


def test_an_org_without_requests_left_says_when_to_run_again(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    said = "TotalRequests Limit exceeded."
    body = [{"message": said, "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    rig.tools.faults({"do": "ok"}, {"do": "status", "status": 403, "body": body})
    run = rig.sync().run
    assert (run.status, run.held) == ("failed", 1)
    assert "REQUEST_LIMIT_EXCEEDED" in run.message and "run again after" in run.message


def test_an_org_without_api_holds_the_sync(tool_rig):
    rig = tool_rig(KIND)
    rig.desire([member("a")])
    said = "The REST API is not enabled for this Organization."
    body = [{"message": said, "errorCode": "API_DISABLED_FOR_ORG"}]
    rig.tools.faults({"do": "ok"}, {"do": "status", "status": 403, "body": body})
    run = rig.sync().run
    assert run.status == "held" and "API_DISABLED_FOR_ORG" in run.message


def test_an_identifier_with_quotes_is_found_again(tool_rig):
    odd = ["o'neil@example.com", "b\\c@example.com", "d') or Id != ('@example.com"]
    rig = tool_rig(KIND)
    rig.desire([member(f"p{i}", email=each) for i, each in enumerate(odd)] + [member("a")])
    assert rig.sync().run.accepted == 4
    rig.desire([member("a")])
    assert rig.sync(allow_large_change=True).run.accepted == 3
    assert rig.held() == {("a@example.com", None): "VIP"}


class Told:
    """An API that gives these answers."""

    def __init__(self, *contents):
        self.contents, self.asked = list(contents), []

    def call(self, method, path, body=None, **_):
        self.asked.append(path)
        return Reply(200, self.contents.pop(0), {})


def test_a_removal_of_nobody_never_asks_for_records_without_a_value():
    options = RecordOptions(object="Contact", external_id=KEY, fields={"A__c": "x"})
    api = Told()
    api.where = "here"
    destination = SalesforceRecords(api, options)
    remove = Operation("remove", "k", {"email": " "}, {})
    add = Operation("add", "k", {"email": ""}, {})
    outcomes = destination.send([remove, add], "run")
    assert [each.fate for each in outcomes] == ["accepted", "rejected"]
    assert api.asked == []


def test_all_pages_of_a_query_are_read():
    following = "/services/data/v62.0/query/01g-2000"
    page = {"done": False, "nextRecordsUrl": following, "records": [{"Id": "1", "K__c": "A"}]}
    last = {"done": True, "records": [{"Id": "2", "K__c": "b"}, {"Id": "3", "K__c": "B"}]}
    api = Told(page, last)
    assert record_ids(api, "/r", "Contact", "K__c", ["a", "b", "c"]) == [["1"], ["2", "3"], []]
    assert api.asked[1] == following


def test_many_values_are_asked_in_addresses_that_are_not_too_long():
    values = [f"{'ä' * 60}{i}@example.com" for i in range(200)]
    api = Told(*[{"done": True, "records": []}] * 40)
    record_ids(api, "/r", "Contact", "K__c", values)
    assert max(map(len, api.asked)) < 10_000
    assert sum(path.count("example.com") for path in api.asked) == 200


def test_a_record_that_fits_no_value_is_asked_for_alone():
    answer = {"done": True, "records": [{"Id": "1", "K__c": "Jose"}]}
    with pytest.raises(NotDoneError) as raised:
        record_ids(Told(answer), "/r", "Contact", "K__c", ["José", "b"])
    assert raised.value.outcome.fate == "refused"
    assert record_ids(Told(answer), "/r", "Contact", "K__c", ["José"]) == [["1"]]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"fields": {}}, "`fields` is empty"),
        ({"fields": {"A c": "x"}}, "API name"),
        ({"object": "Contact/x"}, "API name"),
        ({"external_id": "Id"}, "`Id` and `attributes`"),
        ({"fields": {"attributes": "x"}}, "`Id` and `attributes`"),
        ({"fields": {"k__c": "x"}}, "has the external id"),
        ({"keep": ("b__c",)}, "which is not in `fields`"),
        ({"keep": ("a__c",)}, "would do nothing"),
        ({"url_env": None}, "`url_env` is empty"),
    ],
)
def test_a_wrong_declaration_is_refused(keys, word):
    right = {"object": "Contact", "external_id": "K__c", "fields": {"A__c": "x"}}
    with pytest.raises(ValueError, match=word):
        RecordOptions(**right | keys)
