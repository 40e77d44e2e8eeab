"""What becomes of a batch if the PostgreSQL server or the line to it fails."""

import socket
import time

import pytest
from pg8000.exceptions import DatabaseError, InterfaceError

from tests.support.activation_rig import members, numbers, some, wanted
from tests.support.postgres_fixtures import POSTGRES, VARIABLE, Sender
from tests.support.postgres_server import DATABASE, PASSWORD, USER
from tideline.activation.destinations.postgres import server
from tideline.activation.destinations.postgres.failures import of_commit, of_login, of_statement
from tideline.warehouse.errors import ActivationError

pytest_plugins = ["tests.support.activation_fixtures", "tests.support.postgres_fixtures"]

STATEMENTS = [
    "begin", "set local", "select relkind", "select attname", "lock", "delete", "insert", "commit",
]  # fmt: skip


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_server_process_killed_at_any_statement(sender, monkeypatch, statement, moment):
    """The outcome says what the table holds; sent again, the batch is applied once."""
    sender.send(a="1", b="1")
    run = server.Connection.run

    def killed(self, sql, **values):
        if not sql.startswith(statement):
            return run(self, sql, **values)
        rows = run(self, sql, **values) if moment == "after" else None
        monkeypatch.undo()
        pid = int.from_bytes(self._backend_key_data[:4], "big")
        sender.server.query("select pg_terminate_backend(:pid, 5000)", pid=pid)
        if sql == "commit" and moment == "after":  # its answer is lost
            raise InterfaceError("network error")
        return rows if moment == "after" else run(self, sql, **values)

    monkeypatch.setattr(server.Connection, "run", killed)
    outcome = sender.send(remove=["a"], b="2", c="2")
    is_applied = (statement, moment) == ("commit", "after")
    is_sent = statement == "commit" or (statement, moment) == ("insert", "after")
    assert outcome.fate == ("unknown" if is_sent else "busy")
    assert sender.held() == ({"b": "2", "c": "2"} if is_applied else {"a": "1", "b": "1"})
    assert sender.send(remove=["a"], b="2", c="2").fate == "accepted"
    assert sender.held() == {"b": "2", "c": "2"}


def test_a_restart_of_the_server_is_waited_for(filled, monkeypatch):
    filled.desire(members(3))
    filled.server.stop()
    filled.waits = Waits(filled.server)
    result = filled.sync()
    assert filled.waits.count == 2 and numbers(result) == some(add=3, accepted=3)
    assert filled.held() == wanted(members(3))


class Waits:
    """The waits of a run; in the second one, the server starts."""

    def __init__(self, started):
        self.started, self.count = started, 0

    def append(self, _):
        self.count += 1
        if self.count == 2:
            self.started.start()


def test_a_commit_whose_answer_is_lost_is_unknown_and_who_left_is_removed(filled, monkeypatch):
    filled.declare(s=POSTGRES | {"max_attempts": 1})
    filled.desire(members(3))
    commit = server.commit

    def lost(connection):
        commit(connection)
        raise InterfaceError("network error")

    monkeypatch.setattr(server, "commit", lost)
    assert numbers(filled.sync()) == some(add=3, unknown=3)
    assert filled.held() == wanted(members(3))
    monkeypatch.undo()
    filled.desire(members(1))
    filled.sync(allow_large_change=True)
    assert filled.held() == wanted(members(1))


def test_a_table_of_which_it_is_unknown_whether_it_was_emptied_fails_the_run(sender, monkeypatch):
    sender.send(a="1")

    def lost(_):
        raise InterfaceError("network error")

    monkeypatch.setattr(server, "commit", lost)
    assert sender.destination.repair({"": 1}) == []  # nothing was to be done
    with pytest.raises(ActivationError, match="during the commit"):
        sender.destination.repair({"": 7})


def other_transaction(postgres):
    return server.Connection(
        USER, "127.0.0.1", DATABASE, postgres.port, PASSWORD, ssl_context=False
    )


def test_a_batch_waits_for_an_earlier_one_that_may_still_be_committed(sender):
    """The late commit of a killed run comes before the removal that takes it back."""
    sender.send(a="1")
    with other_transaction(sender.server) as late:
        late.run("begin")
        late.run("lock table public.t in share row exclusive mode")
        late.run("insert into public.t values ('late', '1')")
        impatient = Sender(sender.server, timeout_seconds=0.3)
        assert impatient.send(remove=["late"]).fate == "busy"
        late.run("commit")
    assert sender.send(remove=["late"]).fate == "accepted"
    assert sender.held() == {"a": "1"}


def test_readers_neither_wait_nor_are_waited_for(sender):
    sender.send(a="1")
    with other_transaction(sender.server) as reader:
        reader.run("begin")
        reader.run("select * from public.t")
        assert Sender(sender.server, timeout_seconds=5).send(b="1").fate == "accepted"
        assert len(reader.run("select * from public.t")) == 2


def test_a_server_that_never_answers_does_not_hold_the_run_for_ever(postgres):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/app"
        began = time.monotonic()
        assert Sender(postgres, url=url, timeout_seconds=0.3).send(a="1").fate == "busy"
        assert time.monotonic() - began < 5


def test_a_line_of_which_every_byte_is_late_ends_at_the_deadline(sender, monkeypatch):
    """Each byte that arrives would restart the timeout of the socket."""
    sender.send(a="1")
    run = server.Connection.run

    def slow(self, sql, **values):
        time.sleep(0.2)
        return run(self, sql, **values)

    monkeypatch.setattr(server.Connection, "run", slow)
    assert Sender(sender.server, timeout_seconds=0.5).send(b="1").fate == "busy"
    assert sender.held() == {"a": "1"}


def test_no_connection_stays_open(sender):
    sender.send(a="1")
    sender.destination.repair({"": 1})
    Sender(sender.server, url=sender.server.url(password="x")).send(a="1")
    count = "select count(*) from pg_stat_activity where application_name = 'tideline'"
    until = time.monotonic() + 5
    while sender.server.query(count) != [[0]]:
        assert time.monotonic() < until
        time.sleep(0.01)


def failure(code, detail=None):
    return DatabaseError({"C": code, "M": "words"} | ({"D": detail} if detail else {}))


@pytest.mark.parametrize(
    ("code", "at_statement", "at_commit"),
    [
        ("53100", "busy", "unknown"),  # disk full
        ("53200", "busy", "unknown"),  # out of memory
        ("58030", "busy", "unknown"),  # input or output error
        ("40001", "busy", "busy"),  # serialization
        ("40P01", "busy", "busy"),  # deadlock
        ("57P01", "busy", "unknown"),  # shut down
        ("57014", "busy", "unknown"),  # timeout
        ("42P07", "busy", "unknown"),  # created by another transaction meanwhile
        ("42501", "held", "unknown"),  # no right
        ("25006", "held", "unknown"),  # read-only
        ("23505", "refused", "refused"),  # a deferred constraint
        ("22P02", "refused", "unknown"),
        ("XX000", "busy", "unknown"),
    ],
)
def test_the_fate_of_rows_by_the_servers_code(code, at_statement, at_commit):
    assert of_statement(failure(code)).fate == at_statement
    assert of_commit(failure(code)).fate == at_commit


def test_only_a_refused_row_quotes_values():
    assert "ann@example.com" in of_statement(failure("23505", "ann@example.com")).reason
    for code in ("53100", "42501", "40P01", "XX000"):
        assert "ann" not in of_statement(failure(code, "ann@example.com")).reason


@pytest.mark.parametrize(
    ("code", "fate"),
    [("28P01", "held"), ("3D000", "held"), ("53300", "busy"), ("57P03", "busy")],
)
def test_the_fate_of_rows_without_a_login(code, fate):
    outcome = of_login(failure(code), VARIABLE)
    assert outcome.fate == fate and (fate == "busy" or VARIABLE in outcome.reason)


def test_a_full_disk_applies_nothing_and_the_next_run_does(sender):
    """A trigger raises the server's own error, as no disk is filled here."""
    sender.send(a="1")
    sender.server.query(
        "create function public.full_disk() returns trigger language plpgsql as $$ begin "
        "raise exception 'No space left on device' using errcode = '53100'; end $$; "
        "create trigger full_disk after insert on public.t for each row "
        "execute function public.full_disk()"
    )
    outcome = sender.send(remove=["a"], b="2")
    assert outcome.fate == "busy" and "No space left on device" in outcome.reason
    assert sender.held() == {"a": "1"}
    sender.server.query("drop trigger full_disk on public.t")
    assert sender.send(remove=["a"], b="2").fate == "accepted"
    assert sender.held() == {"b": "2"}
