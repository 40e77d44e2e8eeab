"""Land the events of a generated shop, and apart from them the truth about its people.

`tideline sample --people 2000 --days 90` writes one file per day of
arrival to `<landing>/events/` and the truth, which only tests and reports may read, elsewhere.
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
    """Write the arrival days [from_day, to_day) to `landing/events`, one file each.

    A day is one file: its other form, compressed or not, is replaced.
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
            # Without a time in its header the same content gives the same file.
            _write(path, gzip.compress(content, compresslevel=6, mtime=0) if compress else content)
            other.unlink(missing_ok=True)
            paths.append(path)
            shown.advance()
    return paths


def write_truth(business: Business, truth: Path, from_day: int, to_day: int) -> dict[str, int]:
    """Write the truth about the whole business; returns the counts of the written days.

    `rows.json` holds these counts and, in `by_day`, those of all days of the business.
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
    """Write under a name that no reader looks at, then rename: a file is there whole or not."""
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
        Land the events of a made-up shop, to try Tideline without data of your own: one file per
        day of arrival in the landing folder. The same arguments give the same bytes.

        The truth about the people of the shop is written elsewhere. Only tests and --compare read
        it, to say how much of it the last build found.
        """,
        {
            "tideline sample": "land 90 days of 2,000 people",
            "tideline sample --people 50 --days 7 --clean": "land a small log without any fault",
            "tideline sample --days 91 --from-day 90": "land one more day of the same shop",
            "tideline sample --compare": "say how much of the truth the last build found",
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
        help="another number makes up another shop (default 1)",
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
        help="first day of arrival to write (default 0)",
    )
    parser.add_argument(
        "--to-day", metavar="N", type=_whole, help="day of arrival to stop before (default: --days)"
    )
    parser.add_argument("--gzip", action="store_true", help="compress the files (.jsonl.gz)")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="land nothing; say how much of the truth the last build found",
    )
    dirt = parser.add_argument_group(
        "dirt",
        "Rates from 0 to 1, of all messages unless said otherwise.",
    )
    dirt.add_argument(
        "--clean", action="store_true", help="no dirt except what the other options ask for"
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
        were = "file was there before and stays"
        if len(others) > 1:
            were = "files were there before and stay"
        yield f"{len(others):>10,} other {were}"
    yield f"{seconds:>10.1f} seconds"


def _compare(truth: Path) -> int:
    # Sooner it would make the start of every other use slower by seconds.
    from examples.shop.compare import against_truth

    if not (truth / "people.csv").exists():
        print(f"error: {truth} holds no truth of a sample; run `tideline sample`", file=sys.stderr)
        return 1
    with open_warehouse(os.environ, read_only=True) as warehouse:
        print(against_truth(warehouse, truth))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, 2 for arguments that make no sense."""
    started = time.perf_counter()
    parser = _arguments()
    arguments = parser.parse_args(argv)
    if arguments.compare:
        return _compare(arguments.truth)
    from_day = arguments.from_day
    to_day = arguments.days if arguments.to_day is None else arguments.to_day
    if not from_day < to_day <= arguments.days:
        parser.error(
            f"--from-day {from_day} --to-day {to_day} is no part of --days {arguments.days}; "
            f"give 0 <= from < to <= {arguments.days}"
        )
    try:
        dirt = _dirt(arguments)
    except ValueError as error:
        parser.error(str(error))
    with Progress(f"making up {arguments.people:,} people"):
        business = generate(arguments.people, arguments.days, arguments.seed, arguments.end, dirt)
    try:
        paths = write_events(business, arguments.landing, from_day, to_day, arguments.gzip)
        counts = write_truth(business, arguments.truth, from_day, to_day)
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(*_summary(business, counts, paths, time.perf_counter() - started), sep="\n")
    return 0
