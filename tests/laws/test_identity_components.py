"""The materialization `connected_components` against networkx."""

import csv
import random
import re
from datetime import datetime

import networkx as nx
import pytest

from tests.support.identity_project import ScratchProject

CHAIN = 10_000
EDGES = """
    select left_node, right_node
    from read_csv('edges.csv', all_varchar = true)
"""
AGAIN = "select node as left_node, component as right_node from {{ ref('graphs') }}"


def _shuffled(graph: nx.Graph, seed: int) -> nx.Graph:
    names = list(graph.nodes)
    random.Random(seed).shuffle(names)
    return nx.relabel_nodes(graph, dict(zip(graph.nodes, names, strict=True)))


def _graphs() -> dict[str, nx.Graph]:
    star = nx.star_graph(300)
    graphs = {
        "sorted_chain": nx.path_graph(CHAIN),
        "shuffled_chain": _shuffled(nx.path_graph(CHAIN), 1),
        "least_center": star,
        "greatest_center": nx.relabel_nodes(star, {0: 300, 300: 0}),
        "grid": _shuffled(nx.convert_node_labels_to_integers(nx.grid_2d_graph(30, 30)), 2),
        "clique": nx.complete_graph(40),
        "bipartite": _shuffled(nx.complete_bipartite_graph(12, 30), 5),
        "cycle": _shuffled(nx.cycle_graph(501), 3),
        "power_law": _shuffled(nx.barabasi_albert_graph(600, 1, seed=4), 4),
        "tree": nx.balanced_tree(2, 8),
        "lone": nx.empty_graph(5),
    }
    for seed in range(40):
        graphs[f"random_{seed}"] = nx.gnp_random_graph(
            60, random.Random(seed).uniform(0, 0.05), seed
        )
    return {
        name: nx.relabel_nodes(graph, {node: f"{name}:{node:06}" for node in graph.nodes})
        for name, graph in graphs.items()
    }


def _write_edges(path, graph: nx.Graph) -> None:
    """Write edges in both directions, some twice, and single nodes as loops or half edges."""
    chance = random.Random(7)
    rows = [tuple(chance.sample(edge, 2)) for edge in graph.edges]
    rows += chance.sample(rows, len(rows) // 5)
    rows += [(node, chance.choice([node, ""])) for node in nx.isolates(graph)]
    rows += [("", "")]
    chance.shuffle(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("left_node", "right_node"), *rows])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    project = ScratchProject(
        tmp_path_factory.mktemp("components") / "project",
        {
            "graphs": "{{ config(materialized='connected_components') }} " + EDGES,
            "bounded": "{{ config(materialized='connected_components', meta={'max_rounds': 2}) }} "
            + EDGES,
            "again": "{{ config(materialized='connected_components') }} " + AGAIN,
            "emptied": "{{ config(materialized='connected_components') }} " + AGAIN,
        },
        with_identity=False,
    )
    graph = nx.union_all(_graphs().values())
    _write_edges(project.folder / "edges.csv", graph)
    # In the second run, the tables exist.
    run = project.dbt(
        ({}, ["run"]),
        ({}, ["run", "--select", "again"]),
        ({}, ["run", "--select", "emptied", "--empty"]),
    )
    return project, graph, run


def test_every_node_gets_the_smallest_node_of_its_component(built):
    project, graph, _ = built
    expected = set()
    for component in nx.connected_components(graph):
        least = min(component)
        expected |= {(node, least) for node in component}
    found = project.rows("select node, component from tideline.graphs")
    assert len(found) == len(expected)
    assert set(found) == expected


# Texts of the steps and their wrong replacements.
WRONG_STEPS = {
    "edges_one_way_only": ("left_roots.root <> right_roots", "left_roots.root < right_roots"),
    "named_by_any_node": ("min(node) over", "max(node) over"),
}


@pytest.mark.parametrize("name", WRONG_STEPS)
def test_wrong_steps_are_noticed(tmp_path, name):
    text, instead = WRONG_STEPS[name]
    model = "{{ config(materialized='connected_components') }} " + EDGES
    project = ScratchProject(tmp_path / "project", {"graphs": model}, with_identity=False)
    steps = project.folder / "macros" / "identity" / "connected_components.sql"
    assert steps.read_text().count(text) == 1
    steps.write_text(steps.read_text().replace(text, instead))
    graph = _shuffled(nx.path_graph(200), 1)
    graph = nx.relabel_nodes(graph, {node: f"{node:03}" for node in graph.nodes})
    _write_edges(project.folder / "edges.csv", graph)
    run = project.dbt(({}, ["run"]))
    assert run.returncode == 0, run.stdout
    found = project.rows("select node, component from tideline.graphs")
    assert len(found) == 200 and set(found) != {(node, "000") for node in graph.nodes}


def test_components_of_components_are_the_same(built):
    project, _, _ = built
    assert project.rows("from tideline.graphs except from tideline.again") == []


def test_rounds_are_logarithmic_on_chains(built):
    _, _, run = built
    rounds = re.search(r" graphs: connected components of \d+ nodes took (\d+) rounds", run.stdout)
    assert rounds, run.stdout
    assert 1 < int(rounds[1]) <= 14  # log2 of the 10,000 nodes of a chain


def test_not_converging_fails_and_says_what_to_do(built):
    project, _, run = built
    assert run.returncode == 1
    assert "bounded" in run.stdout
    assert "did not converge" in run.stdout
    assert "meta.max_rounds" in run.stdout
    assert project.rows("select 1 from duckdb_tables() where table_name = 'bounded'") == []


def test_no_working_table_is_left(built):
    project, _, _ = built
    tables = project.rows("select table_name from duckdb_tables() order by all")
    assert tables == [("again",), ("emptied",), ("graphs",)]


def test_no_rows_make_an_empty_table(built):
    project, _, _ = built
    assert project.rows("select count(*) from tideline.emptied") == [(0,)]


NODES = 300
BATCHES = [datetime(2026, 1, day) for day in (1, 2, 3, 4)]
GROWING = """
    {{ config(
        materialized='connected_components',
        unique_key='node',
        incremental_strategy='delete+insert',
        post_hook="{{ env_var('HOOK') }}"
    ) }}

    with arrivals as (

        select left_node, right_node from read_csv('growing.csv', nullstr = '')
        where
            updated_at <= '{{ env_var("BATCH") }}'
            {% if components_are_kept() %}
                and updated_at > '{{ env_var("BATCH") }}'::timestamp - interval 1 day
            {% endif %}

    )

    select * from arrivals

    {% if components_are_kept() %}
        union all

        select node, component from {{ this }}
        where component in (
            select kept.component
            from {{ this }} as kept
            inner join arrivals on kept.node in (arrivals.left_node, arrivals.right_node)
        )
    {% endif %}
"""
MUTANTS = {
    "only_what_is_new": ("component in (", "false and component in ("),
    "only_reached_nodes": ("select kept.component\n", "select kept.node\n"),
    "star_of_another_node": ("select node, component", "select node, 'n' || component"),
    "nothing_deleted": ("delete+insert", "append"),
}


def _batches() -> list[list[tuple[str, str, datetime]]]:
    """Edges of a sparse random graph by arrival: some repeated, single nodes, half edges."""
    chance = random.Random(11)
    nodes = [f"node:{number:03}" for number in range(NODES)]
    batches = []
    for arrived_at in BATCHES:
        pairs = [chance.sample(nodes, 2) for _ in range(NODES // 8)]
        pairs += [(node, chance.choice([node, ""])) for node in chance.sample(nodes, 10)]
        pairs += [("", chance.choice(nodes)), ("", "")]
        if batches:
            pairs += [row[:2] for row in chance.sample(batches[-1], 5)]
        batches.append([(left, right, arrived_at) for left, right in pairs])
    return batches


def _expected(batches) -> set[tuple[str, str]]:
    graph = nx.Graph()
    for left, right, _ in (row for batch in batches for row in batch):
        graph.add_nodes_from(node for node in (left, right) if node)
        if left and right:
            graph.add_edge(left, right)
    return {
        (node, min(component)) for component in nx.connected_components(graph) for node in component
    }


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Runs by batch of `growing` and its mutants, a run with a failing hook, a full refresh."""
    models = {
        "growing": GROWING,
        "growing_runs": "{{ config(materialized='incremental') }} "
        "select '{{ env_var('RUN') }}' as run, * from {{ ref('growing') }}",
    }
    for name, (code, broken_code) in MUTANTS.items():
        assert GROWING.count(code) == 1
        models[name] = GROWING.replace(code, broken_code)
    project = ScratchProject(
        tmp_path_factory.mktemp("components") / "project", models, with_identity=False
    )
    batches = _batches()
    with (project.folder / "growing.csv").open("w", newline="") as file:
        rows = [row for batch in batches for row in batch]
        csv.writer(file).writerows([("left_node", "right_node", "updated_at"), *rows])

    def environment(run: str, batch: datetime, hook: str = "select 1") -> dict[str, str]:
        return {"RUN": run, "BATCH": str(batch), "HOOK": hook}

    last = BATCHES[-1]
    one_fewer = "delete from tideline.growing where node = 'node:000'"
    runs = [(environment(str(batch), batch), ["run"]) for batch in BATCHES[:-1]]
    runs += [
        (environment("stopped", last, "select error('stopped')"), ["run", "--select", "growing"]),
        (environment("as before", last), ["run", "--select", "growing_runs"]),
        (environment(str(last), last), ["run"]),
        (environment("full", last), ["run", "--full-refresh", "--select", "growing"]),
        (environment("full", last), ["run", "--select", "growing_runs"]),
        (environment("hook", last, one_fewer), ["run", "--select", "growing", "growing_runs"]),
    ]
    return project, batches, project.dbt(*runs)


def _run(project, run: object) -> list[tuple]:
    return project.rows(f"select node, component from tideline.growing_runs where run = '{run}'")


def test_components_grow_batch_by_batch(grown):
    project, batches, run = grown
    for number, batch in enumerate(BATCHES, start=1):
        found = _run(project, batch)
        assert len(found) == len(set(found)), run.stdout
        assert set(found) == _expected(batches[:number])
    assert sorted(_run(project, "full")) == sorted(_run(project, BATCHES[-1]))


def test_only_components_that_are_reached_are_written(grown):
    _, batches, run = grown
    sizes = re.findall(r" growing: connected components of (\d+) nodes", run.stdout)
    known: set[tuple] = set()
    for number, size in enumerate([*sizes[:3], sizes[4]], start=1):
        ends = {node for row in batches[number - 1] for node in row[:2] if node}
        reached = {component for node, component in known if node in ends}
        nodes = ends | {node for node, component in known if component in reached}
        assert int(size) == len(nodes)
        known = _expected(batches[:number])
    assert int(sizes[3]) < len(known) == int(sizes[5])


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_increment_is_noticed(grown, mutant):
    project, batches, _ = grown
    found = project.rows(f"select node, component from tideline.{mutant}")
    assert found
    assert len(found) != len(set(found)) or set(found) != _expected(batches)


def test_an_interrupted_run_changes_nothing(grown):
    project, _, run = grown
    assert "stopped" in run.stdout
    assert sorted(_run(project, "as before")) == sorted(_run(project, BATCHES[-2]))


def test_hooks_run_after_the_rows_are_written(grown):
    project, _, _ = grown
    gone = set(_run(project, "full")) - set(_run(project, "hook"))
    assert [node for node, _ in gone] == ["node:000"]
