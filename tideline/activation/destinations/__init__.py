"""The destinations that a sync may name. To add one, see docs/how-to/add-a-destination.md."""

from __future__ import annotations

from tideline.activation.destinations.files.files import Files
from tideline.activation.destinations.protocol import (
    Destination,
    Operation,
    Origin,
    Outcome,
)
from tideline.activation.destinations.webhook.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {
    "files": Files,
    "webhook": Webhook,
}

__all__ = ["DESTINATIONS", "Destination", "Operation", "Origin", "Outcome"]
