"""Messages as landed by the collector."""

import json

GOOD = {
    "type": "page",
    "anonymousId": "visitor",
    "timestamp": "2026-01-01T10:00:00Z",
    "receivedAt": "2026-01-01T10:00:01Z",
}


def good(number):
    return json.dumps({**GOOD, "messageId": f"m{number}"})
