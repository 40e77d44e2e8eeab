"""Random logs of a few people, and a second, simple implementation of the identity rules.

One build takes many small logs; each has its own prefix on every identifier and event.
"""

import csv
import hashlib
import itertools
import json
import math
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import networkx as nx
import pandas as pd

from tests.support.identity_project import LIMITS, REPO, ScratchProject
from tests.support.identity_regions import refused_edges

LOADS = 3
PRIORITY = {"user_id": 1, "anonymous_id": 2, "email": 3, "phone": 4}
JUNK = {"null", "(null)", "{}", "test@test.com", "x@test.com", "noreply@shop.com", "0"}
JUNK |= {"infodesk@gmail.com", "no address", "till-7"}
SOURCES = ["collector", "collector", "salesforce", "stripe", "ga4", "other"]
START = datetime(2026, 1, 1)

# The inputs of identity, as of the load `LOAD`.
MODELS = {
    "int_events_deduplicated": """
        select
            * exclude (load, since, until, anonymous_id, user_id),
            nullif(trim(anonymous_id), '') as anonymous_id,
            nullif(trim(user_id), '') as user_id,
            if(nullif(trim(anonymous_id), '') is null, 'user_id', 'anonymous_id') as stream_type,
            coalesce(nullif(trim(anonymous_id), ''), nullif(trim(user_id), '')) as stream_id,
            timestamp '2026-02-01' + to_days(load) as updated_at,
        from main.states
        where
            since <= {{ env_var('LOAD') }}
            and (until is null or until > {{ env_var('LOAD') }})
    """,
    "int_busy_minutes": """
        select
            * exclude (load),
            timestamp '2026-02-01' + to_days(load) as updated_at
        from main.minutes
        where load <= {{ env_var('LOAD') }}
        qualify
            row_number() over (
                partition by stream_type, stream_id, minute_at order by load desc
            ) = 1

        union all

        select
            '' as stream_type,
            '' as stream_id,
            timestamp '1970-01-01 00:00:00' as minute_at,
            false as is_burst,
            max(updated_at) as updated_at
        from {{ ref('int_events_deduplicated') }}
    """,
    "int_pending_removals": """
        select
            * exclude (load, anonymous_id, user_id),
            nullif(trim(anonymous_id), '') as anonymous_id,
            nullif(trim(user_id), '') as user_id,
            timestamp '2026-02-01' + to_days(load) - interval '1 microsecond' as removed_at
        from main.removals
        where load <= {{ env_var('LOAD') }}
    """,
    "int_events_flagged": """
        select
            int_events_deduplicated.* exclude (updated_at),
            greatest(int_events_deduplicated.updated_at, minutes.updated_at) as updated_at,
            status = 'valid' and not is_bot and not coalesce(is_burst, false) as is_counted
        from {{ ref('int_events_deduplicated') }} as int_events_deduplicated
        left join {{ ref('int_busy_minutes') }} as minutes
            on
                int_events_deduplicated.stream_type = minutes.stream_type
                and int_events_deduplicated.stream_id = minutes.stream_id
                and date_trunc('minute', int_events_deduplicated.occurred_at) = minutes.minute_at
    """,
    "fct_events": """
        select * from {{ ref('int_events_flagged') }}
        where status = 'valid'
    """,
    "identity_exclusions": """
        select * from main.exclusions
        where {{ env_var('IS_EXCLUDED', 'true') }}
    """,
    # Its timestamp is later than those of all landed rows.
    "identity_matches": """
        select
            * exclude (load),
            timestamp '2026-03-01' + to_days(load) as updated_at
        from main.matches
        where load <= {{ env_var('LOAD') }}
        qualify row_number() over (partition by left_id, right_id order by load desc) = 1
    """,
    "data_clock": """
        select timestamp '2026-02-01' + to_days({{ env_var('LOAD') }}) as as_of
    """,
}


def normalized_email(text: str) -> str:
    """An email address as normalized where Gmail addresses are folded."""
    text = text.strip().lower()
    match = re.fullmatch(r"([^@+]*)([+][^@]*)?@(gmail|googlemail)[.]com", text)
    mailbox = match and match[1].replace(".", "")
    return f"{mailbox}@gmail.com" if mailbox else text


@dataclass(frozen=True)
class Row:
    """A landed row. From load `flips_in` on it is invalid; `is_burst` is its state at the end.

    Until load `revives_in` it is a duplicate of a row that is removed then.
    """

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
    event_name: str = "identify"
    source: str = "collector"
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    is_burst: bool = False
    revives_in: int | None = None

    @property
    def is_evidence(self) -> bool:
        is_traffic = self.is_bot or self.is_burst
        return self.status == "valid" and not is_traffic and self.flips_in is None

    @property
    def minute(self) -> tuple[str, str, datetime]:
        """Type and id of the row's stream, and its minute."""
        device = (self.anonymous_id or "").strip()
        stream = ("anonymous_id", device) if device else ("user_id", (self.user_id or "").strip())
        return (*stream, self.occurred_at.replace(second=0))

    def identifiers(self) -> list[tuple[str, str]]:
        """The usable identifiers, in order of priority for the event."""
        email = normalized_email(self.email) if self.email else None
        named = [("user_id", self.user_id), ("anonymous_id", self.anonymous_id), ("email", email)]
        return [
            (kind, value.strip())
            for kind, value in named
            if value and value.strip() and value.strip().lower() not in JUNK
        ]


def random_log(name: str, chance: random.Random) -> list[Row]:
    users, devices, emails = (
        [f"{name}-{kind}{n}" for n in range(chance.choice([1, 2, 3, 4, 4, 5]))] for kind in "uae"
    )
    spelled = {email: [f"{email}@gmail.com"] for email in emails}
    for email, spellings in spelled.items():
        spellings.append(f" {email[:-1]}.{email[-1]}+news@GoogleMail.com")
    # Some people rarely sign in.
    unknown = [None] * chance.choice([2, 2, 12])
    rows = []
    for number in range(chance.randint(1, 18)):
        user = chance.choice([*unknown, *users, "null", " "])
        email = chance.choice([None, *emails, *emails, chance.choice(sorted(JUNK))])
        email = chance.choice(spelled.get(email, [email]))
        device = chance.choice([None, *devices, *devices, "NULL", "Till-7"])
        # Few different times, so that ties happen.
        received_at = START + timedelta(minutes=chance.randint(0, 12))
        row = Row(
            event_id=f"{name}-{number:02}",
            source=chance.choice(SOURCES),
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
            # A later load has the same event, received earlier, maybe from another device.
            flips_in = chance.randint(row.load + 1, LOADS)
            rows.append(
                Row(**{**vars(row), "load": flips_in, "anonymous_id": chance.choice(devices)})
            )
            row = Row(**{**vars(row), "flips_in": flips_in})
        rows.append(row)
    return rows


def random_revivals(row: Row, chance: random.Random) -> Row:
    """The row, or one that is a duplicate of another until that one is removed."""
    can_revive = row.status == "valid" and row.flips_in is None and row.load < LOADS
    if not can_revive or chance.random() > 0.1:
        return row
    return replace(row, revives_in=chance.randint(row.load + 1, LOADS))


def random_removed(rows: list[Row], chance: random.Random) -> list[tuple[Row, int]]:
    """Rows of a log that landed and were removed by a later load: pairs with that load.

    They add edges that other rows do not have, or are the only rows of an identifier.
    """
    removed = []
    for row in rows:
        if row.load == LOADS or chance.random() > 0.3:
            continue
        other = chance.choice(rows)
        row = replace(row, event_id=f"{row.event_id}-gone", flips_in=None, revives_in=None)
        row = replace(row, user_id=other.user_id, email=chance.choice([row.email, other.email]))
        if chance.random() < 0.3:
            row = replace(row, anonymous_id=f"{row.event_id}-device")
        removed.append((row, chance.randint(row.load + 1, LOADS)))
    return removed


@dataclass(frozen=True)
class Minute:
    """The content of a row of `int_busy_minutes` from a load on."""

    minute: tuple[str, str, datetime]
    is_burst: bool
    load: int


def random_bursts(rows: list[Row], chance: random.Random) -> tuple[list[Row], list[Minute]]:
    """The rows in their final state, and minutes that become bursts, some only for a time."""
    minutes = []
    for minute in sorted({row.minute for row in rows if row.minute[1] and chance.random() < 0.1}):
        loads = chance.choice([[1], [2], [3], [1, 3], [2, 3]])
        minutes += [Minute(minute, load == loads[0], load) for load in loads]
    last = {minute.minute: minute.is_burst for minute in minutes}
    return [replace(row, is_burst=last.get(row.minute, False)) for row in rows], minutes


def random_exclusions(rows: list[Row], chance: random.Random) -> list[tuple]:
    """Pairs of identifiers in one log that are declared to be two people."""
    anywhere = sorted({identifier for row in rows for identifier in row.identifiers()})
    pairs = []
    for _ in range(chance.choice([0, 0, 1, 3])):
        found = chance.choice([anywhere, chance.choice(rows).identifiers()])
        if len(found) > 1:
            pairs.append(tuple(chance.sample(found, 2)))
    return pairs


@dataclass(frozen=True)
class Match:
    """The content of a row of `identity_matches` from a load on."""

    pair: tuple[tuple[str, str], tuple[str, str]]
    probability: float
    matched_at: datetime
    is_withdrawn: bool
    load: int


ACROSS_TYPES = ({"email", "user_id"}, {"anonymous_id", "email"})
WITHIN_A_TYPE = ({"email"},)


def random_matches(
    rows: list[Row], chance: random.Random, types: tuple[set[str], ...] = ACROSS_TYPES
) -> list[Match]:
    """Pairs of identifiers in one log that are accepted, withdrawn and accepted again.

    Devices are never matched with accounts, as the owner of their events would be undefined.
    """
    anywhere = sorted({identifier for row in rows for identifier in row.identifiers()})
    pairs = [
        pair for pair in itertools.combinations(anywhere, 2) if {pair[0][0], pair[1][0]} in types
    ]
    states = []
    for pair in chance.sample(pairs, min(len(pairs), chance.choice([0, 1, 3, 5]))):
        is_withdrawn = False
        for load in sorted(chance.sample(range(1, LOADS + 1), chance.randint(1, LOADS))):
            matched_at = START + timedelta(minutes=chance.randint(0, 30))
            states.append(Match(pair, chance.randint(600, 999) / 1000, matched_at, False, load))
            if is_withdrawn:
                states[-1] = replace(states[-2], is_withdrawn=True, load=load)
            is_withdrawn = not is_withdrawn
    return states


def matched(rows: list[Row], matches: list[Match]) -> dict[tuple, Match]:
    """The edges based on matches only, in their final state."""
    evidence = {identifier for row in rows if row.is_evidence for identifier in row.identifiers()}
    last = {match.pair: match for match in sorted(matches, key=lambda match: match.load)}
    together = seen_together(rows)
    return {
        pair: match
        for pair, match in last.items()
        if not match.is_withdrawn and evidence.issuperset(pair) and pair not in together
    }


def seen_together(rows: list[Row]) -> dict[tuple, list[Row]]:
    """The edges based on events, each with its evidence."""
    edges = defaultdict(list)
    for row in rows:
        if row.is_evidence:
            for edge in itertools.combinations(sorted(row.identifiers()), 2):
                edges[edge].append(row)
    return edges


def with_attributes(row: Row, chance: random.Random) -> Row:
    """The row with personal attributes from trackers and source systems, some without a value."""
    texts = ["Ann", " Ann\t", "Bob", 7, 1.5, " ", "\u00a0\n", "NULL", "n/a", "", "[x]", None, True]

    def said(*keys: str) -> dict[str, Any]:
        drawn = {key: chance.choice([*texts, {"first": "Ann"}, ["Ann"]]) for key in keys}
        return {key: value for key, value in drawn.items() if chance.random() < 0.6}

    names = ["identify", "identify", "user_signup", "user_signup", "group", "first_visit", "login"]
    keys = ["name", "first_name", "firstName", "country", "method", "title", "company"]
    return replace(
        row,
        event_name=chance.choice(names),
        properties=chance.choice([None, said(*keys), said(*keys) | {"address": said("country")}]),
        context=chance.choice([None, said("locale") | {"geo": said("country", "city")}]),
    )


def golden(rows: list[Row], owners: set, single: set) -> set[tuple]:
    """(profile, attribute, value, source, event, number of other values), as documented."""
    with (REPO / "seeds" / "attribute_rules.csv").open() as file:
        rules = list(csv.DictReader(file))
    with (REPO / "seeds" / "identifier_blocklist.csv").open() as file:
        words = {
            word["value"].strip("()[]{}<>")
            for word in csv.DictReader(file)
            if word["id_type"] == "*"
        }
    profile_of = dict(owners)
    statements = defaultdict(list)
    for row in rows:
        if not row.is_evidence or row.event_id not in profile_of:
            continue
        profile = profile_of[row.event_id]
        columns = {"properties": row.properties, "context": row.context}
        columns["identifiers"] = {"email": row.email}
        for rule in rules:
            if rule["source"] not in (row.source, "*") or rule["event_name"] not in (
                row.event_name,
                "*",
            ):
                continue
            part, *keys = rule["path"].split(".")
            value = columns[part]
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if value is None or isinstance(value, dict | list | bool):
                continue
            text = str(value).strip()
            if part == "identifiers":
                text = normalized_email(text)
                if (keys[0], text, profile) not in single:
                    continue
            if not text or text[0] in "[{" or text.lower().strip("()<>") in words:
                continue
            times = [row.occurred_at.timestamp(), row.received_at.timestamp()]
            if rule["survivor"] == "latest":
                times = [-time for time in times]
            order = (int(rule["priority"]), *times, text, row.event_id)
            statements[profile, rule["attribute"]].append((order, text, row.source))
    survivors = set()
    for (profile, attribute), said in statements.items():
        order, text, source = min(said)
        others = len({text for _, text, _ in said}) - 1
        survivors.add((profile, attribute, text, source, order[-1], others))
    return survivors


class Evidence(NamedTuple):
    """The evidence of an edge: events, or the probability of a match."""

    event_count: int
    probability: float
    first_received_at: datetime

    @property
    def age(self) -> tuple[bool, datetime]:
        """The order of evidence: observed before probable, then by age."""
        return self.event_count == 0, self.first_received_at


def strength(edge: tuple, evidence: Evidence) -> tuple:
    """The rank of an edge for growing regions; the lowest is the strongest."""
    touches_account = "user_id" in (edge[0][0], edge[1][0])
    key = tuple(":".join(end) for end in edge)
    count, probability, first = evidence
    return not touches_account, -count, -probability, first, key


def refused(edges: dict[tuple, Evidence], received: dict, excluded: set[frozenset]) -> dict:
    """The rule that refuses an edge, by edge.

    Arguments: the evidence of each edge, and when each identifier was first received.
    """
    rules = {edge: "excluded" for edge in edges if frozenset(edge) in excluded}
    accounts = defaultdict(set)
    for left, right in edges.keys() - rules:
        if left[0] == "anonymous_id" and right[0] == "user_id":
            accounts[left].add(right)
    shared = {device for device, users in accounts.items() if len(users) > 1}
    of_email = defaultdict(list)
    seen_with = defaultdict(set)
    for (left, right), evidence in edges.items():
        if (left, right) in rules:
            continue
        if left in shared:
            rules[left, right] = "shared_device"
        elif left[0] == "email" and right[0] == "user_id":
            of_email[left].append((evidence.age, right[1], (left, right)))
        elif "user_id" not in (left[0], right[0]):
            seen_with[left, right[0]].add((left, right))
            seen_with[right, left[0]].add((left, right))
    for (_, kind), crowd in seen_with.items():
        if len(crowd) > LIMITS[kind]:
            rules |= dict.fromkeys(crowd, "shared_by_many")
    for claims in of_email.values():
        for _, _, edge in sorted(claims)[1:]:
            rules[edge] = "email_of_two_accounts"
    graph = nx.Graph(edge for edge in edges if edge not in rules)
    for component in nx.connected_components(graph):
        accounts = {node for node in component if node[0] == "user_id"}
        if len(accounts) > 1:
            inside = map(tuple, map(sorted, graph.subgraph(component).edges))
            rank_of = {edge: strength(edge, edges[edge]) for edge in inside}
            bridges = refused_edges(rank_of, accounts)
            rules |= dict.fromkeys(bridges, "bridges_two_accounts")

    graph = nx.Graph(edge for edge in edges if edge not in rules)
    for pair in excluded:
        limbs = graph.copy()
        limbs.remove_nodes_from(pair)
        for limb in nx.connected_components(limbs):
            claims = []
            for holder in pair & graph.nodes:
                for neighbour in limb & set(graph[holder]):
                    edge = tuple(sorted((holder, neighbour)))
                    claims.append((edges[edge].age, ":".join(holder), edge))
            first = min(claims, default=(None, None))[1]
            for _, holder, edge in claims:
                if holder != first:
                    rules[edge] = "excluded"

    graph = nx.Graph(edge for edge in edges if edge not in rules)
    over = {}
    for component in nx.connected_components(graph):
        room = []
        count = Counter()
        for node in sorted(component, key=lambda node: (received[node], node[1])):
            count[node[0]] += 1
            if count[node[0]] > LIMITS.get(node[0], math.inf):
                over[node] = f"more_than_{LIMITS[node[0]]}_{node[0]}"
            else:
                room.append(node)
        room.sort(key=lambda node: (node[0] != "user_id", *age(node, received)))
        for node in room[LIMITS["*"] :]:
            over[node] = f"more_than_{LIMITS['*']}_identifiers"
    for edge in graph.edges:
        for node in sorted(over.keys() & set(edge), reverse=True):
            rules[tuple(sorted(edge))] = over[node]
    return rules


def age(identifier: tuple, received: dict) -> tuple:
    """The order of a profile's identifiers; the first one names the profile."""
    return received[identifier], PRIORITY[identifier[0]], identifier[1]


def resolve(
    rows: list[Row], exclusions: list[tuple], matches: list[Match] | None = None
) -> tuple[set, set, set]:
    """Identity map, blocked edges and the owner of each event, as documented in the models."""
    evidence = [row for row in rows if row.is_evidence]
    excluded = {frozenset(pair) for pair in exclusions}
    received = {}
    for row in evidence:
        for found in row.identifiers():
            received[found] = min(received.get(found, row.received_at), row.received_at)
    edges = {
        edge: Evidence(len(seen), 0, min(row.received_at for row in seen))
        for edge, seen in seen_together(rows).items()
    }
    edges |= {
        pair: Evidence(0, match.probability, match.matched_at)
        for pair, match in matched(rows, matches or []).items()
    }
    rules = refused(edges, received, excluded)
    shared = {left for (left, _), rule in rules.items() if rule == "shared_device"}

    graph = nx.Graph(edge for edge in edges if edge not in rules)
    graph.add_nodes_from(node for node in received if node not in shared)
    profile = {}
    for component in nx.connected_components(graph):
        first = min(component, key=lambda node: age(node, received))
        name = hashlib.md5(":".join(first).encode()).hexdigest()
        profile |= dict.fromkeys(component, name)

    sign_ins = defaultdict(list)
    for row in sorted(evidence, key=lambda row: (row.occurred_at, row.event_id)):
        found = dict(row.identifiers())
        device = ("anonymous_id", found.get("anonymous_id"))
        account = ("user_id", found.get("user_id"))
        if device in shared and account[1] and frozenset((device, account)) not in excluded:
            sign_ins[device].append((row.occurred_at, account))

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


def load(
    project: ScratchProject,
    rows: list[Row],
    exclusions: list[tuple],
    matches: list[Match] | None = None,
    minutes: list[Minute] | None = None,
    removed: list[tuple[Row, int]] | None = None,
) -> None:
    """Write exclusions, matches, and each state of rows and minutes with its loads.

    `removed`: rows that existed until a load.
    """
    states, removals = [], []
    gone = {row.event_id: until for row, until in removed or []}
    for number, row in enumerate([*rows, *(row for row, _ in removed or [])]):
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
            row.event_name,
            row.source,
            json.dumps(row.properties) if row.properties is not None else None,
            json.dumps(row.context) if row.context is not None else None,
        ]
        until = row.flips_in or row.revives_in or gone.get(row.event_id)
        status = "duplicate" if row.revives_in else row.status
        states.append((*columns, status, row.load, row.load, until))
        if row.revives_in:
            states.append((*columns, row.status, row.load, row.revives_in, None))
        if removed_in := row.revives_in or gone.get(row.event_id):
            removals.append((row.source, row.anonymous_id, row.user_id, columns[5], removed_in))
        if row.flips_in:
            states.append((*columns, "duplicate", row.flips_in, row.flips_in, None))
    with duckdb.connect(str(project.database)) as connection:
        connection.execute(
            "create table main.states (landed_file text, landed_line bigint, event_id text,"
            " anonymous_id text, user_id text, identifiers json, occurred_at timestamp,"
            " received_at timestamp, is_bot boolean, event_name text, source text, properties json,"
            " context json, status text, load int, since int, until int)"
        )
        connection.execute(
            "create table main.exclusions (left_type text, left_value text, right_type text,"
            " right_value text, reason text)"
        )
        connection.execute(
            "create table main.matches (left_id text, right_id text, probability double,"
            " matched_at timestamp, is_withdrawn boolean, load int)"
        )
        connection.execute(
            "create table main.removals (source text, anonymous_id text, user_id text,"
            " identifiers json, load int)"
        )
        if removals:
            connection.executemany("insert into main.removals values (?, ?, ?, ?, ?)", removals)
        connection.execute(
            "create table main.minutes (stream_type text, stream_id text, minute_at timestamp,"
            " is_burst boolean, load int)"
        )
        for minute in minutes or []:
            said = [*minute.minute, minute.is_burst, minute.load]
            connection.execute("insert into main.minutes values (?, ?, ?, ?, ?)", said)
        for match in matches or []:
            ends = [":".join(end) for end in match.pair]
            said = [match.probability, match.matched_at, match.is_withdrawn, match.load]
            connection.execute("insert into main.matches values (?, ?, ?, ?, ?, ?)", [*ends, *said])
        # Spelled as by people: in any order, in capitals where case is ignored.
        for pair in exclusions:
            spelled = [
                f" {value.upper().replace('@', '+x@')}" if kind == "email" else value
                for kind, value in pair
            ]
            pair = [pair[0][0], spelled[0], pair[1][0], spelled[1], "not the same"]
            connection.execute("insert into main.exclusions values (?, ?, ?, ?, ?)", pair)
        frame = pd.DataFrame(states, dtype=object)
        connection.register("frame", frame)
        connection.execute("insert into main.states select * from frame")
