"""The typed block of an experiment: who is held out of delivery, and what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tideline.declarations.checks import (
    ANY,
    PROPERTY,
    check_events,
    check_length,
    check_name,
    check_rule,
    check_text,
)
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

HELD_OUT = "held_out"  # the arm that receives nothing
LEAST_SHARE = 0.001
MOST_ARMS = 10
ROUNDING = 1e-9  # of a sum of shares


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an experiment measures of each person.

    - `name`: its name in `experiment_results`.
    - `event`: the events of the tracking plan that count, one or several; `"*"` is all.
    - `where`: a condition over the properties of an event; only events that meet it count.
    - `property`: the number whose sum is the value of a person; without it, only the rate.
    - `within`: how long after the exposure an event counts, such as `7 days`.
    - `least_lift`: the smallest change that matters, as a share of the people held out, such as
      `0.1`; a result that excludes larger ones says that no difference is seen.
    """

    name: str
    event: tuple[str, ...]
    within: str
    where: str | None = None
    property: str | None = None
    least_lift: float = 0.1

    def __post_init__(self) -> None:
        """Check the values; events and properties are checked with the tracking plan."""
        check_name(self.name, "the name of an outcome")
        check_events(self.event)
        check_length(self.within, "within")
        check_rule(self.where, "`where`")
        if self.property is not None and not PROPERTY.fullmatch(self.property):
            raise ValueError(
                f"`property` `{self.property}` is invalid; use letters, digits and underscores"
            )
        if not 0 < self.least_lift <= 1:
            raise ValueError(f"`least_lift` is {self.least_lift}; write a share, such as 0.1")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The keys of an experiment, which holds some members of segments out of delivery.

    - `name`: its name in the tables; it also decides who is in which arm, so another name is
      another experiment.
    - `description`: the question that it answers.
    - `owner`: the team that is responsible for it; without it, the owner of the file.
    - `segments`: the segments whose members take part, one or several; `"*"` is everybody, the
      global holdout.
    - `arms`: the share of each arm; `held_out` receives nothing.
    - `starts_at`: the time (UTC) of the first build that assigns people.
    - `ends_at`: the time (UTC) from which everybody is delivered again; without it, never.
    - `outcomes`: what is measured.
    - `lifecycle`: only a live experiment assigns people and holds them out; of a retired one, the
      results remain.
    """

    name: str
    description: str
    owner: str
    segments: tuple[str, ...]
    arms: dict[str, float]
    starts_at: datetime
    outcomes: tuple[Outcome, ...]
    ends_at: datetime | None = None
    lifecycle: Literal["draft", "live", "retired"] = "live"

    def __post_init__(self) -> None:
        """Check the values; the segments are checked with the other declarations."""
        check_name(self.name, "the name")
        for key in ("description", "owner"):
            check_text(self, key)
        if not self.segments:
            raise ValueError('key `segments` is missing; name a segment, or "*"')
        if "*" in self.segments and self.segments != ANY:
            raise ValueError('`segments` names "*", which is everybody, and others; write one')
        self._check_arms()
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("`ends_at` is not after `starts_at`; write a later time")
        if not self.outcomes:
            raise ValueError("key `outcomes` is missing; write what is measured")
        names = [each.name for each in self.outcomes]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two outcomes have the name `{twice[0]}`; give one another name")

    def _check_arms(self) -> None:
        for name, share in self.arms.items():
            check_name(name, "`arms`: the name")
            if not LEAST_SHARE <= share < 1:
                raise ValueError(
                    f"`arms`: the share of `{name}` is {share}; write one from {LEAST_SHARE} to "
                    "below 1"
                )
        if HELD_OUT not in self.arms:
            raise ValueError(f"`arms` has no `{HELD_OUT}`, with which the others are compared")
        if abs(sum(self.arms.values()) - 1) > ROUNDING:
            total = round(sum(self.arms.values()), 9)
            raise ValueError(f"`arms`: the shares sum to {total:g}; make it 1")
        if len(self.arms) > MOST_ARMS:
            raise ValueError(f"`arms` has {len(self.arms)} arms; at most {MOST_ARMS}")
        if self.segments == ANY and len(self.arms) > 2:
            raise ValueError(
                "the global holdout has one arm beside `held_out`; use segments for several"
            )

    @property
    def ranges(self) -> list[tuple[str, float, float]]:
        """The arms with the range [from, to) of the draws that they get; `held_out` is first."""
        found, start = [], 0.0
        for name in sorted(self.arms, key=lambda name: name != HELD_OUT):
            end = round(start + self.arms[name], 12)
            found.append((name, start, end))
            start = end
        name, start, _ = found[-1]
        return [*found[:-1], (name, start, 1.0)]


def check_experiments(experiments: Iterable[Any], segments: Iterable[str]) -> None:
    """Raise DeclarationError for an unknown segment, or one in two live experiments.

    A segment may be in one live experiment besides the global holdout, of which there is one.
    """
    names = [*segments]
    first: dict[str, Any] = {}
    for each in experiments:
        for name in each.spec.segments:
            if name != "*" and name not in names:
                raise DeclarationError(
                    f"{each.place}: `segments`: no segment `{name}` is declared; "
                    f"{nearest(name, names)}"
                )
            if each.spec.lifecycle != "live":
                continue
            if (other := first.setdefault(name, each)) is not each:
                what = "everybody" if name == "*" else f"the segment `{name}`"
                raise DeclarationError(
                    f"{each.place} holds out of {what}, as {other.place} does; retire one, or make "
                    "it a draft"
                )
