"""Braze: attributes of users, and segments as boolean attributes."""

from tideline.activation.destinations.braze.segments import BrazeSegments
from tideline.activation.destinations.braze.users import BrazeUsers

__all__ = ["BrazeSegments", "BrazeUsers"]
