"""What the audiences of advertising vendors have in common: people known by hashed identifiers."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tideline.activation.destinations.api import Api, ApiDestination, ApiOptions, in_parts
from tideline.activation.destinations.identifiers import DIGEST, Rule, UnusableError, taken
from tideline.activation.destinations.protocol import Capabilities, Operation, Origin, Outcome
from tideline.declarations.syncs import check_lists

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

COLUMN = re.compile(r"[a-z_][a-z0-9_]*")
LEAVING = Outcome("busy", "the removal of the same person under another key is not accepted yet")


@dataclass(frozen=True, kw_only=True)
class AudienceOptions(ApiOptions):
    """The keys of every vendor's audiences.

    `lists`: the id of the audience of each segment. `identifiers`: the column of `key` with each
    identifier, by the vendor's name. `country_code`: of phone numbers without one, in digits.
    """

    RULES: ClassVar[Mapping[str, Rule]]
    ALONE: ClassVar[tuple[str, ...]]  # one of them is needed; the first is the default, of `email`

    lists: dict
    identifiers: dict | None = None
    country_code: str | None = None

    def __post_init__(self) -> None:
        """Check the lists and the identifiers."""
        super().__post_init__()
        check_lists(self.lists)
        for name, column in self.columns.items():
            if name not in self.RULES:
                raise ValueError(
                    f"`identifiers` has `{name}`; there are: {', '.join(sorted(self.RULES))}"
                )
            if not isinstance(column, str) or not COLUMN.fullmatch(column):
                raise ValueError(f"`identifiers`: `{name}` is {column!r}; write a column's name")
        if not set(self.ALONE) & set(self.columns):
            raise ValueError(
                f"`identifiers` has none of {', '.join(self.ALONE)}; without one, nobody is found"
            )
        if self.country_code is not None and not re.fullmatch(r"[1-9]\d{0,2}", self.country_code):
            raise ValueError(
                f"`country_code` is {self.country_code!r}; write its digits in quotes, such as '49'"
            )

    @property
    def columns(self) -> Mapping[str, Any]:
        """The column of each identifier."""
        return self.identifiers or {self.ALONE[0]: "email"}

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return tuple(self.columns.values())

    def reads(self) -> tuple[str, ...]:
        """No column beside the key: a membership has no fields."""
        return ()

    def hashable(self) -> tuple[str, ...]:
        """The columns of addresses that `hash` may have, as it makes the vendor's own hash."""
        return tuple(column for name, column in self.columns.items() if self.RULES[name].as_hash)


class Audiences(ApiDestination):
    """A row is a person in the audience of a segment."""

    capabilities: ClassVar[Capabilities]

    def __init__(self, api: Api, options: AudienceOptions, hashed: Collection[str] = ()) -> None:
        """`hashed` are the columns that the sync hashes itself."""
        super().__init__(api, options)
        self._hashed = hashed
        # Identifiers by audience whose removal the vendor has not accepted in this run.
        self._leaving: set[tuple[str, str, str]] = set()

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Self:
        """Read the credentials. Raises NotConfigured if one is not set."""
        api = cls.connect(sync.name, sync.options, environment)
        return cls(api, sync.options, sync.settings.hash)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Remove, then add, in requests of one audience each.

        One person may leave under one key and come under another, such as an address that is now
        hashed. As long as the removal is not accepted it may be sent again, so the person is not
        added before.
        """
        outcomes: list[Outcome] = [Outcome("busy", "not sent")] * len(batch)
        people: dict[int, dict[str, str]] = {}
        for position, each in enumerate(batch):
            try:
                people[position] = self.identified(each)
            except UnusableError as error:
                outcomes[position] = Outcome("rejected", str(error))
        for is_add in (False, True):
            kinds: dict[tuple[str, tuple[str, ...]], list[int]] = {}
            for position, person in people.items():
                operation = batch[position]
                if (operation.op != "remove") is not is_add:
                    continue
                if is_add and self._leaving & self._traces(operation, person):
                    outcomes[position] = LEAVING
                    continue
                if not is_add:
                    self._leaving |= self._traces(operation, person)
                kinds.setdefault((operation.key["list"], tuple(person)), []).append(position)
            for position, outcome in self._sent(batch, list(kinds.values())).items():
                outcomes[position] = outcome
                if not is_add and outcome.fate == "accepted":
                    self._leaving -= self._traces(batch[position], people[position])
        return outcomes

    def _sent(self, batch: Sequence[Operation], kinds: list[list[int]]) -> dict[int, Outcome]:
        """The outcomes by position of rows that are sent in requests of the vendor's size."""
        most = self.capabilities.rows_per_request or len(batch)
        parts = [
            positions[start : start + most]
            for positions in kinds
            for start in range(0, len(positions), most)
        ]
        outcomes = in_parts(batch, parts, self.apply)
        return {position: outcomes[position] for part in parts for position in part}

    def _traces(self, operation: Operation, person: dict[str, str]) -> set[tuple[str, str, str]]:
        """What finds a person in an audience."""
        audience, alone = operation.key["list"], self._options.ALONE
        return {(audience, name, person[name]) for name in alone if name in person}

    def traces(self, operation: Operation) -> set[tuple[str, str, str]]:
        """Nothing: `send` itself compares people as the vendor knows them, by their hashes."""
        return set()

    @abstractmethod
    def apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Change one audience; all rows are removals, or none, and have the same identifiers."""

    def identified(self, operation: Operation) -> dict[str, str]:
        """The identifiers of a row by the vendor's names. Raises UnusableError.

        The key of a removal is that of an earlier declaration: it may lack a column, and be hashed
        or not, whatever `hash` says today.
        """
        is_removal = operation.op == "remove"
        found = {}
        for name, column in self._options.columns.items():
            if is_removal and column not in operation.key:
                continue
            rule, value = self._options.RULES[name], operation.key[column]
            may_be_hash = rule.as_hash and (is_removal or column in self._hashed)
            if may_be_hash and isinstance(value, str) and DIGEST.fullmatch(value):
                found[name] = value
                continue
            try:
                found[name] = taken(rule, value, self._options.country_code)
            except UnusableError as error:
                raise UnusableError(f"`{column}` {error}") from None
        if not found:
            raise UnusableError("no column of `identifiers` is in the row's key; name one again")
        return found
