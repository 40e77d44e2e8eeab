"""What goes wrong, in words that the reader can act on."""

from __future__ import annotations

import traceback
from pathlib import Path

INTERRUPTED_CODE = 130  # the exit code of Ctrl-C, as a shell reports SIGINT


class ActivationError(Exception):
    """Something a person has to change; the message names the thing, the place and the fix."""


def in_words(error: Exception) -> str:
    """An error in words; of an unexpected one only kind and place, as its text may quote rows."""
    if isinstance(error, ActivationError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


class DeclarationError(ActivationError):
    """A sync is declared wrongly in an exposure."""


class WarehouseError(ActivationError):
    """The warehouse cannot be opened or is in use."""


class NotConfigured(ActivationError):
    """A destination lacks something of the environment; its sync is skipped, not failed."""
