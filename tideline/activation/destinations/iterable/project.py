"""An Iterable project: its API, one change per user and request, and what its counts mean.

Iterable takes a request, answers, and applies it a little later. It promises no order between two
requests about one user. So all rows of a user in a batch become one change, and two requests about
one user are at least `settle_seconds` apart: a run waits so long before its first request, because
an earlier run may have just ended, and before a second change of the same user.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import (
    Api,
    ApiDestination,
    ApiOptions,
    Reply,
    address_of,
    cut,
    encoded,
    in_parts,
    secret,
)
from tideline.activation.destinations.protocol import Operation, Outcome

ADDRESSES = {"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"}
MOST_USERS = 1_000  # per request
MOST_BYTES = 4_000_000  # per request
REQUESTS_PER_SECOND = 5.0  # of a project; newer ones may have 10
LONGEST_SETTLING = 300.0  # seconds; half the length of the lease on Snowflake
LIMITS = "https://api.iterable.com/api/docs"

Person = tuple[str, str]  # list or "", and identifier


@dataclass(frozen=True, kw_only=True)
class IterableOptions(ApiOptions):
    """The keys of both destinations.

    `token_env`: the name of the variable with a server-side API key. `region`: where the project
    is, `us` or `eu`. `identify`: the column of `key` that identifies a user. `id_property`: what
    Iterable knows it by, `email` or `userId`. `prefer_user_id`: whether an unknown user id creates
    a user in a project that is based on addresses. `settle_seconds`: the least time between two
    requests about one user.
    """

    token_env: str = "ITERABLE_API_KEY"
    region: str = "us"
    identify: str = "email"
    id_property: str = "email"
    prefer_user_id: bool = False
    settle_seconds: float = 120.0

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.region not in ADDRESSES:
            raise ValueError(f"`region` is `{self.region}`; write {' or '.join(ADDRESSES)}")
        if self.id_property not in ("email", "userId"):
            raise ValueError(f"`id_property` is `{self.id_property}`; write `email` or `userId`")
        if not 0 <= self.settle_seconds <= LONGEST_SETTLING:
            raise ValueError(
                f"`settle_seconds` is {self.settle_seconds}; it must be at least 0 and at most "
                f"{LONGEST_SETTLING:g}"
            )

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)

    def same(self, value: Any) -> str:
        """An identifier as Iterable compares it."""
        text = str(value).strip()
        return text.lower() if self.id_property == "email" else text


def open_api(sync_name: str, options: IterableOptions, environment: Mapping[str, str]) -> Api:
    """The API with the project's key."""
    key = secret(environment, options.token_env, "a server-side API key", sync_name)
    return Api(
        address_of(environment, options, ADDRESSES[options.region], sync_name),
        authorization=None,
        credentials=[options.token_env],
        options=options,
        headers={"Api-Key": key},
        requests_per_second=REQUESTS_PER_SECOND,
    )


class IterableDestination(ApiDestination):
    """What both destinations do: one change per user and batch, some time after the last one."""

    connect = staticmethod(open_api)
    default_batch_rows: ClassVar[int] = MOST_USERS
    merges_rows: ClassVar[bool] = True

    def __init__(self, api: Api, options: Any) -> None:
        """The first request waits, because an earlier run may have changed the same users."""
        super().__init__(api, options)
        self._sent: dict[Person, str] = {}  # the idempotency key of the last change of this run
        api.pause(options.settle_seconds)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Change each user once, by requests of at most 1,000 users of one kind."""
        people: dict[Person, list[int]] = {}
        for position, each in enumerate(batch):
            people.setdefault(self._person(each), []).append(position)
        parts = [
            [position for person in part for position in people[person]]
            for part in self._parts({p: change_of(batch, rows) for p, rows in people.items()})
        ]
        return in_parts(batch, parts, self._apply)

    def _parts(self, changes: Mapping[Person, Operation]) -> Iterator[list[Person]]:
        """The people of each request: of one kind, up to the limits."""
        kinds: dict[tuple[bool, str], list[Person]] = {}
        for person, each in changes.items():
            kinds.setdefault(self.kind(each), []).append(person)
        for _, some in sorted(kinds.items()):
            rows = [self.row(changes[person]) for person in some]
            sizes = [len(encoded(row)) for row in rows]
            for part in cut(range(len(some)), MOST_USERS, sizes.__getitem__, MOST_BYTES - 1_000):
                yield [some[position] for position in part]

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        people: dict[Person, list[int]] = {}
        for position, each in enumerate(batch):
            people.setdefault(self._person(each), []).append(position)
        changes = {person: change_of(batch, rows) for person, rows in people.items()}
        keys = {person: each.idempotency_key for person, each in changes.items()}
        if any(self._sent.get(person, key) != key for person, key in keys.items()):
            self._api.pause(self._options.settle_seconds)
        self._sent |= keys
        told = self.change(list(changes.values()))
        outcomes = dict(zip(people, told, strict=True))
        return [outcomes[self._person(each)] for each in batch]

    def _person(self, operation: Operation) -> Person:
        value = operation.key[self._options.identify]
        return operation.key.get("list", ""), self._options.same(value)

    def identifier(self, operation: Operation) -> dict[str, Any]:
        """What finds the user of a row. A removal creates nobody by a user id."""
        options = self._options
        found = {options.id_property: str(operation.key[options.identify]).strip()}
        may_create = options.prefer_user_id and operation.op != "remove"
        return found | ({"preferUserId": may_create} if options.id_property == "userId" else {})

    @abstractmethod
    def kind(self, operation: Operation) -> tuple[bool, str]:
        """What all rows of a request have in common; a smaller kind is sent first."""

    @abstractmethod
    def row(self, operation: Operation) -> dict[str, Any]:
        """A row of a request."""

    @abstractmethod
    def change(self, changes: Sequence[Operation]) -> list[Outcome]:
        """Send the changes of different users, all of one kind, by one request."""

    def outcomes(self, reply: Reply, changes: Sequence[Operation]) -> list[Outcome]:
        """The outcome of each user: Iterable names those who failed, and counts the others.

        If more have failed than it names, those without a name are sent again in smaller requests.
        """
        content = reply.content if isinstance(reply.content, dict) else {}
        success, failed = content.get("successCount"), content.get("failCount")
        named = self._named(content)
        people = [self._person(each)[1] for each in changes]
        rest = [each for each in people if each not in named]
        if success == len(rest):
            other = Outcome("accepted")
        elif type(success) is int and type(failed) is int and success + failed == len(people):
            other = Outcome("refused", "Iterable: a user of the request failed without a reason")
        else:
            other = Outcome("unknown", "Iterable answered without the count of all users")
        return [
            _failure(each, named[person]) if person in named else other
            for each, person in zip(changes, people, strict=True)
        ]

    def _named(self, content: Mapping[str, Any]) -> dict[str, str]:
        """Why each user failed, by identifier: the name of the list that has it."""
        end = "Emails" if self._options.id_property == "email" else "UserIds"
        more = content.get("failedUpdates")
        named: dict[str, str] = {}
        for source in (content, more if isinstance(more, dict) else {}):
            for name, values in source.items():
                if name.endswith(end) and isinstance(values, list):
                    named |= {self._options.same(each): name for each in values}
        return named


def change_of(batch: Sequence[Operation], rows: Sequence[int]) -> Operation:
    """The change of a user from its rows in a batch: the last addition, else the removal."""
    additions = [batch[row] for row in rows if batch[row].op != "remove"]
    return additions[-1] if additions else batch[rows[-1]]


def _failure(operation: Operation, name: str) -> Outcome:
    if operation.op == "remove" and name.startswith("notFound"):
        return Outcome("accepted")  # who is not there has nothing
    return Outcome("rejected", f"Iterable: the user is in `{name}`")
