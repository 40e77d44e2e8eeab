"""Reads a log (CSV, JSON lines, Parquet; gzip too) as rows with line numbers, even if damaged.

Text files are first converted to a temporary Parquet file, line by line and in constant memory. An
unreadable row keeps its line number and its text there, and does not stop the load.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tideline.landing.json_columns import stage_keys
from tideline.landing.mapping import LogFormat, MappingError
from tideline.landing.names import identifier, literal, unique
from tideline.landing.readers import create_readers
from tideline.progress import reading
from tideline.text import counted
from tideline.warehouse.duckdb_file import only_row

CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".log")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
SUFFIXES = (*CSV_SUFFIXES, *JSON_SUFFIXES, ".parquet")
# Size of a row group: rows, and characters of JSON lines.
BATCH_ROWS, BATCH_TEXT = 50_000, 1 << 24
# A quoted field with more characters than this is an unclosed quote.
FIELD_LIMIT = 1 << 20
INTEGER = r"-?(0|[1-9]\d{0,14})(\.0+)?"
DECIMAL = r"-?(0|[1-9]\d*)(\.\d+)?"
FLOATS = ("FLOAT", "DOUBLE")
AS_USUAL = LogFormat()
# Excel writes the delimiter into a line before the column names.
SAYS_DELIMITER = re.compile(r"sep=([^\r\n])[\r\n]*", re.IGNORECASE)
UNDECODED = re.compile("[\udc80-\udcff]")


class LandError(Exception):
    """A log cannot be landed; the message names the file, what is wrong, and the fix."""


class Record(NamedTuple):
    """One row of a text file: its line from 1, and its values, or its problem and text."""

    line: int
    values: list[str] | None
    problem: str | None = None
    original: str | None = None


@dataclass(frozen=True)
class Log:
    """A log as a relation.

    `select` gives `_tl_line` (from 1), `_tl_problem`, `_tl_row` (the text of the whole row),
    `_tl_text` (struct of the columns as written, text files only) and the columns.
    `columns` maps column names to DuckDB types. `is_partial` is true if the file has more rows.
    """

    path: Path
    select: str
    columns: dict[str, str]
    is_text: bool
    is_partial: bool = False


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB with limited memory that spills into `folder`, with the functions of a mapping."""
    con = duckdb.connect()
    con.execute(f"set temp_directory = {literal(folder / 'spill')}")
    con.execute("set memory_limit = '1GB'")
    con.execute("set preserve_insertion_order = true")
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = true")  # for `Progress.following`; not printed
    con.execute("set enable_progress_bar_print = false")
    create_readers(con)
    return con


def stem_of(path: Path) -> str:
    """File name without the suffixes of its format: `events.json.gz` is `events`."""
    name = path.name.removesuffix(".gz")
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name


def open_log(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    folder: Path,
    format: LogFormat = AS_USUAL,
    most_rows: int | None = None,
) -> Log:
    """Open a log, or its first `most_rows` rows; temporary files of a text log go to `folder`.

    Raises `LandError` if the file is missing, has an unknown suffix, or is damaged as a whole.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in SUFFIXES:
        raise LandError(
            f"{path}: is not a log that can be read; rename it to end in one of "
            f"{', '.join(SUFFIXES)}, with or without .gz"
        )
    try:
        types: dict[str, str] = {}
        if kind == ".parquet":
            source = f"read_parquet({literal(path)}, file_row_number = true)"
            (total,) = only_row(con, f"select count(*) from {source}")
            is_partial = most_rows is not None and total > most_rows
            if is_partial:
                source = f"(from {source} where file_row_number < {most_rows})"
            names = [name for name, *_ in con.execute(f"describe from {source}").fetchall()]
            raw = {name: identifier(name) for name in names if name != "file_row_number"}
            head = (
                "file_row_number + 1 as _tl_line, null::varchar as _tl_problem, "
                "null::varchar as _tl_original, "
            )
        else:
            stage = folder / "rows.parquet"
            is_partial = stage_text(path, stage, kind, format, most_rows)
            source = f"read_parquet({literal(stage)})"
            head = "_tl_line, _tl_problem, _tl_original, "
            if kind in CSV_SUFFIXES:
                raw, types = csv_columns(con, source)
                types = {n: kind for n, kind in types.items() if n.lower() not in format.texts}
            else:
                keys = folder / "keys.parquet"
                names, types = stage_keys(con, source, keys)
                if not names:
                    raise LandError(
                        f"{path}: holds no JSON object with a key; one object per line is expected"
                    )
                stage.unlink()
                source = f"read_parquet({literal(keys)})"
                raw = {name: identifier(name) for name in names}
        types |= format.types
        columns = f"(select {head} struct_pack({packed(raw)}) as _tl_raw from {source})"
        log = typed_log(con, path, columns, list(raw), types, kind != ".parquet")
        return replace(log, is_partial=is_partial)
    except FileNotFoundError:
        raise LandError(f"{path}: there is no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = f"the gzip file is damaged or cut ({error}); get it again"
        raise LandError(f"{path}: {problem}") from None
    except UnicodeError as error:
        fix = "name its encoding in the mapping (csv.encoding)"
        raise LandError(f"{path}: {error}; {fix}") from None
    except OSError as error:
        raise LandError(f"{path}: cannot be read: {error.strerror or error}") from None
    except duckdb.Error as error:
        raise LandError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None


def typed_log(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    source: str,
    names: list[str],
    types: dict[str, str],
    is_text: bool,
) -> Log:
    """Cast the columns to `types`; a row with a value that cannot be cast gets a problem.

    `source` has the uncast columns in the struct `_tl_raw`, and `_tl_line`, `_tl_problem`,
    `_tl_original`. Raises `MappingError` for a type that DuckDB does not know.
    """
    for name, kind in types.items():
        try:
            con.execute(f"select try_cast(null as {kind})")
        except duckdb.Error:
            raise MappingError(f"types.{name}: {kind!r} is not a DuckDB type") from None
    columns = ", ".join(
        f"try_cast(_tl_raw.{identifier(name)} as {types[name]}) as {identifier(name)}"
        if name in types
        else f"_tl_raw.{identifier(name)} as {identifier(name)}"
        for name in names
    )
    failures = "".join(
        f" when _tl_raw.{identifier(name)} is not null "
        f"and try_cast(_tl_raw.{identifier(name)} as {types[name]}) is null "
        f"then {literal(f'{name} is not a valid {types[name].lower()}')}"
        for name in names
        if name in types
    )
    select = f"""
        select
            _tl_line,
            case when _tl_problem is not null then _tl_problem{failures} end as _tl_problem,
            coalesce(_tl_original, cast(to_json(_tl_raw) as varchar)) as _tl_row,
            {"_tl_raw" if is_text else "null"} as _tl_text,
            {columns}
        from {source}
    """
    described = con.execute(f"describe {select}").fetchall()
    found = {name: kind for name, kind, *_ in described if not name.startswith("_tl_")}
    return Log(path, select, found, is_text)


def packed(columns: dict[str, str]) -> str:
    """SQL of names and expressions as the fields of a struct."""
    return ", ".join(f"{identifier(name)} := {sql}" for name, sql in columns.items())


def csv_columns(
    con: duckdb.DuckDBPyConnection, source: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of a staged CSV file as SQL, and the types of those that hold only numbers.

    A code with a leading zero, or with more digits than a double holds, is not a number.
    """
    names = [name for name, *_ in con.execute(f"describe from {source}").fetchall()]
    names = [name for name in names if not name.startswith("_tl_")]
    tests = ", ".join(
        f"bool_and(regexp_full_match({c}, '{INTEGER}')), "
        f"bool_and(regexp_full_match({c}, '{DECIMAL}') and length({c}) <= 16)"
        for c in map(identifier, names)
    )
    found = con.execute(f"select {tests} from {source}").fetchone() or ()
    types = {}
    for name, integer, decimal in zip(names, found[::2], found[1::2], strict=True):
        if integer or decimal:
            types[name] = "BIGINT" if integer else "DOUBLE"
    return {name: identifier(name) for name in names}, types


@contextmanager
def text_lines(path: Path, encoding: str, newline: str) -> Iterator[Iterator[str]]:
    """The lines of a text file, gzip too; bytes invalid in the encoding become surrogates."""
    with reading(path) as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        plain = gzip.GzipFile(fileobj=file) if is_gzip else file
        try:
            yield io.TextIOWrapper(
                plain,
                encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding,
                errors="surrogateescape",
                newline=newline,
            )
        except LookupError:
            raise MappingError(f"csv.encoding: unknown encoding {encoding!r}") from None


def likely_delimiter(first: str) -> str:
    """The most frequent of the usual delimiters in the first line of a CSV file."""
    return max(",;\t|", key=first.count)


def stage_text(path: Path, stage: Path, kind: str, format: LogFormat, most: int | None) -> bool:
    """Write the rows of a text file to a Parquet file `stage`, all columns as text.

    Returns whether the file has more than `most` rows; only the first `most` are written.
    """
    newline = "" if kind in CSV_SUFFIXES else "\n"
    with text_lines(path, format.encoding, newline) as lines:
        if kind in CSV_SUFFIXES:
            first = next(lines, None)
            said = SAYS_DELIMITER.fullmatch(first or "")
            first = next(lines, None) if said else first
            if first is None:
                raise LandError(f"{path}: is empty; a CSV file begins with its column names")
            delimiter = format.delimiter or (said[1] if said else likely_delimiter(first))
            if not format.columns and UNDECODED.search(first):
                raise LandError(
                    f"{path}: line {1 + bool(said)} is not {format.encoding.upper()}; name its "
                    "encoding in the mapping (csv.encoding)"
                )
            header = next(csv_reader([first], delimiter), [])
            names = unique(format.columns or header)
            again = [first] if format.columns else []
            start = (1 if format.columns else 2) + bool(said)
            records = csv_records(again, lines, delimiter, len(names), start)
        else:
            names, records = [], json_records(lines, path)
        write_stage(stage, names, islice(records, most))
        return most is not None and next(records, None) is not None


def csv_reader(lines: Iterable[str], delimiter: str, strict: bool = False) -> Iterator[list[str]]:
    """The rows of CSV text; with a blank as delimiter, any run of blanks is one delimiter."""
    if delimiter == " ":
        lines = (line.strip() + "\n" for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ", strict=strict)


def write_stage(stage: Path, names: list[str], records: Iterable[Record]) -> None:
    """Write records to a Parquet file, in batches."""
    fields = ["_tl_problem", "_tl_original", *names]
    schema = pa.schema([("_tl_line", pa.int64()), *((name, pa.string()) for name in fields)])
    nothing = [None] * len(names)
    with pq.ParquetWriter(stage, schema, compression="zstd") as writer:

        def write(batch: list[Record]) -> None:
            rows = zip(*(r.values or nothing for r in batch), strict=True)
            # An empty field of a CSV file is null.
            texts = [[value or None for value in column] for column in rows]
            heads = [[r.line for r in batch], [r.problem for r in batch]]
            writer.write_table(
                pa.table([*heads, [r.original for r in batch], *texts], schema=schema)
            )

        batch: list[Record] = []
        size = 0
        for record in records:
            batch.append(record)
            size += len(record.original or "")
            if len(batch) == BATCH_ROWS or size >= BATCH_TEXT:
                write(batch)
                batch, size = [], 0
        if batch:
            write(batch)


def json_records(lines: Iterable[str], path: Path) -> Iterator[Record]:
    """The lines of a JSON-lines file without blank ones; DuckDB validates the JSON later."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if number == 1 and text.startswith("["):
            raise LandError(
                f"{path}: is one JSON array; one object per line is expected "
                "(`jq -c '.[]' FILE > FILE.jsonl` makes it so)"
            )
        yield Record(number, None, *undecoded(text))


def undecoded(text: str) -> tuple[str | None, str]:
    r"""The problem of a text with undecoded bytes, if any, and the text with `\xe9` for them."""
    if text.isascii() or not UNDECODED.search(text):
        return None, text
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "not UTF-8; name its encoding in the mapping (csv.encoding)", plain


def csv_records(
    again: list[str], lines: Iterator[str], delimiter: str, width: int, number: int
) -> Iterator[Record]:
    """The rows of a CSV file from line `number` on: the lines `again`, then `lines`.

    A row has a problem if its quotes or the number of its columns (`width`) are wrong. Only its
    first line is rejected, and the next lines are parsed again: they may follow an unclosed quote.
    """
    waiting = deque(again)
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while True:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                return
            taken.append(line)
            yield line

    csv.field_size_limit(FIELD_LIMIT)
    reader = csv_reader(feed(), delimiter, strict=True)
    while True:
        taken.clear()
        problem = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"quotes are wrong: {error}"
        if not values and not problem:
            number += len(taken)
            continue
        if not problem and len(values) != width:
            problem = f"{counted(len(values), 'column')} instead of {width}"
        if problem:
            waiting.extendleft(reversed(taken[1:]))
            reader = csv_reader(feed(), delimiter, strict=True)
            yield Record(number, None, problem, undecoded(taken[0].rstrip("\r\n"))[1])
            number += 1
            continue
        problem, original = undecoded("".join(taken))
        if problem:
            yield Record(number, None, problem, original.rstrip("\r\n"))
        else:
            yield Record(number, values)
        number += len(taken)
