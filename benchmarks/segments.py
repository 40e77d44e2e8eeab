"""Measures traits and segments: `python -m benchmarks.segments --events N`.

People with ten events each, of eight kinds, in 90 days. The models of traits and intervals run on
them as a build runs them, first with 15 traits and 10 segments, then with 300 and 200, in a DuckDB
file of their own. Then one percent of the people have one event more each, and only these are
computed again.

The floor of the intervals is one bare window per rule: the events of its traits, counted by person
in the window of the first.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import yaml

from tideline import cli
from tideline.declarations.compiled import rule_sql
from tideline.declarations.definitions import needed
from tideline.declarations.segments import read_segments, read_traits
from tideline.segments.models import model_sql
from tideline.text import table

EVENTS_PER_PERSON = 10
SIZES = ((15, 10), (300, 200))
NAMES = ["page_view", "product_view", "add_to_cart", "purchase"]
NAMES += ["product_search", "login", "feature_use", "email_open"]
WINDOWS = ("1 hours", "1 days", "3 days", "7 days", "14 days", "30 days", "60 days", "90 days")
# Aggregates with the condition of a rule about them.
AGGREGATES = {
    "count": "{} >= 1",
    "sum": "{} > 100",
    "last_at": "{} is not null",
    "exists": "{}",
    "max": "{} > 150",
    "count_distinct": "{} >= 2",
    "days_since": "{} > 2",
    "average": "{} > 100",
    "last": "{} = 'shoes'",
    "most_frequent": "{} = 'hats'",
}
OF_PROPERTY = {"sum": "price", "max": "price", "average": "price", "count_distinct": "name"}
OF_PROPERTY |= {"last": "category", "most_frequent": "category"}
PLAN = [
    {"event_name": name, "property": prop, "property_type": kind}
    for name in NAMES
    for prop, kind in (("category", "text"), ("price", "number"), ("name", "text"), ("", ""))
]
LOG = """
    create table data_clock as select timestamp '2026-10-01' as as_of;

    create macro kind(number, kinds) as cast(hash(number) % kinds as bigint);

    create macro events_of(first, next, people) as table
        select
            md5(cast(kind(range, people) as varchar)) as profile_id,
            'e' || range as event_id,
            {names}[1 + kind(range + 0.1, 8)] as event_name,
            timestamp '2026-07-03' + to_seconds(kind(range + 0.2, 90 * 86400)) as occurred_at,
            'web' as source,
            'web' as platform,
            cast(null as json) as context,
            json_object(
                'category', ['shoes', 'jackets', 'hats', 'bags'][1 + kind(range + 0.3, 4)],
                'price', kind(range + 0.4, 200),
                'name', 'product ' || kind(range + 0.5, 50)
            ) as properties
        from range(first, next);
"""


def declarations(traits: int, segments: int) -> dict[str, object]:
    """Traits of all aggregates and windows, and segments that read two of them each."""
    found = []
    for number in range(traits):
        aggregate = [*AGGREGATES][number % len(AGGREGATES)]
        trait: dict[str, object] = {
            "name": f"t{number}",
            "description": "Text.",
            "aggregate": aggregate,
        }
        trait["event"] = NAMES[number % len(NAMES)]
        trait["within"] = WINDOWS[number // 3 % len(WINDOWS)]
        if aggregate in OF_PROPERTY:
            trait["property"] = OF_PROPERTY[aggregate]
        if number % 5 == 0:
            trait["where"] = "category = 'shoes'"
        if number % 10 == 1:
            trait["after"] = [{"event": NAMES[number // 10 % 8], "within": "2 hours"}]
        found.append(trait)
    # A most frequent value is no window, so it has no floor.
    windows = [each for each in found if each["aggregate"] != "most_frequent"]
    rules = []
    for number in range(segments):
        pair = windows[number % len(windows)], windows[(3 * number + 1) % len(windows)]
        rule = " and ".join(
            AGGREGATES[str(each["aggregate"])].format(each["name"]) for each in pair
        )
        rules.append(
            {"name": f"s{number}", "description": "Text.", "label": "Text", "owner": "Team"}
            | {"when": rule, "priority": number + 1}
        )
    return {"traits": found, "segments": rules}


class Bench:
    """A DuckDB file with a log of people, and the declarations of one size."""

    def __init__(self, folder: Path, events: int, traits: int, segments: int) -> None:
        """Write the declarations and the log."""
        place = folder / "models" / "segments" / "team"
        place.mkdir(parents=True)
        (place / "all.yml").write_text(yaml.safe_dump(declarations(traits, segments)))
        self.traits, self.segments = read_traits(folder), read_segments(folder)
        self.connection = duckdb.connect(str(folder / "bench.duckdb"))
        self.connection.execute("set enable_progress_bar = false")
        people = max(100, events // EVENTS_PER_PERSON)
        for statement in LOG.replace("{names}", str(NAMES)).split(";"):
            self.connection.execute(statement)
        self.connection.execute(
            f"create table profile_timeline as from events_of(0, {events}, {people})"
        )
        self.connection.execute(
            "create table profile_revisions as "
            "select distinct profile_id, 1 as revision from profile_timeline"
        )

    def add_events(self) -> int:
        """One event more for each of one percent of the people; return their number."""
        self.connection.execute(
            "update profile_revisions set revision = 2 where hash(profile_id) % 100 = 0"
        )
        return self.connection.execute(
            "insert into profile_timeline select * replace ('new ' || event_id as event_id) from ("
            "select distinct on (profile_id) * from profile_timeline where profile_id in ("
            "select profile_id from profile_revisions where revision = 2))"
        ).fetchall()[0][0]

    def seconds_of(self, model: str, is_kept: bool = False) -> float:
        """Seconds of a model; `is_kept` replaces only the rows of the revised profiles."""
        start = time.perf_counter()
        text = model_sql(
            model,
            self.traits,
            PLAN,
            str,
            self.segments,
            revisions_are_kept=lambda: is_kept,
            revision_watermark=lambda: 1,
            relation_of=str,
        )
        name = model.rsplit("/", maxsplit=1)[-1]
        first, *others = text.split(";\f")
        self.connection.execute(f"create or replace table {name}__new as {first}")
        for each in others:
            self.connection.execute(f"insert into {name}__new {each}")
        if is_kept:
            self.connection.execute(
                f"delete from {name} where profile_id in ("
                "select profile_id from profile_revisions where revision > 1)"
            )
            self.connection.execute(f"insert into {name} from {name}__new")
            self.connection.execute(f"drop table {name}__new")
        else:
            self.connection.execute(f"drop table if exists {name}")
            self.connection.execute(f"alter table {name}__new rename to {name}")
        return time.perf_counter() - start

    def seconds_of_rules(self) -> float:
        """Seconds of all rules over `profile_traits`."""
        start = time.perf_counter()
        rules = ", ".join(
            f"coalesce({rule_sql(each.place, each.spec.when, None, 'duckdb')}, false)"
            for each in self.segments
        )
        self.connection.execute(
            f"create or replace table profile_segments as select profile_id, {rules} "
            "from profile_traits"
        )
        return time.perf_counter() - start

    def floor_seconds(self) -> float:
        """Seconds of one bare window per rule over the events of its traits."""
        start = time.perf_counter()
        for each in self.segments:
            names = [trait.name for trait in needed(each, self.traits)]
            window = needed(each, self.traits)[0].spec.within
            counted = " or ".join(f"{name} is not null" for name in names)
            self.connection.execute(
                "create or replace temp table floor as select profile_id, occurred_at, "
                "count(*) over (partition by profile_id order by occurred_at "
                f"range between interval '{window}' preceding and current row) as events "
                f"from trait_readings where {counted}"
            )
        return time.perf_counter() - start

    def rows(self, name: str) -> int:
        """Number of rows of a table."""
        return self.connection.execute(f"select count(*) from {name}").fetchall()[0][0]


def measure(events: int, folder: Path) -> str:
    """Measure both sizes in `folder`; return the page to print."""
    firsts, days, totals = [], [], {}
    for traits, segments in SIZES:
        place = folder / str(segments)
        bench = Bench(place, events, traits, segments)
        title = f"{traits} traits, {segments} segments"
        readings = bench.seconds_of("intermediate/trait_readings")
        values, rules = bench.seconds_of("profile_traits"), bench.seconds_of_rules()
        intervals, floor = bench.seconds_of("segment_intervals"), bench.floor_seconds()
        total = readings + values + rules + intervals
        totals[segments] = readings + values + rules, intervals
        firsts.append(
            (
                *(title, readings, values, rules, intervals, bench.rows("segment_intervals")),
                *(floor, intervals / floor),
            )
        )
        new = bench.add_events()
        again = bench.seconds_of("intermediate/trait_readings", is_kept=True)
        lasting = bench.seconds_of("segment_intervals", is_kept=True)
        cut = bench.seconds_of("profile_traits") + bench.seconds_of_rules()
        days.append((title, new, again, cut, lasting, (again + cut + lasting) / total))
        bench.connection.close()
    (small, small_intervals), (large, large_intervals) = totals.values()
    head = ["first build", "readings, s", "traits, s", "rules, s", "intervals, s", "intervals"]
    return (
        table([*head, "floor, s", "of the floor"], firsts)
        + f"\n\n20 times as many traits and segments took {large / small:.2f} times as long "
        + f"without intervals; the intervals {large_intervals / small_intervals:.2f} times.\n\n"
        + table(
            [
                *("1% new", "events", "readings, s", "traits and rules, s", "intervals, s"),
                "of the first build",
            ],
            days,
        )
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="of all people (1,000,000)")
    options = parser.parse_args(words)
    if options.events < 1000:
        parser.error("--events must be at least 1,000")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.events, Path(folder)))
    return 0


if __name__ == "__main__":
    cli.run(main)
