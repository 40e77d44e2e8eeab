"""Intercom beyond the suite of all destinations: formats, people twice, tags, answers."""

import pytest

from tests.support.activation_rig import member
from tests.support.tools.intercom import ATTRIBUTES
from tideline.activation.destinations.api import Reply
from tideline.activation.destinations.intercom import IntercomContacts, IntercomTags
from tideline.activation.destinations.intercom.contacts import ContactOptions
from tideline.activation.destinations.intercom.tags import TagOptions
from tideline.activation.destinations.intercom.workspace import Contacts, IntercomOptions
from tideline.activation.destinations.protocol import Operation

pytest_plugins = ["tests.support.tools.fixtures"]
CONTACTS, TAGS = "intercom_contacts", "intercom_tags"


def contacts(rig):
    return {each["email"]: each for each in rig.tools.state["intercom"]["contacts"]}


def reasons(rig):
    said = rig.sql("select reason from warehouse.tideline.activation_rejections")
    return [reason for (reason,) in said]


def test_values_arrive_in_intercoms_types(tool_rig):
    fields = {
        "tideline_label": "{segment_label}",
        "score": "{score}",
        "is_new": "{is_new}",
        "entered_at": "{entered_at}",
        "details": "{details}",
    }
    assert set(fields) == set(ATTRIBUTES)
    rig = tool_rig(CONTACTS, fields=fields)
    rig.desire([
        member("a", label="Zoë 🎉", details='["x", 1, true]'),
        member("b", score=None, is_new=False, entered_at=None, details="null"),
    ])  # fmt: skip
    assert rig.sync().run.accepted == 2
    found = contacts(rig)
    a, b = (found[f"{each}@example.com"]["custom_attributes"] for each in "ab")
    assert list(a.values()) == ["Zoë 🎉", 0.5, True, 1793527200, "x, 1, true"]
    assert list(b.values()) == ["VIP", None, False, None, None]


def test_a_text_that_intercom_would_cut_is_rejected(tool_rig):
    rig = tool_rig(CONTACTS)
    rig.desire([member("a", label="x" * 255), member("b", label="x" * 256)])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert reasons(rig) == ["`tideline_label` has 256 characters; Intercom holds at most 255"]


def test_an_attribute_that_does_not_exist_and_a_bad_address_are_told_in_intercoms_words(tool_rig):
    rig = tool_rig(CONTACTS, fields={"deleted": "{segment_label}"})
    rig.desire([member("a")])
    assert rig.sync().run.status == "rejected"
    assert "Custom attribute 'deleted' does not exist" in reasons(rig)[0]
    rig = tool_rig(CONTACTS)
    rig.desire([member("q", email="no address"), member("b")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert any("email is invalid (parameter_invalid)" in each for each in reasons(rig))


def test_a_contact_that_a_search_does_not_find_yet_is_updated(tool_rig):
    rig = tool_rig(CONTACTS)
    rig.tools.put("seed", {"intercom": ["hidden:new@example.com"]})
    rig.desire([member("n", email="new@example.com")])
    assert rig.sync().run.accepted == 1
    assert rig.held() == {("new@example.com", None): "VIP"}
    assert len(contacts(rig)) == 7


def test_several_contacts_reject_a_row_and_lose_all_attributes(tool_rig):
    rig = tool_rig(CONTACTS)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.tools.put("seed", {"intercom": ["a@example.com"] * 9})
    rig.desire([member("a", label="Gold"), member("b")])
    run = rig.sync().run
    assert run.rejected == 1 and "has 10 contacts" in reasons(rig)[0]
    rig.desire([member("b")])
    assert rig.sync().run.accepted == 1
    assert rig.held() == {("b@example.com", None): "VIP"}


@pytest.mark.parametrize("kind", [CONTACTS, TAGS])
def test_a_removal_creates_nobody(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.tools.reset()  # somebody has deleted all contacts
    rig.desire([member("b")])
    run = rig.sync().run
    assert (run.status, run.accepted) == ("succeeded", 1)
    assert contacts(rig) == {}


@pytest.mark.parametrize("kind", [CONTACTS, TAGS])
def test_a_contact_deleted_after_it_was_found_holds_nothing(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    errors = [{"code": "not_found", "message": "User Not Found"}]
    body = {"type": "error.list", "request_id": "1", "errors": errors}
    rig.tools.faults({"do": "ok"}, {"do": "status", "status": 404, "body": body})
    assert rig.sync().run.accepted == 1


@pytest.mark.parametrize("kind", [CONTACTS, TAGS])
def test_a_404_that_is_not_intercoms_holds_the_sync(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("b")])
    rig.tools.faults({"do": "ok"}, {"do": "status", "status": 404, "body": {"error": "no page"}})
    run = rig.sync().run
    assert run.status == "held" and "check the address" in run.message


@pytest.mark.parametrize("kind", [CONTACTS, TAGS])
@pytest.mark.parametrize("body", [{}, None, {"type": "contact", "id": "another"}, {"type": "tag"}])
def test_an_answer_without_the_contact_or_tag_leaves_the_row_unknown(tool_rig, kind, body):
    rig = tool_rig(kind, max_attempts=1)
    rig.desire([member("a")])
    rig.tools.faults({"do": "ok"}, {"do": "say", "status": 200, "body": body})
    run = rig.sync().run
    assert (run.status, run.unknown) == ("failed", 1)


def test_a_person_unknown_to_intercom_gets_no_tag_and_is_not_created(tool_rig):
    rig = tool_rig(TAGS)
    rig.desire([member("a"), member("n", email="nobody@example.com")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (1, 1)
    assert "`intercom_contacts` creates it" in reasons(rig)[0] and len(contacts(rig)) == 6


def test_a_deleted_tag_rejects_additions_and_counts_as_taken_off(tool_rig):
    rig = tool_rig(TAGS, lists={"vip": "99"})
    rig.desire([member("a")])
    assert rig.sync().run.status == "rejected"
    assert "Resource Not Found (not_found); tag `99`" in reasons(rig)[0]
    batch = [Operation("remove", "k", {"email": "a@example.com", "list": "99"}, {})]
    api = Told(
        (200, {"data": [{"id": "1", "email": "a@example.com"}], "pages": {}}),
        (404, {"type": "error.list", "errors": [{"code": "not_found", "message": "x"}]}),
    )
    outcomes = IntercomTags(api, TagOptions(lists={"vip": "99"})).send(batch, "run")
    assert [each.fate for each in outcomes] == ["accepted"]


class Told:
    """An API that gives these answers."""

    where = "here"

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def call(self, method, path, body=None, **_):
        self.asked.append((method, path, body))
        status, content = self.answers.pop(0)
        return Reply(status, content, {})


def test_an_archived_contact_is_not_brought_back():
    said = "An archived contact matching those details already exists with id=5ff25dc6"
    errors = [{"code": "conflict", "message": said}]
    api = Told((200, {"data": [], "pages": {}}), (409, {"type": "error.list", "errors": errors}))
    destination = IntercomContacts(api, ContactOptions(fields={"x": "y"}))
    (outcome,) = destination.send([Operation("add", "k", {"email": "a@x.io"}, {})], "run")
    assert outcome.fate == "rejected" and said in outcome.reason
    assert len(api.asked) == 2


def test_a_contact_created_in_this_run_is_found_by_its_removal():
    empty = (200, {"data": [], "pages": {}})
    contact = (200, {"type": "contact", "id": "5ff2"})
    api = Told(empty, contact, empty, contact)
    destination = IntercomContacts(api, ContactOptions(fields={"x": "y"}))
    destination.send([Operation("add", "k", {"email": "A@x.io"}, {})], "run")
    (outcome,) = destination.send([Operation("remove", "k", {"email": "A@x.io"}, {})], "run")
    assert outcome.fate == "accepted"
    assert api.asked[-1] == ("PUT", "/contacts/5ff2", {"custom_attributes": {"x": None}})


def test_rows_may_be_known_by_an_external_id(tool_rig):
    keys = {"key": ["profile_id"], "identify": "profile_id", "id_property": "external_id"}
    rig = tool_rig(CONTACTS, **keys)

    def labels():
        found = rig.tools.state["intercom"]["contacts"]
        return {e["external_id"]: e["custom_attributes"].get("tideline_label") for e in found}

    rig.desire([member("p/1"), member("p2")])
    assert rig.sync().run.accepted == 2
    assert labels() == {None: None, "p/1": "VIP", "p2": "VIP"}
    rig.desire([member("p2", label="Gold"), member("..")])
    run = rig.sync().run
    assert (run.accepted, run.rejected) == (2, 1)  # its path would be another address
    assert labels() == {None: None, "p/1": None, "p2": "Gold"}


def test_an_intercom_that_does_not_answer_costs_one_wait_per_request_of_the_engine(tool_rig):
    rig = tool_rig(CONTACTS, max_attempts=1)
    rig.desire([member(each) for each in "abcd"])
    rig.tools.faults({"do": "ok"}, *[{"do": "drop_before"}] * 9)
    run = rig.sync().run
    assert (run.unknown, run.held) == (1, 3)
    assert len(rig.tools.state["requests"]) == 2


def test_people_are_found_by_their_external_id():
    options = IntercomOptions(id_property="external_id")
    known = (200, {"type": "contact", "id": "5ff2", "external_id": "a/b"})
    missing = (404, {"type": "error.list", "errors": [{"code": "not_found", "message": "x"}]})
    api = Told(known, missing)
    assert Contacts(api, options).find(["a/b", "c", " "]) == {"a/b": ["5ff2"], "c": [], " ": []}
    assert api.asked[0][1] == "/contacts/find_by_external_id/a%2Fb"


@pytest.mark.parametrize("id_property", ["email", "external_id"])
def test_nobody_is_created_without_an_identifier(id_property):
    options = ContactOptions(fields={"x": "y"}, id_property=id_property)
    api = Told()
    batch = [Operation(op, "k", {"email": ""}, {}) for op in ("add", "remove")]
    outcomes = IntercomContacts(api, options).send(batch, "run")
    assert [each.fate for each in outcomes] == ["rejected", "accepted"]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"region": "mars"}, "us or eu or au"),
        ({"id_property": "phone"}, "`email` or `external_id`"),
        ({"fields": {}}, "`fields` is empty"),
    ],
)
def test_a_wrong_declaration_is_refused(keys, word):
    with pytest.raises(ValueError, match=word):
        ContactOptions(**{"fields": {"x": "y"}} | keys)
