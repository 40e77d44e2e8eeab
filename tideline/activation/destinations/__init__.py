"""The destinations that a sync may name. To add one, see docs/how-to/add-a-destination.md."""

from __future__ import annotations

from tideline.activation.destinations.files.files import Files
from tideline.activation.destinations.files.s3 import S3
from tideline.activation.destinations.hubspot import HubSpotContacts, HubSpotLists
from tideline.activation.destinations.postgres import Postgres
from tideline.activation.destinations.protocol import (
    Capabilities,
    Destination,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.destinations.webhook.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {
    "files": Files,
    "hubspot_contacts": HubSpotContacts,
    "hubspot_lists": HubSpotLists,
    "postgres": Postgres,
    "s3": S3,
    "webhook": Webhook,
}

__all__ = ["DESTINATIONS", "Capabilities", "Destination", "Operation", "Origin", "Outcome"]
