"""A log is landed wrongly, landed again and removed; each time no former row is left."""

import json
from pathlib import Path

import duckdb
import pytest

from tests.support.deployment import NO_TESTS

MODELS = ["int_event_counts", "fct_sessions", "golden_profiles", "identity_merges"]
MODELS += ["identity_progress", "traffic_bursts", "events_duplicated", "events_quarantined"]
MODELS += ["segment_progress"]
RUN = ["build", *NO_TESTS, "--select", *(f"+{model}" for model in MODELS)]
TABLES = [
    "raw_messages",
    "int_events_deduplicated",
    "fct_events",
    "events_duplicated",
    "events_quarantined",
]
TABLES += ["int_event_counts", "int_busy_minutes", "int_sessions", "fct_sessions", "data_clock"]
TABLES += ["identifier_sets", "identifiers", "int_neighbourhoods", "identity_edges", "identity_map"]
TABLES += ["identity_blocked", "dim_profiles", "profile_timeline", "golden_profiles"]
TABLES += ["trait_readings", "segment_intervals"]
ALLOWED = 1000  # events of a stream per minute, from seeds/traffic_rules.csv
LOGGED = 60 + ALLOWED - 20 + 1
# In the first one, cookie and account are swapped, and the event of a play is wrong.
WRONG = {"event": {"column": "what", "names": {"play": "login"}}, "user_id": "cookie"}
WRONG |= {"time": "at", "anonymous_id": "who", "event_id": "id"}
RIGHT = {"event": {"column": "what", "names": {"play": "page_view"}}, "user_id": "who"}
RIGHT |= {"time": "at", "anonymous_id": "cookie", "event_id": "id", "email": "mail"}


def log():
    """Rows of a few people, two of them with one cookie, of a busy person, and the newest row."""
    yield "id,at,who,cookie,what,mail"
    for number in range(60):
        person = number % 6
        at = f"2024-03-{1 + number // 6:02} 10:{number % 6:02}:00"
        yield f"e{number},{at},p{person},c{max(person, 1)},play,p{person}@x.org"
    for number in range(ALLOWED - 20):
        yield f"b{number},2024-03-20 10:00:00,busy,busy-cookie,play,"
    yield "last,2024-03-25 10:00:00,p0,c0,play,"


def others():
    """Events of a collector: an event of the log again, but later, and the rest of a burst."""
    message = {"type": "page", "anonymousId": "c9", "timestamp": "2024-03-05T10:00:30Z"}
    yield message | {"messageId": "e7", "userId": "p9"}
    busy = {"type": "page", "anonymousId": "busy-cookie", "timestamp": "2024-03-20T10:00:30Z"}
    for number in range(40):
        yield busy | {"messageId": f"o{number}"}
    yield busy | {"messageId": "new", "anonymousId": "new", "timestamp": "2024-03-09T10:00:30Z"}


@pytest.fixture(scope="module")
def landed(shared_deployment):
    """A deployment with the wrongly landed log, built."""
    one = shared_deployment
    (one.folder / "log.csv").write_text("".join(f"{line}\n" for line in log()))
    for name, mapping in (("wrong", WRONG), ("right", RIGHT)):
        (one.folder / f"{name}.yml").write_text(json.dumps(mapping))  # JSON is YAML
    sent = "".join(json.dumps(message) + "\n" for message in others())
    (one.landing / "events" / "others.jsonl").write_text(sent)
    land(one, "wrong")
    one.dbt(*RUN)
    return one


def land(deployment, mapping):
    """Land the log with a mapping."""
    folder = deployment.folder
    return deployment.land(folder / "log.csv", "--mapping", folder / f"{mapping}.yml")


def frames(deployment):
    """The rows of each table, without the number of the run that wrote them."""
    found = {table: deployment.frame(table) for table in TABLES if table != "trait_readings"}
    readings = deployment.query("select * exclude (revision) from trait_readings")
    return found | {"trait_readings": sorted(readings, key=repr)}


def assert_as_rebuilt(deployment):
    found = frames(deployment)
    deployment.dbt(*RUN, "--full-refresh")
    rebuilt = frames(deployment)
    assert [table for table in TABLES if found[table] != rebuilt[table]] == []


def counts(deployment):
    return dict(deployment.query("select event_name, count(*) from fct_events group by 1"))


def test_the_log_is_landed_wrongly(landed):
    assert counts(landed) == {"login": LOGGED, "page_view": 41}
    assert landed.value("select count(*) from identity_map where id_value = 'c3'") == 1
    # The events of the cookie are no burst, because the wrong mapping has them under another one.
    assert not landed.query("from traffic_bursts")


def test_a_corrected_mapping_leaves_no_former_row(landed):
    said = land(landed, "right")
    assert f"replaces the {LOGGED:,} rows of log.csv that were landed with wrong.yml" in said
    # The first run only builds the archive, the second one everything.
    landed.dbt("run", "--select", "landed_files", "raw_messages")
    landed.dbt(*RUN)
    assert counts(landed) == {"page_view": LOGGED + 41}
    assert landed.value("select count(*) from raw_messages") == LOGGED + 42
    assert landed.query("select event_count from traffic_bursts") == [(ALLOWED + 20,)]
    assert not landed.query("from identifiers where id_type = 'user_id' and id_value like 'c%'")
    assert not landed.query("from int_event_counts where event_name = 'login'")
    assert landed.value("select count(*) from identity_map where id_value = 'p3@x.org'") == 1
    assert_as_rebuilt(landed)


def test_a_removed_landing_leaves_its_duplicates(landed):
    """The burst ends without it, and the clock goes back to the latest remaining event."""
    assert "taken back" in landed.land("--remove", "log.csv")
    landed.dbt(*RUN)
    assert counts(landed) == {"page_view": 42}
    assert landed.query("select user_id from fct_events where event_id = 'e7'") == [("p9",)]
    assert not landed.query("from traffic_bursts")
    busy = "(select profile_id from identity_map where id_value = 'busy-cookie')"
    assert landed.value(f"select event_count from dim_profiles where profile_id = {busy}") == 40
    assert not landed.query("from identifiers where id_value in ('p3', 'c3', 'p3@x.org')")
    assert str(landed.value("select as_of from data_clock")) == "2024-03-20 10:00:30.000001"
    assert_as_rebuilt(landed)


def test_it_can_be_landed_again(landed):
    """The bytes are the same as before: a removed file counts as new."""
    land(landed, "right")
    landed.dbt(*RUN)
    assert landed.value("select count(*) from fct_events") == LOGGED + 41
    assert landed.value("select count(*) from raw_messages") == LOGGED + 42
    # Removals that all models have read are deleted, because they name people.
    landed.dbt("run", "--select", "int_pending_removals")
    assert landed.value("select count(*) from int_pending_removals") == 0


def test_readings_of_another_clock_are_not_kept(landed):
    """Neither those as of the past, nor those of a run that leaves the clock out."""
    past = "2024-03-05 00:00:00"
    words = ("run", "--select", "data_clock", "trait_readings")
    landed.dbt(*words, variables=f"{{as_of: '{past}'}}")
    assert str(landed.value("select max(occurred_at) from trait_readings")) < past
    later = {
        "type": "page",
        "messageId": "later",
        "userId": "p1",
        "receivedAt": "2024-04-01T10:00:01Z",
    }
    path = landed.landing / "events" / "later.jsonl"
    path.write_text(json.dumps(later | {"timestamp": "2024-04-01T10:00:00Z"}))
    landed.dbt(*RUN, "--exclude", "data_clock")
    landed.dbt(*RUN)
    assert landed.query("select event_id from trait_readings where event_id = 'later'")
    assert_as_rebuilt(landed)


def test_a_file_rewritten_by_another_program_keeps_both(landed):
    path = Path(landed.landing / "events" / "theirs.parquet")
    for number, name in enumerate(("x", "y"), start=1):
        duckdb.sql(
            f"copy (select 'page' as type, '{name}' as messageId, '{name}' as userId, "
            f"'2024-03-01T10:00:00Z' as timestamp) to '{path}'"
        )
        landed.dbt("run", "--select", "landed_files", "raw_messages")
        kept = landed.value("select count(*) from raw_messages where message_id in ('x', 'y')")
        assert kept == number
