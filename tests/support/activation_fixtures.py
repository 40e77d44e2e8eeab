"""The fixtures of the activation tests."""

import subprocess
import sys
import time

import pytest

from tests.support.activation_rig import SERVER, WEBHOOK, Rig, Server


@pytest.fixture(scope="session")
def server_process(tmp_path_factory):
    port_file = tmp_path_factory.mktemp("webhook") / "port"
    process = subprocess.Popen([sys.executable, "-B", str(SERVER), str(port_file)])
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert process.poll() is None and time.monotonic() < deadline, "server did not start"
            time.sleep(0.02)
        yield Server(int(port_file.read_text()))
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(server_process):
    server_process.reset()
    return server_process


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.fixture
def hooked(rig, server):
    """A rig with one webhook sync `s` to the server."""
    rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
    rig.declare(s=WEBHOOK)
    return rig
