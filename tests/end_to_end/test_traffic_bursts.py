"""Bots and internal traffic in the graph: flags are updated with every arrival.

One build takes many small random logs, each with its own prefix of identifiers. Only three events
per minute are allowed here, so that bursts come and go often.
"""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest

from tests.support.deployment import Deployment

LOGS = 120
BATCHES = 3
ALLOWED = 3
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = [
    ("bot", "user_agent", "bot/"),
    ("bot", "events_per_minute", str(ALLOWED)),
    ("bot", "events_per_minute", "1000"),
    ("internal", "ip_range", "192.0.2.0/24"),
]
# Columns with the time of arrival, which differ between one load and several.
BOOKKEEPING = {"landed_file", "landed_line", "landed_at", "judged_at", "updated_at"}
BUILT = ["events_duplicated", "traffic_bursts", "fct_sessions", "profile_timeline", "dim_profiles"]
TABLES = ["fct_events", "int_busy_minutes", "traffic_bursts", "int_sessions", "fct_sessions"]
TABLES += ["identifiers", "identity_edges", "identity_map", "profile_timeline", "dim_profiles"]


def random_log(chance, prefix):
    """Messages of a few people in two minutes; some are duplicates with another time and device.

    No two rows of an event are received at the same time.
    """
    count = chance.randint(1, 14)
    moments = chance.sample(range(1000, 5000), count)
    messages = []
    for received in moments:
        occurred = START + timedelta(seconds=chance.choice([0, 0, 59, 59.999, 60, 61, 119]))
        device = chance.choice([None, f"{prefix}-a", f"{prefix}-a", f"{prefix}-a", f"{prefix}-b"])
        message = {
            "type": "track",
            "event": "login",
            "messageId": f"{prefix}-{chance.randint(0, count * 2)}",
            "anonymousId": device,
            "userId": chance.choice([None, f"{prefix}-u", f"{prefix}-v"]),
            "timestamp": occurred.isoformat(timespec="milliseconds"),
            "receivedAt": (START + timedelta(seconds=received)).isoformat(),
            "context": {
                "ip": chance.choices(["192.0.2.7", "198.51.100.7", "x"], [1, 8, 1])[0],
                "userAgent": chance.choices(["Googlebot/2.1", "Mozilla"], [1, 9])[0],
            },
        }
        if chance.random() < 0.3:
            message["context"]["traits"] = {"email": f"{prefix}@{chance.choice('xy')}.org"}
        if message["anonymousId"] or message["userId"] or "traits" in message["context"]:
            messages.append(message)
    return messages


def verdicts(messages):
    """Whether each event is from a bot and whether it is internal, as documented."""
    events = {}
    for message in sorted(messages, key=lambda message: message["receivedAt"]):
        events.setdefault(message["messageId"], message)

    def minute(event):
        return event["anonymousId"] or event["userId"], event["timestamp"][:16]

    counts = Counter(minute(event) for event in events.values() if minute(event)[0])
    return {
        name: (
            "bot/" in event["context"]["userAgent"] or counts[minute(event)] > ALLOWED,
            event["context"]["ip"] == "192.0.2.7",
        )
        for name, event in events.items()
    }


def write(deployment, name, messages):
    path = deployment.landing / "events" / f"{name}.jsonl"
    path.write_text("".join(json.dumps(message) + "\n" for message in messages))


def deployed(folder):
    """A deployment with the rules of this module as its seed."""
    deployment = Deployment(folder)
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema tideline_internal")
        connection.execute(
            "create table tideline_internal.traffic_rules (traffic text, part text, value text)"
        )
        connection.executemany(
            "insert into tideline_internal.traffic_rules values (?, ?, ?)", RULES
        )
    return deployment


def build(deployment, *models):
    words = ["--exclude", "traffic_rules", "--exclude-resource-type", "test"]
    words += ["--exclude-resource-type", "unit_test"]
    deployment.dbt("build", *words, "--select", *[f"+{model}" for model in models])


def rows(deployment, table):
    """The sorted rows of a table, without the columns with the time of arrival."""
    columns = [
        name for name, *_ in deployment.query(f"describe {table}") if name not in BOOKKEEPING
    ]
    return sorted(deployment.query(f"select {', '.join(columns)} from {table}"), key=repr)


def flags(deployment):
    return {
        event: (is_bot, is_internal)
        for event, is_bot, is_internal in deployment.query(
            "select event_id, is_bot, is_internal from fct_events"
        )
    }


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """The messages, a deployment with batches, its flags after each, and one with all at once."""
    chance = random.Random(20260301)
    messages = [m for log in range(LOGS) for m in random_log(chance, f"log{log}")]
    batches = deployed(tmp_path_factory.mktemp("batches"))
    said = []
    for number, message in enumerate(chance.sample(messages, len(messages))):
        message["batch"] = number % BATCHES
    for batch in range(BATCHES):
        write(batches, f"batch-{batch}", [m for m in messages if m["batch"] == batch])
        build(batches, *BUILT)
        said.append(flags(batches))
    whole = deployed(tmp_path_factory.mktemp("whole"))
    write(whole, "whole", chance.sample(messages, len(messages)))
    build(whole, *BUILT)
    return messages, batches, said, whole


def test_a_burst_ends_when_an_event_of_it_is_forgotten(tmp_path):
    """Another person's event that named the person is removed, so the minute has fewer events."""
    deployment = deployed(tmp_path)
    message = {"type": "track", "event": "login", "anonymousId": "bob"}
    message |= {"timestamp": START.isoformat(), "receivedAt": START.isoformat()}
    write(deployment, "a", [{**message, "messageId": f"m{i}"} for i in range(ALLOWED + 1)])
    build(deployment, "fct_events")
    assert set(flags(deployment).values()) == {(True, False)}
    with duckdb.connect(str(deployment.warehouse)) as connection:  # like `make forget`
        connection.execute(
            "update tideline_internal.int_events_deduplicated set status = 'quarantined', "
            "reason = 'forgotten', event_name = null, "
            "updated_at = updated_at + interval '1 second' where event_id = 'm0'"
        )
    build(deployment, "fct_events")
    assert flags(deployment) == {f"m{i}": (False, False) for i in range(1, ALLOWED + 1)}
    assert not deployment.value("select count_if(is_burst) from int_busy_minutes")


def test_flags_follow_the_rules_after_every_batch(landed):
    messages, _, said, whole = landed
    for batch in range(BATCHES):
        assert said[batch] == verdicts([m for m in messages if m["batch"] <= batch])
    assert flags(whole) == said[-1]


def test_the_logs_are_worth_testing(landed):
    """Bursts appear with a later batch, and end if their events turn out to be duplicates."""
    _, batches, said, _ = landed
    changes = Counter(
        (before[event][0], after[event][0])
        for before, after in pairwise(said)
        for event in before.keys() & after.keys()
    )
    assert changes[False, True] > 50
    assert changes[True, False] > 5
    assert batches.value("select count(*) from int_busy_minutes where not is_burst") > 5
    kept = batches.query("select is_bot, is_internal, count(*) from fct_events group by all")
    assert len(kept) == 4 and min(count for *_, count in kept) > 5


def test_nothing_of_a_flagged_event_is_left(landed):
    _, batches, *_ = landed
    bad = "(select event_id from fct_events where is_bot or is_internal)"
    good = "(select event_id from fct_events where not is_bot and not is_internal)"
    assert not batches.query(f"select * from profile_timeline where event_id in {bad}")
    assert not batches.query(f"select * from int_sessions where first_event_id in {bad}")
    assert batches.value("select sum(event_count) from int_sessions") == batches.value(
        f"select count_if(stream_id is not null) from fct_events where event_id in {good}"
    )


@pytest.mark.parametrize("table", TABLES)
def test_batches_end_as_one_full_refresh(landed, table):
    _, batches, _, whole = landed
    assert rows(batches, table) == rows(whole, table)
    assert len(rows(whole, table)) > 5


def test_an_arrival_counts_only_its_own_minutes(landed):
    """Runs last: it changes a count by hand, and the count stays after an arrival elsewhere."""
    messages, batches, *_ = landed
    with duckdb.connect(str(batches.warehouse)) as connection:
        connection.execute(
            "update tideline_internal.int_busy_minutes set event_count = 77 where is_burst"
        )
    spoilt = batches.value("select count(*) from int_busy_minutes where event_count = 77")
    stream, minute = batches.query("select stream_id, minute_at from traffic_bursts")[0]
    new = {**messages[0], "messageId": "new", "anonymousId": stream, "timestamp": f"{minute}Z"}
    other = {**new, "messageId": "other", "anonymousId": "somebody new"}
    write(batches, "batch-last", [new, other])
    build(batches, "traffic_bursts")
    left = batches.value("select count(*) from int_busy_minutes where event_count = 77")
    assert left == spoilt - 1 > 5
