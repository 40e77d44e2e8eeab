"""Lands a custom log: `tideline land FILE... --mapping MAPPING.yml`.

Each row of the log becomes one message in the Segment tracking format, in
`<landing>/events/<file stem>.parquet`. No row is lost: an unreadable row lands as a message
without `messageId` whose properties hold the row, and a build quarantines it. Landing a log again
replaces its former rows; `--remove` removes them. Without `--mapping`, the command proposes a
mapping.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
from numpy import ndarray

from tideline.landing.compiler import Compiler
from tideline.landing.landed_report import Report, report
from tideline.landing.landings import (
    NOTE,
    also_landed_as,
    name_of,
    next_landing,
    read_landing,
    take_back,
)
from tideline.landing.log_files import LandError, connect, open_log
from tideline.landing.mapping import LogMapping, MappingError, load_mapping
from tideline.landing.names import literal
from tideline.landing.plan_accept import PLAN
from tideline.landing.plan_check import SEEDS
from tideline.landing.plan_infer import InferError, shown_name
from tideline.landing.plan_stale import stale_lines, stale_warning
from tideline.landing.proposal import propose_for
from tideline.landing.time_doubts import PLAUSIBLE, time_doubts
from tideline.progress import Progress
from tideline.text import counted, shown, shown_path
from tideline.usage import parser as parser_of
from tideline.warehouse.duckdb_file import close_off, only_row
from tideline.warehouse.paths import path_of

EXAMPLES = 5
MANY_LOST = 0.01
RELEARN = "If a build has read them, the next one trains personas and models anew."


@dataclass(frozen=True)
class Landed:
    """The result of landing one log: row counts, and examples.

    rows = landed + the sum of filtered. `unreadable_rows` and `untimed_rows` are part of `landed`;
    their examples are (line, problem) in `unreadable` and (line, text) in `untimed`. So are the
    `far_rows`, whose time is before 1990 or far in the future. `doubts` are sentences about the
    times. `lost` lists expressions that omit unreadable values: key of the mapping, columns, number
    of rows, first line, number of rows in which the columns are filled. `unmatched` holds the
    values under `event.names` that no row has, with the most similar value of the rows. `copies`
    counts rows identical to an earlier one; it is 0 in a mapping with an event id. `replaced` is
    the log, mapping and number of rows of the former landing; `other_names` are the names of other
    landings of the same log. `breaks` are those of the compiler.
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
    far_rows: int
    doubts: list[str]
    lost: list[tuple[str, str, int, int, int]]
    unmatched: dict[str, str | None]
    copies: int
    breaks: tuple[ndarray, ndarray]
    replaced: tuple[str, str, int] | None
    other_names: list[str]
    seconds: float

    def place(self, message: int) -> str:
        """The file and line of the log from which a message, counted from 0, was landed."""
        messages, lines = self.breaks
        last = bisect_right(messages, message) - 1
        return f"{self.log.name}:{lines[last] + message - messages[last]}"

    def summary(self) -> str:
        """The result as a few lines of text."""
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
            out.append("  Unreadable rows are landed too; a build quarantines them.")
        if self.untimed_rows:
            line, text = self.untimed[0]
            out.append(
                f"  {counted(self.untimed_rows, 'row has', 'rows have')} no readable time "
                f"({self.log.name}:{line}: {text!r}) and will be quarantined."
            )
        out += [
            f"  {key}: {counted(rows, 'value')} of {columns} cannot be read and "
            f"{'is' if rows == 1 else 'are'} left out, first in {self.log.name}:{line}"
            for key, columns, rows, line, _ in self.lost
        ]
        if self.copies:
            out.append(
                f"  {counted(self.copies, 'row is', 'rows are')} identical to another row, and "
                "each counts. If the log repeats rows by mistake, let them count once: "
                "event_id: {sql: md5(_tl_row)}"
            )
        return "\n".join(out)


def land(
    path: Path,
    mapping: LogMapping,
    landing: Path,
    name: str | None = None,
    is_forced: bool = False,
) -> Landed:
    """Land one log as `<landing>/events/<name>.parquet`; the default name is its stem.

    A former landing of the same log under this name is replaced. That of another log, or of a log
    that the former mapping could read and this one mostly cannot, is replaced only if `is_forced`.
    A time before 1990 or far in the future counts as one that cannot be read.
    Raises `LandError` or `MappingError` and leaves the landing folder unchanged then.
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
            close_off(con, [folder], [path])  # an untrusted mapping must not read other files
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
        if not is_forced and output.exists():
            refuse_unreadable(path, counts, output)
            refuse_empty(path, part, output)
        replaced = replaced_by(part, output)
        part.replace(output)
    other_names = also_landed_as(path, output)
    seconds = time.perf_counter() - began
    return Landed(
        path, output, **counts, replaced=replaced, other_names=other_names, seconds=seconds
    )


def refuse_unreadable(path: Path, counts: dict, output: Path) -> None:
    """Raise `LandError` if most rows cannot be read, and most rows of the former landing can."""
    if 2 * unread(counts) <= counts["landed"]:
        return
    with duckdb.connect() as con:
        rows, readable = only_row(
            con,
            "select count(*), count(*) filter (where messageId is not null and receivedAt is not "
            f"null and timezone('UTC', try_cast(timestamp as timestamptz)) {PLAUSIBLE}) "
            f"from read_parquet({literal(str(output))})",
        )
    if 2 * readable < rows:
        return
    examples = counts["untimed"] or counts["unreadable"]
    first = f", first {path.name}:{examples[0][0]}" if examples else ""
    doubts = "".join(f" ({each})" for each in counts["doubts"])
    raise LandError(
        f"{path}: {unread(counts):,} of {counted(counts['landed'], 'row')} cannot be read or have "
        f"no readable time since 1990{first}, so this landing does not replace the former one, of "
        f"which {readable:,} of {rows:,} can be read{doubts}. Correct the mapping, or land with "
        "--replace"
    )


def refuse_empty(path: Path, part: Path, output: Path) -> None:
    """Raise `LandError` if no row is left, or none names anybody, unlike in the former landing."""
    with duckdb.connect() as con:
        (rows, named), (rows_before, named_before) = (
            only_row(
                con,
                "select count(*), count(coalesce(nullif(trim(userId), ''), "
                "nullif(trim(anonymousId), ''), nullif(trim(traits ->> '$.email'), ''))) "
                f"from read_parquet({literal(str(file))})",
            )
            for file in (part, output)
        )
    if rows_before and not rows:
        lost = f"no row is left of the {counted(rows_before, 'row')}"
    elif named_before and not named:
        lost = f"no row names anybody, unlike {counted(named_before, 'row')}"
    else:
        return
    raise LandError(
        f"{path}: {lost} of the former landing, which therefore stays. Correct the filters and the "
        "identifiers of the mapping, or land with --replace"
    )


def unread(counts: dict) -> int:
    """The number of rows that cannot be read or have no plausible time."""
    return counts["unreadable_rows"] + counts["untimed_rows"] + counts["far_rows"]


def replaced_by(part: Path, output: Path) -> tuple[str, str, int] | None:
    """Log, mapping and number of rows of the landing that `part` will replace; None if none."""
    before = read_landing(output) if output.exists() else None
    if not before or not before[1] or filecmp.cmp(part, output, shallow=False):
        return None
    return before[0].log, before[0].mapping, before[1]


def count(con: duckdb.DuckDBPyConnection, compiler: Compiler) -> dict:
    """The counts and examples of `Landed`."""
    rows = f"({compiler.rows()})"
    found = con.execute(
        f"select _tl_filter, count(*), count(_tl_problem), "
        f"count(*) filter (where _tl_problem is null and _tl_at is null), "
        f"count(*) filter (where not _tl_at {PLAUSIBLE}) from {rows} group by 1"
    ).fetchall()
    kept = {number: rest for number, *rest in found}
    landed, unreadable, untimed, far = kept.get(None, (0, 0, 0, 0))

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
        "far_rows": far,
        "doubts": time_doubts(compiler, landed - unreadable, untimed, far),
        "lost": list(compiler.losses()),
        "unmatched": compiler.unmatched(),
        "copies": compiler.copies(),
        "breaks": compiler.breaks(),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = parser_of(
        "land",
        """
        Land a log of your own: CSV, JSON lines or Parquet, compressed or not. A mapping says which
        column is the time, the person and the event. Without --mapping, propose one.

        Landing a log again replaces its former rows. The next `dbt build` applies the change. It
        accepts the events of the tracking plan and quarantines others; --accept-plan adds those of
        the log to the plan without review. `tideline plan infer` proposes stricter lines.
        """,
        {
            "tideline land log.csv": "show a proposed mapping, with its evidence",
            "tideline land log.csv --propose log.yml": "write it to a file, to check and correct",
            "tideline land log.csv --mapping log.yml --accept-plan": "land it, accept its events",
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
        help="also add the log's own events to the tracking plan: lines at the end of "
        f"{shown_path(SEEDS / PLAN)} that hold the types of their properties and require nothing",
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
        help="land a log in place of one that begins otherwise, as a new version of it, or though "
        "most of its rows cannot be read",
    )
    parser.add_argument(
        "--remove", action="store_true", help="take the landing of each FILE, or name, back"
    )
    parser.add_argument(
        "--seeds",
        metavar="FOLDER",
        type=Path,
        default=SEEDS,
        help=f"folder of the tracking plan (default: {shown_path(SEEDS)})",
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
            return remove(options.files, options.landing / "events", options.seeds)
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
    done = []
    for path in options.files:
        try:
            landed = land(path, mapping, options.landing, options.name, options.replace)
            print(landed.summary())
            done.append(landed)
        except (LandError, MappingError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed = True
    try:
        if done:
            say(done, mapping, options)
    except (InferError, duckdb.Error) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        failed = True
    return int(failed)


def remove(logs: list[Path], folder: Path, seeds: Path) -> int:
    """Remove landings; warn about lines of the plan that were added for them."""
    outputs = []
    for log in logs:
        output, rows = take_back(str(log), folder)
        outputs.append(output)
        print(f"{output}: taken back; the next build takes its {counted(rows, 'row')} out")
    print(RELEARN)
    with duckdb.connect() as con:
        if stale := stale_lines(con, outputs, seeds):
            print(f"warning: {stale_warning(stale, seeds)}", file=sys.stderr)
    return 0


def say(done: list[Landed], mapping: LogMapping, options: argparse.Namespace) -> None:
    """Print a report about the landed logs, and its warnings."""
    said = Report(warnings=[*(doubt for landed in done for doubt in landed.doubts)])
    said.warnings += [warning for landed in done for warning in losing(landed)]
    said.warnings += unmatched(done)
    outputs = {landed.output: landed.place for landed in done}
    try:
        with tempfile.TemporaryDirectory() as folder, connect(Path(folder)) as con:
            report(con, outputs, mapping, options.seeds, options.accept_plan, said)
    finally:  # what was said before an error stays true, such as lines added to the plan
        print("".join(f"{line}\n" for line in said.lines), end="")
        for warning in said.warnings:
            print(f"warning: {warning}", file=sys.stderr)


def losing(landed: Landed) -> Iterator[str]:
    """A warning for each expression that omits many of the values of its columns."""
    for key, columns, rows, line, filled in landed.lost:
        if rows > MANY_LOST * filled:
            yield (
                f"{key} leaves out {rows:,} of {counted(filled, 'value')} of {columns}, which it "
                f"cannot read, first in {landed.log.name}:{line}"
            )


def unmatched(done: list[Landed]) -> Iterator[str]:
    """A warning for each value under `event.names` that no row of any landed log has."""
    for value in done[0].unmatched:
        if all(value in landed.unmatched for landed in done):
            said = f"no row has the value `{shown(value)}` of event.names"
            near = next(filter(None, (landed.unmatched[value] for landed in done)), None)
            yield f"{said}; did you mean `{shown_name(near)}`?" if near else said
