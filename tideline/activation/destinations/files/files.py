"""Files: one per group (segment), each with exactly the current members.

A changed file replaces the old one as a whole (`place.py`). Readers see the old or the new members;
a full disk or a crash leaves the old file unchanged. A marker names the owner of the folder and its
files (`claim.py`).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

from tideline.activation.destinations.files.cells import cell, plain
from tideline.activation.destinations.files.claim import MARKER, Claim
from tideline.activation.destinations.files.folder import Folder
from tideline.activation.destinations.files.place import NotDoneError, Place
from tideline.activation.destinations.protocol import (
    Capabilities,
    Draft,
    Match,
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

    def __init__(self, place: Place, sync: Sync, origin: Origin) -> None:
        """Raises ActivationError if the place belongs to another warehouse."""
        self._place = place
        self.where = place.where
        self._name = sync.name
        self._key = sync.settings.key
        self._columns = sync.settings.columns  # after the key; None keeps the order of the rows
        self._group_by: str | None = sync.options.group_by
        self._format: str = sync.options.format
        self._claim = Claim(place, origin.warehouse_id, origin.place)
        if self._claim.is_new:
            self._claim.adopt(self._without_marker(origin.groups))

    @classmethod
    def open(cls, sync: Sync, environment: Mapping[str, str], origin: Origin) -> Files:
        """The folder of this sync. It is created with the first file.

        Raises ActivationError if it belongs to another warehouse.
        """
        root = path_of("TIDELINE_DELIVERIES", environment)
        return cls(Folder(root / file_stem(sync.name)), sync, origin)

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """Return the groups whose file is missing or has a wrong number of rows; empty these files.

        Also deletes files that a crash left incomplete or that have the former format, and empties
        files of groups that the ledger does not know. Files of other owners are not changed.
        """
        there = self._place.names()
        if not there:
            return [group for group, rows in expected.items() if rows]
        with contextlib.suppress(OSError):  # `send` reports it
            self._claim.add([])
        self._place.delete_parts(lambda name: self._claim.owns(name) or name == MARKER)
        groups = {self._file(group): group for group in expected}
        for name in filter(self._claim.owns, there):
            if not name.endswith(f".{self._format}"):
                self._place.delete(name)
                self._claim.drop(name)
            elif name not in groups and self._count(name) != 0:
                self._write(name, {}, keep_members=False)
        lost = []
        for name, group in groups.items():
            if (rows := self._count(name)) != expected[group]:
                lost.append(group)
                if rows >= 0 and self._claim.owns(name):
                    self._write(name, {}, keep_members=False)
        return lost

    def has_moved(self, before: str) -> bool:
        """Whether the place at `before` is gone; `repair` then finds what is missing here."""
        return self._place.is_gone(before)

    def drafts(self, batch: Sequence[Operation], most: int) -> list[Draft]:
        """The lines to write and to take out, by file."""
        files: dict[str, list[Operation]] = defaultdict(list)
        for each in batch:
            files[self._file(self._group_of(each))].append(each)
        found = []
        for name, operations in files.items():
            gone = [each.key for each in operations if each.op == "remove"]
            written = [each.key | each.row for each in operations if each.op != "remove"]
            kinds = ((f"take out of {name}", gone), (f"write into {name}", written))
            found += [Draft(what, rows) for what, rows in kinds if rows]
        return found[:most]

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
            name = self._file(group)
            path = f"{self.where}/{name}"
            try:
                self._claim.add([])
                if not self._claim.owns(name) and self._place.exists(name):
                    problems[group] = Outcome(
                        "held",
                        f"{path} was not written by this sync; move it away, then run again",
                    )
                    continue
                self._claim.add([name])
                self._write(name, operations)
            except ActivationError as error:
                problems[group] = Outcome("held", str(error))
            except NotDoneError as error:
                problems[group] = error.outcome
            except OSError as error:
                problems[group] = Outcome(
                    "busy",
                    f"{path} cannot be written ({error.strerror or type(error).__name__}); the old "
                    "file is unchanged. Make room or give write permission, then run again",
                )
        accepted = Outcome("accepted")
        return [problems.get(self._group_of(operation), accepted) for operation in batch]

    def read_back(self, batch: Sequence[Operation]) -> list[Match | Outcome]:
        """Compare the lines of the files."""
        groups: dict[str, dict[str, Operation]] = defaultdict(dict)
        for each in batch:
            groups[self._group_of(each)][self._identity(each.key)] = each
        told: dict[str, Match | Outcome] = {}
        for group, operations in groups.items():
            name = self._file(group)
            try:
                with self._content(name) as source:
                    told |= self._matches(source, operations)
            except NotDoneError as error:
                told |= dict.fromkeys(operations, error.outcome)
            except OSError as error:
                reason = f"{name} cannot be read ({error.strerror or type(error).__name__})"
                told |= dict.fromkeys(operations, Outcome("busy", reason))
        return [told[self._identity(each.key)] for each in batch]

    def _matches(
        self, source: TextIO, operations: Mapping[str, Operation]
    ) -> dict[str, Match | Outcome]:
        """How the lines of a file compare with the rows that it should have, by key."""
        found: dict[str, Match | Outcome] = dict.fromkeys(operations, "missing")
        is_csv = self._format == "csv"
        for line in csv.DictReader(source) if is_csv else _lines(source):
            try:
                held = json.loads(line) if isinstance(line, str) else line
                as_sent = (
                    {c: plain(text or "") for c, text in held.items() if c} if is_csv else held
                )
                identity = self._identity(as_sent)
            except (ValueError, AttributeError):
                continue  # not our line
            if identity in operations:
                row = operations[identity].key | operations[identity].row
                if is_csv:
                    same = all(held.get(c) == cell(value) for c, value in row.items())
                else:
                    same = held == row
                found[identity] = "equal" if same else "different"
        return found

    def _file(self, group: str) -> str:
        """The name of the file of a group."""
        return f"{file_stem(group or self._name)}.{self._format}"

    def _group_of(self, operation: Operation) -> str:
        return str(operation.key[self._group_by]) if self._group_by else ""

    def _identity(self, key: Mapping[str, Any]) -> str:
        """A key as text; the same for a key to be sent and a key read back from a file."""
        values = [key.get(column) for column in self._key]
        if self._format == "csv":
            values = [plain(cell(value)) for value in values]
        return json.dumps(values)

    def _write(
        self, name: str, operations: Mapping[str, Operation], keep_members: bool = True
    ) -> None:
        """Replace a file by one with `operations` applied. Raises OSError."""
        write = self._write_csv if self._format == "csv" else self._write_jsonl
        with self._content(name) as source, self._place.replace(name) as target:
            write(source, operations, keep_members, target)

    @contextlib.contextmanager
    def _content(self, name: str) -> Iterator[TextIO]:
        """A file to read; an empty one if it is missing."""
        with contextlib.ExitStack() as opened:
            try:
                source = opened.enter_context(self._place.read(name))
            except FileNotFoundError:
                source = io.StringIO()
            yield source

    def _write_jsonl(
        self,
        source: TextIO,
        operations: Mapping[str, Operation],
        keep_members: bool,
        target: TextIO,
    ) -> None:
        columns = self._header(operations.values())
        for line in _lines(source) if keep_members else ():
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
        self,
        source: TextIO,
        operations: Mapping[str, Operation],
        keep_members: bool,
        target: TextIO,
    ) -> None:
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

    def _count(self, name: str) -> int:
        """The number of rows in a file; -1 if it is missing or has another format."""
        try:
            with self._place.read(name) as source:
                if self._format == "jsonl":
                    return sum(1 for _ in _lines(source))
                return sum(1 for _ in csv.DictReader(source))
        except (FileNotFoundError, csv.Error):
            return -1

    def _without_marker(self, groups: Mapping[str, int]) -> list[str]:
        """The files that an earlier release wrote without a marker.

        They have as many rows as the ledger says, or are empty because the group has no rows.
        """
        if not groups:
            return []
        expected = {self._file(group): rows for group, rows in groups.items()}
        return [
            name
            for name in self._place.names()
            if name.endswith(f".{self._format}")
            and self._count(name) == expected.get(name, 0)
            and (name in expected or self._is_empty(name))
        ]

    def _is_empty(self, name: str) -> bool:
        """Whether a file without rows is one that this class has emptied."""
        with self._place.read(name) as source:
            if self._format == "jsonl":
                return not source.read(1)
            return next(csv.reader(source), [])[: len(self._key)] == list(self._key)


class ServedFiles(Files):
    """Files at a place that answers, such as a bucket or a server, and so may not answer."""

    @classmethod
    def at(cls, place: Place, sync: Sync, origin: Origin) -> Files:
        """The files at a place. Raises ActivationError if they cannot be read or are not ours."""
        try:
            return cls(place, sync, origin)
        except NotDoneError as error:
            raise ActivationError(f"{error.outcome.reason}; nothing is sent") from None

    def repair(self, expected: Mapping[str, int]) -> list[str]:
        """As `Files` does. Raises ActivationError if the files cannot be read or written."""
        try:
            return super().repair(expected)
        except NotDoneError as error:
            raise ActivationError(f"{error.outcome.reason}; run again") from None


def file_stem(name: str) -> str:
    """A file name, without extension, that is safe on every system and unique for each name.

    A name of lower-case letters, digits, `_` and `-` is kept. Any other name is cleaned and gets a
    short hash, so that names stay different where the file system ignores case.
    """
    clean = re.sub(r"[^a-z0-9_-]+", "_", name.lower())[:80].strip("_-") or "group"
    if clean == name:
        return clean
    return f"{clean}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _lines(source: TextIO) -> Iterator[str]:
    """The lines of a file that are not empty."""
    for line in source:
        if line := line.strip("\r\n"):
            yield line
