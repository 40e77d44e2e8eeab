"""`tideline why` explains memberships with the values and rules of the last build."""

import io

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.declarations.rules import parse, value_of
from tideline.segments.reasons import columns_in, lines_of, reason_of
from tideline.segments.why import main
from tideline.warehouse.errors import WarehouseError

ROW = {"loans": 3, "score": 0.25, "topic": "art", "is_known": True, "seen_at": None, "days": None}


def said(rule, row=ROW):
    return [" ".join(line.split()) for line in lines_of(reason_of(parse(rule), row))]


def test_the_conditions_of_a_rule_are_shown_with_their_values():
    assert said("loans >= 3 and score > 0.5 and topic = 'art'") == [
        "yes loans >= 3 (loans is 3)",
        "no score > 0.5 (score is 0.25, 0.25 too low)",
        "yes topic = 'art' (topic is 'art')",
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("loans > 3", "no loans > 3 (loans is 3, which is the limit itself)"),
        ("loans <= 1", "no loans <= 1 (loans is 3, 2 too high)"),
        ("5 <= loans", "no 5 <= loans (loans is 3, 2 too low)"),
        ("loans - score >= 3", "no (loans - score) >= 3 (loans is 3, score is 0.25)"),
        ("100 - loans >= 98", "no (100 - loans) >= 98 (loans is 3)"),
        ("score >= 0.2500001", "no score >= 0.2500001 (score is 0.25, 1e-07 too low)"),
        (
            "seen_at > timestamp '2026-01-31'",
            "unknown seen_at > timestamp '2026-01-31 00:00:00' (seen_at is null)",
        ),
        ("loans = 4", "no loans = 4 (loans is 3, 1 too low)"),
        ("loans < score", "no loans < score (loans is 3, score is 0.25)"),
        ("topic = 'arts'", "no topic = 'arts' (topic is 'art')"),
        ("days >= 3", "unknown days >= 3 (days is null)"),
        ("not is_known", "no not is_known (is_known is true)"),
        ("is_known", "yes is_known (is_known is true)"),
        ("seen_at is null", "yes seen_at is null (seen_at is null)"),
        ("false", "no false"),
    ],
)
def test_an_unmet_condition_says_how_far_it_is(rule, line):
    (found,) = said(rule)
    assert found == line


def test_alternatives_are_indented():
    rule = "loans > 9 or (is_known and days > 1)"
    assert said(rule) == [
        "unknown one of these:",
        "no loans > 9 (loans is 3, 6 too low)",
        "unknown all of these:",
        "yes is_known (is_known is true)",
        "unknown days > 1 (days is null)",
    ]
    lines = lines_of(reason_of(parse(rule), ROW))
    assert [len(line) - len(line.lstrip()) for line in lines] == [2, 4, 4, 6, 6]


@settings(deadline=None)  # the first rule waits for sqlglot
@given(
    st.recursive(
        st.sampled_from(["loans >= 3", "days > 1", "topic = 'x'", "is_known", "score <= 0.25"]),
        lambda inner: st.lists(inner, min_size=2, max_size=3).flatmap(
            lambda parts: st.sampled_from(["and", "or"]).map(
                lambda word: "(" + f" {word} ".join(parts) + ")"
            )
        ),
        max_leaves=8,
    )
)
def test_the_verdict_follows_from_the_parts(rule):
    """By the logic of three values, at each level."""

    def verdict(reason):
        parts = [verdict(part) for part in reason.parts]
        if not reason.joined:
            return reason.is_met
        decisive = reason.joined == "or"
        return decisive if decisive in parts else None if None in parts else not decisive

    tree = parse(rule)
    reason = reason_of(tree, ROW)
    assert verdict(reason) is reason.is_met is value_of(tree, ROW)
    assert all(name in rule for name in columns_in(reason))


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    """A warehouse with three profiles, of which one is in `reader`."""
    path = tmp_path / "built.duckdb"
    monkeypatch.setenv("TIDELINE_WAREHOUSE", str(path))
    monkeypatch.delenv("DBT_TARGET", raising=False)
    with duckdb.connect(str(path)) as con:
        con.execute(
            """
            create schema tideline;
            use tideline;
            create table profile_aliases as select * from (values
                ('p1', 'p1'), ('p2', 'p2'), ('old', 'p1'), ('gone', null), ('new', 'new')
            ) as t (profile_id, current_profile_id);
            create table identity_map as select * from (values
                ('ann@example.org', 'p1', null), ('c1', 'p1', timestamp '2026-01-01'),
                ('c1', 'p2', null), ('both', 'p1', null), ('both', 'p2', null)
            ) as t (id_value, profile_id, valid_to);
            create table profile_attributes as select * from (values
                ('p1', timestamp '2026-01-31', 3::hugeint, 1.5::decimal(9, 3), date '2026-01-02'),
                ('p2', timestamp '2026-01-31', 1, null, null)
            ) as t (profile_id, as_of, loans, amount, joined);
            create table segments as select * from (values
                ('reader', 'loans >= 3 and amount > 1 and joined < timestamp ''2026-02-01''', 1),
                ('idle', 'loans = 0', 2)
            ) as t (segment_name, rule, priority), (select 'live' as lifecycle);
            insert into segments values ('draft', 'loans > 0', 3, 'draft');
            create table segment_memberships as
            select
                'p1' as profile_id, 'reader' as segment_name,
                'Reader\n\x1b[31m' as segment_label;
            create table segment_membership_history as select
                'p1' as profile_id, 'reader' as segment_name,
                timestamp '2026-01-15' as dbt_valid_from, null::timestamp as dbt_valid_to;
            """
        )
    return path


def test_a_member_is_explained(warehouse, capsys):
    for person in ("p1", "old", "ann@example.org", "ANN@example.org"):
        assert main([person, "reader"]) == 0
        said = capsys.readouterr().out
        assert said.startswith("Profile p1 is in reader, as of 2026-01-31 00:00:00 UTC: Reader\\n")
        assert "Since the build as of 2026-01-15 00:00:00 UTC." in said
        assert said.count("  yes  ") == 3 and "amount is 1.5" in said and "\x1b" not in said


def test_who_is_not_a_member_is_explained(warehouse, capsys):
    assert main(["c1", "reader"]) == 0  # the cookie is p2's now
    said = capsys.readouterr().out
    assert said.startswith("Profile p2 is not in reader")
    assert "loans is 1, 2 too low" in said and "amount is null" in said
    assert main(["p2"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows[0][:2] == ["reader", "no"] and "0 of 3 conditions are met" in " ".join(rows[0])


def test_the_person_is_read_from_standard_input(warehouse, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ann@example.org\n")))
    assert main(["-"]) == 0
    assert capsys.readouterr().out.startswith("Profile p1, as of")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ann@elsewhere.org"], "no profile has this id or identifier"),
        (["gone"], "this profile has ended"),
        (["new"], "this profile has no row in `profile_attributes`"),
        (["both"], "2 profiles have this identifier; name one: p1, p2"),
        (["p1", "draft"], "no live segment `draft`; "),
        (["p1", "r\x1b[31m"], r"no live segment `r\x1b[31m`"),
        (["\udcff"], "the person is not UTF-8 text"),
        (["p1", "readers"], "no live segment `readers`; did you mean `reader`?"),
    ],
)
def test_a_question_without_an_answer_is_refused(warehouse, words, message):
    with pytest.raises(WarehouseError, match=r"^[^@]*$") as error:
        main(words)
    assert message in str(error.value)


def test_a_verdict_that_the_build_does_not_share_is_refused(warehouse):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            "update tideline.segments set rule = 'loans >= 4' where segment_name = 'reader'"
        )
    with pytest.raises(WarehouseError, match="was built from other values or by another version"):
        main(["p1", "reader"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update segments set rule = 'days > 1'", "reads `days`, which `profile_attributes` does"),
        ("update segments set rule = 'loans >'", "the built rule of `reader` cannot be read"),
        ("alter table segments drop column lifecycle", "an earlier version built this warehouse"),
        ("drop schema tideline cascade", "has no table `segments` yet: no build has finished"),
    ],
)
def test_a_warehouse_that_cannot_explain_says_why(warehouse, change, message):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(f"use tideline; {change.replace('drop schema', 'use main; drop schema')}")
    for words in (["p1"], ["p1", "reader"]):
        with pytest.raises(WarehouseError) as error:
            main(words)
        assert message in str(error.value)


def test_a_new_label_does_not_begin_a_membership(warehouse, capsys):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """
            delete from tideline.segment_membership_history;
            insert into tideline.segment_membership_history values
                ('p1', 'reader', '2026-01-20', null), ('p1', 'reader', '2026-01-15', '2026-01-20'),
                ('p1', 'reader', '2026-01-10', '2026-01-15'),
                ('p1', 'reader', '2026-01-02', '2026-01-09'), ('p1', 'idle', '2026-01-03', null)
            """
        )
    assert main(["p1", "reader"]) == 0
    assert "Since the build as of 2026-01-10 00:00:00 UTC." in capsys.readouterr().out


def test_a_frozen_segment_has_no_conditions_of_today(warehouse, capsys):
    """p1 is in it, though its rule no longer holds; p2 is not."""
    with duckdb.connect(str(warehouse)) as con:
        con.execute("alter table tideline.segments add column frozen_at timestamp")
        con.execute(
            "update tideline.segments set frozen_at = '2026-01-20', rule = 'loans > 9' "
            "where segment_name = 'reader'"
        )
    assert main(["p1", "reader"]) == 0
    said = capsys.readouterr().out
    assert "Profile p1 is in reader" in said and "loans" not in said
    assert said.endswith("The segment is frozen at 2026-01-20 00:00:00 UTC.\n")
    assert main(["p2"]) == 0
    assert "frozen at 2026-01-20 00:00:00 UTC" in capsys.readouterr().out


def test_a_membership_with_an_interval_has_exact_times(warehouse, capsys):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """
            use tideline;
            create table fct_events as select 'e1' as event_id, 'loan' as event_name;
            create table segment_intervals as select * from (values
                ('p1', 'reader', timestamp '2026-01-02', timestamp '2026-01-03', 'e1', null),
                ('p1', 'reader', timestamp '2026-01-30 12:00:00.000001',
                    timestamp '2026-02-02', 'e1', null),
                ('p1', 'idle', timestamp '2026-01-01', timestamp '2026-01-02', null, 'e1'),
                ('p1', 'idle', timestamp '2026-01-31', null, null, null),
                ('p2', 'reader', timestamp '2026-01-01', timestamp '2026-01-31', 'e1', 'gone')
            ) as t (
                profile_id, segment_name, valid_from, valid_to, entered_event_id, left_event_id
            );
            """
        )
    main(["p1", "reader"])
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "Since 2026-01-30 12:00:00.000001 UTC, by the event `loan` e1.",
        "Until 2026-02-02 00:00:00 UTC, if no more event arrives.",
    ]
    main(["p1", "idle"])
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "Last in it from 2026-01-01 00:00:00 UTC, because time has passed, until 2026-01-02 "
        "00:00:00 UTC, by the event `loan` e1.",
        "From 2026-01-31 00:00:00 UTC on it is, if no more event arrives.",
    ]
    # An interval that ends at the data clock is that of the build; p2's rule says otherwise.
    main(["p2", "reader"])
    assert "Since 2026-01-01 00:00:00 UTC, by the event `loan` e1." in capsys.readouterr().out


def test_who_is_in_another_segment_of_the_group_is_told_so(warehouse, capsys):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """
            use tideline;
            alter table segments add column exclusive_group varchar;
            insert into segments values
                ('first', 'loans >= 2 and not idle', 4, 'live', 'tier'),
                ('second', 'loans >= 1', 5, 'live', 'tier');
            insert into segment_memberships values
                ('p1', 'first', 'First'), ('p2', 'second', 'Second');
            """
        )
    main(["p1", "second"])
    assert capsys.readouterr().out.splitlines() == [
        "Profile p1 is not in second, as of 2026-01-31 00:00:00 UTC, because it is in first, which "
        "comes first in the group tier.",
        "  yes      loans >= 1   (loans is 3)",
        "  no       not first   (first is true)",
        "Segment first",
        "  yes      loans >= 2   (loans is 3)",
        "  yes      not idle   (idle is false)",
    ]
    main(["p2", "first"])
    assert capsys.readouterr().out.splitlines() == [
        "Profile p2 is not in first, as of 2026-01-31 00:00:00 UTC.",
        "  no       loans >= 2   (loans is 1, 1 too low)",
        "  yes      not idle   (idle is false)",
        "Segment idle",
        "  no       loans = 0   (loans is 1, 1 too high)",
    ]
    main(["p2", "second"])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  yes      loans >= 1   (loans is 1)",
        "  yes      not first   (first is false)",
    ]


def test_who_is_held_out_of_delivery_is_told(warehouse, capsys):
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """
            use tideline;
            create table experiments as select * from (values
                ('own', 'idle,reader'), ('everybody', '*'), ('other', 'idle'), ('old', 'reader'),
                ('of_another', 'reader')
            ) as t (experiment_name, segments);
            create table experiment_arms as select
                if(experiment_name = 'of_another', 'p2', 'p1') as profile_id, experiment_name,
                timestamp '2026-01-20' as exposed_at, experiment_name <> 'old' as is_held_out
            from experiments;
            """
        )
    main(["p1", "reader"])
    told = [line for line in capsys.readouterr().out.splitlines() if "Held out" in line]
    assert told == [
        f"Held out of delivery by the experiment `{name}`, since 2026-01-20 00:00:00 UTC."
        for name in ("everybody", "own")
    ]
    main(["p1", "idle"])
    assert "Held out" not in capsys.readouterr().out  # not a member
