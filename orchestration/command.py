"""How a command of the project ends: what goes wrong is told in one sentence, by no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import duckdb

from orchestration.activation.errors import told

INTERRUPTED = 130  # as a shell says it of SIGINT
PIPE_CLOSED = 141  # and of SIGPIPE


def run(main: Callable[[], int]) -> NoReturn:
    """Run the `main` of a command and exit with its code, or with 1 and a sentence."""
    try:
        code = main()
        sys.stdout.flush()
    except (KeyboardInterrupt, duckdb.InterruptException):
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:  # `... | head` has read enough; nothing can be said on it any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except Exception as error:
        print(f"error: {told(error)}", file=sys.stderr)
        code = 1
    raise SystemExit(code)
