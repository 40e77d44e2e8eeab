"""Examples of segments: a person's events, and whether the person is then in the segment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tideline.declarations.rules import INSTANT

LENGTH = r"\d{1,6} (?:second|minute|hour|day)s?"
AGO = re.compile(rf"{LENGTH}(?: {LENGTH})*")
PARTS = re.compile(r"(\d+) (second|minute|hour|day)")
INSTANT_OF_EXAMPLES = "2026-01-15 12:00"  # noon, so that 12 hours ago is the same day
LONGEST_AGO = timedelta(days=36500)
FIRST_YEAR, LAST_YEAR = 1970, 2200  # of an instant


@dataclass(frozen=True, kw_only=True)
class ExampleEvent:
    """The keys of an event of an example.

    - `event`: its name in the tracking plan.
    - `ago`: how long before the instant it occurs, such as `3 days` or `1 hour 30 minutes`. An
      event of the instant itself does not count yet.
    - `properties`: its properties by name, as in the tracking plan; a property left out is null.
    - `source`, `platform`: the tracker that sent it, and where it ran.
    - `campaign_source`, `campaign_medium`, `campaign_name`: the campaign that led to it.
    - `url_path`, `locale`: the path of its page, and the language of the person.
    """

    event: str
    ago: str
    properties: dict | None = None
    source: str | None = None
    platform: str | None = None
    campaign_source: str | None = None
    campaign_medium: str | None = None
    campaign_name: str | None = None
    url_path: str | None = None
    locale: str | None = None

    def __post_init__(self) -> None:
        """Check the values; events and properties are checked with the tracking plan."""
        if not AGO.fullmatch(self.ago):
            raise ValueError(
                f"`ago` is `{self.ago}`; write seconds, minutes, hours or days, such as "
                "`1 hour 30 minutes`"
            )
        if self.before_instant > LONGEST_AGO:
            raise ValueError(f"`ago` is `{self.ago}`; at most {LONGEST_AGO.days:,} days")

    @property
    def before_instant(self) -> timedelta:
        """How long before the instant it occurs."""
        lengths = ({f"{unit}s": int(count)} for count, unit in PARTS.findall(self.ago))
        return sum((timedelta(**length) for length in lengths), timedelta())


@dataclass(frozen=True, kw_only=True)
class Example:
    """The keys of an example of a segment.

    - `name`: what it shows; different for each example of a segment.
    - `events`: the events of a person, in any order; of two at one time the lower one is later.
    - `given`: values of the columns that no event gives: features, scores and personas.
    - `lists`: the lists that the person is on at the instant.
    - `at`: the instant (UTC), for rules with fixed dates; else noon of a fixed day.
    - `is_in`: whether the person is in the segment at the instant.
    - `label`: the label that a member then has; without it, any.
    """

    name: str
    events: tuple[ExampleEvent, ...] = ()
    given: dict | None = None
    lists: tuple[str, ...] = ()
    at: str = INSTANT_OF_EXAMPLES
    is_in: bool
    label: str | None = None

    def __post_init__(self) -> None:
        """Check the values; columns are checked with the rule."""
        if not self.name:
            raise ValueError("`name` is empty")
        if self.label is not None and not self.is_in:
            raise ValueError("`label` is that of a member, but `is_in` is false; remove it")
        try:
            is_instant = INSTANT.fullmatch(self.at) and self.instant
        except ValueError:  # no such day or hour
            is_instant = None
        if not is_instant or not FIRST_YEAR <= self.instant.year <= LAST_YEAR:
            raise ValueError(
                f"`at` is `{self.at}`; write a time from {FIRST_YEAR} to {LAST_YEAR}, such as "
                "'2026-01-31 12:00'"
            )

    @property
    def instant(self) -> datetime:
        """The data clock of a build that sees the person so."""
        return datetime.fromisoformat(self.at)


def check_names(examples: tuple[Example, ...]) -> None:
    """Raise ValueError if two examples of a segment have one name."""
    names = [each.name for each in examples]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two `examples` have the name `{twice}`; give one another")
