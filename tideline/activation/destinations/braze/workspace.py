"""A Braze workspace: its API, and how operations become updates of users."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tideline.activation.destinations.api import (
    Api,
    ApiDestination,
    ApiOptions,
    address_of,
    in_parts,
    secret,
)
from tideline.activation.destinations.braze.track import track
from tideline.activation.destinations.protocol import Operation, Outcome

MOST_USERS = 50  # per request, for the smaller of the two kinds of contract
REQUESTS_PER_SECOND = 50.0  # far below the limit of an account, which others use too
LIMITS = "https://www.braze.com/docs/api/endpoints/user_data/post_user_track/"
# A removal would empty these; without them, a person cannot be found, reached or respected.
NOT_OURS = {
    "external_id",
    "braze_id",
    "user_alias",
    "email",
    "phone",
    "email_subscribe",
    "push_subscribe",
    "push_tokens",
    "push_token_import",
    "subscription_groups",
}


@dataclass(frozen=True, kw_only=True)
class BrazeOptions(ApiOptions):
    """The keys of both destinations.

    `url_env`: the name of the variable with the REST endpoint of the workspace. `key_env`: the
    name of the variable with an API key. `identify`: the column of `key` that identifies a user.
    `id_type`: the identifier at Braze that has its value.
    """

    url_env: str | None = "BRAZE_URL"
    key_env: str = "BRAZE_API_KEY"
    identify: str = "email"
    id_type: Literal["external_id", "email"] = "email"

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_api(sync_name: str, options: BrazeOptions, environment: Mapping[str, str]) -> Api:
    """The API with the workspace's key."""
    key = secret(environment, options.key_env, "an API key with `users.track`", sync_name)
    return Api(
        address_of(environment, options, None, sync_name),
        authorization=f"Bearer {key}",
        credentials=[options.key_env],
        options=options,
        requests_per_second=REQUESTS_PER_SECOND,
    )


def check_names(names: Collection[str], where: str) -> None:
    """Raise ValueError for an attribute that a sync must not empty."""
    for name in names:
        if name in NOT_OURS or name.startswith("_"):
            raise ValueError(
                f"`{where}` has `{name}`, which identifies or reaches a person at Braze and would "
                "be emptied by a removal; write a custom attribute"
            )


class BrazeDestination(ApiDestination):
    """A row is attributes of a user; a class says which."""

    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = 500
    merges_rows: ClassVar[bool] = True

    @abstractmethod
    def attributes(self, operation: Operation) -> dict[str, Any]:
        """The attributes to set, null for empty. Raises ValueError if Braze would not keep one."""

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Update users, by requests of at most 50; all rows of a user are in one request."""
        people: dict[str, list[int]] = {}
        for position, each in enumerate(batch):
            people.setdefault(self._who(each), []).append(position)
        rows = list(people.values())
        parts = [
            [position for person in rows[start : start + MOST_USERS] for position in person]
            for start in range(0, len(rows), MOST_USERS)
        ]
        return in_parts(batch, parts, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Update up to 50 users; a user who shall only lose attributes is not created.

        If one row leaves an attribute that another row takes, the other one counts.
        """
        users: dict[str, dict[str, Any]] = {}
        outcomes: dict[int, Outcome] = {}
        for position, each in sorted(enumerate(batch), key=lambda at: at[1].op != "remove"):
            who = self._who(each)
            try:
                if not who.strip():
                    raise ValueError(f"`{self._options.identify}`, which identifies, is blank")
                attributes = self.attributes(each)
            except ValueError as error:
                outcomes[position] = Outcome("rejected", str(error))
                continue
            user = users.setdefault(who, {"_update_existing_only": True})
            user |= {self._options.id_type: who} | attributes
            if each.op != "remove":
                user["_update_existing_only"] = False
        answers = track(self._api, list(users.values())) if users else []
        told = dict(zip(users, answers, strict=True))
        return [outcomes.get(i) or told[self._who(each)] for i, each in enumerate(batch)]

    def _who(self, operation: Operation) -> str:
        return str(operation.key[self._options.identify])
