"""A HubSpot account: its API, and how a batch of contacts is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tideline.activation.destinations.api import (
    Api,
    ApiOptions,
    NotDoneError,
    Reply,
    address_of,
    secret,
)
from tideline.activation.destinations.protocol import Outcome

ADDRESS = "https://api.hubapi.com"
CONTACTS = "/crm/v3/objects/contacts"
MOST_CONTACTS = 100  # per request of a batch
REQUESTS_PER_SECOND = 9.0  # the smallest limit of a private app is 100 in 10 seconds
LIMITS = "https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines"
SILENT = Outcome("unknown", "HubSpot answered without an outcome of the row")


@dataclass(frozen=True, kw_only=True)
class HubSpotOptions(ApiOptions):
    """The keys of both destinations.

    `token_env`: the name of the variable with the access token of a private app. `identify`: the
    column of `key` that identifies a contact. `id_property`: the property of HubSpot that has its
    value, `email` or one with unique values.
    """

    token_env: str = "HUBSPOT_TOKEN"
    identify: str = "email"
    id_property: str = "email"

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_api(sync_name: str, options: HubSpotOptions, environment: Mapping[str, str]) -> Api:
    """The API with the account's token."""
    token = secret(environment, options.token_env, "the access token of a private app", sync_name)
    return Api(
        address_of(environment, options, ADDRESS, sync_name),
        authorization=f"Bearer {token}",
        credentials=[options.token_env],
        options=options,
        requests_per_second=REQUESTS_PER_SECOND,
    )


def record_ids(api: Api, options: HubSpotOptions, values: Sequence[str]) -> dict[str, str]:
    """The record id of each contact that exists, by its value of `id_property` as given."""
    found: dict[str, str] = {}
    for start in range(0, len(values), MOST_CONTACTS):
        some = values[start : start + MOST_CONTACTS]
        body = {
            "idProperty": options.id_property,
            "inputs": [{"id": value} for value in some],
            "properties": [options.id_property],
            "propertiesWithHistory": [],
        }
        reply = api.call("POST", f"{CONTACTS}/batch/read", body, only_reads=True)
        content = reply.content if isinstance(reply.content, dict) else {}
        if not isinstance(content.get("results"), list):
            raise NotDoneError(Outcome("busy", "HubSpot answered without `results`"))
        known = {}
        for each in _objects(content["results"]):
            properties = each.get("properties")
            if isinstance(properties, dict) and isinstance(each.get("id"), str):
                known[_same(properties.get(options.id_property))] = each["id"]
        found |= {value: known[_same(value)] for value in some if _same(value) in known}
    return found


def _same(value: Any) -> str:
    """A value as HubSpot compares it."""
    return str(value).strip().lower()


def of_trace(reply: Reply, rows: int) -> list[Outcome]:
    """The outcome of each row of a batch.

    Each input carries its position as `objectWriteTraceId`, which results and errors repeat.
    """
    content = reply.content if isinstance(reply.content, dict) else {}
    outcomes = [SILENT] * rows
    for result in _objects(content.get("results")):
        if (position := _position(result.get("objectWriteTraceId"), rows)) is not None:
            outcomes[position] = Outcome("accepted")
    for error in _objects(content.get("errors")):
        context = error.get("context")
        traces = context.get("objectWriteTraceId") if isinstance(context, dict) else None
        for trace in traces if isinstance(traces, list) else ():
            if (position := _position(trace, rows)) is not None:
                outcomes[position] = Outcome("rejected", in_words(error))
    return outcomes


def in_words(error: Mapping[str, Any]) -> str:
    """HubSpot's own words about an error."""
    return f"HubSpot: {error.get('message') or error.get('category') or 'no reason given'}"


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _position(trace: Any, rows: int) -> int | None:
    if not isinstance(trace, str) or not trace.isascii() or not trace.isdigit():
        return None
    return int(trace) if int(trace) < rows else None
