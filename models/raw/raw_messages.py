"""Reads the rows of files that `landed_files` lists and this table does not have yet.

Messages of the collector become columns; a row of a source's table becomes one JSON record. An
unreadable line is a row too, with the problem and the original, so that it is quarantined.
On Snowflake a load fills this table (docs/how-to/run-on-snowflake.md), and the default selection
of selectors.yml leaves the model out.
"""

import contextlib
import csv
import fcntl
import gzip
import json
import os
import re
import shutil
import tempfile
import zlib
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import duckdb
import pyarrow as pa

FIELDS = {
    "type": "varchar",
    "event": "varchar",
    "name": "varchar",
    "messageId": "varchar",
    "anonymousId": "varchar",
    "userId": "varchar",
    "previousId": "varchar",
    "groupId": "varchar",
    "timestamp": "varchar",
    "originalTimestamp": "varchar",
    "sentAt": "varchar",
    "receivedAt": "varchar",
    "context": "json",
    "properties": "json",
    "traits": "json",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 24  # bytes; a longer line is not a message
LONGEST_ORIGINAL = 1 << 16  # bytes of such a line that are kept
BROKEN_CSV = (csv.Error, OSError, EOFError, UnicodeError, zlib.error)
CSV_LINES = 100  # longest quoted value in a broken CSV file
CHUNK_ROWS = 50_000  # notes held in memory
UNKNOWN = "unsupported file type: use *.jsonl or *.parquet, for tables also *.csv, or *.gz of these"
GONE = "file disappeared before it was read; it will be read once it is back"
NOT_UTF8 = "file name is not valid UTF-8: land the file under another name"
NOT_A_FILE = "not a regular file: a pipe, a device, or a link to a folder or to itself"
# Each nested list doubles the time that DuckDB needs to write JSON; at 200 levels it fails.
DEEPEST_LISTS, DEEPEST = 12, 64
EMPTY_OBJECT = re.compile(rb"\s*\{\s*\}\s*")
EMPTY_ROWS = 1000  # empty objects stored per file; the others are only counted
EMPTY = (
    "select null::varchar as path, 0 as line, null::varchar as wrong, null::json as record, "
    + ", ".join(f'null::{kind} as "{name}"' for name, kind in FIELDS.items())
    + " where false"
)
NOTES = pa.schema(
    [("path", pa.string()), ("line", pa.int64()), ("text", pa.string()), ("wrong", pa.string())]
)


@dataclass(frozen=True)
class Kind:
    """How a file is read: `form` is json, parquet, csv or other."""

    form: str
    is_message: bool
    is_gzip: bool

    @property
    def is_told(self) -> str:
        """The SQL condition that a row is readable and not empty."""
        if self.is_message:
            return "coalesce(trim(messageId), '') <> ''"
        return (
            "(coalesce(json_type(record) = 'OBJECT', false) "
            "and trim(record::varchar, '{} \t\r\n') <> '')"
        )


def kind_of(path: Path, is_message: bool) -> Kind:
    """The kind of a file, from its name."""
    is_gzip = path.name.lower().endswith(".gz")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    form = {".parquet": "parquet", ".csv": "csv"}.get(suffix, "other")
    if suffix in (".jsonl", ".ndjson", ".json") or (is_gzip and is_message):
        form = "json"
    if (form == "csv" and is_message) or (form == "parquet" and is_gzip):
        form = "other"
    return Kind(form, is_message, is_gzip)


def quoted(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def exactly(path: Path) -> str:
    """The SQL literal of a path with the special characters of patterns escaped."""
    return quoted(re.sub(r"([\[\]*?])", r"[\1]", str(path)))


def pieces_of(path: Path) -> Iterator[tuple[bytes, str | None]]:
    """Yield (content, problem) of a file in uncompressed pieces; a problem is the last one."""
    with path.open("rb") as file:
        chunks = iter(lambda: file.read(1 << 20), b"")
        if not path.name.lower().endswith(".gz"):
            yield from ((chunk, None) for chunk in chunks)
            return
        inflate = zlib.decompressobj(wbits=31)
        for chunk in chunks:
            while chunk := chunk.lstrip(b"\0") if inflate.eof else chunk:  # a gzip may be padded
                if inflate.eof:  # another gzip stream follows
                    inflate = zlib.decompressobj(wbits=31)
                before = inflate.copy()
                try:
                    text = inflate.decompress(chunk)
                except zlib.error as error:
                    yield sound_part(before, chunk), f"file is damaged from here on: {error}"
                    return
                chunk = inflate.unused_data
                yield text, None
        if not inflate.eof:
            yield b"", "file ends early: its gzip stream is truncated here"


def sound_part(inflate: Any, chunk: bytes) -> bytes:
    """The content of a damaged chunk up to the invalid byte."""
    text = b""
    with contextlib.suppress(zlib.error):
        for byte in range(len(chunk)):
            text += inflate.decompress(chunk[byte : byte + 1])
    return text


def chunks_of(path: Path) -> Iterator[tuple[int, list[bytes], str | None]]:
    """Yield (number of the first line, lines, problem) of a JSONL file in chunks.

    Lines are numbered as in DuckDB, without blank ones. A problem comes with one line, the last.
    """
    rest, number, problem, is_begun = b"", 1, None, False
    for text, ended in pieces_of(path):
        problem = ended
        text = text if is_begun else text.removeprefix(BYTE_ORDER_MARK)
        is_begun = True
        *lines, rest = (rest + text).split(b"\n")
        lines = [line for line in lines if line and not line.isspace()]
        yield number, lines, None
        number += len(lines)
        rest = rest[: LONGEST_LINE + 1]  # limits the memory for an endless line
    if rest.strip() or problem:
        yield number, [rest], problem


def csv_names(path: Path, is_gzip: bool) -> tuple[list[str], str]:
    """The unique names in the first line of a CSV file, and their delimiter."""
    with csv_text(path, is_gzip) as file:
        header = file.readline(LONGEST_LINE).encode("utf-8", "surrogateescape")
    header = header.decode("utf-8", "replace")
    delimiter = max(",;\t|", key=header.count)
    names: list[str] = []
    for name in next(csv.reader([header], delimiter=delimiter, strict=True), []):
        name = name or f"column{len(names)}"
        number, once = 0, name
        while once.lower() in map(str.lower, names):
            number += 1
            once = f"{name}_{number}"
        names.append(once)
    return names, delimiter


def csv_text(path: Path, is_gzip: bool) -> TextIO:
    """A CSV file as text; invalid UTF-8 becomes surrogates."""
    opened = gzip.open if is_gzip else open
    return opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")


def csv_rows(path: Path, is_gzip: bool) -> Iterator[tuple[str, str | None]]:
    """Yield (row as JSON, None) or (line, problem) of a CSV file with broken rows.

    A quoted value may have several lines; if it never ends, only its first line is broken.
    """
    csv.field_size_limit(LONGEST_LINE)
    try:
        names, delimiter = csv_names(path, is_gzip)
        with csv_text(path, is_gzip) as file:
            file.readline(LONGEST_LINE)
            ahead: deque[str] = deque()
            while line := ahead.popleft() if ahead else file.readline(LONGEST_LINE):
                lines, cells, problem = [line], [], None
                while len(lines) <= CSV_LINES:
                    try:
                        cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
                        break
                    except csv.Error as error:
                        problem = str(error)
                        more = ahead.popleft() if ahead else file.readline(LONGEST_LINE)
                        if "unexpected end" not in problem or not more:
                            ahead.extendleft([more] if more else [])
                            break
                        lines.append(more)
                if not cells and problem is None:  # DuckDB also leaves out blank lines
                    if len(names) > 1:
                        continue
                    cells = [""]
                if len(cells) == len(names):
                    text, problem = "".join(lines), None
                else:
                    ahead.extendleft(reversed(lines[1:]))
                    text = line
                    problem = f"{len(cells)} values instead of {len(names)}" if cells else problem
                try:
                    text.encode()
                except UnicodeEncodeError:
                    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    problem = "not valid UTF-8"
                if problem:
                    yield text.rstrip("\r\n"), f"not a row of the CSV file: {problem}"
                else:
                    row = zip(names, (cell or None for cell in cells), strict=True)
                    yield json.dumps(dict(row)), None
    except BROKEN_CSV as error:
        yield "", f"not a readable CSV file from here on: {error}"


def text_of(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and the problem of its bytes (None if there is none)."""
    if len(line) > LONGEST_LINE:
        return line[:LONGEST_ORIGINAL].decode("utf-8", "replace"), "longer than 16 MiB"
    try:
        return line.strip().decode("utf-8"), None
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), "not valid UTF-8"


def json_rows(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield (line, problem) of a JSONL file."""
    for _, lines, problem in chunks_of(path):
        for line in lines:
            text, wrong = text_of(line)
            yield text, problem or wrong


class JsonLines:
    """Files of JSON lines of one kind, which DuckDB reads in one scan; broken ones as copies.

    Unreadable lines are in the temporary table `line_notes`, with their text.
    """

    def __init__(self, session: duckdb.DuckDBPyConnection, kind: Kind, scratch: Path) -> None:
        """`scratch`: a folder for repaired copies of broken files."""
        self.session = session
        self.kind = kind
        self.scratch = scratch
        self.copies: dict[Path, Path] = {}  # original by repaired copy
        self.known: dict[tuple[str, int], tuple[str, str]] = {}  # problems of the copies' lines

    def selects(self, paths: list[Path]) -> Iterator[str]:
        """Selects that cover all files; broken ones are first repaired in a copy."""
        sound = [path for path in paths if self.kind.form == "json" and self.is_sound(path)]
        try:
            yield from self.checked_selects(sound, self.kind.is_gzip)
        except duckdb.Error:  # a file is truncated or has an endless line
            sound = [path for path in sound if self.is_readable(path)]
            yield from self.checked_selects(sound, self.kind.is_gzip)
        copies = [self.mended(path) for path in paths if path not in sound]
        yield from self.checked_selects(copies, is_gzip=False)

    def checked_selects(self, paths: list[Path], is_gzip: bool) -> Iterator[str]:
        """Selects from files, after their unreadable rows have been noted."""
        if not paths:
            return
        suspects = self.suspects(self.select(paths, is_gzip))
        crowded = [
            path for path, rows in suspects.items() if rows > EMPTY_ROWS and is_crowded(path)
        ]
        if noted := [path for path in suspects if path not in crowded]:
            self.note_suspects(self.select(noted, is_gzip))
        thinned = [self.thinned(path) for path in crowded]
        if thinned:
            self.note_suspects(self.select(thinned, is_gzip=False))
            yield self.select(thinned, is_gzip=False)
        if sound := [path for path in paths if path not in crowded]:
            yield self.select(sound, is_gzip)

    def select(self, paths: list[Path], is_gzip: bool) -> str:
        """A select of `path, line` and the columns; an unreadable line is all null.

        Window functions without an order number the rows in the order of the file, in one thread.
        Therefore each thread gets a share of the files.
        """
        by_size = sorted(paths, key=lambda path: -path.stat().st_size)
        threads = self.session.execute("select current_setting('threads')").fetchall()[0][0]
        shares = filter(None, (by_size[first::threads] for first in range(threads)))
        return " union all ".join(self.share(paths, is_gzip) for paths in shares)

    def share(self, paths: list[Path], is_gzip: bool) -> str:
        """The select from files that are read one after another."""
        return f"""
            select
                * exclude (filename, running, starts),
                filename as path,
                running - max(case when starts then running end) over (
                    rows between unbounded preceding and current row
                ) + 1 as line,
            from (
                select
                    *,
                    row_number() over () as running,
                    filename is distinct from lag(filename) over () as starts,
                from read_json(
                    [{", ".join(exactly(path) for path in paths)}],
                    columns = {FIELDS if self.kind.is_message else {"record": "json"}},
                    records = {self.kind.is_message}, format = 'newline_delimited',
                    compression = '{"gzip" if is_gzip else "uncompressed"}',
                    ignore_errors = true, filename = true, maximum_object_size = {LONGEST_LINE}
                )
            )
        """

    def is_sound(self, path: Path) -> bool:
        """Whether DuckDB can read the start of a file.

        A byte order mark is not JSON, and DuckDB reads no row from a file with a single byte.
        """
        opened = gzip.open if self.kind.is_gzip else open
        try:
            with opened(path, "rb") as file:
                head = file.read(3)
        except (OSError, EOFError, zlib.error):  # not gzip
            return False
        return len(head) != 1 and head != BYTE_ORDER_MARK

    def is_readable(self, path: Path) -> bool:
        """Whether DuckDB can read a file to its end."""
        try:
            select = self.select([path], self.kind.is_gzip)
            self.session.execute(f"select max(line) from ({select})").fetchall()
        except duckdb.Error:
            return False
        return True

    def suspects(self, select: str) -> dict[Path, int]:
        """The number of unreadable rows by file."""
        query = f"select path, count(*) from ({select}) where not {self.kind.is_told} group by path"
        return {Path(path): rows for path, rows in self.session.execute(query).fetchall()}

    def note_suspects(self, select: str) -> None:
        """Note the text of every unreadable row, and the problem of its bytes."""
        numbers = defaultdict(set)
        query = f"select path, line from ({select}) where not {self.kind.is_told}"
        for path, line in self.session.execute(query).fetchall():
            numbers[path].add(line)
        notes = (
            (path, number, *self.known.get((path, number), text_of(lines[number - first])))
            for path, suspects in numbers.items()
            for first, lines, _ in chunks_of(Path(path))
            for number in suspects.intersection(range(first, first + len(lines)))
        )
        while chunk := list(islice(notes, CHUNK_ROWS)):
            noted = pa.table([list(column) for column in zip(*chunk, strict=True)], schema=NOTES)
            self.session.register("noted", noted)
            self.session.execute("insert into line_notes select * from noted")
            self.session.unregister("noted")

    def mended(self, path: Path) -> Path:
        """A copy of a broken file with `null` instead of unreadable lines."""
        copy = new_copy(self.scratch)
        rows = csv_rows(path, self.kind.is_gzip) if self.kind.form == "csv" else json_rows(path)
        with copy.open("w", encoding="utf-8", newline="\n") as file:
            for number, (text, wrong) in enumerate(rows, start=1):
                if wrong:
                    self.known[str(copy), number] = text, wrong
                file.write("null\n" if wrong else text + "\n")
        self.copies[copy] = path
        return copy

    def thinned(self, path: Path) -> Path:
        """A copy with one row, `null`, instead of all empty objects beyond EMPTY_ROWS.

        `kept_lines` gets the original numbers of its rows.
        """
        copy = new_copy(self.scratch)
        numbers, empty_rows, first_counted = [], 0, 0
        with copy.open("wb") as file:
            for first, lines, problem in chunks_of(path):
                if empty_rows > EMPTY_ROWS and lines.count(b"{}") == len(lines):
                    empty_rows += len(lines)  # skips chunks of empty objects fast
                    continue
                for number, line in enumerate(lines, start=first):
                    is_counted = False
                    if EMPTY_OBJECT.fullmatch(line):
                        empty_rows += 1
                        is_counted = empty_rows > EMPTY_ROWS
                        if is_counted and first_counted:
                            continue
                    numbers.append(number)
                    wrong = problem or self.known.get((str(path), number), (None, None))[1]
                    if is_counted:
                        first_counted = len(numbers)
                    elif wrong:
                        text, _ = self.known.get((str(path), number), text_of(line))
                        self.known[str(copy), len(numbers)] = text, wrong
                    file.write(b"null\n" if is_counted or wrong else line.strip() + b"\n")
        counted = empty_rows - EMPTY_ROWS
        self.known[str(copy), first_counted] = (
            "{}",
            f"empty object; {counted - 1:,} more in this file are counted here, not stored",
        )
        kept = pa.table({"path": [str(copy)] * len(numbers), "line": range(1, len(numbers) + 1)})
        kept = kept.append_column("landed_line", pa.array(numbers, pa.int64()))
        self.session.register("kept", kept)
        self.session.execute("insert into kept_lines select * from kept")
        self.session.unregister("kept")
        self.copies[copy] = path
        return copy


def is_crowded(path: Path) -> bool:
    """Whether a file has more than EMPTY_ROWS empty objects."""
    left = EMPTY_ROWS
    for _, lines, _ in chunks_of(path):
        left -= sum(1 for line in lines if len(line) < 16 and EMPTY_OBJECT.fullmatch(line))
        if left < 0:
            return True
    return False


def new_copy(scratch: Path) -> Path:
    """The path of a new copy in the scratch folder."""
    return scratch / f"{len(list(scratch.iterdir()))}.jsonl"


def grown_part(path: Path, start_byte: int, scratch: Path) -> Path:
    """A copy of the part that was added to a file."""
    copy = new_copy(scratch)
    with path.open("rb") as file, copy.open("wb") as part:
        file.seek(start_byte)
        shutil.copyfileobj(file, part, 1 << 20)
    return copy


def missing(path: Path) -> str:
    """The reason why a path is not a file."""
    if os.path.lexists(path):
        return NOT_A_FILE
    return NOT_UTF8 if re.search(r"\\x[89a-f][0-9a-f]", str(path)) else GONE


def too_deep(session: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The problem of a Parquet file with columns nested too deeply; None if there is none."""
    query = f"select repetition_type, num_children from parquet_schema({exactly(path)})"
    open_groups: list[list[int]] = []  # remaining children, and lists so far
    for repetition, children in session.execute(query).fetchall():
        lists = (open_groups[-1][1] if open_groups else 0) + (repetition == "REPEATED")
        if lists > DEEPEST_LISTS or len(open_groups) > DEEPEST:
            return f"nested deeper than {DEEPEST_LISTS} lists or {DEEPEST} levels"
        if open_groups:
            open_groups[-1][0] -= 1
        if children:
            open_groups.append([children, lists])
        while open_groups and not open_groups[-1][0]:
            open_groups.pop()
    return None


def select_of_records(session: duckdb.DuckDBPyConnection, path: Path, kind: Kind) -> str | None:
    """A select of `path, line, record, wrong` from a file other than JSON lines.

    None if it is a CSV file with a broken row, because DuckDB reads all of its rows or none.
    """
    head = f"select {quoted(path)} as path, row_number() over () as line"
    nothing = f"{head}, null::json as record"
    if not path.is_file():
        return f"{nothing}, {quoted(missing(path))} as wrong"
    if kind.form == "other":
        return f"{nothing}, {quoted(UNKNOWN)} as wrong"
    try:
        reader = csv_reader(path, kind) if kind.form == "csv" else f"read_parquet({exactly(path)})"
        if kind.form == "parquet" and (wrong := too_deep(session, path)):
            return f"{nothing}, {quoted(f'not a readable Parquet file: {wrong}')} as wrong"
        # Reads every cell, because a file with a valid end may be damaged in the middle.
        record = 'to_json("the row")'
        query = f'select max(length({record}::varchar)) from {reader} as "the row"'
        session.execute(query).fetchall()
    except (duckdb.Error, RuntimeError, *BROKEN_CSV) as error:
        if kind.form == "csv":
            return None
        wrong = "not a readable Parquet file: " + str(error).split("\n")[0]
        return f"{nothing}, {quoted(wrong.replace(str(path), path.name))} as wrong"
    return f'{head}, {record} as record, null as wrong from {reader} as "the row"'


def csv_reader(path: Path, kind: Kind) -> str:
    """The call that reads a CSV file and fails at a broken row, which auto-detection would skip."""
    names, delimiter = csv_names(path, kind.is_gzip)
    if not names:
        raise csv.Error("no header")
    columns = "{" + ", ".join(f"{quoted(name)}: 'varchar'" for name in names) + "}"
    return (
        f"read_csv({exactly(path)}, auto_detect = false, columns = {columns}, header = true, "
        f"delim = {quoted(delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        f"compression = '{'gzip' if kind.is_gzip else 'none'}', max_line_size = {LONGEST_LINE})"
    )


def select_of_messages(records: str) -> str:
    """A select of the records with the fields of their messages."""
    spec = "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in FIELDS.items()) + "}"
    return f"select *, unnest(from_json(record, {quoted(spec)})) from ({records})"


def scratch_folder() -> Path:
    """A folder for copies that exists as long as this module, because dbt writes the rows later.

    The module holds a lock on it. `make forget` and the next build remove folders without a lock.
    """
    for folder in Path(tempfile.gettempdir()).glob("tideline-raw-*/lock"):
        with contextlib.suppress(OSError), folder.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder.parent)
    while True:
        scratch = tempfile.TemporaryDirectory(prefix="tideline-raw-", ignore_cleanup_errors=True)
        path = Path(scratch.name, "lock")
        lock = path.open("wb")  # held as long as the module exists
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():  # else it was removed before it was locked
            break
    globals()["SCRATCH"] = scratch, lock
    return path.parent


def rows_of(session: duckdb.DuckDBPyConnection, files: list[tuple]) -> str:
    """A select of all rows of new files; fills `new_files`, `kept_lines` and `line_notes`.

    `files`: (path, start_byte, source, landed_file, table_name, landed_at, start_line) of each.
    """
    scratch = scratch_folder()
    by_kind = defaultdict(list)
    places = {}
    for path, start_byte, source, *rest in files:
        if start_byte and path.is_file():
            path = grown_part(path, start_byte, scratch)
        kind = kind_of(path, source == "collector")
        by_kind[kind if path.is_file() else replace(kind, form="other")].append(path)
        places[path] = source, *rest
    selects = [EMPTY]
    for kind, paths in by_kind.items():
        if kind.form != "json":
            records = {path: select_of_records(session, path, kind) for path in paths}
            found = filter(None, records.values())
            selects += map(select_of_messages, found) if kind.is_message else found
            paths = [path for path, select in records.items() if select is None]
        reader = JsonLines(session, kind, scratch)
        selects += reader.selects(paths)
        for copy, path in reader.copies.items():  # also copies of copies
            places[copy] = places[path]
    for path, place in places.items():
        session.execute("insert into new_files values (?, ?, ?, ?, ?, ?)", [str(path), *place])
    return " union all by name ".join(f"({select})" for select in selects)


def unwrapped(field: str) -> str:
    """SQL of an object, parsed from text if an archive stores it as text."""
    return (
        f"case when starts_with({field}::varchar, '\"') and json_valid({field} ->> '$') "
        f"then ({field} ->> '$')::json else {field} end as {field}"
    )


def model(dbt: Any, session: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The dbt model: one row per landed row; see raw_messages.yml for the columns."""
    dbt.config(materialized="incremental", incremental_strategy="append")
    landing = Path(os.environ.get("TIDELINE_LANDING", "landing"))
    landed_files = dbt.ref("landed_files")
    taken = f"(select max(landed_at) from {dbt.this})" if dbt.is_incremental else "null"
    is_new = f"landed_at > coalesce({taken}, timestamp '1970-01-01')"
    new = landed_files.filter(f"{is_new} and removed_at is null")
    # Each thread reads its own files; the post hook resets the setting.
    session.execute("set preserve_insertion_order = false")
    columns = "source, landed_file, table_name, landed_at"
    # A file that changed after a failed run had listed it is listed twice, but read once, from the
    # start of the first listing.
    starts = "path, coalesce(start_byte, 0), coalesce(start_line, 0)"
    listed: dict[str, tuple] = {}
    for path, start_byte, start_line, *rest in (
        new.order("landed_at").project(f"{starts}, {columns}").fetchall()
    ):
        start = start_byte, start_line
        listed[path] = min(start, listed[path][0]) if path in listed else start, rest
    files = [
        (landing / path, start_byte, *rest, start_line)
        for path, ((start_byte, start_line), rest) in listed.items()
    ]
    session.execute(
        "create or replace temp table new_files (path varchar, source varchar, "
        "landed_file varchar, table_name varchar, landed_at timestamp, start_line bigint)"
    )
    session.execute(
        "create or replace temp table kept_lines (path varchar, line bigint, landed_line bigint)"
    )
    session.execute(
        "create or replace temp table line_notes "
        "(path varchar, line bigint, text varchar, wrong varchar)"
    )
    rows = rows_of(session, files)
    return session.sql(f"""
        with judged as (
            select
                new_files.landed_file,
                coalesce(kept_lines.landed_line, rows.line)::bigint
                    + new_files.start_line as landed_line,
                new_files.landed_at,
                new_files.source,
                new_files.table_name,
                rows.* exclude (path, line, wrong),
                line_notes.text,
                -- A row that `land` could not read has no call, but has the problem in its
                -- properties. In a message such a property may be personal.
                case when rows.type is null then rows.properties end as told,
                case
                    when rows.wrong is not null then rows.wrong
                    when line_notes.wrong is not null then line_notes.wrong
                    when new_files.source = 'collector' and trim(rows.messageId) <> '' then null
                    when line_notes.text is not null
                        and try(json_type(line_notes.text)) is distinct from 'OBJECT'
                        then 'not a JSON object'
                    when new_files.source = 'collector'
                        then coalesce(told ->> 'problem', 'no event id')
                    when json_type(rows.record) = 'OBJECT' then null
                    else 'not a JSON object'
                end as problem,
            from ({rows}) as rows
            inner join new_files using (path)
            left join line_notes using (path, line)
            left join kept_lines using (path, line)
        )

        select
            landed_file,
            landed_line,
            landed_at,
            source,
            table_name,
            type,
            event,
            name,
            messageId as message_id,
            anonymousId as anonymous_id,
            userId as user_id,
            previousId as previous_id,
            groupId as group_id,
            "timestamp" as sent_timestamp,
            originalTimestamp as original_timestamp,
            sentAt as sent_at,
            receivedAt as received_at,
            {unwrapped("context")},
            {unwrapped("properties")},
            {unwrapped("traits")},
            case when source <> 'collector' then record end as record,
            problem,
            case when problem is not null
                then coalesce(told ->> 'original', text, record::varchar) end as original,
        from judged
    """)
