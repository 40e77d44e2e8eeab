"""Detects the format of a text log: delimiter, encoding, and whether it has column names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice
from pathlib import Path

from tideline.landing.log_files import (
    CSV_SUFFIXES,
    FIELD_LIMIT,
    SAYS_DELIMITER,
    UNDECODED,
    csv_reader,
    likely_delimiter,
    text_lines,
)
from tideline.landing.mapping import LogFormat

LOOKED_AT = 200  # lines
# The share of the lines that must have the same number of columns.
ALIKE = 0.9
OTHER = "cp1252"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Not a column name: a number, a date, an address, a dash, a text in brackets.
VALUE = re.compile(r"[-+]?[\d.,:/\s-]+([eE][-+]?\d+)?|\[.*|.*\]|\d{4}-\d\d-\d\d.*|-")

# The common and the combined format of web servers: host, two names, [day:clock zone], "request".
WEB_SERVER = re.compile(r'\s*\S+ \S+ \S+ \[[^\]\s]+ [^\]\s]+\] "[^"]*" \d{3} ')
WEB_COLUMNS = (
    *("host", "identity", "user", "day", "zone", "request", "status", "bytes", "referrer"),
    "user_agent",
)


def find_format(path: Path) -> tuple[LogFormat, list[str]]:
    """The format of a text log with the evidence; the default format for other logs."""
    if Path(path.name.lower().removesuffix(".gz")).suffix not in CSV_SUFFIXES:
        return LogFormat(), []
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in UTF_16 else "utf-8"
    with text_lines(path, encoding, "") as lines:
        head = [line for line in islice(lines, LOOKED_AT) if line.strip()]
    if not head:
        return LogFormat(encoding=encoding), []
    seen = [] if encoding == "utf-8" else ["the file begins with the mark of UTF-16"]
    if any(UNDECODED.search(line) for line in head):
        encoding, seen = (
            OTHER,
            [f"not all lines are UTF-8; {OTHER} is the most usual other encoding"],
        )
        head = [line.encode("utf-8", "surrogateescape").decode(OTHER, "replace") for line in head]
    said = SAYS_DELIMITER.fullmatch(head[0])
    head = head[1:] if said else head
    if not head:
        return LogFormat(encoding=encoding), seen
    usual = said[1] if said else likely_delimiter(head[0])
    delimiter = find_delimiter(head, usual)
    row = next(csv_reader([head[0]], delimiter), [])
    columns = None
    requests = sum(bool(WEB_SERVER.match(line)) for line in head)
    if delimiter == " " and requests >= ALIKE * len(head):
        columns = WEB_COLUMNS if len(row) >= len(WEB_COLUMNS) else WEB_COLUMNS[: min(8, len(row))]
        columns += tuple(f"column_{number}" for number in range(len(columns) + 1, len(row) + 1))
        seen.append("the log of a web server, whose columns have these names by custom")
    elif any(VALUE.fullmatch(cell.strip()) for cell in row if cell.strip()):
        columns = tuple(f"column_{number}" for number in range(1, len(row) + 1))
        seen.append(
            "the first line holds values, so the columns have no names; name them here and above"
        )
    if delimiter != usual:
        mark = "blanks" if delimiter == " " else repr(delimiter)
        seen.append(f"{mark} between columns gives all lines the same number of columns")
    return LogFormat({}, delimiter if delimiter != usual else None, encoding, columns), seen


def find_delimiter(head: list[str], usual: str) -> str:
    """The first delimiter that gives nearly all lines the same number of columns, else `usual`."""
    for delimiter in dict.fromkeys([usual, ";", "\t", "|", ",", " "]):
        csv.field_size_limit(FIELD_LIMIT)
        try:
            rows = list(csv_reader(head, delimiter))
        except csv.Error:
            continue
        # A quote that opens in one field and closes in another: the delimiter is part of the text.
        if any(cell.count('"') % 2 for row in rows for cell in row):
            continue
        widths = Counter(map(len, rows))
        width, lines = widths.most_common(1)[0]
        if width > 1 and lines >= ALIKE * widths.total():
            return delimiter
    return usual
