"""The address of a database: `postgresql://user:password@host:5432/database?sslmode=verify-full`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tideline.activation.destinations.api import LOCAL
from tideline.warehouse.errors import DeclarationError, NotConfigured

FORM = "postgresql://user:password@host:5432/database"
USUAL_PORT = 5432
# What libpq calls the modes, without those that may send the password over an open line.
MODES = ("verify-full", "verify-ca", "require", "disable")


@dataclass(frozen=True)
class Address:
    """Where the database is, and as whom to connect; `tls` is None for an open line."""

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None

    @property
    def place(self) -> str:
        """Which database it is; another user or password makes no other one."""
        port = f":{self.port}" if self.port != USUAL_PORT else ""
        return f"{self.host}{port}/{self.database}"


def address_of(environment: Mapping[str, str], variable: str, sync_name: str) -> Address:
    """The address in a variable.

    Raises NotConfigured if the variable is not set, DeclarationError if it cannot be used; neither
    quotes it.
    """
    url = environment.get(variable)
    if not url:
        raise NotConfigured(
            f"set {variable} to the address of the database, as {FORM}; until then nothing is sent"
        )
    try:
        return _read(url)
    except ValueError as error:
        raise DeclarationError(f"sync `{sync_name}`: {variable} {error}") from None


def _read(url: str) -> Address:
    """Raises ValueError with the problem, which quotes nothing of the address."""
    try:
        parts = urlsplit(url)
        port = parts.port or USUAL_PORT
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:  # its text may quote the password
        parts, port, options = urlsplit(""), 0, {}
    database = unquote(parts.path[1:])
    is_whole = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.username
    if not is_whole or not database or "/" in database or parts.fragment or "\0" in unquote(url):
        raise ValueError(
            f"is not an address as {FORM}; write special characters of the password in percent "
            "code, such as %2F for /"
        )
    if set(options) - {"sslmode", "sslrootcert"}:
        raise ValueError("has an option after `?` other than `sslmode` and `sslrootcert`")
    return Address(
        host=str(parts.hostname),
        port=port,
        database=database,
        user=unquote(str(parts.username)),
        password=None if parts.password is None else unquote(parts.password),
        tls=_tls(parts, options),
    )


def _tls(parts: SplitResult, options: Mapping[str, str]) -> ssl.SSLContext | None:
    """The TLS of the line: with a checked certificate, unless the address says otherwise."""
    is_local = parts.hostname in LOCAL
    mode = options.get("sslmode", "disable" if is_local else "verify-full")
    if mode not in MODES:
        raise ValueError(f"has an `sslmode` other than {', '.join(MODES)}")
    if mode == "disable":
        if not is_local:
            raise ValueError(
                "has `sslmode=disable`, so the password would be readable on its way; remove it"
            )
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("sslrootcert"))
    except OSError:  # also for a file that has no certificate
        raise ValueError("has an `sslrootcert` that is not a readable certificate file") from None
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
