"""The identity models against a second, plain implementation of their rules, on random logs.

Many small logs are one build: each has its own prefix on every identifier and event.
"""

import hashlib
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import networkx as nx
import pandas as pd
import pytest

from tests.python.identity_project import ScratchProject

LOGS = 150
LOADS = 3
PRIORITY = {"user_id": 1, "anonymous_id": 2, "email": 3, "phone": 4}
JUNK = {"null", "(null)", "{}", "test@test.com", "x@test.com", "noreply@shop.com", "0"}
START = datetime(2026, 1, 1)


@dataclass(frozen=True)
class Row:
    """A landed row; from load `flips_in` on it is no longer valid."""

    event_id: str
    anonymous_id: str | None
    user_id: str | None
    email: str | None
    occurred_at: datetime
    received_at: datetime
    is_bot: bool
    status: str
    load: int
    flips_in: int | None

    @property
    def is_evidence(self) -> bool:
        return self.status == "valid" and not self.is_bot and self.flips_in is None

    def identifiers(self) -> list[tuple[str, str]]:
        """Usable identifiers by falling claim on the event."""
        email = self.email.strip().lower() if self.email else None
        named = [("user_id", self.user_id), ("anonymous_id", self.anonymous_id), ("email", email)]
        return [
            (kind, value.strip())
            for kind, value in named
            if value and value.strip() and value.strip().lower() not in JUNK
        ]


def _random_log(name: str, chance: random.Random) -> list[Row]:
    users, devices, emails = (
        [f"{name}-{kind}{n}" for n in range(chance.randint(1, 4))] for kind in "uae"
    )
    emails = [f"{email}@mail.com" for email in emails]
    rows = []
    for number in range(chance.randint(1, 14)):
        user = chance.choice([None, None, *users, "null", " "])
        email = chance.choice([None, *emails, emails[0].upper(), chance.choice(sorted(JUNK))])
        device = chance.choice([None, *devices, *devices, "NULL"])
        # Few instants, so that ties happen.
        received_at = START + timedelta(minutes=chance.randint(0, 12))
        row = Row(
            event_id=f"{name}-{number:02}",
            anonymous_id=device,
            user_id=user,
            email=email,
            occurred_at=received_at - timedelta(minutes=chance.randint(0, 5)),
            received_at=received_at,
            is_bot=chance.random() < 0.1,
            status="quarantined" if chance.random() < 0.1 else "valid",
            load=chance.randint(1, LOADS),
            flips_in=None,
        )
        if row.status == "valid" and row.load < LOADS and chance.random() < 0.2:
            # A later load brings the same event as it was first received, maybe of another device.
            flips_in = chance.randint(row.load + 1, LOADS)
            rows.append(
                Row(**{**vars(row), "load": flips_in, "anonymous_id": chance.choice(devices)})
            )
            row = Row(**{**vars(row), "flips_in": flips_in})
        rows.append(row)
    return rows


def _refused(edges: dict, rules: dict) -> None:
    """Adds to `rules` what is refused of `edges`, which says when each was first received."""
    accounts = defaultdict(set)
    for left, right in edges:
        if left[0] == "anonymous_id" and right[0] == "user_id":
            accounts[left].add(right)
    shared = {device for device, users in accounts.items() if len(users) > 1}
    of_email = defaultdict(list)
    for (left, right), first in edges.items():
        if left in shared:
            rules[left, right] = "shared_device"
        elif left[0] == "email" and right[0] == "user_id":
            of_email[left].append((first, right[1], (left, right)))
    for claims in of_email.values():
        for _, _, edge in sorted(claims)[1:]:
            rules[edge] = "email_of_two_accounts"
    graph = nx.Graph(edge for edge in edges if edge not in rules)
    for component in nx.connected_components(graph):
        if sum(kind == "user_id" for kind, _ in component) > 1:
            for edge in graph.subgraph(component).edges:
                if all(kind != "user_id" for kind, _ in edge):
                    rules[tuple(sorted(edge))] = "bridges_two_accounts"


def _resolve(rows: list[Row]) -> tuple[set, set, set]:
    """Map, blocked edges and owner of each event, as the models' docs say them."""
    evidence = [row for row in rows if row.is_evidence]
    received = {}
    edges = {}
    for row in evidence:
        found = sorted(row.identifiers())
        for i, left in enumerate(found):
            received[left] = min(received.get(left, row.received_at), row.received_at)
            for right in found[i + 1 :]:
                first = edges.get((left, right), row.received_at)
                edges[left, right] = min(first, row.received_at)
    rules = {}
    _refused(edges, rules)
    shared = {left for (left, _), rule in rules.items() if rule == "shared_device"}

    graph = nx.Graph(edge for edge in edges if edge not in rules)
    graph.add_nodes_from(node for node in received if node not in shared)
    profile = {}
    for component in nx.connected_components(graph):
        first = min(component, key=lambda node: (received[node], PRIORITY[node[0]], node[1]))
        name = hashlib.md5(":".join(first).encode()).hexdigest()
        profile |= dict.fromkeys(component, name)

    sign_ins = defaultdict(list)
    for row in sorted(evidence, key=lambda row: (row.occurred_at, row.event_id)):
        found = dict(row.identifiers())
        device = ("anonymous_id", found.get("anonymous_id"))
        if device in shared and "user_id" in found:
            sign_ins[device].append((row.occurred_at, ("user_id", found["user_id"])))

    def owner(identifier, instant):
        if identifier not in shared:
            return profile[identifier]
        before = [user for at, user in sign_ins[identifier] if at <= instant]
        return profile[before[-1] if before else sign_ins[identifier][0][1]]

    owners = {
        (row.event_id, owner(row.identifiers()[0], row.occurred_at))
        for row in evidence
        if row.identifiers()
    }
    single = {(*identifier, name) for identifier, name in profile.items()}
    blocked = {(rule, *left, *right) for (left, right), rule in rules.items()}
    return single, blocked, owners


def _load(project: ScratchProject, rows: list[Row]) -> None:
    """Writes every state of every landed row with the loads between which it holds."""
    states = []
    for number, row in enumerate(rows):
        columns = [
            f"file-{row.load}",
            number,
            row.event_id,
            row.anonymous_id,
            row.user_id,
            json.dumps({"email": row.email} if row.email else {}),
            row.occurred_at,
            row.received_at,
            row.is_bot,
        ]
        states.append((*columns, row.status, row.load, row.load, row.flips_in))
        if row.flips_in:
            states.append((*columns, "duplicate", row.flips_in, row.flips_in, None))
    with duckdb.connect(str(project.database)) as connection:
        connection.execute(
            "create table main.states (landed_file text, landed_line bigint, event_id text,"
            " anonymous_id text, user_id text, identifiers json, occurred_at timestamp,"
            " received_at timestamp, is_bot boolean, status text, load int, since int, until int)"
        )
        frame = pd.DataFrame(states, dtype=object)
        connection.register("frame", frame)
        connection.execute("insert into main.states select * from frame")


MODELS = {
    "landed_events": """
        select
            * exclude (load, since, until),
            timestamp '2026-02-01' + to_days(load) as updated_at,
        from main.states
        where
            since <= {{ env_var('LOAD') }}
            and (until is null or until > {{ env_var('LOAD') }})
    """,
    "fct_events": """
        select
            *,
            not is_bot as is_counted
        from {{ ref('landed_events') }}
        where status = 'valid'
    """,
}
TABLES = {
    "identifiers": "* exclude (updated_at)",
    "identity_edges": "* exclude (updated_at)",
    "identity_blocked": "*",
    "identity_map": "*",
    "dim_profiles": "*",
    "profile_timeline": "event_id, profile_id",
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    chance = random.Random(20260101)
    return [row for n in range(LOGS) for row in _random_log(f"log{n}", chance)]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory, rows):
    """All loads in one run, its tests included."""
    project = ScratchProject(tmp_path_factory.mktemp("full") / "project", MODELS, True)
    _load(project, rows)
    run = project.dbt(({"LOAD": str(LOADS)}, ["build"]))
    assert run.returncode == 0, run.stdout
    return project


@pytest.fixture(scope="module")
def batched(tmp_path_factory, rows):
    """One run per load, rows in another order; then a run that finds nothing new."""
    shuffled = random.Random(1).sample(rows, len(rows))
    project = ScratchProject(tmp_path_factory.mktemp("batched") / "project", MODELS, True)
    _load(project, shuffled)
    loads = [str(load) for load in range(1, LOADS + 1)] + [str(LOADS)]
    run = project.dbt(
        *[({"LOAD": load}, ["build", "--exclude-resource-type", "test"]) for load in loads]
    )
    assert run.returncode == 0, run.stdout
    return project


def test_the_logs_are_worth_testing(rows):
    _, blocked, _ = _resolve(rows)
    kinds = [rule for rule, *_ in blocked]
    for rule in ("shared_device", "email_of_two_accounts", "bridges_two_accounts"):
        assert kinds.count(rule) > 20


def test_map_blocked_and_timeline_follow_the_rules(rebuilt, rows):
    single, blocked, owners = _resolve(rows)
    found = rebuilt.rows(
        "select id_type, id_value, profile_id from tideline.identity_map"
        " where valid_from is null and valid_to is null"
    )
    # A shared device that one account alone signed in to at the deciding instants has one interval.
    devices = {
        ("anonymous_id", device) for rule, _, device, *_ in blocked if rule == "shared_device"
    }
    assert {row for row in found if row[:2] not in devices} == single
    assert (
        set(
            rebuilt.rows(
                "select rule, left_type, left_value, right_type, right_value"
                " from tideline.identity_blocked where rule <> 'blocklisted'"
            )
        )
        == blocked
    )
    timeline = rebuilt.rows("select event_id, profile_id from tideline.profile_timeline")
    assert len(timeline) == len(owners)
    assert set(timeline) == owners


def test_no_profile_has_two_accounts(rebuilt):
    assert (
        rebuilt.rows(
            "select profile_id from tideline.identity_map where id_type = 'user_id'"
            " group by all having count(distinct id_value) > 1"
        )
        == []
    )


def test_blocklisted_identifiers_own_nothing_and_are_recorded(rebuilt):
    recorded = rebuilt.rows(
        "select left_type, left_value from tideline.identity_blocked where rule = 'blocklisted'"
    )
    assert {("user_id", "null"), ("anonymous_id", "NULL"), ("email", "x@test.com")} <= set(recorded)
    assert {value.lower() for _, value in recorded} <= JUNK
    owned = rebuilt.rows("select distinct lower(id_value) from tideline.identity_map")
    assert not {value for (value,) in owned} & JUNK


def test_batches_in_any_order_end_as_one_rebuild(rebuilt, batched):
    for table, columns in TABLES.items():
        query = f"select {columns} from tideline.{table} order by all"
        assert rebuilt.rows(query) == batched.rows(query), table
