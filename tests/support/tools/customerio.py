"""Customer.io: people by id or email with attributes, and manual segments.

Like Customer.io, the Track API answers "success" for people and segments that do not exist. The
App API, with a key of its own, tells which exist.
"""

import json
from base64 import b64encode
from functools import cache

from jsonschema import Draft202012Validator

from tests.support.tools.case import Case
from tests.support.tools.specifications import SPECIFICATIONS

CREDENTIALS = {
    "CUSTOMERIO_SITE_ID": "site",
    "CUSTOMERIO_APP_KEY": "customerio-app-key",
    "CUSTOMERIO_API_KEY": "customerio-key",
}
BASIC = f"Basic {b64encode(b'site:customerio-key').decode()}"
KINDS = {"11": "manual", "12": "manual", "13": "dynamic"}


@cache
def schema_of_person():
    """How the specification describes a person of a batch; None if it is not there."""
    path = SPECIFICATIONS / "customerio_track.json"
    if not path.exists():
        return None
    components = json.loads(path.read_text())["components"]
    reference = {"$ref": "#/components/schemas/identify_person", "components": components}
    return Draft202012Validator(reference)


def invalid(*words):
    return 400, {"meta": {"errors": list(words)}}


class Tool:
    def __init__(self, world):
        self.world = world
        self.people = {}  # (identifier, value): attributes
        self.segments = {each: set() for each, kind in KINDS.items() if kind == "manual"}

    def state(self):
        people = [{name: value} | held for (name, value), held in self.people.items()]
        return {"people": people, "segments": {k: sorted(v) for k, v in self.segments.items()}}

    def seed(self, people):
        """People that exist before any sync."""
        for each in people:
            self.people["email" if "@" in each else "id", each] = {}

    def handle(self, request):
        *_, segment, what = request.path.split("/")
        if request.path.startswith("/v1/"):
            return self.answer(request)
        if request.path == "/api/v2/batch":
            people = request.json()["batch"]
            if (schema := schema_of_person()) is not None:
                self.world.broken += [
                    e.message for each in people for e in schema.iter_errors(each)
                ]
        if request.headers.get("Authorization") != BASIC:
            return 401, {"meta": {"error": "Unauthorized request"}}
        if request.path == "/api/v2/batch":
            return self.batch(people, len(request.body))
        return self.change(segment, what, request.json()["ids"], request.query.get("id_type"))

    def batch(self, people, size):
        refused = [f"batch:{next(iter(each['identifiers'].values()))}" for each in people]
        if size > 500_000 or self.world.refused & set(refused):
            return 400, {"errors": [{"reason": "invalid", "message": "The request is invalid"}]}
        errors = []
        for index, each in enumerate(people):
            if problem := self.identify(each):
                field, message = problem
                error = {"reason": "invalid", "field": field, "message": message}
                errors.append({"batch_index": index} | error)
        return (207, {"errors": errors}) if errors else (200, {})

    def identify(self, person):
        """Apply one person; returns the field and the words of an error."""
        ((kind, who),) = person["identifiers"].items()
        values = dict(person["attributes"])
        if who in self.world.refused or len(who.encode()) > 150:
            return "identifiers", "identifier is invalid"
        if len(json.dumps(person).encode()) > 32_768:
            return "batch", "request is larger than 32kb"
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            if len(text.encode()) > 1000:
                return f"attributes.{name}", "value cannot be longer than 1000 bytes"
        if values.pop("_update", False) and (kind, who) not in self.people:
            return None
        held = self.people.setdefault((kind, who), {})
        for name, value in values.items():
            if value is None or value == "":
                held.pop(name, None)
            else:
                held[name] = value
        op = "add" if any(value is not None for value in values.values()) else "remove"
        self.world.effect("customerio_people", op, who)
        return None

    def change(self, segment, what, ids, id_type):
        if KINDS.get(segment) == "dynamic":
            return invalid("segment is not manual")
        if len(ids) > 1000:
            return invalid("ids has more than 1000 items")
        if self.world.refused & {f"batch:{each}" for each in ids}:
            return invalid("ids has an invalid item")
        for each in ids:
            if segment not in self.segments or (*id_type, each) not in self.people:
                continue
            members = self.segments[segment]
            (members.add if what == "add_customers" else members.discard)(each)
            self.world.effect("customerio_segments", what.split("_")[0], each, segment)
        return 200, {}

    def answer(self, request):
        """The App API."""
        if request.headers.get("Authorization") != f"Bearer {CREDENTIALS['CUSTOMERIO_APP_KEY']}":
            return 401, {"errors": [{"detail": "unauthorized", "status": "401"}]}
        if request.path == "/v1/customers":
            asked = [each["attribute"]["value"] for each in request.json()["filter"]["or"]]
            found = [
                {"cio_id": f"c{each}", "id": each, "email": None}
                for each in asked
                if ("id", each) in self.people and each not in self.world.refused
            ]
            return 200, {"identifiers": found, "ids": [each["id"] for each in found], "next": ""}
        segment = request.path.rsplit("/", 1)[1]
        if segment not in KINDS:
            return 404, {"errors": [{"detail": "not found", "status": "404"}]}
        about = {"id": int(segment), "name": f"Segment {segment}", "type": KINDS[segment]}
        return 200, {"segment": about | {"state": "finished"}}


def people_held(state):
    return {
        (each["email"], None): each["tideline_label"]
        for each in state["people"]
        if each.get("tideline_label")
    }


def segments_held(state):
    names = {"11": "vip", "12": "new"}
    return {
        (who, names[segment]): None
        for segment, members in state["segments"].items()
        for who in members
    }


CASES = {
    "customerio_people": Case(
        tool="customerio",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials={k: v for k, v in CREDENTIALS.items() if k != "CUSTOMERIO_APP_KEY"},
        held=people_held,
        is_member=False,
        has_labels=True,
        spoiled=(
            "POST",
            "/api/v2/batch",
            {"batch": [{"type": "person", "action": "identify", "identifiers": {}}]},
        ),
    ),
    "customerio_segments": Case(
        tool="customerio",
        sync={
            "key": ["profile_id", "segment_name"],
            "identify": "profile_id",
            "lists": {"vip": "11", "new": "12"},
            "app_url_env": "TOOL_URL",
        },
        credentials=CREDENTIALS,
        held=segments_held,
        is_member=True,
        has_labels=False,
        person="profile",
        spoiled=("POST", "/api/v1/segments/11/add_customers", {"ids": []}),
    ),
}
