"""What a build made, on one page: `python -m orchestration.summary`.

Counts per stage that add up, segments and personas with their sizes, how good the models are, what
was delivered where; and, for the sample business, how much of the truth was found.
"""

import argparse
import csv
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from sklearn.metrics import adjusted_rand_score

from orchestration.activation.errors import ActivationError
from orchestration.activation.warehouse import Warehouse, open_warehouse
from orchestration.identity_quality import identity_quality
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


def section(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A table, or words for its absence."""
    rows = list(rows)
    return table(head, rows) if rows else "  none yet: too few people, or too few days"


def against_truth(warehouse: Warehouse, truth: Path) -> list[str]:
    """Lines that compare identities and personas with the truth of the sample business."""
    lines = [
        section(
            ["identity, by pairs of identifiers", "precision", "recall"],
            identity_quality(partial(rows_of, warehouse), truth),
        )
    ]
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
        ),
        "Models, on a later slice than they were trained on",
        section(
            ["model", "AUC", "baseline AUC", "promoted"],
            rows_of(
                warehouse,
                "select model_version, auc, baseline_auc, is_promoted from {model_versions} "
                "order by trained_as_of desc, model_name",
            )[:4],
        ),
        "  The baseline knows one feature: recency for churn, "
        "the value of the open cart for bundles.",
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
