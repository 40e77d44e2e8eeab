"""Remarks on declared rules: what a build accepts, but hardly anybody means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tideline.declarations.creatives import template_of
from tideline.declarations.operations import Call, Column, Constant, Node
from tideline.declarations.provable import contradiction, is_always_true, is_never_true
from tideline.declarations.rules import parse, text_of
from tideline.declarations.segments import Declared, kinds_of
from tideline.text import MOST_NAMED, listed, nearest, shown
from tideline.warehouse.connection import DuckDBWarehouse


def remarks_of(segment: Declared) -> Iterator[str]:
    """What is proved of the rule of a segment: everybody meets it, or nobody does."""
    rule = segment.rule
    if is_always_true(rule.own):
        yield "`when` is always true: everybody meets it"
    elif is_never_true(rule.written):
        yield f"`when` is never true, so nobody is in it{_because(rule.written)}"
    elif is_never_true(rule.own):
        names = listed([f"`{name}`" for name in rule.reads], "and")
        yield f"`when` is never true with the rule of {names}, so nobody is in it"
    elif is_never_true(rule.tree):
        names = listed([f"`{each.name}`" for each in rule.above], "and")
        yield f"nobody is in it: who meets `when` is in {names}, first in the group `{rule.group}`"


def remarks_of_trait(trait: Declared) -> Iterator[str]:
    """What is proved of the conditions of a trait on events."""
    for block in (trait.spec, *trait.spec.after):
        if block.where is None:
            continue
        tree = parse(block.where)
        what = "`where`" if block is trait.spec else "`after`: `where`"
        if is_always_true(tree):
            yield f"{what} is always true: remove it"
        elif is_never_true(tree):
            yield f"{what} is never true, so no event counts{_because(tree)}"


def remarks_of_creatives(
    creatives: Sequence[Declared], segments: Sequence[Declared]
) -> Iterator[str]:
    """Which creatives no segment shows, each with its place; retired segments do not count."""
    shown = {template_of(each) for each in segments if each.spec.lifecycle != "retired"}
    for each in creatives:
        if each.name not in shown:
            yield f"{each.place}: no segment shows it: name it in `creative`, or remove it"


def _because(tree: Node) -> str:
    """The parts of a rule that exclude each other, as the end of a sentence."""
    texts = [f"`{text_of(each)}`" for each in contradiction(tree)]
    return f": {' excludes '.join(texts)}" if len(texts) == 2 else ""


def unknown_values(
    warehouse: DuckDBWarehouse, table: str, rule: Node, types: Mapping[str, str]
) -> Iterator[str]:
    """The texts with which a rule compares a column, and which no profile of a table has."""
    kinds = kinds_of(types)
    for column, values in _compared_texts(rule).items():
        if kinds.get(column) != "text":
            continue
        marks = ", ".join("?" * len(values))
        found = warehouse.query(
            f"select distinct {column} from {table} where {column} in ({marks})", values
        )
        missing = [each for each in values if (each,) not in found]
        if missing:
            near = _values(warehouse, table, column)
            for each in missing:
                fix = f"; {nearest(each, near)}" if near else ""
                yield f"no profile has the {column} '{shown(each)}'{fix}"


def _values(warehouse: DuckDBWarehouse, table: str, column: str) -> list[str]:
    """The values of a column, if they are few."""
    rows = warehouse.query(
        f"select distinct {column} from {table} where {column} is not null limit {MOST_NAMED + 1}"
    )
    return [shown(value) for (value,) in rows] if len(rows) <= MOST_NAMED else []


def _compared_texts(node: Node) -> dict[str, list[str]]:
    """The texts with which a rule says that a column is equal, by column, each once."""
    found: dict[str, list[str]] = {}
    for column, text in _equal_texts(node):
        texts = found.setdefault(column, [])
        texts += [text] if text not in texts else []
    return found


def _equal_texts(node: Node) -> Iterator[tuple[str, str]]:
    if not isinstance(node, Call):
        return
    if node.operation in ("=", "in"):
        columns = [each.name for each in node.arguments if isinstance(each, Column)]
        values = [each.value for each in node.arguments if isinstance(each, Constant)]
        texts = [each for each in values if isinstance(each, str)]
        if len(columns) == 1:
            yield from ((columns[0], each) for each in texts)
    for each in node.arguments:
        yield from _equal_texts(each)
