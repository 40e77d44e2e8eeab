"""Real logs with known answers are landed, built and compared with these."""

import csv
import gzip
import json

import pytest

from tests.support.deployment import shared_data

MAPPINGS = "examples/mappings"


@pytest.fixture(scope="module")
def retail(shared_deployment):
    log = shared_data("uci_online_retail", "online_retail.parquet")
    shared_deployment.land(log, "--mapping", f"{MAPPINGS}/uci_online_retail.yml")
    shared_deployment.dbt("build")
    return shared_deployment


def test_retail_totals(retail):
    assert retail.value("select count(*) from fct_events") == 397_884
    assert retail.value("select count(*) from events_quarantined") == 0
    assert retail.value("select count(*) from dim_profiles") == 4_338
    assert (
        retail.value("select count(distinct properties ->> 'order_id') from fct_events") == 18_532
    )
    total = retail.value("select sum((properties ->> 'revenue')::double) from fct_events")
    assert round(total, 2) == 8_911_407.90
    assert retail.value("select count(*) from fct_sessions") == 17_040


def test_retail_customers_are_not_window_shoppers(retail):
    names = {name for (name,) in retail.query("select persona_name from personas")}
    assert len(names) >= 3
    assert not [name for name in names if "shopper" in name.lower()]


@pytest.mark.parametrize("cutoff", ["2011-09-10", "2011-12-10"])
def test_retail_features_as_of_a_cutoff(retail, cutoff):
    """Later rows exist and must not be used."""
    expected = {
        str(int(float(row["CustomerID"]))): (
            int(row["recency_days"]),
            int(row["frequency_30d"]),
            round(float(row["monetary_value_90d"]), 2),
        )
        for row in csv.DictReader(
            shared_data("uci_online_retail", f"expected_features_{cutoff}.csv").open()
        )
    }
    retail.dbt("run", "--select", "data_clock+", variables=f"{{as_of: '{cutoff}'}}")
    found = retail.query(
        """
        select user_id, recency, purchases_30d, monetary_value_90d
        from profile_features inner join dim_profiles using (profile_id)
        where is_for_serving
        """
    )
    assert {user: (r, f, round(m, 2)) for user, r, f, m in found} == expected


def test_ecom_sessions_have_the_true_boundaries(deployment):
    log = shared_data("ecom_sessions", "ecom.csv.gz")
    deployment.land(log, "--mapping", f"{MAPPINGS}/ecom_sessions.yml")
    deployment.build_up_to("fct_sessions")
    assert deployment.value("select count(*) from fct_sessions") == 3_605

    with gzip.open(log, "rt") as file:
        truth = {}
        for row in csv.DictReader(file):
            truth.setdefault((row["user_id"], row["session_id"]), []).append(row["timestamp"])
    expected = sorted((user, min(times), max(times)) for (user, _), times in truth.items())
    found = deployment.query(
        "select stream_id, started_at::varchar, ended_at::varchar from fct_sessions"
    )
    assert sorted(found) == expected


def test_sparkify_accounts_for_everybody(deployment):
    log = shared_data("sparkify_log", "events.json.gz")
    with gzip.open(log, "rt") as file:
        nobody = sum(json.loads(line)["userId"] == "" for line in file)
    deployment.land(log, "--mapping", f"{MAPPINGS}/sparkify_log.yml")
    deployment.dbt("build", variables="{shop: false}")
    deployment.activate()
    page = deployment.run("tideline", "summary")
    assert "none is declared" in page and "bundle" not in page and "cart" not in page
    reasons = dict(deployment.query("select reason, count(*) from events_quarantined group by 1"))
    assert reasons == {"no identifier": nobody} == {"no identifier": 286}
    assert deployment.value("select count(*) from fct_events") == 8_056 - 286
    assert deployment.value("select count(*) from dim_profiles") == 97
    assert deployment.value("select count(*) from fct_sessions") == 911

    # The tracker's own sessions continue over 15 pauses of more than half an hour, and 15 times a
    # new one begins earlier: 799 of the 814 boundaries are the same.
    theirs, ours, both = deployment.query(
        """
        with followed as (
            select
                session_id is distinct from lag(session_id) over stream as is_ours,
                properties ->> 'tracker_session_id' is distinct from
                lag(properties ->> 'tracker_session_id') over stream as is_theirs,
                row_number() over stream as number
            from session_events as events
            inner join int_sessions as sessions
                on
                    events.stream_id = sessions.stream_id
                    and events.occurred_at between sessions.started_at and sessions.ended_at
            window stream as (
                partition by events.stream_id order by events.occurred_at, events.event_id
            )
        )

        select count_if(is_theirs), count_if(is_ours), count_if(is_theirs and is_ours)
        from followed
        where number > 1
        """
    )[0]
    assert (theirs, ours, both) == (814, 814, 799)
