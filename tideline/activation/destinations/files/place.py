"""Where the files of a sync live: a folder of this machine or of a server, or a bucket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TextIO

from tideline.activation.destinations.protocol import Outcome


class Place(Protocol):
    """Files by name. A reader sees the old or the new content of a file, never a part of it.

    The methods raise OSError if they fail: FileNotFoundError and FileExistsError where they say so,
    NotDoneError if they know the outcome better than "not written, try again".
    """

    where: str  # without secrets
    elsewhere: str  # how to name another place, as advice

    def names(self) -> list[str]:
        """The names of the files; none if the place does not exist yet."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is anything under the name."""
        ...

    def read(self, name: str) -> AbstractContextManager[TextIO]:
        """Open a file. Raises FileNotFoundError.

        Invalid UTF-8 does not raise: a damaged file has wrong row counts.
        """
        ...

    def replace(self, name: str) -> AbstractContextManager[TextIO]:
        """A text that becomes the file when the block ends; after an exception nothing changes."""
        ...

    def create(self, name: str, text: str) -> None:
        """Create a file. Raises FileExistsError, even if another process creates it meanwhile."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file."""
        ...

    def delete_parts(self, is_ours: Callable[[str], bool]) -> None:
        """Delete what a crash has left of unfinished files of ours."""
        ...

    def is_gone(self, where: str) -> bool:
        """Whether a place of this kind, by its `where`, no longer exists: it may be this one."""
        ...

    def seen_from_here(self, path: Path) -> str:
        """A path in the form that stays the same if this place moves together with it."""
        ...


class NotDoneError(OSError):
    """A failure with an outcome of its own, for instance that it is unknown what was written."""

    def __init__(self, outcome: Outcome) -> None:
        """`outcome` is that of the rows of the file; its reason has no secrets."""
        super().__init__(outcome.reason)
        self.outcome = outcome
