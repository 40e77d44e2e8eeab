"""Every command first checks every var with one table of rules."""

import json
import re
import shutil

import pytest
import yaml

from tests.support.deployment import REPOSITORY

PROJECT = """
name: tideline
profile: tideline
config-version: 2
on-run-start: ["{{ checked_vars() }}"]
"""
PROFILE = "tideline: {target: duckdb, outputs: {duckdb: {type: duckdb, path: ':memory:'}}}"
JUDGE = """
{% macro judge(cases) %}
    {%- set found = [] -%}
    {%- for value, rule in cases -%}
        {%- do found.append(var_expectation(value, rule[0], rule[1:])) -%}
    {%- endfor -%}
    {{ print('FOUND' ~ tojson(found)) }}
{% endmacro %}
"""
DEFAULTS = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text())["vars"]
PARSE = ["--no-partial-parse"]  # as dbt does when --vars change; here it would share what it parsed
RIGHT = [
    (1, ["whole", 1, 365]),
    (365, ["whole", 1, 365]),
    (10**12, ["whole", 10, None]),
    (0, ["number", 0, 1]),
    (0.5, ["number", 0, 1]),
    (True, ["boolean"]),
    (None, ["timestamp"]),
    ("2026-02-28", ["timestamp"]),
    ("2024-02-29 23:59:59.999999", ["timestamp"]),
    ("2026-11-20T08:00:00Z", ["timestamp"]),
    ("2026-11-20T08:00:00+05:30", ["timestamp"]),
    ([], ["texts"]),
    (["page_ping"], ["texts"]),
    (["bot"], ["texts", ["bot", "internal"]]),
    ({}, ["sources"]),
    ({"stripe": "landing", "segment": ["website", "app"]}, ["sources"]),
]
WRONG = [
    *[(value, ["whole", 1, 365], "from 1 to 365") for value in (0, 366, 1.0, "7", True, None, [])],
    (9, ["whole", 10, None], "of 10 or more"),
    *[(value, ["number", 0, 1], "a number from 0 to 1") for value in (-0.1, 1.1, "0.5", False)],
    *[(value, ["boolean"], "true or false") for value in ("true", 1, None)],
    *[
        (value, ["timestamp"], "a timestamp in ISO 8601 from 1970 to 2999")
        for value in ("", "yesterday", 2026, False, "2026-13-01", "2026-02-29", "2026-04-31")
    ],
    *[
        (value, ["timestamp"], "a timestamp in ISO 8601 from 1970 to 2999")
        for value in ("1969-12-31", "3000-01-01", "2026-01-01T10:60:00Z", "2026-01-01T10:00:00+24")
    ],
    *[(value, ["texts"], "a list of event names") for value in (None, {}, [1], 7)],
    ("page_ping", ["texts"], "such as [page_ping], or []"),
    (["bots"], ["texts", ["bot", "internal"]], "a list of bot, internal"),
    *[
        (value, ["sources"], "the place of each source")
        for value in (None, "stripe", ["stripe"], {"stripe": None}, {"stripe": ""}, {"a": [1]})
    ],
    ({"segment": []}, ["sources"], "the place of each source"),
]


@pytest.fixture(scope="module")
def rules(shared_deployment):
    """A small project with the macros for vars and all vars of the project; it parses fast."""
    project = shared_deployment.folder / "rules"
    macros = project / "macros"
    macros.mkdir(parents=True)
    for name in ("vars", "var_rules", "nearest_word"):
        shutil.copy(REPOSITORY / "macros" / "project" / f"{name}.sql", macros)
    shutil.copy(REPOSITORY / "macros" / "cross_db" / "iso_8601.sql", macros)
    (macros / "judge.sql").write_text(JUDGE)
    (project / "profiles.yml").write_text(PROFILE)
    shared_deployment.project = project
    return shared_deployment


def command(deployment, *words, variables, fails=False):
    """Run dbt in the small project with these vars in its dbt_project.yml."""
    text = PROJECT + yaml.safe_dump({"vars": variables})
    (deployment.project / "dbt_project.yml").write_text(text)
    folders = "--project-dir", deployment.project, "--profiles-dir", deployment.project
    output = deployment.run("dbt.cli.main", *words, *folders, fails=fails)
    return re.sub(r"\s+", " ", output)


def test_each_kind_of_var_accepts_only_valid_values(rules):
    cases = [case[:2] for case in (*RIGHT, *WRONG)]
    words = "run-operation", "judge", "--args", json.dumps({"cases": cases})
    output = command(rules, *words, variables=DEFAULTS)
    found, _ = json.JSONDecoder().raw_decode(output.split("FOUND")[1])
    assert found[: len(RIGHT)] == [""] * len(RIGHT)
    for (value, rule, said), expectation in zip(WRONG, found[len(RIGHT) :], strict=True):
        assert said in expectation, f"{rule} takes {value!r}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"churn_horizon_days": 0},
            "The var churn_horizon_days is 0. Write a whole number from 1 to 365, without quotes, "
            "in dbt_project.yml or with --vars.",
        ),
        (
            {"quality_alerts": {**DEFAULTS["quality_alerts"], "volume_fall": 2}},
            "The var quality_alerts.volume_fall is 2. Write a number from 0 to 1",
        ),
        (
            {"quality_alerts": {"days": 7}},
            "Write a value for each of days, least_volume, quarantined_share_rise",
        ),
        ({"idle_events": None}, "The var idle_events is null. Write a list of event names"),
    ],
)
def test_an_edit_of_dbt_project_yml_is_checked_by_each_command(rules, change, said):
    """Also by commands without hooks, and if dbt has parsed the project before."""
    command(rules, "list", variables=DEFAULTS)
    assert said in command(rules, "list", variables={**DEFAULTS, **change}, fails=True)


def test_a_var_that_is_missing_or_misspelt_is_named(rules):
    others = {name: value for name, value in DEFAULTS.items() if name != "sources"}
    output = command(rules, "list", variables=others, fails=True)
    assert "The var sources is missing. Write it in dbt_project.yml" in output
    words = "list", *PARSE, "--vars", "{churn_horizon_dys: 7}"
    output = command(rules, *words, variables=DEFAULTS, fails=True)
    assert 'The var "churn_horizon_dys" in --vars is unknown' in output
    assert 'Did you mean "churn_horizon_days"?' in output


def test_each_var_of_the_project_has_a_rule():
    table = (REPOSITORY / "macros/project/var_rules.sql").read_text()
    paths = set(re.findall(r"^ +'([\w.]+)': \[", table, re.MULTILINE))
    nested = {name: value for name, value in DEFAULTS.items() if isinstance(value, dict) and value}
    assert paths == {
        *(name for name in DEFAULTS if name not in nested),
        *(f"{name}.{key}" for name, settings in nested.items() for key in settings),
    }


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (("seed",), {"churn_horizon_days": 0}, "The var churn_horizon_days is 0."),
        (("compile", "--select", "data_clock"), {"sources": None}, "The var sources is null."),
        (("parse",), {"churn_horizon_days": "21"}, 'The var churn_horizon_days is "21".'),
        (("parse",), {"passive_events": "identify"}, 'The var passive_events is "identify".'),
        (("parse",), {"idle_events": None}, "The var idle_events is null."),
        (("parse",), {"session_longest_hours": "1e2"}, 'The var session_longest_hours is "1e2".'),
    ],
)
def test_the_project_checks_its_vars_whatever_is_selected(deployment, words, variables, said):
    """A var that a model uses while it is parsed is checked there, before the hook."""
    output = deployment.dbt(*words, *PARSE, variables=json.dumps(variables), fails=True)
    assert said in re.sub(r"\s+", " ", output)
