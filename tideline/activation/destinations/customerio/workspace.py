"""A Customer.io workspace: the Track API, which only takes, and the App API, which tells."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tideline.activation.destinations.api import Api, ApiOptions, address_of, secret

TRACK = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
APP = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
REQUESTS_PER_SECOND = 100.0  # of the Track API
APP_REQUESTS_PER_SECOND = 9.0  # the limit is 10
LONGEST_ID = 150  # bytes
LIMITS = "https://docs.customer.io/integrations/api/track/"


@dataclass(frozen=True, kw_only=True)
class CustomerioOptions(ApiOptions):
    """The keys of both destinations.

    `region`: that of the workspace. `site_id_env`, `key_env`: the names of the variables with the
    site id and the key of the Track API. `identify`: the column of `key` that identifies a person.
    """

    region: Literal["us", "eu"] = "us"
    site_id_env: str = "CUSTOMERIO_SITE_ID"
    key_env: str = "CUSTOMERIO_API_KEY"
    identify: str = "email"

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_track(sync_name: str, options: CustomerioOptions, environment: Mapping[str, str]) -> Api:
    """The Track API with the workspace's key."""
    site_id = secret(environment, options.site_id_env, "the site id of the Track API", sync_name)
    key = secret(environment, options.key_env, "the key of the Track API", sync_name)
    return Api(
        address_of(environment, options, TRACK[options.region], sync_name),
        authorization=f"Basic {b64encode(f'{site_id}:{key}'.encode()).decode()}",
        credentials=[options.site_id_env, options.key_env],
        options=options,
        requests_per_second=REQUESTS_PER_SECOND,
    )


def problem_of_id(value: str, name: str) -> str | None:
    """The reason why a value cannot identify a person; None if it can."""
    if not value.strip():
        return f"`{name}`, which identifies, is blank"
    if len(value.encode()) > LONGEST_ID:
        return f"`{name}` has more than {LONGEST_ID} bytes, which identifies nobody at Customer.io"
    return None
