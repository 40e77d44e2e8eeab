"""Commands to an SFTP server by OpenSSH's own client, `sftp`.

OpenSSH checks the host key and logs in; what it may use is given here, and nothing is read from the
user's configuration. Each call is a process with a time limit; all calls of a run share one
connection, which ends some seconds after the last of them.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hmac
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

HOST = "tideline"  # under this name OpenSSH looks for the host key
# A public key, alone or as a line of a known_hosts file: behind a mark and the names of its hosts.
LINE = re.compile(
    r"(?:(@\S+)\s+)?(?:(\S+)\s+)??((?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]{40,}={0,3})(?:\s.*)?"
)
REVOKED = "@revoked"
MEMORY = Path("/dev/shm")  # a private key is not written to a disk if this is there
PREFIX = "tideline-sftp-"
YOUNG = 60  # seconds; a file that another run has just made may not be locked yet
ASK = '#!/bin/sh\nprintf "%s\\n" "$TIDELINE_SFTP_PASSWORD"\n'
OPTIONS = {
    "HostKeyAlias": HOST,
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
    "NumberOfPasswordPrompts": "1",
    "IdentityAgent": "none",
    "IdentitiesOnly": "yes",
    "ClearAllForwardings": "yes",
    "LogLevel": "ERROR",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "2",
    "ControlMaster": "auto",
    "ControlPersist": "5",
}


@dataclass(frozen=True)
class Login:
    """Where to log in, and with what. `host_keys` are lines that have public keys of the host."""

    host: str
    port: int
    user: str
    host_keys: str
    key: str | None
    password: str | None
    timeout_seconds: float

    def known_hosts(self) -> list[str]:
        """The public keys in the form of a known_hosts file; empty if there is none to trust.

        A comment, a key of a certificate authority and a key of other hosts are left out.
        """
        revoked, trusted = [], []
        for line in self.host_keys.splitlines():
            if not (found := LINE.fullmatch(line.strip())):
                continue
            mark, names, kind, key = found.groups()
            if mark == REVOKED:
                revoked.append(f"{REVOKED} {HOST} {kind} {key}")
            elif mark is None and (names is None or self._is_named(names)):
                trusted.append(f"{HOST} {kind} {key}")
        return revoked + trusted if trusted else []

    def _is_named(self, names: str) -> bool:
        """Whether the names of a line are also those of the host."""
        ours = {self.host.lower(), f"[{self.host}]:{self.port}".lower()}
        return any(_is_hash_of(names, each) for each in ours) or not ours.isdisjoint(
            names.lower().split(",")
        )


def _is_hash_of(names: str, name: str) -> bool:
    """Whether the hashed name of a line (`|1|salt|hash`) is this one."""
    try:
        _, _, salt, told = names.split("|")
        hashed = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(hashed, base64.b64decode(told))
    except ValueError:
        return False


@dataclass(frozen=True)
class Told:
    """What came of some commands: those that began, and the words of an error if one failed."""

    is_done: bool
    begun: Sequence[str]
    shown: Sequence[str]  # lines of output
    error: str = ""

    def has_begun(self, command: str) -> bool:
        """Whether any command of this name was sent."""
        return any(each.startswith(f"{command} ") for each in self.begun)


def _delete_left_keys(place: Path) -> None:
    """Delete the private keys of runs that were killed: nobody locks their files any more."""
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # such as that of another user, or one that is locked
            if path.is_file() and time.time() - path.stat().st_mtime > YOUNG:
                with path.open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def named(file: TextIO) -> str:
    """How a command names an open file, which needs no name of its own."""
    return f"/dev/fd/{file.fileno()}"


class Session:
    """Runs commands with one login."""

    def __init__(self, login: Login) -> None:
        """Nothing is sent yet."""
        self._login = login
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        folder = Path(self._folder.name)
        options = OPTIONS | {
            "UserKnownHostsFile": str(folder / "known_hosts"),
            "ControlPath": str(folder / "connection"),
            "ConnectTimeout": str(max(1, int(login.timeout_seconds))),
            "Port": str(login.port),
        }
        (folder / "known_hosts").write_text("\n".join([*login.known_hosts(), ""]))
        self._environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        if login.password is None:
            place = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
            _delete_left_keys(place)
            self._key = tempfile.NamedTemporaryFile("w", prefix=PREFIX, dir=place)  # noqa: SIM115
            fcntl.flock(self._key, fcntl.LOCK_EX)  # as long as this process lives
            self._key.write(f"{(login.key or '').strip()}\n")
            self._key.flush()
            options |= {
                "PreferredAuthentications": "publickey",
                "IdentityFile": self._key.name,
                "BatchMode": "yes",
            }
        else:
            ask = folder / "ask"
            ask.write_text(ASK)
            ask.chmod(0o700)
            self._environment |= {
                "SSH_ASKPASS": str(ask),
                "SSH_ASKPASS_REQUIRE": "force",
                "TIDELINE_SFTP_PASSWORD": login.password,
            }
            options |= {
                "PreferredAuthentications": "password,keyboard-interactive",
                "PubkeyAuthentication": "no",
                "BatchMode": "no",  # before `-b`, which turns questions off
            }
        self._options = [f"-o{name}={value}" for name, value in options.items()]

    def run(self, *commands: str, files: Sequence[TextIO] = ()) -> Told:
        """Run commands until one fails; one with `-` before it may fail.

        `files` are those that commands name as `named` does.
        """
        program = shutil.which("sftp")
        if program is None:
            return Told(False, [], [], "the program `sftp` is missing; install OpenSSH's client")
        login = self._login
        place = f"{login.user}@{login.host}"
        with (
            tempfile.TemporaryFile("w+") as batch,
            tempfile.TemporaryFile("w+", errors="replace") as out,
            tempfile.TemporaryFile("w+", errors="replace") as err,
        ):
            batch.write("\n".join([*commands, ""]))
            batch.seek(0)
            process = subprocess.Popen(
                [program, "-F", "none", *self._options, "-b", "-", place],
                stdin=batch,
                stdout=out,
                stderr=err,
                env=self._environment,
                pass_fds=[each.fileno() for each in files],
                start_new_session=True,
            )
            error = ""
            try:
                process.wait(login.timeout_seconds)
            except subprocess.TimeoutExpired:
                error = f"no end within {login.timeout_seconds:g} seconds"
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            out.seek(0)
            err.seek(0)
            lines = out.read().splitlines()
            words = [line.strip() for line in err.read().splitlines() if line.strip()]
        begun = [line.removeprefix("sftp> ") for line in lines if line.startswith("sftp> ")]
        shown = [line for line in lines if not line.startswith("sftp> ")]
        if process.returncode == 0 and not error:
            return Told(True, begun, shown)
        return Told(False, begun, shown, error or "; ".join(words)[-500:] or "no reason")
