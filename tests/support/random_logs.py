"""Random logs for the laws of events and sessions: loads, orders, removals, differences."""

import json
import random
from datetime import datetime, timedelta

from hypothesis import Phase, settings
from hypothesis import strategies as st

from tests.support.event_layer import (
    ALLOWED,
    FIRST_DAY,
    LAST_DAY,
    WATERMARKS,
)

CASES, LOGS = 16, 80
DAYS_OF_A_LOG = 5
START = datetime(2001, 1, 1, 12)
LANDED, APART = datetime(2030, 1, 1, 12), timedelta(minutes=15)
KEY = "landed_file, landed_line, landed_part"
# Columns with the time and place of landing, which differ if rows land in other loads or files.
JUDGED = {"judged_at", "updated_at"}
BOOKKEEPING = {"landed_file", "landed_line", "landed_at", *JUDGED}
# Kinds of int_pending_removals, and their values in int_events_deduplicated.
NAMES = ["source", "anonymous_id", "user_id", "identifiers", "stream_type", "stream_id"]
NAMES += ["minute_at", "received_on", "landed_on"]
NAMED = [*NAMES[:6], "date_trunc('minute', occurred_at)", "received_at::date", "landed_at::date"]
COMPARED = [*WATERMARKS, "fct_events", "events_duplicated", "events_quarantined", "data_clock"]
COMPARED += ["traffic_bursts"]
EVENTS = ["login", "login", " Logged-In", "purchase", "support_ticket", "Product Viewed", "No plan"]
AGENTS = ["Googlebot/2.1", *["Mozilla/5.0"] * 6]
CONTEXTS = [None, {}, [], "text", 7]


def instant(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds") + "Z"


def random_row(chance, prefix, number, begins):
    """A landed row (columns of `raw_messages`): typical, late, skewed, contradictory or broken."""
    occurred = begins + chance.choice([0, 0, 59.999, 60, 3600, 90_000])
    received = begins + chance.choice([0, 60, 60, 61, 4000, 90_001, 200_000])
    row = {
        "log": prefix,
        "source": "collector",
        "type": chance.choice(["track", "track", "track", "page", "identify", "alias", None]),
        "event": chance.choice([*EVENTS, None]),
        "message_id": f"{prefix}-{chance.randint(0, number // 2 + 1)}",
        "anonymous_id": chance.choice([None, f"{prefix}-a", f"{prefix}-a", "anonymous", " "]),
        "user_id": chance.choice([None, None, f"{prefix}-u", "null"]),
        "sent_timestamp": instant(occurred),
        "received_at": instant(received),
    }
    properties = {"order_id": f"o{chance.randint(0, 1)}", "ticket_id": "t", "product_id": "p"}
    if chance.random() < 0.8:
        properties["revenue"] = chance.choice([1, "1.5", 0.1, "ten", None])
    row["properties"] = json.dumps(properties)
    if chance.random() < 0.5:
        context = {
            "userAgent": chance.choice(AGENTS),
            "ip": chance.choice(["192.0.2.1", "8.8.8.8"]),
        }
        if chance.random() < 0.5:
            context["traits"] = {"email": f"{prefix}@{chance.choice('xy')}.org"}
        row["context"] = json.dumps(context)
    elif chance.random() < 0.3:
        row["context"] = json.dumps(chance.choice(CONTEXTS))
    wrong = chance.random()
    if wrong < 0.03:
        row |= {"message_id": None, "problem": "no event id", "original": "{}"}
    elif wrong < 0.05:
        row |= {"problem": "not valid UTF-8", "original": "?"}
    elif wrong < 0.07:
        row["received_at"] = chance.choice([None, "yesterday", "2099-01-01T00:00:00Z", "7"])
    elif wrong < 0.10:
        row["sent_timestamp"] = chance.choice([None, "1970-01-01", instant(received + 9000)])
    elif wrong < 0.16:
        skewed = occurred + chance.choice([-(10**9), 5, 10**9])
        row |= {"original_timestamp": instant(skewed), "sent_at": instant(skewed + 30)}
    return row


def busy_row(chance, prefix, begins):
    """A valid row of one device, often in the same minute as others."""
    return {
        "log": prefix,
        "source": "collector",
        "type": "page",
        "message_id": f"{prefix}-{chance.randint(0, 6)}",
        "anonymous_id": f"{prefix}-{chance.choice('aaaab')}",
        "sent_timestamp": instant(begins + chance.choice([0, 1, 2, 3, 61])),
        "received_at": instant(begins + chance.randint(60, 99)),
    }


def contact_row(chance, prefix, begins):
    """A state of a contact in Salesforce: the person and, if any, their company."""
    contact = {
        "id": f"{prefix}-c",
        "email": chance.choice([None, f"{prefix}@{chance.choice('xy')}.org"]),
        "account_id": chance.choice([None, "company", "company"]),
        "system_modstamp": instant(begins + chance.choice([0, 60, 4000, 90_000])),
    }
    return {
        "log": prefix,
        "source": "salesforce",
        "table_name": "contacts",
        "record": json.dumps(contact),
    }


def forgotten(log):
    """The forgotten people of a log: identifier, interval if it was shared, time of the request.

    Rows received after the request are kept.
    """
    begins, prefix = START + timedelta(days=log * DAYS_OF_A_LOG), f"p{log}"
    whole, hour = (None, None), timedelta(hours=1)
    return {
        0: (f"user_id:{prefix}-u", *whole, begins + hour),
        1: (f"email:{prefix}@x.org", *whole, begins + hour),
        2: (f"salesforce_id:{prefix}-c", *whole, begins + hour),
        3: (f"anonymous_id:{prefix}-a", None, begins + hour, begins + 99 * hour),
        4: (f"anonymous_id:{prefix}-a", begins + hour / 90, None, begins + 9 * hour),
    }.get(log % 8)


def random_log(seed, log):
    """Rows of a few people; some are copies, some are copies with one different field."""
    chance = random.Random(seed)
    prefix, begins = f"p{log}", log * DAYS_OF_A_LOG * 86_400
    if chance.random() < 0.3:
        return [busy_row(chance, prefix, begins) for _ in range(chance.randint(6, 14))]
    rows = [random_row(chance, prefix, n, begins) for n in range(chance.randint(1, 12))]
    for row in chance.choices(rows, k=chance.randint(0, 4)):
        rows.append(dict(row))
        kind = chance.random()
        if kind < 0.1:  # the same with a clock that is ahead: both count from their arrival
            rows[-1]["sent_timestamp"] = row["received_at"]
            rows.append(row | {"sent_timestamp": "2020-01-01T00:00:00Z"})
        elif kind < 0.7:
            field = chance.choice(
                ["user_id", "sent_timestamp", "received_at", "properties", "type"]
            )
            rows[-1][field] = random_row(chance, prefix, 1, begins).get(field)
    return rows + [contact_row(chance, prefix, begins) for _ in range(chance.choice([0, 0, 1, 3]))]


def spread(chance, rows, loads):
    """The rows in random order as a list of loads, each with up to three files."""
    chance.shuffle(rows)
    landed = [[] for _ in range(loads)]
    lines = {}
    for row in rows:
        load = chance.randrange(loads)
        file = f"events/{chance.choice('abc')}-{load}.jsonl"
        lines[file] = lines.get(file, 0) + 1
        landed_at = LANDED + load * APART
        place = {"landed_file": file, "landed_line": lines[file], "landed_at": landed_at}
        landed[load].append(row | place)
    return landed


def first_difference(layer, table, other, excluded):
    """The rows that are in only one of two tables, or None."""
    columns = [name for name, *_ in layer.query(f"describe {other}") if name not in excluded]
    listed = ", ".join(columns)
    only = [
        layer.query(f"select {listed} from {one} except all select {listed} from {two}")
        for one, two in ((table, other), (other, table))
    ]
    return (table, columns, *only) if any(only) else None


def assert_all_accounted_for(layer, count):
    """Law 1: raw = events + duplicated + quarantined; each part of a row is counted once."""
    parts = ["fct_events", "events_duplicated", "events_quarantined"]
    places = " union all ".join(f"select {KEY} from {part}" for part in parts)
    landed = f"select {KEY} from judged"
    assert layer.value("select count(*) from raw_messages") == count
    assert layer.value(f"select count(*) from ({places}) where landed_part = 1") == count
    assert not layer.query(f"({landed}) except all ({places})")
    assert not layer.query(f"({places}) except all ({landed})")
    left = "landed_part > 1 or coalesce(event_id, user_id, anonymous_id) is not null"
    assert not layer.query(f"from int_events_deduplicated where reason = 'forgotten' and ({left})")


def assert_the_first_received_is_the_event(layer):
    """The first valid row with an id is the event, all others are its duplicates."""
    wrong = """
        select event_id from int_events_deduplicated
        group by event_id
        having
            count_if(status = 'valid') <> cast(count_if(reason is null) > 0 as integer)
            or (count_if(status = 'valid') > 0 and count_if(status = 'quarantined') > 0)
            or min(case when reason is null then received_at end)
            <> min(case when status = 'valid' then received_at end)
    """
    assert not layer.query(wrong)


def assert_changes_are_told(layer):
    """Reading only rows with a new `updated_at` gives the same rows as reading all."""
    for table in ("int_events_deduplicated", "fct_events"):
        difference = first_difference(layer, table, f"mirror_of_{table}", set())
        assert not difference, difference


def mirror(layer, since):
    """Copy changed rows by `updated_at` and `int_pending_removals`; return the newest time."""
    since -= timedelta(minutes=layer.overlap)
    changed = " union ".join(
        f"select {KEY} from {table} where updated_at > timestamp '{since}' or exists (from noted "
        f"where row({', '.join(NAMED)}) is not distinct from row({', '.join(NAMES)}))"
        for table in ("int_events_deduplicated", "fct_events")
    )
    layer.query(
        "create or replace temp table noted as "
        f"from int_pending_removals where removed_at > timestamp '{since}'"
    )
    for table in ("int_events_deduplicated", "fct_events"):
        copy = f"mirror_of_{table}"
        layer.query(f"create temp table if not exists {copy} as from {table} limit 0")
        layer.query(f"create or replace temp table changed as {changed}")
        layer.query(f"delete from {copy} where ({KEY}) in (from changed)")
        layer.query(f"delete from {copy} where landed_file in (select removed_file from noted)")
        layer.query(f"insert into {copy} from {table} where ({KEY}) in (from changed)")
    return layer.value("select max(updated_at) from int_events_deduplicated")


def assert_laws(layer, loads, again, removals=None, left_out=None):
    """Loads one after another give the same result as a full refresh, in any order and files.

    `again`: the rows of `loads` in another order, in other files and in one load. `removals`: the
    files removed with each load. `left_out`: the models that the load's run leaves out.
    """
    count = len(again)
    layer.clear()
    for table in ("int_events_deduplicated", "fct_events"):
        layer.query(f"drop table if exists mirror_of_{table}")
    since = datetime(1970, 1, 1)
    for number, load in enumerate(loads):
        layer.land(load)
        if removals:
            layer.remove(removals[number], LANDED + number * APART)
        layer.run(left_out=left_out[number] if left_out else ())
        if not left_out:
            since = mirror(layer, since)
    assert_all_accounted_for(layer, count)
    assert_the_first_received_is_the_event(layer)
    if not left_out:
        assert_changes_are_told(layer)
    for table in COMPARED:
        layer.query(f"create or replace temp table later_{table} as from {table}")

    layer.run(full_refresh=True)
    assert_all_accounted_for(layer, count)
    for table in COMPARED:
        excluded = JUDGED if layer.overlap else set()  # rows read again are evaluated again
        difference = first_difference(layer, table, f"later_{table}", excluded)
        assert not difference, difference

    layer.clear()
    layer.land(again)
    layer.run()
    assert_all_accounted_for(layer, count)
    for table in COMPARED:
        difference = first_difference(layer, table, f"later_{table}", BOOKKEEPING)
        assert not difference, difference


def case(seeds):
    """Loads of the logs of these seeds, and the same rows in one other load."""
    rows = [row for log, seed in enumerate(seeds) for row in random_log(seed, log)]
    chance = random.Random(repr(seeds))
    return spread(chance, rows, chance.choice([1, 2, 3, 3, 4])), spread(chance, rows, 1)[0]


def cases_of(case, seed, logs, count=3):
    """A few separate cases, each with seeds for `logs` logs."""
    chance = random.Random(seed)
    for _ in range(count):
        yield case([chance.randrange(2**32) for _ in range(logs)])


def cases(seed, count=3):
    """A few cases of event logs."""
    return cases_of(case, seed, LOGS, count)


def of_logs(rows, logs):
    return [row for row in rows if row["log"] in logs]


def assert_case(layer, loads, again):
    """Check the laws; if they fail, show the rows of as few logs as possible."""
    try:
        assert_laws(layer, loads, again)
        return
    except AssertionError as error:
        failure = error
    logs = sorted({row["log"] for row in again})
    while len(logs) > 1:
        for half in (logs[: len(logs) // 2], logs[len(logs) // 2 :]):
            try:
                assert_laws(layer, [of_logs(load, half) for load in loads], of_logs(again, half))
            except AssertionError as error:
                logs, failure = half, error
                break
        else:
            break
    loads = [of_logs(load, logs) for load in loads]
    raise AssertionError(f"{failure}\nloads: {loads}\nagain: {of_logs(again, logs)}") from failure


# Hypothesis would shrink for minutes; instead a failing case is reduced to one log.
QUIET = settings(
    max_examples=CASES, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
)
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=LOGS, max_size=LOGS, unique=True)


def with_removals(chance, loads):
    """Loads with some files of earlier ones removed or replaced: (loads, removed files by load).

    A replaced file lands again in the load that removes it, with some rows corrected or missing.
    """
    loads, removals, there = [apart(load) for load in loads], [], {}
    loads += [[] for _ in range(chance.choice([0, 0, 1]))]  # a load may only remove files
    for number, load in enumerate(loads):
        is_due = number == len(loads) - 1 and not any(removals)
        leaving = [file for file in there if is_due or chance.random() < 0.4]
        for file in leaving:
            rows = there.pop(file)
            if chance.random() < 0.3:
                continue
            kept = [corrected(chance, row) for row in rows if chance.random() < 0.9]
            place = {"landed_file": f"{file}#{number}", "landed_at": LANDED + number * APART}
            load += [row | place | {"landed_line": line} for line, row in enumerate(kept, 1)]
        for row in load:
            if row["source"] == "collector":  # only event files can be removed
                there.setdefault(row["landed_file"], []).append(row)
        removals.append(leaving)
    return loads, removals


def apart(load):
    """The rows of a load; rows other than events are in separate files."""
    return [
        row
        if row["source"] == "collector"
        else row | {"landed_file": row["landed_file"].replace("events", "contacts")}
        for row in load
    ]


def left(chance, loads, removals):
    """The remaining rows in another order and in one load."""
    gone = set().union(*removals)
    rows = [row for load in loads for row in load if row["landed_file"] not in gone]
    return spread(chance, rows, 1)[0]


def corrected(chance, row):
    """A row as a corrected mapping gives it: maybe another name, person or time, or no id."""
    fields = ["event", "user_id", "anonymous_id", "sent_timestamp", "received_at", "message_id"]
    field = chance.choice([*fields, *[None] * 6])
    other = {
        "event": "login",
        "user_id": f"{row['log']}-u",
        "anonymous_id": f"{row['log']}-a",
        "sent_timestamp": row.get("received_at"),
        "received_at": instant(0),
        "message_id": f"{row['log']}-0",
    }
    return row | {field: other[field]} if field else dict(row)


def replaced_case(seeds):
    """Loads with removals, the removed files by load, and the remaining rows in one load."""
    rows = [row for log, seed in enumerate(seeds) for row in random_log(seed, log)]
    chance = random.Random(repr(seeds))
    for row in rows:  # so that rows of a busy minute differ
        if "event" not in row and row["source"] == "collector" and chance.random() < 0.5:
            row["user_id"] = f"{row['log']}-u"
    loads, removals = with_removals(chance, spread(chance, rows, chance.choice([2, 3, 4])))
    return loads, left(chance, loads, removals), removals


def assert_left_out_models_hear_of_it(layer, seed, count):
    """Models that were left out process a removal in their next run; the last run is complete."""
    chance = random.Random(seed)
    for loads, again, removals in cases_of(replaced_case, seed, LOGS, count):
        left_out = [[name for name in layer.models if chance.random() < 0.4] for _ in loads]
        left_out[0] = left_out[-1] = []
        assert_laws(layer, loads, again, removals, left_out)


def assert_a_removal_names_whom_it_touches(layer):
    """A removal updates the former duplicate and the other rows of the former burst."""
    at = {"received_at": instant(90), "sent_timestamp": instant(0), "landed_at": LANDED}
    row = {"log": "p", "source": "collector", "type": "page", **at}
    removed = [row | {"message_id": f"m{n}", "anonymous_id": "busy"} for n in range(ALLOWED)]
    left = [row | {"message_id": f"n{n}", "anonymous_id": "busy", "user_id": "u"} for n in range(2)]
    later = {"received_at": instant(9000), "sent_timestamp": instant(8000)}
    left += [row | later | {"message_id": "m0", "anonymous_id": "repeats"}]
    layer.clear()
    for file, rows in (("events/removed.parquet", removed), ("events/left.jsonl", left)):
        places = [{"landed_file": file, "landed_line": line} for line in range(1, len(rows) + 1)]
        layer.land([row | place for row, place in zip(rows, places, strict=True)])
    layer.run()
    assert layer.value("select count(*) from traffic_bursts") == 1
    layer.remove(["events/removed.parquet"], LANDED + APART)
    layer.run()
    assert layer.value("select count(*) from traffic_bursts") == 0
    named = layer.query(
        "select distinct anonymous_id, user_id, removed_file from int_pending_removals order by all"
    )
    assert named == [
        ("busy", "u", None),
        ("busy", None, "events/removed.parquet"),
        ("repeats", None, None),
    ]


def late(loads):
    """The loads in the commit order of parallel loaders: the first one commits last."""
    return [*loads[1:], loads[0]]


# Plausible mistakes: (model, text, wrong text). Each must break a law.
BREAKS = {
    "history is not looked at for repeats": (
        "int_events_deduplicated",
        "where history.event_id in (select arrivals.event_id from arrivals)",
        "where false",
    ),
    "repeats within a load are not looked for": (
        "int_events_deduplicated",
        "having count(*) > 1",
        "having count(*) > 99",
    ),
    "held rows are not ranked again": (
        "int_events_deduplicated",
        "event_id in (select known_ids.event_id from known_ids)",
        "false",
    ),
    "what breaks the rules may be the event": (
        "int_events_deduplicated",
        "order by reason is not null, ",
        "order by ",
    ),
    "what a row holds does not decide a tie": (
        "int_events_deduplicated",
        "cast(properties as varchar), cast(identifiers as varchar), cast(context as varchar),",
        "",
    ),
    "who it is does not decide a tie": (
        "int_events_deduplicated",
        "user_id, anonymous_id, platform",
        "platform",
    ),
    "of equal rows one whose clock is wrong may win": (
        "int_events_deduplicated",
        "occurred_at, is_time_clamped, event_name, user_id",
        "occurred_at, event_name, user_id",
    ),
    "the last to be received is the event": (
        "int_events_deduplicated",
        "received_at, occurred_at",
        "received_at desc, occurred_at",
    ),
    "a row whose status changed does not say so": (
        "int_events_deduplicated",
        "when repeated_since > judged_at",
        "when false",
    ),
    "rows without an id are dropped": (
        "int_events_deduplicated",
        "event_id is null\n        or event_id not in",
        "event_id not in",
    ),
    "a minute that is no burst any more is forgotten": (
        "int_busy_minutes",
        "status <> 'quarantined'",
        "status = 'valid'",
    ),
    "only the last minute that was touched is counted": (
        "int_busy_minutes",
        "min(minute_at) as first_at",
        "max(minute_at) as first_at",
    ),
    "the last minute that was touched is left out": (
        "int_busy_minutes",
        "max(minute_at + interval '1 minute') as last_at",
        "max(minute_at - interval '1 minute') as last_at",
    ),
    "only rows that landed touch a day": (
        "int_event_counts",
        "where updated_at >",
        "where landed_at >",
    ),
    "only the first day that was touched is counted": (
        "int_event_counts",
        f"cast(date '{LAST_DAY}' as timestamp)",
        f"cast(date '{FIRST_DAY}' as timestamp)",
    ),
}


# The same for the handling of removals.
REMOVAL_BREAKS = {
    "removed rows stay and compete": (
        "int_events_deduplicated",
        "and event_id is not null\n",
        "and false\n",
    ),
    "a removed row may still be the event": (
        "int_events_deduplicated",
        "and not (landed_file in",
        "and not (false and landed_file in",
    ),
    "a day that lost rows is not counted again": (
        "int_event_counts",
        "received_on is not null",
        "false",
    ),
    "a minute that lost rows is not counted again": (
        "int_busy_minutes",
        "stream_id is not null\n        and removed_at >",
        "false\n        and removed_at >",
    ),
    "a busy minute without rows stays": (
        "int_busy_minutes",
        "known.minute_at\n    )\n    and not exists",
        "known.minute_at\n    )\n    and false and not exists",
    ),
}
