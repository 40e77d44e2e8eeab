"""Bad input is normal: good rows load, bad ones have a place and a reason, a typo is an error."""

import gzip
import json
import re

import duckdb
import pytest

from tests.support.deployment import NO_TESTS
from tests.support.edited_project import edited_project
from tests.support.messages import good


def test_an_empty_landing_says_what_to_put_where(deployment):
    output = deployment.dbt("build", fails=True)
    assert "Nothing has landed" in output and "Traceback" not in output
    assert str(deployment.landing / "events") in output
    assert "tideline sample" in output and "tideline land" in output


def test_broken_files_lose_nothing(deployment):
    events = deployment.landing / "events"
    (events / "lines.jsonl").write_bytes(
        b"\n".join([good(1).encode(), b"{not json", b"[1]", b"\xff\xfe", b'"text"', b""])
    )
    whole = gzip.compress("".join(good(n) + "\n" for n in range(100, 300)).encode())
    (events / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (events / "empty.jsonl").write_bytes(b"")
    (events / "notes.txt").write_text("not an event file")
    (events / "broken.parquet").write_bytes(b"PAR1 but not really")
    columns = str(events / "columns.parquet")
    duckdb.execute(
        "copy (select 'p1' as messageId, 'page' as type, 'v' as anonymousId, "
        "timestamp '2026-01-01 10:00:00' as timestamp, 7 as other "
        f"union all select null, null, null, null, 8) to '{columns}' (format parquet)"
    )
    duckdb.execute(
        f"copy (select 1 as some, 2 as others) to '{events}/others.parquet' (format parquet)"
    )
    deployment.dbt("build", *NO_TESTS)
    deployment.dbt("test", "--select", "assert_nothing_is_lost")

    quarantined = deployment.query(
        "select landed_file, landed_line, reason from events_quarantined order by 1, 2"
    )
    places = [(file.removeprefix("events/"), line) for file, line, _ in quarantined]
    cut_at = next(line for file, line in places if file == "cut.jsonl.gz")
    assert places == [
        ("broken.parquet", 1),
        ("columns.parquet", 2),
        ("cut.jsonl.gz", cut_at),
        ("lines.jsonl", 2),
        ("lines.jsonl", 3),
        ("lines.jsonl", 4),
        ("lines.jsonl", 5),
        ("notes.txt", 1),
        ("others.parquet", 1),
    ]
    reasons = {file.removeprefix("events/"): reason for file, _, reason in quarantined}
    assert reasons["cut.jsonl.gz"] == "file ends early: its gzip stream is truncated here"
    assert reasons["broken.parquet"].startswith("not a readable Parquet file")
    assert reasons["others.parquet"] == "no event id"
    assert reasons["notes.txt"].startswith("unsupported file type")
    assert deployment.value("select count(*) from fct_events") == 1 + 1 + cut_at - 1
    originals = dict(
        deployment.query(
            "select landed_line, original from events_quarantined "
            "where landed_file like '%lines.jsonl'"
        )
    )
    assert originals[2] == "{not json"


def test_a_changed_file_is_read_again_without_loss(deployment):
    """If lines were added, only these are read; also in a warehouse of an earlier release."""
    grown = deployment.landing / "events" / "grown.jsonl"
    other = deployment.landing / "events" / "other.jsonl"
    grown.write_text(good(1) + "\n")
    other.write_text(good(3) + "\n")
    deployment.build_up_to("fct_events", "events_duplicated")
    deployment.build_up_to("fct_events", "events_duplicated")
    assert deployment.value("select count(*) from raw_messages") == 2
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for column in ("start_byte", "start_line"):
            connection.execute(f"alter table tideline_internal.landed_files drop column {column}")
    grown.write_text(good(1) + "\n" + good(2) + "\n")
    other.write_text(good(4) + "\n" + good(3) + "\n")
    deployment.build_up_to("fct_events", "events_duplicated")
    assert deployment.value("select count(*) from fct_events") == 4
    assert deployment.query("select event_id, landed_file from events_duplicated") == [
        ("m3", "events/other.jsonl#2")
    ]
    assert deployment.query(
        "select landed_line, message_id from raw_messages "
        "where landed_file like '%grown%' order by 1"
    ) == [(1, "m1"), (2, "m2")]


def test_a_file_that_was_missing_and_is_back_is_read(deployment):
    """The file was missing between listing and reading, and has not changed since."""
    path = deployment.landing / "events" / "a.jsonl"
    path.write_text(good(1))
    path.with_name("b.jsonl").write_text(good(2))
    deployment.dbt("run", "--select", "landed_files")
    away = path.rename(deployment.landing / "a.jsonl")
    deployment.dbt("run", "--select", "raw_messages")
    problems = "select problem from raw_messages where problem is not null"
    assert (
        deployment.value(problems)
        == "file disappeared before it was read; it will be read once it is back"
    )
    away.rename(path)
    for _ in range(2):
        deployment.dbt("run", "--select", "landed_files", "raw_messages")
        assert deployment.query(
            "select landed_file, message_id from raw_messages where problem is null order by 1"
        ) == [("events/a.jsonl#2", "m1"), ("events/b.jsonl", "m2")]


def test_a_path_that_is_not_a_file_is_named_and_does_not_fail_the_build(deployment):
    events = deployment.landing / "events"
    (events / "good.jsonl").write_text(good(1))
    (events / "loop.jsonl").symlink_to("loop.jsonl")
    (events / "zero.jsonl").symlink_to("/dev/zero")
    (events / "archive").symlink_to(deployment.folder)
    deployment.build_up_to("fct_events", "events_quarantined", "assert_nothing_is_lost")
    assert deployment.value("select count(*) from fct_events") == 1
    reason = "not a regular file: a pipe, a device, or a link to a folder or to itself"
    assert deployment.query("select landed_file, reason from events_quarantined order by 1") == [
        (f"events/{name}", reason) for name in ("archive", "loop.jsonl", "zero.jsonl")
    ]


def test_a_run_on_an_empty_file_changes_nothing(deployment):
    """The same happens in a Snowflake warehouse that is built before its first load."""
    events = deployment.landing / "events"
    (events / "empty.jsonl").touch()
    for number in (1, 2):
        deployment.build_up_to("int_event_counts", "int_sessions")
        (events / f"{number}.jsonl").write_text(good(number))
    deployment.build_up_to("int_event_counts", "int_sessions")
    assert deployment.value("select count(updated_at) from int_events_deduplicated") == 2
    assert deployment.value("select sum(landed) from int_event_counts") == 2
    assert deployment.value("select sum(event_count) from int_sessions") == 2


def test_a_full_refresh_keeps_what_landed(deployment):
    """The files may be deleted by then: the landed rows are the archive."""
    for number in (1, 2):
        path = deployment.landing / "events" / f"{number}.jsonl"
        path.write_text(good(number))
        deployment.build_up_to("fct_events", "events_duplicated")
        path.unlink()
    deployment.dbt("run", "--full-refresh", "--select", "+fct_events")
    assert deployment.query("select event_id from fct_events order by 1") == [("m1",), ("m2",)]


def test_a_device_in_the_future_does_not_move_the_data_clock(deployment):
    ahead = {"messageId": "ahead", "type": "page", "anonymousId": "v", "timestamp": "2099-01-01"}
    lines = [good(1), json.dumps(ahead)]
    (deployment.landing / "events" / "clocks.jsonl").write_text("\n".join(lines))
    deployment.build_up_to("data_clock", "events_quarantined")
    assert deployment.query("select event_id, reason from events_quarantined") == [
        ("ahead", "received in the future")
    ]
    assert str(deployment.value("select as_of from data_clock")) == "2026-01-01 10:00:01.000001"


def test_a_load_after_the_clock_was_set_back_is_not_missed(deployment):
    path = deployment.landing / "events" / "one.jsonl"
    path.write_text(good(1))
    deployment.build_up_to("fct_events", "events_duplicated")
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for table in ("landed_files", "raw_messages", "int_events_deduplicated"):
            connection.execute(
                f"update tideline_internal.{table} set landed_at = landed_at + interval '1 hour'"
            )
    path.with_name("two.jsonl").write_text(good(2))
    deployment.build_up_to("fct_events", "events_duplicated")
    assert deployment.value("select count(*) from fct_events") == 2


@pytest.fixture(scope="module")
def empty_build(shared_deployment):
    """All tables up to the segments, empty."""
    (shared_deployment.landing / "events" / "one.jsonl").write_text(good(1))
    shared_deployment.dbt("build", "--exclude", "profile_segments+", "--empty", *NO_TESTS)
    return shared_deployment


@pytest.mark.parametrize(
    ("file", "right", "wrong", "named"),
    [
        (
            "bundles.yml",
            "bundle_purchase_score >= 0.35",
            "bundle_purchas_score >= 0.35",
            ['"high_value_bundle"', "`bundle_purchas_score`", "`bundle_purchase_score`"],
        ),
        (
            "customers.yml",
            "{last_cart_product}",
            "{last_kart_product}",
            ['"cart_abandoned"', "`last_kart_product`", "`last_cart_product`"],
        ),
        (
            "shop.yml",
            "event: product_search\n",
            "event: product_serch\n",
            ['"searches_7d"', '"product_serch"', '"product_search"'],
        ),
        (
            "shop.yml",
            "aggregate: most_frequent",
            "aggregate: most_frequnt",
            ['"top_category"', "`most_frequnt`", "`most_frequent`"],
        ),
        (
            "shop.yml",
            "where: category = 'footwear'",
            "where: categry = 'footwear'",
            ['"last_cart_shoes_id"', "`categry`", "`category`"],
        ),
    ],
)
def test_a_misspelling_stops_the_build_with_a_suggestion(
    empty_build, tmp_path, file, right, wrong, named
):
    project = edited_project(tmp_path, file, right, wrong)
    model = "trait_readings" if file == "shop.yml" else "profile_segments"
    output = empty_build.dbt("run", "--project-dir", project, "--select", model, fails=True)
    for word in named:
        assert word in re.sub(r"\s+", " ", output)


def test_a_trait_is_not_sent_under_a_name_that_is_taken(empty_build, tmp_path):
    edit = ("shop.yml", "sent_as: left_product", "sent_as: email")
    project = edited_project(tmp_path, *edit)
    words = ("run", "--project-dir", project, "--select", "activation_audiences")
    output = re.sub(r"\s+", " ", empty_build.dbt(*words, fails=True))
    assert 'Trait "last_cart_product" (models/segments/traits/shop.yml:31) has the dup' in output
    assert '"email". Use a name that activation_audiences does not have yet.' in output
