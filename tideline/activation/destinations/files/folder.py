"""A folder of this machine: a file is written completely beside the old one, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

PART = ".part"


class Folder:
    """The files of a folder. It is created with the first file."""

    elsewhere = "set TIDELINE_DELIVERIES to another folder"

    def __init__(self, path: Path) -> None:
        """`path` may not exist yet."""
        self._path = path
        self.where = str(path.resolve())

    def names(self) -> list[str]:
        """The names of everything in the folder but unfinished files."""
        if not self._path.is_dir():
            return []
        return [path.name for path in self._path.iterdir() if path.suffix != PART]

    def exists(self, name: str) -> bool:
        """Whether there is a file or a folder of that name."""
        return (self._path / name).exists()

    @contextlib.contextmanager
    def read(self, name: str) -> Iterator[TextIO]:
        """Open a file. Raises FileNotFoundError."""
        path = self._path / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not a file")
        with path.open(encoding="utf-8", errors="replace", newline="") as source:
            yield source

    @contextlib.contextmanager
    def replace(self, name: str) -> Iterator[TextIO]:
        """A text that becomes the file when the block ends."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path / f"{name}{PART}"
        try:
            with open(part, "w", encoding="utf-8", newline="", opener=_private) as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
            part.replace(self._path / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._sync()

    def create(self, name: str, text: str) -> None:
        """Create a file. Raises FileExistsError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path / name
        with open(path, "x", encoding="utf-8", opener=_private) as target:
            try:
                target.write(text)
                target.flush()
                os.fsync(target.fileno())
            except OSError:
                path.unlink(missing_ok=True)  # an incomplete file could not be read
                raise

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self._path / name).unlink()

    def delete_parts(self, is_ours: Callable[[str], bool]) -> None:
        """Delete unfinished files of ours."""
        for part in list(self._path.glob(f"*{PART}")):
            if is_ours(part.name.removesuffix(PART)):
                part.unlink()

    def is_gone(self, where: str) -> bool:
        """Whether a folder no longer exists: it was moved, or nothing is left of it."""
        return not Path(where).exists()

    def seen_from_here(self, path: Path) -> str:
        """The path relative to the folder."""
        return os.path.relpath(path.resolve(), self._path.resolve())

    def _sync(self) -> None:
        """Make the rename durable against a power cut."""
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _private(path: str, flags: int) -> int:
    """Open a file with mode 0600, as it may hold addresses; an opener for `open`."""
    return os.open(path, flags, 0o600)
