"""Lands the events of a generated shop, and writes the truth about its people elsewhere.

`tideline sample --people 2000 --days 90` writes one file per arrival day to `<landing>/events/`.
Only tests and `--compare` may read the truth.
"""

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path

from examples.shop import Business, Dirt, generate
from tideline.progress import Progress
from tideline.text import counted
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import open_warehouse
from tideline.warehouse.paths import path_of

DEFAULT_TRUTH = Path("warehouse/truth")


def write_events(
    business: Business, landing: Path, from_day: int, to_day: int, compress: bool = False
) -> list[Path]:
    """Write the arrival days [from_day, to_day) to `landing/events`; return the paths.

    Each day is one file. If it exists in the other form (compressed or not), it is replaced.
    """
    folder = landing / "events"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with Progress("writing the sample", to_day - from_day, "days") as shown:
        for index in range(from_day, to_day):
            content = "".join(f"{line}\n" for line in business.lines(index)).encode()
            plain = folder / f"{business.day(index).isoformat()}.jsonl"
            packed = plain.with_suffix(".jsonl.gz")
            path, other = (packed, plain) if compress else (plain, packed)
            # Without a time in the header, the same content gives the same file.
            _write(path, gzip.compress(content, compresslevel=6, mtime=0) if compress else content)
            other.unlink(missing_ok=True)
            paths.append(path)
            shown.advance()
    return paths


def write_truth(business: Business, truth: Path, from_day: int, to_day: int) -> dict[str, int]:
    """Write the truth about the whole business; return the counts of the written days.

    `rows.json` holds these counts and, in `by_day`, those of all days.
    """
    truth.mkdir(parents=True, exist_ok=True)
    for name in ("people", "identifiers", "bundle_episodes"):
        frame = getattr(business, name)
        _write(truth / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n").encode())
    written = business.rows.loc[from_day : to_day - 1].sum()
    counts = {kind: int(count) for kind, count in written.items()}
    by_day = {
        business.day(index).isoformat(): {kind: int(count) for kind, count in row.items()}
        for index, row in business.rows.iterrows()
    }
    _write(truth / "rows.json", json.dumps(counts | {"by_day": by_day}, indent=1).encode())
    return counts


def _write(path: Path, content: bytes) -> None:
    """Write to a temporary name, then rename, so that readers see only complete files."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _arguments() -> argparse.ArgumentParser:
    parser = parser_of(
        "sample",
        """
        Land the events of a generated shop, to try Tideline without data of your own: one file per
        arrival day in the landing folder. The same arguments give the same bytes.

        The truth about the people of the shop is written elsewhere. Only tests and --compare read
        it, to measure the last build.
        """,
        {
            "tideline sample": "land 90 days of 2,000 people",
            "tideline sample --people 50 --days 7 --clean": "land a small log without faults",
            "tideline sample --days 91 --from-day 90": "land one more day of the same shop",
            "tideline sample --compare": "compare the last build with the truth",
        },
    )
    parser.add_argument(
        "--people", metavar="N", type=_count, default=2000, help="people of the shop (default 2000)"
    )
    parser.add_argument(
        "--days", metavar="N", type=_count, default=90, help="days of data (default 90)"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_whole,
        default=1,
        help="another number generates another shop (default 1)",
    )
    parser.add_argument(
        "--end",
        metavar="DATE",
        type=_date,
        default=date(2026, 11, 1),
        help="the day after the last one, e.g. 2026-11-01 (the default)",
    )
    parser.add_argument(
        "--landing",
        metavar="FOLDER",
        type=Path,
        default=path_of("TIDELINE_LANDING"),
        help="folder of the landed files (default: TIDELINE_LANDING, else landing)",
    )
    parser.add_argument(
        "--truth",
        metavar="FOLDER",
        type=Path,
        default=DEFAULT_TRUTH,
        help=f"folder of the truth (default {DEFAULT_TRUTH})",
    )
    parser.add_argument(
        "--from-day",
        metavar="N",
        type=_whole,
        default=0,
        help="first arrival day to write (default 0)",
    )
    parser.add_argument(
        "--to-day", metavar="N", type=_whole, help="arrival day to stop before (default: --days)"
    )
    parser.add_argument("--gzip", action="store_true", help="compress the files (.jsonl.gz)")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="land nothing; compare the last build with the truth",
    )
    dirt = parser.add_argument_group(
        "dirt",
        "Rates from 0 to 1, of all messages unless stated otherwise.",
    )
    dirt.add_argument(
        "--clean", action="store_true", help="no dirt except for the rates given by other options"
    )
    for rate in fields(Dirt):
        flag = f"--{rate.name.replace('_', '-')}"
        dirt.add_argument(
            flag,
            type=float,
            metavar="RATE",
            help=f"{rate.metadata['what']} (default {rate.default})",
        )
    return parser


def _whole(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
    return int(text)


def _count(text: str) -> int:
    return _whole(text, least=1)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-11-01") from None


def _dirt(arguments: argparse.Namespace) -> Dirt:
    asked = {f.name: getattr(arguments, f.name) for f in fields(Dirt)}
    base = Dirt.none() if arguments.clean else Dirt()
    return Dirt(
        **{name: getattr(base, name) if rate is None else rate for name, rate in asked.items()}
    )


def _summary(
    business: Business, counts: dict[str, int], paths: list[Path], seconds: float
) -> Iterator[str]:
    first, last = paths[0].name.split(".")[0], paths[-1].name.split(".")[0]
    folder = paths[0].parent
    yield f"{len(business.people):>10,} people, {len(business.bundle_episodes):,} bundle episodes"
    files = counted(len(paths), "file")
    yield f"{counts['lines']:>10,} lines, {first} to {last}: {files} in {folder}"
    for kind, count in counts.items():
        if kind not in ("lines", "clean") and count:
            yield f"{count:>10,} {kind.replace('_', ' ')}"
    for column, what in (
        ("shares_device", "share a laptop"),
        ("shares_inbox", "share an inbox"),
        ("shares_tablet", "share a tablet"),
    ):
        if shared := int(business.people[column].sum()):
            yield f"{shared:>10,} people {what}"
    if sold := int((business.people["sold_phone_on"] != "").sum()):
        yield f"{sold:>10,} phones were sold"
    others = {p for p in folder.glob("*.jsonl*") if not p.name.startswith(".")} - set(paths)
    if others:
        files = "file" if len(others) == 1 else "files"
        yield f"{len(others):>10,} other {files} in the folder left as before"
    yield f"{seconds:>10.1f} seconds"


def _compare(truth: Path) -> int:
    # Imported here because it takes seconds.
    from examples.shop.compare import against_truth

    if not (truth / "people.csv").exists():
        print(f"error: there is no truth in {truth}; run `tideline sample`", file=sys.stderr)
        return 1
    with open_warehouse(os.environ, read_only=True) as warehouse:
        print(against_truth(warehouse, truth))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    started = time.perf_counter()
    parser = _arguments()
    arguments = parser.parse_args(argv)
    if arguments.compare:
        return _compare(arguments.truth)
    from_day = arguments.from_day
    to_day = arguments.days if arguments.to_day is None else arguments.to_day
    if not from_day < to_day <= arguments.days:
        parser.error(
            f"--from-day {from_day} --to-day {to_day} is not within --days {arguments.days}; "
            f"give 0 <= from < to <= {arguments.days}"
        )
    try:
        dirt = _dirt(arguments)
    except ValueError as error:
        parser.error(str(error))
    with Progress(f"generating {arguments.people:,} people"):
        business = generate(arguments.people, arguments.days, arguments.seed, arguments.end, dirt)
    try:
        paths = write_events(business, arguments.landing, from_day, to_day, arguments.gzip)
        counts = write_truth(business, arguments.truth, from_day, to_day)
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(*_summary(business, counts, paths, time.perf_counter() - started), sep="\n")
    return 0
