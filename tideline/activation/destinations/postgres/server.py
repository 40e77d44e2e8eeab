"""Transactions at the server, each on a connection of its own and with a deadline."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pg8000.exceptions import Error
from pg8000.native import Connection
from scramp import ScramException

from tideline.activation.destinations.postgres.address import Address
from tideline.activation.destinations.postgres.failures import (
    FailedError,
    of_commit,
    of_login,
    of_statement,
)

# Runs a statement with bound values (`:name` in its text); returns its rows.
Run = Callable[..., list[list[Any]]]

# What the driver raises for an answer of the server, or a line that is broken off.
BROKEN = (Error, OSError, struct.error)
# What it raises for a login that cannot be done, such as one without a password.
NO_LOGIN = (*BROKEN, ScramException, AttributeError, UnicodeError)


class Server:
    """The database that `variable` names."""

    def __init__(self, address: Address, variable: str, seconds: float) -> None:
        """`seconds`: the longest time of a transaction, from connecting to the commit's answer."""
        self._address = address
        self._variable = variable
        self._seconds = seconds

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Run]:
        """A transaction that is committed at the end of the block.

        Raises FailedError if it failed; the block's own exceptions undo it.
        """
        with contextlib.ExitStack() as opened:
            try:
                connection = self._connect(opened)
            except NO_LOGIN as error:
                raise FailedError(of_login(error, self._variable)) from None
            try:
                connection.run("begin")
                connection.run(f"set local statement_timeout = {int(self._seconds * 1000)}")
                yield connection.run
            except BROKEN as error:
                raise FailedError(of_statement(error)) from None
            try:
                commit(connection)
            except BROKEN as error:
                raise FailedError(of_commit(error)) from None

    def _connect(self, opened: contextlib.ExitStack) -> Connection:
        """Connect; `opened` then closes the connection, a timer breaks it off at the deadline."""
        address = self._address
        line = socket.create_connection((address.host, address.port), self._seconds)
        opened.callback(line.close)
        # A duplicate: TLS replaces the original socket.
        timer = threading.Timer(self._seconds, _break_off, [opened.enter_context(line.dup())])
        timer.daemon = True
        timer.start()
        opened.callback(timer.cancel)
        connection = Connection(
            address.user,
            host=address.host,
            database=address.database,
            password=address.password,
            ssl_context=address.tls or False,
            application_name="tideline",
            sock=line,
        )
        opened.callback(_close, connection)
        return connection


def commit(connection: Connection) -> None:
    """Commit; from here on, a broken line leaves the outcome unknown."""
    connection.run("commit")


def _break_off(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _close(connection: Connection) -> None:
    with contextlib.suppress(*BROKEN):
        connection.close()
