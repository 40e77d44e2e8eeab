"""After the plan or an alias is corrected, the next ordinary run accepts the refused rows.

The seeds are corrected in the warehouse, like with `dbt seed`, and the models run without it.
"""

import json

import duckdb
import pytest

# A row that was an event before stays one, with the version of the rules that accepted it.
BOOKKEEPING = {
    "landed_file", "landed_line", "landed_at", "judged_at", "updated_at", "rules_version",
}  # fmt: skip
BUILT = ["events_duplicated", "events_quarantined", "int_event_counts", "int_sessions"]
BUILT += ["identity_map", "dim_profiles"]
TABLES = ["int_events_deduplicated", "fct_events", "events_duplicated", "events_quarantined"]
TABLES += ["int_event_counts", "int_sessions", "identity_map", "dim_profiles"]


def message(number, received, event="Went Shopping", **fields):
    return {
        "messageId": f"m{number}",
        "type": "track",
        "event": event,
        "anonymousId": f"a{number}",
        "userId": f"u{number}",
        "timestamp": "2026-03-01T10:00:00Z",
        "receivedAt": f"2026-03-01T10:{received:02}:00Z",
        **fields,
    }


class Warehouse:
    """A deployment with seeds that are corrected by hand."""

    def __init__(self, deployment):
        self.deployment = deployment

    def load(self, name, messages):
        path = self.deployment.landing / "events" / f"{name}.jsonl"
        path.write_text("".join(json.dumps(message) + "\n" for message in messages))

    def mend(self, statement):
        with duckdb.connect(str(self.deployment.warehouse)) as connection:
            connection.execute("set search_path = 'tideline,tideline_internal'")
            (changed,) = connection.execute(statement).fetchall()[0]
            assert changed == 1

    def run(self, *words):
        selected = [f"+{model}" for model in BUILT]
        self.deployment.dbt("run", *words, "--select", *selected)

    def rows(self, table, excluded=frozenset()):
        names = [name for name, *_ in self.deployment.query(f"describe {table}")]
        listed = ", ".join(name for name in names if name not in excluded)
        return sorted(self.deployment.query(f"select {listed} from {table}"), key=repr)

    def column(self, query):
        return [value for (value,) in self.deployment.query(query)]


@pytest.fixture(scope="module")
def warehouse(shared_deployment):
    """Four rows are refused in the first load; then an alias and the plan are corrected."""
    warehouse = Warehouse(shared_deployment)
    sold = {"event": "purchase", "properties": {"order_id": "o"}}
    warehouse.load(
        "first",
        [
            message(0, 1, "login"),
            message(1, 5),
            message(1, 7, userId=None),
            message(2, 5, **sold),
            message(3, 5, "No plan knows it"),
        ],
    )
    shared_deployment.build_up_to(*BUILT)
    assert warehouse.column("select event_id from fct_events") == ["m0"]
    assert warehouse.column("select stream_id from int_sessions") == ["a0"]
    warehouse.mend(
        "insert into event_aliases (alias, event_name) values ('Went Shopping', 'login')"
    )
    warehouse.mend(
        "update tracking_plan set is_required = false "
        "where event_name = 'purchase' and property = 'revenue'"
    )
    warehouse.run()
    return warehouse


def test_refused_rows_are_accepted(warehouse):
    assert warehouse.column("select event_id from fct_events order by 1") == ["m0", "m1", "m2"]
    assert warehouse.column("select event_id from events_duplicated") == ["m1"]
    assert warehouse.column("select event_id from events_quarantined") == ["m3"]
    assert warehouse.column("select user_id from fct_events where event_id = 'm1'") == ["u1"]
    assert warehouse.column("select stream_id from int_sessions order by 1") == ["a0", "a1", "a2"]
    users = "select id_value from identity_map where id_type = 'user_id' order by 1"
    assert warehouse.column(users) == ["u0", "u1", "u2"]
    counted = "select sum(landed) from int_event_counts where status = 'quarantined'"
    assert warehouse.column(counted) == [1]


def test_repeats_follow_and_a_full_refresh_agrees(warehouse):
    """A duplicate received before, a duplicate received after, and a new event."""
    warehouse.load("second", [message(1, 2, userId="v1"), message(2, 9, "login"), message(4, 9)])
    warehouse.run()
    assert warehouse.column("select event_id from fct_events order by 1") == [
        *("m0", "m1", "m2", "m4")
    ]
    assert warehouse.column("select event_id from events_duplicated order by 1") == [
        *("m1", "m1", "m2")
    ]
    assert warehouse.column("select user_id from fct_events where event_id = 'm1'") == ["v1"]
    later = {table: warehouse.rows(table, BOOKKEEPING) for table in TABLES}
    told = warehouse.rows("int_events_deduplicated")
    warehouse.run()
    assert warehouse.rows("int_events_deduplicated") == told
    warehouse.run("--full-refresh")
    for table, rows in later.items():
        assert warehouse.rows(table, BOOKKEEPING) == rows, table


def test_refused_rows_without_a_time_do_not_stop_the_next_run(deployment):
    """They name somebody, and are the only rows that the corrected plan touches."""
    warehouse = Warehouse(deployment)
    untimed = message(1, 5, "login", timestamp="?? 15h29")
    del untimed["receivedAt"]
    warehouse.load("first", [message(0, 1, "login"), untimed])
    deployment.build_up_to(*BUILT)
    accepted = warehouse.rows("fct_events", BOOKKEEPING)
    warehouse.mend("insert into tracking_plan (event_name, is_required) values ('nap', false)")
    warehouse.run()
    assert warehouse.rows("fct_events", BOOKKEEPING) == accepted
    assert warehouse.column("select count(*) from events_quarantined") == [1]
