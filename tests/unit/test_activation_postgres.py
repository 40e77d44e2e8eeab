"""A table in a PostgreSQL server holds exactly the desired rows."""

import datetime
import decimal
import json
import shutil

import pytest

from tests.support.activation_rig import asking, member, members, numbers, some, wanted
from tests.support.postgres_fixtures import POSTGRES, VARIABLE, PostgresRig, Sender
from tests.support.postgres_server import PASSWORD
from tideline.warehouse.errors import ActivationError, DeclarationError

pytest_plugins = ["tests.support.activation_fixtures", "tests.support.postgres_fixtures"]


def test_rows_are_inserted_changed_and_deleted(filled):
    filled.desire([*members(3), member("p001", "new")])
    assert numbers(filled.sync()) == some(add=4, accepted=4)
    rows = [member("p001", label="gold"), member("p002"), member("q")]
    filled.desire(rows)
    assert numbers(filled.sync()) == some(add=1, update=1, remove=2, accepted=4)
    assert filled.held() == wanted(rows)
    assert filled.sync().run.planned == 0


def test_columns_have_their_types_and_the_key_is_the_primary_key(filled):
    filled.desire([member("p", score=0.1, label="5"), member("q", score=None, details=None)])
    filled.sync()
    row, empty = filled.server.query(
        "select profile_id, segment_label, score, is_new, entered_at, details, email "
        "from public.segments order by profile_id"
    )
    assert row == [
        "p", "5", decimal.Decimal("0.1"), True,
        datetime.datetime(2026, 11, 1, 10, 0, 0, 250000, datetime.UTC),
        {"a": [True, None], "b": 1}, "p@example.com",
    ]  # fmt: skip
    assert (empty[2], empty[5]) == (None, None)
    kinds = filled.server.query(
        "select column_name, data_type from information_schema.columns "
        "where table_name = 'segments'"
    )
    assert dict(kinds) == {
        "profile_id": "text", "segment_name": "text", "segment_label": "text", "score": "numeric",
        "is_new": "boolean", "entered_at": "timestamp with time zone", "details": "jsonb",
        "email": "text",
    }  # fmt: skip
    key = filled.server.query(
        "select column_name from information_schema.key_column_usage "
        "where table_name = 'segments' order by ordinal_position"
    )
    assert key == [["profile_id"], ["segment_name"]]


def test_without_types_every_column_is_text_and_names_are_quoted(filled):
    odd, quoted = 'a"b; drop table x.:y', '"odd ""schema"."a""b; drop table x.:y"'
    declared = {k: v for k, v in POSTGRES.items() if k not in ("types", "columns")}
    filled.server.query('create schema if not exists "odd ""schema"')
    filled.declare(s=declared | {"table": odd, "schema": 'odd "schema'})
    filled.desire([member("p"), member("q")])
    assert filled.sync().run.accepted == 2
    filled.desire([member("p")])
    assert filled.sync().run.accepted == 1
    [row] = filled.server.query(f"select score, is_new, entered_at, details from {quoted}")
    assert row == ["0.5", "true", "2026-11-01T10:00:00.250000Z", '{"a": [true, null], "b": 1}']
    filled.server.query('drop schema "odd ""schema" cascade')


def test_values_are_bound_and_arrive_unchanged(sender):
    odd = 'Robert\'); drop table t;-- "x" :rows $1 %s \\ é 😀\n'
    assert sender.send(**{odd: odd, "b": ""}).fate == "accepted"
    assert sender.held() == {odd: odd, "b": ""}
    assert sender.send(remove=[odd, "never there"]).fate == "accepted"
    assert sender.held() == {"b": ""}


def test_large_and_exact_numbers_arrive_unchanged(postgres):
    sender = Sender(postgres, types={"label": "number", "profile_id": "number"})
    sender.send(**{"12345678901234567890": 0.1, "-2": 2**63})
    assert sender.held() == {12345678901234567890: decimal.Decimal("0.1"), -2: 2**63}
    sender.send(remove=["-2"])
    assert list(sender.held()) == [12345678901234567890]


def test_more_rows_than_a_batch_and_a_key_alone(filled):
    filled.declare(s=POSTGRES | {"batch_rows": 4, "columns": [], "types": {}})
    filled.desire(members(11))
    assert filled.sync().run.accepted == 11
    filled.desire(members(2))
    assert filled.sync().run.accepted == 9
    rows = filled.server.query("select * from public.segments order by 1")
    assert rows == [["p000", "vip"], ["p001", "vip"]]


def test_a_removal_where_there_is_no_table_is_accepted_and_creates_none(sender):
    assert sender.send(remove=["a"]).fate == "accepted"
    assert sender.server.query("select * from pg_tables where schemaname = 'public'") == []


# Bad rows

# The profile and the label of a bad row, a change of the table before it, and the server's words.
BAD = {
    "a text with NUL": ("a", "x\0y", "", "cannot be converted to text"),
    "half a character": ("a", "\ud800", "", "invalid input syntax for type json"),
    "a key that is too long": ("".join(map(chr, range(33, 6000))), "x", "", "index row"),
    "a unique column": ("a", "first", "add unique (label)", "(label)=(first) already exists"),
    "a check": ("a", "x", "add check (label <> 'x')", "check constraint"),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_row_is_refused_in_the_servers_words_and_nothing_is_applied(sender, why):
    profile, label, change, said = BAD[why]
    sender.send(first="first", second="second")
    if change:
        sender.server.query(f"alter table public.t {change}")
    outcome = sender.send(remove=["second"], **{"b": None, profile: label})
    assert outcome.fate == "refused" and said in outcome.reason
    assert sender.held() == {"first": "first", "second": "second"}


def test_a_value_that_is_not_of_the_type_is_refused(postgres):
    outcome = Sender(postgres, types={"label": "number"}).send(a="1", b="ten")
    assert outcome.fate == "refused"
    assert 'invalid input syntax for type numeric: "ten"' in outcome.reason


def test_a_bad_row_is_rejected_alone_and_stops_nobody_else(filled):
    filled.desire([member("first")])
    filled.sync()
    filled.server.query(
        "create function public.refuse() returns trigger language plpgsql as $$ begin "
        "if new.profile_id = 'bad' then raise exception 'not %', new.profile_id; end if; "
        "return new; end $$; create trigger refuse before insert on public.segments "
        "for each row execute function public.refuse()"
    )
    others = [member("first"), *members(6)]
    filled.desire([*others, member("bad")])
    result = filled.sync()
    assert result.run.status == "succeeded"
    assert numbers(result) == some(add=7, accepted=6, rejected=1)
    reasons = filled.sql("select reason from warehouse.tideline.activation_rejections")
    assert reasons == [("not bad",)]
    assert filled.held() == wanted(others)
    filled.desire(others)
    assert filled.sync().run.planned == 0


def test_a_row_that_the_application_still_needs_is_not_removed(sender):
    sender.send(a="1", b="2")
    sender.server.query(
        "create table public.orders (profile_id text references public.t); "
        "insert into public.orders values ('a')"
    )
    outcome = sender.send(remove=["a"])
    assert outcome.fate == "refused" and "orders" in outcome.reason
    assert sender.send(remove=["b"]).fate == "accepted"
    assert sender.held() == {"a": "1"}


def test_a_reader_never_sees_half_a_batch(sender, monkeypatch):
    """The batch removes, changes and adds; a reader looks after each of its statements."""
    from tideline.activation.destinations.postgres import server

    sender.send(a="1", b="2")
    seen, run = [], server.Connection.run

    def watched(self, statement, **values):
        rows = run(self, statement, **values)
        monkeypatch.undo()
        seen.append(sender.held())
        monkeypatch.setattr(server.Connection, "run", watched)
        return rows

    monkeypatch.setattr(server.Connection, "run", watched)
    sender.send(remove=["a"], b="3", c="4")
    assert len(seen) > 4 and seen[-1] == {"b": "3", "c": "4"}
    assert all(each == {"a": "1", "b": "2"} for each in seen[:-1])


# Rows that somebody else changed


def test_a_table_with_other_rows_is_emptied_and_filled_again(filled):
    filled.desire(members(3))
    filled.sync()
    for spoil in ("insert into public.segments values ('stranger', 'vip')", "drop table segments"):
        filled.server.query(spoil)
        assert numbers(filled.sync()) == some(add=3, accepted=3), spoil
        assert filled.held() == wanted(members(3))


def test_rows_are_counted(sender):
    assert sender.destination.repair({}) == []
    assert sender.destination.repair({"": 2}) == [""]  # the table is missing
    sender.send(a="1", b="2")
    assert sender.destination.repair({"": 2}) == []
    assert len(sender.held()) == 2
    for spoil in ("truncate public.t", "insert into public.t values ('a'), ('b'), ('c')"):
        sender.server.query(spoil)
        assert sender.destination.repair({"": 2}) == [""]
        assert sender.held() == {}


def test_a_count_that_needs_a_person_is_an_error_one_that_is_busy_is_not(sender):
    sender.send(a="1")
    for url, stops in (
        (sender.server.url(password="x"), True),
        ("postgresql://a@127.0.0.1:1/d", False),
    ):
        other = Sender(sender.server, url=url)
        if stops:
            with pytest.raises(ActivationError, match=VARIABLE):
                other.destination.repair({"": 1})
        else:
            assert other.destination.repair({"": 1}) == []


# Owners


def test_a_table_or_view_of_somebody_else_is_refused_and_not_changed(sender):
    for kind, made in (("view", "as select 1 as profile_id"), ("table", "(profile_id int)")):
        sender.server.query(f"create {kind} public.t {made}")
        outcome = sender.send(a="1")
        assert outcome.fate == "held" and "was not created by Tideline" in outcome.reason
        with pytest.raises(ActivationError, match="was not created by Tideline"):
            sender.destination.repair({})
        assert sender.server.query("select * from public.t") == ([[1]] if kind == "view" else [])
        sender.server.query(f"drop {kind} public.t")


def test_two_syncs_do_not_fill_one_table(filled):
    filled.declare(s=POSTGRES, t=POSTGRES)
    filled.desire(members(2))
    filled.sync("s")
    result = filled.sync("t")
    assert result.failed and "belongs to the sync `s`" in result.run.message
    assert filled.held() == wanted(members(2))
    filled.declare(s=POSTGRES, t=POSTGRES | {"table": "other"})
    assert filled.sync("t").run.accepted == 2
    assert filled.held("other") == wanted(members(2))


def test_a_copy_of_the_warehouse_is_refused_until_the_table_is_handed_over(filled, tmp_path):
    filled.desire(members(2))
    filled.sync()
    (tmp_path / "two").mkdir()
    copy = PostgresRig(tmp_path / "two", filled.server)
    shutil.copy(filled.path, copy.path)
    copy.desire([member("x")])
    result = copy.sync()
    assert result.failed and "is a copy, or which was moved" in result.run.message
    assert filled.held() == wanted(members(2))
    filled.server.query(result.run.message.partition("run there: ")[2])
    assert copy.sync().run.status == "succeeded"
    assert filled.held() == wanted([member("x")])
    assert filled.sync().failed


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"warehouse": "v"}, "belongs to the sync `s` of another warehouse"),
        ({"place": "/v.duckdb"}, "belongs to the warehouse at /w.duckdb"),
        ({"sync": "z'z"}, "belongs to the sync `s`;"),
    ],
)
def test_the_owner_is_named_and_the_statement_hands_the_table_over(sender, other, said):
    sender.send(a="1")
    second = Sender(sender.server, **other)
    outcome = second.send(b="2")
    assert outcome.fate == "held" and said in outcome.reason
    assert sender.held() == {"a": "1"}
    sender.server.query(outcome.reason.partition("run there: ")[2])
    assert second.send(b="2").fate == "accepted"
    assert sender.send(a="1").fate == "held"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("drop column label", "lacks the column `label`"),
        ("add column extra text", "has the column `extra`, which is not sent"),
        (
            "alter column label type numeric using 1",
            "has the column `label` as numeric, not as text",
        ),
        ("drop constraint t_pkey", "as text, not as text of the primary key"),
    ],
)
def test_a_table_with_other_columns_is_refused(sender, change, said):
    sender.send(a="1")
    sender.server.query(f"alter table public.t {change}")
    outcome = sender.send(b="2")
    assert outcome.fate == "held" and said in outcome.reason
    assert sender.server.query("select profile_id from public.t") == [["a"]]
    assert sender.send(remove=["a"]).fate == "accepted"


# Rights and logins


@pytest.fixture
def limited(sender):
    """The destination with a user who may only connect."""
    sender.server.query("create role limited login password 'geheim-7'")
    yield Sender(sender.server, url=sender.server.url("limited", "geheim-7"))
    sender.server.query("drop owned by limited; drop role limited")


def test_without_the_right_to_create_the_message_has_the_statements(limited):
    outcome = limited.send(a="1", b="2")
    assert outcome.fate == "held"
    statements = outcome.reason.partition("user's name: ")[2].replace("to ...", "to limited")
    limited.server.query(statements)
    assert limited.send(a="1", b="2").fate == "accepted"
    assert limited.destination.repair({"": 2}) == []


@pytest.mark.parametrize("right", ["select", "insert", "update", "delete"])
def test_a_missing_right_holds_the_rows(limited, right):
    limited.server.query("grant create on schema public to limited")
    limited.send(a="1", b="1")
    limited.server.query(
        "alter table public.t owner to tideline; "
        "grant select, insert, update, delete on public.t to limited; "
        f"revoke {right} on public.t from limited"
    )
    outcome = limited.send(remove=["a"], b="2")
    assert outcome.fate == "held" and "permission denied for table t" in outcome.reason
    assert limited.held() == {"a": "1", "b": "1"}


def test_a_server_that_only_reads_holds_the_rows(limited):
    limited.server.query(
        "grant create on schema public to limited; "
        "alter role limited set default_transaction_read_only = on"
    )
    outcome = limited.send(a="1")
    assert outcome.fate == "held" and "read-only transaction" in outcome.reason


def test_a_wrong_password_holds_the_rows_and_nothing_is_quoted(filled, caplog):
    filled.environment[VARIABLE] = filled.server.url(password="hunter2-wrong")
    filled.desire(members(2))
    result = filled.sync()
    assert result.failed and VARIABLE in result.run.message
    told = f"{result.run}{caplog.text}{filled.sql('from warehouse.tideline.activation_runs')}"
    for secret in ("hunter2-wrong", PASSWORD):
        assert secret not in told
    assert Sender(filled.server, url=filled.environment[VARIABLE]).send(a="1").fate == "held"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "until then nothing is sent"),
        ("mysql://a:geheim@h/d", "is not an address as"),
        ("postgresql://a:geheim@h", "is not an address as"),
        ("postgresql://a:ge/heim@h/d", "is not an address as"),
        ("postgresql://a:geheim@h:99999/d", "is not an address as"),
        ("postgresql://[a:geheim@h/d", "is not an address as"),
        ("postgresql://h/d", "is not an address as"),
        ("postgresql://a:geheim@h/d?options=-cx", "an option after `\\?` other than"),
        ("postgresql://a:geheim@h/d?sslmode=disable", "readable on its way"),
        ("postgresql://a:geheim@h/d?sslmode=prefer", "an `sslmode` other than"),
        ("postgresql://a:geheim@h/d?sslrootcert=/nowhere", "not a readable certificate"),
    ],
)
def test_a_wrong_address_is_an_error_that_does_not_quote_it(postgres, url, said):
    with pytest.raises(ActivationError, match=said) as error:
        Sender(postgres, url=url)
    assert VARIABLE in str(error.value) and "heim" not in str(error.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("?sslmode=require", ""),
        ("?sslmode=verify-ca&sslrootcert={}", ""),
        ("?sslmode=verify-full&sslrootcert={}", "not valid for '127.0.0.1'"),
        ("?sslmode=verify-full", "TLS certificate is not trusted"),
        ("?sslmode=verify-ca", "TLS certificate is not trusted"),
    ],
)
def test_tls_checks_the_certificate_as_the_address_says(sender, more, said):
    sender.send(a="1")
    sender.server.query(
        "create table public.lines (tls boolean); "
        "create function public.note() returns trigger language plpgsql as $$ begin "
        "insert into public.lines select ssl from pg_stat_ssl where pid = pg_backend_pid(); "
        "return new; end $$; create trigger note after insert on public.t "
        "for each row execute function public.note()"
    )
    url = sender.server.url(more=more.format(sender.server.certificate))
    outcome = Sender(sender.server, url=url).send(b="2")
    assert (outcome.fate, said in outcome.reason) == ("held" if said else "accepted", True)
    lines = sender.server.query("select * from public.lines")
    assert lines == ([] if said else [[True]])


def test_an_address_on_another_machine_needs_a_checked_certificate(postgres):
    sender = Sender(postgres, url="postgresql://a:b@db.example.com/d")
    tls = sender.destination._server._address.tls
    assert tls.check_hostname and tls.verify_mode.name == "CERT_REQUIRED"


# Declarations


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"types": {"score": "float"}}, "`types`: `score` is 'float'"),
        ({"table": ""}, "`table` is ''"),
        ({"table": "x" * 64}, "1 to 63 bytes"),
        ({"schema": "é" * 32}, "1 to 63 bytes"),
        ({"timeout_seconds": 0}, "`timeout_seconds`"),
        ({"timeout_seconds": 301}, "`timeout_seconds`"),
    ],
)
def test_a_wrong_declaration_is_an_error(filled, more, said):
    filled.declare(s=POSTGRES | more)
    with pytest.raises(DeclarationError, match=said):
        filled.sync()


def test_a_type_of_a_column_that_is_not_sent_holds_the_sync(postgres):
    outcome = Sender(postgres, types={"lable": "number"}).send(a="1")
    assert outcome.fate == "held" and "`types` names the column `lable`" in outcome.reason


def test_a_dry_run_changes_nothing_and_shows_the_statement(filled):
    filled.desire(members(2))
    result = filled.sync(dry_run=True)
    assert result.run.held == 2
    shown = result.preview.text()
    assert 'insert into "public"."segments" ("profile_id"' in shown
    assert "p000" not in shown and PASSWORD not in shown
    assert filled.server.query("select * from pg_tables where schemaname = 'public'") == []


def test_rows_changed_by_hand_are_found_and_repaired(filled):
    assert filled.verify().exit_code == 0
    filled.desire(members(3))
    filled.sync()
    assert filled.verify().rows["equal"] == 3
    filled.server.query("update segments set segment_label = 'x' where profile_id = 'p000'")
    filled.server.query("delete from segments where profile_id = 'p001'")
    filled.server.query("update segments set segment_label = null where profile_id = 'p002'")
    found = filled.verify()
    assert (found.rows["different"], found.rows["missing"], found.exit_code) == (2, 1, 3)
    assert numbers(filled.sync()) == some(update=3, accepted=3)
    assert filled.held() == wanted(members(3)) and filled.verify().exit_code == 0


def test_who_withdraws_consent_is_removed(filled):
    filled.manifest.write_text(json.dumps(asking(POSTGRES, consent="marketing")))
    filled.desire(members(3))
    filled.state(*((f"p00{i}", "marketing", i < 2) for i in range(3)))
    filled.sync()
    assert filled.held() == wanted(members(2))
    filled.state(*((f"p00{i}", "marketing", i < 1) for i in range(3)))
    filled.sync()
    assert filled.held() == wanted(members(1))
