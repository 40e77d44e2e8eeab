"""LinkedIn: DMP segments of hashed addresses, with an answer for each row."""

import hashlib
import re

from tests.support.tools.case import Case

TOKEN = "linkedin-token"
SEGMENTS = {"10804", "10805"}
HEADERS = {"X-Restli-Protocol-Version": "2.0.0", "X-RestLi-Method": "BATCH_CREATE"}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def error(status, code, message):
    return status, {"status": status, "code": code, "message": message}


class Tool:
    def __init__(self, world):
        self.world = world
        self.people = {}  # hash of an address: address
        self.segments = {each: set() for each in SEGMENTS}  # of hashes

    def state(self):
        return {
            each: sorted(self.people.get(value, value) for value in members)
            for each, members in self.segments.items()
        }

    def seed(self, people):
        self.people |= {digest(each): each for each in people}

    def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "INVALID_ACCESS_TOKEN", "Invalid access token")
        if not re.fullmatch(r"20\d{4}", request.headers.get("LinkedIn-Version", "")):
            return error(400, "VERSION_MISSING", "A version must be present")
        if request.headers["LinkedIn-Version"] < "202511":
            return error(426, "NONEXISTENT_VERSION", "Requested version is not active")
        found = re.fullmatch(r"/rest/dmpSegments/(\w+)/users", request.path)
        if not found or request.method != "POST" or request.query:
            return error(404, "RESOURCE_NOT_FOUND", "No virtual resource found")
        if any(request.headers.get(name) != value for name, value in HEADERS.items()):
            return error(400, "ILLEGAL_ARGUMENT", "Method is not BATCH_CREATE")
        if found[1] not in self.segments:
            return error(404, "NOT_FOUND", f"Could not find DMP segment {found[1]}")
        elements = request.json()["elements"]
        if not 0 < len(elements) <= 5_000:
            return error(400, "ILLEGAL_ARGUMENT", "Batch size must be at most 5000")
        values = [each["userIds"][0]["idValue"] for each in elements]
        if any(f"batch:{self.people.get(each, each)}" in self.world.refused for each in values):
            return error(400, "ILLEGAL_ARGUMENT", "The request is invalid")
        return 200, {"elements": [self.change(found[1], each) for each in elements]}

    def change(self, segment, element):
        assert set(element) == {"action", "userIds"} and element["action"] in ("ADD", "REMOVE")
        (known,) = element["userIds"]
        value = known["idValue"]
        person = self.people.get(value, value)
        is_hash = known["idType"] == "SHA256_EMAIL" and re.fullmatch("[0-9a-f]{64}", value)
        if not is_hash or person in self.world.refused:
            message = f"Invalid value {value} for SHA256_EMAIL"
            return {"status": 400, "error": {"status": 400, "message": message}}
        op = element["action"].lower()
        members = self.segments[segment]
        (members.add if op == "add" else members.discard)(value)
        self.world.effect("linkedin_audiences", op, person, segment)
        return {"status": 201}


def held(state):
    names = {"10804": "vip", "10805": "new"}
    return {(person, names[each]): None for each, people in state.items() for person in people}


CASES = {
    "linkedin_audiences": Case(
        tool="linkedin",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "10804", "new": "10805"}},
        credentials={"LINKEDIN_ACCESS_TOKEN": TOKEN},
        held=held,
        is_member=True,
        has_labels=False,
    ),
}
