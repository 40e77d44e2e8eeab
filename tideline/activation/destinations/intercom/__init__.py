"""Intercom: custom attributes of contacts, and tags."""

from tideline.activation.destinations.intercom.contacts import IntercomContacts
from tideline.activation.destinations.intercom.tags import IntercomTags

__all__ = ["IntercomContacts", "IntercomTags"]
