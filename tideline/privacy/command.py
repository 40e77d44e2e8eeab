"""Forget people, or list the columns with personal data: `tideline forget -h`."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from tideline.privacy.forget import Project, forget
from tideline.privacy.marks import KINDS, read_marks
from tideline.privacy.person import PrivacyError
from tideline.text import table
from tideline.usage import parser as parser_of
from tideline.warehouse.errors import in_words
from tideline.warehouse.paths import path_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if a request is refused or could not be finished."""
    parser = parser_of(
        "forget",
        """
        Forget people for good: in every table, at every destination and in the logs. A receipt says
        what was removed and what is left to do by hand (docs/how-to/forget-a-person.md).

        Without an identifier, finish earlier requests that are still open.
        """,
        {
            "tideline forget -": "type the identifiers, so that no shell history keeps them",
            "tideline forget - < people.txt": "read the identifiers from a file, one per line",
            "tideline forget": "finish open requests, such as one with a destination that was down",
            "tideline forget --columns": "list the columns that hold personal data",
        },
    )
    parser.add_argument(
        "identifiers",
        nargs="*",
        metavar="TYPE:VALUE",
        help="one per person, such as email:ann@example.org; `-` reads them from standard input, "
        "one per line, so that no shell history keeps them",
    )
    parser.add_argument(
        "--columns", action="store_true", help="only list the columns marked personal"
    )
    parser.add_argument(
        "--vars", metavar="YAML", default="{}", help="the vars of your builds (`dbt build --vars`)"
    )
    options = parser.parse_args(arguments)
    project = Project(os.environ, options.vars)
    try:
        if options.columns:
            project.dbt("parse")
            print(listing(project))
            return 0
        identifiers = [each for each in options.identifiers if each != "-"]
        if "-" in options.identifiers:
            identifiers += read_lines(sys.stdin.buffer)
        with alone(os.environ):
            rows = forget(identifiers, project)
    except Exception as error:  # its text may quote the identifiers
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 1
    print(receipt(rows))
    return 0


def read_lines(file: BinaryIO) -> list[str]:
    """The non-empty lines of a file or terminal. Raises PrivacyError if they are not UTF-8."""
    if file.isatty():
        print(
            "Who is to be forgotten? One identifier per line, such as email:ann@example.org; end "
            "with Ctrl-D. Without an identifier, requests that are still open are finished.",
            file=sys.stderr,
        )
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PrivacyError("the identifiers are not UTF-8 text; nothing was changed") from None
    return [line.strip() for line in text.split("\n") if line.strip()]


@contextmanager
def alone(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep a second run out. The warehouse's lock is not enough: it is released between steps."""
    if (environment.get("DBT_TARGET") or "duckdb") != "duckdb":
        yield
        return
    path = path_of("TIDELINE_WAREHOUSE", environment)
    if not path.parent.is_dir():
        raise PrivacyError(f"there is no warehouse at {path}; run `dbt build` to make it")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise PrivacyError(
            "another `tideline forget` is running; run this again when it has ended"
        ) from None
    finally:
        os.close(folder)


def listing(project: Project) -> str:
    """The marked columns, as a table of text."""
    rows = [
        (name, column, kind)
        for name, marked in read_marks(project.manifest).items()
        for column, kind in marked.columns.items()
    ]
    kinds = "\n".join(f"  {kind}: {text}" for kind, text in KINDS.items())
    return f"{table(('table', 'column', 'personal'), rows)}\n\n{kinds}"


def receipt(rows: Sequence[tuple]) -> str:
    """The receipts as a table of text, with notes on what is left to do by hand."""
    if not rows:
        return "nothing to finish: no request is open"
    by_hand = {
        "landed file": "The landed files above still hold these rows: remove them by hand.",
        "other table": "The other tables above are not Tideline's: remove these rows by hand.",
        "undeclared sync": "The undeclared syncs above sent these rows: remove them there by hand.",
    }
    notes = [text for kind, text in by_hand.items() if any(row[1] == kind for row in rows)]
    return "\n".join(
        [table(("request", "what", "name", "rows"), rows), *([""] if notes else []), *notes]
    )
