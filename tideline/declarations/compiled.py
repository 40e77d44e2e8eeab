"""The SQL of declarations: rules, labels, formulas and texts, as dbt and a preview use it.

No text of a declaration reaches a warehouse in another way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from tideline.declarations.exact import exact_rules
from tideline.declarations.formulas import formulas_of
from tideline.declarations.operations import Kind, Node, constant_sql
from tideline.declarations.rules import RuleError, check_condition, columns_of_rule, parse, sql_of
from tideline.declarations.segments import Declared, kinds_of
from tideline.declarations.templates import label_parts
from tideline.declarations.whole import Rule
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

BOOLEAN: Kind = "boolean"  # of a segment in the rule of another


def dicts_of(declared: Sequence[Declared]) -> list[dict[str, Any]]:
    """Declarations for Jinja, as dicts of name, spec, is_of_shop, file, place and rule."""
    return [
        {key.name: getattr(each, key.name) for key in fields(each)}
        | {"name": each.name, "spec": asdict(each.spec)}
        for each in declared
    ]


def experiment_dicts(experiments: Sequence[Declared]) -> list[dict[str, Any]]:
    """Experiments for Jinja, with `ranges` of draws, `arms` as text, and `starts`, `ends` as texts.

    Shares and times are typed, so their texts are not those that a person wrote.
    """
    return [
        found
        | {
            "ranges": each.spec.ranges,
            "arms": ", ".join(f"{arm} {each.spec.arms[arm]}" for arm, *_ in each.spec.ranges),
            "starts": each.spec.starts_at.isoformat(" "),
            "ends": each.spec.ends_at and each.spec.ends_at.isoformat(" "),
        }
        for each, found in zip(experiments, dicts_of(experiments), strict=True)
    ]


def formulas_sql(traits: Sequence[Declared], dialect: str) -> dict[str, str]:
    """The SQL of the traits with a formula, over the columns of the other traits."""
    return {name: sql_of(tree, dialect) for name, tree in formulas_of(traits).items()}


def exact_dicts(
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    dialect: str,
    attributes: Collection[str],
) -> dict[str, list[Any]]:
    """`rules` of the live segments and `traits` that they read, as `exact_rules` has them, and the
    names of the `attributes` that they read.
    """
    live = [each for each in segments if each.spec.lifecycle == "live"]
    rules, read = exact_rules(live, traits, dialect, attributes)
    return {
        "rules": [
            {key.name: getattr(each, key.name) for key in fields(each)}
            | {"name": each.segment.name, "frozen_at": frozen_text(each.segment)}
            for each in rules
        ],
        "traits": [
            dicts_of([each.trait])[0]
            | {"start": each.start, "length": each.length, "offsets": sorted(each.offsets)}
            for each in read
        ],
        "attributes": sorted({name for each in rules for name in each.attributes}),
    }


def frozen_text(segment: Declared) -> str | None:
    """When a segment is frozen, as text of a timestamp; None if it is not."""
    at = segment.spec.frozen_at
    return at and at.isoformat(" ")


def rule_columns(rule: Rule) -> list[str]:
    """The names of the columns that the rule of a segment reads as a whole, each once."""
    return list(dict.fromkeys(columns_of_rule(rule.tree)))


def segment_sql(rule: Rule, types: Mapping[str, str] | None, dialect: str, hint: str = "") -> str:
    """The SQL of the rule of a segment over columns of these types, or of any if that is None.

    `hint` follows an unknown column.
    """
    if types is not None:
        columns = kinds_of(types)
        kinds = columns | dict.fromkeys(rule.names, BOOLEAN)
        for each in rule.parts():
            if both := [name for name in each.reads if name in columns]:
                raise DeclarationError(
                    f"{each.place}: `when`: `{both[0]}` is a segment and a column of "
                    "`profile_attributes`; give one another name"
                )
            _check(f"{each.place}: `when`", each.written, kinds, hint)
    return sql_of(rule.tree, dialect)


def rule_sql(
    what: str,
    text: str,
    types: Mapping[str, str] | None,
    dialect: str,
    expressions: Mapping[str, str] | None = None,
    hint: str = "",
) -> str:
    """The SQL of a rule; errors begin with `what`, and `hint` follows an unknown column.

    `types` maps the columns that the rule may read to their types; if it is None, because nothing
    is built yet, columns are not checked. `expressions` maps columns to SQL other than their names.
    """
    tree = parse(text)
    if types is not None:
        _check(what, tree, kinds_of(types), hint)
    known = {name.lower(): sql for name, sql in (expressions or {}).items()}
    return sql_of(tree, dialect, lambda name: known.get(name, name))


def _check(what: str, tree: Node, kinds: Mapping[str, Kind], hint: str) -> None:
    try:
        check_condition(tree, kinds)
    except RuleError as error:
        raise DeclarationError(f"{what}: {error}{hint}") from None


def label_sql(
    what: str, label: str, types: Mapping[str, str] | None, dialect: str, hint: str = ""
) -> str:
    """The SQL of a label; a null column becomes `unknown`."""
    kinds: Mapping[str, Kind] | None = None if types is None else kinds_of(types)
    parts = []
    for text, is_column in label_parts(label):
        if is_column and kinds is not None and text not in kinds:
            raise DeclarationError(
                f"{what}: `label`: unknown column `{text}`; {nearest(text, kinds)}{hint}"
            )
        column = f"coalesce(cast({text} as varchar), 'unknown')"
        parts.append(column if is_column else constant_sql(text, dialect))
    return " || ".join(parts)


def text_sql(text: str, dialect: str) -> str:
    """A text as an SQL literal."""
    return constant_sql(text, dialect)
