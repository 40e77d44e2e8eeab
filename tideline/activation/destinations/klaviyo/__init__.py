"""Klaviyo: custom properties of profiles, and memberships in lists."""

from tideline.activation.destinations.klaviyo.lists import KlaviyoLists
from tideline.activation.destinations.klaviyo.profiles import KlaviyoProfiles

__all__ = ["KlaviyoLists", "KlaviyoProfiles"]
