"""Braze: users by external id or email, with attributes, by `/users/track`.

Like Braze, it answers "success" for values that it does not keep: a text longer than 255
characters is dropped, a list is cut at 25 elements.
"""

from tests.support.tools.case import Case

KEY = "braze-key"
IDENTIFIERS = ("external_id", "email")
MISSING = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
BLOCKED = "provided external_id is blacklisted and disallowed"
NO_DATA = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


class Tool:
    def __init__(self, world):
        self.world = world
        self.users = {}  # (identifier, value): attributes

    def state(self):
        return [{name: value} | held for (name, value), held in self.users.items()]

    def seed(self, people):
        """Users that exist before any sync."""
        for each in people:
            self.users["email" if "@" in each else "external_id", each] = {}

    def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"message": "Invalid API Key"}
        if (request.method, request.path) != ("POST", "/users/track"):
            return 404, {"message": "Invalid URL"}
        objects = request.json().get("attributes")
        if not isinstance(objects, list) or not objects:
            return 400, {"message": NO_DATA}
        if len(objects) > 50:
            return 400, {"message": "The request has more than 50 updates"}
        whos = [next(((n, o[n]) for n in IDENTIFIERS if n in o), None) for o in objects]
        if any(who and f"batch:{who[1]}" in self.world.refused for who in whos):
            return 400, {"message": "The request is malformed"}
        errors = []
        for index, (who, each) in enumerate(zip(whos, objects, strict=True)):
            if who is None or who[1] in self.world.refused:
                about = {"type": BLOCKED if who else MISSING}
                errors.append(about | {"input_array": "attributes", "index": index})
            else:
                self.update(who, each)
        if len(errors) == len(objects):
            return 400, {"message": NO_DATA, "errors": errors}
        told = {"errors": errors} if errors else {}
        processed = len(objects) - len(errors)
        return 201, {"message": "success", "attributes_processed": processed} | told

    def update(self, who, values):
        is_known_only = values.get("_update_existing_only", False)
        if not isinstance(is_known_only, bool):
            raise TypeError("_update_existing_only is not a boolean")
        if is_known_only and who not in self.users:
            return
        held = self.users.setdefault(who, {})
        for name, value in values.items():
            if name in IDENTIFIERS or name == "_update_existing_only":
                continue
            if isinstance(value, dict):
                raise TypeError(f"{name} is a command")
            if value is None:
                held.pop(name, None)
            elif isinstance(value, list):
                held[name] = [each for each in value if isinstance(each, str)][:25]
            elif not isinstance(value, str) or len(value) <= 255:
                held[name] = value
            op = "remove" if value is None else "add"
            self.world.effect("braze", op, who[1], name)


def users_held(state):
    return {
        (each["external_id"], None): each["tideline_label"]
        for each in state
        if each.get("tideline_label")
    }


def segments_held(state):
    names = {"in_vip": "vip", "in_new": "new"}
    return {
        (each["email"], names[name]): None
        for each in state
        for name, value in each.items()
        if value is True
    }


CREDENTIALS = {"BRAZE_API_KEY": KEY}
SPOILED = ("POST", "/users/track", {"attributes": {"email": "a@example.com"}})
CASES = {
    "braze_users": Case(
        tool="braze",
        sync={
            "key": ["profile_id"],
            "identify": "profile_id",
            "id_type": "external_id",
            "fields": {"tideline_label": "{segment_label}"},
        },
        credentials=CREDENTIALS,
        held=users_held,
        is_member=False,
        has_labels=True,
        person="profile",
        spoiled=SPOILED,
    ),
    "braze_segments": Case(
        tool="braze",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "in_vip", "new": "in_new"}},
        credentials=CREDENTIALS,
        held=segments_held,
        is_member=True,
        has_labels=False,
        spoiled=SPOILED,
    ),
}
