"""The personas in synthetic behavior with known groups."""

import importlib.util
import logging
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).parents[2]
NEVER = pd.Timestamp(0)  # the value of `last_removal` without removals
CLOCK = pd.Timestamp("2026-06-01")
BEHAVIORS = ["app_share", "coupon_share", "searches_per_visit", "visits_per_week"]
GROUPS = np.array([[6, 0, 0, 1], [0, 6, 0, 1], [0, 0, 6, 1], [0, 0, 0, 4]], dtype=float)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "python_models" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


centroids = load("persona_centroids")
NAMES = ROOT / "seeds" / "persona_names.csv"
BOOK = centroids.Names.read(pd.read_csv(NAMES))


class Dbt:
    """The `dbt` object that dbt-duckdb passes to a Python model."""

    def __init__(self, session, is_incremental=False, retrain=False):
        self.session, self.is_incremental, self.this = session, is_incremental, "persona_centroids"
        self.meta = {"retrain_after_days": 7, "retrain": str(retrain)}
        self.config = self

    def __call__(self, **_):
        pass

    def meta_get(self, key, default=None):
        return self.meta.get(key, default)

    def ref(self, name):
        return self.session.table(name)


def profiles(groups=GROUPS, count=80, seed=0):
    """`count` profiles around each group's behavior."""
    rng = np.random.default_rng(seed)
    values = np.repeat(groups, count, axis=0) + rng.gamma(2, 0.1, (len(groups) * count, 4))
    frame = pd.DataFrame(values, columns=BEHAVIORS)
    frame.insert(0, "profile_id", [f"p{i:04d}" for i in range(len(frame))])
    return frame.assign(as_of=CLOCK, is_for_training=True)


def run(frame, clock=CLOCK, former=None, retrain=False, removed_at=NEVER, called=None):
    session = duckdb.connect()
    session.register("persona_names", pd.read_csv(NAMES) if called is None else called)
    session.register("persona_behaviors", frame)
    session.register("data_clock", pd.DataFrame({"as_of": [clock]}))
    removal = pd.DataFrame({"removed_at": [removed_at]}).astype("datetime64[us]")
    session.register("last_removal", removal)
    if former is not None:
        session.register("persona_centroids", former)
    return centroids.model(Dbt(session, former is not None, retrain), session)


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


def test_the_groups_are_found_and_named_by_their_differences():
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
    """Sizes and scales change, which changes the order; a new group gets a new number."""
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


def test_extreme_profiles_do_not_make_a_persona():
    frame = profiles()
    frame.loc[0, BEHAVIORS] = 1e9
    assert run(frame).groupby("persona_id")["profile_count"].first().min() > 40


def test_only_profiles_for_training_shape_the_personas():
    frame = profiles()
    strange = profiles(np.array([[9.0, 9, 9, 9]]), 300, seed=5).assign(is_for_training=False)
    pd.testing.assert_frame_equal(run(pd.concat([frame, strange], ignore_index=True)), run(frame))


@pytest.mark.parametrize(("later", "is_found"), [("0h", 0), ("6D 23h", 0), ("7D", 1)])
def test_personas_are_trained_again_by_calendar_days(later, is_found):
    frame = profiles()
    assert run(frame, CLOCK + pd.Timedelta(later), run(frame)).empty == (not is_found)


def test_a_command_finds_them_now_and_names_stay():
    frame = profiles()
    first = run(frame)
    assert names(run(frame, CLOCK, first, retrain=True)) == names(first)


def weeks(count=6):
    """The same groups each week with different noise; two of them are very close."""
    groups = np.array([[6, 0, 0, 1], [0, 6, 0, 1], [0, 0, 6, 1], [0, 0, 0.4, 1]], dtype=float)
    for week in range(count):
        frame = profiles(groups, 30, seed=week)
        frame[BEHAVIORS] *= np.random.default_rng(week).lognormal(0, 0.2, frame[BEHAVIORS].shape)
        yield CLOCK + pd.Timedelta(days=7 * week), frame


@pytest.mark.slow
def test_the_number_of_personas_does_not_follow_the_noise():
    """Without a former version the number varies by week; with it, the number stays."""
    anew = {len(names(run(frame, clock))) for clock, frame in weeks()}
    assert len(anew) > 1
    history, found = None, []
    for clock, frame in weeks():
        rows = run(frame, clock, history)
        history = rows if history is None else pd.concat([history, rows], ignore_index=True)
        found.append(names(rows))
    assert len({len(each) for each in found}) == 1, found


REMOVED = pd.Timestamp("2026-07-20 09:00:00")


def test_after_a_removal_they_are_found_at_once_and_their_number_is_chosen_afresh():
    """A former version would keep the number (test above). Personas found again keep their ids."""
    history, changed = None, 0
    for clock, frame in weeks():
        afresh = run(frame, clock)
        if history is not None:
            corrected = run(frame, clock, history, removed_at=REMOVED)
            assert (corrected["last_removal_at"] == REMOVED).all()
            assert len(names(corrected)) == len(names(afresh))
            assert set(names(corrected)) & set(names(history))
            kept = pd.concat([history, corrected], ignore_index=True)
            assert run(frame, clock, kept, removed_at=REMOVED).empty  # once
            later = REMOVED + pd.Timedelta(hours=1)
            assert not run(frame, clock, kept, removed_at=later).empty
            changed += len(names(corrected)) != len(names(history))
        else:
            history = afresh
    assert changed


def test_versions_from_before_a_removal_are_ignored_later():
    """Its clock may have been ahead; ids and number come from the valid version."""
    wrong = run(profiles(GROUPS[:3]), CLOCK + pd.Timedelta(days=7))
    history = pd.concat([wrong, run(profiles(), CLOCK, wrong, removed_at=REMOVED)])
    rows = run(profiles(seed=1), CLOCK + pd.Timedelta(days=14), history, removed_at=REMOVED)
    assert names(rows) == names(history[history["trained_as_of"] == CLOCK])


def test_a_table_without_last_removal_is_read():
    former = run(profiles()).drop(columns="last_removal_at")
    assert run(profiles(), CLOCK, former).empty
    assert names(run(profiles(), CLOCK, former, removed_at=REMOVED)) == names(former)


def test_a_gain_beyond_noise_changes_the_number():
    rng = np.random.default_rng(0)
    was = rng.uniform(0.2, 0.4, 500)
    assert not centroids.is_gain(was, was)
    assert not centroids.is_gain(was + rng.normal(0.015, 0.2, 500), was)
    assert centroids.is_gain(was + 0.05, was)


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


def test_unknown_and_constant_behavior_do_not_fail():
    frame = profiles().assign(constant=1.0, unknown=np.nan)
    frame.loc[::7, "app_share"] = np.nan
    rows = run(frame)
    assert set(rows["feature"]) == set(BEHAVIORS)
    assert rows["center"].notna().all()


def test_names_are_those_of_the_seed():
    own = (
        pd.read_csv(NAMES).replace("Searchers", "Seekers of music").query("behavior != 'app_share'")
    )
    found = set(names(run(profiles(), called=own)).values())
    assert {"Seekers of music", "Higher app share"} < found


def test_every_name_is_unique_and_phrases_cover_the_behaviors():
    centers = pd.DataFrame(0.0, index=range(8), columns=BEHAVIORS)
    medians = pd.DataFrame(1.0, index=range(8), columns=BEHAVIORS)
    found = centroids.name_personas(centers, medians, {3: "App users"}, BOOK)
    assert found[3] == "App users" and len(set(found.values())) == 8
    assert set(BOOK.claims) == set(BOOK.phrases.values())
    assert len(BOOK.phrases) == len(set(BOOK.phrases.values()))


def shoppers(orders, views, value=50.0, count=100, seed=0):
    """Profiles with these rates of orders and product views."""
    rng = np.random.default_rng(seed)
    jitter = rng.uniform(0.95, 1.05, (count, 3))
    frame = pd.DataFrame(
        np.array([orders, views, value if orders else 0]) * jitter,
        columns=["orders_per_visit", "product_views_per_visit", "avg_order_value"],
    )
    frame.insert(0, "profile_id", [f"{orders}-{views}-{value}-{i:03d}" for i in range(count)])
    return frame.assign(as_of=CLOCK, is_for_training=True)


def test_fewer_purchases_than_others_do_not_make_a_window_shopper():
    """All buy; the largest group only differs because the others buy more often."""
    bought = pd.concat([shoppers(0.5, 1), shoppers(0.9, 5, seed=1), shoppers(2, 9, seed=2)])
    assert "Window shoppers" not in names(run(bought)).values()
    looked = pd.concat([shoppers(0, 6), shoppers(0.9, 5, seed=1), shoppers(2, 9, seed=2)])
    assert "Window shoppers" in names(run(looked)).values()


def test_no_purchases_do_not_make_a_small_spender():
    groups = [shoppers(0, 0.5), shoppers(0.9, 5, 20, seed=1), shoppers(0.9, 5, 900, seed=2)]
    rows = run(pd.concat(groups))
    silent = rows[(rows["feature"] == "avg_order_value") & (rows["center"] < -1)]
    assert len(silent) == 1 and "spender" not in silent["persona_name"].item().lower()


def test_a_name_that_is_no_longer_true_changes_and_the_id_stays():
    center = pd.DataFrame({"orders_per_visit": [-1.0], "product_views_per_visit": [0.2]})
    looks = pd.DataFrame({"orders_per_visit": [0.0], "product_views_per_visit": [3.0]})
    buys = looks.assign(orders_per_visit=0.5)
    kept = {0: "Window shoppers"}
    assert centroids.name_personas(center, looks, kept, BOOK) == kept
    assert centroids.name_personas(center, buys, kept, BOOK) == {0: "Lower orders per visit"}
    plain = {0: "Lower orders per visit"}
    assert centroids.name_personas(center, buys, plain, BOOK) == plain
    assert centroids.name_personas(-center, buys, plain, BOOK) == {0: "Regular buyers"}
