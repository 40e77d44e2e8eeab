"""Proves of some rules that they are true for everybody, or for nobody: `a > 5 and a < 3`.

A rule is taken apart into cases, each a conjunction of comparisons with constants. The constants
divide the values of a column, or of another expression, into ranges. A case that leaves nothing of
them, not even null, cannot occur. Expressions are taken to have any value, so that what cannot be
proved is left open.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from tideline.declarations.operations import OPERATIONS, Call, Constant, Node, Value
from tideline.declarations.rules import columns_of_rule, value_of

MOST_CASES = 2000  # of a rule; one with more is not judged
MOST_PAIRS = 100_000  # of cases that are put together, about a second; likewise
MOST_PARTS = 50  # of a rule that are compared with each other
Outcome = bool | None  # of a condition; None is unknown
# Where a value is among the constants that it is compared with: 2n at the one of number n, 2n + 1
# after it; None is null. Those of a condition are its outcomes as text, because True equals 1.
Place = int | str | None
Case = dict[Node, frozenset[Place]]
ALL = frozenset({True, False, None})
PLACES: dict[Outcome, Place] = {True: "true", False: "false", None: None}
EQUAL = ("=", "<>", "is distinct from", "is not distinct from")
OF_FIRST = ("between", "in", "is null")  # they compare their first argument with the others
SIDES = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}  # the other way round


class _Open(Exception):
    """A rule that cannot be judged."""


def is_never_true(rule: Node) -> bool:
    """Whether it is proved that a rule is true for nobody."""
    return _is_impossible(rule, frozenset({True}))


def is_always_true(rule: Node) -> bool:
    """Whether it is proved that a rule is true for everybody, whatever is null."""
    return _is_impossible(rule, frozenset({False, None}))


def contradiction(rule: Node) -> tuple[Node, ...]:
    """The part, or the two parts, of an `and` because of which it is never true; empty if no such
    ones are found.
    """
    parts = rule.arguments if isinstance(rule, Call) and rule.operation == "and" else (rule,)
    found = [(each,) for each in parts] + [*itertools.combinations(parts[:MOST_PARTS], 2)]
    return next((some for some in found if is_never_true(Call("and", some))), ())


def _is_impossible(rule: Node, wanted: frozenset[Outcome]) -> bool:
    try:
        return not _Judge(rule).cases(rule, wanted)
    # A build reports wrong types.
    except (_Open, TypeError, ArithmeticError, ValueError, RecursionError):
        return False


class _Judge:
    """Judges conditions in a rule by the constants of the whole rule."""

    def __init__(self, rule: Node) -> None:
        values: dict[Node, set[Any]] = {}
        for term, constants in _comparisons(rule):
            values.setdefault(term, set()).update(each for each in constants if each is not None)
        self._constants = {term: sorted(found) for term, found in values.items()}
        self._known: dict[tuple[Node, frozenset[Outcome]], list[Case]] = {}
        self._pairs = 0

    def cases(self, node: Node, wanted: frozenset[Outcome]) -> list[Case]:
        """The cases in which a condition has one of the wanted outcomes: none is missing."""
        if (node, wanted) not in self._known:
            found = self._cases(node, wanted) if wanted else []
            if len(found) > MOST_CASES:
                raise _Open
            self._known[node, wanted] = found
        return self._known[node, wanted]

    def _cases(self, node: Node, wanted: frozenset[Outcome]) -> list[Case]:
        if wanted == ALL:
            return [{}]
        if _is_constant(node):
            return [{}] if value_of(node, {}) in wanted else []
        if isinstance(node, Call):
            if node.operation == "and":
                return self._of_all(node.arguments, wanted)
            if node.operation == "or":  # not all of the opposites
                opposites = tuple(Call("not", (each,)) for each in node.arguments)
                return self._of_all(opposites, frozenset(map(_opposite, wanted)))
            if (condition := _condition_in(node)) is not None:
                inner = frozenset(each for each in ALL if _result(node, condition, each) in wanted)
                return self.cases(condition, inner)
            if (compared := _compared(node)) is not None:
                term, constants = compared
                return self._of_comparison(node, term, constants, wanted)
        return [{node: frozenset(PLACES[each] for each in wanted)}]

    def _of_all(self, parts: tuple[Node, ...], wanted: frozenset[Outcome]) -> list[Case]:
        """The cases of `and`: false if one part is, else unknown if one is, else true."""
        if wanted == {True, False}:
            return self._of_all(parts, frozenset({True})) + self._of_all(parts, frozenset({False}))
        if True in wanted:
            return self._together([(each, wanted) for each in parts])
        if False in wanted:
            return [case for each in parts for case in self.cases(each, wanted)]
        not_false = frozenset({True, None})
        found = []
        for number, part in enumerate(parts):
            others = [each for place, each in enumerate(parts) if place != number]
            found += self._together([(part, wanted), *((each, not_false) for each in others)])
        return found

    def _together(self, parts: list[tuple[Node, frozenset[Outcome]]]) -> list[Case]:
        """The cases in which each condition has one of its wanted outcomes."""
        found: list[Case] = [{}]
        for part, wanted in parts:
            others = self.cases(part, wanted)
            self._pairs += len(found) * len(others)
            if self._pairs > MOST_PAIRS:
                raise _Open
            joint = (_joint(*pair) for pair in itertools.product(found, others))
            found = [case for case in joint if case is not None]
            if len(found) > MOST_CASES:
                raise _Open
        return found

    def _of_comparison(
        self, node: Call, term: Node, constants: list[Value], wanted: frozenset[Outcome]
    ) -> list[Case]:
        known = self._constants.get(term, [])
        places = [None if each is None else 2 * known.index(each) for each in constants]
        possible: list[Place] = [None, *range(-1, 2 * len(known))]
        if all(each is None for each in constants):  # it may be a condition
            possible += ["true", "false"]
        kept = frozenset(each for each in possible if _holds(node, each, places) in wanted)
        return [{term: kept}] if kept else []


def _opposite(outcome: Outcome) -> Outcome:
    return None if outcome is None else not outcome


def _is_constant(node: Node) -> bool:
    return next(columns_of_rule(node), None) is None


def _joint(one: Case, other: Case) -> Case | None:
    """Two cases at once; None if that cannot be."""
    found = dict(one)
    for term, places in other.items():
        found[term] = found[term] & places if term in found else places
        if not found[term]:
            return None
    return found


def _condition_in(node: Call) -> Node | None:
    """The condition on whose outcome alone another condition depends, if it has that form."""
    first, *others = node.arguments
    if node.operation == "not":
        return first
    if node.operation == "is null":
        is_condition = isinstance(first, Call) and OPERATIONS[first.operation].gives == "boolean"
        return first if is_condition else None
    if node.operation in (*EQUAL, "coalesce") and len(others) == 1:
        if _is_truth(others[0]):
            return first
        if _is_truth(first) and node.operation != "coalesce":
            return others[0]
    return None


def _is_truth(node: Node) -> bool:
    return isinstance(node, Constant) and isinstance(node.value, bool)


def _result(node: Call, condition: Node, outcome: Outcome) -> Any:
    """The outcome of a condition that depends on the outcome of another one in it."""
    arguments = (Constant(outcome) if each is condition else each for each in node.arguments)
    return value_of(Call(node.operation, tuple(arguments)), {})


def _compared(node: Call) -> tuple[Node, list[Value]] | None:
    """The expression that a call compares with constants, and these, if it does that alone."""
    if node.operation not in (*SIDES, *EQUAL, *OF_FIRST):
        return None
    terms = [each for each in node.arguments if not _is_constant(each)]
    if len(terms) != 1 or (node.operation in OF_FIRST and terms[0] is not node.arguments[0]):
        return None
    constants = [value_of(each, {}) for each in node.arguments if each is not terms[0]]
    return None if any(isinstance(each, bool) for each in constants) else (terms[0], constants)


def _holds(node: Call, place: Place, places: Sequence[Place]) -> Any:
    """The outcome of a comparison with constants at these places, for a value at a place.

    Places are ordered and equal as the values are, so the operation itself compares them.
    """
    values = [place, *places]
    operation = OPERATIONS[node.operation]
    if node.operation in SIDES and _is_constant(node.arguments[0]):
        operation = OPERATIONS[SIDES[node.operation]]
    if not operation.takes_null and None in values:
        return None
    return operation.value(*values)


def _comparisons(node: Node) -> Iterator[tuple[Node, list[Value]]]:
    """The comparisons with constants in a rule, as `_compared` has them."""
    if isinstance(node, Call):
        if (compared := _compared(node)) is not None:
            yield compared
        for each in node.arguments:
            yield from _comparisons(each)
