"""Measures connected components against Splink and scipy: `python -m benchmarks.components`.

There are two graphs: people with 2 to 8 identifiers each, and one chain in random order. The
components of each are computed in the same DuckDB file by dbt with this project's materialization,
by Splink and by scipy, each in a separate process; the results must agree. Then the people get one
percent more edges a day: mostly new devices and new people, a few links between known people.

Seconds are the minimum of several repeats. For dbt they are the execution time of the model, after
a small model for which dbt compiles its macros. For Splink they are the clustering, given nodes and
edges. For scipy they are reading the edges, encoding their texts as integers, scipy's own work
(also shown alone) and writing each node with the smallest node of its component.
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from splink import DuckDBAPI
from splink.clustering import cluster_pairwise_predictions_at_threshold

from benchmarks.event_curve import apart
from benchmarks.whole_graph import run
from tideline import cli
from tideline.text import table

MACROS = Path(__file__).parents[1] / "macros" / "identity"
EDGES_PER_PERSON = 4.63  # measured
GRAPHS = """
    create table people (left_node varchar, right_node varchar, updated_at timestamp);
    create table chain as from people;
    create table small as
        select 'a' as left_node, 'b' as right_node, timestamp '2026-01-01' as updated_at;

    create macro identifier(person, number) as case number
        when 0 then 'user_id:' || person
        when 1 then 'email:' || left(md5('' || person), 12) || '@example.com'
        else 'anonymous_id:' || cast(md5(person || '/' || number) as uuid)
    end;

    -- Links each identifier of a person to an earlier one, and the last one to a second one.
    create macro edges_of_people(first_person, next_person) as table
        with identifiers as (
            select person, size, unnest(range(1, size)) as number
            from (
                select range as person, cast(2 + hash(range) % 7 as bigint) as size
                from range(first_person, next_person)
            )
        ), earlier as (
            select *, hash(person, number) % number as other from identifiers
            union all
            select *, hash(person) % number from identifiers where number = size - 1
        )
        select distinct
            identifier(person, number) as left_node,
            identifier(person, other) as right_node
        from earlier;
"""
PEOPLE = """
    insert into people
    select *, timestamp '2026-01-01' from edges_of_people(0, $people)
"""
CHAIN = """
    insert into chain
    select identifier(place, 2), identifier(place + 1, 2), timestamp '2026-01-01'
    from (select range as place from range($nodes - 1))
    order by hash(place)
"""
# Of 1,000 people, 10 sign in on a new device, where also two known identifiers meet, 3 are new, and
# 1 is merged with another. The mix of new and known nodes is that of a day of the sample business.
ARRIVALS = """
    insert into small
    select 'b', 'c', max(updated_at) + interval 1 day from small;

    insert into people
    select *, timestamp '2026-01-01' + to_days($day)
    from (
        select
            identifier(range, unnest([100 + $day, 100 + $day, 1])) as left_node,
            identifier(range, unnest([0, 1, 2])) as right_node
        from range($day, $people, 100)
        union all
        select identifier(range, 1), identifier(range + 7, 1) from range($day, $people - 7, 1000)
        union all
        from edges_of_people(
            $people * (1000 + 3 * ($day - 1)) // 1000,
            $people * (1000 + 3 * $day) // 1000
        )
    )
"""
MODEL = """
    -- depends_on: {before}
    {{{{ config(
        materialized='connected_components',
        unique_key='node',
        incremental_strategy='delete+insert',
    ) }}}}

    with arrivals as (

        select left_node, right_node from main.{graph}
        {{% if components_are_kept() %}}
            where updated_at = (select max(updated_at) from main.{graph})
        {{% endif %}}

    )

    select * from arrivals

    {{% if components_are_kept() %}}
        union all

        select node, component from {{{{ this }}}}
        where component in (
            select component from {{{{ this }}}}
            where node in (
                select left_node from arrivals
                union all
                select right_node from arrivals
            )
        )
    {{% endif %}}
"""


@dataclass(frozen=True)
class Found:
    """The result of a dbt run: nodes written, rounds, seconds."""

    nodes: int
    rounds: int
    seconds: float


class Project:
    """A dbt project with one model of connected components per graph."""

    def __init__(self, folder: Path, warehouse: Path) -> None:
        """Write the project to a folder."""
        self.folder, self.warehouse = folder, warehouse
        self.env = {
            **os.environ,
            "DBT_PROJECT_DIR": str(folder),
            "DBT_PROFILES_DIR": str(folder),
            "DBT_TARGET": "bench",
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_LOG_LEVEL_FILE": "info",  # no log of statements, like Splink and scipy
        }
        project = {
            "name": "bench",
            "profile": "bench",
            "macro-paths": [str(MACROS)],
            "flags": {"send_anonymous_usage_stats": False},
        }
        target = {"type": "duckdb", "path": str(warehouse), "schema": "main", "threads": 1}
        profile = {"bench": {"target": "bench", "outputs": {"bench": target}}}
        (folder / "models").mkdir(parents=True)
        # JSON is valid YAML.
        (folder / "dbt_project.yml").write_text(json.dumps(project))
        (folder / "profiles.yml").write_text(json.dumps(profile))
        small = "{{ ref('small_components') }}"
        for graph, before in (("small", "none"), ("people", small), ("chain", small)):
            path = folder / "models" / f"{graph}_components.sql"
            path.write_text(MODEL.format(graph=graph, before=before))

    def find_anew(self, graph: str) -> Found:
        """Run the model of a graph from scratch."""
        with duckdb.connect(str(self.warehouse)) as connection:
            for name in ("small", graph):
                connection.execute(f"drop table if exists {name}_components")
        return self.find(graph)

    def find(self, graph: str) -> Found:
        """Run the model of a graph."""
        model = f"{graph}_components"
        run("dbt.cli.main", "run", "--select", "small_components", model, env=self.env)
        log = (self.folder / "logs" / "dbt.log").read_text()
        said = re.findall(rf"{model}: connected components of (\d+) nodes took (\d+) rounds", log)
        results = json.loads((self.folder / "target" / "run_results.json").read_text())["results"]
        timing = {
            step["name"]: [
                datetime.fromisoformat(step[end]) for end in ("started_at", "completed_at")
            ]
            for result in results
            if result["unique_id"] == f"model.bench.{model}"
            for step in result["timing"]
        }
        started_at, completed_at = timing["execute"]
        nodes, rounds = map(int, said[-1])
        return Found(nodes, rounds, (completed_at - started_at).total_seconds())


def splink_seconds(warehouse: Path, graph: str) -> float:
    """Seconds of Splink; its components are written to `<graph>_splink`."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"create or replace table nodes as select node from {graph}_components")
        start = time.perf_counter()
        clusters = cluster_pairwise_predictions_at_threshold(
            "nodes", graph, DuckDBAPI(connection), "node", "left_node", "right_node"
        )
        seconds = time.perf_counter() - start
        connection.execute(
            f"create or replace table {graph}_splink as from {clusters.physical_name}"
        )
        connection.execute(f"drop table {clusters.physical_name}")
    return seconds


def scipy_seconds(warehouse: Path, graph: str) -> tuple[float, float]:
    """Seconds in total and of scipy alone; the components are written to `<graph>_scipy`."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set enable_progress_bar = false")
        start = time.perf_counter()
        edges = connection.execute(f"select left_node, right_node from {graph}").fetchnumpy()
        ends = np.concatenate([edges["left_node"], edges["right_node"]])
        codes, nodes = pd.factorize(ends)
        coded = time.perf_counter()
        ones = np.ones(len(codes) // 2, dtype=bool)
        matrix = coo_array((ones, tuple(np.split(codes, 2))), shape=(len(nodes), len(nodes)))
        _, components = connected_components(matrix, directed=False)
        alone = time.perf_counter() - coded
        frame = pd.DataFrame({"node": nodes, "number": components})  # noqa: F841 (read below)
        connection.execute(f"""
            create or replace table {graph}_scipy as
            select node, min(node) over (partition by number) as component from frame
        """)
        return time.perf_counter() - start, alone


def rows_in(connection: duckdb.DuckDBPyConnection, graph: str) -> int:
    """Number of edges of a graph."""
    return connection.execute(f"select count(*) from {graph}").fetchall()[0][0]


def is_agreed(warehouse: Path, graph: str) -> bool:
    """Whether all three results are the same."""
    with duckdb.connect(str(warehouse)) as connection:
        return connection.execute(f"""
            select bool_and(
                ours.component is not distinct from splink.cluster_id
                and ours.component is not distinct from scipy.component
            )
            from {graph}_components as ours
            full join {graph}_splink as splink using (node)
            full join {graph}_scipy as scipy using (node)
        """).fetchall()[0][0]


def measure(edges: int, chain: int, repeats: int, folder: Path) -> str:
    """Measure both graphs in `folder`; return the page to print."""
    warehouse = folder / "bench.duckdb"
    project = Project(folder / "project", warehouse)
    people = max(10, round(edges / EDGES_PER_PERSON))
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(GRAPHS)
        connection.execute(PEOPLE, {"people": people})
        connection.execute(CHAIN, {"nodes": chain})
        sizes = {graph: rows_in(connection, graph) for graph in ("people", "chain")}

    full, graphs, arrivals = {}, [], []
    for graph, size in sizes.items():
        runs = [project.find_anew(graph) for _ in range(repeats)]
        found = full[graph] = min(runs, key=lambda each: each.seconds)
        splink = min(apart(splink_seconds, warehouse, graph) for _ in range(repeats))
        scipy, alone = min(apart(scipy_seconds, warehouse, graph) for _ in range(repeats))
        if not is_agreed(warehouse, graph):
            raise SystemExit(f"The components of {graph} are not those of Splink and scipy")
        graphs.append(
            (
                *(graph, size, found.nodes, found.rounds, found.seconds),
                *(splink, found.seconds / splink, scipy, found.seconds / scipy, alone),
            )
        )
    for day in range(1, repeats + 1):
        with duckdb.connect(str(warehouse)) as connection:
            before = rows_in(connection, "people")
            connection.execute(ARRIVALS, {"people": people, "day": day})
            new = rows_in(connection, "people") - before
        more = project.find("people")
        share = more.seconds / full["people"].seconds
        arrivals.append((f"day {day}", new, more.nodes, more.rounds, more.seconds, share))
    head = ["edges", "nodes written", "rounds", "seconds"]
    other = ["Splink, s", "of Splink", "scipy, s", "times scipy", "scipy alone, s"]
    return (
        table(["graph", *head, *other], graphs)
        + "\n\n"
        + table(["people", *head, "of the full"], arrivals)
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.components", description=__doc__)
    parser.add_argument("--edges", type=int, default=1_000_000, help="of people (1,000,000)")
    parser.add_argument("--chain", type=int, default=10_000, help="nodes of the chain (10,000)")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest one counts (3)")
    options = parser.parse_args(words)
    if options.edges < 100 or options.chain < 2 or options.repeats < 1:
        parser.error("--edges must be at least 100, --chain at least 2, --repeats at least 1")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.edges, options.chain, options.repeats, Path(folder)))
    return 0


if __name__ == "__main__":
    cli.run(main)
