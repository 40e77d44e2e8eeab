"""The plan checks each property, aliases fill ours, and the quality tables show changes."""

import json
import random
import re
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from tests.support.compilation import compile_errors
from tests.support.deployment import NO_TESTS, Deployment
from tests.support.fakesnow_server import FakesnowServer

START = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
BUILT = ("event_quality_reasons", "quality_alerts")
WARNS = "assert_quality_is_as_usual"
TABLES = ("int_event_counts", "event_quality", "event_quality_reasons", "property_quality")

# (event, its properties, the reason of the plan); None: the event is valid.
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
    ("purchase", {"orderId": {"a": 1}, "revenue": 1}, "purchase: order_id is not text"),
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
        "support_ticket: priority is not one of low, normal, high, urgent",
    ),
    ("group", {"anything": [1]}, None),
    ("nonsense", {}, "unknown event"),
    (None, {}, "no event name"),
]
# (source, event, its properties, the properties after aliases)
ALIAS_CASES = [
    ("s", "purchase", {"orderId": "1", "total": 5}, {"order_id": "1", "revenue": 5}),
    ("s", "purchase", {"order_id": "1", "orderId": "2", "revenue": 0, "total": 5}, {}),
    ("s", "purchase", {"order_id": None, "orderId": "2"}, {"order_id": "2"}),
    ("s", "purchase", {"value": 1, "total": 5}, {"revenue": 5}),
    ("s", "purchase", {"value": 1, "total": None}, {"revenue": 1}),
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


def compiled(deployment, **environment):
    """The three queries, compiled at once."""
    sql = NEXT.join((JUDGED, MARKED, FILLED))
    output = deployment.run(
        "dbt.cli.main", "compile", "--quiet", "--output", "json", "--inline", sql, **environment
    )
    found = re.search(r"^\{.*^\}", output, re.DOTALL | re.MULTILINE)[0]
    return json.loads(found)["compiled"].split(NEXT)


NEXT = "/* next */"
FILLED_CASES = """
    from (
        select number, event_name, {{ aliased_properties(
            ref('property_aliases'), ref('tracking_plan'), 'source', 'event_name', 'properties'
        ) }} as filled
        from plan_cases
    ) as cases
    order by number
"""
JUDGED = f"""
    select number, {{{{ plan_violation(ref('tracking_plan'), 'event_name', 'filled') }}}}
    {FILLED_CASES}
"""
MARKED = f"""
    select number, {{{{ plan_marks(ref('tracking_plan'), 'event_name', 'filled') }}}}
    {FILLED_CASES}
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


PLAN = "event_name, property, property_type, is_required, allowed_values, pattern"
ALIASES = "source, event_name, alias, property, priority"
# A row of the plan or of the aliases with text that SQL cannot hold, and the error.
UNSAFE = [
    (PLAN, ("buy", 'a"b', "text", False, None, None), 'buy.a"b: the property "a"b" contains'),
    (
        PLAN,
        ("buy", "a", "text", False, "x|y\\", None),
        'buy.a: the allowed_values "x|y\\" contains',
    ),
    (PLAN, ("buy", "a", "text", False, None, "it's"), 'buy.a: the pattern "it\'s" contains'),
    (ALIASES, ("*", "buy", "o'", "a", 1), 'property_aliases.csv: buy.a: the alias "o\'" contains'),
]


def test_a_text_that_sql_cannot_hold_stops_the_build_with_the_fix(deployment, subtests):
    runs = []
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema tideline")
        for number, (columns, row, _) in enumerate(UNSAFE):
            places = ", ".join("?" * len(row))
            connection.execute(
                f"create table tideline.unsafe_{number} as "
                f"select * from (values ({places})) as rows_of_seed({columns})",
                row,
            )
            rules = "plan_rules(seed)" if columns == PLAN else "alias_rules(seed, seed)"
            relation = f"target.database, 'tideline', 'unsafe_{number}'"
            seed = f"{{% set seed = api.Relation.create({relation}) %}}"
            runs.append((f"{seed} select {{{{ {rules} }}}}", "{}"))
    errors = compile_errors(deployment, runs)
    for (_, _, said), error in zip(UNSAFE, errors, strict=True):
        with subtests.test(said):
            assert f"{said} a quote or a backslash, which warehouses read differently." in error


def test_plan_and_aliases_on_duckdb(deployment):
    deployment.dbt(*SEEDS)
    queries = compiled(deployment)
    with duckdb.connect() as connection:
        for statement in case_tables("temp", "json"):
            connection.execute(statement)
        assert_judged(lambda sql: connection.execute(sql).fetchall(), *queries)


def test_plan_and_aliases_on_snowflake(deployment, tmp_path):
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        environment = {"DBT_TARGET": "fakesnow", **server.environment}
        deployment.run("dbt.cli.main", *SEEDS, **environment)
        queries = compiled(deployment, **environment)
        for statement in case_tables("", "parse_json", backslash="\\\\"):
            server.execute(statement)
        assert_judged(server.execute, *queries)


def instant(day, second=0):
    return (START + timedelta(days=day, seconds=second)).isoformat()


def message(event, number, day, properties, **more):
    at = instant(day, number)
    return {
        "type": "track",
        "event": event,
        "messageId": f"{event}-{day}-{number}",
        "userId": "u",
        "timestamp": at,
        "receivedAt": at,
        "properties": properties,
        **more,
    }


def usual_day(day):
    """200 logins, 120 purchases (1 broken), an error and a few unknown events."""
    rows = [message("login", n, day, {"method": "sso"} if n % 2 else {}) for n in range(200)]
    for n in range(120):
        revenue = "?" if n == 0 else n
        order = {"order_id": f"{day}-{n}", "revenue": revenue, "currency": "EUR"}
        rows.append(message("purchase", n, day, order))
    return rows + [message("hover", n, day, {}) for n in range(3)]


def land(deployment, name, rows):
    path = deployment.landing / "events" / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def alerts(deployment):
    return deployment.query(
        "select cast(day as varchar), alert, event_name, property, "
        "round(value, 2), round(usual_value, 2) from quality_alerts order by all"
    )


def warnings(output):
    """The build's warnings about quality, by line."""
    return sorted(re.findall(r"(20\S+ collector .*? from [0-9.]+)[.] Look at", output))


@pytest.fixture(scope="module")
def shop(shared_deployment):
    """Three usual weeks and one more day."""
    for day in range(22):
        land(shared_deployment, f"day-{day:02}", usual_day(day))
    output = shared_deployment.build_up_to(*BUILT, WARNS)
    return shared_deployment, output


def test_usual_days_are_quiet(shop):
    deployment, output = shop
    assert not alerts(deployment)
    assert not warnings(output)
    assert deployment.query(
        "select landed, valid, quarantined, unknown, volume, usual_volume, volume_drift "
        "from event_quality where event_name = 'hover' and day = '2026-03-23'"
    ) == [(3, 0, 3, 3, 3, 3, 0)]
    assert deployment.query(
        "select event_name, reason, quarantined from event_quality_reasons "
        "where day = '2026-03-23' order by 1"
    ) == [("hover", "unknown event", 3), ("purchase", "purchase: revenue is not a number", 1)]
    assert deployment.query(
        "select property, volume, filled, invalid, fill_rate from property_quality "
        "where day = '2026-03-23' and event_name in ('login', 'purchase') and filled > 0 order by 1"
    ) == [
        ("currency", 120, 120, 0, 1),
        ("method", 200, 100, 0, 0.5),
        ("order_id", 120, 120, 0, 1),
        ("revenue", 120, 120, 1, 1),
    ]


def test_a_broken_day_is_loud(shop, tmp_path):
    """The volume of a day is checked after its end, so the clock is on the next day."""
    usual, _ = shop
    broken = Deployment(tmp_path)
    shutil.copy(usual.warehouse, broken.warehouse)
    shutil.copytree(usual.landing, broken.landing, dirs_exist_ok=True)
    rows = [row for row in usual_day(22) if row["event"] != "login"]
    for row in rows[:60]:
        row["properties"]["revenue"] = None
    for row in rows[:119]:
        row["properties"].pop("currency")
    rows += [message("Ann <ann@example.org>", n, 22, {}) for n in range(100)]
    land(broken, "day-22", rows)
    land(broken, "day-23", usual_day(23))
    output = broken.build_up_to(*BUILT, WARNS)
    assert alerts(broken) == [
        ("2026-03-24", "fill rate fell", "purchase", "currency", 0.01, 1.0),
        ("2026-03-24", "fill rate fell", "purchase", "revenue", 0.5, 1.0),
        ("2026-03-24", "quarantined share rose", "ann_<ann@example.org>", None, 1.0, 0.0),
        ("2026-03-24", "quarantined share rose", "purchase", None, 0.5, 0.01),
        ("2026-03-24", "volume fell", "login", None, 0.0, 200.0),
    ]
    assert "ann@example.org" not in output
    assert warnings(output) == [
        "2026-03-24 collector (unplanned): quarantined share rose to 1.000 from 0.000",
        "2026-03-24 collector login: volume fell to 0 from 200",
        "2026-03-24 collector purchase.currency: fill rate fell to 0.008 from 1.000",
        "2026-03-24 collector purchase.revenue: fill rate fell to 0.500 from 1.000",
        "2026-03-24 collector purchase: quarantined share rose to 0.500 from 0.008",
    ]
    assert "WARN=1 " in output


def test_runs_in_any_order_end_as_a_rebuild(tmp_path):
    """Late days, duplicates from other days, rows without a time; then a changed plan."""
    chance = random.Random(5)
    rows = []
    for day in range(6):
        for n in range(30):
            event = chance.choice(["login", "purchase", "Order Completed", "hover", "page_view"])
            properties = chance.choice(
                [{}, {"orderId": "1", "total": 2}, {"url": [1]}, {"url": "/"}]
            )
            rows.append(message(event, n, day, properties))
    # A copy received earlier becomes the event instead of a row that was valid on another day.
    rows += [
        {
            **row,
            "receivedAt": (
                datetime.fromisoformat(row["receivedAt"]) - timedelta(days=2)
            ).isoformat(),
        }
        for row in chance.sample(rows, 40)
    ]
    for year in ("0000", "2999", "9999"):
        odd = {"receivedAt": f"{year}-12-31T23:59:59.999999Z"}
        rows += [{**row, **odd} for row in chance.sample(rows, 4)]
    rows += [{"type": "track"}, {"messageId": "x"}]
    chance.shuffle(rows)
    deployment = Deployment(tmp_path)
    for number in range(2):
        land(deployment, f"batch-{number}", rows[number::2])
        deployment.dbt("build", *NO_TESTS, "--select", *[f"+{model}" for model in BUILT])
    landed = deployment.value("select count(*) from int_events_deduplicated")
    assert deployment.value("select sum(landed) from int_event_counts") == landed == len(rows)

    # A plan that differs from the one used for the counts, as after an edit of the seed.
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute(
            "update tideline_internal.int_event_counts set rules_version = 'another', marks = '+'"
        )
    deployment.dbt("run", "--select", *TABLES)
    found = {table: deployment.frame(table) for table in TABLES}
    deployment.dbt("run", "--full-refresh", "--select", "int_events_deduplicated", *TABLES)
    for table in TABLES:
        assert deployment.frame(table) == found[table], table


def test_a_plan_is_proposed_from_the_warehouse(shop):
    deployment, _ = shop
    proposed = deployment.run("tideline", "plan", "infer")
    assert "hover,,,,,,66 rows landed" in proposed
    assert "login" not in proposed
    everything = deployment.run("tideline", "plan", "infer", "--all")
    assert "purchase,revenue,number,true" in everything
