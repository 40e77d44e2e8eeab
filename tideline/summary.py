"""The result of the last build on one page: `tideline summary`.

It shows row counts per stage, events, segments and personas with their sizes, the quality of the
models and the last deliveries.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tideline.declarations.unreachable import Attribute, sentences, without_members
from tideline.segments.why import built_rules
from tideline.text import counted, shown, table
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import Warehouse, open_warehouse
from tideline.warehouse.errors import NO_TABLE, WarehouseError
from tideline.warehouse.paths import path_of

MOST_REASONS = 6
OTHERS = "Others"  # python_models/persona_centroids.py names a persona so
MOST_EVENTS = 12
EVENT_FILES = (".jsonl", ".jsonl.gz", ".parquet")
LONGEST_REASON = 100
MOST_RULES = 3
# Ends a rule of `identity_blocked` that begins with the type of an identifier.
OF_TWO = "_of_two_accounts"
REFUSALS = {
    "blocklisted": "that name nobody",
    "shared_device": "whose device has several accounts",
    "shared_by_many": "that too many share",
    "bridges_two_accounts": "that would join two accounts",
    "excluded": "of a pair in identity_exclusions",
}
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
    """Full names of tables by their short names, looked up on first use."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self.warehouse = warehouse

    def __missing__(self, name: str) -> str:
        if not self.warehouse.has(name):
            raise WarehouseError(f"{self.warehouse.place} {NO_TABLE.format(name)}")
        return self.warehouse.table(name)


def rows_of(warehouse: Warehouse, sql: str) -> list[tuple]:
    """The rows of a query that names the project's tables in braces."""
    return warehouse.query(sql.format_map(_Tables(warehouse)))


def section(head: Sequence[str], rows: Iterable[Sequence], otherwise: str = "none yet") -> str:
    """A table as text, or `otherwise` if there are no rows."""
    rows = list(rows)
    return table(head, rows) if rows else f"  {otherwise}"


def quarantined(warehouse: Warehouse) -> list[str]:
    """The most frequent reasons for which rows are quarantined, and what to do about them."""
    reasons = rows_of(
        warehouse,
        "select reason, count(*), count(distinct event_name) from {events_quarantined} "
        "group by reason order by 2 desc, 1",
    )
    if not reasons:
        return []
    first, more = reasons[:MOST_REASONS], reasons[MOST_REASONS:]
    rows = [
        (shown(reason, LONGEST_REASON), count, unknown(events) if reason == "unknown event" else "")
        for reason, count, events in first
    ]
    lines = [table(["quarantined because", "rows", ""], rows)]
    if more:
        rest = counted(sum(count for _, count, _ in more), "row")
        lines.append(f"  and {counted(len(more), 'more reason')} with {rest}")
    where = "  `events_quarantined` holds each row"
    if any(reason == "unknown event" or ": " in reason for reason, *_ in reasons):
        where += (
            "; docs/how-to/change-the-tracking-plan.md tells how to change the plan for such rows"
        )
    return [*lines, f"{where}."]


def unknown(events: int) -> str:
    """What to do about events that the tracking plan does not know."""
    return f"of {counted(events, 'event')}; `tideline plan infer` names the lines to add"


def refused_evidence(warehouse: Warehouse) -> list[str]:
    """How many identifiers and links identity refused, and the most frequent reasons."""
    rules = rows_of(warehouse, "select rule, count(*) from {identity_blocked} group by rule")
    counts: Counter[str] = Counter()
    for rule, number in sorted(rules):
        counts[in_words(rule)] += number
    if not counts:
        return []
    refused = counted(counts.total(), "identifier or link", "identifiers and links")
    some = ", most of them" if len(counts) > MOST_RULES else ""
    most = ", ".join(f"{number:,} {why}" for why, number in counts.most_common(MOST_RULES))
    return [
        f"  Identity refused {refused}{some}: {most}.",
        "  `identity_blocked` lists them; docs/how-to/correct-identity.md tells how to correct it.",
    ]


def in_words(rule: str) -> str:
    """A rule of `identity_blocked` in words that follow a number."""
    if rule.endswith(OF_TWO):
        return f"whose {rule.removesuffix(OF_TWO)} has several accounts"
    return REFUSALS.get(rule, "beyond what one profile may hold")


def unreachable(warehouse: Warehouse) -> list[str]:
    """A line per missing event because of which segments have no members."""
    rules = {name: each.tree for name, each in built_rules(warehouse).items()}
    accepted = [
        name for (name,) in rows_of(warehouse, "select distinct event_name from {fct_events}")
    ]
    why = "was accepted, so these segments have no members"
    return [f"  {line}" for line in sentences(rules, accepted, why)]


def without_scores(warehouse: Warehouse) -> list[str]:
    """A line per model without scores whose score a segment needs."""
    rules = {name: each.tree for name, each in built_rules(warehouse).items()}
    models = rows_of(
        warehouse,
        "select model_name from {model_declarations} where model_name not in "
        "(select model_name from {profile_scores}) order by model_name",
    )
    empty = {f"{name}_score": Attribute((name,), (None,)) for (name,) in models}
    return [
        f"  Model {model} scores nobody (see below), so these segments have no members: "
        f"{', '.join(segments)}."
        for (model,), segments in without_members(rules, empty).items()
    ]


def models(warehouse: Warehouse) -> list[str]:
    """The newest version of each model, its best baseline, and why it is not used for scoring."""
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


def as_of(warehouse: Warehouse, events: int) -> str:
    """The data clock, which means nothing before the first event."""
    clock = rows_of(warehouse, "select as_of from {data_clock}")[0][0]
    return f"As of {clock:%Y-%m-%d %H:%M:%S} UTC" if events else "No event has been accepted yet"


def waiting(warehouse: Warehouse, landing: Path) -> list[str]:
    """A line if the landing folder has event files that no build has read as they are now."""
    if not warehouse.has("landed_files"):  # elsewhere another program loads the files
        return []
    read = set(rows_of(warehouse, "select path, size_bytes from {landed_files}"))
    paths = [path for path in (landing / "events").glob("*") if path.name.endswith(EVENT_FILES)]
    found = [path for path in paths if (f"events/{path.name}", path.stat().st_size) not in read]
    if not found:
        return []
    return [f"  No build has read {counted(len(found), 'file')} of {landing}: run `dbt build`."]


def events(warehouse: Warehouse) -> list[str]:
    """The most frequent events of profiles, and how many others there are."""
    rows = rows_of(
        warehouse,
        "select event_name, count(*), count(distinct profile_id) from {profile_timeline} "
        "group by event_name order by 2 desc, 1",
    )
    first, more = rows[:MOST_EVENTS], rows[MOST_EVENTS:]
    lines = [section(["event", "rows", "profiles"], first)]
    if more:
        rest = counted(sum(count for _, count, _ in more), "row")
        lines.append(f"  and {counted(len(more), 'other event')} with {rest}")
    return lines


def persona_sizes(warehouse: Warehouse) -> list[str]:
    """The personas with their sizes, and what `Others` means if a persona is called so."""
    rows = rows_of(
        warehouse,
        "select persona_name, profile_count from {personas} order by profile_count desc",
    )
    lines = [section(["persona", "profiles"], rows, "" if rows else behaving(warehouse))]
    if any(name.startswith(OTHERS) for name, _ in rows):
        lines.append(f"  {OTHERS}: no name for a behavior tells this persona from the rest.")
    return lines


def without_persona(warehouse: Warehouse) -> list[str]:
    """A line if there are personas, but not every profile has one."""
    ((profiles, members),) = rows_of(
        warehouse,
        "select (select count(*) from {dim_profiles}), (select count(*) from {profile_personas})",
    )
    if not members or members == profiles:
        return []
    return [
        f"  {profiles - members:,} of {profiles:,} profiles have no persona: they have no session "
        "in the 90 days before the data clock. Events with an email alone are in no session."
    ]


def behaving(warehouse: Warehouse) -> str:
    """The reason why there are no personas yet."""
    count = rows_of(warehouse, "select count_if(is_for_training) from {persona_behaviors}")[0][0]
    return (
        f"none yet: {count or 0:,} profiles visited at least twice in 90 days; "
        "50 who behave in more than 3 ways are needed"
    )


def summary(warehouse: Warehouse) -> str:
    """The page as text."""
    counts = {stage: rows_of(warehouse, sql)[0][0] for stage, sql in STAGES.items()}
    last = rows_of(
        warehouse,
        "select count(*), count(distinct landed_file) from {raw_messages} "
        "where landed_at = (select max(landed_at) from {raw_messages})",
    )[0]
    parts = counts["  events"] + counts["  duplicated"] + counts["  quarantined"]
    sections = [
        as_of(warehouse, counts["  events"]),
        section(["stage", "rows"], counts.items()),
        f"  events + duplicated + quarantined = {parts:,}, "
        + ("all that landed." if parts == counts["landed rows"] else "NOT all that landed!"),
        f"  Landed last: {counted(last[0], 'row')} in {counted(last[1], 'file')}.",
        *waiting(warehouse, path_of("TIDELINE_LANDING")),
        *quarantined(warehouse),
        *refused_evidence(warehouse),
        "Events",
        *events(warehouse),
        "Segments",
        section(
            ["segment", "profiles", "label"],
            rows_of(
                warehouse,
                "select segment_name, profile_count, label from {segments} "
                "where lifecycle = 'live' order by priority, segment_name",
            ),
            "none is declared: see docs/how-to/add-a-segment.md",
        ),
        *unreachable(warehouse),
        *without_scores(warehouse),
        "Personas",
        *persona_sizes(warehouse),
        *without_persona(warehouse),
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
                    "select sync_name, status, adds, updates, removes, accepted, "
                    "split_part(destination, ':', 1) from {activation_runs} "
                    "qualify row_number() over (partition by sync_name "
                    "order by started_at desc) = 1 order by sync_name",
                ),
            ),
        ]
    return "\n".join(
        ("\n" if not section.startswith("  ") else "") + section for section in sections
    ).lstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the page."""
    parser_of(
        "summary",
        """
        Show the result of the last build on one page: rows per stage, segments and personas with
        their sizes, the quality of the models, the last deliveries.
        """,
        {"tideline summary": "show the page of the warehouse that TIDELINE_WAREHOUSE names"},
    ).parse_args(arguments)
    with open_warehouse(os.environ, read_only=True) as warehouse:
        print(summary(warehouse))
    return 0
