"""A Klaviyo account: its API, its profiles by identifier, and its words about errors."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
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
from tideline.activation.destinations.protocol import Outcome

ADDRESS = "https://a.klaviyo.com"
REVISION = "2026-07-15"
JSON_API = "application/vnd.api+json"
LIMITS = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling"
MOST_FOUND = 100  # profiles per page of an answer
MOST_OF_ADDRESS = 4_000  # bytes of identifiers in the address of a request


@dataclass(frozen=True, kw_only=True)
class KlaviyoOptions(ApiOptions):
    """The keys of both destinations.

    `token_env`: the name of the variable with a private API key. `identify`: the column of `key`
    that identifies a profile. `id_property`: the identifier of Klaviyo that has its value.
    """

    token_env: str = "KLAVIYO_API_KEY"
    identify: str = "email"
    id_property: Literal["email", "external_id", "phone_number"] = "email"

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


class Klaviyo:
    """The API of an account, with its private key."""

    def __init__(self, api: Api, options: KlaviyoOptions) -> None:
        """`options` names the identifier, and the variable of the key for advice."""
        self._api = api
        self._options = options

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expected: Collection[int] = (),
        only_reads: bool = False,
    ) -> Reply:
        """One call; without the right to it, its rows are rejected in Klaviyo's words."""
        reply = self._api.call(method, path, body, expected={403, *expected}, only_reads=only_reads)
        if reply.status == 403:
            advice = f"give the key in {self._options.token_env} the scopes that our page names"
            raise NotDoneError(Outcome("rejected", f"{in_words(reply)}; {advice}"))
        return reply

    def profile_ids(self, values: Sequence[str]) -> dict[str, str]:
        """The id of each profile that exists, by its identifier as given.

        If Klaviyo compares in another way than we do, each identifier is asked for alone.
        """
        kind = self._options.id_property
        found: dict[str, str] = {}
        for part in cut(
            range(len(values)), MOST_FOUND, lambda i: len(quote(values[i])) + 8, MOST_OF_ADDRESS
        ):
            some = [values[position] for position in part]
            listed = ",".join(json.dumps(each, ensure_ascii=False) for each in some)
            query = urlencode(
                {
                    "filter": f"any({kind},[{listed}])",
                    "fields[profile]": kind,
                    "page[size]": MOST_FOUND,
                }
            )
            reply = self.call("GET", f"/api/profiles?{query}", only_reads=True)
            profiles = content_of(reply).get("data")
            if not isinstance(profiles, list):
                raise NotDoneError(Outcome("busy", "Klaviyo answered without `data`"))
            known = {}
            asked = {self._same(each) for each in some}
            for each in profiles:
                match each:
                    case {"id": str(profile), "attributes": {**attributes}}:
                        value = self._same(attributes.get(kind))
                    case _:
                        reason = "Klaviyo answered without a profile's identifier"
                        raise NotDoneError(Outcome("busy", reason))
                if value not in asked and len(asked) > 1:
                    reason = "Klaviyo found another identifier; each is asked for alone"
                    raise NotDoneError(Outcome("refused", reason))
                known[value if value in asked else self._same(some[0])] = profile
            found |= {each: known[self._same(each)] for each in some if self._same(each) in known}
        return found

    def _same(self, value: Any) -> str:
        """An identifier as Klaviyo compares it."""
        return str(value).strip().lower() if self._options.id_property == "email" else str(value)


def open_api(
    sync_name: str,
    options: KlaviyoOptions,
    environment: Mapping[str, str],
    requests_per_second: float,
) -> Api:
    """The API with the account's key."""
    token = secret(environment, options.token_env, "a private API key", sync_name)
    return Api(
        address_of(environment, options, ADDRESS, sync_name),
        authorization=f"Klaviyo-API-Key {token}",
        credentials=[options.token_env],
        options=options,
        headers={"Accept": JSON_API, "revision": REVISION},
        content_type=JSON_API,
        requests_per_second=requests_per_second,
    )


def content_of(reply: Reply) -> dict[str, Any]:
    """The object of an answer; empty if it has none."""
    return reply.content if isinstance(reply.content, dict) else {}


def errors_of(reply: Reply) -> list[dict[str, Any]]:
    """Klaviyo's errors in an answer."""
    errors = content_of(reply).get("errors")
    return [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []


def is_missing(reply: Reply) -> bool:
    """Whether Klaviyo itself says that what the call names does not exist.

    A 404 of a proxy, or of a wrong address, says nothing about Klaviyo.
    """
    return reply.status == 404 and any(e.get("code") == "not_found" for e in errors_of(reply))


def in_words(reply: Reply) -> str:
    """Klaviyo's own words about an error, with the place that it names."""
    said = []
    for error in errors_of(reply):
        source = error.get("source")
        place = source.get("pointer") if isinstance(source, dict) else None
        words = str(error.get("detail") or error.get("title") or error.get("code") or "error")
        said.append(f"{words} ({place})" if place else words)
    return f"Klaviyo: {'; '.join(said) or f'HTTP {reply.status} without a reason'}"
