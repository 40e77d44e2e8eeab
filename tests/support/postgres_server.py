"""A PostgreSQL server of its own for the tests, started from the installed package."""

import contextlib
import datetime
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pg8000.native import Connection

USER, PASSWORD, DATABASE = "tideline", "p@ss/w:rd'", "app"


def binaries():
    """The folder with PostgreSQL's programs; None if it is not installed."""
    named = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = [Path(named).resolve()] if named else debian[-1:]
    return found[0].parent if found else None


class PostgresServer:
    """A new, empty server in a separate process; a context manager.

    PostgreSQL does not run as root, so root starts it as the user that the package made.
    """

    def __init__(self):
        self.bin = binaries()
        if self.bin is None:
            pytest.skip("there is no PostgreSQL server; install Debian's package `postgresql`")
        self.as_user = {}
        if os.geteuid() == 0:
            self.as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tideline-postgres-"))
        self.data = self.folder / "data"
        self.certificate = self.folder / "server.crt"
        self.key = self.folder / "server.key"
        self._certify()
        if self.as_user:
            for path in (self.folder, self.certificate, self.key):
                shutil.chown(path, "postgres", "postgres")
        try:
            secret = self.folder / "password"
            secret.write_text(PASSWORD)
            secret.chmod(0o644)
            self._run(
                "initdb", "--no-sync", "--no-instructions", "--auth=scram-sha-256",
                f"--username={USER}", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C",
            )  # fmt: skip
            self.start()
            self.query(f"create database {DATABASE}", database="postgres")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "ssl": "on",
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.key,
        }
        words = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={words}")

    def stop(self):
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def url(self, user=USER, password="p%40ss%2Fw:rd'", more=""):
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{DATABASE}{more}"

    def query(self, sql, database=DATABASE, **values):
        """The rows of a statement, as the owner of the server."""
        with Connection(
            USER, "127.0.0.1", database, self.port, PASSWORD, ssl_context=False, timeout=30
        ) as connection:
            return connection.run(sql, **values)

    def _run(self, program, *words):
        subprocess.run(
            [self.bin / program, f"--pgdata={self.data}", *words],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
            **self.as_user,
        )

    def _certify(self):
        """Write a certificate for `localhost` alone, signed by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.key.chmod(0o600)
