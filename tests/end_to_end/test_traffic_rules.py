"""The row rules of `seeds/traffic_rules.csv`, compared with Python's `ipaddress` and `re`."""

import ipaddress
import json
import random
import re

import duckdb
import pandas as pd
import pytest

from tests.support.compilation import compile_errors
from tests.support.fakesnow_server import FakesnowServer

RANGES = ["10.0.0.0/8", "10.1.16.0/20", "192.168.1.128/25", "172.16.0.0/12", "198.51.100.7/32"]
RANGES += ["128.0.0.0/1", "0.0.0.0/0", "203.0.113.8/29", "2001:db8::/32", "2001:DB8:0:8000::/49"]
RANGES += ["fe80::/10", "::/0", "::1/128", "::/128", "fc00::/7", "2001:db8:1:2:3:4:5:6/128"]
RANGES += ["2001:db8::a0/123", "1::/16", "0:0:2::/47"]
# Texts that are not addresses; and a mapped address, which counts as its IPv4 address.
TEXTS = ["10.0.0", "10.0.0.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "10.0.0.1:80"]
TEXTS += ["10.0.0.-1", "a.b.c.d", "1:2:3", ":::", "1:2:3:4:5:6:7:8:9", "1::2::3"]
TEXTS += ["1:2:3:4::5:6:7:8", "12345::1", "g::1", "2001:db8::1%eth0", ":", "10.1.16.9,10.1.16.8"]
TEXTS += ["::ffff:10.1.17.1", "::ffff:11.0.0.1", "::FFFF:198.51.100.7"]
AGENTS = {
    "bot/": ["GoogleBOT/2.1", "Mozilla (compatible; x-bot/1)", "CUBOT X18", "Bot", ""],
    "[+]http": ["(x; +HTTP://x.org)", "http", "[+]http"],
    "a[.]b c": ["xxA.B Cxx", "a-b c", "a[.]b c"],
    "^(curl|wget)[0-9]+$": ["Curl12", "wget", "a curl1"],
    "py.*s": ["Python-requests", "s py"],
}
PATTERNS = [*AGENTS, "(^|[^u])bot"]

# Invalid rules and their errors.
WRONG = [
    ("ip_range", "10.0.0.1/24", "has bits set after its prefix of 24 bits. Write the first"),
    ("ip_range", "10.0.0.1", '"10.0.0.1" is not a valid address range. Write 203.0.113.0/24'),
    ("ip_range", "10.0.0.0/33", '"10.0.0.0/33" is not a valid address range'),
    ("ip_range", "1:2:3/16", '"1:2:3/16" is not a valid address range'),
    ("user_agent", "it's", "a quote or a backslash"),
    ("events_per_minute", "0", "must be a whole number from 1"),
]


def addresses(cidr, chance):
    """The first and last address of a range, those just outside, and some nearby."""
    network = ipaddress.ip_network(cidr)
    kind = type(network.network_address)
    first, last = int(network.network_address), int(network.broadcast_address)
    numbers = {first, first + 1, last - 1, last, first - 1, last + 1}
    numbers |= {chance.randint(first, last) for _ in range(4)}
    numbers |= {first ^ (1 << chance.randrange(network.max_prefixlen)) for _ in range(4)}
    return [kind(n) for n in sorted(numbers) if 0 <= n < 1 << network.max_prefixlen]


def spellings(address):
    if address.version == 4:
        return [str(address)]
    unpadded = ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
    return [str(address), address.exploded, unpadded.upper()]


def as_address(text):
    """The address that the rules read from a text; None if it is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version == 6 and "%" in text:
        return None
    return address.ipv4_mapped or address if address.version == 6 and "." in text else address


@pytest.fixture(scope="module")
def seen():
    """Rows of user agent and address, and the matching pairs of rule and row."""
    chance = random.Random(7)
    texts = {text for cidr in RANGES for a in addresses(cidr, chance) for text in spellings(a)}
    texts = sorted({*texts, *TEXTS, ""})
    agents = sorted({agent for agents in AGENTS.values() for agent in agents})
    rows = [(None, text) for text in texts] + [(agent, None) for agent in agents] + [(None, None)]
    networks = [ipaddress.ip_network(cidr) for cidr in RANGES]
    expected = {
        (rule, agent, ip)
        for agent, ip in rows
        for rule in range(len(RANGES) + len(PATTERNS))
        if (
            ip is not None and (address := as_address(ip)) is not None and address in networks[rule]
            if rule < len(RANGES)
            else agent is not None and re.search(PATTERNS[rule - len(RANGES)], agent, re.I)
        )
    }
    assert len(expected) > 500
    return rows, expected


def rules():
    """Each rule as a separate kind of traffic, so that one select can check them all."""
    ranges = [(str(n), "ip_range", cidr, "") for n, cidr in enumerate(RANGES)]
    agents = [
        (str(n), "user_agent", pattern, "") for n, pattern in enumerate(PATTERNS, start=len(RANGES))
    ]
    wrong = [(f"wrong {n}", part, value, "") for n, (part, value, _) in enumerate(WRONG)]
    return pd.DataFrame(
        [*ranges, *agents, *wrong], columns=["traffic", "part", "value", "description"]
    )


@pytest.fixture(scope="module")
def deployment(shared_deployment):
    """A warehouse with only these rules."""
    with duckdb.connect(str(shared_deployment.warehouse)) as connection:
        connection.execute("create schema tideline_internal")
        connection.register("frame", rules())
        connection.execute("create table tideline_internal.traffic_rules as select * from frame")
    return shared_deployment


def compiled(deployment, **environment):
    """One select of rule, user agent and address for the rows that match the rule."""
    sql = """
        {% for rule in range(COUNT) %}
        select '{{ rule }}' as rule, user_agent, ip
        from seen
        where {{ traffic_by_row(rule | string, ref('traffic_rules'), 'user_agent', 'ip') }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    """.replace("COUNT", str(len(RANGES) + len(PATTERNS) + 1))
    words = ["compile", "--quiet", "--output", "json", "--inline", sql]
    output = deployment.run("dbt.cli.main", *words, **environment)
    return json.loads(re.search(r"^\{.*^\}", output, re.DOTALL | re.MULTILINE)[0])["compiled"]


def found(rows):
    return {(int(rule), agent, ip) for rule, agent, ip in rows}


def test_on_duckdb(deployment, seen):
    rows, expected = seen
    select = compiled(deployment)
    with duckdb.connect() as connection:
        connection.register("seen", pd.DataFrame(rows, columns=["user_agent", "ip"], dtype=object))
        assert found(connection.execute(select).fetchall()) == expected


def test_on_snowflake(deployment, tmp_path, seen):
    rows, expected = seen
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        server.append("traffic_rules", rules())
        frame = pd.DataFrame(rows, columns=["user_agent", "ip"])
        server.append("seen", frame, schema="TIDELINE")  # the schema of the session
        select = compiled(deployment, DBT_TARGET="fakesnow", **server.environment)
        assert found(server.execute(select)) == expected


def test_an_invalid_rule_stops_the_build_with_the_fix(deployment, subtests):
    select = "select {{ traffic_by_row('wrong %s', ref('traffic_rules'), 'a', 'b') }}"
    runs = [(select % n, "{}") for n in range(len(WRONG) - 1)]
    runs.append(("select {{ events_per_minute(ref('traffic_rules')) }}", "{}"))
    errors = compile_errors(deployment, runs)
    for (part, value, fix), error in zip(WRONG, errors, strict=True):
        with subtests.test(f"{part} {value}"):
            assert fix in error
            assert value in error
