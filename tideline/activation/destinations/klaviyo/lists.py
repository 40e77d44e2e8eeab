"""Memberships in lists: a row is a profile in the list of its segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tideline.activation.destinations.api import Api, ApiDestination, in_parts
from tideline.activation.destinations.klaviyo.account import (
    LIMITS,
    Klaviyo,
    KlaviyoOptions,
    in_words,
    is_missing,
    open_api,
)
from tideline.activation.destinations.lists import WithLists, by_list
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

MOST_PROFILES = 1_000  # per request
# The limit for changes of lists is 10 a second and 150 a minute. A request of 1,000 profiles
# follows 10 that look them up, so the second one is only met by many small lists; Klaviyo then
# says how long to wait.
REQUESTS_PER_SECOND = 10.0


@dataclass(frozen=True, kw_only=True)
class ListOptions(KlaviyoOptions, WithLists):
    """`lists`: the id of the list of each segment."""


def open_lists(sync_name: str, options: ListOptions, environment: Mapping[str, str]) -> Api:
    """The API at the pace of changes of lists."""
    return open_api(sync_name, options, environment, REQUESTS_PER_SECOND)


class KlaviyoLists(ApiDestination):
    """A row is a membership of a profile that exists. It changes nobody's consent."""

    Options: ClassVar[type] = ListOptions
    connect = staticmethod(open_lists)
    default_batch_rows: ClassVar[int] = MOST_PROFILES
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Klaviyo lists",
        holds="an existing profile in the list of a segment, without a change of its consent",
        delivery="set",
        removal="the profile leaves the list",
        rows_per_request=MOST_PROFILES,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, requests held against Klaviyo's specification "
        "except searches",
        source=LIMITS,
        page="klaviyo",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Remove and add, by requests of at most 1,000 profiles of one list."""
        return in_parts(batch, by_list(batch, MOST_PROFILES), self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one list."""
        account = Klaviyo(self._api, self._options)
        is_removal = batch[0].op == "remove"
        identified = [str(each.key[self._options.identify]) for each in batch]
        ids = account.profile_ids(identified)
        nobody = Outcome("accepted")
        if not is_removal:
            nobody = Outcome(
                "rejected",
                f"Klaviyo has no profile with this `{self._options.id_property}`; a sync to "
                "`klaviyo_profiles` creates it",
            )
        if not ids:
            return [nobody] * len(batch)
        told = self._change(account, batch[0].key["list"], sorted(set(ids.values())), is_removal)
        return [told if each in ids else nobody for each in identified]

    def _change(self, account: Klaviyo, name: str, ids: Sequence[str], is_removal: bool) -> Outcome:
        """The outcome of profiles; Klaviyo answers for the whole request."""
        path = f"/api/lists/{name}"
        reply = account.call(
            "DELETE" if is_removal else "POST",
            f"{path}/relationships/profiles",
            {"data": [{"type": "profile", "id": each} for each in ids]},
            expected=(400, 404),
        )
        if reply.status == 204:
            return Outcome("accepted")
        if reply.status < 400:
            return Outcome("unknown", f"Klaviyo answered HTTP {reply.status} instead of 204")
        if reply.status == 404:  # of the list, or of a profile that was deleted meanwhile
            there = account.call("GET", path, expected=(404,), only_reads=True)
            if is_missing(there):
                return self._without_list(name, in_words(there), is_removal)
        return Outcome("refused", in_words(reply))

    def _without_list(self, name: str, said: str, is_removal: bool) -> Outcome:
        """The outcome of rows whose list does not exist."""
        if is_removal:
            return Outcome("accepted")  # nobody is in a list that was deleted
        return Outcome("rejected", f"list `{name}`: {said}; name a list in `lists`")
