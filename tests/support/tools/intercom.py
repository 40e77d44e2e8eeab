"""Intercom: contacts by email or external id with custom attributes, and tags.

A person that is seeded as `hidden:<email>` is not found by a search yet, as one that was created
some minutes ago.
"""

import re
from urllib.parse import unquote

from tests.support.tools.case import Case

TOKEN = "intercom-token"
TAGS = {"71": "VIP", "72": "New"}
ATTRIBUTES = {
    "tideline_label": "string",
    "score": "float",
    "is_new": "boolean",
    "entered_at": "date",
    "details": "string",
}
TYPES = {"string": str, "float": (int, float), "boolean": bool, "date": int}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def error(status, code, message):
    told = {"type": "error.list", "request_id": "00043csj9iva7pl9mmmg"}
    return status, told | {"errors": [{"code": code, "message": message}]}


class Tool:
    def __init__(self, world):
        self.world = world
        self.contacts = {}  # id: contact

    def state(self):
        return {"contacts": list(self.contacts.values())}

    def seed(self, people):
        for each in people:
            self.create(email=each.removeprefix("hidden:"), hidden=each.startswith("hidden:"))

    def create(self, email=None, external_id=None, hidden=False):
        name = f"5ba682d23d7cf92bef87{len(self.contacts):04}"
        self.contacts[name] = {
            "type": "contact",
            "id": name,
            "role": "user",
            "email": email,
            "external_id": external_id,
            "custom_attributes": {},
            "tags": [],
            "hidden": hidden,
            "archived": False,
        }
        return name

    def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "unauthorized", "Access Token Invalid")
        if request.headers.get("Intercom-Version") != "2.14":
            return error(
                400, "intercom_version_invalid", "The requested version could not be found"
            )
        match [request.method, *request.path.split("/")[1:]]:
            case ["POST", "contacts", "search"]:
                return self.search(request.json())
            case ["GET", "contacts", "find_by_external_id", name]:
                return self.by_external_id(unquote(name))
            case ["POST", "contacts"]:
                return self.add(request.json())
            case ["PUT", "contacts", name]:
                if name not in self.contacts:
                    return error(404, "not_found", "User Not Found")
                return self.update(self.contacts[name], request.json())
            case ["POST", "contacts", name, "tags"]:
                return self.tag(name, request.json()["id"], True)
            case ["DELETE", "contacts", name, "tags", tag]:
                return self.tag(name, tag, False)
        return 404, None

    def search(self, body):
        asked, page = body["query"], body["pagination"]
        assert (asked["field"], asked["operator"]) == ("email", "IN")
        if len(asked["value"]) > 15:
            return error(400, "invalid_query", "There is a limit of 15 filters")
        found = [
            {"type": "contact", "id": each["id"], "email": each["email"], "role": "user"}
            for each in self.contacts.values()
            if each["email"] in asked["value"] and not each["hidden"] and not each["archived"]
        ]
        size = min(page["per_page"], 150, 4)  # pages are short, so that there are several
        start = int(page.get("starting_after", 0))
        more = {}
        if start + size < len(found):
            more = {"next": {"page": start // size + 2, "starting_after": str(start + size)}}
        pages = {"type": "pages", "page": start // size + 1, "per_page": size} | more
        part = found[start : start + size]
        return 200, {"type": "list", "data": part, "total_count": len(found), "pages": pages}

    def by_external_id(self, name):
        for each in self.contacts.values():
            if each["external_id"] == name:
                return 200, each
        return error(404, "not_found", "User Not Found")

    def add(self, body):
        unknown = set(body) - {"role", "email", "external_id", "custom_attributes"}
        if unknown or body["role"] not in ("user", "lead"):
            return error(400, "parameter_invalid", f"{unknown} is not allowed")
        kind = "email" if "email" in body else "external_id"
        for each in self.contacts.values():
            if each[kind] == body[kind]:
                which = "An archived contact" if each["archived"] else "A contact"
                said = f"{which} matching those details already exists with id={each['id']}"
                return error(409, "conflict", said)
        if kind == "email" and not EMAIL.fullmatch(body["email"]):
            return error(400, "parameter_invalid", "email is invalid")
        name = self.create(**{kind: body[kind]})
        answer = self.update(self.contacts[name], body)
        if answer[0] != 200:
            del self.contacts[name]
        return answer

    def update(self, contact, body):
        person = contact["email"] or contact["external_id"]
        values = body["custom_attributes"]
        is_set = any(value is not None for value in values.values())
        if is_set and {person, f"batch:{person}"} & self.world.refused:
            return error(400, "parameter_invalid", "This contact is blocked")
        for name, value in values.items():
            kind = ATTRIBUTES.get(name)
            if kind is None:
                return error(400, "parameter_invalid", f"Custom attribute '{name}' does not exist")
            is_bool = isinstance(value, bool) and kind != "boolean"
            if value is not None and (is_bool or not isinstance(value, TYPES[kind])):
                return error(400, "parameter_invalid", f"Custom attribute '{name}' must be {kind}")
            contact["custom_attributes"][name] = (
                value[:255] if kind == "string" and value else value
            )
        self.world.effect("intercom_contacts", "add" if is_set else "remove", person)
        return 200, contact

    def tag(self, name, tag, is_on):
        if name not in self.contacts:
            return error(404, "not_found", "User Not Found")
        contact = self.contacts[name]
        if tag not in TAGS or (not is_on and tag not in contact["tags"]):
            return error(404, "not_found", "Resource Not Found")
        person = contact["email"]
        if is_on and {person, f"batch:{person}"} & self.world.refused:
            return error(422, "parameter_invalid", "This contact is blocked")
        contact["tags"] = [each for each in contact["tags"] if each != tag] + [tag] * is_on
        self.world.effect("intercom_tags", "add" if is_on else "remove", person, tag)
        return 200, {"type": "tag", "id": tag, "name": TAGS[tag]}


def contacts_held(state):
    return {
        (each["email"], None): each["custom_attributes"]["tideline_label"]
        for each in state["contacts"]
        if each["custom_attributes"].get("tideline_label")
    }


def tags_held(state):
    names = {"71": "vip", "72": "new"}
    return {(e["email"], names[tag]): None for e in state["contacts"] for tag in e["tags"]}


CASES = {
    "intercom_contacts": Case(
        tool="intercom",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials={"INTERCOM_TOKEN": TOKEN},
        held=contacts_held,
        is_member=False,
        has_labels=True,
    ),
    "intercom_tags": Case(
        tool="intercom",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "71", "new": "72"}},
        credentials={"INTERCOM_TOKEN": TOKEN},
        held=tags_held,
        is_member=True,
        has_labels=False,
    ),
}
