"""What both destinations do: find the people of a batch, then change one after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tideline.activation.destinations.api import Api, ApiDestination, in_parts, one_by_one
from tideline.activation.destinations.intercom.workspace import MOST_SOUGHT, Contacts
from tideline.activation.destinations.protocol import Operation, Outcome


class OneByOne(ApiDestination):
    """Intercom changes one contact per request."""

    def __init__(self, api: Api, options: Any) -> None:
        """`options` is an `IntercomOptions`."""
        super().__init__(api, options)
        self._contacts = Contacts(api, options)

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Find up to 15 contacts with one request, then change each."""
        parts = [
            range(start, min(start + MOST_SOUGHT, len(batch)))
            for start in range(0, len(batch), MOST_SOUGHT)
        ]
        return in_parts(batch, parts, self._apply)

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        found = self._contacts.find([self._value(each) for each in batch])
        return one_by_one(batch, lambda row: self._change(row, found[self._value(row)]))

    def _value(self, operation: Operation) -> str:
        """What identifies the person of a row."""
        return str(operation.key[self._options.identify])

    @abstractmethod
    def _change(self, operation: Operation, known: Sequence[str]) -> Outcome:
        """Change the contacts of one person; `known` are their ids."""


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of a row with several contacts: the first that is not accepted."""
    return next((each for each in outcomes if each.fate != "accepted"), Outcome("accepted"))
