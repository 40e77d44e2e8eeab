"""Who is on a list, and when: the model `profile_lists` in an in-memory warehouse."""

from datetime import datetime

import duckdb
import pytest

from tideline.segments.models import model_sql

SEEN = datetime(2026, 1, 5)
TABLES = """
create table identifier_rules as select * from (values
    ('user_id', false, false), ('email', true, true), ('anonymous_id', false, false)
) as t (id_type, is_lower_cased, is_gmail_folded);
create table dim_profiles as select * from (values ('p', timestamp '2026-01-05'),
    ('q', timestamp '2026-01-05')) as t (profile_id, first_seen_at);
create table identity_map as select * from (values
    ('user_id', 'u1', 'p', null, null), ('email', 'ann@gmail.com', 'p', null, null),
    ('anonymous_id', 'tablet', 'p', null, timestamp '2026-01-10'),
    ('anonymous_id', 'tablet', 'q', timestamp '2026-01-10', timestamp '2026-01-20'),
    ('anonymous_id', 'tablet', 'p', timestamp '2026-01-20', null)
) as t (id_type, id_value, profile_id, valid_from, valid_to);
create table lists (
    list_name varchar, id_type varchar, id_value varchar, listed_from varchar, listed_until varchar
);
"""


def day(number):
    return datetime(2026, 1, number)


def listed(*rows):
    """The rows of the model for these rows of the seed, without their list."""
    with duckdb.connect() as con:
        con.execute(TABLES)
        con.executemany("insert into lists values ('staff', ?, ?, ?, ?)", rows)
        rows = con.execute(f"from ({model_sql('profile_lists', (), [], str)}) order by all")
        return [(profile, *times) for profile, _, *times in rows.fetchall()]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("user_id", "u1", None, None), [("p", SEEN, None)]),
        (("user_id", " u1 ", "", ""), [("p", SEEN, None)]),
        (("email", "A.nn+x@Googlemail.com", "2026-01-07", None), [("p", day(7), None)]),
        (("user_id", "u1", "2026-01-07 01:00+01:00", "2026-01-08"), [("p", day(7), day(8))]),
        (("user_id", "u1", "2026-01-01", "2026-01-06"), [("p", SEEN, day(6))]),
        (("user_id", "u1", "2026-01-01", "2026-01-05"), []),  # over before the first event
        (("user_id", "U1", None, None), []),  # another user
        (("email", "u1", None, None), []),
    ],
)
def test_a_person_is_on_a_list_from_the_first_event(row, expected):
    assert listed(row) == expected


def test_whoever_holds_a_shared_device_is_on_its_lists_for_as_long():
    always = [("p", SEEN, day(10)), ("p", day(20), None), ("q", day(10), day(20))]
    assert listed(("anonymous_id", "tablet", None, None)) == always
    some = [("p", day(8), day(10)), ("q", day(10), day(12))]
    assert listed(("anonymous_id", "tablet", "2026-01-08", "2026-01-12")) == some


def test_equal_times_of_a_person_are_one_row():
    rows = ("user_id", "u1", "2026-01-07", None), ("email", "ann@gmail.com", "2026-01-07", None)
    assert listed(*rows) == [("p", day(7), None)]
