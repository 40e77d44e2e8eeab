"""Iterable: fields of users, and memberships in static lists."""

from tideline.activation.destinations.iterable.lists import IterableLists
from tideline.activation.destinations.iterable.users import IterableUsers

__all__ = ["IterableLists", "IterableUsers"]
