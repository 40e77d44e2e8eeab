"""Account regions on small graphs in a simple implementation; the minimum cut by brute force."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import networkx as nx

Edge = tuple[str, str]


def grown_regions(rank_of: Mapping[Edge, object], roots: Iterable) -> dict:
    """The root of each node: all regions grow together, and each step takes the strongest edge.

    The lowest rank is the strongest; ranks are unique. Nodes without a path to a root are left out.
    """
    neighbours = defaultdict(list)
    for (left, right), rank in rank_of.items():
        neighbours[left].append((rank, right))
        neighbours[right].append((rank, left))
    region = {root: root for root in roots}
    reachable = [(rank, node, root) for root in region for rank, node in neighbours[root]]
    heapq.heapify(reachable)
    while reachable:
        _, node, root = heapq.heappop(reachable)
        if node not in region:
            region[node] = root
            for rank, neighbour in neighbours[node]:
                heapq.heappush(reachable, (rank, neighbour, root))
    return region


def refused_edges(rank_of: Mapping[Edge, object], roots: Iterable) -> set[Edge]:
    """The edges between two regions."""
    region = grown_regions(rank_of, roots)
    return {edge for edge in rank_of if region.get(edge[0]) != region.get(edge[1])}


def is_cut(edges: Collection[Edge], refused: Collection[Edge], roots: Iterable) -> bool:
    """Whether no two roots are connected without the refused edges."""
    graph = nx.Graph(edge for edge in edges if edge not in refused)
    graph.add_nodes_from(roots)
    return all(
        sum(root in component for root in roots) <= 1
        for component in nx.connected_components(graph)
    )


def least_cut(edges: Collection[Edge], roots: Collection) -> int:
    """The smallest number of edges, none of them at a root, that separates all roots.

    Tries every assignment of nodes to regions.
    """
    region = {root: root for root in roots}
    inner = []
    for left, right in edges:
        if left in roots or right in roots:
            root, node = (left, right) if left in roots else (right, left)
            region[node] = root
        else:
            inner.append((left, right))
    free = sorted({node for edge in inner for node in edge} - region.keys())
    return min(
        sum(owner[left] != owner[right] for left, right in inner)
        for owners in itertools.product(roots, repeat=len(free))
        for owner in [region | dict(zip(free, owners, strict=True))]
    )
