"""Errors with messages that a user can act on."""

from __future__ import annotations

import traceback
from pathlib import Path

# What follows the place of a warehouse and precedes the name of a table.
NO_TABLE = "has no table `{}` yet: no build has finished; run `dbt build`"
INTERRUPTED_CODE = 130  # the exit code of Ctrl-C, as a shell reports SIGINT


class ActivationError(Exception):
    """An error that a person must fix; the message names the thing, the place and the fix."""


def in_words(error: Exception) -> str:
    """An error as text. Unexpected errors show only type and place: their text may quote rows."""
    if isinstance(error, ActivationError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


class DeclarationError(ActivationError):
    """The declaration of a sync in an exposure is wrong."""


class WarehouseError(ActivationError):
    """The warehouse or one of its tables is missing, in use or cannot be opened."""


class NotConfigured(ActivationError):
    """An environment variable of a destination is not set; its sync is skipped, not failed."""
