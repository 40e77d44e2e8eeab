"""Compares the last build with the truth of the sample shop."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

from sklearn.metrics import adjusted_rand_score

from examples.shop.identity_quality import identity_quality
from tideline.summary import rows_of, section
from tideline.warehouse.connection import Warehouse


def against_truth(warehouse: Warehouse, truth: Path) -> str:
    """Quality of identity and personas against the truth of `tideline sample`, as text."""
    lines = [
        "Against the truth of the sample",
        section(
            ["identity, by pairs of identifiers", "precision", "recall"],
            identity_quality(partial(rows_of, warehouse), truth),
        ),
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
    return "\n".join(lines)
