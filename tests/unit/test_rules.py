"""The language of rules: refusals, meaning, and SQL."""

import re
from datetime import datetime

import pytest

from tests.support.deployment import REPOSITORY
from tideline.declarations.operations import OPERATIONS, Call, Column, Constant
from tideline.declarations.rules import (
    DEEPEST,
    RuleError,
    check_condition,
    columns_of_rule,
    parse,
    sql_of,
    value_of,
)

KINDS = {
    "purchases_ever": "number",
    "churn_score": "number",
    "top_category": "text",
    "persona_name": "text",
    "is_known": "boolean",
    "last_purchase_at": "timestamp",
    "as_of": "timestamp",
}
PAGE = REPOSITORY / "docs" / "reference" / "rules.md"
REFUSED = [
    "is_known and (select true)",
    "true /*'*/ and (select content from read_text('/etc/passwd')) <> '' /*'*/",
    "top_category in (from 'file.csv')",
    "top_category in (select name from dim_profiles)",
    "exists (select 1 from fct_events)",
    "select true",
    "with mine as (select 1) select * from mine",
    "read_text('/etc/passwd') <> ''",
    "getenv('HOME') = ''",
    "is_known; drop table fct_events",
    "is_known;",
    "is_known -- and more",
    "{{ env_var('SNOWFLAKE_PASSWORD') }} = ''",
    "{% set x = 1 %} is_known",
    "top_category = 'shoes",
    "(purchases_ever > 3",
    "purchases_ever > 3)",
    "purchases_ever >",
    "purchases_ever = 'three'",
    "top_category = 3",
    "top_category > 3",
    "last_purchase_at > '2026-01-31'",
    "is_known > false",
    "purchases_ever and is_known",
    "purchases_ever",
    "top_category",
    "purchases = 3",
    "upper(top_category) = 'SHOES'",
    "top_category = null",
    "floor() = 1",
    "null + interval '1 day' > as_of",
    "sum(purchases_ever) > 3",
    "count(*) > 3",
    "random() > 0.5",
    "current_timestamp > last_purchase_at",
    "cast(top_category as integer) = 3",
    "top_category::int = 3",
    "top_category ilike 'shoe%'",
    "top_category like persona_name",
    "top_category like 'x!%' escape '!'",
    "top_category in ()",
    "\"top_category\" = 'shoes'",
    "profiles.top_category = 'shoes'",
    "round(churn_score, 2) = 0.5",
    "churn_score = 1e400",
    "churn_score = 0.1234567890123456",
    "churn_score > 0.00000000000000000001",
    "case purchases_ever when 1 then true end",
    "last_purchase_at > timestamp 'yesterday'",
    "last_purchase_at > date '2026-01-31 12:00:00'",
    "last_purchase_at > as_of - interval '3 months'",
    "last_purchase_at > as_of - interval '999999 days'",
    "purchases_ever > ?",
    "purchases_ever > $1",
    "purchases_ever[1] = 1",
    "(purchases_ever, churn_score) = (1, 2)",
    "top_category = 'a\x00b'",
]


def refusal(rule):
    """The message with which a rule is refused."""
    with pytest.raises(RuleError) as error:
        check_condition(parse(rule), KINDS)
    return str(error.value)


def table_of_refusals():
    """The table of the page: each refused rule and its message."""

    def cell(text):
        return re.sub(r"\s+", " ", text.replace("|", "\\|").replace("\x00", "\\x00"))

    rows = [f"| ``{cell(rule)}`` | {cell(refusal(rule))} |" for rule in REFUSED]
    return "\n".join(["| rule | message |", "| --- | --- |", *rows])


def test_the_page_shows_each_refused_rule_with_its_message():
    assert table_of_refusals() in PAGE.read_text(), "put table_of_refusals() into the page"


def test_the_page_lists_every_operation():
    text = PAGE.read_text().replace("\\|", "|")
    assert not [each.words for each in OPERATIONS.values() if f"`{each.words}" not in text]


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("churn_score >= 0.6 and is_known", "(churn_score >= 0.6) and is_known"),
        ("Purchases_Ever BETWEEN 1 AND 3", "purchases_ever between 1 and 3"),
        (
            "coalesce(purchases_ever, 0) * 2 > length(top_category) + 1",
            "(cast(coalesce(purchases_ever, 0) as double) * cast(2 as double))"
            " > (cast(length(top_category) as double) + cast(1 as double))",
        ),
        ("top_category not in ('hats', 'caps')", "not (top_category in ('hats', 'caps'))"),
        ("top_category = 'it''s'", "top_category = 'it''s'"),
        ("is_known is not true", "not (is_known is not distinct from true)"),
        ("top_category is not null", "not (top_category is null)"),
        (
            "purchases_ever / 2 > 1",
            "(cast(purchases_ever as double) / nullif(cast(2 as double), 0)) > 1",
        ),
        (
            "last_purchase_at > as_of - interval '90 minutes'",
            "last_purchase_at > (as_of - interval '90 minutes')",
        ),
        (
            "last_purchase_at < date '2026-01-31'",
            "last_purchase_at < cast('2026-01-31 00:00:00' as timestamp)",
        ),
        ("trim(lower(top_category)) = 'x'", "trim(lower(top_category), ' ') = 'x'"),
        (
            "case when is_known then 1 else 2 end = 1",
            "(case when is_known then 1 else 2 end) = 1",
        ),
    ],
)
def test_a_rule_is_rebuilt_from_its_tree(rule, sql):
    tree = parse(rule)
    check_condition(tree, KINDS)
    assert sql_of(tree, "duckdb") == sql


def test_a_backslash_is_itself_in_both_warehouses():
    tree = parse("top_category = 'a\\'")
    assert sql_of(tree, "duckdb") == "top_category = 'a\\'"
    assert sql_of(tree, "snowflake") == "top_category = 'a\\\\'"


def test_a_long_rule_is_not_a_deep_one():
    rule = " or ".join(["is_known"] * 300)
    assert len(parse(rule).arguments) == 300
    with pytest.raises(RuleError, match="characters"):
        parse(rule * 2)
    for deep in ("not " * (DEEPEST + 1) + "is_known", "(" * 500 + "is_known" + ")" * 500):
        with pytest.raises(RuleError, match="deep"):
            parse(deep)


COMMENTS = [
    "-- all",
    "/* all */",
    "/* x */ is_known",
    "is_known /* x */",
    "is_known and -- x\n is_known",
    "is_known and /* x */ is_known and is_known",
    "(is_known /* x */)",
    "purchases_ever in (1 /* x */, 2)",
    "lower(/* x */ top_category) = 'x'",
]


@pytest.mark.parametrize("rule", COMMENTS)
def test_a_comment_is_refused_wherever_it_is(rule):
    with pytest.raises(RuleError, match="comments are not allowed"):
        parse(rule)


@pytest.mark.parametrize("rule", ["", "  ", None, 3, True, ["is_known"]])
def test_only_text_is_a_rule(rule):
    with pytest.raises(RuleError, match="a rule is a condition in quotes"):
        parse(rule)


def test_a_column_is_named_as_it_is_read():
    tree = parse("top_category = 'top_category' and churn_score > 0.5 or Is_Known")
    assert {*columns_of_rule(tree)} == {"top_category", "churn_score", "is_known"}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("purchases_ever > 2", True),
        ("churn_score > 0.5", None),
        ("churn_score > 0.5 and purchases_ever = 0", False),
        ("churn_score > 0.5 or purchases_ever = 3", True),
        ("purchases_ever / 0 = 1", None),
        ("purchases_ever in (1, null)", None),
        ("purchases_ever in (3, null)", True),
        ("churn_score is distinct from 1", True),
        ("coalesce(churn_score, 0) = 0", True),
        ("top_category like 'sh__s'", True),
        ("top_category like 'S%'", False),
        ("last_purchase_at = timestamp '2026-01-31 12:00:00'", True),
    ],
)
def test_a_rule_means_what_sql_means(rule, value):
    row = {
        "purchases_ever": 3,
        "churn_score": None,
        "top_category": "shoes",
        "last_purchase_at": datetime(2026, 1, 31, 12),
    }
    assert value_of(parse(rule), row) is value


def test_trees_are_values():
    assert parse("purchases_ever >= 3") == Call(">=", (Column("purchases_ever"), Constant(3)))


def test_every_operation_that_parsing_makes_is_known():
    source = (REPOSITORY / "tideline/declarations/rules.py").read_text()
    made = set(re.findall(r'_(?:call|chain|comparison|sum)\("([^"]+)"', source))
    assert len(made) > 20 and made <= OPERATIONS.keys()


@pytest.mark.parametrize("rule", ["a" + ".a" * 1000 + " = 1", "a" + "->b" * 1000 + " = 1"])
def test_no_rule_ends_in_a_traceback(rule):
    with pytest.raises(RuleError):
        parse(rule)


def test_a_short_rule_makes_short_sql():
    rule = "churn_score"
    for _ in range(15):
        rule = f"case when {rule} between 1 and 2 then 1 else 3 end"
    assert len(sql_of(parse(f"{rule} > 1"), "duckdb")) < 3 * len(rule)


def test_a_pattern_is_matched_in_time():
    rule = parse(f"top_category like '{'%a' * 40}%b'")
    assert value_of(rule, {"top_category": "a" * 2000}) is False
    assert value_of(rule, {"top_category": "a" * 2000 + "b"}) is True


def test_what_is_not_a_number_is_ordered_as_in_a_warehouse():
    row = {"churn_score": 1e300}
    assert value_of(parse("churn_score * churn_score - churn_score * churn_score > 5"), row) is True
    assert value_of(parse("churn_score * churn_score % 3 > 5"), row) is True
