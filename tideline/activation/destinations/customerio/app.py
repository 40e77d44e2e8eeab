"""Questions to Customer.io's App API: which people exist, and what a segment is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tideline.activation.destinations.api import Api, NotDoneError, address_of, secret
from tideline.activation.destinations.customerio.workspace import (
    APP,
    APP_REQUESTS_PER_SECOND,
    CustomerioOptions,
)
from tideline.activation.destinations.protocol import Outcome

MOST_ASKED = 100  # people per question; Customer.io answers with up to 1,000


def open_app(
    sync_name: str, options: CustomerioOptions, key_env: str, environment: Mapping[str, str]
) -> Api:
    """The App API with a key of its own; `options.url_env` is that of its address."""
    key = secret(environment, key_env, "a key of the App API", sync_name)
    return Api(
        address_of(environment, options, APP[options.region], sync_name),
        authorization=f"Bearer {key}",
        credentials=[key_env],
        options=options,
        requests_per_second=APP_REQUESTS_PER_SECOND,
    )


class App:
    """The App API; a question changes nothing, so its failure is never `unknown`."""

    def __init__(self, api: Api) -> None:
        """`api` has the address and the key."""
        self._api = api

    def kind_of_segment(self, segment: str) -> str | None:
        """`manual` or `dynamic`; None if there is no such segment."""
        reply = self._api.call("GET", f"/v1/segments/{segment}", expected=(404,), only_reads=True)
        content = reply.content if isinstance(reply.content, dict) else {}
        if reply.status == 404 and isinstance(content.get("errors"), list):
            return None
        found = content.get("segment")
        kind = found.get("type") if isinstance(found, dict) else None
        if not isinstance(kind, str):
            raise NotDoneError(Outcome("busy", "Customer.io answered without the segment's type"))
        return kind

    def known_among(self, ids: Sequence[str]) -> set[str]:
        """The ids of people that exist."""
        known: set[str] = set()
        for start in range(0, len(ids), MOST_ASKED):
            some = ids[start : start + MOST_ASKED]
            conditions = [
                {"attribute": {"field": "id", "operator": "eq", "value": each}} for each in some
            ]
            reply = self._api.call(
                "POST",
                f"/v1/customers?limit={MOST_ASKED}",
                {"filter": {"or": conditions}},
                only_reads=True,
            )
            content = reply.content if isinstance(reply.content, dict) else {}
            people = content.get("identifiers")
            if not isinstance(people, list):
                raise NotDoneError(Outcome("busy", "Customer.io answered without `identifiers`"))
            known.update(str(each.get("id")) for each in people if isinstance(each, dict))
        return known & set(ids)
