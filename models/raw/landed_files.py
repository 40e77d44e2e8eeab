"""List every landed file once, so that each is read once.

A file whose content changed since it was taken is taken again under a numbered name: of JSON lines
that were only added to, what was added; of any other all of it, and the rows that it repeats are
duplicates by their event id. But what `land` wrote replaces what it wrote before of the same
landing: the older file is marked as removed here, and its rows leave all tables
(docs/decisions/0008-landings-are-replaced.md).
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection, DuckDBPyRelation, Error

COLLECTOR = "events"
LANDING_NOTE = b"tideline_landing"  # as tideline/landing/landings.py writes it
SCHEMA = pa.schema(
    [
        ("landed_file", pa.string()),
        ("path", pa.string()),
        ("source", pa.string()),
        ("table_name", pa.string()),
        ("landed_at", pa.timestamp("us")),
        ("size_bytes", pa.int64()),
        ("changed_ns", pa.int64()),
        ("content_hash", pa.string()),
        ("start_byte", pa.int64()),
        ("start_line", pa.int64()),
        ("landing_id", pa.string()),
        ("removed_at", pa.timestamp("us")),
    ]
)
# Instead of the hash, for what is not a regular file: a pipe, a device, a link to itself.
NOT_A_FILE = "not a file"
GROWING = (".jsonl", ".ndjson", ".json")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 24  # bytes, as in raw_messages
BLOCK = 1 << 20  # bytes that are read at a time


@dataclass(frozen=True)
class Content:
    """Hash of what a file holds; the bytes and rows at its start that were taken before."""

    content_hash: str
    start_byte: int = 0
    start_line: int = 0


class NothingLanded(Exception):
    """There is nothing to read. It is told without a traceback: no code has to be changed."""

    __traceback__ = None  # dbt-duckdb prints what stands here


def place(path: str, sources: Iterable[str]) -> tuple[str, str | None] | None:
    """Source and table that a path below the landing folder belongs to; None if to none.

    `events/**` is the collector's, `<source>/<table>/**` that of a source which is switched on; a
    file that lies in `<source>/` itself has no table. What begins with `.` or `_` is somebody's
    bookkeeping or half-written.
    """
    folders = path.split("/")
    if any(part.startswith((".", "_")) for part in folders):
        return None
    if folders[0] == COLLECTOR:
        return "collector", None
    if folders[0] in sources:
        return folders[0], folders[1] if len(folders) > 2 else None
    return None


def status(path: Path) -> os.stat_result | None:
    """What the file system says of a file; of a link that leads to itself what it says of the link.

    None if the file is gone since it was listed.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise unreadable(path, error) from error
    return path.lstat()


def content(path: Path, former: dict | None) -> Content | None:
    """What a file holds; None if it is gone since it was listed.

    `former` is the row of what was last taken of it.
    """
    try:
        with path.open("rb") as file:
            if former and path.name.lower().endswith(GROWING):
                if grown := grown_content(file, former["size_bytes"], former["content_hash"]):
                    return grown
                file.seek(0)
            return Content(hashlib.file_digest(file, "sha1", _bufsize=BLOCK).hexdigest())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error


def grown_content(file: Any, size: int | None, former_hash: str | None) -> Content | None:
    """What a file of JSON lines holds whose first `size` bytes are as they were; None if not.

    A line that was cut off when it was taken belongs to what is new.
    """
    digest = hashlib.sha1()
    left, lines, cut = size or 0, 0, b""
    while left and (block := file.read(min(BLOCK, left))):
        if left == size and block.startswith(BYTE_ORDER_MARK):
            return None
        digest.update(block)
        left -= len(block)
        *whole, cut = (cut + block).split(b"\n")
        lines += sum(1 for line in whole if line and not line.isspace())
        if len(cut) > LONGEST_LINE:
            return None
    if not size or left or digest.hexdigest() != former_hash:
        return None
    start, block = size - len(cut), file.read(BLOCK)
    if block.startswith((b"\n", b"\r\n")) and not cut.isspace():
        start, lines = size, lines + bool(cut)
    while block:
        digest.update(block)
        block = file.read(BLOCK)
    return Content(digest.hexdigest(), start, lines)


def unreadable(path: Path, error: OSError) -> OSError:
    """The error of a file that is there and cannot be read."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return OSError(f"{name} cannot be read ({error.strerror}).")


def landing_id(path: Path) -> str | None:
    """Which landing a file is of; None if `land` did not write it.

    Anybody can write a note, so one that `land` would not write is none.
    """
    if path.suffix != ".parquet":
        return None
    try:
        note = (pq.read_metadata(path).metadata or {})[LANDING_NOTE]
        noted = json.loads(note)["landing_id"]
        return noted if re.fullmatch("[0-9a-f]{32}", noted) else None
    except (KeyError, TypeError, ValueError, OSError, RecursionError, pa.ArrowException):
        return None


def new_files(
    landing: Path, paths: Iterable[str], sources: Iterable[str], taken: dict[str, list[dict]]
) -> Iterator[dict[str, Any]]:
    """A row for each file that is new or changed, and for each that such a file replaces.

    `taken` maps paths to the rows of what was taken of them, in order; a file is read only where
    size or time differ from all of these that were not removed. A name that is not UTF-8 is listed
    with its bytes escaped.
    """
    names = set(paths)
    given = {row["landed_file"] for rows in taken.values() for row in rows}
    changed = []
    for name in sorted(names):
        path = os.fsencode(name).decode("utf-8", "backslashreplace")
        owner = place(path, sources)
        about = status(landing / name) if owner else None
        versions = [row for row in taken.get(path, []) if row["removed_at"] is None]
        known = {(version["size_bytes"], version["changed_ns"]) for version in versions}
        if about and (about.st_size, about.st_mtime_ns) not in known:
            changed.append((name, path, owner, about, versions))

    def content_of(name: str, about: os.stat_result, versions: list[dict]) -> Content | None:
        if not S_ISREG(about.st_mode):  # to read a pipe would wait for ever
            return Content(NOT_A_FILE)
        return content(landing / name, versions[-1] if versions else None)

    with ThreadPoolExecutor() as pool:
        contents = list(pool.map(lambda each: content_of(each[0], *each[3:]), changed))
    for (name, path, owner, about, versions), found in zip(changed, contents, strict=True):
        if found is None or found.content_hash in {each["content_hash"] for each in versions}:
            continue
        landed_file = free_name(path, len(taken.get(path, [])) + 1, given, names)
        given.add(landed_file)
        can_be_landing = owner[0] == "collector" and found.content_hash != NOT_A_FILE
        of_landing = landing_id(landing / name) if can_be_landing else None
        yield {
            "landed_file": landed_file,
            "path": path,
            "source": owner[0],
            "table_name": owner[1],
            "size_bytes": about.st_size,
            "changed_ns": about.st_mtime_ns,
            **asdict(found),
            "landing_id": of_landing,
        }
        for version in versions:
            if of_landing and version["landing_id"] == of_landing:
                yield {**version, "is_replaced": True}


def free_name(path: str, number: int, given: set[str], paths: set[str]) -> str:
    """The name of the content of a file that is taken as its first, second and so on.

    Another file may be called what would be this name, `a.jsonl#2`: then a later number is taken.
    """
    name = f"{path}#{number}" if number > 1 else path
    while name in given or (name != path and name in paths):
        number += 1
        name = f"{path}#{number}"
    return name


def is_any(files: DuckDBPyRelation) -> bool:
    """Whether dbt lists files; with `--empty` it lists none."""
    try:
        return bool(files.limit(1).fetchall())
    except Error:  # there is a name that is not UTF-8
        return True


def listed(landing: Path) -> list[str]:
    """Paths of the files below the landing folder, whatever bytes they are called by.

    A link to a folder is not followed: it is listed, so that a build says so.
    """
    files = [
        Path(folder, name)
        for folder, folders, names in os.walk(landing)
        for name in (*names, *(each for each in folders if Path(folder, each).is_symlink()))
    ]
    return [path.relative_to(landing).as_posix() for path in files]


def model(dbt: Any, session: DuckDBPyConnection) -> DuckDBPyRelation:
    """One row per landed file; see landed_files.yml for the columns."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="delete+insert",
        unique_key="landed_file",
        on_schema_change="append_new_columns",
    )
    landing = Path(os.environ.get("TIDELINE_LANDING", "landing"))
    places = json.loads(dbt.config.meta_get("sources"))
    sources = [source for source, place in places.items() if place == "landing"]
    files = dbt.source("landing", "event_files")
    paths = listed(landing) if is_any(files) else []

    taken: dict[str, list[dict]] = {}
    if dbt.is_incremental:
        query = f"from {dbt.this} order by landed_at"
        for row in session.sql(query).to_arrow_table().to_pylist():
            taken.setdefault(row["path"], []).append(dict.fromkeys(SCHEMA.names) | row)
    # `dbt build --empty` never lists files.
    is_empty = not paths and not any((landing / COLLECTOR).glob("*"))
    if not taken and (is_empty or (paths and not any(place(path, sources) for path in paths))):
        raise NothingLanded(
            f"Nothing has landed: {landing / COLLECTOR} holds no *.jsonl, *.jsonl.gz or *.parquet. "
            "Put events there in the Segment tracking format, land a log of your own "
            "(tideline land FILE), or make the sample business "
            "(tideline sample). TIDELINE_LANDING names another folder."
        )

    # A later load has a later instant, even if the machine's clock was set back: by one second,
    # since rows that are validated again (int_events_deduplicated) add microseconds.
    last = f"(select max(landed_at) from {dbt.this})" if dbt.is_incremental else "null::timestamp"
    now = f"select greatest(now() at time zone 'UTC', {last} + interval '1 second')"
    landed_at = session.execute(now).fetchall()[0][0]
    rows = [
        {**row, "removed_at": landed_at}
        if row.pop("is_replaced", False)
        else {**row, "landed_at": landed_at}
        for row in new_files(landing, paths, sources, taken)
    ]
    return session.from_arrow(pa.Table.from_pylist(rows, schema=SCHEMA))
