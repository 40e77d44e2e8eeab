"""What goes wrong in activation, said so that the reader can act on it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ActivationError(Exception):
    """Something a person has to change; the message names the thing, the place and the fix."""


class DeclarationError(ActivationError):
    """A sync is declared wrongly in an exposure."""


class WarehouseError(ActivationError):
    """The warehouse cannot be opened or is in use."""


class NotConfigured(ActivationError):
    """A destination lacks something of the environment; its sync is skipped, not failed."""


def nearest(word: object, words: Iterable[str]) -> str:
    """The end of an error message: the nearest of `words` to `word`, else all of them."""
    known = sorted(words)
    close = get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else f"known are: {', '.join(known) or 'none'}"
