"""Mailchimp: merge fields of an audience's members, and memberships as tags."""

from tideline.activation.destinations.mailchimp.members import MailchimpMembers
from tideline.activation.destinations.mailchimp.tags import MailchimpTags

__all__ = ["MailchimpMembers", "MailchimpTags"]
