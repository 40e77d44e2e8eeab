"""`why_linked`, and how to separate a wrongly merged family."""

import hashlib
import json
from datetime import datetime

import pytest

from tests.support.identity_project import BUILD, ScratchProject
from tests.support.identity_reference import MODELS, Match, Row, load

KIT, DAD, MUM = "email:kit@home.org", "user_id:dad", "anonymous_id:mums-phone"
DADS_PROFILE = f"profile_id:{hashlib.md5(DAD.encode()).hexdigest()}"


def _seen(number, anonymous_id=None, user_id=None, email=None, source="collector"):
    at = datetime(2026, 1, number)
    return Row(
        event_id=f"e{number}",
        source=source,
        anonymous_id=anonymous_id,
        user_id=user_id,
        email=email,
        occurred_at=at,
        received_at=at,
        is_bot=False,
        status="valid",
        load=1,
        flips_in=None,
    )


FAMILY = [
    _seen(1, "dads-laptop", "dad"),
    _seen(2, "dads-laptop", email="Kit@home.org"),
    _seen(3, "mums-phone", email="kit@home.org"),
    _seen(4, "mums-phone", email="kit@home.org", source="stripe"),
    _seen(6, "tablet", "dad"),
    _seen(7, "tablet", "aunt"),
    _seen(8, "o'brien", "null"),
    _seen(9, user_id="gran"),
    _seen(10, email="gran@home.org"),
    _seen(11, user_id="aunt"),
    _seen(14, "uncles-phone", "uncle"),
    _seen(15, "aunts-phone", "aunt"),
    _seen(16, "uncles-phone", email="us@home.org"),
    _seen(17, "uncles-phone", email="us@home.org"),
    _seen(18, "aunts-phone", email="us@home.org"),
    _seen(19, "old-phone", email="us@home.org"),
]
GRAN = ("email", "gran@home.org")
MATCHES = [
    Match((GRAN, ("user_id", "gran")), 0.973, datetime(2026, 1, 12), False, 1),
    Match((GRAN, ("user_id", "aunt")), 0.96, datetime(2026, 1, 13), False, 1),
]


def _asked(a, b):
    return ["run-operation", "why_linked", "--args", json.dumps({"a": a, "b": b})]


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """The output before and after the exclusion, by question."""
    models = {name: sql for name, sql in MODELS.items() if name != "identity_exclusions"}
    project = ScratchProject(tmp_path_factory.mktemp("family") / "project", models, True)
    load(project, FAMILY, [], MATCHES)
    environment = {"LOAD": "1"}
    build = (environment, BUILD)

    def ask(*questions):
        runs = [(environment, _asked(*question)) for question in questions]
        return project.dbt(build, *runs).stdout.split("Running with dbt=")[2:]

    questions = [
        (DAD, MUM),
        ("email: KIT@home.org ", "user_id:dad"),
        (DAD, "user_id:aunt"),
        ("anonymous_id:tablet", DAD),
        (DAD, "user_id:null"),
        ("anonymous_id:o'brien", DAD),
        (DAD, DADS_PROFILE),
        ("user_id:gran", "email:gran@home.org"),
        ("user_id:gran", "user_id:aunt"),
        ("user_id:aunt", "anonymous_id:old-phone"),
        (DAD, "anonymous_id:nobody"),
        (DAD, "emial:kit@home.org"),
        (DAD, "kit@home.org"),
        (DAD, "profile_id:0"),
    ]
    before = dict(zip(questions, ask(*questions), strict=True))
    with (project.folder / "seeds" / "identity_exclusions.csv").open("a") as file:
        file.write("anonymous_id,mums-phone,user_id,dad,Two people\n")
    after = ask((DAD, MUM), (KIT, MUM))
    return project, before, after


def test_the_shortest_path_is_printed(family):
    _, before, _ = family
    assert before[DAD, MUM].split("One profile, ")[1].splitlines()[1:10] == [
        "",
        "  user_id:dad",
        "    | 1 event of collector, received 2026-01-01 00:00:00",
        "  anonymous_id:dads-laptop",
        "    | 1 event of collector, received 2026-01-02 00:00:00",
        "  email:kit@home.org",
        "    | 2 events of collector, stripe, received 2026-01-03 00:00:00 to 2026-01-04 00:00:00",
        "  anonymous_id:mums-phone",
        "",
    ]
    assert "email:kit@home.org\n    | 1 event of" in before["email: KIT@home.org ", DAD]
    assert "Both are user_id:dad" in before[DAD, DADS_PROFILE]


def test_refused_edges_between_two_are_printed(family):
    _, before, _ = family
    said = before[DAD, "user_id:aunt"]
    assert "Not one profile" in said and "Refused between them" in said
    assert "anonymous_id:tablet | user_id:aunt\n    shared_device: signed in to 2" in said
    said = before["anonymous_id:tablet", DAD]
    assert "anonymous_id:tablet belongs to 827d5483b769b82cf13e8c0836a2b57f, at first" in said
    assert "between them:\n\n  anonymous_id:tablet | user_id:dad" in said
    assert "user_id:null belongs to nobody" in before[DAD, "user_id:null"]
    assert "Refused for either" in before["anonymous_id:o'brien", DAD]


def test_a_match_is_printed_with_its_probability(family):
    _, before, _ = family
    said = before["user_id:gran", "email:gran@home.org"]
    assert "  user_id:gran\n    | matched with probability 0.973, 2026-01-12 00:00:00\n" in said
    said = before["user_id:gran", "user_id:aunt"]
    assert "stays with user_id:gran; matched with probability 0.960, 2026-01-13" in said


def test_the_one_edge_that_bridges_two_accounts_is_printed(family):
    _, before, _ = family
    said = before["user_id:aunt", "anonymous_id:old-phone"]
    assert said.count("bridges_two_accounts") == 1
    assert (
        "anonymous_id:aunts-phone | email:us@home.org\n"
        "    bridges_two_accounts: would join user_id:aunt and user_id:uncle;"
        " 1 event of collector, received 2026-01-18" in said
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("anonymous_id:nobody", "No event carries the identifier `b`"),
        ("emial:kit@home.org", "`b` is not a valid identifier: write it as <type>:<value>"),
        ("kit@home.org", "types are anonymous_id, email"),
        ("profile_id:0", "No profile was ever published under the id `b`"),
    ],
)
def test_errors_say_what_is_wrong(family, asked, said):
    _, before, _ = family
    assert said in before[DAD, asked]


def test_an_exclusion_separates_a_family_in_the_next_run(family):
    project, _, after = family
    profiles = project.rows(
        "select string_agg(identifier_id, ' ' order by identifier_id) from tideline.identity_map"
        " where valid_from is null group by profile_id"
    )
    assert {members for (members,) in profiles} == {
        f"anonymous_id:dads-laptop anonymous_id:tablet {KIT} {DAD}",
        MUM,
        "anonymous_id:o'brien",
        "anonymous_id:aunts-phone user_id:aunt",
        "email:gran@home.org user_id:gran",
        "anonymous_id:old-phone anonymous_id:uncles-phone email:us@home.org user_id:uncle",
    }
    # Identifiers between the two stay with the one they were first received with.
    assert "Not one profile" in after[0]
    assert f"{MUM} | {KIT}\n    excluded: Two people; 2 events of collector, stripe" in after[1]
