"""A Zendesk account: its API, its users by an identifier, and its words about errors."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tideline.activation.destinations.api import (
    Api,
    ApiOptions,
    NotDoneError,
    Reply,
    address_of,
    cut,
    secret,
)
from tideline.activation.destinations.protocol import Operation, Outcome

SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MOST_USERS = 100  # of one job, and of one question for external ids
MOST_OF_ADDRESS = 6_000  # bytes of external ids in one address
MOST_SEARCHES = 20  # addresses of a part, because each is sought alone
REQUESTS_PER_SECOND = 3.0  # below 200 a minute, the limit of the smallest plan
LIMITS = "https://developer.zendesk.com/api-reference/introduction/rate-limits/"
ADDRESS = re.compile(r'[^\s@"]+@[^\s@"]+')


@dataclass(frozen=True, kw_only=True)
class ZendeskOptions(ApiOptions):
    """The keys of both destinations.

    `subdomain`: that of the account, `acme` in acme.zendesk.com. `email_env`, `token_env`: the
    names of the variables with an agent's address and an API token. `access_token_env`: the name
    of a variable with an OAuth access token, instead of these two. `identify`: the column of `key`
    that identifies a user. `id_property`: what Zendesk knows it by, `email` or `external_id`.
    """

    subdomain: str | None = None
    email_env: str = "ZENDESK_EMAIL"
    token_env: str = "ZENDESK_API_TOKEN"
    access_token_env: str | None = None
    identify: str = "email"
    id_property: str = "email"

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.subdomain is None and self.url_env is None:
            raise ValueError("`subdomain` is missing; write `acme` for acme.zendesk.com")
        if self.subdomain is not None and not SUBDOMAIN.fullmatch(self.subdomain):
            raise ValueError(
                f"`subdomain` is `{self.subdomain}`; write only `acme` for acme.zendesk.com"
            )
        if self.id_property not in ("email", "external_id"):
            raise ValueError(
                f"`id_property` is `{self.id_property}`; write `email` or `external_id`"
            )

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_api(sync_name: str, options: ZendeskOptions, environment: Mapping[str, str]) -> Api:
    """The API with an agent's token, or with an OAuth access token."""
    if options.access_token_env:
        credentials = [options.access_token_env]
        token = secret(environment, credentials[0], "an OAuth access token", sync_name)
        authorization = f"Bearer {token}"
    else:
        credentials = [options.email_env, options.token_env]
        agent = secret(environment, options.email_env, "the address of an agent", sync_name)
        token = secret(environment, options.token_env, "an API token", sync_name)
        pair = base64.b64encode(f"{agent}/token:{token}".encode()).decode()
        authorization = f"Basic {pair}"
    default = f"https://{options.subdomain}.zendesk.com" if options.subdomain else None
    return Api(
        address_of(environment, options, default, sync_name),
        authorization=authorization,
        credentials=credentials,
        options=options,
        requests_per_second=REQUESTS_PER_SECOND,
    )


class Users:
    """The users of an account, by what a sync knows them by."""

    def __init__(self, api: Api, options: ZendeskOptions) -> None:
        """`options` are those of the destination."""
        self._api = api
        self._property = options.id_property
        self._identify = options.identify
        self.most = MOST_USERS if self._property == "external_id" else MOST_SEARCHES

    def value(self, operation: Operation) -> str:
        """What identifies the user of a row."""
        return str(operation.key[self._identify])

    def nobody(self) -> Outcome:
        """The outcome of an addition to a user who does not exist."""
        return Outcome(
            "rejected",
            f"Zendesk has no user with this `{self._property}`; a sync creates no users",
        )

    def find(self, values: Sequence[str]) -> dict[str, int]:
        """The ids of the users who exist, by the values as given."""
        asked = [each for each in dict.fromkeys(map(same, values)) if each]
        if self._property == "email":
            known = {each: self._with_address(each) for each in asked if ADDRESS.fullmatch(each)}
        else:
            alone = [each for each in asked if "," in each]
            known = {each: self._with_id(each) for each in alone}
            known |= self._with_ids([each for each in asked if "," not in each])
        found = {each: known.get(same(each)) for each in values}
        return {each: user for each, user in found.items() if user is not None}

    def _with_ids(self, asked: Sequence[str]) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        sizes = [len(quote(each, safe="")) + len("%2C") for each in asked]
        for part in cut(range(len(asked)), MOST_USERS, sizes.__getitem__, MOST_OF_ADDRESS):
            some = [asked[position] for position in part]
            query = urlencode({"external_ids": ",".join(some)})
            for each in self._users(f"/api/v2/users/show_many.json?{query}"):
                value = same(each.get("external_id"))
                if value not in some and len(some) > 1:
                    reason = "Zendesk found a user of another external id; each is sought alone"
                    raise NotDoneError(Outcome("refused", reason))
                found[value if value in some else some[0]] = each["id"]
        return found

    def _with_id(self, value: str) -> int | None:
        """A user whose external id has a comma, which would separate two of them."""
        users = self._users(f"/api/v2/users/search.json?{urlencode({'external_id': value})}")
        return next((each["id"] for each in users if same(each.get("external_id")) == value), None)

    def _with_address(self, address: str) -> int | None:
        """A user by the main address, else by another one that Zendesk knows of the user."""
        query = urlencode({"query": f'email:"{address}"'})
        users = self._users(f"/api/v2/users/search.json?{query}")
        for each in users:
            if same(each.get("email")) == address:
                return each["id"]
        return next((each["id"] for each in users if address in self._addresses(each["id"])), None)

    def _addresses(self, user: int) -> set[str]:
        reply = self._api.call("GET", f"/api/v2/users/{user}/identities.json", only_reads=True)
        identities = _list_of(reply, "identities")
        return {same(each.get("value")) for each in identities if each.get("type") == "email"}

    def _users(self, path: str) -> list[Any]:
        """The users of an answer who are not deleted."""
        users = _list_of(self._api.call("GET", path, only_reads=True), "users")
        if not all(isinstance(each.get("id"), int) for each in users):
            raise NotDoneError(Outcome("busy", "Zendesk answered with a user without an id"))
        return [each for each in users if each.get("active") is not False]


def same(value: Any) -> str:
    """An address or an external id as Zendesk compares it."""
    return str(value or "").strip().lower()


def content_of(reply: Reply) -> dict[str, Any]:
    """The object of an answer; empty if it has none."""
    return reply.content if isinstance(reply.content, dict) else {}


def is_missing(reply: Reply) -> bool:
    """Whether Zendesk itself says that what the call names does not exist.

    A 404 of a proxy, or of a wrong address, says nothing about Zendesk.
    """
    return reply.status == 404 and content_of(reply).get("error") == "RecordNotFound"


def in_words(said: Mapping[str, Any]) -> str:
    """Zendesk's own words about an error."""
    words = [str(said[name]) for name in ("error", "description", "details") if said.get(name)]
    return f"Zendesk: {': '.join(words) or 'no reason'}"


def all_of(api: Api, path: str, name: str) -> Iterable[dict[str, Any]]:
    """Each object of all pages of a list."""
    after = ""
    while True:
        reply = api.call("GET", f"{path}?page[size]=100{after}", only_reads=True)
        yield from _list_of(reply, name)
        more = content_of(reply).get("meta")
        more = more if isinstance(more, dict) else {}
        if not more.get("has_more") or not more.get("after_cursor"):
            return
        after = f"&page[after]={quote(str(more['after_cursor']), safe='')}"


def _list_of(reply: Reply, name: str) -> list[Any]:
    found = content_of(reply).get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise NotDoneError(Outcome("busy", f"Zendesk answered without `{name}`"))
    return found
