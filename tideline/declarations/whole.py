"""The whole rules of segments: with the segments that they name, and without those before them.

A rule may name other segments, which are true or false: whoever is not known to be in one is not in
it. A segment of an exclusive group has only the members whom no segment before it in the group
takes. Both become one tree over the columns of `profile_attributes`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tideline.declarations.formulas import DEEPEST, MOST_PARTS, measured, replaced
from tideline.declarations.operations import Call, Constant, Node
from tideline.declarations.rules import columns_of_rule, parse
from tideline.warehouse.errors import DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.segments import Declared, Segment

# A rule may name segments that are at least as far in life as its own segment.
LIFE = {"live": 0, "draft": 1, "retired": 2}


@dataclass(frozen=True)
class Rule:
    """The rule of a segment, in parts and as a whole.

    - `name`, `place`: those of its segment.
    - `written`: the rule as declared; the segments that it names are columns.
    - `reads`: the rules of these segments, by name.
    - `group`: its exclusive group.
    - `above`: the rules of the segments that come first in the group, the very first one first.
    - `own`: the rule without regard to its group, over the columns of `profile_attributes`.
    - `tree`: who is in the segment, over the same columns.
    - `names`: the names of all segments, which a rule may read.
    - `frozen_at`: the time from which nobody enters the segment or leaves it any more.
    """

    name: str
    place: str
    written: Node
    reads: Mapping[str, Rule] = field(repr=False)
    group: str | None
    above: tuple[Rule, ...] = field(repr=False)
    own: Node = field(repr=False)
    tree: Node = field(repr=False)
    names: frozenset[str] = field(repr=False)
    frozen_at: datetime | None = None

    def parts(self) -> Iterator[Rule]:
        """The rules of which it consists, each once, itself first."""
        waiting, seen = [self], set()
        while waiting:
            rule = waiting.pop(0)
            if rule.name not in seen:
                seen.add(rule.name)
                yield rule
                waiting += [*rule.reads.values(), *rule.above]


def is_in(tree: Node) -> Node:
    """A rule as true or false: unknown is false."""
    return Call("coalesce", (tree, Constant(False)))


def why_not(rule: Rule, because: Callable[[Node], str | None]) -> str | None:
    """The first reason of `because` for a part of a rule, in words that name the part.

    `because` judges a tree over the columns of `profile_attributes`.
    """
    for each in rule.parts():
        if found := because(replaced(each.written, dict.fromkeys(each.reads, Constant(False)))):
            if each is rule:
                return found
            if any(each is other for other in rule.above):
                return (
                    f"`{each.name}` comes first in the group `{rule.group}` and has none: {found}"
                )
            return f"it depends on the segment `{each.name}`, which has none: {found}"
    return because(rule.tree)


def with_rules(segments: Sequence[Declared]) -> list[Declared]:
    """The segments with their whole rules. Raises DeclarationError."""
    whole = _Whole(segments)
    return [replace(each, rule=whole.rule(each)) for each in segments]


class _Whole:
    """Builds the rules of segments, each once."""

    def __init__(self, segments: Sequence[Declared]) -> None:
        self._by_name = {each.name: each for each in segments}
        self._names = frozenset(self._by_name)
        self._groups = _groups(segments)
        # By name: the declared rule, the rules that it names, and the tree of both.
        self._own: dict[str, tuple[Node, dict[str, Rule], Node]] = {}
        self._rules: dict[str, Rule] = {}
        self._path: list[str] = []

    def rule(self, segment: Declared) -> Rule:
        """The rule of a segment."""
        if (known := self._rules.get(segment.name)) is not None:
            return known
        written, reads, own = self._own_rule(segment)
        self._path.append(segment.name)
        above = tuple(self._first(each) for each in self._above(segment))
        self._path.pop()
        tree = own
        if above:
            others = (Call("not", (is_in(each.own),)) for each in above)
            tree = Call("and", (own, *others))
            _check_size(segment, measured(tree, {}))
        spec, names = segment.spec, self._names
        found = Rule(
            segment.name, segment.place, written, reads, spec.exclusive, above, own, tree, names,
            spec.frozen_at,
        )  # fmt: skip
        self._rules[segment.name] = found
        return found

    def _first(self, segment: Declared) -> Rule:
        """The rule of a segment without regard to its group."""
        written, reads, own = self._own_rule(segment)
        return Rule(segment.name, segment.place, written, reads, None, (), own, own, self._names)

    def _above(self, segment: Declared) -> list[Declared]:
        """The live segments that go before one in its group, by priority."""
        group = self._groups.get(segment.spec.exclusive, [])
        return [each for each in group if each.spec.priority < segment.spec.priority]

    def _own_rule(self, segment: Declared) -> tuple[Node, dict[str, Rule], Node]:
        name = segment.name
        if name in self._own:
            return self._own[name]
        if name in self._path:
            raise DeclarationError(self._circle(segment))
        if len(self._path) > DEEPEST:
            raise _too_large(segment)
        self._path.append(name)
        written, reads = parse(segment.spec.when), {}
        for each in dict.fromkeys(columns_of_rule(written)):
            if (other := self._by_name.get(each)) is not None:
                check_life(segment.place, segment.spec, other.spec, "`when` reads the segment")
                if other.spec.frozen_at is not None:
                    raise DeclarationError(
                        f"{segment.place}: `when` reads the segment `{each}`, which is frozen; "
                        "write its rule itself"
                    )
                reads[each] = self.rule(other)
        trees = {other: is_in(rule.tree) for other, rule in reads.items()}
        _check_size(segment, measured(written, trees))
        self._path.pop()
        self._own[name] = written, reads, replaced(written, trees)
        return self._own[name]

    def _circle(self, segment: Declared) -> str:
        circle = [*self._path[self._path.index(segment.name) :], segment.name]
        said = f"{segment.place}: `when` refers to itself: {' → '.join(circle)}"
        for one, other in itertools.pairwise(circle):
            if other not in columns_of_rule(parse(self._by_name[one].spec.when)):
                return f"{said}; `{other}` comes before `{one}` in the exclusive group"
        return said


def _groups(segments: Sequence[Declared]) -> dict[str | None, list[Declared]]:
    """The live segments of each exclusive group, by priority. Raises DeclarationError for two that
    are not retired and have the same priority.
    """
    found: dict[str | None, list[Declared]] = {}
    first: dict[tuple[str, int], Declared] = {}
    for each in segments:
        group = each.spec.exclusive
        if group is None or each.spec.lifecycle == "retired":
            continue
        if (other := first.setdefault((group, each.spec.priority), each)) is not each:
            raise DeclarationError(
                f"{each.place} has the priority {each.spec.priority} of {other.place}; give each "
                f"segment of the exclusive group `{group}` its own"
            )
        if each.spec.lifecycle == "live":
            found.setdefault(group, []).append(each)
    return {
        group: sorted(members, key=lambda each: each.spec.priority)
        for group, members in found.items()
    }


def check_life(place: str, spec: Segment, other: Segment, does: str) -> None:
    """Refuse a segment that depends on one that is less far in life. Raises DeclarationError."""
    life = other.lifecycle
    if LIFE[life] > LIFE[spec.lifecycle]:
        fix = f"make `{other.name}` live, or `{spec.name}` a draft"
        if life == "retired":
            fix = "write its rule itself"
        shown = "a draft" if life == "draft" else life
        raise DeclarationError(f"{place}: {does} `{other.name}`, which is {shown}; {fix}")


def _check_size(segment: Declared, size: tuple[int, int]) -> None:
    if size[0] > MOST_PARTS or size[1] > DEEPEST:
        raise _too_large(segment)


def _too_large(segment: Declared) -> DeclarationError:
    return DeclarationError(
        f"{segment.place}: `when` is too large with the segments that it depends on: at most "
        f"{MOST_PARTS} parts, and {DEEPEST} within each other; simplify them"
    )
