"""Progress is shown only on a terminal, and never on standard output."""

import io
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
from types import SimpleNamespace

import pytest

from tests.support.activation_rig import FILES, members
from tests.support.deployment import REPOSITORY
from tideline import progress
from tideline.landing.systems.load import _counted
from tideline.progress import Progress

pytest_plugins = ["tests.support.activation_fixtures"]

MAPPING = """
user_id: who
time: {column: at}
event: {constant: login}
"""


def run(words, folder, with_terminal):
    """Run the command; return its standard output and standard error."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as file:
        screen, error = pty.openpty() if with_terminal else (None, file.fileno())
        if with_terminal:
            termios.tcsetwinsize(screen, (24, 100))
        process = subprocess.Popen(
            [sys.executable, "-m", "tideline", *map(str, words)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"},
            stdout=output,
            stderr=error,
        )
        said = b""
        if with_terminal:  # the other end stays open here, so that no output is lost
            while process.poll() is None or select.select([screen], [], [], 0)[0]:
                if select.select([screen], [], [], 0.05)[0]:
                    said += os.read(screen, 65536)
            os.close(screen)
            os.close(error)
        assert process.wait(60) == 0, said
        output.seek(0)
        file.seek(0)
        # The duration differs each time.
        return re.sub(rb"[\d.]+ s", b"_ s", output.read()), said or file.read()


def sample(folder):
    return ["sample", "--people", 30, "--days", 9, "--landing", folder, "--truth", folder / "truth"]


def land(folder):
    log, mapping = folder / "log.csv", folder / "log.yml"
    rows = "".join(f"u{number % 99},2026-01-01 10:00:00\n" for number in range(5000))
    log.write_text(f"who,at\n{rows}")
    mapping.write_text(MAPPING)
    return ["land", log, "--mapping", mapping, "--landing", folder]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (sample, [b"generating 30 people", b"writing the sample", b"9/9"]),
        (land, [b"reading log.csv", b"landing log.csv"]),
    ],
)
def test_a_terminal_sees_progress_and_a_pipe_does_not(tmp_path, command, shown):
    output, said = run(command(tmp_path), tmp_path, with_terminal=False)
    assert b"\r" not in said and not any(each in said for each in shown), said
    again, screen = run(command(tmp_path), tmp_path, with_terminal=True)
    assert again == output and output
    for each in shown:
        assert each in screen, screen
    assert re.search(rb"\r +\r(?!.*%)", screen)  # the bar is erased


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=screen))  # pytest replaces it
    monkeypatch.setattr(progress, "_is_shown", False)
    return screen


def test_a_sync_counts_the_rows_it_sends(rig, screen):
    rig.declare(s=FILES)
    rig.desire(members(7))
    progress.show()
    rig.sync()
    assert "sending s" in screen.getvalue() and "7/7" in screen.getvalue()


def test_without_the_command_nothing_is_shown(rig, screen):
    """Dagster also runs syncs, possibly on a terminal."""
    rig.declare(s=FILES)
    rig.desire(members(7))
    rig.sync()
    assert screen.getvalue() == ""


def test_rows_that_are_loaded_are_counted_and_stay_as_they_are(screen):
    progress.show()
    row = {"id": "1"}
    with Progress("loading crm", unit="rows") as shown:
        assert _counted(shown)(row) is row
    assert "loading crm: 1 rows" in screen.getvalue()


def test_the_clock_of_a_step_keeps_running(screen, monkeypatch):
    monkeypatch.setattr(progress, "TICK", 0.01)
    progress.show()
    with Progress("building", 3, "steps") as shown:
        shown.say("telling")
        before = screen.getvalue().count("\r")
        for _ in range(500):
            if screen.getvalue().count("\r") > before + 2:
                break
            shown._ended.wait(0.01)
    assert screen.getvalue().count("\r") > before + 2 and "telling" in screen.getvalue()
