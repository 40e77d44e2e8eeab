"""The `tideline` command: everything that a person or a schedule runs besides `dbt build`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import duckdb

from tideline import progress
from tideline.text import nearest
from tideline.warehouse.errors import INTERRUPTED_CODE, in_words

PIPE_CLOSED = 141  # as a shell reports SIGPIPE
WRONG_ARGUMENTS = 2  # as argparse does


@dataclass(frozen=True)
class Command:
    """A command: its module, which has `main(arguments)`, and a short summary."""

    module: str
    summary: str


# In the order in which a new user needs them.
COMMANDS: dict[str, dict[str, Command]] = {
    "Bring events in": {
        "sample": Command("examples.shop.sample", "land the sample shop's events"),
        "land": Command("tideline.landing.land", "land a log of your own, or propose its mapping"),
        "load": Command("tideline.landing.systems.command", "land new records of source systems"),
        "plan": Command("tideline.landing.plan", "check the tracking plan, or propose rows for it"),
    },
    "After `dbt build`": {
        "summary": Command("tideline.summary", "show the result of the last build on one page"),
        "segments": Command("tideline.segments.command", "check and preview declared segments"),
        "why": Command("tideline.segments.why", "explain why a person is in a segment, or not"),
        "publish": Command("tideline.publish", "publish the tables for BI tools and notebooks"),
        "activate": Command("tideline.activation.command", "bring destinations up to date"),
        "match": Command(
            "tideline.matching.command", "find records of one person that share no id"
        ),
        "forget": Command("tideline.privacy.command", "forget people everywhere"),
    },
    "Operate": {
        "dev": Command("tideline.dev", "open the Dagster UI"),
        "schema": Command("tideline.schema", "print the JSON Schema of the declarations"),
        "licences": Command("tideline.licences", "list the licences of the pinned packages"),
    },
}
EPILOG = """\
`tideline COMMAND --help` describes a command. All read these environment variables:
TIDELINE_LANDING (landing), TIDELINE_WAREHOUSE (warehouse/warehouse.duckdb),
TIDELINE_DELIVERIES (deliveries) and DBT_TARGET (duckdb).

Exit codes: 0 done; 1 something is wrong, and the message says what to do; 2 wrong arguments;
3 and 4 a sync needs a person (activate); 130 interrupted.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {name: each for group in COMMANDS.values() for name, each in group.items()}
    if words and words[0] in commands:
        progress.show()
        module = importlib.import_module(commands[words[0]].module)
        return module.main(words[1:])
    if words and words[0] not in ("-h", "--help"):
        print(
            f"error: there is no command `{words[0]}`; {nearest(words[0], commands)}",
            file=sys.stderr,
        )
        return WRONG_ARGUMENTS
    print(overview())
    return 0


def overview() -> str:
    """The help text: all commands, grouped by purpose."""
    parser = argparse.ArgumentParser(
        prog="tideline",
        usage="tideline COMMAND [...]",
        description="\n\n".join(
            [
                "Dynamic behavioral segmentation inside the warehouse: events land as files, "
                "`dbt build`\nturns them into profiles and segments, and syncs deliver these.",
                *(f"{title}:\n{_lines(group)}" for title, group in COMMANDS.items()),
            ]
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    return parser.format_help().rstrip()


def _lines(group: dict[str, Command]) -> str:
    return "\n".join(f"  {name:<10}{each.summary}" for name, each in group.items())


def run(main: Callable[[], int] = main) -> NoReturn:
    """Run a command and exit with its code, or with 1 and one sentence in place of a traceback."""
    try:
        code = main()
        sys.stdout.flush()
    except (KeyboardInterrupt, duckdb.InterruptException):
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED_CODE
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except Exception as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        code = 1
    raise SystemExit(code)
