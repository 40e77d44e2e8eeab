"""Reads and writes the note in each Parquet file of `land`, which identifies the landed log.

A build reads the id of the note: a newer file with the same path and id replaces the older one
(models/raw/landed_files.py). Landing a log again corrects its landing, and an empty file in its
place removes it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tideline.landing.log_files import LandError, stem_of
from tideline.text import nearest

NOTE = "tideline_landing"  # key in the Parquet metadata, read by models/raw/landed_files.py too
HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Landing:
    """The note of a landed log.

    `landing_id` stays the same through all replacements. A log is the same log if its first
    `head_bytes` bytes (unpacked) have the SHA-256 `head_hash`: it may have grown since.
    """

    landing_id: str
    log: str  # file name
    mapping: str  # file name
    head_bytes: int
    head_hash: str

    def __post_init__(self) -> None:
        """Refuse values that `land` does not write: the note of a foreign file is not trusted."""
        texts = (self.landing_id, self.log, self.mapping, self.head_hash)
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise TypeError("a note holds text")
        if not isinstance(self.head_bytes, int) or not 0 <= self.head_bytes <= HEAD_BYTES:
            raise ValueError("a note is of the beginning of a log")

    def note(self) -> str:
        """The note as the text in the file."""
        return json.dumps(asdict(self), sort_keys=True)

    def is_of(self, log: Path) -> bool:
        """Whether a log is the one that was landed."""
        return head_hash(log, self.head_bytes) == (self.head_bytes, self.head_hash)


def head_hash(log: Path, most: int) -> tuple[int, str]:
    """Number and SHA-256 of the first bytes of a log, at most `most`, unpacked if it is gzip."""
    with log.open("rb") as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        head = (gzip.GzipFile(fileobj=file) if is_gzip else file).read(most)
    return len(head), hashlib.sha256(head).hexdigest()


def name_of(log: Path, given: str | None) -> str:
    """The name of a landing: the given one, else the stem of the log.

    Raises `LandError` if a build would ignore a file of this name.
    """
    name = given or stem_of(log)
    if "/" in name or name.startswith((".", "_")):
        raise LandError(
            f"{log}: {name!r} cannot be the name of a landing: a build passes over names that "
            "begin with `.` or `_`, and `/` is a folder; give another with --as NAME"
        )
    return name


def read_landing(path: Path) -> tuple[Landing, int] | None:
    """The note and number of rows of a landed file; None if `land` did not write it."""
    try:
        metadata = pq.read_metadata(path)
        note = (metadata.metadata or {})[NOTE.encode()]
        return Landing(**json.loads(note)), metadata.num_rows
    except (KeyError, TypeError, ValueError, OSError, RecursionError, pa.ArrowException):
        return None


def landings(folder: Path) -> Iterator[tuple[str, Landing, int]]:
    """Name, note and number of rows of each landing in the folder `<landing>/events`."""
    for path in sorted(folder.glob("*.parquet")):
        if found := read_landing(path):
            yield path.stem, *found


def next_landing(log: Path, mapping: str, output: Path, is_forced: bool) -> Landing:
    """The note for a log that will be landed as `output`.

    Raises `LandError` if `output` is a file of another origin or, unless `is_forced`, of another
    log.
    """
    size, digest = head_hash(log, HEAD_BYTES)
    landing_id = hashlib.sha256(f"{output.stem}\n{digest}".encode()).hexdigest()[:32]
    if output.exists():
        found = read_landing(output)
        if found is None:
            raise LandError(
                f"{output}: was not landed by this command, and would be overwritten; "
                "give the landing another name with --as NAME"
            )
        before, rows = found
        # An empty landing was removed: its name is free.
        if rows and not is_forced and not before.is_of(log):
            raise LandError(
                f"{log}: another log named {before.log} is landed as {output.stem!r}. Land this "
                "one under a name of its own with --as NAME; if it is a new version of that log, "
                "replace it with --replace"
            )
        landing_id = before.landing_id
    return Landing(landing_id, log.name, mapping, size, digest)


def take_back(text: str, folder: Path) -> tuple[Path, int]:
    """Empty the landing of a log or name; return its file and its former number of rows.

    Raises `LandError` if there is no such landing.
    """
    known = {name: rows for name, _, rows in landings(folder) if rows}
    name = text if text in known else stem_of(Path(text))
    if name not in known:
        there = f"{nearest(name, known)}" if known else "nothing was landed by this command"
        raise LandError(f"{text}: there is no such landing in {folder}; {there}")
    output = folder / f"{name}.parquet"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".land-") as scratch:
        part = Path(scratch) / "nothing.parquet"
        schema = pq.read_schema(output)  # with the note
        pq.write_table(schema.empty_table(), part)
        part.replace(output)
    return output, known[name]


def also_landed_as(log: Path, output: Path) -> list[str]:
    """Names of other landings of the same log."""
    names = []
    for name, landing, rows in landings(output.parent):
        with contextlib.suppress(OSError):
            if rows and name != output.stem and landing.is_of(log):
                names.append(name)
    return names
