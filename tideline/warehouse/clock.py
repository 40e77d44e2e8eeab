"""The clock of the machine, as the warehouse writes times."""

from datetime import UTC, datetime


def wall_clock() -> datetime:
    """Now, UTC, without zone as everywhere in the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)
