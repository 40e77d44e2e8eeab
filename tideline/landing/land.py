"""Land somebody's own log: `tideline land FILE... --mapping MAPPING.yml`.

Each row of the log becomes one message in the Segment tracking format, in
`<landing>/events/<file stem>.parquet`. Nothing is lost: a row that cannot be read lands as a
message without `messageId` whose properties hold the row, and the graph quarantines it. Landing a
log again replaces what was landed of it; `--remove` takes it back. Without `--mapping` it proposes
a mapping.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from tideline.landing.landed_check import check_landed
from tideline.landing.landed_report import report
from tideline.landing.landed_words import summary, warnings
from tideline.landing.landings import (
    NOTE,
    also_landed_as,
    name_of,
    next_landing,
    read_landing,
    take_back,
)
from tideline.landing.log_files import (
    FLOATS,
    LandError,
    Log,
    identifier,
    literal,
    open_log,
)
from tideline.landing.mapping import (
    UNITS,
    LogMapping,
    MappingError,
    Time,
    Value,
    check_columns,
    load_mapping,
    nearest,
    parse_mapping,
)
from tideline.landing.plan_check import SEEDS
from tideline.landing.plan_infer import InferError, described, infer_unknown
from tideline.landing.propose import propose
from tideline.progress import Progress
from tideline.text import counted
from tideline.usage import parser as parser_of
from tideline.warehouse.duckdb_file import close_off, only_row
from tideline.warehouse.paths import path_of

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", *FLOATS)
CALLS = ("identify", "group", "alias")
# An offset beyond 18:00, or of 60 minutes and more: no place has it (macros/cross_db/iso_8601.sql).
FAR_OFFSET = r":\d\d.*[+-](18:?(0[1-9]|[1-5]\d)|(19|[2-9]\d)(:?\d\d)?|\d\d:?[6-9]\d)$"
EXAMPLES = 5
RELEARN = "If a build has read them, the next one trains personas and models anew."


@dataclass(frozen=True)
class Landed:
    """What became of one log; row counts, and `unreadable` and `untimed` as (line, why or text).

    rows = landed + the sum of filtered. `unreadable_rows` and `untimed_rows` are among the landed.
    `replaced` is the log, mapping and number of rows of the landing that was there before,
    `other_names` those of other landings of the same log.
    """

    log: Path
    output: Path
    rows: int
    landed: int
    filtered: dict[str, int]
    unreadable_rows: int
    unreadable: list[tuple[int, str]]
    untimed_rows: int
    untimed: list[tuple[int, str | None]]
    replaced: tuple[str, str, int] | None
    other_names: list[str]
    seconds: float

    def summary(self) -> str:
        """The result for a person, a few lines."""
        out = [
            f"{self.log} -> {self.output}",
            f"  {counted(self.rows, 'row')} read, {self.landed:,} landed, "
            f"{sum(self.filtered.values()):,} filtered, {self.unreadable_rows:,} unreadable, "
            f"{self.seconds:.1f} s",
        ]
        if self.replaced:
            log, mapping, rows = self.replaced
            out.append(
                f"  replaces the {counted(rows, 'row')} of {log} that "
                f"{'was' if rows == 1 else 'were'} landed with {mapping}; the next build takes "
                f"{'it' if rows == 1 else 'them'} out (to keep both, give this one a name with "
                "--as NAME)"
            )
            out.append(f"  {RELEARN}")
        if self.other_names:
            out.append(
                f"  warning: this log is also landed as {', '.join(self.other_names)}; unless both "
                f"are meant, take one back: --remove {self.other_names[0]}"
            )
        out += [f"  filtered by {condition}: {n:,}" for condition, n in self.filtered.items()]
        out += [f"  {self.log.name}:{line}: {why}" for line, why in self.unreadable]
        if self.unreadable_rows:
            out.append("  Unreadable rows are landed too; the graph quarantines them.")
        if self.untimed_rows:
            line, text = self.untimed[0]
            out.append(
                f"  {counted(self.untimed_rows, 'row has', 'rows have')} no readable time "
                f"({self.log.name}:{line}: {text!r}) and will be quarantined. If there are many, "
                "say how to read it: "
                "time: {column: ..., format: '%d/%m/%Y %H:%M'}"
            )
        return "\n".join(out)


class Compiler:
    """A mapping over one log as SQL expressions."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, log: Log, mapping: LogMapping, id_prefix: str
    ) -> None:
        """Check the mapping against the log; raises `MappingError`.

        A row without an id of its own is `<id_prefix>:<line>`.
        """
        self.con, self.log, self.mapping, self.id_prefix = con, log, mapping, id_prefix
        check_columns(mapping, log.columns, log.path.name)
        con.execute(f"create or replace temp view _tl_rows as {log.select}")
        for value in mapping.values():
            self.type_of(value)

    def error(self, key: str, message: str) -> MappingError:
        """An error at a place of the mapping."""
        return MappingError(f"{self.mapping.path}: {key}: {message}")

    def natural(self, value: Value) -> str:
        """A value in its own type."""
        if value.kind == "column":
            return identifier(value.value)
        return literal(value.value) if value.kind == "constant" else f"({value.value})"

    def type_of(self, value: Value) -> str:
        """Type of a value in DuckDB; raises `MappingError` if its SQL is wrong."""
        try:
            sql = f"describe select {self.natural(value)} as v from _tl_rows"
            return only_row(self.con, sql)[1]
        except duckdb.Error as error:
            said = " ".join(str(error).split("LINE ")[0].split())
            names = ", ".join(f"{name} {kind}" for name, kind in self.log.columns.items())
            fix = "for text that should be a number say types: {column: double}"
            raise self.error(
                value.key, f"{value.value!r}: {said}; {fix}; there are: {names}"
            ) from None

    def text(self, value: Value) -> str:
        """A value as text, empty text as null; 17850.0 is 17850."""
        if value.kind == "constant":
            return literal(str(value.value))
        sql, kind = self.natural(value), self.type_of(value)
        if kind in FLOATS and value.kind == "column" and self.log.is_text:
            sql = f"_tl_text.{sql}"  # as written: 1.10 is not 1.1
        elif kind in FLOATS:
            sql = (
                f"case when {sql} = trunc({sql}) and isfinite({sql}) "
                f"then coalesce(cast(try_cast({sql} as hugeint) as varchar), "
                f"cast({sql} as varchar)) when not isnan({sql}) then cast({sql} as varchar) end"
            )
        elif kind == "JSON":
            sql = f"({sql} ->> '$')"
        return f"nullif(trim(cast({sql} as varchar)), '')"

    def json(self, value: Value) -> str:
        """A value as JSON, null where JSON has no word for it."""
        sql = self.natural(value)
        if value.kind != "constant" and self.type_of(value) in FLOATS:
            return f"case when isfinite({sql}) then to_json({sql}) end"
        return f"to_json({sql})"

    def object(self, values: dict[str, Value]) -> str:
        """Values as one JSON object without nulls; a dotted name is a path."""
        tree: dict = {}
        for name, value in values.items():
            *path, last = name.split(".")
            node = tree
            for step in path:
                node = node.setdefault(step, {})
                if isinstance(node, str):
                    raise self.error(value.key, f"{step!r} is a value already")
            if last in node:
                raise self.error(value.key, f"{last!r} holds other values already")
            node[last] = self.json(value)

        def build(node: dict) -> str:
            parts = (
                f"{literal(k)}, {build(v) if isinstance(v, dict) else v}" for k, v in node.items()
            )
            return f"json_object({', '.join(parts)})"

        return f"json_merge_patch('{{}}', {build(tree)})"  # a patch of null removes the key

    def instant(self, when: Time) -> str:
        """A time as a UTC timestamp, null where it cannot be read."""
        value, sql, kind = when.value, self.natural(when.value), self.type_of(when.value)
        zone = literal(when.timezone)
        known = self.con.execute(f"select 1 from pg_timezone_names() where name = {zone}")
        if not known.fetchone():
            zones = self.con.execute("select name from pg_timezone_names()").fetchall()
            near = nearest(when.timezone, (name for (name,) in zones))
            raise self.error(f"{value.key}.timezone", f"unknown timezone {when.timezone!r}; {near}")
        is_clock, is_number = kind.startswith(("TIMESTAMP", "DATE")), kind in NUMBERS
        if when.unit and is_clock:
            raise self.error(f"{value.key}.unit", f"{value.value!r} holds {kind}: leave unit out")
        if is_number and not when.unit and not when.format:
            fix = f"say unit: {', '.join(UNITS)}, or format"
            raise self.error(value.key, f"{value.value!r} holds numbers; {fix}")

        def local(clock: str) -> str:  # summer time: docs/reference/landing.md
            return f"timezone('UTC', timezone({zone}, {clock}))"

        text = self.text(value)
        if when.unit:
            micros = f"round(try_cast({text} as double) * {UNITS[when.unit]})"
            read = f"try(make_timestamp(cast({micros} as bigint)))"
        elif when.format:
            parsed = f"try_strptime({text}, {literal(when.format)})"
            is_zoned = "%z" in when.format or "%Z" in when.format
            read = f"timezone('UTC', {parsed})" if is_zoned else local(parsed)
        elif kind == "TIMESTAMP WITH TIME ZONE":
            read = f"timezone('UTC', {sql})"
        elif is_clock:
            read = local(f"cast({sql} as timestamp)")
        else:
            zoned = rf"regexp_matches({text}, ':\d\d.*([zZ]|UTC|GMT|[+-]\d\d(:?\d\d)?)$')"
            read = (
                rf"case when not regexp_matches({text}, '^\d') "
                rf"or regexp_matches({text}, '{FAR_OFFSET}') then null when {zoned} "
                f"then timezone('UTC', try_cast({text} as timestamptz)) "
                f"else {local(f'try_cast({text} as timestamp)')} end"
            )
        return f"case when isfinite({read}) then {read} end"

    def event(self) -> str:
        """The event name as text."""
        event = self.mapping.event
        text = self.text(event.value)
        if not event.names and event.default is None:
            return text
        cases = "".join(f" when {literal(a)} then {literal(b)}" for a, b in event.names.items())
        other = text if event.default is None else literal(event.default)
        named = f"case {text}{cases} else {other} end" if cases else other
        return f"case when {text} is not null then {named} end"

    def rows(self) -> str:
        """The log with `_tl_filter`, the number of the first filter that a row does not pass, the
        event name `_tl_event` and the instants `_tl_at` and `_tl_received`.
        """
        cases = "".join(
            f" when not coalesce({self.natural(condition)}, false) then {number}"
            for number, condition in enumerate(self.mapping.filters)
        )
        received = self.mapping.received_at
        fields = {
            "_tl_filter": f"case when false then 0{cases} end",
            "_tl_event": self.event(),
            "_tl_at": self.instant(self.mapping.time),
            "_tl_received": self.instant(received) if received else "null::timestamp",
        }
        columns = ", ".join(
            f"case when _tl_problem is null then {sql} end as {name}"
            for name, sql in fields.items()
        )
        return f"select *, {columns} from _tl_rows"

    def messages(self) -> str:
        """The select of the messages, in the order of the log."""
        m, file = self.mapping, self.log.path.name
        email = {"traits.email": Value("email", m.email.kind, m.email.value)} if m.email else {}
        line = f"{literal(self.id_prefix + ':')} || _tl_line"
        ids = {
            key: self.text(value) if value else "null::varchar"
            for key, value in [("user", m.user_id), ("anonymous", m.anonymous_id)]
        }
        message_id = f"coalesce({self.text(m.event_id)}, {line})" if m.event_id else line
        fields = {
            "type": f"case when _tl_event in {CALLS} then _tl_event else 'track' end",
            "event": "_tl_event",
            "messageId": message_id,
            "anonymousId": ids["anonymous"],
            "userId": ids["user"],
            "timestamp": f"coalesce({iso('_tl_at')}, {self.text(m.time.value)})",
            # Without a readable time the arrival must not stand in for it.
            "receivedAt": (
                f"case when _tl_at is not null then {iso('coalesce(_tl_received, _tl_at)')} end"
            ),
            "context": self.object(m.context | email),
            "traits": self.object(m.traits) if m.traits else "null::json",
        }
        columns = ", ".join(
            f"case when _tl_problem is null then {sql} end as {identifier(name)}"
            for name, sql in fields.items()
        )
        unreadable = (
            f"json_object('problem', _tl_problem, 'file', {literal(file)}, "
            "'line', _tl_line, 'original', _tl_original)"
        )
        properties = (
            f"case when _tl_problem is not null then {unreadable} "
            f"else {self.object(m.properties)} end as properties"
        )
        return f"select {columns}, {properties} from ({self.rows()}) where _tl_filter is null"

    def blame(self, error: duckdb.Error) -> Exception:
        """The error of the first value of the mapping that fails on the rows."""
        for value in self.mapping.values():
            sql = f"select max(cast({self.natural(value)} as varchar)) from _tl_rows"
            try:
                self.con.execute(f"{sql} where _tl_problem is null")
            except duckdb.Error as failure:
                said = " ".join(str(failure).split("LINE ")[0].split())
                fix = "say types: {column: double} and such rows land as unreadable, or use try()"
                return self.error(value.key, f"{value.value!r}: {said}; {fix}")
        return LandError(f"{self.log.path}: {error}")


def iso(sql: str) -> str:
    """A UTC timestamp as ISO 8601 text with microseconds."""
    return f"strftime({sql}, '%Y-%m-%dT%H:%M:%S.%fZ')"


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB of bounded memory that spills into `folder`."""
    con = duckdb.connect()
    con.execute(f"set temp_directory = {literal(folder / 'spill')}")
    con.execute("set memory_limit = '1GB'")
    con.execute("set preserve_insertion_order = true")
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = true")  # for `Progress.following`, and not printed:
    con.execute("set enable_progress_bar_print = false")
    return con


def land(
    path: Path,
    mapping: LogMapping,
    landing: Path,
    name: str | None = None,
    is_forced: bool = False,
) -> Landed:
    """Land one log as `<landing>/events/<name>.parquet`, its stem unless a name is given.

    What was landed of the same log under this name is replaced; another log only if `is_forced`.
    Raises `LandError` or `MappingError`; then the landing folder is as it was before.
    """
    began = time.perf_counter()
    output = landing / "events" / f"{name_of(path, name)}.parquet"
    if output.exists() and path.exists() and output.samefile(path):
        raise LandError(f"{path}: is in the landing folder already")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=landing, prefix=".land-") as scratch:
        folder = Path(scratch)
        with connect(folder) as con:
            log = open_log(con, path, folder, mapping.format)
            note = next_landing(path, mapping.path, output, is_forced)
            close_off(con, [folder], [path])  # a mapping of somebody else's reads no other file
            compiler = Compiler(con, log, mapping, name or path.name)
            part = folder / "messages.parquet"
            try:
                with Progress(f"landing {path.name}", 100, "%") as shown, shown.following(con):
                    con.execute(
                        f"copy ({compiler.messages()}) to {literal(part)} "
                        f"(compression zstd, kv_metadata {{{NOTE}: {literal(note.note())}}})"
                    )
                    counts = count(con, compiler)
            except duckdb.Error as error:
                raise compiler.blame(error) from None
        replaced = replaced_by(part, output)
        part.replace(output)
    other_names = also_landed_as(path, output)
    seconds = time.perf_counter() - began
    return Landed(
        path, output, **counts, replaced=replaced, other_names=other_names, seconds=seconds
    )


def replaced_by(part: Path, output: Path) -> tuple[str, str, int] | None:
    """Log, mapping and number of rows of what a file is about to replace; None if of nothing."""
    before = read_landing(output) if output.exists() else None
    if not before or not before[1] or filecmp.cmp(part, output, shallow=False):
        return None
    return before[0].log, before[0].mapping, before[1]


def count(con: duckdb.DuckDBPyConnection, compiler: Compiler) -> dict:
    """The counts and examples of `Landed`."""
    rows = f"({compiler.rows()})"
    found = con.execute(
        f"select _tl_filter, count(*), count(_tl_problem), "
        f"count(*) filter (where _tl_problem is null and _tl_at is null) from {rows} group by 1"
    ).fetchall()
    kept = {number: rest for number, *rest in found}
    landed, unreadable, untimed = kept.get(None, (0, 0, 0))

    def examples(what: str, where: str) -> list:
        return con.execute(
            f"select _tl_line, {what} from {rows} where _tl_filter is null and {where} "
            f"order by 1 limit {EXAMPLES}"
        ).fetchall()

    time_text = compiler.text(compiler.mapping.time.value)
    return {
        "rows": sum(n for _, n, *_ in found),
        "landed": landed,
        "filtered": {
            condition.value: kept.get(number, [0])[0]
            for number, condition in enumerate(compiler.mapping.filters)
        },
        "unreadable_rows": unreadable,
        "unreadable": examples("_tl_problem", "_tl_problem is not null") if unreadable else [],
        "untimed_rows": untimed,
        "untimed": (
            examples(time_text, "_tl_problem is null and _tl_at is null") if untimed else []
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = parser_of(
        "land",
        """
        Land a log of your own: CSV, JSON lines or Parquet, compressed or not. A mapping says which
        column is the time, the person and the event. Without --mapping, propose one.

        Landing a log again replaces its former rows. The next `dbt build` takes the change in.
        """,
        {
            "tideline land log.csv": "show a proposed mapping, with its evidence",
            "tideline land log.csv --propose log.yml": "write it to a file, to check and correct",
            "tideline land log.csv --mapping log.yml --accept-plan": "land it, plan its events",
            "tideline land --remove log.csv": "take the landing back",
        },
        "docs/tutorials/your-own-log.md shows the whole way.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="the log; several of one kind"
    )
    parser.add_argument(
        "--mapping", type=Path, metavar="MAPPING.yml", help="land with this mapping"
    )
    parser.add_argument(
        "--propose", type=Path, metavar="OUT.yml", help="write the proposed mapping to a new file"
    )
    parser.add_argument(
        "--accept-plan",
        action="store_true",
        help="add what `plan infer` proposes for unknown events to the tracking plan",
    )
    parser.add_argument(
        "--landing",
        metavar="FOLDER",
        type=Path,
        default=path_of("TIDELINE_LANDING"),
        help="folder of the landed files (default: TIDELINE_LANDING, else landing)",
    )
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="name of the landing (default: that of the file)"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="land a log in place of one that begins otherwise, as a new version of it",
    )
    parser.add_argument(
        "--remove", action="store_true", help="take the landing of each FILE, or name, back"
    )
    parser.add_argument(
        "--seeds",
        metavar="FOLDER",
        type=Path,
        default=SEEDS,
        help="folder of the tracking plan (default: seeds of the project)",
    )
    options = parser.parse_args(arguments)
    if options.mapping and options.propose:
        parser.error("--propose writes a mapping, --mapping reads one: give one of them")
    if options.remove and (options.mapping or options.propose):
        parser.error("--remove takes no mapping")
    if options.name and len(options.files) > 1:
        parser.error("--as names one landing: give one FILE")
    if options.accept_plan and not options.mapping:
        parser.error("--accept-plan needs --mapping, by which the log is landed")
    try:
        if options.remove:
            return remove(options.files, options.landing / "events")
        if not options.mapping:
            return propose_for(options.files, options.propose, options.seeds)
        mapping = load_mapping(options.mapping)
        names = Counter(name_of(path, options.name) for path in options.files)
        for name, times in names.items():
            if times > 1:
                raise LandError(
                    f"{times} files would land as {name}.parquet; land them one by one with --as"
                )
    except (LandError, MappingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failed = False
    outputs = []
    for path in options.files:
        try:
            landed = land(path, mapping, options.landing, options.name, options.replace)
            print(landed.summary())
            outputs.append(landed.output)
        except (LandError, MappingError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
    try:
        if outputs:
            say(outputs, mapping, options)
    except (InferError, duckdb.Error) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        failed = True
    return int(failed)


def remove(logs: list[Path], folder: Path) -> int:
    """Take landings back."""
    for log in logs:
        output, rows = take_back(str(log), folder)
        print(f"{output}: taken back; the next build takes its {counted(rows, 'row')} out")
    print(RELEARN)
    return 0


def say(outputs: list[Path], mapping: LogMapping, options: argparse.Namespace) -> None:
    """Print what was landed, and what is doubtful about it."""
    with tempfile.TemporaryDirectory() as folder, connect(Path(folder)) as con:
        said = report(con, outputs, mapping, options.seeds, options.accept_plan)
    print("\n".join(said.lines))
    for warning in said.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def propose_for(paths: list[Path], output: Path | None, seeds: Path) -> int:
    """Print a mapping for a log, or write it to a new file."""
    path = paths[0]
    if output and output.exists():
        raise LandError(f"{output}: exists; choose another name")
    with tempfile.TemporaryDirectory() as name, connect(Path(name)) as con:
        folder = Path(name)
        try:
            log, text = propose(con, path, folder, seeds)
            text += tried(con, log, text, folder, seeds)
        except duckdb.Error as error:
            raise LandError(f"{path}: {str(error).splitlines()[0]}") from None
    if len(paths) > 1:
        text = f"# Of {len(paths)} files only {path.name} was looked at.\n{text}"
    if output:
        output.write_text(text, encoding="utf-8")
        print(f"{output}: check it, then land with --mapping {output}")
    else:
        print(text, end="")
    return 0


def tried(con: duckdb.DuckDBPyConnection, log: Log, text: str, folder: Path, seeds: Path) -> str:
    """What a proposed mapping would land, as comments of it."""
    try:
        mapping = parse_mapping(yaml.safe_load(text), "this mapping")
        compiler = Compiler(con, log, mapping, log.path.name)
    except MappingError as error:
        return f"\n# It cannot land yet: {error}\n"
    part = folder / "messages.parquet"
    try:
        con.execute(f"copy ({compiler.messages()}) to {literal(part)} (compression zstd)")
    except duckdb.Error as error:
        return f"\n# It cannot land yet: {compiler.blame(error)}\n"
    checked = check_landed(con, [part], seeds)
    lines = summary(checked, mapping, seeds, "This mapping lands:").splitlines()
    lines += [f"warning: {each}" for each in warnings(checked)]
    if checked.unknown():
        proposal = infer_unknown(con, [part], seeds)
        lines.append("`land --accept-plan` adds to the tracking plan what `plan infer` proposes:")
        lines += [f"  {line}" for line in described(proposal.rows)]
        lines += [f"  {note}" for note in proposal.notes]
    return "\n" + "\n".join(f"# {line}".rstrip() for line in lines) + "\n"
