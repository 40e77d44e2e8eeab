"""HubSpot: contacts by email with properties, and manual lists of record ids."""

from tests.support.tools.case import Case

TOKEN = "hubspot-token"
NOW = "2026-11-19T00:00:00.000Z"
LISTS = {"11", "12"}


def error(message, **more):
    base = {"category": "VALIDATION_ERROR", "context": {}, "errors": [], "links": {}}
    return base | {"message": message, "status": "error"} | more


class Tool:
    def __init__(self, world):
        self.world = world
        self.contacts = {}  # record id: properties
        self.seconds = {}  # second address: record id
        self.lists = {each: set() for each in LISTS}

    def state(self):
        return {
            "contacts": list(self.contacts.values()),
            "lists": {
                each: sorted(self.contacts[record]["email"] for record in members)
                for each, members in self.lists.items()
            },
        }

    def seed(self, people):
        """Contacts that exist before any sync.

        A pair is a merge: the contact of the second address gets the first one as its main one.
        """
        for each in people:
            if isinstance(each, list):
                main, second = each
                self.seconds[second] = self.find(second)
                self.contacts[self.find(second)]["email"] = main
            else:
                self.create(each)

    def find(self, email):
        found = next((i for i, each in self.contacts.items() if each["email"] == email), None)
        return found or self.seconds.get(email)

    def create(self, email):
        record = str(100 + len(self.contacts))
        self.contacts[record] = {"email": email}
        return record

    def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, error("The token is invalid")
        if request.path.startswith("/crm/v3/objects/contacts/batch/"):
            return self.batch(request.path.rsplit("/", 1)[1], request.json())
        *_, name, _, what = request.path.split("/")
        return self.change(name, what, request.json())

    def batch(self, what, body):
        if len(body["inputs"]) > 100:
            return 400, error("The maximum number of inputs is 100")
        ids = [each["id"].lower() for each in body["inputs"]]
        if len(set(ids)) < len(ids):
            return 400, error("Duplicate IDs found in batch input")
        if what == "upsert" and any(
            f"batch:{e['id']}" in self.world.refused for e in body["inputs"]
        ):
            return 400, error("Property values were not valid")
        results, errors = [], []
        for each in body["inputs"]:
            trace = {"objectWriteTraceId": each.get("objectWriteTraceId", "")}
            by_email = each.get("idProperty", body.get("idProperty")) == "email"
            record = self.find(each["id"].lower()) if by_email else each["id"]
            if what == "upsert":
                if each["id"] in self.world.refused:
                    context = {"objectWriteTraceId": [trace["objectWriteTraceId"]]}
                    errors.append(error("Email address is invalid", context=context))
                    continue
                record = record or self.create(each["id"].lower())
            if record not in self.contacts:
                errors.append(error("Not found", category="OBJECT_NOT_FOUND"))
                continue
            if what != "read":
                self.set(self.contacts[record], each["properties"])
            held = self.contacts[record]
            asked = ["email"] if what != "read" else body["properties"]
            properties = {name: held.get(name) for name in asked}
            more = {"new": False} if what == "upsert" else {}
            results.append(
                {
                    "id": record,
                    "properties": properties,
                    "createdAt": NOW,
                    "updatedAt": NOW,
                    "archived": False,
                }
                | (trace if what != "read" else {})
                | more
            )
        times = {"startedAt": NOW, "completedAt": NOW, "status": "COMPLETE"}
        told = {"errors": errors, "numErrors": len(errors)} if errors else {}
        return (207 if errors else 200), times | {"results": results} | told

    def set(self, contact, properties):
        for name, value in properties.items():
            if not isinstance(value, str):
                raise TypeError(f"{name} is not a string")
            contact[name] = value
        op = "add" if any(properties.values()) else "remove"
        self.world.effect("hubspot_contacts", op, contact["email"])

    def change(self, name, what, records):
        if name not in self.lists:
            return 404, error(f"List {name} does not exist")
        members = self.lists[name]
        missing = [each for each in records if each not in self.contacts]
        known = [each for each in records if each in self.contacts]
        for each in known:
            person = self.contacts[each]["email"]
            if what == "add" and {person, f"batch:{person}"} & self.world.refused:
                missing.append(each)
                continue
            (members.add if what == "add" else members.discard)(each)
            self.world.effect("hubspot_lists", what, person, name)
        changed = {"recordsIdsAdded": known, "recordIdsRemoved": []}
        if what == "remove":
            changed = {"recordsIdsAdded": [], "recordIdsRemoved": known}
        return 200, changed | {"recordIdsMissing": missing}


def contacts_held(state):
    return {
        (each["email"], None): each["tideline_label"]
        for each in state["contacts"]
        if each.get("tideline_label")
    }


def lists_held(state):
    names = {"11": "vip", "12": "new"}
    return {
        (email, names[name]): None for name, members in state["lists"].items() for email in members
    }


CASES = {
    "hubspot_contacts": Case(
        tool="hubspot",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials={"HUBSPOT_TOKEN": TOKEN},
        held=contacts_held,
        is_member=False,
        has_labels=True,
        spoiled=(
            "POST",
            "/crm/v3/objects/contacts/batch/upsert",
            {"inputs": [{"idProperty": "email", "properties": {}}]},
        ),
    ),
    "hubspot_lists": Case(
        tool="hubspot",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "11", "new": "12"}},
        credentials={"HUBSPOT_TOKEN": TOKEN},
        held=lists_held,
        is_member=True,
        has_labels=False,
        spoiled=("PUT", "/crm/v3/lists/11/memberships/add", {"ids": ["1"]}),
    ),
}
