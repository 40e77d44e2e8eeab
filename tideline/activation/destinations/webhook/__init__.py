"""A webhook: rows as JSON to one address."""

from tideline.activation.destinations.webhook.webhook import Webhook

__all__ = ["Webhook"]
