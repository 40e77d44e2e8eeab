"""Who committed a file of declarations last: one call of git, if there is git at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tideline.declarations.rules import is_control

SECONDS = 10  # that git may take; what it has not found by then is unknown
# Each commit from the newest on, and of each file that it wrote the hash of the content. A merge
# writes a file only if no parent has this content.
LOG = (
    *("git", "--literal-pathspecs", "-c", "log.showRoot=true", "log", "-z", "-c", "--raw"),
    *("--no-abbrev", "--no-renames", "--no-color", "--no-show-signature", "--encoding=UTF-8"),
    *("--decorate-refs-exclude=*", "--format=commit%x09%H%x09%D%x09%aN"),
)
START = b"commit\t"
SHALLOW = "grafted"  # a commit whose parents are not in this clone: what it wrote is unknown
# A hook of git sets them for its own repository, which may be another one.
OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


@dataclass(frozen=True)
class Commit:
    """A commit: its id, and the name of its author, None if it has none."""

    commit_id: str
    author: str | None


def last_commits(project: Path, files: Collection[str]) -> dict[str, Commit]:
    """The last commit of each file, whose path is relative to the project.

    A file is missing if it has changed since, was never committed, or if the commit is unknown:
    without git or a repository, and in a clone without the history.
    """
    folder, found = project.resolve(), {}
    top = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if top is None:
        return {}
    left = {(folder / file).relative_to(top).as_posix(): file for file in files}
    kept = {name: value for name, value in os.environ.items() if name not in OF_HOOKS}
    with (
        suppress(OSError),
        subprocess.Popen(
            [*LOG, "--", *sorted(left)],
            cwd=top,
            env=kept | {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            for path, content, commit in _written(process.stdout):
                if path in left:
                    file = left.pop(path)
                    if commit and content == _hash(top / path, len(content)):
                        found[file] = commit
                if not left:
                    break
        finally:
            timer.cancel()
            process.kill()
    return found


def _written(log: IO[bytes] | None) -> Iterator[tuple[str, str, Commit | None]]:
    """The paths that commits wrote, with the hash of the content, from the newest commit on."""
    commit, content = None, ""
    for part in _parts(log):
        if part.startswith(START):
            _, commit_id, notes, author = part.decode("utf-8", "replace").split("\t", 3)
            name = "".join(letter for letter in author if not is_control(letter))
            is_known = SHALLOW not in notes.split(", ")
            commit = Commit(commit_id, " ".join(name.split()) or None) if is_known else None
        elif part.lstrip().startswith(b":"):
            content = part.decode().split()[-2]  # the last hash, before the letters of the change
        else:
            yield os.fsdecode(part), content, commit


def _parts(log: IO[bytes] | None) -> Iterator[bytes]:
    """The parts of a log that end with a null byte, as they arrive."""
    rest = b""
    while log and (chunk := log.read1(65536)):  # type: ignore[attr-defined]
        *parts, rest = (rest + chunk).split(b"\0")
        yield from parts


def _hash(path: Path, length: int) -> str:
    """The hash of a file by which git names its content; empty if the file cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    kind = "sha1" if length == 40 else "sha256"
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
