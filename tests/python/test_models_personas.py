"""The personas, found in synthetic behavior whose groups are known."""

import importlib.util
import logging
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).parents[2]
CLOCK = pd.Timestamp("2026-06-01")
BEHAVIORS = ["app_share", "coupon_share", "searches_per_visit", "visits_per_week"]
GROUPS = np.array([[6, 0, 0, 1], [0, 6, 0, 1], [0, 0, 6, 1], [0, 0, 0, 4]], dtype=float)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "python_models" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


centroids = load("persona_centroids")


class Dbt:
    """What dbt-duckdb hands to a Python model."""

    def __init__(self, session, is_incremental=False):
        self.session, self.is_incremental, self.this = session, is_incremental, "persona_centroids"
        self.config = self

    def __call__(self, **_):
        pass

    def meta_get(self, key, default=None):
        return {"retrain_after_days": 7}.get(key, default)

    def ref(self, name):
        return self.session.table(name)


def profiles(groups=GROUPS, count=80, seed=0):
    """`count` profiles around each group's behavior."""
    rng = np.random.default_rng(seed)
    values = np.repeat(groups, count, axis=0) + rng.gamma(2, 0.1, (len(groups) * count, 4))
    frame = pd.DataFrame(values, columns=BEHAVIORS)
    frame.insert(0, "profile_id", [f"p{i:04d}" for i in range(len(frame))])
    return frame.assign(as_of=CLOCK, is_for_training=True)


def run(frame, clock=CLOCK, former=None):
    session = duckdb.connect()
    session.register("persona_behaviors", frame)
    session.register("data_clock", pd.DataFrame({"as_of": [clock]}))
    if former is not None:
        session.register("persona_centroids", former)
    return centroids.model(Dbt(session, former is not None), session)


def assign(frame, rows):
    """The nearest persona, by the formula of profile_personas.sql."""
    distance = {}
    for persona, own in rows.groupby("persona_id"):
        own = own.set_index("feature")
        logs = (np.log1p(frame[BEHAVIORS]) - own["mean"]) / own["scale"]
        distance[persona] = ((logs.clip(-3, 3) - own["center"])[BEHAVIORS] ** 2).sum(axis=1)
    return pd.DataFrame(distance).idxmin(axis=1)


def names(rows):
    return dict(zip(rows["persona_id"], rows["persona_name"], strict=True))


def test_the_groups_are_found_and_named_after_what_sets_them_apart():
    frame = profiles()
    rows = run(frame)
    assert adjusted_rand_score(np.repeat(range(4), 80), assign(frame, rows)) == 1
    assert set(names(rows).values()) == {
        "App users", "Coupon hunters", "Searchers", "Frequent visitors",
    }  # fmt: skip
    assert (rows.groupby("persona_id")["profile_count"].first() == 80).all()


def test_the_order_of_rows_and_columns_decides_nothing():
    frame = profiles()
    shuffled = frame.sample(frac=1, random_state=1)[list(frame.columns[::-1])]
    pd.testing.assert_frame_equal(run(frame), run(shuffled), check_exact=True)


def test_a_persona_found_again_keeps_its_id_and_name():
    """Sizes and scales change, and so would the order; a new group gets a new number."""
    first = run(profiles())
    grown = pd.concat(
        [
            profiles(GROUPS[[3]], 400, seed=1),
            profiles(GROUPS[[2]] * 1.2, 50, seed=2),
            profiles(GROUPS[[0]] * 0.9, 150, seed=3),
            profiles(np.array([[6.0, 6.0, 6.0, 6.0]]), 120, seed=4),
        ],
        ignore_index=True,
    ).assign(profile_id=lambda f: [f"q{i:04d}" for i in range(len(f))])
    second = run(grown, CLOCK + pd.Timedelta(days=8), first)
    by_name = {name: persona for persona, name in names(first).items()}
    kept = {"App users", "Searchers", "Frequent visitors"}
    assert {by_name[n] for n in kept} == set(names(second)) & set(names(first))
    assert {names(second)[by_name[n]] for n in kept} == kept
    assert set(names(second)) - set(names(first)) == {"persona_5"}
    assert len(set(names(second).values())) == 4

    both = pd.concat([first, second], ignore_index=True)
    third = run(profiles(), CLOCK + pd.Timedelta(days=16), both)
    assert "persona_5" not in names(third) and len(names(third)) == 4


def test_extremes_make_no_persona_of_their_own():
    frame = profiles()
    frame.loc[0, BEHAVIORS] = 1e9
    assert run(frame).groupby("persona_id")["profile_count"].first().min() > 40


def test_only_profiles_for_training_shape_the_personas():
    frame = profiles()
    strange = profiles(np.array([[9.0, 9, 9, 9]]), 300, seed=5).assign(is_for_training=False)
    pd.testing.assert_frame_equal(run(pd.concat([frame, strange], ignore_index=True)), run(frame))


@pytest.mark.parametrize("days_later", [0, 7])
def test_young_personas_are_not_found_again(days_later):
    frame = profiles()
    assert run(frame, CLOCK + pd.Timedelta(days=days_later), run(frame)).empty


@pytest.mark.parametrize(
    "frame",
    [profiles().head(0), profiles().head(20), profiles().assign(**dict.fromkeys(BEHAVIORS, 1))],
)
def test_too_little_behavior_gives_no_personas_and_says_so(frame, caplog):
    with caplog.at_level(logging.WARNING):
        rows = run(frame)
    assert rows.empty
    assert list(rows.columns) == list(centroids.COLUMNS)
    assert "Personas were not trained" in caplog.text


def test_unknown_and_constant_behavior_is_survived():
    frame = profiles().assign(constant=1.0, unknown=np.nan)
    frame.loc[::7, "app_share"] = np.nan
    rows = run(frame)
    assert set(rows["feature"]) == set(BEHAVIORS)
    assert rows["center"].notna().all()


def test_every_name_is_unique_and_phrases_cover_the_behaviors():
    centers = pd.DataFrame(0.0, index=range(8), columns=BEHAVIORS)
    found = centroids.name_personas(centers, {3: "App users"})
    assert found[3] == "App users" and len(set(found.values())) == 8
    assert centroids.phrase("late_visits", True) == "High late visits"
