"""Check, list and preview the declared segments: `tideline segments -h`."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.files import FOLDER, SUFFIXES
from tideline.declarations.formulas import formulas_of
from tideline.declarations.rules import columns_of_rule
from tideline.declarations.segments import (
    PROJECT,
    Declared,
    read_creatives,
    read_experiments,
    read_segments,
    read_traits,
)
from tideline.declarations.syncs import Sync, read_syncs
from tideline.declarations.unreachable import empty_attributes, shop_is_on
from tideline.segments.check import check
from tideline.segments.examples import examples_that_fail
from tideline.segments.models import plan_rows
from tideline.segments.people_lists import unread_lists
from tideline.segments.preview import (
    MARKDOWN_HEAD,
    SYNCS_NOTE,
    Preview,
    as_dict,
    as_markdown,
    as_text,
    preview,
)
from tideline.segments.remarks import remarks_of, remarks_of_creatives, remarks_of_trait
from tideline.text import counted, listed, nearest, shown_path, table
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import DeclarationError, WarehouseError
from tideline.warehouse.paths import path_of, target_of
from tideline.warehouse.publication import outdated_since, published_path

FORMS = ("text", "json", "markdown")
OUTDATED = (
    "The warehouse has changed since the publication of {:%Y-%m-%d %H:%M} UTC; after a build run "
    "`tideline publish` first."
)
MISSING = "No {} event was accepted in the last build; build first if it has landed since."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = parser_of(
        "segments",
        """
        Check all declarations without a build, list the segments, or preview some:
        who would be in, who enters and who leaves compared with the last publication (or build, if
        nothing is published), and why; its size on each of the last 30 days; what the syncs would
        send; and what it costs.

        A preview computes the traits of the declaration from the published events; features, scores
        and personas are those of the last publication.
        """,
        {
            "tideline segments check": "check all declarations, and run their examples",
            "tideline segments preview churn_risk": "preview one segment",
            "tideline segments preview models/segments/crm/customers.yml": "those of a file",
            "tideline segments preview --format markdown": "all, as a table for a pull request",
        },
        "docs/how-to/add-a-segment.md shows how to declare one.",
    )
    parser.add_argument("action", choices=("check", "list", "preview"), help="what to do")
    parser.add_argument(
        "which", nargs="*", metavar="NAME|FILE", help="segments to preview (default: all)"
    )
    parser.add_argument("--format", choices=FORMS, default="text", help="form of the preview")
    options = parser.parse_args(arguments)
    if options.which and options.action != "preview":
        parser.error(f"{options.action} takes no names")
    has_shop = shop_is_on(PROJECT)
    segments, traits = read_segments(PROJECT, has_shop), read_traits(PROJECT, has_shop)
    if options.action == "check":
        experiments = read_experiments(PROJECT, has_shop)
        creatives = read_creatives(PROJECT, has_shop)
        problems = check(PROJECT, segments, traits, experiments, creatives) or examples_that_fail(
            PROJECT, segments, traits, plan_rows(PROJECT / "seeds")
        )
        if problems:
            print("\n".join(f"error: {each}" for each in problems), file=sys.stderr)
            return 1
        unused = remarks_of_creatives(creatives, segments)
        for each in [*remarks(segments, traits), *unused, *unread_lists(PROJECT, traits)]:
            print(f"warning: {each}", file=sys.stderr)
        counts = {"segment": segments, "trait": traits, "creative": creatives}
        counts["experiment"] = experiments
        found = listed([counted(len(each), name) for name, each in counts.items()], "and")
        print(f"{found} are valid.")
        examples = sum(len(each.spec.examples) for each in segments)
        print(f"{counted(examples, 'example')} {'holds' if examples == 1 else 'hold'}.")
    elif options.action == "list":
        print(listing(segments))
    else:
        chosen = [each for word in options.which for each in found_by(word, segments)]
        plan, warehouse = plan_rows(PROJECT / "seeds"), open_published()
        syncs, unknown = declared_syncs(target_of() / "manifest.json")
        with warehouse:
            shown = [preview(warehouse, each, traits, plan, syncs) for each in chosen or segments]
            missing = missing_events(warehouse, chosen or segments, traits)
        outdated = outdated_since(path_of("TIDELINE_WAREHOUSE"))
        print(formatted(shown, options.format, missing, outdated, unknown))
    return 0


def remarks(segments: Sequence[Declared], traits: Sequence[Declared]) -> list[str]:
    """The remarks on traits and segments that are not retired, each with its place."""
    found = [(each, remark) for each in traits for remark in remarks_of_trait(each)]
    used = [each for each in segments if each.spec.lifecycle != "retired"]
    found += [(each, remark) for each in used for remark in remarks_of(each)]
    return [f"{each.place}: {remark}" for each, remark in found]


def declared_syncs(manifest: Path) -> tuple[list[Sync], str | None]:
    """The syncs of dbt's manifest, and why they are not known."""
    try:
        return read_syncs(manifest, DESTINATIONS), None
    except DeclarationError as error:
        return [], str(error)


def found_by(word: str, segments: Sequence[Declared]) -> list[Declared]:
    """The segments with this name, or in this file. Raises DeclarationError if there is none."""
    path = Path(word).resolve()
    found = [each for each in segments if word == each.name or path == PROJECT / each.file]
    if not found and path.suffix in SUFFIXES:
        raise DeclarationError(
            f"{shown_path(path)} declares no segment that is read; segments are declared in files "
            f"in the subfolders of {shown_path(PROJECT / FOLDER)}"
        )
    if not found:
        names = [each.name for each in segments]
        raise DeclarationError(f"no segment `{word}` is declared; {nearest(word, names)}")
    return found


def listing(segments: Sequence[Declared]) -> str:
    """The segments as a table of text."""
    rows = [
        (each.name, each.spec.owner, each.spec.priority, each.spec.lifecycle, each.file)
        for each in sorted(segments, key=lambda each: (each.spec.owner, each.spec.priority))
    ]
    return table(["segment", "owner", "priority", "lifecycle", "file"], rows)


def open_published() -> DuckDBWarehouse:
    """The published file, or the warehouse if nothing is published. Raises WarehouseError."""
    if (os.environ.get("DBT_TARGET") or "duckdb") != "duckdb":
        raise WarehouseError(
            "a preview reads DuckDB only; on Snowflake build the segment with `lifecycle: draft`, "
            "then live"
        )
    warehouse = path_of("TIDELINE_WAREHOUSE")
    published = published_path(warehouse)
    return DuckDBWarehouse(published if published.is_file() else warehouse, read_only=True)


def missing_events(
    warehouse: DuckDBWarehouse, segments: Sequence[Declared], traits: Sequence[Declared]
) -> dict[str, list[tuple[str, ...]]]:
    """By segment: the events of each attribute of its rule that has no accepted event at all."""
    rows = warehouse.query(f"select distinct event_name from {warehouse.table('fct_events')}")
    empty = empty_attributes({name for (name,) in rows}, PROJECT)
    formulas = formulas_of(traits)
    found = {}
    for each in segments:
        names: list[str] = []
        for name in columns_of_rule(each.rule.tree):
            names += columns_of_rule(formulas[name]) if name in formulas else [name]
        found[each.name] = list(dict.fromkeys(empty[n].needs for n in names if n in empty))
    return found


def formatted(
    previews: Sequence[Preview],
    form: str,
    missing: Mapping[str, Sequence[tuple[str, ...]]],
    outdated: datetime | None,
    without_syncs: str | None = None,
) -> str:
    """Previews as text, JSON or Markdown, with the missing events of each segment.

    `outdated` is the time of the publication if the warehouse has changed since; `without_syncs`
    says why the syncs are not known.
    """
    if form == "json":
        shown = [
            as_dict(each)
            | {
                "missing_events": sorted({*itertools.chain(*missing[each.segment.name])}),
                "is_outdated": outdated is not None,
                "without_syncs_because": without_syncs,
            }
            for each in previews
        ]
        return json.dumps(shown, indent=2, ensure_ascii=False)
    parts = [OUTDATED.format(outdated)] if outdated else []
    said = {
        name: [MISSING.format(listed(f"`{event}`" for event in events)) for events in found]
        for name, found in missing.items()
    }
    if form == "markdown":
        parts.append("\n".join([MARKDOWN_HEAD, *map(as_markdown, previews)]))
        parts += [f"`{name}`: {' '.join(lines)}" for name, lines in said.items() if lines]
    else:
        for each in previews:
            lines = [f"  {line}" for line in said[each.segment.name]]
            parts.append("\n".join([as_text(each), *lines]))
    if without_syncs:
        parts.append(f"What syncs would send is not known: {without_syncs}")
    elif any(each.deliveries for each in previews):
        parts.append(SYNCS_NOTE)
    return "\n\n".join(parts)
