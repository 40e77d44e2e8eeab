"""The macros of `macros/cross_db` have the same results on DuckDB and Snowflake."""

import json
import re

import duckdb

from tests.support.fakesnow_server import FakesnowServer

PAGE = '\'{"page": {"url": "/a", "n": 1.5, "no": null, "tags": [1]}, "is_on": true}\''
JSON = {"duckdb": f"cast({PAGE} as json)", "snowflake": f"parse_json({PAGE})"}
AT = "2026-01-01 00:00:00.123456"
# A table with columns of the timestamp types; every case is selected from its one row.
SENT = {
    "duckdb": f"""
        create table sent as
        select
            timestamptz '{AT}+00' as "Zoned",
            timestamp '{AT}' as "Sent At",
            'x' as "id"
    """,
    "snowflake": f"""
        create table sent as
        select
            to_timestamp_tz('2026-01-01 02:00:00.123456 +02:00') as "Zoned",
            to_timestamp_ntz('{AT}') as "Sent At",
            'x' as "id"
    """,
}
ZONED = "{'duckdb': 'TIMESTAMP WITH TIME ZONE', 'snowflake': 'TIMESTAMP_TZ'}[target.type]"
UNZONED = "{'duckdb': 'TIMESTAMP', 'snowflake': 'TIMESTAMP_NTZ'}[target.type]"


def parsed(value):
    """A macro call that parses a value as JSON."""
    literal = "'" + json.dumps(value, separators=(",", ":")) + "'"
    return f"parse_json_text({json.dumps(literal)})"


FIELDS = parsed([{"name": "phone", "value": "1"}, {"name": "email", "value": "a@b.c"}])
PARAMS = parsed(
    [
        {"key": "a", "value": {"string_value": "x", "int_value": None}},
        {"key": "b", "value": {"int_value": "5"}},
        {"key": "c", "value": {"double_value": 1.5}},
        {"key": "d", "value": {"string_value": None}},
        {"value": {"string_value": "y"}},
    ]
)
VERSIONS = parsed({"e_3": {"a": 3}, "e_2": {"a": 2}, "e_1": None, "f": {"a": 0}})
WRITTEN = f'json_starting({parsed({"e_1": "[1]"})}, "e_")'
SOME = parsed({"id": 1, "kept": {"a": 2}, "nothing": None, "context_ip": "::1", "zero": 0})

# (macro call, its result as text); `JSON` is a placeholder of the object above.
CASES = [
    (f'json_entry({FIELDS}, "email")', "a@b.c"),
    (f'json_entry({FIELDS}, "name")', None),
    (f"json_first({parsed([[1, 2], 3])})", "1"),
    (f"json_first({parsed([{'a': 1}])})", '{"a":1}'),
    (f"json_first({parsed({'a': 1})})", '{"a":1}'),
    (f'json_params({PARAMS}, {{"items": {parsed([1])}}})', '{"a":"x","b":5,"c":1.5,"items":[1]}'),
    (f'json_params({PARAMS}, {{"items": "null"}})', '{"a":"x","b":5,"c":1.5}'),
    (f'json_params({parsed("none")}, {{"items": {parsed([1])}}})', '{"items":[1]}'),
    (f'json_params({parsed([])}, {{"items": "null"}})', "{}"),
    (f'json_starting({VERSIONS}, "e_")', '{"a":2}'),
    (f'json_starting({VERSIONS}, "g")', None),
    (WRITTEN, "[1]"),
    (f'json_without({SOME}, ["id"], "context_")', '{"kept":{"a":2},"zero":0}'),
    ("parse_json_text(\"'[1'\")", None),
    ("parse_json_text(\"'[1]'\")", "[1]"),
    (
        "sha256(\"'abc'\")",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ),
    (f'utc_timestamp(api.Column("Zoned", {ZONED}))', AT),
    (f'utc_timestamp(api.Column("Sent At", {UNZONED}))', AT),
    (
        f'row_object([api.Column("id", "TEXT"), api.Column("Sent At", {UNZONED})])',
        f'{{"id":"x","sent at":"{AT}"}}',
    ),
    (
        '"(select count(*) from " ~ columns_of(target.database) ~ '
        "\" where lower(table_name) = 'sent')\"",
        "3",
    ),
    ('json_text("JSON", "page.url")', "/a"),
    ('json_text("JSON", "page.n")', "1.5"),
    ('json_text("JSON", "is_on")', "true"),
    ('json_text("JSON", "page.tags")', "[1]"),
    ('json_text("JSON", "page.no")', None),
    ('json_text("JSON", "page.absent.url")', None),
    ('json_object({"a": "\'x\'", "b": "null", "c": "\'y\'"})', '{"a":"x","c":"y"}'),
    ('json_object({"a": "null"})', "{}"),
    ('json_text(json_with("JSON", "name", "\'x\'"), "name")', "x"),
    ('json_text(json_with("JSON", "name", "\'x\'"), "page.url")', "/a"),
    ('json_text(json_with("JSON", "is_on", "\'x\'"), "is_on")', "true"),
    ('json_text(json_with("JSON", "is_on", "cast(null as varchar)"), "is_on")', "true"),
    ('json_text(json_with("JSON", "name", "\'a \\"b\\"\'"), "name")', 'a "b"'),
    ('json_with(parse_json_text("\'{}\'"), "name", "\'x\'")', '{"name":"x"}'),
    ('json_with(parse_json_text("\'[1]\'"), "name", "\'x\'")', '{"name":"x"}'),
    ('json_with(parse_json_text("cast(null as varchar)"), "name", "\'x\'")', '{"name":"x"}'),
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
    ("try_timestamp(\"'2026-01-01T18:00:00+18:00'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2025-12-31T06:00:00-18'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01T05:45:00+0545'\")", "2026-01-01 00:00:00"),
    ("try_timestamp(\"'2026-01-01T18:00:00+18:01'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00-1830'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00+23:59'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00-99'\")", None),
    ("try_timestamp(\"'2026-01-01T00:00:00+01:60'\")", None),
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
    ("url_path(\"'https://a.b:8080/c/d?e=/f#g'\")", "/c/d"),
    ("url_path(\"'https://a.b'\")", "/"),
    ("url_path(\"'https://a.b?to=http://c.d/e'\")", "/"),
    ("url_path(\"'/go/http://c.d/e?f'\")", "/go/http://c.d/e"),
    ("url_path(\"'//c.gif'\")", "//c.gif"),
    ("url_path(\"'home'\")", None),
    ("url_path(\"''\")", None),
    ("url_path(\"'?a=b'\")", None),
    ('url_path("cast(null as varchar)")', None),
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
    """One select with all cases in a dialect."""
    selects = [
        f"select {number} as number, cast({{{{ {call} }}}} as varchar) as result from sent"
        for number, (call, _) in enumerate(CASES)
    ]
    sql = " union all ".join(selects)
    output = deployment.run(
        "dbt.cli.main", "compile", "--quiet", "--output", "json", "--inline", sql, **environment
    )
    select = json.loads(re.search(r"^\{.*^\}", output, re.DOTALL | re.MULTILINE)[0])["compiled"]
    return select.replace("JSON", JSON[dialect])


def unequal(rows):
    """The cases with unexpected results."""
    results = dict(rows)
    return {
        call: results[number]
        for number, (call, expected) in enumerate(CASES)
        if results[number] != expected
    }


def test_on_duckdb(deployment):
    select = compiled(deployment, "duckdb")
    # The zone of the connection does not change the meaning of a text without a zone.
    for zone in ("UTC", "America/New_York"):
        with duckdb.connect() as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            connection.execute(SENT["duckdb"])
            assert not unequal(connection.execute(select).fetchall()), zone


def test_on_snowflake(deployment, tmp_path):
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        select = compiled(deployment, "snowflake", DBT_TARGET="fakesnow", **server.environment)
        server.execute(SENT["snowflake"])
        # fakesnow keeps the quotes of a text that `get` extracts from an object.
        assert not unequal(server.execute(select)).keys() - {WRITTEN}
