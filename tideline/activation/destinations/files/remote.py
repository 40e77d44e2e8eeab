"""A folder of an SFTP server: a file is written completely beside the old one, then renamed.

A server that cannot rename over a file refuses the rename, and the old file stays. There is no
other way to replace it without a moment in which readers find none.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from tideline.activation.destinations.files.place import NotDoneError
from tideline.activation.destinations.files.session import Session, Told, named
from tideline.activation.destinations.protocol import Outcome

PART = ".part"
# Words of OpenSSH's client; LC_ALL=C keeps them in English.
MISSING = ("not found", "No such file")


def _unnamed(errors: str | None = None) -> AbstractContextManager[TextIO]:
    """A text of this machine that has no name, so that a killed run leaves no rows behind."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors=errors, newline="")


class Remote:
    """The files of a folder of a server. Its parent exists; it is created with the first file."""

    elsewhere = "name another `directory`"

    def __init__(self, session: Session, folder: str, where: str, advice: dict[str, str]) -> None:
        """`advice` says what to do if OpenSSH says certain words, because a person has to."""
        self._session = session
        self._folder = folder
        self._advice = advice
        self.where = where

    def names(self) -> list[str]:
        """The names of everything in the folder but unfinished files."""
        return [name for name in self._listed() if not name.endswith(PART)]

    def exists(self, name: str) -> bool:
        """Whether there is a file or a folder of that name."""
        return name in self._listed()

    @contextlib.contextmanager
    def read(self, name: str) -> Iterator[TextIO]:
        """A file, copied to this machine. Raises FileNotFoundError."""
        with _unnamed(errors="replace") as copy:
            told = self._session.run(f"get {self._path(name)} {named(copy)}", files=[copy])
            if not told.is_done:
                self._check_missing(told, name)
                raise self._not_done(told)
            copy.seek(0)
            yield copy

    @contextlib.contextmanager
    def replace(self, name: str) -> Iterator[TextIO]:
        """A text that becomes the file when the block ends."""
        with _unnamed() as target:
            yield target
            part = self._part_of(name)
            told = self._put(target, part, f"rename {part} {self._path(name)}")
        if not told.is_done:
            self._drop(part)
            raise self._not_done(told, "rename")

    def create(self, name: str, text: str) -> None:
        """Create a file. Raises FileExistsError."""
        with _unnamed() as target:
            target.write(text)
            part = self._part_of(name)
            # `-l` is the rename that fails if there is such a file.
            told = self._put(target, part, f"rename -l {part} {self._path(name)}")
        if told.is_done:
            return
        self._drop(part)
        if told.has_begun("rename") and self.exists(name):
            raise FileExistsError(name)
        raise self._not_done(told, "rename")

    def delete(self, name: str) -> None:
        """Delete a file."""
        told = self._session.run(f"rm {self._path(name)}")
        if not told.is_done:
            raise self._not_done(told, "rm")

    def delete_parts(self, is_ours: Callable[[str], bool]) -> None:
        """Delete unfinished files of ours."""
        for part in self._listed():
            if part.endswith(PART) and is_ours(part.removesuffix(PART).rpartition(".")[0]):
                self._drop(self._path(part))

    def is_gone(self, where: str) -> bool:
        """False: a folder of a server does not move."""
        return False

    def seen_from_here(self, path: Path) -> str:
        """The whole path: a server does not move with the warehouse."""
        return str(path.resolve())

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _part_of(self, name: str) -> str:
        return f"{self._path(name)}.{uuid.uuid4().hex[:8]}{PART}"

    def _listed(self) -> list[str]:
        """The names of everything in the folder; none if it does not exist yet."""
        told = self._session.run(f"ls -1a {self._folder}")
        if not told.is_done:
            try:
                self._check_missing(told, self._folder)
            except FileNotFoundError:
                return []
            raise self._not_done(told)
        names = [line.strip().rpartition("/")[2] for line in told.shown]
        return [name for name in names if name not in (".", "..")]

    def _put(self, source: TextIO, part: str, rename: str) -> Told:
        source.flush()
        source.seek(0)
        put = f"put -f {named(source)} {part}"
        told = self._session.run(f"-mkdir {self._folder}", put, files=[source])
        # A call of its own: the process of a killed run goes on, and would replace a newer file.
        return self._session.run(rename) if told.is_done else told

    def _drop(self, path: str) -> None:
        """Delete an unfinished file if possible; otherwise the next run does."""
        self._session.run(f"-rm {path}")

    def _check_missing(self, told: Told, name: str) -> None:
        """Raise FileNotFoundError if the server has answered that there is no such file."""
        is_answer = bool(told.begun)  # else there was no connection
        if is_answer and any(each in told.error for each in MISSING):
            raise FileNotFoundError(name)

    def _not_done(self, told: Told, change: str = "") -> NotDoneError:
        """What a failure means: unknown once the command that changes a file was sent."""
        for words, advice in self._advice.items():
            if words in told.error and not told.begun:
                return NotDoneError(Outcome("held", f"{self.where}: {advice}"))
        begun = bool(change) and told.has_begun(change)
        return NotDoneError(Outcome("unknown" if begun else "busy", f"{self.where}: {told.error}"))
