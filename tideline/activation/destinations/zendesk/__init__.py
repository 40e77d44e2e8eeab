"""Zendesk: user fields, and tags of users."""

from tideline.activation.destinations.zendesk.tags import ZendeskTags
from tideline.activation.destinations.zendesk.users import ZendeskUsers

__all__ = ["ZendeskTags", "ZendeskUsers"]
