"""Dagster on this machine: `tideline dev`, also run by `make dev`.

`dagster.yaml` says where Dagster keeps its runs. If the port were in use, Dagster would silently
choose another one, and an open page would keep showing the older server.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from tideline.usage import parser as parser_of

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server can listen on a port of this machine."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace this process by `dagster dev`; return 1 if the port is in use."""
    parser = parser_of(
        "dev",
        """
        Open Dagster on this machine: the graph with its lineage, runs and schedules, as a page in
        your browser. It keeps its runs where `dagster.yaml` says. End it with Ctrl-C.
        """,
        {
            "tideline dev": "serve the page on http://localhost:3000",
            "tideline dev --port 3001": "serve it on another port",
        },
    )
    parser.add_argument(
        "--port", metavar="N", type=int, default=3000, help="port of the page (default 3000)"
    )
    port = parser.parse_args(arguments).port
    if not 1 <= port <= 65535:
        parser.error(f"--port is {port}; write a whole number from 1 to 65535")
    if not is_free(port):
        print(
            f"error: port {port} is in use, perhaps by another Dagster; end it, or choose another "
            f"port: make dev PORT={port + 1}",
            file=sys.stderr,
        )
        return 1
    os.chdir(ROOT)
    dagster = Path(sys.executable).with_name("dagster")
    words = [str(dagster), "dev", "--host", HOST, "--port", str(port)]
    os.execve(dagster, words, {"DAGSTER_HOME": str(ROOT), **os.environ})
