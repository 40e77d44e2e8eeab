"""The result of each edge case in Snowplow's own test events; `user_id` names the case.

Snowplow's web model uses the sessions of the tracker (`domain_sessionid`). Tideline's sessions are
events of a cookie without a gap of more than half an hour, so some results differ. The comment
above each case explains its result.
"""

import shutil

import duckdb
import pytest

from tests.support.deployment import shared_data
from tests.support.messages import good

# Custom events of that company, which a deployment adds to its tracking plan.
OWN_EVENTS = [
    "cmp_visible",
    "consent_preferences",
    "data_structures_workflow",
    "object_click",
    "snplow_cookies",
]

# Case: (landed rows, events, sessions).
CASES = {
    # Seven page pings: five in the visit, which do not extend it, and two hours and days later,
    # which the tracker counts as separate sessions.
    "No edge cases": (13, 13, 1),
    # A ping two days after the visit is not a visit, as nobody did anything.
    "stray page ping": (3, 3, 1),
    # Sent twice in one request: their content decides which row is the event.
    "dupe: event_id same collector_tstamp": (14, 12, 1),
    # Sent again three seconds later: the row received first is the event.
    "dupe: event_id different collector_tstamp": (7, 6, 1),
    # Two views of one page are two events; only the event_id identifies an event.
    "dupe: page_view_id different derived_tstamp": (11, 11, 1),
    # Sent four days late: it belongs to the day of the event, not of its arrival.
    "late arriving: device created/sent >3 days": (2, 2, 1),
    # One session of the tracker over ten days with an event on each: eleven visits.
    "long session": (11, 11, 11),
    # Eight months between two events of one session of the tracker: two visits.
    "Unexpired session": (2, 2, 2),
    # A new cookie on each of three days: three streams, each with one visit.
    "Rotating domain_userid per session": (5, 5, 3),
    # Two first sessions of the tracker in the same seconds: one visit.
    "Multiple first sessions per user": (7, 7, 1),
    # And two last ones.
    "Multiple last sessions per user": (6, 6, 1),
    # Without the tracker's session id: our sessions do not need it.
    "NULL domain_sessionid": (1, 1, 1),
    # Without a cookie the account is the stream.
    "NULL domain_userid": (1, 1, 1),
    # A page view does not need its id.
    "NULL page_view_id": (2, 2, 1),
    # 26 cookies of one person who answers consent banners.
    "consent_accel": (65, 65, 26),
    # One cookie with ten accounts on two days, the second time past midnight without a long gap.
    "user stitch": (10, 10, 2),
}
CASE = "case when user_id like 'user stitch%' then 'user stitch' else user_id end"


@pytest.fixture(scope="module")
def built(shared_deployment):
    log = shared_data("snowplow_web", "snowplow_web_events.csv")
    deployment, variables = shared_deployment, "{sources: {snowplow: landing}}"
    folder = deployment.landing / "snowplow" / "events"
    folder.mkdir(parents=True)
    shutil.copy(log, folder / "events.csv")
    (deployment.landing / "events" / "one.jsonl").write_text(good(1))
    deployment.dbt("seed", variables=variables)
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for name in OWN_EVENTS:
            connection.execute(
                "insert into tideline_internal.tracking_plan (event_name, is_required) "
                "values (?, false)",
                [name],
            )
    words = ["--select", "+fct_sessions", "+events_duplicated", "+events_quarantined"]
    deployment.dbt("run", *words, variables=variables)
    deployment.dbt("test", "--select", "assert_nothing_is_lost", variables=variables)
    return deployment


def test_every_case_has_its_expected_result(built):
    log = built.landing / "snowplow" / "events" / "events.csv"
    landed = f"select {CASE}, count(*) from read_csv('{log}', all_varchar = true) group by 1"
    events = f"select {CASE}, count(*) from fct_events where source = 'snowplow' group by 1"
    sessions = f"""
        with streams as (
            select distinct stream_id, {CASE} as edge_case
            from fct_events where source = 'snowplow'
        )
        select edge_case, count(*) from fct_sessions inner join streams using (stream_id) group by 1
    """
    counts = [dict(built.query(query)) for query in (landed, events, sessions)]
    assert {case: tuple(count[case] for count in counts) for case in counts[0]} == CASES
    assert built.value("select count(*) from events_quarantined") == 0


def test_the_first_received_of_two_rows_is_the_event(built):
    rows = built.query(
        """
        select events.received_at::varchar, repeats.received_at::varchar
        from events_duplicated as repeats
        inner join fct_events as events using (event_id)
        where events.user_id like 'dupe: event_id%'
        order by all
        """
    )
    assert rows == [
        ("2021-03-01 20:58:11.021", "2021-03-01 20:58:11.021"),
        ("2021-03-01 20:58:11.021", "2021-03-01 20:58:11.021"),
        ("2021-03-03 21:27:32.696", "2021-03-03 21:27:35.176"),
    ]


def test_late_events_count_at_their_own_time(built):
    late = "select started_at::varchar from fct_sessions inner join fct_events using (stream_id) "
    assert built.query(late + "where user_id like 'late arriving%' limit 1") == [
        ("2021-02-26 09:42:56.128",)
    ]


def test_a_ping_does_not_extend_a_visit(built):
    ended = built.query(
        """
        select distinct ended_at::varchar
        from fct_sessions inner join fct_events using (stream_id)
        where user_id = 'No edge cases'
        """
    )
    assert ended == [("2021-03-02 15:55:29.716",)]


def test_ten_accounts_on_a_cookie_are_ten_people(built):
    """Snowplow's stitching gives all events of a cookie to its last account. Here an account is
    one person: a shared cookie merges nobody, and each event belongs to its account."""
    profiles = "select count(distinct profile_id) from identity_map where id_type = 'user_id' "
    assert built.value(profiles + "and id_value like 'user stitch%'") == 10


def test_many_cookies_of_an_account_are_one_person(built):
    profiles = built.query(
        """
        select count(*), count(distinct profile_id)
        from identity_map
        where id_type = 'anonymous_id' and id_value in (
            select anonymous_id from fct_events where user_id = 'consent_accel'
        )
        """
    )
    assert profiles == [(26, 1)]
