"""The destinations that a sync may name. To add one, see docs/how-to/add-a-destination.md."""

from __future__ import annotations

from tideline.activation.destinations.braze import BrazeSegments, BrazeUsers
from tideline.activation.destinations.customerio import CustomerioPeople, CustomerioSegments
from tideline.activation.destinations.files.files import Files
from tideline.activation.destinations.files.s3 import S3
from tideline.activation.destinations.files.sftp import Sftp
from tideline.activation.destinations.hubspot import HubSpotContacts, HubSpotLists
from tideline.activation.destinations.intercom import IntercomContacts, IntercomTags
from tideline.activation.destinations.iterable import IterableLists, IterableUsers
from tideline.activation.destinations.klaviyo import KlaviyoLists, KlaviyoProfiles
from tideline.activation.destinations.linkedin import LinkedInAudiences
from tideline.activation.destinations.mailchimp import MailchimpMembers, MailchimpTags
from tideline.activation.destinations.meta import MetaAudiences
from tideline.activation.destinations.postgres import Postgres
from tideline.activation.destinations.protocol import (
    Capabilities,
    Destination,
    Draft,
    Match,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.destinations.salesforce import SalesforceRecords
from tideline.activation.destinations.slack import Slack
from tideline.activation.destinations.webhook.webhook import Webhook
from tideline.activation.destinations.zendesk import ZendeskTags, ZendeskUsers

DESTINATIONS: dict[str, type[Destination]] = {
    "braze_segments": BrazeSegments,
    "braze_users": BrazeUsers,
    "customerio_people": CustomerioPeople,
    "customerio_segments": CustomerioSegments,
    "files": Files,
    "hubspot_contacts": HubSpotContacts,
    "hubspot_lists": HubSpotLists,
    "intercom_contacts": IntercomContacts,
    "intercom_tags": IntercomTags,
    "iterable_lists": IterableLists,
    "iterable_users": IterableUsers,
    "klaviyo_lists": KlaviyoLists,
    "klaviyo_profiles": KlaviyoProfiles,
    "linkedin_audiences": LinkedInAudiences,
    "mailchimp_members": MailchimpMembers,
    "mailchimp_tags": MailchimpTags,
    "meta_audiences": MetaAudiences,
    "postgres": Postgres,
    "s3": S3,
    "salesforce_records": SalesforceRecords,
    "sftp": Sftp,
    "slack": Slack,
    "webhook": Webhook,
    "zendesk_tags": ZendeskTags,
    "zendesk_users": ZendeskUsers,
}

__all__ = [
    "DESTINATIONS", "Capabilities", "Destination", "Draft", "Match", "Operation", "Origin",
    "Outcome",
]  # fmt: skip
