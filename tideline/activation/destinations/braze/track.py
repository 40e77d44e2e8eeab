"""One request to Braze's `/users/track`, and the outcome of each of its users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tideline.activation.destinations.api import Api, NotDoneError
from tideline.activation.destinations.protocol import Outcome

SILENT = Outcome("unknown", "Braze answered without an outcome of the users")


def track(api: Api, users: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Set attributes of users; returns the outcome of each.

    Braze names the users that it skips, by their position. If it does not, each user is sent
    alone, so that the user with the error is found.
    """
    reply = api.call("POST", "/users/track", {"attributes": list(users)}, expected=(400,))
    content = reply.content if isinstance(reply.content, dict) else {}
    skipped, others = _errors(content, len(users))
    outcomes = [Outcome("accepted")] * len(users)
    for position, words in skipped.items():
        outcomes[position] = Outcome("rejected", f"Braze: {words}")
    if reply.status == 400:  # it has applied nothing
        words = "; ".join([_words(content.get("message")), *others])
        refused = Outcome("refused", f"Braze: {words}")
        return [each if each.fate == "rejected" else refused for each in outcomes]
    if content.get("message") != "success":
        return [SILENT] * len(users)
    if not others and _is_counted(content, users, len(skipped)):
        return outcomes
    if len(users) == 1:
        return [Outcome("rejected", f"Braze: {'; '.join(others)}") if others else SILENT]
    return _one_by_one(api, users)


def _one_by_one(api: Api, users: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Send each user alone, after a request with all of them may have been applied."""
    outcomes: list[Outcome] = []
    for position, user in enumerate(users):
        try:
            outcomes += track(api, [user])
        except NotDoneError as error:
            failed = error.outcome
            needs_person = failed.needs_person or failed.fate == "held"
            doubt = Outcome("unknown", failed.reason, failed.retry_after, needs_person)
            return outcomes + [doubt] * (len(users) - position)
    return outcomes


def _errors(content: Mapping[str, Any], users: int) -> tuple[dict[int, str], list[str]]:
    """The errors of an answer: by the position of their user, and those that name none."""
    errors = content.get("errors") or []
    named: dict[int, str] = {}
    others: list[str] = []
    for error in errors if isinstance(errors, list) else [errors]:
        about = error if isinstance(error, dict) else {}
        position = about.get("index") if about.get("input_array") == "attributes" else None
        words = _words(about.get("type") or error)
        if type(position) is int and 0 <= position < users:
            named[position] = "; ".join(filter(None, (named.get(position), words)))
        else:
            others.append(words)
    return named, others


def _is_counted(
    content: Mapping[str, Any], users: Sequence[Mapping[str, Any]], skipped: int
) -> bool:
    """Whether the number of users that Braze has processed, if told, is that of the others.

    It counts external ids, so it says nothing about users found by email.
    """
    processed = content.get("attributes_processed")
    return (
        processed is None
        or any("external_id" not in user for user in users)
        or processed == len(users) - skipped
    )


def _words(said: Any) -> str:
    return said if isinstance(said, str) and said else f"no reason given ({said!r})"
