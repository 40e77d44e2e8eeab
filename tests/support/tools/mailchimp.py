"""Mailchimp: an audience's members by the MD5 of their address, with merge fields and tags."""

import base64
import hashlib
import re

from tests.support.tools.case import Case

KEY = "0123456789abcdef-us6"
STATUSES = {"subscribed", "unsubscribed", "cleaned", "pending", "transactional"}
EMAIL = re.compile(r"[\x21-\x7e]+@[a-z0-9-]+(\.[a-z0-9-]+)+")


def problem(status, title, detail, **more):
    kind = "https://mailchimp.com/developer/marketing/docs/errors/"
    base = {"type": kind, "title": title, "status": status, "instance": "3b4dcb40"}
    return status, base | {"detail": detail} | more


def invalid(field, message, detail="Your merge fields were invalid."):
    errors = [{"field": field, "message": message}]
    return problem(400, "Invalid Resource", detail, errors=errors)


class Tool:
    def __init__(self, world):
        self.world = world
        self.members = {}  # MD5 of the address: {"email_address", "status", "merge_fields", "tags"}
        self.fields = {"FNAME": False, "LABEL": False, "SCORE": False, "MUST": True}  # is required
        self.audiences = {"a1"}

    def state(self):
        return {"members": list(self.members.values())}

    def seed(self, people):
        """Members that exist before any sync, subscribed; with `-` at the end, a merge field or an
        audience that is deleted, or a member.
        """
        for each in people:
            if not each.endswith("-"):
                self.members[self.hash(each)] = self.member(each, "subscribed")
            elif each[:-1] in self.fields:
                del self.fields[each[:-1]]
                for member in self.members.values():
                    del member["merge_fields"][each[:-1]]
            elif each[:-1] in self.audiences:
                self.audiences.clear()
            else:
                del self.members[self.hash(each[:-1])]

    def member(self, email, status):
        empty = dict.fromkeys(self.fields, "")
        return {"email_address": email, "status": status, "merge_fields": empty, "tags": []}

    def hash(self, email):
        return hashlib.md5(email.lower().encode()).hexdigest()

    def handle(self, request):
        known = base64.b64encode(f"tideline:{KEY}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {known}":
            said = (
                "Your API key may be invalid, or you've attempted to access the wrong datacenter."
            )
            return problem(401, "API Key Invalid", said)
        if "forbidden" in self.world.refused:
            said = "The user does not have permission to perform this action."
            return problem(403, "Forbidden", said)
        *_, audience, _, who = request.path.removesuffix("/tags").split("/")
        missing = problem(404, "Resource Not Found", "The requested resource could not be found.")
        if audience not in self.audiences:
            return missing
        skips = request.query.get("skip_merge_validation") == ["true"]
        if request.method == "PUT":
            return self.put(who, request.json(), skips)
        if who not in self.members:
            return missing
        if request.method == "GET":
            return self.told(who)
        if request.path.endswith("/tags"):
            return self.tag(self.members[who], request.json()["tags"])
        return self.write(self.members[who], request.json()["merge_fields"], skips)

    def put(self, who, body, skips):
        email, status = body["email_address"], body.get("status_if_new")
        schema = "The resource submitted could not be validated."
        if not EMAIL.fullmatch(email.lower()) or self.hash(email) != who:
            return invalid("email_address", "This value is not a valid email.", schema)
        if {email, f"batch:{email}"} & self.world.refused:
            said = f"{email} looks fake or invalid, please enter a real email address."
            return problem(400, "Invalid Resource", said)
        if who not in self.members and status not in STATUSES:
            return invalid("status_if_new", "This value should not be blank.", schema)
        if "status" in body:
            self.members.get(who, {})["status"] = body["status"]
        return self.write(
            self.members.get(who) or self.member(email, status), body["merge_fields"], skips
        )

    def write(self, member, given, skips):
        for name, value in given.items():
            if isinstance(value, bool | list) or value is None:
                said = "Data did not match any of the schemas described in anyOf."
                return invalid(f"merge_fields.{name}", said)
            if len(str(value).encode()) > 255:
                return invalid(name, "Please enter a value of at most 255 bytes")
        held = member["merge_fields"] | {k: v for k, v in given.items() if k in self.fields}
        if not skips and any(must and not held[name] for name, must in self.fields.items()):
            return invalid("MUST", "Please enter a value")
        member["merge_fields"] = held
        who = self.hash(member["email_address"])
        self.members[who] = member
        op = "add" if any(given.values()) else "remove"
        self.world.effect("mailchimp_members", op, member["email_address"])
        return self.told(who)

    def told(self, who):
        member = self.members[who]
        return 200, {"id": who} | {
            k: member[k] for k in ("email_address", "status", "merge_fields")
        }

    def tag(self, member, tags):
        email = member["email_address"]
        if {email, f"batch:{email}"} & self.world.refused:
            return problem(400, "Invalid Resource", "The member cannot be tagged.")
        for each in tags:
            if each["status"] not in ("active", "inactive"):
                return invalid("tags.item:0.status", "This value should be active or inactive.")
            held = set(member["tags"]) - {each["name"]}
            is_add = each["status"] == "active"
            member["tags"] = sorted(held | {each["name"]} if is_add else held)
            self.world.effect("mailchimp_tags", "add" if is_add else "remove", email, each["name"])
        return 204, None


def members_held(state):
    return {
        (each["email_address"], None): each["merge_fields"]["LABEL"]
        for each in state["members"]
        if each["merge_fields"]["LABEL"]
    }


def tags_held(state):
    names = {"tag-vip": "vip", "tag-new": "new"}
    return {
        (each["email_address"], names[tag]): None
        for each in state["members"]
        for tag in each["tags"]
    }


CASES = {
    "mailchimp_members": Case(
        tool="mailchimp",
        sync={"key": ["email"], "audience": "a1", "fields": {"LABEL": "{segment_label}"}},
        credentials={"MAILCHIMP_API_KEY": KEY},
        held=members_held,
        is_member=False,
        has_labels=True,
    ),
    "mailchimp_tags": Case(
        tool="mailchimp",
        sync={
            "key": ["email", "segment_name"],
            "audience": "a1",
            "lists": {"vip": "tag-vip", "new": "tag-new"},
        },
        credentials={"MAILCHIMP_API_KEY": KEY},
        held=tags_held,
        is_member=True,
        has_labels=False,
    ),
}
