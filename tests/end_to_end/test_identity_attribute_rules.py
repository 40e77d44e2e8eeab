"""A wrong row of `attribute_rules` stops the build; the error says what to write."""

import csv
import re

import pytest

from tests.support.identity_project import REPO, ScratchProject

RULE = {
    "attribute": "city",
    "source": "collector",
    "event_name": "identify",
    "path": "properties.city",
    "priority": "1",
    "survivor": "latest",
}
WRONG = [
    ({"source": "salesfroce"}, 'the source "salesfroce" is unknown. Did you mean "salesforce"?'),
    ({"source": None}, 'the source "" is unknown.'),
    ({"event_name": "identfy"}, 'the event_name "identfy" is unknown. Did you mean "identify"?'),
    ({"survivor": "newest"}, 'the survivor "newest" is unknown. Did you mean'),
    ({"path": "property.city"}, 'the path "property" is unknown. Did you mean "properties"?'),
    ({"path": "properties"}, "the path has no key. Write properties.<key>."),
    ({"path": "properties.d'or"}, 'the path "properties.d\'or" contains a quote'),
    ({"path": "identifiers.e_mail"}, 'the type of identifier "e_mail" is unknown. Did you mean'),
    ({"attribute": "Home town"}, 'the attribute "Home town" cannot be a column'),
    ({"attribute": "profile_id"}, 'the attribute "profile_id" cannot be a column'),
    ({"priority": None}, "the priority is empty."),
    ({"event_name": "login", "survivor": "first"}, 'another row of priority 1 has "latest"'),
]
ASKED = """
{{% do attribute_rules(
    ref('rules_{number}'), ref('tracking_plan'), ref('identifier_rules')
) %}}
select 1 as one
"""


def _select(*rows):
    def literal(text):
        return "null" if text is None else "'" + text.replace("'", "''") + "'"

    return "\nunion all\n".join(
        "select " + ", ".join(f"{literal(text)} as {name}" for name, text in row.items())
        for row in rows
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of dbt for a seed with each wrong row and a good one, and for the real seed."""
    with (REPO / "seeds" / "attribute_rules.csv").open() as file:
        shipped = [{name: row[name] for name in RULE} for row in csv.DictReader(file)]
    seeds = [[RULE, RULE | wrong] for wrong, _ in WRONG] + [shipped]
    models = {
        "tracking_plan": _select(
            *({"event_name": n} for n in ("identify", "login", "group", "user_signup")),
            {"event_name": "first_visit"},
        ),
        "identifier_rules": _select(
            {"id_type": "email", "is_lower_cased": "true", "is_gmail_folded": "false"},
            {"id_type": "phone", "is_lower_cased": "false", "is_gmail_folded": "false"},
        ),
    }
    for number, rows in enumerate(seeds):
        models[f"rules_{number}"] = _select(*rows)
        models[f"asked_{number}"] = ASKED.format(number=number)
    project = ScratchProject(tmp_path_factory.mktemp("rules") / "project", models, False)
    done = project.dbt(({}, ["run"]))
    return re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize(("number", "wrong"), list(enumerate(WRONG)))
def test_a_wrong_row_stops_the_build(output, number, wrong):
    changed, message = wrong
    row = ",".join((RULE | changed)[name] or "" for name in list(RULE)[:4])
    found = re.search(rf"Compilation Error in model asked_{number} .*?(?=Compilation|$)", output)
    assert found and "seeds/attribute_rules.csv: " in found[0] and message in found[0]
    if None not in changed.values():
        assert f"seeds/attribute_rules.csv: {row}: " in found[0]


def test_the_seed_is_right(output):
    assert f"in model asked_{len(WRONG)} " not in output
    assert f"PASS={len(WRONG) + 1 + 1 + 2} " in output
