"""What a build made, on one page: `python -m orchestration.summary`.

Counts per stage that add up, segments and personas with their sizes, how good the models are, what
was delivered where; and, for the sample business, how much of the truth was found.
"""

import argparse
import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

from orchestration.activation.errors import ActivationError
from orchestration.activation.warehouse import Warehouse, open_warehouse
from orchestration.text import table

STAGES = {
    "landed rows": "select count(*) from {raw_messages}",
    "  events": "select count(*) from {fct_events}",
    "  duplicated": "select count(*) from {events_duplicated}",
    "  quarantined": "select count(*) from {events_quarantined}",
    "sessions": "select count(*) from {fct_sessions}",
    "identifiers": "select count(distinct identifier_id) from {identity_map}",
    "profiles": "select count(*) from {dim_profiles}",
    "memberships": "select count(*) from {segment_memberships}",
}


class _Tables(dict):
    """Full names of tables, looked up by their short ones."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self.warehouse = warehouse

    def __missing__(self, name: str) -> str:
        return self.warehouse.table(name)


def rows_of(warehouse: Warehouse, sql: str) -> list[tuple]:
    """Rows of a query that names the project's tables in braces."""
    return warehouse.query(sql.format_map(_Tables(warehouse)))


def section(head: Sequence[str], rows: Iterable[Sequence], otherwise: str = "none yet") -> str:
    """A table, or words for its absence."""
    rows = list(rows)
    return table(head, rows) if rows else f"  {otherwise}"


def pairs(groups: Iterable[int]) -> int:
    """How many pairs of members groups of these sizes hold."""
    return sum(size * (size - 1) // 2 for size in groups)


def without_guards(
    identifiers: Sequence[tuple[str, str, str]], edges: Sequence[tuple[str, str]]
) -> list[tuple[str, str, int]]:
    """`(id_type, id_value, component)` were no edge refused.

    Takes `(identifier_id, id_type, id_value)` and the two ends of each edge.
    """
    numbers = {identifier: number for number, (identifier, *_) in enumerate(identifiers)}
    lefts = [numbers[left] for left, _ in edges]
    rights = [numbers[right] for _, right in edges]
    graph = coo_array(([1] * len(edges), (lefts, rights)), shape=(len(numbers), len(numbers)))
    _, components = connected_components(graph, directed=False)
    return [
        (kind, value, component)
        for (_, kind, value), component in zip(identifiers, components.tolist(), strict=True)
    ]


def identity_quality(
    found: Iterable[tuple[str, str, str | int]], truth: Path
) -> tuple[float, float] | None:
    """Pairwise precision and recall of `(id_type, id_value, profile)` against the truth.

    Identifiers of several people (shared devices) and those without events are left out.
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


def against_truth(warehouse: Warehouse, truth: Path) -> list[str]:
    """Lines that compare identities and personas with the truth of the sample business."""
    lines = []
    quality = identity_quality(
        rows_of(warehouse, "select id_type, id_value, profile_id from {identity_map}"), truth
    )
    unguarded = identity_quality(
        without_guards(
            rows_of(warehouse, "select identifier_id, id_type, id_value from {identifiers}"),
            rows_of(warehouse, "select left_id, right_id from {identity_edges}"),
        ),
        truth,
    )
    if quality and unguarded:
        lines.append(
            f"  identity: pairwise precision {quality[0]:.3f}, recall {quality[1]:.3f} "
            f"(without the guards: precision {unguarded[0]:.3f}, recall {unguarded[1]:.3f})"
        )
    with (truth / "people.csv").open() as file:
        archetypes = {row["person_id"]: row["archetype"] for row in csv.DictReader(file)}
    with (truth / "identifiers.csv").open() as file:
        person_of = {
            row["id_value"]: row["person_id"]
            for row in csv.DictReader(file)
            if row["id_type"] == "user_id"
        }
    known = [
        (archetypes[person_of[user]], persona)
        for user, persona in rows_of(
            warehouse,
            "select user_id, persona_id from {dim_profiles} "
            "join {profile_personas} using (profile_id)",
        )
        if user in person_of
    ]
    if known:
        index = adjusted_rand_score(*zip(*known, strict=True))
        lines.append(
            f"  personas: adjusted Rand index {index:.3f} with the archetypes of "
            f"{len(known):,} people with an account"
        )
    return lines


def models(warehouse: Warehouse) -> list[str]:
    """The newest version of each model beside its best baseline, and what keeps it from scoring."""
    rows = rows_of(
        warehouse,
        "select model_name, model_version, auc, baseline, baseline_auc, is_promoted, judgement "
        "from {model_versions} where is_newest order by model_name",
    )
    missing = defaultdict(list)
    for name, finding in rows_of(
        warehouse,
        "select model_name, finding from {model_requirements} where not is_met "
        "order by model_name, requirement_number, requirement",
    ):
        missing[name].append(finding)
    return [
        section(
            ["model", "AUC", "best single feature", "its AUC", "promoted"],
            [(version, *numbers, promoted) for _, version, *numbers, promoted, _ in rows],
        ),
        *(
            f"  {version} is not promoted: {judgement}."
            for _, version, *_, promoted, judgement in rows
            if not promoted
        ),
        *(
            f"  {name} cannot be trained: {'; '.join(findings)}."
            for name, findings in missing.items()
        ),
    ]


def behaving(warehouse: Warehouse) -> str:
    """Why there are no personas yet."""
    count = rows_of(warehouse, "select count_if(is_for_training) from {persona_behaviors}")[0][0]
    return (
        f"none yet: {count or 0:,} profiles visited at least twice in 90 days; "
        "50 who behave in more than 3 ways are needed"
    )


def summary(warehouse: Warehouse, truth: Path | None = None) -> str:
    """The page."""
    counts = {stage: rows_of(warehouse, sql)[0][0] for stage, sql in STAGES.items()}
    last = rows_of(
        warehouse,
        "select count(*), count(distinct landed_file) from {raw_messages} "
        "where landed_at = (select max(landed_at) from {raw_messages})",
    )[0]
    parts = counts["  events"] + counts["  duplicated"] + counts["  quarantined"]
    clock = rows_of(warehouse, "select as_of from {data_clock}")[0][0]
    sections = [
        f"As of {clock:%Y-%m-%d %H:%M:%S} UTC",
        section(["stage", "rows"], counts.items()),
        f"  events + duplicated + quarantined = {parts:,}, "
        + ("all that landed." if parts == counts["landed rows"] else "NOT all that landed!"),
        f"  Landed last: {last[0]:,} rows in {last[1]:,} files.",
        "Segments",
        section(
            ["segment", "profiles", "label"],
            rows_of(
                warehouse,
                "select segment_name, profile_count, label from {segments} order by priority",
            ),
        ),
        "Personas",
        section(
            ["persona", "profiles"],
            rows_of(
                warehouse,
                "select persona_name, profile_count from {personas} order by profile_count desc",
            ),
            behaving(warehouse),
        ),
        "Models, on a later slice than they were trained on",
        *models(warehouse),
    ]
    if warehouse.exists(warehouse.schema, "activation_runs"):
        sections += [
            "Delivered by the last run of each sync",
            section(
                ["sync", "status", "adds", "updates", "removes", "accepted", "to"],
                rows_of(
                    warehouse,
                    "select sync_name, status, adds, updates, removes, accepted, destination "
                    "from {activation_runs} qualify row_number() over "
                    "(partition by sync_name order by started_at desc) = 1 order by sync_name",
                ),
            ),
        ]
    if truth and (truth / "people.csv").exists() and (found := against_truth(warehouse, truth)):
        sections += ["Against the truth of the sample", *found]
    return "\n".join(
        ("\n" if not section.startswith("  ") else "") + section for section in sections
    ).lstrip()


def main() -> int:
    """Print the page; 1 when there is no warehouse to speak of."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.summary", description="What the last build made, on one page."
    )
    parser.add_argument(
        "--truth", type=Path, help="folder with the truth of the sample business, to compare with"
    )
    options = parser.parse_args()
    try:
        with open_warehouse(os.environ) as warehouse:
            print(summary(warehouse, options.truth))
    except ActivationError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
