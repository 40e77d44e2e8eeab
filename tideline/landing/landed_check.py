"""Counts landed rows, identifiers and events, and predicts which rows a build accepts.

All numbers are counted from the landed messages, with the rules of a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tideline.declarations.files import vars_of
from tideline.declarations.macros import render
from tideline.declarations.segments import PROJECT
from tideline.landing.names import literal
from tideline.landing.plan_check import SEEDS, Row, check, event_key, properties_of
from tideline.landing.plan_infer import read_seed
from tideline.warehouse.duckdb_file import only_row

EXAMPLES = 3
IDS = ("user_id", "email", "anonymous_id")


@dataclass(frozen=True)
class Event:
    """An event as a build will name it: a name that the messages have for it, its rows, how many of
    them become events, and how many are quarantined only because the plan does not have it
    (`unknown event`).
    """

    name: str | None
    sent: str | None
    rows: int
    accepted: int
    unknown: int
    is_known: bool


@dataclass(frozen=True)
class Breach:
    """A broken rule of the tracking plan: the plan's row with its line, the reason in the words of
    a build, the number of rows that break it, and the first of them: its file and its number there,
    from 0. A row may break several rules.
    """

    line: int
    rule: dict[str, str]
    reason: str
    rows: int
    first: tuple[Path, int]


@dataclass(frozen=True)
class Checked:
    """The counts of landed messages.

    rows = accepted + repeats + the sum of refused. `repeats` counts rows with the id of another
    row: a build keeps one of each. `refused` counts rows by problem: `unreadable`, `untimed`,
    `early`, `late`, `nobody`, `unnamed` (no event name), `unknown` (event), `broken` (rules of the
    plan, listed in `breaches`); `examples` has the first rows of each problem: the file, and the
    number there, from 0. `clamped` counts the accepted rows that a build flags
    `is_time_clamped`, `misdated` those of them that are before 1990 or still in the future.
    `addressed` counts the accepted rows that have only an email. `owned` counts the accepted rows
    and those with no problem but `unnamed`, `unknown` or `broken`; `ids` counts their identifiers
    by kind, and `people` their distinct first identifiers. `busiest` is the most rows of one
    person, `once` counts people with one row, `dated` those whose identifier is a date; `is_daily`
    is true if each person has one day and each day one person. `first` and `last` are the first and
    last time as text, which may be beyond the times of Python, and `years` lie between them.
    `plan_problem` is set if the plan has a problem: no row was compared with it then.
    """

    rows: int
    accepted: int
    repeats: int
    refused: dict[str, int]
    examples: dict[str, list[tuple[Path, int]]]
    clamped: int
    misdated: int
    owned: int
    addressed: int
    ids: dict[str, int]
    people: int
    busiest: int
    once: int
    dated: int
    is_daily: bool
    first: str | None
    last: str | None
    years: float
    midnights: int
    timed: int
    events: list[Event]
    breaches: list[Breach]
    plan_problem: str | None

    def unknown(self) -> list[Event]:
        """The events that the tracking plan does not know."""
        return [event for event in self.events if event.name and not event.is_known]

    def quarantined_as_unknown(self) -> list[Event]:
        """The events with rows that a build quarantines as `unknown event`."""
        return [event for event in self.events if event.unknown]


# A row without a readable time has no receivedAt.
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
            event as sent_event,
            properties as sent_properties,
            filename as landed_file,
            file_row_number as landed_row
        from read_parquet([{paths}], filename = true, file_row_number = true)
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
# A build keeps the first accepted row of an id; the others are repeats. Only ids with several rows
# are ranked.
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
        count(*) filter (where {{clamped}}),
        count(*) filter (
            where {{clamped}}
            and (occurred_at > timezone('UTC', now()) or occurred_at < timestamp '1990-01-01')
        ),
        strftime(min(occurred_at), '%Y-%m-%d %H:%M:%S'),
        strftime(max(occurred_at), '%Y-%m-%d %H:%M:%S'),
        coalesce((epoch(max(occurred_at)) - epoch(min(occurred_at))) / (86400 * 365.25), 0),
        count(*) filter (where {{clock}} = date_trunc('day', {{clock}})),
        count(occurred_at),
        count(*) filter (where {OWNED}),
        count(*) filter (where fate is null and coalesce(user_id, anonymous_id) is null)
    from fates
"""
# As int_events_validated has it.
CLAMPED = """
    fate is null
    and (
        occurred_at > received_at + interval {tolerance} seconds
        or occurred_at < timestamp '1990-01-01'
    )
"""
# A date with an optional time: 2024-03-01, 1.3.2024 10:00.
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
    con: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    seeds: Path = SEEDS,
    timezone: str = "UTC",
) -> Checked:
    """Count the messages of landed files; midnights are those of the timezone."""
    plan = read_seed(seeds, "tracking_plan.csv")
    problems = check(seeds)
    judge(con, paths, seeds, [] if problems else plan)
    clock = f"timezone({literal(timezone)}, timezone('UTC', occurred_at))"
    clamped_rows = CLAMPED.format(tolerance=clock_tolerance())
    rows, accepted, repeats, clamped, misdated, *times, addressed = only_row(
        con, COUNTS.format(clock=clock, clamped=clamped_rows)
    )
    first, last, years, midnights, timed, owned = times
    people, busiest, once, dated, is_daily = only_row(con, PEOPLE)
    events = [
        # An empty plan accepts all events.
        Event(name, sent, landed, kept, unknown, not plan or name in properties_of(plan))
        for name, sent, landed, kept, unknown in con.execute(
            "select event_name, min(sent_event), count(*), count(*) filter (where fate is null), "
            "count(*) filter (where fate = 'unknown') from fates "
            "where reason is distinct from 'unreadable' group by 1 order by 3 desc, 1"
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
        examples=first_rows(con),
        clamped=clamped,
        misdated=misdated,
        owned=owned,
        addressed=addressed,
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
        years=years,
        midnights=midnights,
        timed=timed,
        events=events,
        breaches=[] if problems else find_breaches(con, plan),
        plan_problem=str(problems[0]) if problems else None,
    )


def first_rows(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Path, int]]]:
    """The first refused rows of each problem: the file, and the number there, from 0."""
    found: dict[str, list[tuple[Path, int]]] = {}
    for problem, file, row in con.execute(
        "select fate, landed_file, landed_row from fates where fate <> 'repeat' qualify "
        "row_number() over (partition by fate order by landed_file, landed_row) "
        f"<= {EXAMPLES} order by all"
    ).fetchall():
        found.setdefault(problem, []).append((Path(file), row))
    return found


def clock_tolerance() -> int:
    """The var `clock_tolerance_seconds` of dbt_project.yml."""
    return int(vars_of(PROJECT)["clock_tolerance_seconds"])


def judge(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path, plan: list[Row]
) -> None:
    """Create the view `checked` of the messages with their problems, and the table `fates` of what
    a build will do with each.
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
    """SQL of the reason for the first of these rules that a row of `checked` breaks."""
    return render("plan_violation", rules, "event_name", "properties")


def find_breaches(con: duckdb.DuckDBPyConnection, plan: list[Row]) -> list[Breach]:
    """The broken rules with their row counts, each checked separately: a build names only the
    first of each row.
    """
    found = []
    broken = con.execute("select distinct event_name from fates where fate = 'broken'").fetchall()
    for (event,) in sorted(broken):
        rules = {line: row for line, row in plan if row["event_name"] == event}
        reasons = ", ".join(
            f"{{'line': {line}, 'said': {violation([row])}}}" for line, row in rules.items()
        )
        found += [
            Breach(line, rules[line], said, rows, (Path(first["file"]), first["row"]))
            for line, said, rows, first in con.execute(
                "select broken.line, broken.said, count(*), min({'file': landed_file, 'row': "
                f"landed_row}}) from (select landed_file, landed_row, unnest([{reasons}]) as "
                "broken from checked where event_id in (select event_id from fates where "
                "event_name = ? and fate = 'broken')) where broken.said is not null "
                "group by all order by 3 desc, 1, 2",
                [event],
            ).fetchall()
        ]
    return found
