"""The destinations a sync may name. `docs/adding_a_destination.md` says how to add one."""

from __future__ import annotations

from orchestration.activation.destinations.files import Files
from orchestration.activation.destinations.protocol import (
    Destination,
    Operation,
    Origin,
    Outcome,
)
from orchestration.activation.destinations.webhook import Webhook

DESTINATIONS: dict[str, type[Destination]] = {
    "files": Files,
    "webhook": Webhook,
}

__all__ = ["DESTINATIONS", "Destination", "Operation", "Origin", "Outcome"]
