"""List every landed file once, so that each is read once.

A file whose content changed since it was taken is taken again under a numbered name, so that what
it gained is not lost; the rows it repeats are duplicates by their event id. But what `land` wrote
replaces what it wrote before of the same landing: the older file is marked as removed here, and its
rows leave all tables (docs/decisions/0008-landings-are-replaced.md).
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection, DuckDBPyRelation, Error

COLLECTOR = "events"
LANDING_NOTE = b"tideline_landing"  # as orchestration/ingestion/landings.py writes it
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
        ("landing_id", pa.string()),
        ("removed_at", pa.timestamp("us")),
    ]
)


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
    if len(folders) > 1 and folders[0] in sources:
        return folders[0], folders[1] if len(folders) > 2 else None
    return None


def content_hash(path: Path) -> str | None:
    """Hash of what a file holds; None if it is gone since it was listed."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha1", _bufsize=1 << 20).hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> OSError:
    """The error of a file that is there and cannot be read."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return OSError(f"{name} cannot be read ({error.strerror}).")


def landing_id(path: Path) -> str | None:
    """Which landing a file is of; None if `land` did not write it."""
    if path.suffix != ".parquet":
        return None
    try:
        note = (pq.read_metadata(path).metadata or {})[LANDING_NOTE]
        return str(json.loads(note)["landing_id"])
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException):
        return None


def new_files(
    landing: Path, paths: Iterable[str], sources: Iterable[str], taken: dict[str, list[dict]]
) -> Iterator[dict[str, Any]]:
    """A row for each file that is new or changed, and for each that such a file replaces.

    `taken` maps paths to the rows of what was taken of them; a file is read only where size or time
    differ from all of these that were not removed. A name that is not UTF-8 is listed with its
    bytes escaped.
    """
    changed = []
    for name in sorted(paths):
        path = os.fsencode(name).decode("utf-8", "backslashreplace")
        owner = place(path, sources)
        if owner is None:
            continue
        try:
            about = (landing / name).stat()
            versions = [row for row in taken.get(path, []) if row["removed_at"] is None]
            known = {(version["size_bytes"], version["changed_ns"]) for version in versions}
            if (about.st_size, about.st_mtime_ns) in known:
                continue
        except FileNotFoundError:  # gone since it was listed
            continue
        except OSError as error:
            raise unreadable(landing / name, error) from error
        if S_ISREG(about.st_mode):  # to read a pipe would wait for ever
            changed.append((name, path, owner, about, versions))
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(content_hash, [landing / name for name, *_ in changed]))
    for (name, path, owner, about, versions), digest in zip(changed, digests, strict=True):
        if digest is None or digest in {version["content_hash"] for version in versions}:
            continue
        number = len(taken.get(path, [])) + 1
        of_landing = landing_id(landing / name) if owner[0] == "collector" else None
        yield {
            "landed_file": f"{path}#{number}" if number > 1 else path,
            "path": path,
            "source": owner[0],
            "table_name": owner[1],
            "size_bytes": about.st_size,
            "changed_ns": about.st_mtime_ns,
            "content_hash": digest,
            "landing_id": of_landing,
        }
        for version in versions:
            if of_landing and version["landing_id"] == of_landing:
                yield {**version, "is_replaced": True}


def is_any(files: DuckDBPyRelation) -> bool:
    """Whether dbt lists files; with `--empty` it lists none."""
    try:
        return bool(files.limit(1).fetchall())
    except Error:  # there is a name that is not UTF-8
        return True


def listed(landing: Path) -> list[str]:
    """Paths of the files below the landing folder, whatever bytes they are called by."""
    files = [Path(folder, name) for folder, _, names in os.walk(landing) for name in names]
    return [path.relative_to(landing).as_posix() for path in files]


def model(dbt: Any, session: DuckDBPyConnection) -> DuckDBPyRelation:
    """One row per landed file; see landed_files.yml for the columns."""
    dbt.config(
        materialized="incremental", incremental_strategy="delete+insert", unique_key="landed_file"
    )
    landing = Path(os.environ.get("TIDELINE_LANDING", "landing"))
    places = json.loads(dbt.config.meta_get("sources"))
    sources = [source for source, place in places.items() if place == "landing"]
    files = dbt.source("landing", "event_files")
    paths = listed(landing) if is_any(files) else []

    taken: dict[str, list[dict]] = {}
    if dbt.is_incremental:
        for row in session.execute(f"from {dbt.this}").to_arrow_table().to_pylist():
            taken.setdefault(row["path"], []).append(dict.fromkeys(SCHEMA.names) | row)
    # `dbt build --empty` lists no files, whatever there is.
    is_empty = not paths and not any((landing / COLLECTOR).glob("*"))
    if not taken and (is_empty or (paths and not any(place(path, sources) for path in paths))):
        raise NothingLanded(
            f"Nothing has landed: {landing / COLLECTOR} holds no *.jsonl, *.jsonl.gz or *.parquet. "
            "Put events there in the Segment tracking format, land a log of your own "
            "(python -m orchestration.ingestion.land FILE), or make the sample business "
            "(python -m orchestration.ingestion.sample). TIDELINE_LANDING names another folder."
        )

    # A later load has a later instant, even after the machine's clock was set back: by a second,
    # since rows that are judged again (landed_events) count on in microseconds.
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
