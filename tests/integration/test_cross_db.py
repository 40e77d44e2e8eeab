"""The macros of `macros/cross_db` mean the same in DuckDB's and in Snowflake's SQL."""

import json
import re

import duckdb

from tests.integration.fakesnow_server import FakesnowServer

PAGE = '\'{"page": {"url": "/a", "n": 1.5, "no": null, "tags": [1]}, "is_on": true}\''
JSON = {"duckdb": f"cast({PAGE} as json)", "snowflake": f"parse_json({PAGE})"}

# (macro call, what it gives as text); `JSON` stands for the object above.
CASES = [
    ('json_text("JSON", "page.url")', "/a"),
    ('json_text("JSON", "page.n")', "1.5"),
    ('json_text("JSON", "is_on")', "true"),
    ('json_text("JSON", "page.tags")', "[1]"),
    ('json_text("JSON", "page.no")', None),
    ('json_text("JSON", "page.absent.url")', None),
    ('json_object({"a": "\'x\'", "b": "null", "c": "\'y\'"})', '{"a":"x","c":"y"}'),
    ('json_object({"a": "null"})', "{}"),
    ("try_number(\"'1.5'\")", "1.5"),
    ("try_number(\"' -7 '\")", "-7.0"),
    ("try_number(\"'1e3'\")", "1000.0"),
    ("try_number(\"'nan'\")", None),
    ("try_number(\"'-inf'\")", None),
    ("try_number(\"'1e999'\")", None),
    ("try_number(\"'1_000'\")", None),
    ("try_number(\"''\")", None),
    ("try_number(\"'ten'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00.123Z'\")", "2026-01-01 00:00:00.123"),
    ("try_timestamp(\"'2026-01-01T02:00:00+02:00'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01 02:00:00.1234567+0200'\")", "2026-01-01 00:00:00.123456"),
    ("try_timestamp(\"'2025-12-31T22:00-02'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01 00:00:00'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-02-30T00:00:00Z'\")", None),
    ("try_timestamp(\"'2026-01-01T24:00:00Z'\")", None),
    ("try_timestamp(\"'2026-01-01 00:00:00 Europe/Berlin'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00 PSTZ'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:0.Z'\")", None),
    ("try_timestamp(\"'-026-01-01T00:00:00Z'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00Z'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01T00:00:00.123456Z'\")", "2026-01-01 00:00:00.123456"),
    ("try_timestamp(\"'1767225600'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'epoch'\")", None),
    ("try_timestamp(\"'garbage'\")", None),
    ("try_timestamp(\"''\")", None),
    ('matches("\'Mozilla GoogleBOT/2\'", "bot|spider")', "true"),
    ("matches(\"'a' || chr(10) || 'spider'\", \"bot|spider\")", "true"),
    ('matches("\'Mozilla\'", "bot|spider")', "false"),
    ('matches("cast(null as varchar)", "bot|spider")', "false"),
    (
        'add_microseconds("timestamp \'2026-01-01 00:00:00\'", "-3000000000")',
        "2025-12-31 23:10:00",
    ),
]


def compiled(deployment, dialect, **environment):
    """One select of all cases in a dialect."""
    selects = [
        f"select {number} as number, cast({{{{ {call} }}}} as varchar) as result"
        for number, (call, _) in enumerate(CASES)
    ]
    sql = " union all ".join(selects)
    output = deployment.run(
        "dbt.cli.main", "compile", "--quiet", "--output", "json", "--inline", sql, **environment
    )
    select = json.loads(re.search(r"^\{.*^\}", output, re.DOTALL | re.MULTILINE)[0])["compiled"]
    return select.replace("JSON", JSON[dialect])


def unequal(rows):
    """Cases whose result is another than the expected one."""
    results = dict(rows)
    return {
        call: results[number]
        for number, (call, expected) in enumerate(CASES)
        if results[number] != expected
    }


def test_on_duckdb(deployment):
    select = compiled(deployment, "duckdb")
    # The zone of the connection has no say in what a text without a zone means.
    for zone in ("UTC", "America/New_York"):
        with duckdb.connect() as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            assert not unequal(connection.execute(select).fetchall()), zone


def test_on_snowflake(deployment, tmp_path):
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        select = compiled(deployment, "snowflake", DBT_TARGET="fakesnow", **server.environment)
        assert not unequal(server.execute(select))
