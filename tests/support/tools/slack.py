"""Slack: messages of one channel, in order. What the suite's sync says can be read back as rows."""

import re

from tests.support.tools.case import Case

TOKEN = "xoxb-token"
CHANNEL = "C0123456789"
SAID = re.compile(r"([+-]) (\S+) (vip|new)")


class Tool:
    def __init__(self, world):
        self.world = world
        self.messages = []
        self.error = None  # of each answer, as seeded

    def state(self):
        return {"messages": self.messages}

    def seed(self, people):
        for each in people:
            if isinstance(each, dict):
                self.error = each["error"]

    def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        if request.path != "/api/chat.postMessage":
            return 404, None
        body = request.json()
        if body["channel"] != CHANNEL:
            return 200, {"ok": False, "error": "channel_not_found"}
        said = SAID.fullmatch(body["text"])
        op, person, segment = said.groups() if said else ("+", body["text"], "")
        if op == "+" and {person, f"batch:{person}"} & self.world.refused:
            return 200, {"ok": False, "error": "message_is_blocked"}
        if self.error:
            return 200, {"ok": False, "error": self.error}
        self.messages.append(body["text"])
        self.world.effect("slack", "add" if op == "+" else "remove", person, segment)
        return 200, {"ok": True, "channel": CHANNEL, "ts": f"17000000{len(self.messages):02}.0001"}


def held(state):
    """The rows that were said to be there last."""
    found = {}
    for text in state["messages"]:
        op, person, segment = SAID.fullmatch(text).groups()
        found[person, segment] = op
    return {row: None for row, op in found.items() if op == "+"}


CASES = {
    "slack": Case(
        tool="slack",
        sync={
            "key": ["email", "segment_name"],
            "channel": CHANNEL,
            "text": "+ {email} {segment_name}",
            "removed_text": "- {email} {segment_name}",
        },
        credentials={"SLACK_BOT_TOKEN": TOKEN},
        held=held,
        is_member=True,
        has_labels=False,
    ),
}
