"""What was landed, counted: rows, identifiers, events, and what a build will make of the rows.

All numbers are counted from the landed messages themselves, by the rules that a build has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from tideline.landing.names import literal
from tideline.landing.plan_check import SEEDS, Row, check, event_key, properties_of
from tideline.landing.plan_infer import read_seed
from tideline.landing.plan_macros import render
from tideline.warehouse.duckdb_file import only_row

IDS = ("user_id", "email", "anonymous_id")


@dataclass(frozen=True)
class Event:
    """An event as a build will name it: its rows, how many of them become events, and how many are
    quarantined as `unknown event`: those that lack nothing but a place in the plan.
    """

    name: str | None
    rows: int
    accepted: int
    unknown: int
    is_known: bool


@dataclass(frozen=True)
class Breach:
    """A rule of the tracking plan that rows break: the plan's row with its line, the reason as a
    build words it, and the rows. A row may break several rules.
    """

    line: int
    rule: dict[str, str]
    reason: str
    rows: int


@dataclass(frozen=True)
class Checked:
    """The counts of landed messages.

    rows = accepted + repeats + the sum of refused. `repeats` are rows whose id another row has:
    a build keeps one of each. `refused` are rows by what is wrong with them: `unreadable`,
    `untimed`, `early`, `late`, `nobody`, `unnamed` (no event name), `unknown` (event), `broken`
    (rules of the plan, which `breaches` names). `clamped` are accepted rows whose time a build
    replaces. `ids` counts the identifiers by kind in the `owned` rows, which lack nothing but a
    place in the plan; `people` are these rows by the first of their identifiers: `busiest` is
    the most rows of one, `once` are those with a single row, `dated` those whose identifier is a
    date, and `is_daily` tells whether each has one day and each day one. `plan_problem` is set if
    the plan has a problem, so that no row was compared with it.
    """

    rows: int
    accepted: int
    repeats: int
    refused: dict[str, int]
    clamped: int
    owned: int
    ids: dict[str, int]
    people: int
    busiest: int
    once: int
    dated: int
    is_daily: bool
    first: datetime | None
    last: datetime | None
    midnights: int
    timed: int
    events: list[Event]
    breaches: list[Breach]
    plan_problem: str | None

    def unknown(self) -> list[Event]:
        """The events that the tracking plan does not know."""
        return [event for event in self.events if event.name and not event.is_known]

    def quarantined_as_unknown(self) -> list[Event]:
        """The events of which a build quarantines rows as `unknown event`."""
        return [event for event in self.events if event.unknown]


# Without a readable time there is no receivedAt either.
CHECKED = """
    with messages as (
        select
            messageId as event_id,
            nullif(trim(userId), '') as user_id,
            nullif(trim(anonymousId), '') as anonymous_id,
            lower(coalesce(
                nullif(trim(traits ->> '$.email'), ''),
                nullif(trim(context ->> '$.traits.email'), ''),
                nullif(trim(properties ->> '$.email'), '')
            )) as email,
            timezone('UTC', try_cast(receivedAt as timestamptz)) as received_at,
            case
                when receivedAt is not null
                    then timezone('UTC', try_cast(timestamp as timestamptz))
            end as occurred_at,
            coalesce(event_names.event_name, {event_key}) as event_name,
            properties as sent_properties
        from read_parquet([{paths}])
        left join event_names on {event_key} = event_names.event_key
    ),
    filled as (
        select * exclude (sent_properties), {properties} as properties from messages
    )
    select
        *,
        case
            when event_id is null then 'unreadable'
            when occurred_at is null then 'untimed'
            when received_at < timestamp '1990-01-01' then 'early'
            when received_at > timezone('UTC', now()) + interval 1 day then 'late'
            when user_id is null and anonymous_id is null and email is null then 'nobody'
            when event_name is null then 'unnamed'
            else {violation}
        end as reason
    from filled
"""
JUDGED = """
    select
        * exclude (properties, reason),
        case
            when reason = 'unknown event' then 'unknown'
            when contains(reason, ': ') then 'broken'
            else reason
        end as reason
    from checked
"""
# A row whose id an earlier or better row has is a repeat; only few rows need to be compared.
FATES = """
    with repeated as (
        select event_id from judged where event_id is not null group by event_id having count(*) > 1
    )
    select *, reason as fate from judged
    where event_id is null or event_id not in (select event_id from repeated)
    union all
    select
        *,
        case
            when bool_or(reason is null) over (partition by event_id) and row_number() over (
                partition by event_id order by reason is not null, received_at, occurred_at
            ) > 1 then 'repeat'
            else reason
        end as fate
    from judged
    where event_id in (select event_id from repeated)
"""
OWNED = "(fate is null or fate in ('unnamed', 'unknown', 'broken'))"
COUNTS = f"""
    select
        count(*),
        count(*) filter (where fate is null),
        count(*) filter (where fate = 'repeat'),
        count(*) filter (
            where fate is null
            and (occurred_at > received_at or occurred_at < timestamp '1990-01-01')
        ),
        min(occurred_at),
        max(occurred_at),
        count(*) filter (where occurred_at = date_trunc('day', occurred_at)),
        count(occurred_at),
        count(*) filter (where {OWNED})
    from fates
"""
# A day, perhaps with a time: 2024-03-01, 1.3.2024 10:00.
DATE = r"(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})([T ].*)?"
WHO = f"coalesce({', '.join(IDS)})"
PEOPLE = f"""
    select
        count(*),
        coalesce(max(n), 0),
        count(*) filter (where n = 1),
        count(*) filter (where regexp_full_match(who, '{DATE}')),
        coalesce(bool_and(first_day = last_day) and count(distinct last_day) = count(*), false)
    from (
        select
            {WHO} as who,
            count(*) as n,
            min(cast(occurred_at as date)) as first_day,
            max(cast(occurred_at as date)) as last_day
        from fates where {OWNED} group by 1
    )
"""


def check_landed(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path = SEEDS
) -> Checked:
    """Count what stands in landed files."""
    plan = read_seed(seeds, "tracking_plan.csv")
    problems = check(seeds)
    judge(con, paths, seeds, [] if problems else plan)
    rows, accepted, repeats, clamped, first, last, midnights, timed, owned = only_row(con, COUNTS)
    people, busiest, once, dated, is_daily = only_row(con, PEOPLE)
    events = [
        # An empty plan forbids nothing.
        Event(name, landed, kept, unknown, not plan or name in properties_of(plan))
        for name, landed, kept, unknown in con.execute(
            "select event_name, count(*), count(*) filter (where fate is null), "
            "count(*) filter (where fate = 'unknown') from fates "
            "where reason is distinct from 'unreadable' group by 1 order by 2 desc, 1"
        ).fetchall()
    ]
    return Checked(
        rows=rows,
        accepted=accepted,
        repeats=repeats,
        refused=dict(
            con.execute(
                "select fate, count(*) from fates where fate <> 'repeat' group by 1"
            ).fetchall()
        ),
        clamped=clamped,
        owned=owned,
        ids={
            kind: only_row(
                con,
                f"select count(*) from (select {kind} from fates "
                f"where {OWNED} and {kind} is not null group by 1)",
            )[0]
            for kind in IDS
        },
        people=people,
        busiest=busiest,
        once=once,
        dated=dated,
        is_daily=is_daily,
        first=first,
        last=last,
        midnights=midnights,
        timed=timed,
        events=events,
        breaches=[] if problems else find_breaches(con, plan),
        plan_problem=str(problems[0]) if problems else None,
    )


def judge(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path, plan: list[Row]
) -> None:
    """Make the view `checked` of the messages with what is wrong with each, and the table `fates`
    of what a build will make of them.
    """
    con.execute("create or replace temp table event_names (event_key text, event_name text)")
    for _, row in read_seed(seeds, "event_aliases.csv"):
        names = [event_key(row["alias"]), row["event_name"]]
        con.execute("insert into event_names values (?, ?)", names)
    rules = [row for _, row in plan]
    aliases = [row for _, row in read_seed(seeds, "property_aliases.csv")]
    checked = CHECKED.format(
        paths=", ".join(literal(str(path)) for path in paths),
        event_key=render("event_key", "event"),
        properties=render(
            "aliased_properties", aliases, rules, "'collector'", "event_name", "sent_properties"
        ),
        violation=violation(rules),
    )
    con.execute(f"create or replace temp view checked as {checked}")
    con.execute(f"create or replace temp table judged as {JUDGED}")
    con.execute(f"create or replace temp table fates as {FATES}")


def violation(rules: list[dict[str, str]]) -> str:
    """SQL of the first of these rules that a row of `checked` breaks."""
    return render("plan_violation", rules, "event_name", "properties")


def find_breaches(con: duckdb.DuckDBPyConnection, plan: list[Row]) -> list[Breach]:
    """The rules that rows break, each asked by itself: a build names only the first of a row."""
    found = []
    broken = con.execute("select distinct event_name from fates where fate = 'broken'").fetchall()
    for (event,) in sorted(broken):
        rules = {line: row for line, row in plan if row["event_name"] == event}
        reasons = ", ".join(
            f"{{'line': {line}, 'said': {violation([row])}}}" for line, row in rules.items()
        )
        found += [
            Breach(line, rules[line], said, rows)
            for line, said, rows in con.execute(
                f"select broken.line, broken.said, count(*) from (select unnest([{reasons}]) as "
                "broken from checked where event_id in (select event_id from fates where "
                "event_name = ? and fate = 'broken')) where broken.said is not null "
                "group by all order by 3 desc, 1, 2",
                [event],
            ).fetchall()
        ]
    return found
