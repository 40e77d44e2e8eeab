"""A log of another business, from its proposal to sessions, with the numbers counted by hand."""

import csv
import json
import random
import shutil
from datetime import datetime, timedelta

import duckdb

from tideline.landing.plan_check import SEEDS

PAGES = {
    "Lesson": "/learn/{n}?ref=https://mail.example.com/in",
    "Quiz Done": "https://s.org/quiz#{n}",
}
TIMEOUT = timedelta(minutes=30)


def lessons():
    """Rows of a school's log: a repeated cookie, its pages, no user."""
    chance = random.Random(5)
    at = datetime(2024, 3, 1, 8)
    for n in range(600):
        at += timedelta(minutes=chance.choice([0, 1, 2, 5, 400]))
        page = chance.choice(list(PAGES))
        yield {
            "uuid": f"c{chance.randrange(40)}",
            "at": at.strftime("%d.%m.%Y %H:%M"),
            "action": page,
            "url": PAGES[page].format(n=n % 7),
            "score": chance.randrange(100),
        }


def sessions_of(rows):
    """(cookie, start, landing path, events) of each session, counted in a simple loop."""
    found = []
    last = {}
    for row in rows:
        at = datetime.strptime(row["at"], "%d.%m.%Y %H:%M")
        before = last.get(row["uuid"])
        if before is None or at - before[0] > TIMEOUT:
            path = row["url"].removeprefix("https://s.org").split("?")[0].split("#")[0]
            before = (at, [row["uuid"], at, path, 0])
            found.append(before[1])
        before[1][3] += 1
        last[row["uuid"]] = (at, before[1])
    return sorted(map(tuple, found))


ORDERS_MAPPING = """
time: at
event_id: id
user_id: who
email: mail
event: what
properties: {order_id: id, revenue: revenue, currency: currency}
"""


def orders():
    """Rows of a shop's log, many of which a build refuses, each for another reason."""
    chance = random.Random(7)
    for n in range(1000):
        yield {
            "id": chance.choice([f"o{n}"] * 6 + [f"o{n // 2}", "", None]),
            "who": chance.choice(["u1", "u2", "", None, f"u{n}"]),
            "mail": chance.choice(["", "Ann@example.org", "ann@example.org", f"p{n}@example.org"]),
            "at": chance.choice(
                [f"2024-05-{1 + n % 28:02}T10:00:00Z"] * 8
                + ["soon", "", "1969-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
            ),
            "what": chance.choice(["purchase"] * 6 + ["Order Completed", "login", "nap_taken", ""]),
            "revenue": chance.choice([12.5, 3, "4.5"] * 4 + ["four", "", None, {"eur": 3}]),
            "currency": chance.choice(["EUR"] * 9 + ["euro", "", ["EUR"]]),
        }


def test_what_a_landing_says_of_its_rows_is_what_a_build_makes_of_them(deployment, tmp_path):
    log, mapping = tmp_path / "orders.jsonl", tmp_path / "orders.yml"
    log.write_text("".join(json.dumps(row) + "\n" for row in orders()) + "{broken\n")
    mapping.write_text(ORDERS_MAPPING)
    said = deployment.land(log, "--mapping", mapping)
    deployment.dbt("seed", "--quiet")
    deployment.dbt("run", "--quiet", "--select", "+int_events_deduplicated")

    fates = deployment.query("select status, count(*) from int_events_deduplicated group by 1")
    made = dict(fates)
    assert len(made) == 3 and min(made.values()) > 20
    assert (
        f"A build makes of them: {made['valid']} events, {made['duplicate']} duplicated, "
        f"{made['quarantined']} quarantined." in said
    )
    refused = dict(
        deployment.query(
            "select reason, count(*) from int_events_deduplicated "
            "where status = 'quarantined' group by 1"
        )
    )
    broken = {reason: rows for reason, rows in refused.items() if ": " in reason}
    for rows, words in (
        (refused["not a JSON object"], "cannot be read"),
        (
            refused["sent_timestamp is not a valid timestamp"] + refused["no readable timestamp"],
            "have",
        ),
        (refused["occurred before 1990"], "are dated before 1990"),
        (refused["received in the future"], "are dated in the future"),
        (refused["no identifier"], "name nobody: user_id (column who) and email (column mail)"),
        (refused["no event name"], "have no event name"),
        (refused["unknown event"], "are of 1 event not in the tracking plan"),
        (sum(broken.values()), "break the tracking plan"),
    ):
        assert f"{rows} row{'s' if rows > 1 else ''} {words}" in said, words
    assert len(broken) >= 4
    for reason, rows in broken.items():  # a build names the first rule that a row breaks
        (line,) = [line for line in said.splitlines() if line.startswith(f"    {reason}, ")]
        assert int(line.removeprefix(f"    {reason}, ").split()[0]) >= rows


def test_a_school_becomes_people_and_sessions(deployment, tmp_path):
    rows = list(lessons())
    log, mapping, seeds = tmp_path / "school.jsonl", tmp_path / "school.yml", tmp_path / "seeds"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(SEEDS, seeds)

    deployment.land(log, "--propose", mapping, "--seeds", seeds)
    said = deployment.land(log, "--mapping", mapping, "--accept-plan", "--seeds", seeds)
    assert "rows         600" in said
    assert "identifiers  40 anonymous_id" in said
    assert "A build makes of them: 600 events, 0 duplicated, 0 quarantined." in said
    assert "warning" not in said

    deployment.dbt("seed", "--quiet")
    with (seeds / "tracking_plan.csv").open() as file:
        added = [tuple(row) for row in csv.reader(file) if row[0] in ("lesson", "quiz_done")]
    assert len(added) == 4  # url and score of each
    with duckdb.connect(str(deployment.warehouse)) as connection:
        plan = "insert into tideline_internal.tracking_plan select nullif(a, ''), nullif(b, ''), "
        plan += (
            "nullif(c, ''), try_cast(nullif(d, '') as boolean), nullif(e, ''), nullif(f, ''), g "
        )
        connection.executemany(
            plan + "from (values (?, ?, ?, ?, ?, ?, ?)) t(a, b, c, d, e, f, g)", added
        )
    deployment.dbt("run", "--quiet", "--select", "+fct_sessions")

    assert deployment.query("select status, count(*) from int_events_deduplicated group by 1") == [
        ("valid", 600)
    ]
    assert deployment.value("select count(distinct profile_id) from identity_map") == 40
    sessions = deployment.query(
        "select stream_id, started_at, landing_path, event_count from fct_sessions"
    )
    # The graph does not know the order of events within a minute, so not which page came first.
    expected = sessions_of(rows)
    assert sorted((who, at, n) for who, at, _, n in sessions) == sorted(
        (who, at, n) for who, at, _, n in expected
    )
    assert {path for _, _, path, _ in sessions} == {path for _, _, path, _ in expected}
