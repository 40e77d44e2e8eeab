"""The clock of this machine, in the form that the warehouse stores."""

from datetime import UTC, datetime


def wall_clock() -> datetime:
    """The current time in UTC, without a time zone, as everywhere in the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)
