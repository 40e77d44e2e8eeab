"""Attributes of people: a row sets them, a removal empties them and leaves the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tideline.activation.destinations.api import ApiDestination, Reply, cut, encoded, in_parts
from tideline.activation.destinations.customerio.workspace import (
    LIMITS,
    REQUESTS_PER_SECOND,
    CustomerioOptions,
    open_track,
    problem_of_id,
)
from tideline.activation.destinations.fields import WithFields, filled
from tideline.activation.destinations.protocol import Capabilities, Operation, Outcome

MOST_PEOPLE = 1000  # per request; Customer.io limits only the bytes
MOST_BYTES = 500_000  # of a request
LONGEST_PERSON = 32_000  # bytes of a person in it
LONGEST_VALUE = 1000  # bytes of an attribute
LONGEST_NAME = 150  # bytes
AROUND = len(b'{"batch":[]}')
# A removal would empty these; without them, a person cannot be found, reached or respected.
NOT_OURS = {
    "id",
    "email",
    "phone",
    "cio_id",
    "anonymous_id",
    "unsubscribed",
    "cio_subscription_preferences",
    "_update",
}
SILENT = Outcome("unknown", "Customer.io answered without an outcome of the people")


@dataclass(frozen=True, kw_only=True)
class PeopleOptions(CustomerioOptions, WithFields):
    """`id_type`: the identifier at Customer.io that has the value of `identify`.

    `fields`: the template of each attribute.
    """

    id_type: Literal["id", "email"] = "email"

    def __post_init__(self) -> None:
        """Check the templates and the names."""
        super().__post_init__()
        for name in self.fields:
            if name in NOT_OURS:
                raise ValueError(
                    f"`fields` has `{name}`, which identifies or reaches a person at Customer.io "
                    "and would be emptied by a removal; write another attribute"
                )
            if len(name.encode()) > LONGEST_NAME:
                raise ValueError(f"`fields` has a name of more than {LONGEST_NAME} bytes: `{name}`")


class CustomerioPeople(ApiDestination):
    """A row is a person; its fields are attributes."""

    Options: ClassVar[type] = PeopleOptions
    connect = staticmethod(open_track)
    default_batch_rows: ClassVar[int] = MOST_PEOPLE
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Customer.io people",
        holds="attributes of a person, who is created if unknown",
        delivery="set",
        removal="the attributes are emptied, the person stays",
        rows_per_request=MOST_PEOPLE,
        bytes_per_request=MOST_BYTES,
        requests_per_second=REQUESTS_PER_SECOND,
        tried_against="a stateful local server, each person held against Customer.io's "
        "specification",
        source=LIMITS,
        page="customerio",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Set and empty attributes, by requests of at most 500,000 bytes."""
        people = [self._person(each) for each in batch]
        problems = [self._problem(each) for each in people]
        sizes = [len(encoded(each)) for each in people]
        good = [position for position, problem in enumerate(problems) if problem is None]
        # If one row leaves a person whom another row takes, the other one counts.
        good.sort(key=lambda position: batch[position].op != "remove")
        parts = list(cut(good, MOST_PEOPLE, sizes.__getitem__, MOST_BYTES - AROUND))
        outcomes = in_parts(batch, parts, self._apply)
        return [
            outcome if problem is None else Outcome("rejected", problem)
            for outcome, problem in zip(outcomes, problems, strict=True)
        ]

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        body = {"batch": [self._person(each) for each in batch]}
        return outcomes_of(self._api.call("POST", "/api/v2/batch", body), len(batch))

    def _person(self, operation: Operation) -> dict[str, Any]:
        """The operation as Customer.io takes it; `_update` says to create nobody."""
        attributes: dict[str, Any] = dict.fromkeys(self._options.fields)
        if operation.op == "remove":
            attributes["_update"] = True
        else:
            attributes = filled(self._options.fields, operation)
        return {
            "type": "person",
            "action": "identify",
            "identifiers": {self._options.id_type: str(operation.key[self._options.identify])},
            "attributes": attributes,
        }

    def _problem(self, person: dict[str, Any]) -> str | None:
        """The reason why Customer.io would not keep a person as it is; None if it would."""
        who = person["identifiers"][self._options.id_type]
        if problem := problem_of_id(who, self._options.identify):
            return problem
        for name, value in person["attributes"].items():
            size = len(value.encode()) if isinstance(value, str) else len(encoded(value))
            if size > LONGEST_VALUE:
                return f"`{name}` has {size} bytes; Customer.io keeps up to {LONGEST_VALUE}"
        if len(encoded(person)) > LONGEST_PERSON:
            return f"the row has more than {LONGEST_PERSON:,} bytes; send fewer fields"
        return None


def outcomes_of(reply: Reply, people: int) -> list[Outcome]:
    """The outcome of each person of a batch; errors name their person by its position.

    Without errors, Customer.io answers `{}`; anything else, such as that of a proxy, says nothing.
    """
    if not isinstance(reply.content, dict):
        return [SILENT] * people
    has_none = reply.status != 207 and not reply.content
    errors = [] if has_none else reply.content.get("errors")
    if not isinstance(errors, list):
        return [SILENT] * people
    outcomes = [Outcome("accepted")] * people
    for error in errors:
        position = error.get("batch_index") if isinstance(error, dict) else None
        if type(position) is not int or not 0 <= position < people:
            return [each if each.fate == "rejected" else SILENT for each in outcomes]
        said = " ".join(str(error[key]) for key in ("field", "reason", "message") if error.get(key))
        outcomes[position] = Outcome("rejected", f"Customer.io: {said or 'no reason given'}")
    return outcomes
