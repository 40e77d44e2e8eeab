"""Files: one per group (segment), each with exactly the current members.

A changed file is written completely beside the old one and replaces it by one rename. Readers see
the old or the new members; a full disk or a crash leaves the old file unchanged. A marker names the
owner of the folder and its files (`claim.py`).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

from tideline.activation.destinations.files.cells import cell, plain
from tideline.activation.destinations.files.claim import MARKER, Claim, private
from tideline.activation.destinations.protocol import (
    Capabilities,
    Operation,
    Origin,
    Outcome,
)
from tideline.warehouse.errors import ActivationError
from tideline.warehouse.paths import path_of

if TYPE_CHECKING:
    from tideline.declarations.syncs import Sync


@dataclass(frozen=True)
class FilesOptions:
    """`group_by`: the key column that names the file; without it, one file has all rows.

    `format`: `jsonl` (one JSON object per line) or `csv` (RFC 4180 with a header; text that a
    spreadsheet would run as a formula begins with an apostrophe).
    """

    group_by: str | None = None
    format: Literal["jsonl", "csv"] = "jsonl"


class Files:
    """The folder `<TIDELINE_DELIVERIES>/<sync name>/` with one file per group."""

    Options: ClassVar[type] = FilesOptions
    default_batch_rows: ClassVar[int] = 100_000  # each batch rewrites the files it touches
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Files",
        holds="a line of a JSONL or CSV file",
        delivery="set",
        removal="the line is taken out",
        tried_against="the file system, with kills between any two steps",
    )

    def __init__(
        self,
        folder: Path,
        sync_name: str,
        key: tuple[str, ...],
        columns: tuple[str, ...] | None,
        options: FilesOptions,
        origin: Origin,
    ) -> None:
        """`columns`: the order of the columns after the key; None keeps the order of the rows.

        Raises ActivationError if the folder belongs to another warehouse.
        """
        self.folder = folder
        self.where = str(folder)
        self._name = sync_name
        self._key = key
        self._columns = columns
        self._group_by: str | None = options.group_by
        self._format: str = options.format
        self._claim = Claim(folder, origin.warehouse_id, origin.place)
        if self._claim.is_new:
            self._claim.adopt(self._without_marker(origin.groups))

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Files:
        """The folder of this sync. It is created with the first file.

        Raises ActivationError if it belongs to another warehouse.
        """
        root = path_of("TIDELINE_DELIVERIES", environment)
        settings = sync.settings
        folder = root / file_stem(sync.name)
        return cls(folder, sync.name, settings.key, settings.columns, sync.options, origin)

    def path(self, group: str) -> Path:
        """The file of a group."""
        return self.folder / f"{file_stem(group or self._name)}.{self._format}"

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """Return the groups whose file is missing or has a wrong number of rows; empty these files.

        Also deletes files that a crash left incomplete or that have the former format, and empties
        files of groups that the ledger does not know. Files of other owners are not changed.
        """
        if not self.folder.is_dir():
            return [group for group, rows in expected.items() if rows]
        with contextlib.suppress(OSError):  # `send` reports it
            self._claim.add([])
        paths = {self.path(group): group for group in expected}
        for path in list(self.folder.iterdir()):
            whole = path.with_suffix("")
            if path.suffix == ".part" and (self._claim.owns(whole) or whole.name == MARKER):
                path.unlink()
            elif not self._claim.owns(path):
                continue
            elif path.suffix[1:] != self._format:
                path.unlink()
                self._claim.drop(path)
            elif path not in paths and self._count(path) != 0:
                self._write(path, {}, keep_members=False)
        lost = []
        for path, group in paths.items():
            if self._count(path) != expected[group]:
                lost.append(group)
                if path.is_file() and self._claim.owns(path):
                    self._write(path, {}, keep_members=False)
        return lost

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Rewrite the files of the groups in the batch.

        The rows of a file that cannot be written are `busy`; if another program wrote the file,
        they are `held`.
        """
        groups: dict[str, dict[str, Operation]] = defaultdict(dict)
        for operation in batch:
            groups[self._group_of(operation)][self._identity(operation.key)] = operation
        problems: dict[str, Outcome] = {}
        for group, operations in groups.items():
            path = self.path(group)
            try:
                self._claim.add([])
                if path.exists() and not self._claim.owns(path):
                    problems[group] = Outcome(
                        "held",
                        f"{path} was not written by this sync; move it away, then run again",
                    )
                    continue
                self._claim.add([path])
                self._write(path, operations)
            except ActivationError as error:
                problems[group] = Outcome("held", str(error))
            except OSError as error:
                problems[group] = Outcome(
                    "busy",
                    f"{path} cannot be written ({error.strerror or type(error).__name__}); the old "
                    "file is unchanged. Make room or give write permission, then run again",
                )
        accepted = Outcome("accepted")
        return [problems.get(self._group_of(operation), accepted) for operation in batch]

    def _group_of(self, operation: Operation) -> str:
        return str(operation.key[self._group_by]) if self._group_by else ""

    def _identity(self, key: Mapping[str, Any]) -> str:
        """A key as text; the same for a key to be sent and a key read back from a file."""
        values = [key.get(column) for column in self._key]
        if self._format == "csv":
            values = [plain(cell(value)) for value in values]
        return json.dumps(values)

    def _write(
        self, path: Path, operations: Mapping[str, Operation], keep_members: bool = True
    ) -> None:
        """Replace the file at `path` by one with `operations` applied. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        try:
            with open(part, "w", encoding="utf-8", newline="", opener=private) as target:
                if self._format == "csv":
                    self._write_csv(path, operations, keep_members, target)
                else:
                    self._write_jsonl(path, operations, keep_members, target)
                target.flush()
                os.fsync(target.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(self.folder)

    def _write_jsonl(
        self, path: Path, operations: Mapping[str, Operation], keep_members: bool, target: TextIO
    ) -> None:
        columns = self._header(operations.values())
        for line in _lines(path) if keep_members else ():
            try:
                known = self._identity(json.loads(line)) in operations
            except (ValueError, AttributeError):
                continue  # not our line; if rows are missing, `repair` sends the whole file again
            if not known:
                target.write(line + "\n")
        for operation in operations.values():
            if operation.op != "remove":
                row = operation.key | operation.row
                ordered = {column: row[column] for column in columns if column in row}
                target.write(json.dumps(ordered, ensure_ascii=False) + "\n")

    def _write_csv(
        self, path: Path, operations: Mapping[str, Operation], keep_members: bool, target: TextIO
    ) -> None:
        with _text(path) if path.is_file() else io.StringIO() as source:
            old = csv.DictReader(source)
            columns = self._header(operations.values()) or list(old.fieldnames or self._key)
            writer = csv.DictWriter(target, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            for cells in old if keep_members else ():
                row = {column: plain(text or "") for column, text in cells.items() if column}
                if self._identity(row) not in operations:
                    writer.writerow({column: cell(text) for column, text in row.items()})
        for operation in operations.values():
            if operation.op != "remove":
                row = operation.key | operation.row
                writer.writerow({column: cell(value) for column, value in row.items()})

    def _header(self, operations: Iterable[Operation]) -> list[str]:
        """The columns of a file: key first, then as declared; empty if all are removals."""
        row = next((each.row for each in operations if each.op != "remove"), None)
        if row is None:
            return []
        rest = self._columns or tuple(row)
        return [*self._key, *(column for column in rest if column not in self._key)]

    def _count(self, path: Path) -> int:
        """The number of rows in a file; -1 if it is missing or has another format."""
        if not path.is_file():
            return -1
        if self._format == "jsonl":
            return sum(1 for _ in _lines(path))
        try:
            with _text(path) as source:
                return sum(1 for _ in csv.DictReader(source))
        except csv.Error:
            return -1

    def _without_marker(self, groups: Mapping[str, int]) -> list[Path]:
        """The files that an earlier release wrote without a marker.

        They have as many rows as the ledger says, or are empty because the group has no rows.
        """
        if not groups or not self.folder.is_dir():
            return []
        expected = {self.path(group): rows for group, rows in groups.items()}
        files = [path for path in self.folder.iterdir() if path.suffix[1:] == self._format]
        return [
            path
            for path in files
            if self._count(path) == expected.get(path, 0)
            and (path in expected or self._is_empty(path))
        ]

    def _is_empty(self, path: Path) -> bool:
        """Whether a file without rows is one that this class has emptied."""
        if self._format == "jsonl":
            return not path.stat().st_size
        with _text(path) as source:
            return next(csv.reader(source), [])[: len(self._key)] == list(self._key)


def file_stem(name: str) -> str:
    """A file name, without extension, that is safe on every system and unique for each name.

    A name of lower-case letters, digits, `_` and `-` is kept. Any other name is cleaned and gets a
    short hash, so that names stay different where the file system ignores case.
    """
    clean = re.sub(r"[^a-z0-9_-]+", "_", name.lower())[:80].strip("_-") or "group"
    if clean == name:
        return clean
    return f"{clean}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _text(path: Path) -> TextIO:
    """Open a file to read. Invalid UTF-8 does not raise: a damaged file has wrong row counts."""
    return path.open(encoding="utf-8", errors="replace", newline="")


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file that are not empty; none if the file is missing."""
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="\n") as source:
            for line in source:
                if line := line.strip("\r\n"):
                    yield line


def _sync_folder(folder: Path) -> None:
    """Make the rename durable against a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
