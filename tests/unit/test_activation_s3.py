"""Objects in S3 hold exactly the current members, whatever fails."""

import csv
import shutil

import pytest

from tests.support.activation_rig import member, members, numbers, some, wanted
from tests.support.s3_fixtures import BUCKET, PLACE, S3, S3Rig
from tideline.activation.destinations.files.claim import MARKER
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.s3_fixtures"]


def test_one_object_per_segment_with_its_current_members(stored):
    stored.declare(s=S3 | {"batch_rows": 2})
    stored.desire([*members(3), member("x", "new")])
    assert numbers(stored.sync()) == some(add=4, accepted=4)
    rows = [member("p001", label="gold"), member("p002"), member("y")]
    stored.desire(rows)
    assert numbers(stored.sync()) == some(add=1, update=1, remove=2, accepted=4)
    assert stored.held() == wanted(rows)
    assert stored.store.names() == [f"{PLACE}{each}" for each in (MARKER, "new.jsonl", "vip.jsonl")]
    assert stored.store.text(f"{PLACE}new.jsonl") == ""
    assert stored.sync().run.planned == 0


def test_csv_has_a_header_and_no_formulas(stored):
    stored.declare(s=S3 | {"format": "csv", "columns": ["segment_label"], "prefix": ""})
    stored.desire([member("p", label="=1"), member("q")])
    stored.sync()
    stored.desire([member("p", label="=1"), member("r", label="é\n")])
    stored.sync()
    found = list(csv.reader(stored.store.text("s/vip.csv").splitlines(keepends=True)))
    assert found == [
        ["profile_id", "segment_name", "segment_label"], ["p", "vip", "'=1"], ["r", "vip", "é\n"],
    ]  # fmt: skip
    about = stored.store.client.head_object(Bucket=BUCKET, Key="s/vip.csv")
    assert about["ContentType"] == "text/csv; charset=utf-8"


def test_another_format_takes_the_place_of_the_old(stored):
    stored.desire(members(2))
    stored.sync()
    stored.declare(s=S3 | {"format": "csv"})
    stored.sync()
    assert stored.store.names() == [f"{PLACE}{MARKER}", f"{PLACE}vip.csv"]


def test_a_lost_or_changed_object_is_written_again(stored):
    stored.desire([*members(2), member("x", "new")])
    stored.sync()
    stored.store.client.delete_object(Bucket=BUCKET, Key=f"{PLACE}vip.jsonl")
    stored.store.put(f"{PLACE}new.jsonl", '{"profile_id": "z"}\n{"profile_id": "y"}\n')
    assert stored.sync().counts.adds == 3
    assert stored.held() == wanted([*members(2), member("x", "new")])


def test_an_object_changed_by_hand_is_found_and_repaired(stored):
    stored.desire(members(2))
    stored.sync()
    whole = stored.store.text(f"{PLACE}vip.jsonl")
    stored.store.put(f"{PLACE}vip.jsonl", whole.replace("p001@", "x@"))
    assert stored.verify().rows["different"] == 1
    assert numbers(stored.sync()) == some(update=1, accepted=1)
    assert stored.store.text(f"{PLACE}vip.jsonl") == whole


def test_after_a_lost_ledger_objects_have_only_members(stored):
    stored.desire([*members(2), member("x", "new")])
    stored.sync()
    stored.sql("delete from warehouse.tideline.activation_ledger")
    stored.desire(members(1))
    stored.sync()
    assert stored.held() == wanted(members(1))


# Owners


@pytest.mark.parametrize("of", ["another", "copy"])
def test_another_warehouse_and_a_copy_are_refused_and_change_nothing(stored, tmp_path, of):
    stored.desire(members(2))
    stored.sync()
    (tmp_path / "two").mkdir()
    other = S3Rig(tmp_path / "two", stored.store)
    if of == "copy":
        shutil.copy(stored.path, other.path)
    other.desire([member("x")])
    for dry_run in (True, False):
        result = other.sync(dry_run=dry_run)
        said = "another warehouse delivers" if of == "another" else "is a copy of it or was moved"
        assert result.failed and said in result.run.message
        assert "name another `prefix`" in result.run.message
    assert stored.held() == wanted(members(2))


def test_one_of_two_that_begin_at_once_is_refused(stored, tmp_path, monkeypatch):
    """Both have looked for a marker before either has written one."""
    from tideline.activation import engine

    (tmp_path / "two").mkdir()
    other = S3Rig(tmp_path / "two", stored.store)
    stored.desire(members(2))
    other.desire([member("x")])
    look, first = engine.read_desired, []

    def between(*arguments):
        if not first:
            first.append(stored)
            assert stored.sync().run.accepted == 2
        return look(*arguments)

    monkeypatch.setattr(engine, "read_desired", between)
    result = other.sync()
    assert result.run.accepted == 0 and "another warehouse delivers" in result.run.message
    assert stored.held() == wanted(members(2))


def test_objects_of_others_are_neither_changed_nor_deleted(stored):
    foreign = {f"{PLACE}vip.jsonl": "mine\n", f"{PLACE}a.csv": "b", f"{PLACE}deep/x.jsonl": "c"}
    for key, text in foreign.items():
        stored.store.put(key, text)
    stored.desire([*members(2), member("x", "new")])
    result = stored.sync()
    assert numbers(result) == some(add=3, accepted=1, held=2)
    assert result.run.status == "held" and "move it away" in result.run.message
    assert {key: stored.store.text(key) for key in foreign} == foreign


# Failures


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (1, "lost after"), (2, "lost after"), (3, "lost before"), (3, "lost after"), (3, "503"),
        (4, "500"),
    ],
)  # fmt: skip
def test_a_write_that_fails_is_made_up_for(stored, faults, fault, number):
    """The writes are: the marker, its list with a file, that file, the list with the next file."""
    faults.script[:] = ["ok"] * (number - 1) + [fault]
    rows = [*members(2), member("x", "new")]
    stored.desire(rows)
    stored.sync()
    assert (faults.seen[number - 1][1], faults.script) == (fault, [])
    faults.script.clear()
    assert stored.sync().run.status == "succeeded"
    assert stored.held() == wanted(rows)
    assert stored.sync().run.planned == 0


@pytest.mark.parametrize(
    ("fault", "fate"),
    [("lost after", "unknown"), ("500", "unknown"), ("429", "held")],
)
def test_a_write_that_may_be_done_is_unknown_and_who_left_is_removed(stored, faults, fault, fate):
    stored.declare(s=S3 | {"max_attempts": 1})
    stored.desire([member("z")])
    stored.sync()
    faults.script[:] = [fault]
    stored.desire([member("z"), *members(2)])
    assert numbers(stored.sync()) == some(add=2) | {fate: 2}
    stored.desire([member("z"), *members(1)])
    faults.script.clear()
    stored.sync(allow_large_change=True)
    assert stored.held() == wanted([member("z"), *members(1)])


def test_a_write_that_arrives_late_does_not_undo_a_newer_one(stored, faults, monkeypatch):
    """As of a killed run: its request is still on the way when the next run writes."""
    from botocore.httpsession import URLLib3Session

    stored.declare(s=S3 | {"max_attempts": 1})
    stored.desire(members(3))
    stored.sync()
    kept = []
    real = faults.send

    def late(session, request):
        if request.method == "PUT" and not kept:
            kept.append((request, request.body.read()))
            request.body.seek(0)
            faults.script[:] = ["lost before"]
        return real(session, request)

    monkeypatch.setattr(URLLib3Session, "send", late)
    stored.desire(members(4))
    assert stored.sync().run.unknown == 1
    stored.desire(members(2))
    stored.sync(allow_large_change=True)
    [(request, body)] = kept
    request.body = body
    assert real(URLLib3Session(), request).status_code == 412
    assert stored.held() == wanted(members(2))


@pytest.mark.parametrize(
    ("method", "status"), [("GET", "403"), ("PUT", "403"), ("PUT", "404"), ("PUT", "501")]
)
def test_what_a_person_must_mend_is_said_without_the_secret(stored, faults, method, status, caplog):
    stored.desire(members(1))
    stored.sync()
    stored.desire(members(2))
    faults.method, faults.script[:] = method, [status] * 9
    result = stored.sync()
    assert result.run.status == ("failed" if method == "GET" else "held")
    assert f"answered HTTP {status}" in result.run.message and BUCKET in result.run.message
    told = f"{result.run}{caplog.text}{stored.sql('from warehouse.tideline.activation_runs')}"
    assert "geheim" not in told and "AKIATEST" not in told
    faults.script.clear()
    assert stored.held() == wanted(members(1))


def test_a_bucket_that_is_missing_is_named(stored):
    stored.declare(s=S3 | {"bucket": "nowhere"})
    stored.desire(members(1))
    result = stored.sync()
    assert result.failed and "NoSuchBucket" in result.run.message


def test_a_store_without_conditions_can_be_used(stored, faults):
    stored.declare(s=S3 | {"conditional_writes": False})
    stored.desire(members(2))
    stored.sync()
    stored.desire(members(1))
    assert stored.sync().run.accepted == 1
    assert stored.held() == wanted(members(1))


def test_a_store_that_is_down_fails_the_run_and_the_next_one_succeeds(stored):
    stored.desire(members(2))
    stored.environment["STORE_URL"] = "http://127.0.0.1:1"
    result = stored.sync()
    assert result.failed and "EndpointConnectionError" in result.run.message
    stored.environment["STORE_URL"] = stored.store.address
    assert stored.sync().run.accepted == 2


# Credentials and declarations


@pytest.mark.parametrize("variable", ["STORE_URL", "STORE_KEY_ID", "STORE_SECRET"])
def test_without_a_variable_the_sync_is_skipped(stored, variable):
    stored.desire(members(1))
    del stored.environment[variable]
    result = stored.sync()
    assert result.run.status == "skipped" and f"set {variable} to" in result.run.message


def test_credentials_come_from_awss_usual_places_or_the_sync_is_skipped(stored, monkeypatch):
    stored.declare(s={k: v for k, v in S3.items() if k not in ("key_id_env", "secret_env")})
    stored.desire(members(1))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(variable, str(stored.folder / "missing"))
    result = stored.sync()
    assert result.run.status == "skipped" and "AWS_ACCESS_KEY_ID" in result.run.message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert stored.sync().run.accepted == 1


def test_rows_do_not_travel_over_an_open_line(stored):
    stored.desire(members(1))
    for url, said in (
        ("http://store.example", "is not an https://"),
        ("ftp://x", "is not an http"),
    ):
        stored.environment["STORE_URL"] = url
        result = stored.sync()
        assert result.failed and "STORE_URL" in result.run.message and said in result.run.message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"bucket": "a/b"}, "`bucket` is 'a/b'"),
        ({"bucket": ""}, "`bucket` is ''"),
        ({"prefix": "/a"}, "`prefix` is '/a'"),
        ({"key_id_env": None}, "need each other"),
        ({"timeout_seconds": 0}, "`timeout_seconds`"),
    ],
)
def test_a_wrong_declaration_is_an_error(stored, more, said):
    stored.declare(s=S3 | more)
    with pytest.raises(DeclarationError, match=said):
        stored.sync()
