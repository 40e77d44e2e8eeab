"""Sessions on hundreds of random logs equal those of a simple loop, in any order of arrival.

The compiled SQL runs in this process (see `event_layer`), with campaigns that break sessions and a
maximum session of two hours, so that all rules apply. A case is forty streams together.
"""

import json
import random
from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.event_layer import SESSION_WATERMARKS, EventLayer, compile_layer
from tests.support.random_logs import (
    APART,
    LANDED,
    QUIET,
    cases_of,
    first_difference,
    left,
    spread,
    with_removals,
)

STREAMS = 40
TIMEOUT, LONGEST = timedelta(minutes=30), timedelta(hours=2)
VARIABLES = (
    "session_timeout_minutes: 30, session_longest_hours: 2, session_breaks_on_campaign: true"
)
START = datetime(2001, 1, 1)
# Seconds from one event to the next: none, within the timeout, exactly the timeout, beyond it.
STEPS = [0, 0, 1, 600, 600, 1799.999999, 1800, 1800.000001, 3601, 90_000]
EVENTS = {
    "page": {},
    "Product Added": {"product_id": "p", "price": 0.1, "quantity": 3},
    "Product Removed": {"product_id": "p", "price": 0.1},
    "purchase": {"order_id": "o", "revenue": 0.7},
    "page_ping": {"url": "https://shop.example.com/"},
    "support_ticket": {"ticket_id": "t"},
}
LIKELY = [*EVENTS, "page", "page", "Product Added", "page_ping", "page_ping"]


def instant(at):
    return at.isoformat(timespec="microseconds") + "Z"


def random_acts(chance):
    """Event names and time steps of a device."""
    for _ in range(chance.randint(1, 14)):
        yield chance.choice(LIKELY), chance.choice(STEPS)
    if chance.random() < 0.2:  # a last ping, in the minute of a possible burst
        yield "page", 90_000
        yield "page_ping", 1800
        for _ in range(chance.randint(2, 5)):
            yield "page", 1


def random_stream(seed, number):
    """Rows of one device; some are duplicates with another time."""
    chance = random.Random(seed)
    rows, at = [], START + timedelta(days=number)
    for order, (name, step) in enumerate(random_acts(chance)):
        at += timedelta(seconds=step)
        row = {
            "log": f"s{number}",
            "source": "collector",
            "type": "page" if name == "page" else "track",
            "event": None if name == "page" else name,
            "message_id": f"s{number}-{chance.randint(0, 99):02}-{order}",
            "anonymous_id": f"s{number}",
            "sent_timestamp": instant(at),
            "received_at": instant(at + timedelta(seconds=chance.choice([0, 5, 200_000]))),
            "properties": json.dumps(EVENTS[name]),
        }
        if chance.random() < 0.3:
            row["context"] = json.dumps({"campaign": {"source": chance.choice("xyz")}})
        rows.append(row)
        if chance.random() < 0.15:
            other = at - timedelta(seconds=chance.choice(STEPS))
            late = timedelta(seconds=chance.choice([-1, 0, 300_000]))
            rows.append(row | {"sent_timestamp": instant(other), "received_at": instant(at + late)})
    return rows


def case(seeds):
    """Loads of the streams of these seeds, and the same rows in one load."""
    rows = [row for number, seed in enumerate(seeds) for row in random_stream(seed, number)]
    chance = random.Random(repr(seeds))
    return spread(chance, rows, chance.choice([2, 3, 4])), spread(chance, rows, 1)[0]


def replaced_case(seeds):
    """Loads that replace or remove files of earlier ones, the remaining rows, and the files."""
    rows = [row for number, seed in enumerate(seeds) for row in random_stream(seed, number)]
    chance = random.Random(repr(seeds))
    loads, removals = with_removals(chance, spread(chance, rows, chance.choice([2, 3])))
    return loads, left(chance, loads, removals), removals


def sessions_of(events):
    """Sessions of one stream, event by event: (event id, name, time, is idle, campaign)."""
    found = defaultdict(list)
    run, runs = None, {}
    for event_id, name, at, is_idle, campaign in sorted(events, key=lambda e: (e[2], e[3], e[0])):
        if run is None or at > run["active_at"] + TIMEOUT:
            if is_idle:
                continue
            run = {"started_at": at, "number": len(runs), "part": 0, "campaign": campaign}
            runs[run["number"]] = run
        elif campaign and not is_idle and campaign != run["campaign"]:
            run["part"] += 1
            run["campaign"] = campaign
        if not is_idle:
            run["active_at"] = at
        cut = (at - run["started_at"]) // LONGEST
        found[run["number"], run["part"], cut].append((event_id, name, at, is_idle))
    sessions = set()
    for (number, *_), members in found.items():
        done = [member for member in members if not member[3]]
        if not done:
            continue
        names = [member[1] for member in members]
        pieces = 3 * names.count("add_to_cart") - names.count("remove_from_cart")
        sessions.add(
            (
                *(done[0][0], done[-1][0], done[0][2], done[-1][2]),
                *(runs[number]["started_at"], runs[number]["active_at"]),
                *(len(done), max(pieces, 0), int("purchase" in names)),
                10 * names.count("page_ping") or None,
            )
        )
    return sessions


def assert_sessions_are_right(layer):
    streams = defaultdict(list)
    for stream_id, *event in layer.query(
        "select stream_id, event_id, event_name, occurred_at, is_idle, "
        "context ->> '$.campaign.source' from session_events"
    ):
        streams[stream_id].append(event)
    expected = {
        (stream_id, *session)
        for stream_id, events in streams.items()
        for session in sessions_of(events)
    }
    found = layer.query(
        "select stream_id, first_event_id, last_event_id, started_at, ended_at, run_started_at, "
        "run_ended_at, event_count, cart_quantity, order_count, engaged_seconds from int_sessions"
    )
    assert len(found) == len(set(found))
    wrong = sorted(set(found) ^ expected, key=repr)[:4]
    assert not wrong, [(session in expected, session) for session in wrong]


def assert_laws(layer, loads, again, removals=None):
    """Loads one after another give the same result as a full refresh, in any order and files.

    `removals`: the files removed with each load.
    """
    layer.clear()
    for number, load in enumerate(loads):
        layer.land(load)
        if removals:
            layer.remove(removals[number], LANDED + number * APART)
        layer.run()
        assert_sessions_are_right(layer)
    layer.query("create or replace temp table later as from int_sessions")
    layer.run(full_refresh=True)
    difference = first_difference(layer, "int_sessions", "later", set())
    assert not difference, difference
    layer.clear()
    layer.land(again)
    layer.run()
    difference = first_difference(layer, "int_sessions", "later", {"updated_at"})
    assert not difference, difference


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """A warehouse, and the models up to the sessions as compiled by dbt."""
    return compile_layer(tmp_path_factory.mktemp("sessions"), SESSION_WATERMARKS, VARIABLES)


@pytest.fixture(scope="module")
def layer(sessions):
    return EventLayer(*sessions)


SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=STREAMS, max_size=STREAMS, unique=True)


@QUIET
@given(seeds=SEEDS)
def test_sessions_equal_those_of_a_simple_loop_in_any_order(layer, seeds):
    assert_laws(layer, *case(seeds))


@settings(QUIET, max_examples=7)
@given(seeds=SEEDS)
def test_a_removed_landing_leaves_no_session(layer, seeds):
    assert_laws(layer, *replaced_case(seeds))


def test_the_law_notices_ignored_removals(sessions):
    warehouse, models = sessions
    broken = models["int_sessions"].broken("minute_at as occurred_at", "null as occurred_at")
    layer = EventLayer(warehouse, models | {"int_sessions": broken})
    with pytest.raises(AssertionError):
        for case_ in cases_of(replaced_case, "broken", STREAMS, 9):
            assert_laws(layer, *case_)


# Plausible mistakes: (text, wrong text). Each must break a law.
BREAKS = {
    "the run before an arrival is not reached": (
        "known.run_ended_at + interval '30 minutes'",
        "known.run_ended_at",
    ),
    "the run after an arrival is not reached": (
        "known.run_started_at - interval '30 minutes'",
        "known.run_started_at",
    ),
    "a reached run is not made anew from its start": (
        "coalesce(min(known.run_started_at), arrivals.first_at)",
        "arrivals.first_at",
    ),
    "idle events after the last arrival are not read": (
        "reached_spans.until_at + interval '30 minutes'",
        "reached_spans.until_at",
    ),
    "superseded sessions stay": (
        "known.session_id not in",
        "false and known.session_id not in",
    ),
    "only rows that landed touch a run": ("where updated_at >", "where landed_at >"),
    "a burst is looked for from the arrival on": (
        "date_trunc('minute', min(occurred_at))",
        "min(occurred_at)",
    ),
    "the timeout itself splits": (
        "first_at > done_before_at + interval",
        "first_at >= done_before_at + interval",
    ),
    "an idle event may begin or end a session": (
        "case when not is_idle then cast(",
        "case when true then cast(",
    ),
    "a stray idle event counts": (
        "and numbers.occurred_at <= reaches.run_ended_at + interval '30 minutes'",
        "",
    ),
    "an idle event keeps a session alive": (
        "where not is_idle",
        "where true",
    ),
    "an idle event is counted before its run": (
        "and numbers.occurred_at >= reaches.run_started_at",
        "",
    ),
    "an idle event in the slice after its run is left out": ("slice + 1 as slice", "slice"),
    "a gap within a slice is overlooked": ("/ 30)", "/ 40)"),
    "ties are left to chance": (
        "order by occurred_at, is_idle, event_id",
        "order by occurred_at, is_idle, md5(event_id)",
    ),
    "the first event of an instant is any": (
        "substr(min(case when not is_idle then "
        "cast(10000000000000000 + run_microseconds as varchar) || event_id end), 18)",
        "min_by(event_id, case when not is_idle then "
        "cast(10000000000000000 + run_microseconds as varchar) || md5(event_id) end)",
    ),
    "the longest session counts from its day": (
        "datediff('microsecond', reaches.run_started_at, numbers.occurred_at)",
        "datediff('microsecond', date_trunc('day', reaches.run_started_at), numbers.occurred_at)",
    ),
    "the same campaign again breaks a session": (
        "campaign is distinct from lag(campaign) over",
        "campaign is not null or '' = lag(campaign) over",
    ),
    "what was taken out of the cart stays": (
        "when 'remove_from_cart' then -1",
        "when 'remove_from_cart' then 0",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_laws_notice_mistakes(sessions, name):
    warehouse, models = sessions
    broken = models["int_sessions"].broken(*BREAKS[name])
    layer = EventLayer(warehouse, models | {"int_sessions": broken})
    with pytest.raises(AssertionError):
        for loads, again in cases_of(case, "broken", STREAMS, 30):  # until one is noticed
            assert_laws(layer, loads, again)
