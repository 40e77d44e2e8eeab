"""Lists every landed file once, so that each is read once.

A file with changed content is listed again under a numbered name. If lines were only added to a
file of JSON lines, only these are read; any other file is read as a whole, and repeated rows are
duplicates by their event id. A file written by `land` replaces the former file of the same landing:
that one is marked as removed here, and its rows are removed from all tables
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
LANDING_NOTE = b"tideline_landing"  # the same as in tideline/landing/landings.py
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
# Replaces the hash if the path is not a regular file: a pipe, a device, a link to itself.
NOT_A_FILE = "not a file"
GROWING = (".jsonl", ".ndjson", ".json")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 24  # bytes, as in raw_messages
BLOCK = 1 << 20  # bytes per read


@dataclass(frozen=True)
class Content:
    """The hash of a file's content, and the bytes and rows at its start that were read before."""

    content_hash: str
    start_byte: int = 0
    start_line: int = 0


class NothingLanded(Exception):
    """There is nothing to read. It is shown without a traceback, because the code is right."""

    __traceback__ = None  # dbt-duckdb prints this attribute


def place(path: str, sources: Iterable[str]) -> tuple[str, str | None] | None:
    """Source and table of a path in the landing folder; None if it belongs to no source.

    `events/**` belongs to the collector, `<source>/<table>/**` to a source that is switched on; a
    file directly in `<source>/` has no table. Names that begin with `.` or `_` are ignored, because
    they are internal or incomplete files.
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
    """The status of a file, or of the link if it leads to itself; None if the file was deleted."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise unreadable(path, error) from error
    return path.lstat()


def content(path: Path, former: dict | None) -> Content | None:
    """The content of a file; None if it was deleted after it was listed.

    `former`: the row of its last listed content.
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
    """The content of a file of JSON lines if its first `size` bytes are unchanged; else None.

    A line that was incomplete when it was read belongs to the new part.
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
    """The error for a file that exists but cannot be read."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return OSError(f"{name} cannot be read ({error.strerror}).")


def landing_id(path: Path) -> str | None:
    """The id of a file's landing; None if `land` did not write the file.

    Any program can write such a note, so an invalid note is ignored.
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
    """A row for each new or changed file, and for each file that such a file replaces.

    `taken` maps paths to their rows so far, in order. A file is read only if its size or time
    differs from all of these that were not removed. A name that is not UTF-8 is listed with escaped
    bytes.
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
        if not S_ISREG(about.st_mode):  # reading a pipe would never end
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
    """The name of the content of a file by its number, such as `a.jsonl#2`.

    If another file has this name, the next free number is used.
    """
    name = f"{path}#{number}" if number > 1 else path
    while name in given or (name != path and name in paths):
        number += 1
        name = f"{path}#{number}"
    return name


def is_any(files: DuckDBPyRelation) -> bool:
    """Whether dbt lists any file; with `--empty` it lists none."""
    try:
        return bool(files.limit(1).fetchall())
    except Error:  # a name is not UTF-8
        return True


def listed(landing: Path) -> list[str]:
    """The paths of all files in the landing folder, including names that are not UTF-8.

    A link to a folder is not followed; it is listed, so that the build reports it.
    """
    files = [
        Path(folder, name)
        for folder, folders, names in os.walk(landing)
        for name in (*names, *(each for each in folders if Path(folder, each).is_symlink()))
    ]
    return [path.relative_to(landing).as_posix() for path in files]


def model(dbt: Any, session: DuckDBPyConnection) -> DuckDBPyRelation:
    """The dbt model: one row per landed file; see landed_files.yml for the columns."""
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

    # A later load has a later time, even if the machine's clock was set back. The difference is one
    # second, because rows that are validated again (int_events_deduplicated) add microseconds.
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
