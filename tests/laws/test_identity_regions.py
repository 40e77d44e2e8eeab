"""Regions of accounts: the materialization, the edges between them, and their number."""

import csv
import random
from datetime import datetime

import networkx as nx
import pytest

from tests.support.identity_project import ScratchProject, identity_model
from tests.support.identity_regions import (
    grown_regions,
    is_cut,
    least_cut,
    refused_edges,
)

CHAIN = 3_000
GRAPHS = """
    {{ config(materialized='account_regions') }}

    select
        left_node,
        right_node,
        edge_rank
    from read_csv('graphs.csv', types = {'edge_rank': 'bigint'}, all_varchar = false)
"""
# The inputs of the regions, read from files. `hubspot_id` is a second type of account here.
GUARDS = {
    "identifier_rules": """
        select
            unnest(['user_id', 'hubspot_id', 'anonymous_id', 'email']) as id_type,
            unnest([true, true, false, false]) as is_unique_per_profile
    """,
    "int_reached_edge_guards": """
        select
            md5(md5(left_id) || md5(right_id)) as edge_id,
            *,
            split_part(left_id, ':', 1) as left_type,
            split_part(right_id, ':', 1) as right_type,
            null as rule
        from read_csv('edges.csv', types = {'probability': 'double'})
    """,
    "int_reached_identifier_guards": """
        select
            nodes.identifier_id,
            identifier_rules.id_type,
            identifier_rules.is_unique_per_profile,
            null as rule
        from (
            select left_id as identifier_id from {{ ref('int_reached_edge_guards') }}
            union
            select right_id from {{ ref('int_reached_edge_guards') }}
        ) as nodes
        inner join {{ ref('identifier_rules') }} as identifier_rules
            on split_part(nodes.identifier_id, ':', 1) = identifier_rules.id_type
    """,
}
# By scenario: edges as (left, right, events or probability, day), and the refused pairs.
SCENARIOS = {
    "a chain between two accounts is cut once, at its weakest edge": (
        [("a", "user_id:1", 9, 1), ("a", "email:x", 2, 1), ("b", "email:x", 1, 1),
         ("b", "user_id:2", 1, 1)],
        {("b", "email:x")},
    ),
    "of two edges as strong the later one goes": (
        [("a", "user_id:1", 1, 1), ("a", "email:x", 2, 5), ("b", "email:x", 2, 4),
         ("b", "user_id:2", 1, 1)],
        {("a", "email:x")},
    ),
    "of two as strong and as old the last by name goes": (
        [("a", "user_id:1", 1, 1), ("a", "email:x", 2, 4), ("b", "email:x", 2, 4),
         ("b", "user_id:2", 1, 1)],
        {("b", "email:x")},
    ),
    "what was seen with an account stays, however strong the rest": (
        [("a", "user_id:1", 1, 9), ("a", "email:x", 50, 1), ("email:x", "user_id:2", 1, 9)],
        {("a", "email:x")},
    ),
    "a match goes before what was seen": (
        [("a", "user_id:1", 1, 1), ("a", "email:x", 0.999, 1), ("b", "email:x", 1, 9),
         ("b", "user_id:2", 1, 1)],
        {("a", "email:x")},
    ),
    "of two matches the less probable goes": (
        [("a", "user_id:1", 1, 1), ("a", "email:x", 0.96, 1), ("b", "email:x", 0.97, 9),
         ("b", "user_id:2", 1, 1)],
        {("a", "email:x")},
    ),
    "limbs of a certain owner stay": (
        [("a", "user_id:1", 3, 1), ("a", "email:x", 1, 2), ("c", "email:x", 1, 8),
         ("c", "email:leaf", 1, 9), ("b", "user_id:2", 3, 1), ("b", "email:y", 1, 3),
         ("d", "email:y", 1, 8), ("a", "email:y", 1, 7)],
        {("a", "email:y")},
    ),
    "three accounts on a tree are cut twice": (
        [("a", "user_id:1", 1, 1), ("b", "user_id:2", 1, 1), ("c", "user_id:3", 1, 1),
         ("a", "email:x", 3, 1), ("b", "email:x", 2, 1), ("c", "email:x", 1, 1)],
        {("b", "email:x"), ("c", "email:x")},
    ),
    "two accounts that are matched themselves": (
        [("user_id:1", "user_id:2", 0.99, 1), ("a", "user_id:1", 1, 1)],
        {("user_id:1", "user_id:2")},
    ),
    "each type of account has regions of its own": (
        [("a", "user_id:1", 1, 1), ("a", "hubspot_id:1", 1, 1), ("a", "email:x", 1, 1),
         ("email:x", "hubspot_id:2", 1, 1)],
        {("a", "email:x")},
    ),
    "one account of each type is no conflict": (
        [("a", "user_id:1", 1, 1), ("a", "hubspot_id:1", 1, 1), ("a", "email:x", 1, 1)],
        set(),
    ),
}  # fmt: skip


def scenario_edges() -> list[tuple]:
    """The edges of all scenarios; identifiers have the suffix of their scenario."""
    rows = []
    for number, (edges, _) in enumerate(SCENARIOS.values()):
        for left, right, weight, day in edges:
            ends = sorted(scenario_id(end, number) for end in (left, right))
            is_match = isinstance(weight, float)
            said = [0 if is_match else weight, weight if is_match else None]
            rows.append((*ends, *said, datetime(2026, 1, day)))
    return rows


def scenario_id(name: str, number: int) -> str:
    """An identifier of a scenario; without a type it is a cookie."""
    return f"{name if ':' in name else f'anonymous_id:{name}'}-{number:02}"


def random_graph(chance: random.Random, accounts: int, nodes: int, extra: int) -> tuple:
    """A tree with some more edges, and its roots. Edges to accounts have the lowest ranks.

    No node is next to two accounts, because such an edge is refused earlier.
    """
    roots = [f"account:{number}" for number in range(accounts)]
    others = [f"node:{number:02}" for number in range(nodes)]
    edges = {tuple(sorted((others[n], chance.choice(others[:n])))) for n in range(1, nodes)}
    edges |= {tuple(sorted(chance.sample(others, 2))) for _ in range(extra)}
    edges |= set(zip(roots, chance.sample(others, accounts), strict=True))
    shuffled = chance.sample(sorted(edges), len(edges))
    shuffled.sort(key=lambda edge: edge[0] not in roots)
    return roots, {edge: rank for rank, edge in enumerate(shuffled, 1)}


def materialized_graphs() -> tuple[dict, list]:
    """Many random graphs and two long chains as one graph: its ranks and roots."""
    chance = random.Random(3)
    graphs = [
        random_graph(chance, chance.randint(1, 6), chance.randint(6, 40), chance.randint(0, 30))
        for _ in range(60)
    ]
    for order in (sorted, lambda ranks: chance.sample(ranks, CHAIN)):
        chain = list(nx.path_graph([f"node:{n:05}" for n in range(CHAIN + 1)]).edges)
        ranks = dict(zip(chain, order(range(1, CHAIN + 1)), strict=True))
        graphs.append(([chain[0][0], chain[-1][1]], ranks))
    rank_of, roots = {}, []
    for number, (its_roots, ranks) in enumerate(graphs):
        roots += [f"{root}/{number}" for root in its_roots]
        first = len(rank_of)
        for (left, right), rank in ranks.items():
            rank_of[f"{left}/{number}", f"{right}/{number}"] = first + rank
    return rank_of, roots


def write(path, head: str, rows: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head.split(), *rows])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    models = {"graphs": GRAPHS, **GUARDS}
    models |= {
        name: identity_model(name)
        for name in (
            "int_reached_components",
            "int_reached_account_regions",
            "int_reached_edges_joining_accounts",
        )
    }
    project = ScratchProject(tmp_path_factory.mktemp("regions") / "project", models, False)
    rank_of, roots = materialized_graphs()
    chance = random.Random(4)
    rows = [(*chance.sample(edge, 2), rank) for edge, rank in rank_of.items()]
    rows += [(root, root, 0) for root in roots]
    write(
        project.folder / "graphs.csv",
        "left_node right_node edge_rank",
        chance.sample(rows, len(rows)),
    )
    edges = scenario_edges()
    write(
        project.folder / "edges.csv",
        "left_id right_id event_count probability first_received_at",
        chance.sample(edges, len(edges)),
    )
    run = project.dbt(({}, ["run"]))
    assert run.returncode == 0, run.stdout
    return project, rank_of, roots, run.stdout


def test_regions_are_those_that_grow_edge_by_edge(built):
    project, rank_of, roots, _ = built
    found = project.rows("select node, region from tideline.graphs")
    assert len(found) == len({node for edge in rank_of for node in edge})
    assert dict(found) == grown_regions(rank_of, roots)


def test_rounds_are_few_and_no_working_table_is_left(built):
    project, rank_of, _, said = built
    nodes = len({node for edge in rank_of for node in edge})
    assert f"graphs: account regions of {nodes} nodes took " in said
    rounds = int(said.split(f"regions of {nodes} nodes took ")[1].split()[0])
    assert 1 < rounds <= 12  # log2 of the nodes of a chain
    assert project.rows("select 1 from duckdb_tables() where temporary or table_name ~ '__'") == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_more_edges_than_necessary_are_refused(built, name):
    project, *_ = built
    number = list(SCENARIOS).index(name)
    found = project.rows(
        "select left_id, right_id from tideline.int_reached_edge_guards"
        " where edge_id in (select edge_id from tideline.int_reached_edges_joining_accounts)"
    )
    expected = {
        tuple(sorted(scenario_id(end, number) for end in edge)) for edge in SCENARIOS[name][1]
    }
    assert {edge for edge in found if edge[0].endswith(f"-{number:02}")} == expected


def test_a_refusal_names_the_accounts_it_separates(built):
    project, *_ = built
    reasons = {
        reason
        for (reason,) in project.rows(
            "select reason from tideline.int_reached_edges_joining_accounts"
        )
    }
    assert "would join user_id:1-00 and user_id:2-00" in reasons
    assert "would join hubspot_id:1-09 and hubspot_id:2-09" in reasons


def test_each_refused_edge_alone_would_join_two_accounts():
    """No part of the cut is sufficient, so a branch of a single account is never cut off."""
    chance = random.Random(5)
    refused_in_all = 0
    for _ in range(300):
        roots, rank_of = random_graph(chance, chance.randint(2, 5), 14, chance.randint(0, 12))
        refused = refused_edges(rank_of, roots)
        assert is_cut(rank_of, refused, roots)
        for edge in refused:
            assert not is_cut(rank_of, refused - {edge}, roots)
            assert not set(edge) & set(roots)
        refused_in_all += len(refused)
    assert refused_in_all > 1000


def test_later_and_weaker_edges_change_no_region():
    chance = random.Random(6)
    for _ in range(200):
        roots, rank_of = random_graph(chance, 3, 12, 6)
        earlier = dict(sorted(rank_of.items(), key=lambda item: item[1])[: len(rank_of) // 2])
        before, after = grown_regions(earlier, roots), grown_regions(rank_of, roots)
        assert {node: after[node] for node in before} == before


# Accounts, other nodes, additional edges: maximum ratio of refused edges to the minimum cut.
SMALL = {(2, 7, 0): 1.0, (3, 6, 0): 1.0, (2, 7, 3): 1.3, (2, 8, 6): 1.45, (3, 7, 4): 1.25}


@pytest.mark.parametrize(("shape", "most"), SMALL.items(), ids=str)
def test_how_far_from_the_least_cut(shape, most, record_property):
    """The ratio over 200 random graphs with edge strengths independent of their shape."""
    chance = random.Random(7)
    refused_count = least_count = former_count = 0
    for _ in range(200):
        roots, rank_of = random_graph(chance, *shape)
        refused, least = len(refused_edges(rank_of, roots)), least_cut(rank_of, roots)
        assert refused >= least
        refused_count += refused
        least_count += least
        former_count += sum(not set(edge) & set(roots) for edge in rank_of)
    ratio = refused_count / least_count
    record_property("refused_to_least", ratio)
    print(f"{shape}: {refused_count} / {least_count} = {ratio:.2f}, formerly {former_count}")
    assert ratio <= most
