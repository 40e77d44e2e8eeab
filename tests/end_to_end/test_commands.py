"""Commands that cannot do their work print one sentence and no traceback."""

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from tests.support import processes
from tests.support.deployment import REPOSITORY
from tideline import cli, dev
from tideline.warehouse.dbt_plugin import INTERRUPTED, plain_interrupt
from tideline.warehouse.duckdb_file import command_name

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reads")
print("open", flush=True)
sys.stdin.read()
"""
WAIT = """
import duckdb
from tideline import cli

def main():
    print("begun", flush=True)
    {0}

cli.run(main)
"""
COMMANDS = [
    ["tideline", "match"],
    ["tideline", "plan", "infer"],
    ["tideline", "summary"],
    ["dbt", "seed", "--select", "key_features"],
]
READERS = COMMANDS[1:3]  # they can run together with another reader


def failed(deployment, words):
    """The output of a command that must fail."""
    if words[0] == "dbt":
        return deployment.dbt(*words[1:], fails=True)
    return deployment.run(*words, fails=True)


@pytest.fixture
def warehouse(deployment):
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create table something as select 1 as number")
    return deployment


@pytest.fixture(params=["reads", "writes"])
def holder(warehouse, tmp_path, request):
    """A process that reads or writes the warehouse, and its name."""
    script = tmp_path / "my_notebook"
    script.write_text(HOLD)
    words = [sys.executable, script, warehouse.warehouse, request.param, "password=secret"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield request.param, process.pid
        process.kill()


def test_a_warehouse_in_use_is_reported_in_one_sentence(warehouse, holder):
    how, pid = holder
    for words in COMMANDS:
        if how == "reads" and words in READERS:
            continue
        output = failed(warehouse, words)
        told = [line for line in output.splitlines() if "in use by another process" in line]
        assert len(told) == 1 and "Traceback" not in output, output
        assert f"(PID {pid}, my_notebook)" in told[0] and "wait until it has ended" in told[0]
        assert "secret" not in output


def test_two_readers_do_not_disturb_each_other(warehouse, tmp_path):
    with duckdb.connect(str(warehouse.warehouse), read_only=True):
        code = (
            "import os; from tideline.warehouse.connection import open_warehouse;"
            "print(open_warehouse(os.environ, read_only=True)"
            ".query('select number from main.something'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=warehouse.env,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
    assert done.stdout.strip() == "[(1,)]", done.stderr


def test_a_command_is_named_without_its_arguments():
    python = "/usr/bin/python3.11"
    assert command_name([python, "/opt/venv/bin/dbt", "build", "--vars", "x"]) == "dbt"
    own = ["/opt/venv/bin/python", "/opt/venv/bin/tideline", "forget", "email:ann@example.org"]
    assert command_name(own) == "tideline forget"
    assert command_name([python, "-m", "tideline", *own[2:]]) == "tideline forget"
    assert command_name([python, "-m", "http.server", "8000"]) == "python -m http.server"
    assert command_name(["/usr/local/bin/duckdb", "warehouse.duckdb"]) == "duckdb"
    assert command_name([python, "-c", "print('secret')"]) == "python3.11"
    assert command_name([python, ""]) == "python3.11"


def bound_by_permissions(*words):
    """Run a module so that file permissions apply even to root."""
    libc = ctypes.CDLL(None)
    version, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(version, sets)
    sets[0] &= ~0b110  # removes CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from the effective ones
    libc.capset(version, sets)
    processes.module(*words)


def test_a_read_only_warehouse_is_reported_in_one_sentence(warehouse):
    warehouse.dbt("parse")
    warehouse.warehouse.chmod(0o444)
    warehouse.warehouse.parent.chmod(0o555)
    try:
        for words in (COMMANDS[0], ["dbt.cli.main", *COMMANDS[3][1:]]):
            code, output = processes.run(
                bound_by_permissions, *words, folder=REPOSITORY, env=warehouse.env
            )
            assert code != 0 and "cannot be written here" in output, output
            assert "Traceback" not in output and str(warehouse.warehouse) in output
    finally:
        warehouse.warehouse.parent.chmod(0o755)


def test_an_invalid_or_missing_warehouse_is_reported_in_one_sentence(deployment):
    for words in COMMANDS[:3]:
        output = deployment.run(*words, fails=True)
        assert output.count("\n") == 1 and output.startswith("error: "), output
    deployment.warehouse.write_text("no database at all")
    for words in COMMANDS:
        output = failed(deployment, words)
        assert "Traceback" not in output and str(deployment.warehouse) in output, output


@pytest.mark.parametrize(
    "work", ["import time; time.sleep(60)", "duckdb.sql('from range(1000000000000)').fetchone()"]
)
def test_an_interrupted_command_says_so(work):
    work = work.replace("fetchone", "max('range').fetchone")
    # A shell may start its children with the signal ignored; a terminal does not.
    with subprocess.Popen(
        [sys.executable, "-c", WAIT.format(work)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "interrupted\n" and process.returncode == 130


def interrupted_build(deployment, interrupts, *, whole_group):
    """The output of `dbt build` and its exit code, if Ctrl-C comes during a model."""
    dbt, end = Path(sys.executable).with_name("dbt"), os.killpg if whole_group else os.kill
    words = [
        dbt,
        "build",
        "--select",
        "+int_events_deduplicated",
        "--indirect-selection",
        "buildable",
    ]
    words += ["--log-level", "debug", "--vars", "{}"]
    with subprocess.Popen(
        words,
        cwd=REPOSITORY,
        env=deployment.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            said = ""
            # Only the end is searched: whoever reads slower than dbt writes interrupts too late.
            while not re.search(r"create\s+table\s+\S+\.\"int_events_deduplicated", said[-1000:]):
                said += (line := process.stdout.readline())
                assert line, said
            for _ in range(interrupts):
                time.sleep(0.05)
                end(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, said + rest


def test_an_interrupted_build_says_so_and_the_next_one_is_right(deployment):
    """The signal goes to the process (`kill -INT`), to its group (a terminal), or comes twice."""
    deployment.sample("--people", "300", "--days", "60", "--seed", "3")
    deployment.dbt("parse")
    for interrupts, whole_group in ((1, False), (1, True), (2, True)):
        code, said = interrupted_build(deployment, interrupts, whole_group=whole_group)
        assert code not in (0, -signal.SIGKILL) and "Traceback" not in said, said
        assert said.count(INTERRUPTED) == 1, said
        tables = deployment.query("select table_name from duckdb_tables()")
        assert ("raw_messages",) in tables and ("int_events_deduplicated",) not in tables
        listed = dict(deployment.query("select * from unfinished_nodes"))
        assert listed["model.tideline.int_events_deduplicated"] == "started"
    deployment.build_up_to("int_events_deduplicated")
    assert deployment.query("select * from unfinished_nodes where status <> 'stale'") == []
    landed = sum(len(path.read_text().splitlines()) for path in deployment.landing.rglob("*.jsonl"))
    assert deployment.value("select count(*) from int_events_deduplicated") == landed > 0


def test_only_the_message_of_ctrl_c_is_changed():
    """dbt logs the error while it handles the exception.

    A second Ctrl-C must not end the process before each logger has written the message.
    """
    before, told = signal.getsignal(signal.SIGINT), plain_interrupt(lambda message: True)
    message, trace = (
        SimpleNamespace(info=SimpleNamespace(name=name, msg=words))
        for name, words in (("MainEncounteredError", "a"), ("MainStackTrace", "b"))
    )
    try:
        try:
            raise ValueError
        except ValueError:
            assert told(message) and told(trace)
            assert (message.info.msg, trace.info.msg) == ("a", "b")
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            for _logger in range(2):
                assert told(message) and message.info.msg == INTERRUPTED
                assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert not told(trace)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closed_pipe_and_an_unexpected_error_leave_no_traceback():
    for work, code, said in (
        ("raise BrokenPipeError", 141, ""),
        ("int('ann@example.org')", 1, r"error: unexpected ValueError at <string>:\d+\n"),
        ("open('/nowhere/file')", 1, "error: /nowhere/file: No such file or directory\n"),
        ("return 3", 3, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-c", WAIT.format(work)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code and re.fullmatch(said, done.stderr), done.stderr


def test_every_command_is_one_of_tideline(deployment):
    """Each ends through `tideline.cli.run` and has a description."""
    overview = deployment.run("tideline", "--help")
    for title, commands in cli.COMMANDS.items():
        assert f"{title}:" in overview
        for name, command in commands.items():
            assert f"  {name} " in overview and command.summary in overview
            page = deployment.run("tideline", name, "--help")
            assert page.startswith(f"usage: tideline {name} "), page
    for path in (REPOSITORY / "tideline").rglob("*.py"):
        if path.name != "__main__.py":
            assert "__main__" not in path.read_text(), f"{path} is a command of its own"


def test_an_unknown_command_is_an_error_with_a_suggestion(capsys):
    assert cli.main(["activat"]) == 2
    assert "there is no command `activat`; did you mean `activate`?" in capsys.readouterr().err


def test_a_port_in_use_is_an_error_with_the_fix(deployment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output = deployment.run("tideline", "dev", "--port", port, fails=True)
    assert f"port {port} is in use" in output and f"make dev PORT={port + 1}" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_an_invalid_port_is_an_error(port, capsys):
    with pytest.raises(SystemExit):
        dev.main(["--port", str(port)])
    assert "write a whole number from 1 to 65535" in capsys.readouterr().err


def test_dagster_keeps_its_runs_where_the_repository_says(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    started = []
    monkeypatch.setattr(os, "execve", lambda *words: started.append(words))
    monkeypatch.setattr(os, "chdir", lambda folder: started.append(folder))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    dev.main(["--port", str(port)])
    [folder, [_, words, environment]] = started
    assert folder == REPOSITORY and words[-1] == str(port)
    assert environment["DAGSTER_HOME"] == str(REPOSITORY)
    assert (REPOSITORY / "dagster.yaml").exists()


def test_make_demo_passes_vars_unchanged_to_the_build(tmp_path):
    """The vars arrive unchanged by the shell; the default is `{}`."""
    for name in ("dbt", "tideline"):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\nprintf '%s|' \"$@\" >> {tmp_path / name}.said\n")
        stub.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env |= {"TIDELINE_LANDING": str(tmp_path)}
    for words, given in (
        (["VARS={shop: false, a: '; touch here'}"], "{shop: false, a: '; touch here'}"),
        ([], "{}"),
    ):
        make = ["make", "-o", ".venv/.installed", f"BIN={tmp_path}", "demo", *words]
        subprocess.run(make, cwd=REPOSITORY, env=env, capture_output=True, check=True)
        said = tmp_path / "dbt.said"
        assert said.read_text() == f"--quiet|build|--vars|{given}|"
        said.unlink()
