"""The plan judges each property, aliases fill ours, and the tables of quality show what changed."""

import json
import random
import re
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from tests.conftest import REPOSITORY, Deployment
from tests.integration.fakesnow_server import FakesnowServer

START = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
BUILT = ("event_quality_reasons", "quality_alerts")
TABLES = ("int_event_counts", "event_quality", "event_quality_reasons", "property_quality")

# (event, its properties, what the plan says of them); None: nothing is wrong.
PLAN_CASES = [
    ("purchase", {"order_id": "1", "revenue": "12.5"}, None),
    ("purchase", {"order_id": 1, "revenue": -2}, None),
    ("purchase", {"order_id": "1"}, "purchase: revenue is missing"),
    ("purchase", {"order_id": "1", "revenue": None}, "purchase: revenue is missing"),
    ("purchase", {"order_id": "1", "revenue": "ten"}, "purchase: revenue is not a number"),
    ("purchase", {"order_id": "1", "revenue": "NaN"}, "purchase: revenue is not a number"),
    ("purchase", {"order_id": "1", "revenue": "-Infinity"}, "purchase: revenue is not a number"),
    ("purchase", {"order_id": "1", "revenue": [1]}, "purchase: revenue is not a number"),
    ("purchase", {"order_id": "1", "revenue": True}, "purchase: revenue is not a number"),
    (
        "purchase",
        {"order_id": "1", "revenue": 1, "coupon": {"a": 1}},
        "purchase: coupon is not text",
    ),
    ("purchase", {"order_id": ["1"], "revenue": 1}, "purchase: order_id is not text"),
    ("purchase", {"order_id": "1", "revenue": 1, "coupon": "[SALE] {10}"}, None),
    ("purchase", {"order_id": "1", "revenue": 1, "currency": "eur"}, None),
    (
        "purchase",
        {"order_id": "1", "revenue": 1, "currency": "EURO"},
        "purchase: currency does not match [A-Za-z]{3}",
    ),
    ("purchase", {"order_id": "1", "revenue": 1, "items": [{"sku": "a"}]}, None),
    ("purchase", {"order_id": "1", "revenue": 1, "items": '[{"sku": "a"}]'}, None),
    (
        "purchase",
        {"order_id": "1", "revenue": 1, "items": {"a": 1}},
        "purchase: items is not an array",
    ),
    ("purchase", [], "purchase: order_id is missing"),
    ("consent_change", {"purpose": "ads", "is_granted": True}, None),
    ("consent_change", {"purpose": "ads", "is_granted": "False"}, None),
    (
        "consent_change",
        {"purpose": "ads", "is_granted": 1},
        "consent_change: is_granted is not a boolean",
    ),
    ("support_ticket", {"ticket_id": 7, "priority": "high"}, None),
    (
        "support_ticket",
        {"ticket_id": 7, "priority": "asap"},
        "support_ticket: priority is none of low, normal, high, urgent",
    ),
    ("group", {"anything": [1]}, None),
    ("nonsense", {}, "unknown event"),
    (None, {}, "no event name"),
]
# (source, event, its properties, what they are after aliases)
ALIAS_CASES = [
    ("s", "purchase", {"orderId": "1", "total": 5}, {"order_id": "1", "revenue": 5}),
    ("s", "purchase", {"order_id": "1", "orderId": "2", "revenue": 0, "total": 5}, {}),
    ("s", "purchase", {"order_id": None, "orderId": "2"}, {"order_id": "2"}),
    ("s", "purchase", {"value": 1, "total": 5}, {"revenue": 5}),
    ("s", "purchase", {"value": 1, "total": None}, {"revenue": 1}),
    ("s", "purchase", {"order_id": "1", "tr_total": 5}, {}),
    (
        "snowplow",
        "purchase",
        {"tr_orderid": "1", "tr_total": 5, "transactionId": "9"},
        {"revenue": 5, "order_id": "1"},
    ),
    ("s", "login", {"orderId": "1"}, {}),
    ("s", "page_view", {"page_location": "/a"}, {}),
    ("ga4", "page_view", {"page_location": "/a"}, {"url": "/a"}),
    (
        "s",
        "add_to_cart",
        {"items": [{"item_id": "a", "price": 2.5}, {"item_id": "b"}], "kept": None},
        {"product_id": "a", "price": 2.5},
    ),
    ("s", "add_to_cart", {"note": 'says "items"'}, {}),
    ("s", "add_to_cart", ["items", "sku"], None),
    ("s", "product_view", {"sku": "a", "productId": "b"}, {"product_id": "b"}),
]


def compiled(deployment, sql, **environment):
    output = deployment.run(
        "dbt.cli.main", "compile", "--quiet", "--output", "json", "--inline", sql, **environment
    )
    return json.loads(re.search(r"^\{.*^\}", output, re.DOTALL | re.MULTILINE)[0])["compiled"]


JUDGED = """
    select number, {{ plan_violation(ref('tracking_plan'), 'event_name', 'properties') }}
    from plan_cases order by number
"""
MARKED = """
    select number, {{ plan_marks(ref('tracking_plan'), 'event_name', 'properties') }}
    from plan_cases order by number
"""
FILLED = """
    select number, cast({{ aliased_properties(
        ref('property_aliases'), ref('tracking_plan'), 'source', 'event_name', 'properties'
    ) }} as varchar)
    from alias_cases order by number
"""
SEEDS = ("seed", "--quiet", "--select", "tracking_plan", "property_aliases")


def literal(value):
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def case_tables(kind, parse, backslash="\\"):
    """Statements that make the two tables of cases."""
    for name, cases in (
        ("plan_cases", [("s", event, properties) for event, properties, _ in PLAN_CASES]),
        ("alias_cases", [case[:3] for case in ALIAS_CASES]),
    ):
        rows = " union all ".join(
            f"select {number} as number, {literal(source)} as source, "
            f"cast({literal(event)} as varchar) as event_name, "
            f"{parse}({literal(json.dumps(properties)).replace(chr(92), backslash)}) as properties"
            for number, (source, event, properties) in enumerate(cases)
        )
        yield f"create {kind} table {name} as {rows}"


def assert_judged(execute, judged, marked, filled):
    violations = dict(execute(judged))
    marks = dict(execute(marked))
    for number, (event, properties, violation) in enumerate(PLAN_CASES):
        assert violations[number] == violation, (event, properties)
        is_invalid = violation is not None and " is missing" not in violation
        assert ("-" in (marks[number] or "")) == (
            is_invalid and event in ("purchase", "consent_change", "support_ticket")
        )
    texts = dict(execute(filled))
    for number, (_, _, properties, added) in enumerate(ALIAS_CASES):
        expected = properties if added is None else {**properties, **added}
        assert json.loads(texts[number]) == expected, properties


def test_plan_and_aliases_on_duckdb(deployment):
    deployment.dbt(*SEEDS)
    queries = [compiled(deployment, sql) for sql in (JUDGED, MARKED, FILLED)]
    with duckdb.connect() as connection:
        for statement in case_tables("temp", "json"):
            connection.execute(statement)
        assert_judged(lambda sql: connection.execute(sql).fetchall(), *queries)


def test_plan_and_aliases_on_snowflake(deployment, tmp_path):
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        environment = {"DBT_TARGET": "fakesnow", **server.environment}
        deployment.run("dbt.cli.main", *SEEDS, **environment)
        queries = [compiled(deployment, sql, **environment) for sql in (JUDGED, MARKED, FILLED)]
        for statement in case_tables("", "parse_json", backslash="\\\\"):
            server.execute(statement)
        assert_judged(server.execute, *queries)
