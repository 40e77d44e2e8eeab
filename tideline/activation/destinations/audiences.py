"""What the audiences of advertising vendors have in common: people known by hashed identifiers."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tideline.activation.destinations.api import Api, ApiDestination, in_parts
from tideline.activation.destinations.identifiers import DIGEST, Rule, UnusableError, taken
from tideline.activation.destinations.lists import WithLists
from tideline.activation.destinations.protocol import Capabilities, Operation, Origin, Outcome

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync

COLUMN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class AudienceOptions(WithLists):
    """The keys of every vendor's audiences.

    `lists`: the id of the audience of each segment. `identifiers`: the column of `key` with each
    identifier, by the vendor's name. `country_code`: of phone numbers without one, in digits.
    """

    RULES: ClassVar[Mapping[str, Rule]]
    ALONE: ClassVar[tuple[str, ...]]  # one of them is needed; the first is the default, of `email`

    identifiers: dict | None = None
    country_code: str | None = None

    def __post_init__(self) -> None:
        """Check the lists and the identifiers."""
        super().__post_init__()
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

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Self:
        """Read the credentials. Raises NotConfigured if one is not set."""
        api = cls.connect(sync.name, sync.options, environment)
        return cls(api, sync.options, sync.settings.hash)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Remove, then add, in requests of one audience each."""
        outcomes: list[Outcome] = [Outcome("busy", "not sent")] * len(batch)
        kinds: dict[tuple[bool, str, tuple[str, ...]], list[int]] = {}
        for position, each in enumerate(batch):
            try:
                names = tuple(self.identified(each))
            except UnusableError as error:
                outcomes[position] = Outcome("rejected", str(error))
                continue
            kind = (each.op != "remove", each.key["list"], names)
            kinds.setdefault(kind, []).append(position)
        most = self.capabilities.rows_per_request or len(batch)
        parts = [
            kinds[kind][start : start + most]
            for kind in sorted(kinds)
            for start in range(0, len(kinds[kind]), most)
        ]
        told = in_parts(batch, parts, self.apply)
        for position in (each for part in parts for each in part):
            outcomes[position] = told[position]
        return outcomes

    def traces(self, operation: Operation) -> set[tuple[str, str, str]]:
        """What finds a person in an audience: the identifiers as the vendor knows them."""
        try:
            person = self.identified(operation)
        except UnusableError:
            return set()
        audience, alone = operation.key["list"], self._options.ALONE
        return {(audience, name, person[name]) for name in alone if name in person}

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
