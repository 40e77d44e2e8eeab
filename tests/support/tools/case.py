"""How the suite of all destinations uses one of them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One kind of destination.

    - `tool`: the tool's module. `sync`: meta.sync, without the address.
    - `credentials`: the environment; the last value is the secret of `credential`.
    - `held`: from the tool's state, what it holds of us: {(person, segment): label}, with None for
      what the tool does not keep.
    - `is_member`: a row is a membership, in one of `segments`; else it is a person.
    - `has_labels`: it keeps the label of a row.
    - `person`: the column that identifies a person, `email` or `profile_id`.
    - `spoiled`: a request that the vendor's specification must refuse: (method, path, body).
    """

    tool: str
    sync: dict
    credentials: dict
    held: Callable[[dict], dict]
    is_member: bool
    has_labels: bool
    spoiled: tuple | None = None
    segments: tuple = ("vip", "new")
    person: str = "email"

    def of(self, profile):
        """What the tool calls the person of a profile."""
        return f"{profile}@example.com" if self.person == "email" else profile

    def wanted(self, rows):
        """What the tool must hold for desired rows (`member`), in the form of `held`."""
        person = 3 if self.person == "email" else 0
        return {
            (row[person], row[1] if self.is_member else None): row[2] if self.has_labels else None
            for row in rows
        }
