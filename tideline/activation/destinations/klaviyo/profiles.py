"""Custom properties of profiles: a row sets them, a removal unsets them and leaves the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import Api, ApiDestination, in_parts
from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.klaviyo.account import (
    LIMITS,
    Klaviyo,
    KlaviyoOptions,
    content_of,
    in_words,
    is_missing,
    open_api,
)
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

REQUESTS_PER_SECOND = 11.5  # below 700 a minute, the limit of older accounts; newer have 750
SILENT = Outcome("unknown", "Klaviyo answered without the profile")


@dataclass(frozen=True, kw_only=True)
class ProfileOptions(KlaviyoOptions, WithFields):
    """`fields`: the template of each custom property, by its name at Klaviyo."""

    def __post_init__(self) -> None:
        """Check the templates."""
        super().__post_init__()
        for name in self.fields:
            if name.startswith("$"):
                raise ValueError(
                    f"`fields` has `{name}`; Klaviyo reserves names with `$`, choose another"
                )


def open_profiles(sync_name: str, options: ProfileOptions, environment: Mapping[str, str]) -> Api:
    """The API at the pace of changes of profiles."""
    return open_api(sync_name, options, environment, REQUESTS_PER_SECOND)


class KlaviyoProfiles(ApiDestination):
    """A row is a profile, found by one identifier; its fields are custom properties.

    Klaviyo's call for many profiles only promises to import them later, so each has its own call.
    """

    Options: ClassVar[type] = ProfileOptions
    connect = staticmethod(open_profiles)
    default_batch_rows: ClassVar[int] = 100
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Klaviyo profiles",
        holds="custom properties of a profile, which is created if it does not exist",
        delivery="set",
        removal="the properties are unset, the profile stays",
        rows_per_request=1,
        bytes_per_request=100_000,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, requests held against Klaviyo's specification "
        "except searches and removals",
        source=LIMITS,
        page="klaviyo",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Unset and set properties, a call per profile."""
        removes = [i for i, each in enumerate(batch) if each.op == "remove"]
        others = [[i] for i, each in enumerate(batch) if each.op != "remove"]
        return in_parts(batch, [removes, *others] if removes else others, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Set the properties of one profile, or unset those of several."""
        account = Klaviyo(self._api, self._options)
        if batch[0].op != "remove":
            return [self._set(account, batch[0])]
        identified = [str(each.key[self._options.identify]) for each in batch]
        ids = account.profile_ids(identified)
        found = [[i] for i, each in enumerate(identified) if each in ids]
        outcomes = in_parts(
            batch, found, lambda one: [self._unset(account, ids[self._identifier(one[0])])]
        )
        return [
            outcome if each in ids else Outcome("accepted")  # who is unknown there has nothing
            for each, outcome in zip(identified, outcomes, strict=True)
        ]

    def _set(self, account: Klaviyo, operation: Operation) -> Outcome:
        values = filled(self._options.fields, operation)
        data: dict[str, Any] = {
            "type": "profile",
            "attributes": {
                self._options.id_property: self._identifier(operation),
                "properties": {name: v for name, v in values.items() if v is not None},
            },
        }
        if empty := [name for name, value in values.items() if value is None]:
            data["meta"] = {"patch_properties": {"unset": empty}}
        reply = account.call("POST", "/api/profile-import", {"data": data}, expected=(400, 409))
        if reply.status >= 400:
            return Outcome("rejected", in_words(reply))
        match content_of(reply):
            case {"data": {"id": str()}}:
                return Outcome("accepted")
        return SILENT

    def _unset(self, account: Klaviyo, profile: str) -> Outcome:
        unset = {"patch_properties": {"unset": list(self._options.fields)}}
        data = {"type": "profile", "id": profile, "attributes": {}, "meta": unset}
        reply = account.call(
            "PATCH", f"/api/profiles/{profile}", {"data": data}, expected=(400, 404)
        )
        if is_missing(reply):  # deleted since it was found
            return Outcome("accepted")
        if reply.status >= 400:
            return Outcome("rejected", in_words(reply))
        match content_of(reply):
            case {"data": {"id": str(changed)}} if changed == profile:
                return Outcome("accepted")
        return SILENT

    def _identifier(self, operation: Operation) -> str:
        return str(operation.key[self._options.identify])
