"""What goes wrong in activation, said so that the reader can act on it."""

from __future__ import annotations


class ActivationError(Exception):
    """Something a person has to change; the message names the thing, the place and the fix."""


class DeclarationError(ActivationError):
    """A sync is declared wrongly in an exposure."""


class WarehouseError(ActivationError):
    """The warehouse cannot be opened or is in use."""


class NotConfigured(ActivationError):
    """A destination lacks something of the environment; its sync is skipped, not failed."""
