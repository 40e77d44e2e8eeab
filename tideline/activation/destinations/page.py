"""The table of destinations in docs/reference/destinations.md, from their capabilities."""

from __future__ import annotations

from tideline.activation.destinations import DESTINATIONS, Capabilities

HEADER = (
    "destination", "a row is", "a removal", "delivery", "reads back", "rows, bytes, requests",
    "tried against",
)  # fmt: skip


def table_of_destinations() -> str:
    """The table in Markdown, a line per destination, sorted by name."""
    lines = [HEADER, tuple("---" for _ in HEADER)]
    lines += [
        _line(name, each.capabilities, hasattr(each, "read_back"))
        for name, each in sorted(DESTINATIONS.items())
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(name: str, can: Capabilities, reads_back: bool) -> tuple[str, ...]:
    limits = [
        f"{can.rows_per_request:,} row{'s' * (can.rows_per_request > 1)}"
        if can.rows_per_request
        else "",
        f"{can.bytes_per_request:,} bytes" if can.bytes_per_request else "",
        f"{can.requests_per_second:g} requests a second" if can.requests_per_second else "",
    ]
    said = ", ".join(filter(None, limits)) or "none"
    source = f" ([source]({can.source}))" if can.source else ""
    title = f"[{can.title}](destinations/{can.page}.md)" if can.page else can.title
    return (
        f"{title}: `{name}`", can.holds, can.removal, can.delivery, "yes" if reads_back else "no",
        said + source, can.tried_against,
    )  # fmt: skip
