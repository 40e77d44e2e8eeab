"""Klaviyo: profiles by identifier with custom properties, and lists of profile ids."""

import json
import re

from tests.support.tools.case import Case

KEY = "pk_klaviyo"
LISTS = {"Xy1", "Xy2"}
EMAIL = re.compile(r"[\x21-\x7e]+@[a-z0-9-]+(\.[a-z0-9-]+)+")


def error(code, title, detail, pointer="/data/"):
    source = {"pointer": pointer}
    base = {"id": "0f5b9a4e-3c61-4b8f-9a0e-0d5f6f0f4a11", "status": 400}
    return {"errors": [base | {"code": code, "title": title, "detail": detail, "source": source}]}


def invalid(detail, pointer="/data/"):
    return 400, error("invalid", "Invalid input.", detail, pointer)


def missing(what, name):
    return 404, error("not_found", "Not found.", f"A {what} with id {name} does not exist.")


class Tool:
    def __init__(self, world):
        self.world = world
        self.profiles = {}  # id: {"email": ..., "external_id": ..., "properties": {...}}
        self.lists = {each: set() for each in LISTS}

    def state(self):
        return {
            "profiles": list(self.profiles.values()),
            "lists": {
                each: sorted(self.profiles[profile]["email"] for profile in members)
                for each, members in self.lists.items()
            },
        }

    def seed(self, people):
        """Profiles that exist before any sync; properties that others set; with `-` at the end, a
        profile or list that is deleted.
        """
        for each in people:
            if isinstance(each, dict):
                profile = self.profiles[self.find("email", each.pop("email"))]
                profile["properties"] |= each
            elif not each.endswith("-"):
                self.create(each)
            elif each[:-1] in self.lists:
                del self.lists[each[:-1]]
            else:
                del self.profiles[self.find("email", each[:-1])]

    def find(self, kind, value):
        value = value.lower() if kind == "email" else value
        return next((i for i, each in self.profiles.items() if each[kind] == value), None)

    def create(self, email=None, external_id=None):
        profile = f"01GDD{len(self.profiles):05}"
        email = email and email.lower()
        self.profiles[profile] = {"email": email, "external_id": external_id, "properties": {}}
        return profile

    def handle(self, request):
        if request.headers.get("Authorization") != f"Klaviyo-API-Key {KEY}":
            said = "Incorrect authentication credentials."
            return 401, error("authentication_failed", said, said)
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", request.headers.get("revision", "")):
            return invalid("This endpoint requires a valid API revision.", "revision")
        if request.body and request.headers.get("Content-Type") != "application/vnd.api+json":
            return 415, error("unsupported_media_type", "Unsupported", "Unsupported media type")
        if "forbidden" in self.world.refused:
            said = "You do not have permission to perform this action."
            return 403, error("permission_denied", said, said)
        match request.method, request.path.split("/")[2:]:
            case "GET", ["profiles"]:
                return self.search(request.query)
            case "POST", ["profile-import"]:
                return self.upsert(request)
            case "PATCH", ["profiles", profile]:
                return self.patch(profile, request.json()["data"])
            case "GET", ["lists", name]:
                found = {"data": {"type": "list", "id": name, "attributes": {}}}
                return (200, found) if name in self.lists else missing("list", name)
            case ("POST" | "DELETE") as method, ["lists", name, "relationships", "profiles"]:
                return self.change(name, method, request.json()["data"])

    def search(self, query):
        (condition,) = query["filter"]
        kind, listed = re.fullmatch(r"any\((email|external_id),(\[.*\])\)", condition).groups()
        values, size = json.loads(listed), int(query.get("page[size]", ["20"])[0])
        if size > 100:
            return invalid("Page size must be an integer between 1 and 100.", "page[size]")
        found = dict.fromkeys(self.find(kind, each) for each in values)
        data = [self.told(each) for each in found if each][:size]
        return 200, {"data": data, "links": {"self": "", "next": None}}

    def told(self, profile):
        return {"type": "profile", "id": profile, "attributes": self.profiles[profile]}

    def upsert(self, request):
        if len(request.body) > 100_000:
            return 413, error("payload_too_large", "Too large", "The maximum size is 100KB.")
        data = request.json()["data"]
        given = data["attributes"]
        ((kind, value),) = [
            (each, given[each]) for each in ("email", "external_id") if each in given
        ]
        if kind == "email" and not EMAIL.fullmatch(value.lower()):
            return invalid("Invalid email address", "/data/attributes/email")
        if {value, f"batch:{value}"} & self.world.refused:
            return invalid(f"{value} is a role address", "/data/attributes/email")
        profile = self.find(kind, value)
        is_new = profile is None
        profile = profile or self.create(**{kind: value})
        self.write(profile, data)
        return (201 if is_new else 200), {"data": self.told(profile)}

    def patch(self, profile, data):
        if profile not in self.profiles:
            return missing("profile", profile)
        if data["id"] != profile:
            return invalid("The id of the body is not that of the address", "/data/id")
        self.write(profile, data)
        return 200, {"data": self.told(profile)}

    def write(self, profile, data):
        """As documented, null in `properties` is kept as a value; `unset` removes the name."""
        properties = self.profiles[profile]["properties"]
        given = data["attributes"].get("properties") or {}
        properties |= given
        for name in data.get("meta", {}).get("patch_properties", {}).get("unset", []):
            properties.pop(name, None)
        op = "add" if given else "remove"
        self.world.effect("klaviyo_profiles", op, self.profiles[profile]["email"])

    def change(self, name, method, members):
        if name not in self.lists:
            return missing("list", name)
        if len(members) > 1000:
            return invalid("The maximum number of profiles per request is 1000.")
        ids = [each["id"] for each in members]
        if unknown := [each for each in ids if each not in self.profiles]:
            return missing("profile", unknown[0])
        emails = [self.profiles[each]["email"] for each in ids]
        refused = {each for email in emails for each in (email, f"batch:{email}")}
        if method == "POST" and refused & self.world.refused:
            return invalid("A profile cannot be added to this list")
        for profile, email in zip(ids, emails, strict=True):
            (self.lists[name].add if method == "POST" else self.lists[name].discard)(profile)
            self.world.effect("klaviyo_lists", "add" if method == "POST" else "remove", email, name)
        return 204, None


def profiles_held(state):
    return {
        (each["email"], None): each["properties"]["tideline_label"]
        for each in state["profiles"]
        if each["properties"]
    }


def lists_held(state):
    names = {"Xy1": "vip", "Xy2": "new"}
    return {
        (email, names[name]): None for name, members in state["lists"].items() for email in members
    }


CASES = {
    "klaviyo_profiles": Case(
        tool="klaviyo",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials={"KLAVIYO_API_KEY": KEY},
        held=profiles_held,
        is_member=False,
        has_labels=True,
        spoiled=("POST", "/api/profile-import", {"data": {"attributes": {"email": "a@b.com"}}}),
    ),
    "klaviyo_lists": Case(
        tool="klaviyo",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "Xy1", "new": "Xy2"}},
        credentials={"KLAVIYO_API_KEY": KEY},
        held=lists_held,
        is_member=True,
        has_labels=False,
        spoiled=("POST", "/api/lists/Xy1/relationships/profiles", {"data": ["01GDD00000"]}),
    ),
}
