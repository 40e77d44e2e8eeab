"""Pairwise precision and recall of identity against the truth of the sample business.

The build is compared with two other ways to treat the same evidence: without any guard, and with
the former guard of bridges. That guard refused every edge without an account in a component with
several accounts.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Identifier = tuple[str, str, str]  # identifier_id, id_type, id_value
Edge = tuple[str, str]
Found = tuple[str, str, str | int]  # id_type, id_value, profile

BUILT = "select id_type, id_value, profile_id from {identity_map}"
IDENTIFIERS = "select identifier_id, id_type, id_value from {identifiers}"
EDGES = "select left_id, right_id from {identity_edges}"
# Identifiers that belong to one profile for all time; a device of several accounts joins nothing.
LASTING = """
    select identifier_id, id_type, id_value from {identity_map}
    where valid_from is null and valid_to is null
"""
BEFORE_BRIDGES = """
    select left_id, right_id from {identity_edges}
    where edge_id not in (
        select blocked_id from {identity_blocked} where rule <> 'bridges_two_accounts'
    )
"""
ACCOUNT_TYPES = "select id_type from {identifier_rules} where is_unique_per_profile"


def components(identifiers: Sequence[Identifier], edges: Iterable[Edge]) -> list[int]:
    """The component number of each identifier; edges to unknown identifiers are ignored."""
    numbers = {identifier: number for number, (identifier, *_) in enumerate(identifiers)}
    ends = [
        (numbers[left], numbers[right])
        for left, right in edges
        if left in numbers and right in numbers
    ]
    lefts, rights = zip(*ends, strict=True) if ends else ((), ())
    graph = coo_array(([1] * len(ends), (lefts, rights)), shape=(len(numbers), len(numbers)))
    return connected_components(graph, directed=False)[1].tolist()


def by_component(identifiers: Sequence[Identifier], edges: Iterable[Edge]) -> list[Found]:
    """The identifiers with their component as profile."""
    found = components(identifiers, edges)
    return [(kind, value, one) for (_, kind, value), one in zip(identifiers, found, strict=True)]


def without_contested(
    identifiers: Sequence[Identifier], edges: Sequence[Edge], account_types: Collection[str]
) -> list[Edge]:
    """The edges without those that the former guard refuses.

    It refuses edges without an account in a component with several accounts of one type.
    """
    found = components(identifiers, edges)
    accounts = Counter(
        (component, kind)
        for (_, kind, _), component in zip(identifiers, found, strict=True)
        if kind in account_types
    )
    contested = {component for (component, _), count in accounts.items() if count > 1}
    component_of = {
        identifier: component
        for (identifier, *_), component in zip(identifiers, found, strict=True)
    }
    return [
        edge
        for edge in edges
        if component_of.get(edge[0]) not in contested
        or any(end.partition(":")[0] in account_types for end in edge)
    ]


def pairs(groups: Iterable[int]) -> int:
    """The number of pairs within groups of these sizes."""
    return sum(size * (size - 1) // 2 for size in groups)


def precision_and_recall(found: Iterable[Found], truth: Path) -> tuple[float, float] | None:
    """Precision and recall of pairs in one profile, against pairs of one person.

    Identifiers of several people (shared devices, inboxes) and those without events are left out.
    Returns None if there are no pairs.
    """
    people = defaultdict(set)
    with (truth / "identifiers.csv").open() as file:
        for row in csv.DictReader(file):
            people[row["id_type"], row["id_value"]].add(row["person_id"])
    owners = [
        (profile, next(iter(people[kind, value])))
        for kind, value, profile in found
        if len(people.get((kind, value), ())) == 1
    ]
    together = pairs(Counter(owners).values())
    claimed = pairs(Counter(profile for profile, _ in owners).values())
    true = pairs(Counter(person for _, person in owners).values())
    return (together / claimed, together / true) if claimed and true else None


def identity_quality(
    rows: Callable[[str], list[tuple]], truth: Path
) -> Iterator[tuple[str, float, float]]:
    """Rows of method, precision and recall: the build and the two other ways.

    `rows` runs a query that names the project's tables in braces.
    """
    lasting = rows(LASTING)
    account_types = {kind for (kind,) in rows(ACCOUNT_TYPES)}
    former = without_contested(lasting, rows(BEFORE_BRIDGES), account_types)
    for what, found in (
        ("with the guards", rows(BUILT)),
        ("with the former guard of bridges", by_component(lasting, former)),
        ("without the guards", by_component(rows(IDENTIFIERS), rows(EDGES))),
    ):
        if quality := precision_and_recall(found, truth):
            yield what, *quality
