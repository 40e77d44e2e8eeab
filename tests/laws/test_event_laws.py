"""Laws 1 and 2 for the event layer on thousands of random logs; broken SQL breaks the laws.

The compiled SQL runs in this process (see `event_layer`). A case is eighty small logs together,
each with its own identifiers and days, so that no log hides the effects of another.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings

from tests.support.event_layer import (
    OVERLAP,
    EventLayer,
)
from tests.support.random_logs import (
    APART,
    BREAKS,
    KEY,
    LANDED,
    LOGS,
    QUIET,
    REMOVAL_BREAKS,
    SEEDS,
    assert_a_removal_names_whom_it_touches,
    assert_all_accounted_for,
    assert_case,
    assert_laws,
    assert_left_out_models_hear_of_it,
    case,
    cases,
    cases_of,
    forgotten,
    instant,
    late,
    random_row,
    replaced_case,
)


@pytest.fixture(scope="module", autouse=True)
def some_were_forgotten(compiled):
    """Forget people before their rows land, as when an archive is replayed."""
    warehouse, _ = compiled
    with duckdb.connect(str(warehouse)) as connection:
        connection.executemany(
            "insert into tideline_internal.forgotten_identifiers "
            "(identifier_hash, valid_from, valid_to, requested_at) values (sha256(?), ?, ?, ?)",
            [found for log in range(LOGS) if (found := forgotten(log))],
        )


@pytest.fixture(scope="module")
def layer(compiled):
    return EventLayer(*compiled)


@QUIET
@given(seeds=SEEDS)
def test_order_and_batches_do_not_matter(layer, seeds):
    assert_case(layer, *case(seeds))


@settings(QUIET, max_examples=6)
@given(seeds=SEEDS)
def test_a_removed_landing_leaves_nothing(layer, seeds):
    assert_laws(layer, *replaced_case(seeds))


def test_a_run_that_leaves_models_out_is_caught_up(layer):
    assert_left_out_models_hear_of_it(layer, "left out", 4)


def test_a_removal_names_affected_rows(layer):
    assert_a_removal_names_whom_it_touches(layer)


@pytest.mark.parametrize(
    "broken",
    [
        ("event_id in (select removed_rows.event_id from removed_rows)", "false"),
        (
            "or exists (\n            select 1 from changed_minutes",
            "or false and exists (from changed_minutes",
        ),
    ],
)
def test_a_removal_that_omits_affected_rows_is_noticed(compiled, broken):
    warehouse, models = compiled
    layer = EventLayer(
        warehouse, models | {"int_pending_removals": models["int_pending_removals"].broken(*broken)}
    )
    with pytest.raises(AssertionError):
        assert_a_removal_names_whom_it_touches(layer)


def test_forgotten_people_stay_forgotten_in_a_corrected_landing(layer):
    """Their rows were emptied in the replaced file; the new file has them again."""
    row = {
        **{"log": "p0", "source": "collector", "type": "track", "event": "login"},
        **{"message_id": "m", "user_id": "p0-u", "received_at": instant(0)},
        **{"landed_line": 1, "sent_timestamp": instant(0)},
    }
    layer.clear()
    layer.land([row | {"landed_file": "events/log.parquet", "landed_at": LANDED}])
    layer.run()
    layer.land([row | {"landed_file": "events/log.parquet#2", "landed_at": LANDED + APART}])
    layer.remove(["events/log.parquet"], LANDED + APART)
    layer.run()
    emptied = [("events/log.parquet#2", None, None, "forgotten")]
    assert layer.query("select landed_file, user_id, message_id, problem from raw_messages") == (
        emptied
    )
    assert layer.query(
        "select landed_file, user_id, event_id, reason from int_events_deduplicated"
    ) == (emptied)


def test_loads_that_commit_late_are_taken_in_within_the_overlap(compiled):
    layer = EventLayer(*compiled, overlap=OVERLAP)
    for loads, again in cases("late"):
        assert_case(layer, late(loads), again)


def test_a_load_later_than_the_overlap_waits_for_a_full_refresh(compiled):
    """Until then, the data test `assert_nothing_is_lost` reports the missing rows."""
    layer = EventLayer(*compiled, overlap=OVERLAP)
    place = {"landed_file": "events/a.jsonl", "landed_line": 1, "landed_at": LANDED}
    row = random_row(random.Random(1), "p", 1, 0) | place
    beyond = LANDED - timedelta(minutes=OVERLAP)
    layer.land([row])
    layer.run()
    layer.land([row | {"landed_file": "events/b.jsonl", "landed_at": beyond}])
    layer.run()
    with pytest.raises(AssertionError):
        assert_all_accounted_for(layer, 2)
    layer.run(full_refresh=True)
    assert_all_accounted_for(layer, 2)


def test_a_day_with_only_forgotten_rows_is_not_counted(layer):
    """The emptied rows count on the day they landed."""
    place = {"landed_file": "events/a.jsonl", "landed_line": 1, "landed_at": LANDED}
    layer.clear()
    layer.land([random_row(random.Random(1), "p", 1, 0) | place])
    layer.run()
    layer.query(
        "update int_events_deduplicated set status = 'quarantined', reason = 'forgotten', "
        "event_name = null, updated_at = updated_at + interval '1 hour'"
    )
    layer.run()
    counted = "select day, event_name, reason, landed from int_event_counts"
    assert layer.query(counted) == [(LANDED.date(), "(none)", "forgotten", 1)]


def test_rows_without_a_load_time_are_evaluated_once(layer):
    """Their load time is 1970-01-01, before all rows taken in earlier."""
    rows = [
        random_row(random.Random(n), "p", n, 0) | {"landed_file": file, "landed_line": n}
        for n, file in enumerate(["events/a.jsonl", *["ft.users/unknown"] * 3], start=1)
    ]
    layer.clear()
    layer.land([rows[0] | {"landed_at": LANDED}])
    layer.run()
    judged = f"select {KEY}, judged_at, updated_at from int_events_deduplicated"
    for count, landed in ((3, rows[1:3]), (4, rows[3:])):
        layer.land([row | {"landed_at": datetime(1970, 1, 1)} for row in landed])
        before = set(layer.query(judged))
        layer.run()
        after = set(layer.query(judged))
        assert len(after) == count and before < after
        assert min(row[-1] for row in after - before) > max(row[-1] for row in before)
        layer.run()
        assert set(layer.query(judged)) == after


@pytest.mark.parametrize("name", BREAKS)
def test_the_laws_notice_mistakes(compiled, name):
    warehouse, models = compiled
    model, text, other = BREAKS[name]
    layer = EventLayer(warehouse, models | {model: models[model].broken(text, other)})
    with pytest.raises(AssertionError):
        for loads, again in cases("broken", 9):  # until one is noticed
            assert_laws(layer, loads, again)


def test_the_laws_notice_that_the_overlap_is_left_out(compiled):
    layer = EventLayer(*compiled)
    with pytest.raises(AssertionError):
        for loads, again in cases("late"):
            assert_laws(layer, late(loads), again)


@pytest.mark.parametrize("name", REMOVAL_BREAKS)
def test_the_laws_notice_leftovers_of_a_removal(compiled, name):
    warehouse, models = compiled
    model, text, other = REMOVAL_BREAKS[name]
    layer = EventLayer(warehouse, models | {model: models[model].broken(text, other)})
    with pytest.raises((AssertionError, duckdb.Error)):
        for case_ in cases_of(replaced_case, "broken", LOGS, 9):  # until one is noticed
            assert_laws(layer, *case_)


@pytest.mark.parametrize("model", ["int_events_deduplicated", "int_busy_minutes"])
def test_the_laws_notice_a_key_that_is_too_wide(compiled, model):
    warehouse, models = compiled
    narrower = replace(models[model], unique_key=models[model].unique_key[:1])
    layer = EventLayer(warehouse, models | {model: narrower})
    with pytest.raises(AssertionError):
        for loads, again in cases("broken"):
            assert_laws(layer, loads, again)
