"""OpenSSH's server for the tests of the destination `sftp`, and a line to it that breaks."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.support.activation_rig import KEY, ConsentRig

START_SECONDS = 20
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
PidFile none
UsePAM no
Subsystem sftp internal-sftp
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SftpServer:
    """A server that lets the current user in with one key; a context manager."""

    def __init__(self):
        self.program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        if self.program is None or shutil.which("sftp") is None:
            pytest.skip("there is no SSH server; install Debian's package `openssh-server`")
        self.port = free_port()

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tideline-sshd-"))
        for name in ("host", "user", "other"):
            path = self.folder / name
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
            subprocess.run(command, check=True)
        config = self.folder / "config"
        config.write_text(CONFIG.format(port=self.port, folder=self.folder))
        if os.geteuid() == 0:  # Debian's service makes it, which may not have been started
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.log = (self.folder / "log").open("w+")
        command = [self.program, "-D", "-e", "-f", str(config)]
        self.process = subprocess.Popen(command, stderr=self.log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            assert self.process.poll() is None and time.monotonic() < until, self.text("log")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self, name):
        return (self.folder / name).read_text()


class Line:
    """A port that leads to a server, until `most` bytes have gone there; None for no end."""

    def __init__(self, target):
        self.target, self.most, self.was_cut_at = target, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, target, is_counted):
        gone = 0
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                gone += len(data)
                if is_counted and self.most is not None and gone > self.most:
                    self.was_cut_at = gone
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class SftpRig(ConsentRig):
    """A rig whose sync delivers to a folder of the server by a line of its own."""

    def __init__(self, folder, server, line):
        super().__init__(folder)
        self.server, self.line = server, line
        self.root = self.folder / "upload"
        self.root.mkdir()
        self.place = self.root / "s"
        self.environment |= {
            "SFTP_HOST_KEY": server.text("host.pub"),
            "SFTP_KEY": server.text("user"),
        }
        self.declare()

    def declare(self, **more):
        sync = {
            "destination": "sftp",
            "key": KEY,
            "group_by": "segment_name",
            "host": "localhost",
            "port": self.line.port,
            "user": getpass.getuser(),
            "directory": str(self.root),
            "timeout_seconds": 20,
        }
        super().declare(s=sync | more)

    def names(self):
        return sorted(path.name for path in self.place.iterdir()) if self.place.exists() else []


@pytest.fixture(scope="session")
def sftp_server():
    with SftpServer() as server:
        yield server


@pytest.fixture
def sftp_rig(tmp_path, sftp_server):
    line = Line(sftp_server.port)
    yield SftpRig(tmp_path, sftp_server, line)
    line.close()
