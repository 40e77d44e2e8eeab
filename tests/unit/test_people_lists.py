"""`tideline segments check` names the wrong rows of the lists of people, and lists nobody reads."""

import shutil
from types import SimpleNamespace

import pytest

from tests.support.deployment import REPOSITORY
from tideline.segments.people_lists import unread_lists, wrong_lists

HEAD = "list_name,id_type,id_value,listed_from,listed_until,note\n"


@pytest.fixture
def project(tmp_path):
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    shutil.copy(REPOSITORY / "seeds" / "identifier_rules.csv", seeds)
    return tmp_path


def write(project, text):
    (project / "seeds" / "lists.csv").write_text(text, encoding="utf-8-sig")


def test_right_rows_have_no_problem(project):
    assert [*wrong_lists(project)] == []
    write(
        project,
        HEAD
        + "staff,user_id, a , 2026-03-01 ,,\n\n"
        + 'vips,email,A@x.example,2026-03-01 12:00,2026-03-01T14:00:00+01:00,"gone, soon"\n',
    )
    assert [*wrong_lists(project)] == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("staff,mail,a,,,", "`id_type` is `mail`; did you mean `email`?"),
        ("staff, user_id,a,,,", "`id_type` is ` user_id`; did you mean `user_id`?"),
        ("staff ,user_id,a,,,", "`list_name` has a blank"),
        ("staff,,a,,,", "`id_type` is ``; there are: "),
        (",user_id,a,,,", "`list_name` is empty"),
        ("staff,user_id, ,,,", "`id_value` is empty"),
        (
            "staff,user_id,a,2026-13-01,,",
            "`listed_from` is not a valid time: `2026-13-01`; write 20",
        ),
        ("staff,user_id,a,,01.03.2026,", "`listed_until` is not a valid time: `01.03.2026`"),
        ("staff,user_id,a,2026-03-01,2026-03-01,", "`listed_until` is not after `listed_from`"),
        ("staff,user_id,a,2026-03-01T12:00:00Z,2026-03-01 13:00:00+01:00,", "is not after"),
        ("staff,user_id,a", "has 3 values; the first line has 6"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(project, row, said):
    write(project, f"{HEAD}staff,user_id,b,,,\n{row}\n")
    (problem,) = wrong_lists(project)
    assert problem.startswith("seeds/lists.csv:3: ") and said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "list_name;id_type;id_value\nstaff;user_id;a\n",
            "has no column `list_name`; the first line",
        ),
        ("", "is not a CSV file in UTF-8"),
        (f'{HEAD}"staff" x,user_id,a,,,\n', "seeds/lists.csv:2: is not valid CSV"),
    ],
)
def test_a_file_that_is_not_a_list_says_what_it_should_be(project, text, said):
    write(project, text)
    (problem,) = wrong_lists(project)
    assert said in problem


def test_lists_that_miss_each_other_are_named(project):
    write(project, f"{HEAD}vips,user_id,a,,,\nstaff,user_id,a,,,\n")
    traits = [
        SimpleNamespace(place='Trait "x"', spec=SimpleNamespace(list=name))
        for name in ("vipps", "staff", None, "guests")
    ]
    assert [*unread_lists(project, traits)] == [
        "no trait reads the list `vips` of seeds/lists.csv; did you mean `vipps`?",
        'Trait "x": seeds/lists.csv has no row of the list `vipps`; did you mean `vips`?',
        'Trait "x": seeds/lists.csv has no row of the list `guests`',
    ]
