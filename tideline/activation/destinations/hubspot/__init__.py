"""HubSpot: properties of contacts, and memberships in manual lists."""

from tideline.activation.destinations.hubspot.contacts import HubSpotContacts
from tideline.activation.destinations.hubspot.lists import HubSpotLists

__all__ = ["HubSpotContacts", "HubSpotLists"]
