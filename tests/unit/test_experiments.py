"""Who is in which arm of an experiment: decided once, at the first exposure."""

from collections import Counter
from datetime import datetime, timedelta
from hashlib import md5

import pytest

from tests.support.experiments import MODELS, START, Experiments
from tideline.declarations.macros import render

PEOPLE = [f"p{number}" for number in range(400)]
DAY = timedelta(days=1)
UP_TO_ARMS = tuple(name for name in MODELS if name != "experiment_results")


@pytest.fixture
def built(tmp_path):
    """An experiment over the readers, built once, of whom half are held out."""
    found = Experiments(tmp_path)
    found.declare({})
    found.join(*PEOPLE)
    found.build(START, models=UP_TO_ARMS)
    return found


def draw(name, profile):
    """The draw of a profile by plain Python."""
    return int(md5(f"{name}:{profile}".encode()).hexdigest()[:8], 16) / 2**32


def expected(name="reminder", share=0.5):
    return {each: "held_out" if draw(name, each) < share else "treated" for each in PEOPLE}


def test_a_hash_decides_the_arm(built):
    assert built.arms() == expected()
    ((share, arms),) = built.query("select distinct share, arms from experiment_assignments")
    assert (share, arms) == (0.5, "held_out 0.5, treated 0.5")
    assert built.query("select distinct exposed_at from experiment_arms") == [(START,)]


def test_draws_are_even_and_independent_of_other_experiments(tmp_path):
    """On 100,000 ids: bounds that chance passes once in a million times."""
    con = Experiments(tmp_path).con
    count = 100_000
    draws = ", ".join(
        f"{render('draw_of', 'md5(' + repr(salt) + ' || i)')} as {salt[0]}"
        for salt in ("first:", "second:")
    )
    con.execute(f"create table draws as select {draws} from range({count}) as t (i)")
    for share in (0.001, 0.05, 0.1, 0.5, 0.9):
        spread = 5 * (count * share * (1 - share)) ** 0.5
        for salt in ("f", "s"):
            (found,) = con.execute(f"select count_if({salt} < {share}) from draws").fetchone()
            assert abs(found - count * share) < spread
    ((both,),) = con.execute("select count_if(f < 0.1 and s < 0.1) from draws").fetchall()
    assert abs(both - 1000) < 5 * 1000**0.5
    assert con.execute("select min(f) >= 0, max(f) < 1 from draws").fetchall() == [(True, True)]


def test_changed_shares_and_rebuilds_move_nobody(built):
    before = built.arms()
    for arms in ({"held_out": 0.1, "treated": 0.9}, {"held_out": 0.5, "a": 0.2, "b": 0.3}):
        built.declare({"arms": arms})
        built.build(START + DAY, models=UP_TO_ARMS)
        assert built.arms() == before
    built.join("new")
    built.build(START + 2 * DAY, models=UP_TO_ARMS)
    arms = built.arms()
    assert arms.pop("new") in ("held_out", "a", "b") and arms == before
    assert built.query(
        "select share, arms, exposed_at from experiment_assignments where profile_id = 'new'"
    ) == [({"held_out": 0.5, "a": 0.2, "b": 0.3}[built.arms()["new"]],
           "held_out 0.5, a 0.2, b 0.3", START + 2 * DAY)]  # fmt: skip


def test_who_leaves_and_comes_back_keeps_the_arm(built):
    before = built.arms()
    built.con.execute("delete from segment_memberships")
    built.build(START + DAY, models=UP_TO_ARMS)
    built.join(*PEOPLE)
    built.build(START + 2 * DAY, models=UP_TO_ARMS)
    assert built.arms() == before
    assert built.query("select count(*) from experiment_assignments") == [(len(PEOPLE),)]


def one_of(built, arm, but=()):
    return next(each for each, found in built.arms().items() if found == arm and each not in but)


@pytest.mark.parametrize("arm", ["held_out", "treated"])
def test_after_a_merge_the_earliest_exposure_decides(built, arm):
    old = one_of(built, arm)
    new = next(
        f"n{n}" for n in range(99) if (draw("reminder", f"n{n}") < 0.5) != (arm == "held_out")
    )
    built.join(new)
    built.build(START + DAY, models=UP_TO_ARMS)
    assert built.arms()[new] != arm
    built.merge(old, new)  # the current id is that of the later exposure
    built.build(START + 2 * DAY, models=UP_TO_ARMS)
    found = built.query(
        "select arm, exposed_at, is_crossed, is_held_out from experiment_arms where profile_id = ?",
        new,
    )
    assert found == [(arm, START, True, arm == "held_out")]
    assert old not in built.arms()
    assert built.query("select count(*) from experiment_arms where is_crossed") == [(1,)]
    # The record has both, and each id once.
    assert built.query(
        "select count(*) from experiment_assignments where profile_id in (?, ?)", old, new
    ) == [(2,)]


def test_a_profile_that_takes_in_an_assigned_one_is_not_assigned_again(built):
    old = one_of(built, "held_out")
    new = next(f"n{n}" for n in range(99) if draw("reminder", f"n{n}") >= 0.5)
    built.join(new)
    built.merge(old, new)
    built.build(START + DAY, models=UP_TO_ARMS)
    assert built.arms()[new] == "held_out"
    assert built.query("select is_crossed from experiment_arms where profile_id = ?", new) == [
        (False,)
    ]


def test_a_profile_that_has_ended_has_no_arm(built):
    built.con.execute(
        "update profile_aliases set current_profile_id = null where profile_id = 'p1'"
    )
    built.con.execute("delete from segment_memberships where profile_id = 'p1'")
    built.build(START + DAY, models=UP_TO_ARMS)
    assert built.arms().keys() == {*PEOPLE} - {"p1"}


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({"starts_at": START + DAY}, [0, 400, 800]),
        ({"ends_at": START + DAY}, [400, 400, 400]),
        ({"lifecycle": "draft"}, [0, 0, 0]),
        ({"lifecycle": "retired"}, [0, 0, 0]),
        ({"segments": "writer"}, [0, 0, 0]),
        ({"segments": ["writer", "reader"]}, [400, 400, 800]),
    ],
    ids=str,
)
def test_only_a_running_experiment_assigns_members(tmp_path, keys, counts):
    found = Experiments(tmp_path)
    found.declare(keys)
    found.join(*PEOPLE)
    for day, count in enumerate(counts):
        if day == 2:
            found.join(*(f"later {each}" for each in PEOPLE))
        found.build(START + day * DAY, models=UP_TO_ARMS)
        assert len(found.arms()) == count


def held_out(found):
    return found.query("select count(*) from experiment_arms where is_held_out")[0][0]


def test_after_the_end_nobody_is_held_out(built):
    assert 0 < held_out(built) < len(PEOPLE)
    for keys in ({"ends_at": START + DAY}, {"lifecycle": "retired"}, {"name": "another"}):
        built.declare(keys)
        built.build(START + DAY, models=("experiments", "experiment_arms"))
        assert held_out(built) == 0
        assert built.arms() == expected()  # the record stays
    built.declare({"ends_at": START + DAY + timedelta(microseconds=1)})
    built.build(START + DAY, models=UP_TO_ARMS)
    assert held_out(built) > 0


EVERYBODY = {"name": "everybody", "segments": "*", "arms": {"held_out": 0.2, "treated": 0.8}}


def test_the_global_holdout_is_of_members_of_any_segment(tmp_path):
    found = Experiments(tmp_path)
    found.declare(EVERYBODY, {})
    found.join(*PEOPLE[:200], segment="reader")
    found.join(*PEOPLE[100:], segment="writer")
    found.build(START, models=UP_TO_ARMS)
    arms = found.arms("everybody")
    assert arms == expected("everybody", 0.2)
    # Whom it holds out cannot be treated elsewhere.
    others = {each for each in PEOPLE[:200] if arms[each] == "treated"}
    assert found.arms().keys() == others
    found.join("new")
    found.build(START + DAY, models=UP_TO_ARMS)
    assert ("new" in found.arms()) == (found.arms("everybody")["new"] == "treated")
    assert found.arms().keys() - {"new"} == others  # also those of former builds
    # After its end they take part.
    found.declare(EVERYBODY | {"lifecycle": "retired"}, {})
    found.build(START + 2 * DAY, models=UP_TO_ARMS)
    assert found.arms().keys() == {*PEOPLE[:200], "new"}


def test_a_run_as_of_the_past_assigns_nobody_but_holds_out(built):
    before = built.query("from experiment_assignments order by all")
    built.join("new", *(f"later {each}" for each in PEOPLE))
    built.build(START + DAY, models=UP_TO_ARMS, variables={"as_of": "2026-01-02"})
    assert built.query("from experiment_assignments order by all") == before
    arms = built.arms()
    assert arms.items() >= expected().items() and "new" in arms and len(arms) == 801
    share = Counter(arms.values())["held_out"] / len(arms)
    assert 0.4 < share < 0.6 and held_out(built) == Counter(arms.values())["held_out"]
    # Other shares, and a time before the assignments, change nothing about these.
    for share in (0.001, 0.9):
        arms = {"held_out": share, "treated": 1 - share}
        built.declare({"arms": arms, "starts_at": START - 9 * DAY})
        built.build(START - DAY, models=UP_TO_ARMS, variables={"as_of": "2025-12-31"})
        assert built.arms().items() >= expected().items() and len(built.arms()) == 801
        assert built.query("select count(*) from experiment_arms where is_crossed") == [(0,)]


TABLES = """
create table labelled as select *, segment_name as segment_label, now() as as_of
from segment_memberships;
drop table segment_memberships;
alter table labelled rename to segment_memberships;
create table catalog as select segment_name, 'Hello' as creative from segments;
drop table segments;
alter table catalog rename to segments;
create table dim_profiles as select distinct profile_id, 'u' as user_id, 'e' as latest_email
from segment_memberships;
create table profile_traits as select profile_id from dim_profiles;
create table profile_personas as select profile_id, 'p' as persona_name from dim_profiles;
create table identity_map (
    profile_id varchar, id_value varchar, id_type varchar, identifier_id varchar, valid_to date
);
create table identifiers (identifier_id varchar, last_received_at date);
"""


def audiences(built, *experiments):
    """The delivered rows of an experiment by segment and profile: the arm, if it is sent."""
    built.declare(*experiments)
    built.build(START, models=UP_TO_ARMS)
    rows = built.con.execute(built.select("activation/activation_audiences.sql"))
    names = [each[0] for each in rows.description]
    found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    assert len({(row["profile_id"], row["segment_name"]) for row in found}) == len(found)
    return {(row["segment_name"], row["profile_id"]): row.get("arm", "not sent") for row in found}


def test_the_held_out_are_not_delivered_and_arms_are_sent_if_there_are_several(tmp_path):
    built = Experiments(tmp_path)
    built.join(*PEOPLE, segment="reader")
    built.join(*PEOPLE, segment="writer")
    built.con.execute(TABLES)
    everybody = {(segment, each): "not sent" for segment in ("reader", "writer") for each in PEOPLE}
    assert audiences(built) == everybody
    assert audiences(built, {"lifecycle": "draft"}) == everybody

    held_out = {each for each, arm in expected().items() if arm == "held_out"}
    of_readers = {key: arm for key, arm in everybody.items() if key[1] not in held_out}
    of_writers = {key: arm for key, arm in everybody.items() if key[0] == "writer"}
    assert audiences(built, {}) == of_readers | of_writers
    assert (
        audiences(built, {"ends_at": START + timedelta(microseconds=1)}) == of_readers | of_writers
    )

    built.con.execute("delete from experiment_assignments")
    found = audiences(built, {"arms": {"held_out": 0.5, "short": 0.2, "long": 0.3}})
    assert found.keys() == (of_readers | of_writers).keys()
    assert {arm for (segment, _), arm in found.items() if segment == "writer"} == {None}
    assert {key: arm for key, arm in found.items() if key[0] == "reader"} == {
        ("reader", each): arm for each, arm in built.arms().items() if arm != "held_out"
    }
    assert {*built.arms().values()} == {"held_out", "short", "long"}

    built.con.execute("delete from experiment_assignments")
    found = audiences(built, EVERYBODY, {})
    nobody = {each for each, arm in expected("everybody", 0.2).items() if arm == "held_out"}
    assert found == {
        (segment, each): "not sent"
        for segment, each in everybody
        if each not in nobody and not (segment == "reader" and each in held_out)
    }


def test_the_tables_are_empty_without_experiments(tmp_path):
    found = Experiments(tmp_path)
    found.declare()
    found.join(*PEOPLE)
    for day in range(2):
        found.build(datetime(2026, 1, 1 + day))
    for name in MODELS:
        assert found.query(f"select count(*) from {name}") == [(0,)], name
