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


def test_a_school_becomes_people_and_sessions(deployment, tmp_path):
    rows = list(lessons())
    log, mapping, seeds = tmp_path / "school.jsonl", tmp_path / "school.yml", tmp_path / "seeds"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(SEEDS, seeds)

    deployment.land(log, "--propose", mapping, "--seeds", seeds)
    said = deployment.land(log, "--mapping", mapping, "--accept-plan", "--seeds", seeds)
    assert "rows    600" in said
    assert "people  40 (40 by anonymous_id)" in said
    assert "warning" not in said

    deployment.dbt("seed", "--quiet")
    with (seeds / "tracking_plan.csv").open() as file:
        added = [tuple(row) for row in csv.reader(file) if row[0] in ("lesson", "quiz_done")]
    assert len(added) == 6  # url, score and title of each
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
