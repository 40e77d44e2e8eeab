"""Iterable: users by address or user id with data fields, and static lists.

What is seeded: an address; `user:<id>`, a user known by an id; `forgotten:<address>`, whom it takes
nothing of; `drops:<field>`, a field that the project does not keep; `nameless`, then failures are
counted and not named; `list-<id>`, a list that is deleted.
"""

import re

from tests.support.tools.case import Case

KEY = "iterable-key"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
END = {"email": "Emails", "userId": "UserIds"}


class Tool:
    def __init__(self, world):
        self.world = world
        self.users = {}  # (property, identifier): data fields
        self.lists = {901: set(), 902: set()}
        self.forgotten, self.dropped, self.is_nameless = set(), set(), False

    def state(self):
        return {
            "users": [[*who, fields] for who, fields in self.users.items()],
            "lists": [[name, *who] for name, people in self.lists.items() for who in people],
        }

    def seed(self, people):
        for each in people:
            what, _, name = each.rpartition(":")
            match what:
                case "forgotten":
                    self.forgotten.add(name)
                case "drops":
                    self.dropped.add(name)
                case "user":
                    self.users["userId", name] = {}
                case _ if each == "nameless":
                    self.is_nameless = True
                case _ if each.startswith("list-"):
                    del self.lists[int(each[5:])]
                case _:
                    self.users["email", each] = {}

    def handle(self, request):
        if request.headers.get("Api-Key") != KEY or request.method != "POST":
            return 401, {"code": "BadApiKey", "msg": "Invalid API key"}
        body = request.json()
        rows = body.get("users") or body["subscribers"]
        assert len(rows) <= 1000 and len(request.body) <= 4_000_000
        is_set = "channelUnsubscribe" not in body and any(self.is_set(each) for each in rows)
        if is_set and any(f"batch:{self.who(each)[1]}" in self.world.refused for each in rows):
            return 400, {"code": "RequestFieldsTypesMismatched", "msg": "a field has a type"}
        match request.path:
            case "/api/users/bulkUpdate":
                return self.told([self.update(each) for each in rows], rows)
            case "/api/lists/subscribe" | "/api/lists/unsubscribe":
                if body["listId"] not in self.lists:
                    return 400, {"code": "BadParams", "msg": "error.lists.invalidListId"}
                is_on = request.path.endswith("/subscribe")
                assert is_on or body["channelUnsubscribe"] is False
                return self.told([self.change(body["listId"], e, is_on) for e in rows], rows)
        return 404, None

    def who(self, row):
        return ("email", row["email"].lower()) if "email" in row else ("userId", row["userId"])

    def is_set(self, row):
        return any(value is not None for value in row.get("dataFields", {"": ""}).values())

    def problem(self, row, creates):
        kind, name = self.who(row)
        if kind == "email" and not EMAIL.fullmatch(name):
            return "invalid"
        if name in self.forgotten:
            return "forgotten"
        if (kind, name) not in self.users:
            if kind == "userId" and not row.get("preferUserId"):
                return "notFound"
            if creates:
                self.users[kind, name] = {}
        return "invalidData" if self.is_set(row) and name in self.world.refused else None

    def update(self, row):
        if problem := self.problem(row, True):
            return problem
        who = self.who(row)
        values = {n: v for n, v in row["dataFields"].items() if n not in self.dropped}
        self.users[who] |= values
        op = "add" if any(v is not None for v in values.values()) else "remove"
        self.world.effect("iterable_users", op, who[1])
        return None

    def change(self, name, row, is_on):
        problem = self.problem(row, True)
        if problem and (is_on or problem != "invalidData"):
            return problem
        who = self.who(row)
        (self.lists[name].add if is_on else self.lists[name].discard)(who)
        self.world.effect("iterable_lists", "add" if is_on else "remove", who[1], str(name))
        return None

    def told(self, problems, rows):
        failed = {}
        for problem, row in zip(problems, rows, strict=True):
            if problem and not self.is_nameless:
                kind, _ = self.who(row)
                failed.setdefault(f"{problem}{END[kind]}", []).append(row[kind])
        fails = sum(problem is not None for problem in problems)
        names = {name for row in rows for name in row.get("dataFields", {})}
        return 200, {
            "successCount": len(rows) - fails,
            "failCount": fails,
            "failedUpdates": failed,
            "invalidEmails": failed.get("invalidEmails", []),
            "filteredOutFields": sorted(names & self.dropped),
            "createdFields": [],
        }


def users_held(state):
    return {
        (who, None): fields["tideline_label"]
        for _, who, fields in state["users"]
        if fields.get("tideline_label") is not None
    }


def lists_held(state):
    names = {901: "vip", 902: "new"}
    return {(who, names[name]): None for name, _, who in state["lists"]}


CASES = {
    "iterable_users": Case(
        tool="iterable",
        sync={"key": ["email"], "fields": {"tideline_label": "{segment_label}"}},
        credentials={"ITERABLE_API_KEY": KEY},
        held=users_held,
        is_member=False,
        has_labels=True,
    ),
    "iterable_lists": Case(
        tool="iterable",
        sync={"key": ["email", "segment_name"], "lists": {"vip": "901", "new": "902"}},
        credentials={"ITERABLE_API_KEY": KEY},
        held=lists_held,
        is_member=True,
        has_labels=False,
    ),
}
