"""An Intercom workspace: its API, its contacts by an identifier, and its words about errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tideline.activation.destinations.api import (
    Api,
    ApiOptions,
    NotDoneError,
    Reply,
    address_of,
    secret,
)
from tideline.activation.destinations.protocol import Outcome

ADDRESSES = {
    "us": "https://api.intercom.io",
    "eu": "https://api.eu.intercom.io",
    "au": "https://api.au.intercom.io",
}
VERSION = "2.14"
MOST_SOUGHT = 15  # values of a search
PAGE = 150  # contacts of a page
REQUESTS_PER_SECOND = 160.0  # 10,000 a minute, counted in windows of 10 seconds
LIMITS = "https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting"
REFUSALS = (400, 404, 409, 422)


@dataclass(frozen=True, kw_only=True)
class IntercomOptions(ApiOptions):
    """The keys of both destinations.

    `token_env`: the name of the variable with the access token. `region`: where the workspace is,
    `us`, `eu` or `au`. `identify`: the column of `key` that identifies a contact. `id_property`:
    what Intercom knows it by, `email` or `external_id`.
    """

    token_env: str = "INTERCOM_TOKEN"
    region: str = "us"
    identify: str = "email"
    id_property: str = "email"

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.region not in ADDRESSES:
            raise ValueError(f"`region` is `{self.region}`; write {' or '.join(ADDRESSES)}")
        if self.id_property not in ("email", "external_id"):
            raise ValueError(
                f"`id_property` is `{self.id_property}`; write `email` or `external_id`"
            )

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_api(sync_name: str, options: IntercomOptions, environment: Mapping[str, str]) -> Api:
    """The API with the workspace's token."""
    token = secret(environment, options.token_env, "the access token of an app", sync_name)
    return Api(
        address_of(environment, options, ADDRESSES[options.region], sync_name),
        authorization=f"Bearer {token}",
        credentials=[options.token_env],
        options=options,
        headers={"Intercom-Version": VERSION},
        requests_per_second=REQUESTS_PER_SECOND,
    )


class Contacts:
    """The contacts of a workspace, by what a sync knows them by."""

    def __init__(self, api: Api, options: IntercomOptions) -> None:
        """`options` are those of the destination."""
        self._api = api
        self._property = options.id_property
        # A search finds a new contact only some minutes later.
        self._created: dict[str, list[str]] = {}

    def note(self, value: str, contact: str) -> None:
        """Remember a contact that was created in this run."""
        self._created[same(value)] = [contact]

    def find(self, values: Sequence[str]) -> dict[str, list[str]]:
        """The ids of the contacts that have each value; none if there is no contact."""
        if self._property == "external_id":
            return {each: self._with_external_id(each) for each in dict.fromkeys(values)}
        addresses = [each for each in dict.fromkeys(map(same, values)) if each]
        found: dict[str, list[str]] = {}
        for start in range(0, len(addresses), MOST_SOUGHT):
            found |= self._search(addresses[start : start + MOST_SOUGHT])
        return {each: found.get(same(each)) or self._created.get(same(each), []) for each in values}

    def _with_external_id(self, value: str) -> list[str]:
        if not value.strip():
            return []
        path = f"/contacts/find_by_external_id/{quote(value, safe='')}"
        reply = self._api.call("GET", path, expected=(404,), only_reads=True)
        if reply.status == 404 and has_code(reply, "not_found"):
            return []
        content = reply.content if isinstance(reply.content, dict) else {}
        if not isinstance(content.get("id"), str) or content.get("external_id") != value:
            raise NotDoneError(Outcome("busy", "Intercom answered without the contact"))
        return [content["id"]]

    def _search(self, addresses: Sequence[str]) -> dict[str, list[str]]:
        """The ids of the contacts with one of some addresses."""
        found: dict[str, list[str]] = {each: [] for each in addresses}
        query = {"field": "email", "operator": "IN", "value": addresses}
        pagination: dict[str, Any] = {"per_page": PAGE}
        while True:
            body = {"query": query, "pagination": pagination}
            reply = self._api.call("POST", "/contacts/search", body, only_reads=True)
            content = reply.content if isinstance(reply.content, dict) else {}
            if not isinstance(content.get("data"), list):
                raise NotDoneError(Outcome("busy", "Intercom answered without `data`"))
            for each in content["data"]:
                contact = each if isinstance(each, dict) else {}
                address = same(contact.get("email"))
                if address not in found and len(addresses) == 1:
                    address = addresses[0]  # Intercom compares in another way than we do
                if address not in found or not isinstance(contact.get("id"), str):
                    reason = "Intercom found a contact of another address; it is sought alone"
                    raise NotDoneError(Outcome("refused", reason))
                found[address].append(contact["id"])
            pages = content.get("pages")
            following = pages.get("next") if isinstance(pages, dict) else None
            if not isinstance(following, dict) or not following.get("starting_after"):
                return found
            pagination = {"per_page": PAGE, "starting_after": following["starting_after"]}


def same(value: Any) -> str:
    """An address as Intercom compares it."""
    return str(value).strip().lower()


def has_code(reply: Reply, code: str) -> bool:
    """Whether Intercom's own errors have a code."""
    return any(each.get("code") == code for each in errors_of(reply))


def errors_of(reply: Reply) -> list[Mapping[str, Any]]:
    """The errors of an answer; empty if it has not Intercom's form."""
    content = reply.content if isinstance(reply.content, dict) else {}
    errors = content.get("errors") if content.get("type") == "error.list" else None
    return [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []


def refusal(reply: Reply, fix: str) -> Outcome:
    """The outcome of a row that Intercom has refused alone."""
    errors = errors_of(reply)
    if reply.status == 404 and not errors:
        return Outcome("held", "answered HTTP 404; check the address of the API, then run again")
    words = "; ".join(f"{each.get('message')} ({each.get('code')})" for each in errors)
    return Outcome("rejected", f"Intercom: {words or f'HTTP {reply.status}'}; {fix}")
