"""Sizes by day, flows, times and overlaps equal plain Python on random stays."""

import random
import re
from collections import Counter
from datetime import date, datetime, timedelta

import duckdb
import pytest
import yaml

from tests.support.trait_reference import sql_of_model
from tideline.declarations.files import vars_of
from tideline.declarations.macros import Vars
from tideline.declarations.segments import PROJECT

MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
START = datetime(2026, 1, 1)
CLOCKS = (START + 6 * DAY, START + 6 * DAY + timedelta(hours=9), START + 5 * DAY + MOMENT)
EXACT, FOUND, LIVE = ("a", "b", "empty"), ("h", "i"), ("a", "b", "empty", "h", "i")
PEOPLE = ("p", "q", "r")
ALIASES = {"p": "p", "q": "q", "r": "r", "x": "p", "gone": None}  # x is now a part of p
MODELS = (
    "intermediate/segment_stays",
    "segment_sizes",
    "segment_flows",
    "profile_segment_times",
    "segment_overlaps",
)
SEEDS = range(24)


def segment(name, rule, priority, **keys):
    base = {"description": "Text.", "label": "Text", "owner": "Team"}
    return {"name": name, "when": rule, "priority": priority, **base, **keys}


DECLARED = {
    "traits": [{"name": "t", "description": "Text.", "event": "loan", "aggregate": "count"}],
    "segments": [
        *[segment(name, "t > 1", number + 1) for number, name in enumerate(EXACT)],
        *[segment(name, "recency > 1", number + 10) for number, name in enumerate(FOUND)],
        segment("idea", "t > 2", 20, lifecycle="draft"),
    ],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the declarations."""
    folder = tmp_path_factory.mktemp("project")
    path = folder / "models" / "segments" / "team" / "all.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(DECLARED, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def selects(project):
    """The selects of the models, by name."""
    return {model.split("/")[-1]: sql_of_model(model, project) for model in MODELS}


class Past:
    """Random intervals, and what random builds found, as of a data clock."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.as_of = CLOCKS[seed % len(CLOCKS)]
        self.intervals = [
            (person, name, *each)
            for person in PEOPLE
            for name in ("a", "b")
            for each in self.stretches(self.instants())
        ]
        self.history = [
            (person, name, *each)
            for person in ALIASES
            for name in FOUND
            for each in self.found(person)
        ]
        open_rows = {row[:2] for row in self.history if row[3] is None and row[0] in PEOPLE}
        missed = {
            (person, name) for person in PEOPLE for name in FOUND if self.random.random() < 0.2
        }
        self.now = open_rows ^ missed  # the members of today; the history may miss some

    def instants(self):
        """Different instants, many at midnight, some at the clock or after it."""
        near = self.random.choice((timedelta(), MOMENT, -MOMENT))
        hours = self.random.sample(range(0, 24 * 8, 6), self.random.randrange(8))
        found = {START + timedelta(hours=each) + near for each in hours}
        return sorted(found | ({self.as_of} if self.random.random() < 0.3 else set()))

    def stretches(self, instants):
        """Pairs of instants; the last may have no end."""
        return [*zip(instants[::2], [*instants[1::2], None], strict=False)]

    def found(self, person):
        """Periods of builds: some touch, some last no time, some begin after the clock."""
        late = [self.as_of + MOMENT, self.as_of + 2 * MOMENT] if self.random.random() < 0.5 else []
        clocks = sorted({*[min(each, self.as_of) for each in self.instants()], *late})
        periods = []
        for start, end in self.stretches(clocks):
            middle = start + (end - start) / 2 if end else None
            if middle and self.random.random() < 0.3:  # another label
                periods += [(start, middle), (middle, end)]
            else:
                periods.append((start, end))
        return periods

    def is_in(self, person, name, clock):
        """Whether a build with this clock, at most the data clock, has somebody in a segment."""
        if name in EXACT:
            return any(
                start < clock and (end is None or end >= clock)
                for who, where, start, end in self.intervals
                if (who, where) == (person, name)
            )
        if clock == self.as_of:
            return (person, name) in self.now
        return any(
            start <= clock and (end is None or end > clock)
            for who, where, start, end in self.history
            if (ALIASES[who], where) == (person, name)
        )

    def edges(self, person, name):
        """The instants before the clock at which somebody enters or leaves: (instant, is_entry)."""
        times = {each for row in (*self.intervals, *self.history) for each in row[2:] if each}
        times |= {self.as_of}
        tried = {each + step for each in times for step in (-MOMENT, timedelta(), MOMENT)}
        found = []
        for instant in sorted(each for each in tried if each < self.as_of):
            before, after = (self.is_in(person, name, instant + step * MOMENT) for step in (0, 1))
            if before != after:
                found.append((instant, after))
        return found

    def stays(self, person, name):
        edges = self.edges(person, name)
        ends = [instant for instant, is_entry in edges if not is_entry]
        starts = [instant for instant, is_entry in edges if is_entry]
        return [*zip(starts, [*ends, None], strict=False)]

    def members(self, name):
        return {each for each in PEOPLE if self.is_in(each, name, self.as_of)}


def built(past, selects):
    """An in-memory warehouse with the models."""
    con = duckdb.connect()
    con.execute("create table data_clock as select ?::timestamp as as_of", [past.as_of])
    con.execute(
        "create table segment_intervals (profile_id varchar, segment_name varchar, "
        "valid_from timestamp, valid_to timestamp)"
    )
    con.execute(
        "create table segment_membership_history (profile_id varchar, segment_name varchar, "
        "dbt_valid_from timestamp, dbt_valid_to timestamp)"
    )
    con.execute(
        "create table segment_memberships (profile_id varchar, segment_name varchar, "
        "as_of timestamp)"
    )
    con.execute("create table dim_profiles (profile_id varchar)")
    con.execute("create table profile_aliases (profile_id varchar, current_profile_id varchar)")
    con.execute(
        "create table segments (segment_name varchar, lifecycle varchar, "
        "without_intervals_because varchar, profile_count bigint)"
    )
    members = [(each, name, past.as_of) for name in LIVE for each in past.members(name)]
    counts = Counter(name for _, name, _ in members)
    for table, rows in {
        "segment_intervals": past.intervals,
        "segment_membership_history": past.history,
        "segment_memberships": members,
        "dim_profiles": [(each,) for each in PEOPLE],
        "profile_aliases": [*ALIASES.items()],
        "segments": [
            *[(name, "live", "build" if name in FOUND else None, counts[name]) for name in LIVE],
            ("idea", "draft", None, 0),
        ],
    }.items():
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            con.executemany(f"insert into {table} values ({marks})", rows)
    for model, sql in selects.items():
        con.execute(f"create table {model} as {sql}")
    return con


def sizes_of(past):
    """By segment and day: size, entries, exits, people in the day, the instant, whether whole."""
    last, found = (past.as_of - MOMENT).date(), {}
    for name in LIVE:
        stays = [(who, *each) for who in PEOPLE for each in past.stays(who, name)]
        day = min([start.date() for _, start, _ in stays], default=last)
        while day <= last:
            begin = datetime(day.year, day.month, day.day)
            end = min(begin + DAY, past.as_of)
            found[name, day] = (
                sum(past.is_in(each, name, end) for each in PEOPLE),
                sum(begin <= start < end for _, start, _ in stays),
                sum(left is not None and begin <= left < end for *_, left in stays),
                len(
                    {
                        who
                        for who, start, left in stays
                        if start < end and (not left or left > begin)
                    }
                ),
                end,
                end == begin + DAY,
            )
            day += DAY
    return found


def flows_of(past):
    """By day, from and to: moves and people."""
    moves = []
    for who in PEOPLE:
        for names in (EXACT, FOUND):
            edges = [(at, name, enters) for name in names for at, enters in past.edges(who, name)]
            entries = [(at, name) for at, name, enters in edges if enters]
            taken = set()
            for at, name, _ in (each for each in edges if not each[2]):
                later = [each for each in entries if each[0] >= at]
                first = min(later, default=(None,))[0]
                next_ones = [each for each in later if each[0] == first]
                if not next_ones or first.date() != at.date():
                    moves.append((at.date(), name, None, who))
                    continue
                taken |= {*next_ones}
                moves += [(at.date(), name, other, who) for _, other in next_ones]
            moves += [(at.date(), None, name, who) for at, name in {*entries} - taken]
    keys = Counter(move[:3] for move in moves)
    return {key: (count, len({m[3] for m in moves if m[:3] == key})) for key, count in keys.items()}


def times_of(past):
    """By person and segment: is in, stays, seconds, first and last entry, last exit."""
    found = {}
    for who in PEOPLE:
        for name in LIVE:
            if stays := past.stays(who, name):
                exits = [left for _, left in stays if left]
                length = sum(((left or past.as_of) - start for start, left in stays), timedelta())
                found[who, name] = (
                    past.is_in(who, name, past.as_of), len(stays), length.total_seconds(),
                    stays[0][0], stays[-1][0], max(exits, default=None),
                )  # fmt: skip
    return found


def overlaps_of(past):
    """By both segments: people in both, and their shares."""
    members = {name: past.members(name) for name in LIVE}
    return {
        (one, other): (
            len(members[one] & members[other]),
            *[len(members[one] & members[other]) / len(members[each]) if members[each] else None
              for each in (one, other)],
        )
        for one in LIVE for other in LIVE if one != other
    }  # fmt: skip


TABLES = {
    "segment_sizes": (
        2,
        "segment_name, day, profile_count, entries, exits, profiles_in_day, measured_at, "
        "is_whole_day",
        sizes_of,
    ),
    "segment_flows": (
        3,
        "day, from_segment_name, to_segment_name, moves, profile_count",
        flows_of,
    ),
    "profile_segment_times": (
        2,
        "profile_id, segment_name, is_in, stays, seconds_in, first_entered_at, last_entered_at, "
        "last_left_at",
        times_of,
    ),
    "segment_overlaps": (
        2,
        "segment_name, other_segment_name, profile_count, segment_share, other_share",
        overlaps_of,
    ),
}


def differences(past, selects):
    """The tables that differ from plain Python."""
    with built(past, selects) as con:
        found = {}
        for table, (keys, columns, expected) in TABLES.items():
            rows = con.execute(f"select {columns} from {table}").fetchall()
            actual = {row[:keys]: row[keys:] for row in rows}
            assert len(actual) == len(rows)
            if actual != (right := expected(past)):
                found[table] = (actual, right)
        return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_history_equals_plain_python(selects, seed):
    past = Past(seed)
    assert len(past.intervals) + len(past.history) > 5
    assert differences(past, selects) == {}


def test_a_build_as_of_the_past_reads_no_history(selects, project, monkeypatch):
    as_of = Vars(vars_of(PROJECT) | {"as_of": "2026-01-05"})
    monkeypatch.setattr("tideline.segments.models._vars", lambda: as_of)
    of_past = selects | {"segment_stays": sql_of_model("intermediate/segment_stays", project)}
    for seed in SEEDS[:5]:
        past = Past(seed)
        assert past.history and differences(past, of_past)
        past.history = []
        assert differences(past, of_past) == {}


def test_a_last_day_has_the_members_of_today(selects):
    for seed in SEEDS[:6]:
        past = Past(seed)
        with built(past, selects) as con:
            rows = con.execute(
                "select segment_name, max_by(profile_count, day), max(measured_at) "
                "from segment_sizes group by 1 order by 1"
            ).fetchall()
        assert rows == [(name, len(past.members(name)), past.as_of) for name in sorted(LIVE)]


def test_an_empty_warehouse_has_one_day_without_people(selects):
    past = Past(0)
    past.intervals, past.history, past.now, past.as_of = [], [], set(), datetime(1970, 1, 1)
    assert differences(past, selects) == {}
    with built(past, selects) as con:
        rows = con.execute("select day, profile_count from segment_sizes").fetchall()
    assert rows == [(date(1969, 12, 31), 0)] * len(LIVE)


MUTANTS = {
    "an exit at the clock is one": (
        "segment_stays",
        r"segment_intervals.valid_to < data_clock",
        "segment_intervals.valid_to <= data_clock",
    ),
    "an entry at the clock is one": (
        "segment_stays",
        r"where segment_intervals.valid_from < data_clock",
        "where segment_intervals.valid_from <= data_clock",
    ),
    "another label is another stay": ("segment_stays", "former_found_to >= found_from", "false"),
    "a former profile is somebody else": (
        "segment_stays",
        r"coalesce\(dim_profiles.profile_id, profile_aliases.current_profile_id\)",
        "periods.profile_id",
    ),
    "an end that was found after the clock counts": (
        "segment_stays",
        r"case\s+when periods.valid_to < data_clock.as_of[^@]*? end as found_to",
        "periods.valid_to as found_to",
    ),
    "the history is not ended by the members of today": (
        "segment_stays",
        r"coalesce\(history.dbt_valid_to, data_clock.as_of\)",
        "history.dbt_valid_to",
    ),
    "members that the history misses have no stay": (
        "segment_stays",
        "from segment_memberships",
        "from segment_memberships where false",
    ),
    "a period without a length counts": ("segment_stays", "or found_to > found_from", "or true"),
    "somebody who returns is counted twice": (
        "segment_sizes",
        r"= entered_on then entered_on \+ 1",
        "is null then entered_on",
    ),
    "an end at midnight is of the next day": (
        "segment_sizes",
        r"(data_clock.as_of\)) - interval '1 microsecond'",
        r"\1",
    ),
    "the clock at midnight begins a day": (
        "segment_sizes",
        r"as_of - interval '1 microsecond' as date\) as last_day",
        "as_of as date) as last_day",
    ),
    "an entry at the same instant is not the next": (
        "segment_flows",
        "between current row and",
        "between interval '1 microsecond' following and",
    ),
    "an entry on another day is the next": (
        "segment_flows",
        r"cast\(next_entered_at as date\) = cast\(happened_at as date\)",
        "true",
    ),
    "the history is compared with intervals": (
        "segment_flows",
        "partition by profile_id, known_from",
        "partition by profile_id",
    ),
    "a stay that lasts has no length": (
        "profile_segment_times",
        r"coalesce\(segment_stays.left_at, data_clock.as_of\)",
        "segment_stays.left_at",
    ),
    "a draft has a size": ("segment_sizes", "segments.lifecycle = 'live'", "true"),
    "a segment overlaps with all": (
        "segment_overlaps",
        "segment_memberships.profile_id = others.profile_id",
        "true",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_select_is_found(selects, mutant):
    model, right, wrong = MUTANTS[mutant]
    broken = re.sub(right, wrong, selects[model])
    assert broken != selects[model]
    assert any(differences(Past(seed), selects | {model: broken}) for seed in SEEDS)
