"""Read every landed file once, row by row, losing nothing.

On one machine this model is the loader: it takes the files of the landing folder that it has not
taken yet. A file whose content changed since is taken again under a numbered name, so that what it
gained is not lost; the rows it repeats are duplicates by their message id. A file that cannot be
read, or is of another kind, is one row with the problem, so that it ends in quarantine.
On Snowflake a load fills this table (docs/snowflake.md), and the default selection of selectors.yml
leaves the model out.
"""

import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

FIELDS = {
    "type": "VARCHAR",
    "event": "VARCHAR",
    "name": "VARCHAR",
    "messageId": "VARCHAR",
    "anonymousId": "VARCHAR",
    "userId": "VARCHAR",
    "timestamp": "VARCHAR",
    "originalTimestamp": "VARCHAR",
    "sentAt": "VARCHAR",
    "receivedAt": "VARCHAR",
    "context": "JSON",
    "properties": "JSON",
    "traits": "JSON",
}
# A byte that JSON text cannot hold unescaped: it makes the CSV reader hand over whole lines.
READ_LINES = (
    "read_csv(%s, columns = {'line': 'varchar'}, header = false, auto_detect = false, "
    "delim = E'\\x01', quote = '', escape = '', nullstr = E'\\x02', max_line_size = 67108864)"
)
JSON_LINES = (".jsonl", ".ndjson", ".json", ".gz")
CHUNK_LINES = 100_000


def quoted(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def exactly(path: Path) -> str:
    """The SQL literal of a path that the readers take as it is, not as a pattern."""
    return quoted(re.sub(r"([\[\]*?])", r"[\1]", str(path)))


def fingerprint(path: Path) -> str:
    """Size, time of change and hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return f"{path.stat().st_size}-{path.stat().st_mtime_ns}-{digest}"


def is_known(path: Path, marks: Iterable[str]) -> bool:
    """Whether a file has one of these fingerprints; it is read only if size or time differ."""
    stamp = f"{path.stat().st_size}-{path.stat().st_mtime_ns}-"
    if any(mark.startswith(stamp) for mark in marks):
        return True
    return fingerprint(path).split("-")[-1] in {mark.split("-")[-1] for mark in marks}


def new_files(
    paths: Iterable[Path], landing: Path, taken: dict[str, str]
) -> Iterator[tuple[Path, str, str]]:
    """Pair each file that is new or changed with the name under which its rows are landed.

    `taken` maps the landed names to their fingerprints.
    """
    marks: dict[str, list[str]] = {}
    for name, mark in taken.items():
        marks.setdefault(name.rsplit("#", 1)[0], []).append(mark)
    for path in sorted(paths):
        name = path.relative_to(landing).as_posix()
        versions = marks.get(name, [])
        if not versions:
            yield path, name, fingerprint(path)
        elif not is_known(path, versions):
            yield path, f"{name}#{len(versions) + 1}", fingerprint(path)


def unreadable(session: DuckDBPyConnection, sql: str) -> str | None:
    """Why DuckDB cannot read something, or None when it can."""
    try:
        session.execute(sql).fetchall()
    except Exception as error:  # whatever the reader says: the file is then read more carefully
        return str(error).split("\n")[0]
    return None


def careful_lines(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield (line number, text, problem) of a JSONL file that the fast reader refused."""
    inflate = zlib.decompressobj(wbits=47) if path.suffix.lower() == ".gz" else None
    rest, number, problem = b"", 0, None
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                rest += inflate.decompress(chunk) if inflate else chunk
                while inflate and inflate.eof and inflate.unused_data:  # one gzip after another
                    left, inflate = inflate.unused_data, zlib.decompressobj(wbits=47)
                    rest += inflate.decompress(left)
            except zlib.error as error:
                problem = f"file is damaged from here on: {error}"
                break
            *lines, rest = rest.split(b"\n")
            for line in filter(None, (line.rstrip(b"\r") for line in lines)):
                number += 1
                yield number, *decoded(line)
    if inflate and not inflate.eof and not problem:
        problem = "file ends early: its gzip stream is cut here"
    if rest or problem:
        text, wrong = decoded(rest)
        yield number + 1, text, problem or wrong


def decoded(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and what is wrong with its bytes."""
    try:
        return line.decode("utf-8"), None
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), "not valid UTF-8"


def land_carefully(session: DuckDBPyConnection, path: Path, name: str, mark: str) -> None:
    """Put the lines of one broken file into the temporary table `careful_lines`."""
    session.execute(
        "create temp table if not exists careful_lines "
        "(landed_file varchar, landed_line bigint, mark varchar, line varchar, problem varchar)"
    )
    chunk = []
    for number, text, problem in careful_lines(path):
        chunk.append((name, number, mark, text, problem))
        if len(chunk) == CHUNK_LINES:
            insert_chunk(session, chunk)
            chunk = []
    if chunk:
        insert_chunk(session, chunk)


def insert_chunk(session: DuckDBPyConnection, rows: list[tuple]) -> None:
    """Append rows to `careful_lines` through Arrow."""
    columns = list(zip(*rows, strict=True))
    types = [pa.string(), pa.int64(), pa.string(), pa.string(), pa.string()]
    names = ["landed_file", "landed_line", "mark", "line", "problem"]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    session.register("careful_chunk", pa.table(arrays, names=names))
    session.execute("insert into careful_lines select * from careful_chunk")
    session.unregister("careful_chunk")


def lines_of(session: DuckDBPyConnection, path: Path, name: str, mark: str) -> str:
    """A select of `landed_file, landed_line, mark, line, problem` over one file."""
    head = f"select {quoted(name)} as landed_file, row_number() over () as landed_line, "
    head += f"{quoted(mark)} as mark, "
    if path.suffix.lower() == ".parquet":
        # Every cell is read: a file may end well and still be damaged in the middle.
        cells = f"select max(length(to_json(t)::varchar)) from read_parquet({exactly(path)}) as t"
        problem = unreadable(session, cells)
        if problem:
            problem = quoted("not a readable Parquet file: " + problem)
            return f"{head} null as line, {problem} as problem"
        return (
            f"{head} to_json(t)::varchar as line, null as problem "
            f"from read_parquet({exactly(path)}) as t"
        )
    if not path.name.lower().endswith(JSON_LINES):
        problem = quoted("not a kind of file that is read: JSON lines (*.jsonl, *.gz) or *.parquet")
        return f"{head} null as line, {problem} as problem"
    reader = READ_LINES % exactly(path)
    if unreadable(session, f"select max(length(line)) from {reader}"):
        land_carefully(session, path, name, mark)
        return f"select * from careful_lines where landed_file = {quoted(name)}"
    return f"{head} line, null as problem from {reader}"


def message_columns(lines: str, landed_at: datetime) -> str:
    """A select of the table's columns over a select of lines."""
    spec = "{" + ", ".join(f'"{field}": "{kind}"' for field, kind in FIELDS.items()) + "}"

    def unwrapped(field: str) -> str:  # an archive may hold an object as JSON text
        return (
            f"case when json_type(m.{field}) = 'VARCHAR' and json_valid(m.{field} ->> '$') "
            f"then (m.{field} ->> '$')::json else m.{field} end as {field}"
        )

    return f"""
        with lines as ({lines}),

        parsed as (
            select
                *,
                case
                    when json_valid(line) and json_type(line) = 'OBJECT'
                        then from_json(line, '{spec}')
                end as m,
            from lines
        ),

        -- A row that `land` could not read brings the problem and the original with it.
        judged as (
            select
                * exclude (problem),
                case
                    when problem is not null then problem
                    when m is null then 'not a JSON object'
                    when coalesce(trim(m.messageId), '') = ''
                        then coalesce(m.properties ->> 'problem', 'no messageId')
                end as problem,
            from parsed
        )

        select
            landed_file,
            landed_line::bigint as landed_line,
            {quoted(landed_at)}::timestamp as landed_at,
            mark as landed_fingerprint,
            m.type as type,
            m.event as event,
            m.name as name,
            m.messageId as message_id,
            m.anonymousId as anonymous_id,
            m.userId as user_id,
            m.timestamp as sent_timestamp,
            m.originalTimestamp as original_timestamp,
            m.sentAt as sent_at,
            m.receivedAt as received_at,
            {unwrapped("context")},
            {unwrapped("properties")},
            {unwrapped("traits")},
            problem,
            case when problem is not null then coalesce(m.properties ->> 'original', line) end
                as original
        from judged
    """


def model(dbt: Any, session: DuckDBPyConnection) -> DuckDBPyRelation:
    """One row per landed row; see docs/architecture.md for the columns."""
    dbt.config(materialized="incremental", incremental_strategy="append")
    landing = Path(os.environ.get("TIDELINE_LANDING", "landing"))
    listed = [Path(row[0]) for row in dbt.source("landing", "event_files").fetchall()]
    paths = [path for path in listed if not path.name.startswith((".", "_"))]

    taken = {}
    if dbt.is_incremental:
        taken = dict(
            session.execute(
                f"select distinct landed_file, landed_fingerprint from {dbt.this}"
            ).fetchall()
        )
    if not paths and not taken and not any((landing / "events").glob("*")):
        raise FileNotFoundError(
            f"Nothing has landed: {landing / 'events'} holds no *.jsonl, *.jsonl.gz or *.parquet. "
            "Put events there in the Segment tracking format, land a log of your own "
            "(python -m orchestration.ingestion.land FILE), or make the sample business "
            "(python -m orchestration.ingestion.sample). TIDELINE_LANDING names another folder."
        )

    session.execute("drop table if exists careful_lines")
    selects = [
        lines_of(session, path, name, mark) for path, name, mark in new_files(paths, landing, taken)
    ]
    nothing = "select '' as landed_file, 0 as landed_line, '' as mark, '' as line, '' as problem"
    lines = " union all ".join(selects) or f"{nothing} where false"
    # A later load has a later instant, even after the machine's clock was set back.
    last = f"(select max(landed_at) from {dbt.this})" if dbt.is_incremental else "null::timestamp"
    now = f"select greatest(now() at time zone 'UTC', {last} + interval '1 microsecond')"
    landed_at = session.execute(now).fetchall()[0][0]
    return session.sql(message_columns(lines, landed_at))
