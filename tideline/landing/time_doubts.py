"""Doubts about how a mapping reads the times of a log, with a reading that fits all of them."""

from __future__ import annotations

from collections.abc import Iterator

from tideline.landing.compiler import Compiler
from tideline.landing.guess_time import (
    FORMATS,
    SAMPLE,
    day_and_month_exchanged,
    epoch,
    instant,
    rows_read,
)
from tideline.landing.mapping import UNITS
from tideline.text import counted
from tideline.warehouse.duckdb_file import only_row

# Other times are probably misread: a build quarantines those before 1990 and in the future.
LATEST = "timezone('UTC', now())::timestamp + interval 366 day"
PLAUSIBLE = f"between timestamp '1990-01-01' and {LATEST}"
# More unreadable times than these are no accident: a number of rows, and a share of all.
FEW, SMALL_SHARE = 20, 0.05
NEARLY_ALL = 0.99


def time_doubts(compiler: Compiler, rows: int, untimed: int, far: int) -> list[str]:
    """Sentences about many unreadable and many implausible times of the landed rows.

    `rows` counts the rows that could be read, `untimed` those without a readable time, `far` those
    whose time is not plausible.
    """
    many = untimed >= FEW and untimed > SMALL_SHARE * rows
    if not many and 2 * far <= rows:
        return []
    name, better = compiler.log.path.name, better_reading(compiler)
    found = []
    if many:
        said = f"{name}: {untimed:,} of {counted(rows, 'row')} have no readable time"
        found.append(f"{said}; {better or how(compiler)}")
    if 2 * far > rows:
        first, last = only_row(
            compiler.con,
            f"select min(year(_tl_at)), max(year(_tl_at)) from ({compiler.rows()}) "
            f"where _tl_problem is null and _tl_filter is null and not _tl_at {PLAUSIBLE}",
        )
        years = f"the year {first}" if first == last else f"the years {first} to {last}"
        side = "before 1990" if last < 1990 else "before 1990 or in the future"
        side = "in the future" if first >= 1990 else side
        said = f"{name}: {far:,} of {counted(rows - untimed, 'time')} lie in {years} ({side})"
        found.append(f"{said}: {better or 'look at how time is read'}")
    return found


def how(compiler: Compiler) -> str:
    """What to do about unreadable times if no other reading is known."""
    if compiler.mapping.time.format or compiler.mapping.time.unit:
        return "correct the format or unit of time"
    return "say how to read them: time: {column: ..., format: '%d/%m/%Y %H:%M'}"


def better_reading(compiler: Compiler) -> str | None:
    """A question about another unit, or the statement that another format reads all times."""
    when = compiler.mapping.time
    text = compiler.text(when.value)
    written = (
        f"(select {text} as written from ({compiler.rows()}) where _tl_problem is null "
        f"and _tl_filter is null and {text} is not null)"
    )
    if when.unit:
        units = {unit: epoch("written", unit) for unit in UNITS if unit != when.unit}
        unit = next(fitting(compiler, units, written, NEARLY_ALL), None)
        return f"did you mean `unit: {unit}`?" if unit else None
    first = [day_and_month_exchanged(when.format)] if when.format else []
    formats = {each: instant(each, "written") for each in (*first, *FORMATS)}
    formats.pop(when.format or "", None)
    sample = f"(select distinct written from (from {written} limit {SAMPLE}))"
    likely = {each: formats[each] for each in fitting(compiler, formats, sample, 1)}
    form = next(fitting(compiler, likely, written, 1), None)
    return f"`format: '{form}'` reads all" if form else None


def fitting(
    compiler: Compiler, readings: dict[str, str], source: str, share: float
) -> Iterator[str]:
    """The readings that give plausible times for this share of the texts `written` of a source."""
    if not readings:
        return
    total, *numbers = rows_read(compiler.con, [*readings.values()], PLAUSIBLE, source)
    for reading, number in zip(readings, numbers, strict=True):
        if total and number >= share * total:
            yield reading
