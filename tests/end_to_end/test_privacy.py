"""A person is forgotten in the whole graph: in every table and destination, and in all bytes.

Ann has two devices, shares a tablet with Bob, and is a member of a segment that was delivered to
files and a webhook. Carl's request is interrupted again and again.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
import yaml

from tests.support.deployment import REPOSITORY
from tideline.privacy.command import read_lines
from tideline.privacy.forget import (
    Request,
    check_sources,
    is_matched_with_another,
    locate,
    lost,
)
from tideline.privacy.marks import PersonalTable, read_marks, read_sources
from tideline.privacy.person import PrivacyError, find_rows, read_identifier
from tideline.warehouse.connection import DuckDBWarehouse

pytest_plugins = ["tests.support.activation_fixtures"]

EMAIL, ACCOUNT = "ann.o'hara+$(shop)$h@example.org", "ann-4711"  # make would expand `$`
LAPTOP, PHONE, TABLET = "a-laptop-of-ann", "a-phone-of-ann", "kitchen-tablet"
FORMER = hashlib.md5(f"anonymous_id:{PHONE}".encode()).hexdigest()
CRAWLER = "a-crawler-of-ann"
HERS = (EMAIL, quote(EMAIL).lower(), ACCOUNT, LAPTOP, PHONE, CRAWLER, FORMER)
# Tables about the whole log or about runs are expected to differ.
NOT_COMPARED = {"segments", "personas", "int_event_counts", "quality_alerts"}
NOT_COMPARED |= {"event_quality", "event_quality_reasons", "property_quality", "model_requirements"}
# These tables hold the identifiers that the last run processed.
NOT_COMPARED |= {
    "int_touched_identifiers",
    "int_reached_identifiers",
    "int_reached_identifier_guards",
}
NOT_COMPARED |= {
    "int_reached_edge_guards",
    "int_reached_components",
    "int_reached_edges_joining_accounts",
    "int_reached_components_without_pair",
    "int_reached_edges_joining_excluded",
}
NOT_COMPARED |= {
    "int_reached_account_regions",
    "int_reached_components_after_refusals",
    "int_reached_edges_over_limit",
    "int_reached_device_intervals",
}
NOT_COMPARED |= {"segment_sizes", "segment_flows", "segment_overlaps", "newest_events", "traits"}
NOT_COMPARED |= {"segment_definitions"}  # each build writes when the one before was
NOT_COMPARED |= {"int_neighbourhoods"}  # Bob was in her neighbourhood because of the tablet
OF_RUNS = {"activation_runs", "activation_results"}
NOT_COMPARED |= {*OF_RUNS, "activation_latencies"}  # which counts hers
BOOKKEEPING = {"updated_at", "revision"}


class Log:
    """Messages in the Segment format, one per minute, later than those of the sample."""

    def __init__(self, deployment):
        self.folder = deployment.landing / "events"
        last = max(path.stem for path in self.folder.glob("2*.jsonl"))
        self.now = datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=1)
        self.lines = []

    def say(self, message_id=None, event="support_ticket", email=None, at=None, **fields):
        self.now += timedelta(minutes=1)
        instant = (at or self.now).isoformat(timespec="milliseconds")
        number = f"{self.now.timestamp():.0f}"
        message = {
            "type": "track",
            "event": event,
            "messageId": message_id or f"told-{number}",
            "timestamp": instant,
            "receivedAt": instant,
            "properties": {"ticket_id": f"ticket-{number}"},
            "context": {"traits": {"email": email}} if email else {},
            **fields,
        }
        self.lines.append(json.dumps(message, ensure_ascii=False))

    def land(self, name):
        (self.folder / name).write_text("\n".join(self.lines) + "\n")
        self.lines = []


def told_of_ann(log):
    for device in (LAPTOP, PHONE, TABLET):
        log.say(userId=ACCOUNT, anonymousId=device, email=EMAIL)
    log.say(anonymousId=TABLET)  # in her interval
    log.say(
        anonymousId=LAPTOP,
        event="consent_change",
        properties={
            "purpose": "marketing",
            "is_granted": True,
        },
    )
    log.lines.append(log.lines[0])  # landed twice
    # An unknown event, the only one on its day.
    log.say(userId=ACCOUNT, event=f"never heard of {EMAIL}", at=log.now + timedelta(days=2))
    log.say(anonymousId=TABLET, timestamp="2036-01-01T00:00:00Z")  # its arrival counts
    # No evidence, so that the person is unknown.
    log.say(userId=ACCOUNT, anonymousId=CRAWLER, context={"userAgent": "Googlebot/2.1"})
    log.say(context={"page": {"url": f"https://x.example/?email={quote(EMAIL)}&a=1"}})
    log.lines.append('{"userId": "ann-4711", "cut off')


def told_of_others(log):
    for _ in range(3):
        log.say(userId="bob-0815", anonymousId="a-phone-of-bob", email="bob@example.org")
    log.say(userId="bob-0815", anonymousId=TABLET)
    log.say(anonymousId=TABLET, message_id="bobs-evening")
    log.say(userId="bob-0815", anonymousId="a-phone-of-bob")  # names his profile
    for device in ("d-one", "d-two", "d-three"):
        log.say(userId="carl-1", anonymousId=device, email="carl@example.org")
    log.say(anonymousId="joe-1", context={"page": {"title": "jocarl@example.org"}})
    log.say(message_id="told-by-two", userId="carl-1")
    log.say(message_id="told-by-two", userId="dora-2")


def rows_of(path):
    """All tables and views of all schemas as sorted rows of (column, text), without run times."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set search_path = 'tideline,tideline_internal'")
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = current_database()"
        ).fetchall()
        tables = {}
        for schema, name in names:
            found = connection.execute(f"select columns(*)::varchar from {schema}.{name}")
            columns = [column for column, *_ in found.description]
            rows = (
                tuple(pair for pair in zip(columns, row, strict=True) if pair[0] not in BOOKKEEPING)
                for row in found.fetchall()
            )
            tables[name if schema in ("tideline", "tideline_internal") else f"{schema}.{name}"] = (
                sorted(rows, key=repr)
            )
        return tables


def catalog_of(path):
    """The texts of the catalog: names, comments, definitions, defaults."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return [
            tuple(enumerate(map(str, row)))
            for view in ("tables", "views", "columns", "schemas", "indexes", "functions")
            for row in connection.execute(f"select * from duckdb_{view}()").fetchall()
        ]


def says(row, words):
    return any(word in (cell or "").lower() for _, cell in row for word in words)


def files_with(folder, word):
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes().lower():
            found.append(path.relative_to(folder).as_posix())
    return found


def make_forget(deployment, *words, said=""):
    """Run `make forget` without installing the environment again.

    It is not a part of the make that may have started the tests, which would print more lines.
    """
    made = {name: value for name, value in deployment.env.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}", "forget", *words],
        cwd=REPOSITORY,
        env=made,
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


def profile_of(deployment, user_id):
    return deployment.value(f"select profile_id from dim_profiles where user_id = '{user_id}'")


def members(deployment):
    return "".join(path.read_text() for path in deployment.deliveries.rglob("*.jsonl"))


@pytest.fixture(scope="module")
def known(shared_deployment, server_process):
    """A business with all people in the tables and at the destinations."""
    deployment = shared_deployment
    (deployment.folder / "temporary").mkdir()
    deployment.env["TMPDIR"] = str(deployment.folder / "temporary")
    deployment.env["DAGSTER_HOME"] = str(deployment.folder / ".dagster")
    deployment.env["TIDELINE_WEBHOOK_URL"] = server_process.url
    server_process.reset()
    deployment.sample("--people", "40", "--days", "60")
    log = Log(deployment)
    told_of_others(log)
    log.land("others.jsonl")
    deployment.dbt("run", "--select", "landed_files", "raw_messages")  # so that her rows land later
    told_of_ann(log)  # her events are the latest, so they set the data clock
    log.land("ann.jsonl")
    deployment.dbt(
        "build", "--exclude-resource-types", "test", "--exclude-resource-types", "unit_test"
    )
    with duckdb.connect(str(deployment.warehouse)) as connection:  # her phone was seen first
        connection.execute("set search_path = 'tideline,tideline_internal'")
        connection.execute(
            "insert into profile_identifiers values (?, ?)", [FORMER, f"anonymous_id:{PHONE}"]
        )
        connection.execute(
            "insert into identity_merges by name select ? as from_profile_id, 'somebody' as "
            "to_profile_id, date '2026-01-01' as merged_at, 'joined' as reason, "
            "'anonymous_id:elsewhere' as identifier_id",
            [FORMER],
        )
        connection.execute(
            "insert into identity_matches by name select ? as left_id, ? as right_id, "
            "0.99 as probability, now()::timestamp as matched_at, false as is_withdrawn, "
            "now()::timestamp as updated_at",
            [f"email:{EMAIL}", f"user_id:{ACCOUNT}"],
        )
        connection.execute("create schema loader")
        connection.execute(
            "create table loader.contacts as select unnest([?, ?, 'x' || ?]) as said, 1 as number",
            [f"call {EMAIL.upper()}", ACCOUNT, ACCOUNT],
        )
    deployment.activate()
    deployment.run("tideline", "publish")
    return deployment


@pytest.fixture(scope="module")
def before(known, server_process):
    """The warehouse before forgetting."""
    ann = profile_of(known, ACCOUNT)
    assert EMAIL in members(known)
    assert ann in {profile for profile, _ in server_process.rows}
    assert "published.duckdb" in files_with(known.warehouse.parent, EMAIL)
    copy = known.folder / "before" / "before.duckdb"
    copy.parent.mkdir()
    shutil.copy(known.warehouse, copy)
    return copy, ann


def leave_traces(deployment):
    """Write files as left by earlier, killed and other runs, and files that must stay."""
    folder = deployment.folder
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for name in (
            "main.raw_messages__dbt_tmp20260101000000123456",
            "loader.raw_messages__dbt_tmp20260101000000123456",
            "tideline.dim_profiles__dbt_backup",
        ):
            connection.execute(f"create table {name} as from (values (?)) as said (said)", [EMAIL])
        for name in ("main.dim_profiles__dbt_backup", "main.mine__dbt_tmp20260101000000123456"):
            connection.execute(f"create table {name} as select 'not of this project' as said")
    for name in ("published.duckdb.part-7", "published.duckdb.part-7.wal", "published.duckdb.wal"):
        (deployment.warehouse.parent / name).write_text(EMAIL)
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "dbt.log.3").write_text(EMAIL)
    (folder / "logs" / "diary.txt").write_text("not of dbt")
    run = folder / "target" / "dbt_build-0a1b2c3-4d5e6f7"
    run.mkdir()
    (run / "dbt.log").write_text(EMAIL)
    (run / "run_results.json").write_text(EMAIL)
    computed = folder / ".dagster" / "logs" / "storage" / "run" / "compute_logs"
    computed.mkdir(parents=True)
    (computed / "step.err").write_text(EMAIL)
    spilled = deployment.warehouse.with_name(f"{deployment.warehouse.name}.tmp")
    spilled.mkdir(exist_ok=True)
    (spilled / "duckdb_temp_storage_DEFAULT-0.tmp").write_text(EMAIL)
    for path in (
        folder / "temporary" / "tideline-raw-killed" / "lock",
        folder / "temporary" / "tideline-raw-killed" / "0.jsonl",
        folder / "temporary" / "tideline-raw-former" / "0.jsonl",
        folder / "temporary" / "tideline-raw-alive" / "lock",
        deployment.landing / ".land-killed" / "messages.parquet",
        deployment.landing / ".land-alive" / "messages.parquet",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(EMAIL if "alive" not in str(path) else "")
        if "former" in str(path) or "land-killed" in str(path):
            for old in (path, path.parent):
                os.utime(old, (0, 0))


@pytest.fixture(scope="module")
def forgotten(known, before):
    """The warehouse after Ann was forgotten, and the output of the command."""
    leave_traces(known)
    people = known.folder / "people.txt"
    people.write_text(f"email:{EMAIL.upper()}\n", encoding="utf-8")
    with (known.folder / "temporary" / "tideline-raw-alive" / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = make_forget(known, f"FILE={people}")
    people.unlink()
    assert done.returncode == 0, done.stderr
    return known, done.stdout


def test_every_column_with_personal_data_is_marked(known, before):
    marks = read_marks(known.folder / "target" / "manifest.json")
    values = {
        row[0]
        for row in known.query(
            "select id_value from identifiers "
            "where lower(id_value) not in (select value from identifier_blocklist)"
        )
    }
    values |= {row[0] for row in known.query("select profile_id from dim_profiles")}
    names = known.query("select distinct json_extract_string(traits, '$.name') from raw_messages")
    values |= {name for (name,) in names if name}
    word = re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))))
    seeds = {path.stem for path in (REPOSITORY / "seeds").glob("*.csv")}
    unmarked = {
        f"{table}.{column}"
        for table, rows in rows_of(known.warehouse).items()
        if table not in seeds and table != "loader.contacts"
        for row in rows
        for column, cell in row
        if cell
        and column not in (marks[table].columns if table in marks else ())
        and word.search(cell)
    }
    assert not unmarked
    listed = known.run("tideline", "forget", "--columns")
    assert re.search(r"dim_profiles +latest_email +identifier", listed)
    assert re.search(r"activation_ledger +payload +content", listed)
    assert re.search(r"activation_deliveries +profile_id +pseudonym", listed)


def test_columns_of_the_event_schema_are_marked_alike():
    """Also in the staging of sources that are off."""
    schema = ("event_id", "event_name", "anonymous_id", "user_id", "context", "properties")
    schema += ("identifiers", "original")
    tables = {}
    for folder in ("staging", "events"):
        for path in (REPOSITORY / "models" / folder).rglob("*.yml"):
            for model in yaml.safe_load(path.read_text()).get("models", []):
                tables[model["name"]] = {
                    column["name"]: column.get("config", {}).get("meta", {}).get("personal")
                    for column in model["columns"]
                }
    del tables["property_quality"]  # its names are from the plan
    assert len(tables) > 30
    wrong = [
        (table, column)
        for table, columns in tables.items()
        for column, kind in columns.items()
        if column in schema and kind != tables["int_events_deduplicated"][column]
    ]
    assert not wrong


def test_no_table_log_or_byte_contains_her(forgotten, before):
    """Except for the landed files and a loader's table, which the receipt names."""
    deployment, _ = forgotten
    words = (*HERS, before[1])
    tables = rows_of(deployment.warehouse)
    assert len(tables.pop("loader.contacts")) == 3
    assert not [(table, row) for table, rows in tables.items() for row in rows if says(row, words)]
    assert not [row for row in catalog_of(deployment.warehouse) if says(row, words)]
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("drop schema loader cascade")
    with DuckDBWarehouse(deployment.warehouse) as warehouse:
        warehouse.rewrite()
    yours = {"before/before.duckdb", "landing/events/ann.jsonl"}
    for word in words:
        assert set(files_with(deployment.folder, word)) <= yours, word
    with duckdb.connect(str(deployment.warehouse.with_name("published.duckdb"))) as connection:
        (others,) = connection.execute("select count(*) from tideline.dim_profiles").fetchone()
    assert others > 30


def test_nothing_else_is_removed(forgotten):
    deployment, _ = forgotten
    tables = rows_of(deployment.warehouse)
    assert {"main.dim_profiles__dbt_backup", "main.mine__dbt_tmp20260101000000123456"} == {
        name for name in tables if "__dbt_" in name
    }
    for path in (
        "logs/diary.txt",
        "temporary/tideline-raw-alive/lock",
        "landing/.land-alive/messages.parquet",
        "target/manifest.json",
    ):
        assert (deployment.folder / path).exists(), path


def test_no_set_with_an_identifier_of_hers_is_left(forgotten, before):
    """Not even its hash in the row of the tablet."""
    with duckdb.connect(str(before[0]), read_only=True) as connection:
        sets = connection.execute(
            "select distinct set_id from tideline_internal.identifier_sets where identifier_id = ?",
            [f"user_id:{ACCOUNT}"],
        ).fetchall()
    left = forgotten[0].query("select distinct set_id from identifier_sets")
    assert len(sets) >= 4 and not set(sets) & set(left)


def test_everybody_else_is_as_before(forgotten, before):
    deployment, _ = forgotten
    words = (*HERS, before[1], TABLET, "ann.jsonl")
    after = rows_of(deployment.warehouse)
    differing = {}
    for table, rows in rows_of(before[0]).items():
        if table in NOT_COMPARED or table.startswith(("forget", "forgotten", "loader.")):
            continue
        kept = [row for row in rows if not says(row, words)]
        now = [row for row in after[table] if not says(row, [TABLET, "ann.jsonl"])]
        if kept != now:
            differing[table] = set(kept) ^ set(now)
    assert not differing
    # On the shared tablet, only the events of her time are gone.
    bobs = deployment.query(
        f"select event_id from profile_timeline where anonymous_id = '{TABLET}'"
    )
    assert ("bobs-evening",) in bobs and len(bobs) == 2


def test_counts_stay_true(forgotten, before):
    deployment, _ = forgotten
    deployment.dbt("test", "--select", "test_type:singular", "privacy", "int_events_deduplicated")
    with duckdb.connect(str(before[0]), read_only=True) as connection:
        counted = connection.execute(
            "select count(*) from tideline_internal.raw_messages"
        ).fetchall()
    assert deployment.query("select count(*) from raw_messages") == counted
    assert deployment.query("select sum(landed)::bigint from event_quality") == counted
    reasons = dict(
        deployment.query("select reason, count(*) from events_quarantined group by reason")
    )
    assert reasons["forgotten"] == 11
    clocks = "select as_of from data_clock"
    with duckdb.connect(str(before[0]), read_only=True) as connection:
        connection.execute("set search_path = 'tideline,tideline_internal'")
        assert connection.execute(clocks).fetchall() == deployment.query(clocks)


def test_destinations_and_ledger_no_longer_hold_her(forgotten, before, server_process):
    deployment, _ = forgotten
    assert before[1] not in {profile for profile, _ in server_process.rows}
    assert "bob@example.org" in members(deployment)
    assert deployment.activate().count("succeeded") == 2  # there is nothing more to send
    last = "select adds, updates, removes from activation_runs order by started_at desc limit 2"
    assert deployment.query(last) == [(0, 0, 0)] * 2


def test_make_refuses_identifiers_on_its_command_line(deployment):
    """Make expands its command line before any check is possible."""
    proof = deployment.folder / "proof"
    for words, env in [
        ([f"ID=email:$(shell touch {proof})a$b@example.org"], {}),
        ([], {"ID": f"email:$(shell touch {proof})"}),
    ]:
        deployment.env |= env
        done = make_forget(deployment, *words)
        assert done.returncode == 2 and not done.stdout
        assert "ID= is not read" in done.stderr and "FILE=people.txt" in done.stderr
        assert not proof.exists() and "example.org" not in done.stderr


def test_make_forget_reads_its_input_unchanged(deployment):
    """A `$` stays a `$`, and a missing file is an error, not an empty list."""
    missing = make_forget(deployment, f"FILE={deployment.folder}/nobody.txt")
    assert missing.returncode == 2 and "nobody.txt" in missing.stderr
    read = io.BytesIO("\ufeffemail:a$b@example.org\r\n\n anonymous_id:`$(x)`\u2028y \n".encode())
    assert read_lines(read) == ["email:a$b@example.org", "anonymous_id:`$(x)`\u2028y"]
    with pytest.raises(PrivacyError, match="not UTF-8"):
        read_lines(io.BytesIO(b"email:\xff"))


def test_receipt(forgotten, before):
    deployment, output = forgotten
    with duckdb.connect(str(before[0]), read_only=True) as connection:
        ((memberships,),) = connection.execute(
            "select count(*) from tideline.segment_memberships where profile_id = ?", [before[1]]
        ).fetchall()
    receipt = dict(deployment.query("select kind || ' ' || name, row_count from forget_receipts"))
    assert receipt["emptied raw_messages"] == 11
    assert receipt["landed file events/ann.jsonl"] == 11
    assert receipt["deleted dim_profiles"] == 1
    assert receipt["other table loader.contacts"] == 2
    assert receipt["deleted segment_membership_history"] == memberships > 0
    assert receipt["deleted identity_matches"] == 1
    for name in ("segments_to_files", "segments_to_webhook"):
        assert receipt[f"destination {name}"] == memberships
    assert receipt["deleted activation_deliveries"] == 4 * memberships  # two adds, two removals
    assert "remove them by hand" in output
    assert not any(word in output for word in HERS)
    states = "select distinct status, finished_at is not null from forget_requests"
    assert deployment.query(states) == [("finished", True)]


def test_once_more_there_is_nothing_to_do(forgotten):
    deployment, output = forgotten
    tables = {n: r for n, r in rows_of(deployment.warehouse).items() if n not in OF_RUNS}
    again = deployment.run("tideline", "forget", f"user_id:{ACCOUNT}")
    assert again == output
    assert tables == {n: r for n, r in rows_of(deployment.warehouse).items() if n in tables}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user_id:nobody-at-all", "no profile has this identifier"),
        ("bob@example.org", "write it as <type>:<value>"),
        ("e_mail:bob@example.org", "did you mean `email`"),
        ("user_id:", "this is not an identifier"),
        ("anonymous_id:'; drop table dim_profiles; --", "no profile has this identifier"),
        ("anonymous_id:shared-till", "2 people share this device"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("""
            create schema tideline; set search_path = 'tideline';
            create table identifier_rules as
                select *, true as is_gmail_folded
                from (values ('user_id', false), ('anonymous_id', false), ('email', true))
                as rules (id_type, is_lower_cased);
            create table identity_map as select 'anonymous_id:shared-till' as identifier_id,
                'anonymous_id' as id_type, 'shared-till' as id_value, profile_id,
                null::timestamp as valid_from, null::timestamp as valid_to
                from (values ('p'), ('q')) as people (profile_id);
            create table identity_blocked (rule varchar, left_type varchar, left_value varchar);
            create table int_events_deduplicated (landed_file varchar, landed_line bigint,
                reason varchar, original varchar);
            create table event_identifiers (landed_file varchar, landed_line bigint,
                identifier_id varchar, id_type varchar, occurred_at timestamp);
            create table forgotten_identifiers (request_id varchar, identifier_hash varchar,
                requested_at timestamp);
        """)
    marks = dict.fromkeys(("raw_messages", "int_events_deduplicated"))
    with DuckDBWarehouse(path) as warehouse:
        warehouse.execute("set search_path = 'tideline'")
        with pytest.raises(PrivacyError, match=re.escape(message)) as error:
            locate(text, warehouse, marks)
    assert "bob" not in str(error.value)


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (" J.Doe+shop@GoogleMail.com ", "jdoe@gmail.com"),
        ("J.Doe+shop@example.org", "j.doe+shop@example.org"),
        (".+shop@gmail.com", ".+shop@gmail.com"),
        ("j.doe@gmail.com@example.org", "j.doe@gmail.com@example.org"),
        ("gmail.com", "gmail.com"),
    ],
)
def test_an_identifier_is_read_as_the_warehouse_writes_it(tmp_path, asked, written):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema tideline")
        connection.execute(
            "create table tideline.identifier_rules as "
            "select 'email' as id_type, true as is_lower_cased, true as is_gmail_folded"
        )
    with DuckDBWarehouse(path) as warehouse:
        assert read_identifier(warehouse, f"email:{asked}").id_value == written


@pytest.mark.parametrize("is_gmail_folded", [True, False])
def test_an_address_is_found_as_anybody_writes_it(tmp_path, is_gmail_folded):
    path = tmp_path / "warehouse.duckdb"
    hers = ["of JDoe@gmail.com.", "/?email=jdoe%40gmail.com&a", '"jdoe@gmail.com"']
    folded = ["J.Doe+shop@googlemail.com", "/?a=j.doe%2Bshop%40gmail.com", "..j.d.o.e@gmail.com"]
    others = ["a.jdoe@gmail.com", "jdoe@gmail.com.org", "jane+jdoe@gmail.com", "jdoe@mail.com"]
    texts = [*hers, *folded, *others]
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema tideline; set search_path = 'tideline'")
        connection.execute(
            "create table identifier_rules as select 'email' as id_type, ? as is_gmail_folded",
            [is_gmail_folded],
        )
        connection.execute(
            "create table event_identifiers (landed_file text, landed_line bigint,"
            " identifier_id text, id_type text, occurred_at timestamp)"
        )
        connection.execute(
            "create table int_events_deduplicated as select 'f' as landed_file, null as reason,"
            " unnest(range(len(?))) as landed_line, unnest(?) as original",
            [texts, texts],
        )
    with DuckDBWarehouse(path) as warehouse:
        warehouse.execute(
            "create temporary table forget_ids as select 'email' as id_type, null as valid_from,"
            " 'jdoe@gmail.com' as id_value, 'email:' as identifier_id, null as valid_to"
        )
        find_rows(
            warehouse,
            [PersonalTable(None, "int_events_deduplicated", True, {"original": "content"})],
        )
        found = {texts[line] for (line,) in warehouse.query("select landed_line from forget_rows")}
    assert found == {*hers, *(folded if is_gmail_folded else [])}


@pytest.mark.parametrize(
    ("left_id", "right_id", "is_matched"),
    [
        ("email:hers", "user_id:hers", False),
        ("email:hers", "user_id:his", True),
        ("email:his", "user_id:hers", True),
        ("email:his", "user_id:his", False),
    ],
)
def test_a_person_matched_with_her_is_resolved_again(tmp_path, left_id, right_id, is_matched):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema tideline")
        connection.execute(
            "create table tideline.identity_matches as select ? as left_id, ? as right_id",
            [left_id, right_id],
        )
    with DuckDBWarehouse(path) as warehouse:
        warehouse.execute(
            "create temporary table forget_ids as "
            "select unnest(['email:hers', 'user_id:hers']) as identifier_id"
        )
        assert is_matched_with_another(warehouse) == is_matched


def test_only_rows_without_remaining_evidence_are_removed(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("""
            create schema tideline; set search_path = 'tideline';
            create table rows (id varchar, event_count int, said_at timestamp);
            insert into rows values ('hers', 0, '2026-02-01'), ('before', 0, '2026-01-01'),
                ('theirs', 1, '2026-02-01'), ('', 0, '2026-02-01');
            create table identifier_sets as select *, said_at as lost_at from rows;
            create table int_busy_minutes as
                select *, id as stream_id, said_at as updated_at from rows;
            create table int_touched_identifiers as select id, id as identifier_id from rows;
            create table int_reached_identifiers as from int_touched_identifiers;
            create table identifiers as from int_touched_identifiers where id <> 'hers';
        """)
    request = Request("r", datetime(2026, 2, 1), False, "told")
    with DuckDBWarehouse(path) as warehouse:
        gone = {
            table: {
                id for (id,) in warehouse.query(f"select id from tideline.{table} where {said}")
            }
            for table, said in lost(warehouse, request).items()
        }
    assert gone.pop("identifier_sets") == {"hers", ""}
    assert gone and all(ids == {"hers"} for ids in gone.values())


def test_a_source_that_the_vars_do_not_name_is_refused(tmp_path, known):
    """Otherwise the tables would be rebuilt without its rows."""
    assert read_sources(known.folder / "target" / "manifest.json") == {"collector"}
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema tideline")
        connection.execute(
            "create table tideline.int_events_deduplicated as "
            "select unnest(['collector', 'stripe', 'stripe', null]) as source"
        )
    with DuckDBWarehouse(path) as warehouse:
        check_sources(warehouse, {"collector", "stripe", "zendesk"})
        with pytest.raises(PrivacyError, match="rows of stripe, which the vars do not name"):
            check_sources(warehouse, {"collector"})


def test_one_run_at_a_time(forgotten):
    deployment, _ = forgotten
    folder = os.open(deployment.warehouse.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        output = deployment.run("tideline", "forget", "user_id:bob-0815", fails=True)
    finally:
        os.close(folder)
    assert "another `tideline forget` is running" in output


def test_rows_that_land_again_stay_out_and_new_rows_are_kept(forgotten, before):
    deployment, _ = forgotten
    shutil.copy(
        deployment.landing / "events" / "ann.jsonl", deployment.landing / "events" / "r.jsonl"
    )
    with (deployment.landing / "events" / "r.jsonl").open("a") as file:
        file.write("\n")  # an identical copy would not be read again
    log = Log(deployment)
    log.say("anew", userId=ACCOUNT, anonymousId=LAPTOP, email=EMAIL, at=datetime.now(UTC))
    log.land("zz-new.jsonl")
    deployment.build_up_to("dim_profiles", "assert_nothing_is_lost")
    again = "landed_file = 'events/r.jsonl'"
    assert deployment.query(
        f"select status, reason, count(*) from int_events_deduplicated where {again} "
        "and event_id is null and reason = 'forgotten' group by all"
    ) == [("quarantined", "forgotten", 9)]
    for column in ("anonymous_id", "user_id", "traits"):
        assert not deployment.value(
            f"select count(*) from raw_messages where {again} and problem = 'forgotten' "
            f"and {column} is not null"
        )
    assert deployment.query(
        f"select event_count from dim_profiles where user_id = '{ACCOUNT}'"
    ) == [(1,)]


def cut_off(deployment, step, *words):
    """Run the command and kill it at the start of a step."""
    code = (
        "import os, sys, tideline.privacy.forget as steps\n"
        f"steps.{step} = lambda *_: os._exit(9)\n"
        "from tideline.privacy.command import main\nsys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=REPOSITORY, env=deployment.env, check=False
    )
    assert done.returncode == 9


def test_an_interrupted_request_is_finished(forgotten):
    """The command is killed before each step; Dora's duplicate of Carl's event becomes an event."""
    deployment, _ = forgotten
    carl = profile_of(deployment, "carl-1")
    status = "select status from forget_requests order by requested_at desc limit 1"
    cut_off(deployment, "rebuild", "user_id:carl-1", "email:carl@example.org")
    assert deployment.value(status) == "asked"
    assert not deployment.value(f"select count(*) from dim_profiles where profile_id = '{carl}'")

    url = deployment.env.pop("TIDELINE_WEBHOOK_URL")
    untold = deployment.run("tideline", "forget", fails=True)
    assert "set TIDELINE_WEBHOOK_URL" in untold and "run this again" in untold
    assert deployment.value(status) == "rebuilt"
    deployment.env["TIDELINE_WEBHOOK_URL"] = url
    cut_off(deployment, "rewrite")
    assert deployment.value(status) == "purged"
    assert files_with(deployment.folder / "warehouse", "carl-1")
    finished = make_forget(deployment).stdout
    assert "deleted" in finished and "landed file" in finished
    assert deployment.value(status) == "finished"
    for word in ("carl-1", "d-three", carl):
        assert not files_with(deployment.folder / "warehouse", word)
    assert deployment.query("select count(*) from fct_events where anonymous_id = 'joe-1'") == [
        (1,)
    ]
    repeated = "select user_id, status from int_events_deduplicated where event_id = 'told-by-two'"
    assert deployment.query(repeated) == [("dora-2", "valid")]
    assert deployment.query("select count(*) from activation_runs where status = 'running'") == [
        (0,)
    ]
