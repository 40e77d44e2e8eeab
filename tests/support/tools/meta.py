"""Meta: Custom Audiences of hashed people. It applies what is valid and only counts the rest."""

import hashlib
import re

from tests.support.tools.case import Case

TOKEN = "meta-token"
AUDIENCES = {"2385001", "2385002"}
HASHED = {"EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP"}
HASHED |= {"COUNTRY"}
PLAIN = {"MADID", "EXTERN_ID"}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def error(message, code, subcode=None, **more):
    told = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
    return {"error": told | ({"error_subcode": subcode} if subcode else {}) | more}


class Tool:
    def __init__(self, world):
        self.world = world
        self.people = {}  # hash of an address: address
        self.audiences = {each: set() for each in AUDIENCES}  # of rows, as sorted pairs
        self.sessions = {}  # rows received by session

    def state(self):
        return {
            each: sorted([self.name(row), row] for row in rows)
            for each, rows in self.audiences.items()
        }

    def seed(self, people):
        """People with an account at Meta; whoever has none can be in an audience as well."""
        self.people |= {digest(each): each for each in people}

    def name(self, row):
        email = dict(row).get("EMAIL")
        return self.people.get(email, email or "?")

    def handle(self, request):
        given = request.headers.get("Authorization")
        if given != f"Bearer {TOKEN}":
            return 400, error(f"Malformed access token {given}", 190)
        found = re.fullmatch(r"/v25\.0/(\d+)/users", request.path)
        if not found or request.method not in ("POST", "DELETE") or request.query:
            return 404, error("Unknown path components", 2500)
        audience = found[1]
        if audience not in self.audiences:
            message = (
                f"Unsupported {request.method.lower()} request. Object with ID '{audience}' does "
                "not exist, cannot be loaded due to missing permissions, or does not support this "
                "operation"
            )
            return 400, error(message, 100, 33)
        body = request.json()
        if problem := self.problem(body):
            return 400, error(problem, 100)
        rows = [
            tuple(sorted(zip(body["payload"]["schema"], each, strict=True)))
            for each in body["payload"]["data"]
        ]
        if any(f"batch:{self.name(row)}" in self.world.refused for row in rows):
            return 400, error("Invalid parameter", 100)
        invalid = [row for row in rows if not self.is_valid(row)]
        for row in set(rows) - set(invalid):
            self.change(request.method, audience, row)
        session = body["session"]["session_id"]
        self.sessions[session] = self.sessions.get(session, 0) + len(rows)
        return (
            200,
            {
                "audience_id": audience,
                "session_id": str(session),
                "num_received": self.sessions[session],  # "in this session so far"
                "num_invalid_entries": len(invalid),
                "invalid_entry_samples": {str(i): row[0][1] for i, row in enumerate(invalid[:100])},
            },
        )

    def problem(self, body):
        session, payload = body.get("session"), body.get("payload")
        if not isinstance(session, dict) or session.get("batch_seq") != 1:
            return "Param session must have a batch_seq that starts from 1"
        number = session.get("session_id")
        if not isinstance(number, int) or not 0 < number < 2**63:
            return "Param session[session_id] must be a positive 64-bit integer"
        if session.get("last_batch_flag") is not True:
            return "Param session[last_batch_flag] must be set"
        schema, data = payload["schema"], payload["data"]
        if not schema or not set(schema) <= HASHED | PLAIN:
            return "Param payload[schema] has unknown keys"
        if not 0 < len(data) <= 10_000:
            return "Param payload[data] must have at most 10000 entries"
        if any(len(each) != len(schema) for each in data):
            return "Data is missing or does not match schema"
        return None

    def is_valid(self, row):
        hashes = [value for key, value in row if key in HASHED]
        if not all(isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each) for each in hashes):
            return False
        return self.name(row) not in self.world.refused

    def change(self, method, audience, row):
        """A person is found by any of the row's identifiers."""
        members = self.audiences[audience]
        op = "add" if method == "POST" else "remove"
        if op == "add":
            members.add(row)
        else:
            members -= {each for each in members if set(each) & set(row)}
        self.world.effect("meta_audiences", op, self.name(row), audience)


def held(state):
    names = {"2385001": "vip", "2385002": "new"}
    return {
        (person, names[audience]): None for audience, rows in state.items() for person, _ in rows
    }


CASES = {
    "meta_audiences": Case(
        tool="meta",
        sync={
            "key": ["email", "segment_name"],
            "lists": {"vip": "2385001", "new": "2385002"},
        },
        credentials={"META_ACCESS_TOKEN": TOKEN},
        held=held,
        is_member=True,
        has_labels=False,
    ),
}
