"""The laws that hold for any arrivals in any order: random logs through the whole graph.

A build takes seconds, so each example is a few hundred small random logs together, each with its
own prefix of identifiers. Seeds are fixed, because Hypothesis would spend its time on shrinking,
with several builds per attempt.
"""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.deployment import Deployment

LOGS = 150
START = datetime(2026, 3, 1, tzinfo=UTC)
# Columns with the time of arrival, which differ between one load and several.
BOOKKEEPING = {"landed_file", "landed_line", "landed_at", "judged_at", "updated_at", "revision"}
BUILT = ["events_duplicated", "events_quarantined", "profile_features", "profile_traits"]
BUILT += ["identity_blocked", "int_event_counts", "golden_profiles"]
BUILT += ["identity_progress", "segment_progress"]  # both let the next run begin where this ends
TABLES = ["int_events_deduplicated", "events_duplicated", "events_quarantined", "int_event_counts"]
TABLES += ["fct_events", "int_sessions", "fct_sessions", "identity_edges", "identity_map"]
TABLES += ["identity_blocked", "dim_profiles", "profile_features", "profile_traits"]
TABLES += ["profile_attribute_values", "golden_profiles", "trait_readings", "segment_intervals"]


def instant(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def random_log(chance, prefix):
    """Messages of a few people on a few devices: late, repeated, contradictory, some broken."""
    messages = []
    for number in range(chance.randint(1, 12)):
        occurred = chance.choice([0, 600, 1800, 1801, 3600, 90_000]) + chance.randint(0, 5)
        received = occurred + chance.choice([0, 0, 1, 4000, 200_000])
        message = {
            "type": "track",
            "event": chance.choice(
                ["login", "add_to_cart", "purchase", "support_ticket", "Nonsense"]
            ),
            "messageId": f"{prefix}-{chance.randint(0, number + 2)}",
            "anonymousId": chance.choice([None, f"{prefix}-a", f"{prefix}-b", "anonymous"]),
            "userId": chance.choice([None, None, f"{prefix}-u", f"{prefix}-v"]),
            "timestamp": instant(occurred),
            "receivedAt": instant(received),
            "properties": {
                "product_id": "p",
                "price": 0.7,
                "ticket_id": f"t{chance.randint(0, 1)}",
            },
        }
        if chance.random() < 0.7:
            revenue = chance.choice([0.1, 0.2, 0.3, 5.55])
            message["properties"] |= {"order_id": f"o{chance.randint(0, 2)}", "revenue": revenue}
        if chance.random() < 0.3:
            message["context"] = {"traits": {"email": f"{prefix}@{chance.choice('xy')}.org"}}
        messages.append(message)
    return messages


def write(deployment, name, messages):
    path = deployment.landing / "events" / f"{name}.jsonl"
    path.write_text("".join(json.dumps(message) + "\n" for message in messages))


def rows(deployment, table):
    """The sorted rows of a table, without the columns with the time of arrival."""
    columns = [
        name for name, *_ in deployment.query(f"describe {table}") if name not in BOOKKEEPING
    ]
    return sorted(deployment.query(f"select {', '.join(columns)} from {table}"), key=repr)


@pytest.mark.parametrize("seed", [1, 2])
def test_order_and_batches_do_not_matter(tmp_path_factory, seed):
    """Laws 1 and 2: three runs with arrivals in any order equal one full refresh of all."""
    chance = random.Random(seed)
    messages = [m for log in range(LOGS) for m in random_log(chance, f"{seed % 997}x{log}")]
    messages += chance.sample(messages, len(messages) // 10)

    batches = Deployment(tmp_path_factory.mktemp("batches"))
    chance.shuffle(messages)
    cut = sorted(chance.sample(range(len(messages)), 2))
    for number, (begin, end) in enumerate([(0, cut[0]), (cut[0], cut[1]), (cut[1], len(messages))]):
        write(batches, f"batch-{number}", messages[begin:end])
        batches.build_up_to(*BUILT)

    whole = Deployment(tmp_path_factory.mktemp("whole"))
    chance.shuffle(messages)
    write(whole, "whole", messages)
    whole.build_up_to(*BUILT, tested=True)  # the other tables are equal, as checked below

    for table in TABLES:
        assert rows(batches, table) == rows(whole, table), table
    parts = ["fct_events", "events_duplicated", "events_quarantined"]
    for deployment in (batches, whole):
        counts = [deployment.value(f"select count(*) from {part}") for part in parts]
        assert sum(counts) == len(messages) == deployment.value("select count(*) from raw_messages")
        assert all(counts)


@pytest.mark.parametrize("seed", [3])
def test_no_look_ahead(tmp_path_factory, seed):
    """Law 3: features as of a time are the same with and without later events."""
    chance = random.Random(seed)
    messages = []
    for log in range(LOGS):
        for message in random_log(chance, f"p{log}"):
            person = {"anonymousId": None, "userId": f"p{log}", "context": {}}
            messages.append({**message, **person, "messageId": f"m{len(messages)}"})
    as_of = instant(3000)
    before = [message for message in messages if message["timestamp"] < as_of]

    found = []
    for name, landed in (("known", before), ("later", messages)):
        deployment = Deployment(tmp_path_factory.mktemp(name))
        write(deployment, "all", landed)
        deployment.build_up_to("profile_features", variables=f"{{as_of: '{as_of}'}}")
        found.append(
            deployment.query("select * from profile_features where is_for_serving order by 1")
        )
    assert found[0] == found[1]
    assert len(found[0]) > LOGS // 2
