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
    return {value: each["id"] for value, each in contacts(api, options, values).items()}


def contacts(
    api: Api, options: HubSpotOptions, values: Sequence[str], properties: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Each contact that exists, with its `id` and `properties`, by its value of `id_property` as
    given.

    HubSpot also finds a contact by a second address, which a merge gives it, and answers with the
    first one. Then each value is asked for alone.
    """
    found: dict[str, dict[str, Any]] = {}
    unique = list({_same(each): each for each in values}.values())
    for start in range(0, len(unique), MOST_CONTACTS):
        some = unique[start : start + MOST_CONTACTS]
        body = {
            "idProperty": options.id_property,
            "inputs": [{"id": value} for value in some],
            "properties": [options.id_property, *properties],
            "propertiesWithHistory": [],
        }
        reply = api.call("POST", f"{CONTACTS}/batch/read", body, only_reads=True)
        content = reply.content if isinstance(reply.content, dict) else {}
        if not isinstance(content.get("results"), list):
            raise NotDoneError(Outcome("busy", "HubSpot answered without `results`"))
        asked = {_same(each) for each in some}
        for each in _objects(content["results"]):
            held = each.get("properties")
            if not isinstance(held, dict) or not isinstance(each.get("id"), str):
                raise NotDoneError(Outcome("busy", "HubSpot answered without a contact's value"))
            value = _same(held.get(options.id_property))
            if value not in asked and len(some) > 1:
                reason = "HubSpot found a contact of another value; each is asked for alone"
                raise NotDoneError(Outcome("refused", reason))
            found[value if value in asked else _same(some[0])] = each
    return {each: found[_same(each)] for each in values if _same(each) in found}


def _same(value: Any) -> str:
    """A value as HubSpot compares it."""
    return str(value).strip().lower()


def of_trace(reply: Reply, rows: int) -> list[Outcome]:
    """The outcome of each row of a batch.

    Each input carries its position as `objectWriteTraceId`, which results and errors repeat.
    HubSpot calls all parts of an answer optional. Without positions, numbers tell: every row has a
    result or an error, so rows that no error names are done if there are as many results.
    """
    content = reply.content if isinstance(reply.content, dict) else {}
    if not isinstance(content.get("results"), list):
        return [SILENT] * rows
    results, errors = _objects(content["results"]), _objects(content.get("errors"))
    told: dict[int, Outcome] = {}
    for result in results:
        if (position := _position(result.get("objectWriteTraceId"), rows)) is not None:
            told[position] = Outcome("accepted")
    has_all_positions = len(told) == len(results)
    nameless = []
    for error in errors:
        context = error.get("context")
        traces = context.get("objectWriteTraceId") if isinstance(context, dict) else None
        traces = traces if isinstance(traces, list) else []
        positions = [at for each in traces if (at := _position(each, rows)) is not None]
        told |= dict.fromkeys(positions, Outcome("rejected", in_words(error)))
        if not positions:
            nameless.append(in_words(error))
    others = SILENT
    if nameless and has_all_positions:
        others = Outcome("rejected", "; ".join(dict.fromkeys(nameless)))
    elif not nameless and len(results) == rows - _rejected(told):
        others = Outcome("accepted")
    return [told.get(position, others) for position in range(rows)]


def _rejected(told: Mapping[int, Outcome]) -> int:
    return sum(each.fate == "rejected" for each in told.values())


def in_words(error: Mapping[str, Any]) -> str:
    """HubSpot's own words about an error."""
    return f"HubSpot: {error.get('message') or error.get('category') or 'no reason given'}"


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _position(trace: Any, rows: int) -> int | None:
    if not isinstance(trace, str) or not trace.isascii() or not trace.isdigit():
        return None
    return int(trace) if int(trace) < rows else None
