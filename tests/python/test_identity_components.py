"""The materialization `connected_components` against networkx."""

import csv
import random
import re

import networkx as nx
import pytest

from tests.python.identity_project import ScratchProject

CHAIN = 10_000
EDGES = "select left_node, right_node from read_csv('edges.csv', all_varchar = true)"


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
    """Edges both ways round, some twice, lone nodes as loops or with one end missing."""
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
            "again": "{{ config(materialized='connected_components') }} "
            "select node as left_node, component as right_node from {{ ref('graphs') }}",
            "emptied": "{{ config(materialized='connected_components') }} "
            "select node as left_node, component as right_node from {{ ref('graphs') }}",
        },
        with_identity=False,
    )
    graph = nx.union_all(_graphs().values())
    _write_edges(project.folder / "edges.csv", graph)
    # The second run meets tables that exist.
    run = project.dbt(
        ({}, ["run"]),
        ({}, ["run", "--select", "again"]),
        ({}, ["run", "--select", "emptied", "--empty"]),
    )
    return project, graph, run


def test_every_node_gets_the_least_node_of_its_component(built):
    project, graph, _ = built
    expected = set()
    for component in nx.connected_components(graph):
        least = min(component)
        expected |= {(node, least) for node in component}
    found = project.rows("select node, component from tideline.graphs")
    assert len(found) == len(expected)
    assert set(found) == expected


def test_components_of_components_are_the_same(built):
    project, _, _ = built
    assert project.rows("from tideline.graphs except from tideline.again") == []


def test_rounds_are_logarithmic_on_chains(built):
    _, _, run = built
    rounds = re.search(r" graphs: connected components took (\d+) rounds", run.stdout)
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
