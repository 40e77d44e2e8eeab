"""Zendesk: users by address or external id with user fields and tags, and jobs that change many.

A job is done when its status is asked for the second time, after all jobs before it. What is seeded
as a dictionary is a user with these properties; `hold: n` lets n more questions find no end of the
next job, `nameless` lets failures of jobs not say whose they are.
"""

import base64

from tests.support.tools.case import Case

AGENT, TOKEN = "agent@example.com", "zendesk-token"
BASIC = "Basic " + base64.b64encode(f"{AGENT}/token:{TOKEN}".encode()).decode()
FIELDS = {
    "tideline_label": "text",
    "score": "decimal",
    "is_new": "checkbox",
    "since": "date",
    "interests": "multiselect",
    "note": "textarea",
}
TYPES = {"text": str, "textarea": str, "decimal": float, "checkbox": bool, "date": str}
TYPES |= {"multiselect": list}
PEOPLE = 900


def error(status, name, description):
    return status, {"error": name, "description": description}


class Tool:
    def __init__(self, world):
        self.world = world
        self.users = {}  # id: user
        self.jobs = {}  # id: [rows, status, results, questions until it ends]
        self.hold, self.is_nameless = 0, False

    def state(self):
        self.work()
        return {"users": list(self.users.values())}

    def seed(self, people):
        for each in people:
            if isinstance(each, dict) and "hold" in each:
                self.hold = each["hold"]
            elif each == "nameless":
                self.is_nameless = True
            else:
                known = each if isinstance(each, dict) else {"email": each}
                user = PEOPLE + len(self.users)
                empty = {"email": None, "external_id": None, "active": True, "others": []}
                self.users[user] = {"id": user, **empty, "user_fields": {}, "tags": []} | known

    def handle(self, request):
        if request.headers.get("Authorization") not in (BASIC, f"Bearer {TOKEN}"):
            return error(401, "Couldn't authenticate you", "")
        query = {name: values[0] for name, values in request.query.items()}
        match [request.method, *request.path.removeprefix("/api/v2/").split("/")]:
            case ["GET", "users", "show_many.json"]:
                ids = query["external_ids"].lower().split(",")
                assert len(ids) <= 100
                return self.found(lambda e: (e["external_id"] or "").lower() in ids)
            case ["GET", "users", "search.json"]:
                return self.search(query)
            case ["GET", "users", user, "identities.json"]:
                known = self.users[int(user)]
                values = [known["email"], *known["others"]]
                return 200, {"identities": [{"type": "email", "value": e} for e in values]}
            case ["GET", "user_fields.json"]:
                return self.fields(query)
            case ["PUT", "users", "update_many.json"]:
                return self.queue(request.json()["users"])
            case ["GET", "job_statuses", job]:
                return self.ask(job.removesuffix(".json"))
            case ["PUT" | "DELETE", "users", user, "tags.json"]:
                return self.tag(int(user), request.json()["tags"], request.method == "PUT")
        return 404, None

    def found(self, is_meant):
        return 200, {"users": [each for each in self.users.values() if is_meant(each)]}

    def search(self, query):
        if "external_id" in query:
            return self.found(lambda e: e["external_id"] == query["external_id"])
        address = query["query"].removeprefix('email:"').removesuffix('"')
        return self.found(lambda e: address in (e["email"], *e["others"]))

    def fields(self, query):
        """Two a page, so that there are several."""
        start = int(query.get("page[after]", 0))
        part = [{"key": k, "type": t} for k, t in list(FIELDS.items())[start : start + 2]]
        has_more = start + 2 < len(FIELDS)
        return 200, {
            "user_fields": part,
            "meta": {"has_more": has_more, "after_cursor": str(start + 2) if has_more else None},
        }

    def queue(self, rows):
        if len(rows) > 100:
            return error(413, "TooManyUsers", "at most 100")
        people = {self.person(self.users[each["id"]]) for each in rows}
        is_set = any(v is not None for row in rows for v in row["user_fields"].values())
        if is_set and any(f"batch:{each}" in self.world.refused for each in people):
            return error(400, "InvalidPayload", "A user of the request is blocked")
        name = f"82de0b044094f0c67893ac9fe64f1a{len(self.jobs):02}"
        self.jobs[name] = [rows, "queued", None, 1 + self.hold]
        self.hold = 0
        return 200, self.told(name)

    def ask(self, name):
        if name not in self.jobs:
            return error(404, "RecordNotFound", "Not found")
        job = self.jobs[name]
        if job[3] <= 0:
            self.work(name)
        job[3] -= 1
        return 200, self.told(name)

    def told(self, name):
        _, status, results, _ = self.jobs[name]
        if status == "queued" and self.jobs[name][3] <= 0:
            status = "working"
        return {"job_status": {"id": name, "status": status, "results": results}}

    def work(self, last=None):
        """Do the jobs in their order, up to one of them."""
        for name, job in self.jobs.items():
            if job[1] == "queued":
                job[1:3] = "completed", [self.update(i, each) for i, each in enumerate(job[0])]
            if name == last:
                return

    def update(self, index, row):
        user, values = self.users[row["id"]], row["user_fields"]
        person = self.person(user)
        is_set = any(value is not None for value in values.values())
        wrong = [
            name
            for name, value in values.items()
            if value is not None and not isinstance(value, TYPES[FIELDS[name]])
        ]
        if wrong or (is_set and person in self.world.refused):
            details = f"{wrong} is invalid" if wrong else "Email: is blocked"
            named = {} if self.is_nameless else {"index": index}
            return named | {"error": "UserUpdateError", "status": "Failed", "details": details}
        user["user_fields"] |= {name: v for name, v in values.items() if name in FIELDS}
        self.world.effect("zendesk_users", "add" if is_set else "remove", person)
        return {"action": "update", "id": user["id"], "status": "Updated", "success": True}

    def tag(self, user, tags, is_on):
        if user not in self.users:
            return error(404, "RecordNotFound", "Not found")
        known = self.users[user]
        person = self.person(known)
        if is_on and {person, f"batch:{person}"} & self.world.refused:
            return error(422, "RecordInvalid", "Record validation errors")
        known["tags"] = [e for e in known["tags"] if e not in tags] + tags * is_on
        for each in tags:
            self.world.effect("zendesk_tags", "add" if is_on else "remove", person, each)
        return 200, {"tags": known["tags"]}

    def person(self, user):
        return user["email"] or user["external_id"]


def users_held(state):
    return {
        (each["email"], None): each["user_fields"]["tideline_label"]
        for each in state["users"]
        if each["user_fields"].get("tideline_label")
    }


def tags_held(state):
    names = {"tideline_vip": "vip", "tideline_new": "new"}
    return {
        (e["email"], names[tag]): None for e in state["users"] for tag in e["tags"] if tag in names
    }


CREDENTIALS = {"ZENDESK_EMAIL": AGENT, "ZENDESK_API_TOKEN": TOKEN}
CASES = {
    "zendesk_users": Case(
        tool="zendesk",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials=CREDENTIALS,
        held=users_held,
        is_member=False,
        has_labels=True,
    ),
    "zendesk_tags": Case(
        tool="zendesk",
        sync={
            "key": ["email", "segment_name"],
            "lists": {"vip": "tideline_vip", "new": "tideline_new"},
        },
        credentials=CREDENTIALS,
        held=tags_held,
        is_member=True,
        has_labels=False,
    ),
}
