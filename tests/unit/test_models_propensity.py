"""The propensity models, trained on synthetic examples with known labels."""

import importlib.util
import logging
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).parents[2]
NEVER = pd.Timestamp(0)  # the value of `last_removal` without removals
CLOCK = pd.Timestamp("2026-06-01 12:00:00")
# Baselines that do not predict anything here.
LITTLE = [
    "active_days_ever", "days_since_last_order", "frequency_30d", "minutes_since_last_event",
    "orders_ever",
]  # fmt: skip


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "python_models" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


model_parameters = load("model_parameters")


class Dbt:
    """The `dbt` object that dbt-duckdb passes to a Python model."""

    def __init__(self, session, is_incremental=False, retrain=False):
        self.session, self.is_incremental, self.this = session, is_incremental, "model_parameters"
        self.meta = {"retrain_after_days": 7, "retrain": str(retrain)}
        self.config = self

    def __call__(self, **_):
        pass

    def meta_get(self, key, default=None):
        return self.meta.get(key, default)

    def ref(self, name):
        return self.session.table(name)


def examples(count=600, seed=0, model_name="churn", **columns):
    """Examples of one model: the label depends on `recency`, not on `noise` and the others."""
    rng = np.random.default_rng(seed)
    recency = rng.integers(0, 30, count).astype(float)
    help_ = rng.exponential(2, count)
    chance = 1 / (1 + np.exp(-(0.15 * (recency - 25) + 0.8 * (help_ - 2))))
    frame = pd.DataFrame(
        {
            "model_name": model_name,
            "profile_id": [f"p{i % 300}" for i in range(count)],
            "as_of": CLOCK - pd.to_timedelta(np.arange(count)[::-1] // 300 + 30, unit="D"),
            "label": (rng.random(count) < chance).astype(int),
            "slice": np.where(np.arange(count) < count * 0.6, "train", "test"),
            "recency": recency,
            "open_cart_value": recency,
            **dict.fromkeys(LITTLE, rng.normal(size=count)),
            "tickets": help_,
            "noise": rng.normal(size=count),
        }
    )
    return frame.assign(**columns)


def requirements(frame, **unmet):
    """Rows of `model_requirements`; `unmet` gives an unmet requirement of one model."""
    names = ["churn", "bundle_purchase"]
    rows = [(name, 1, "10 examples needed, 10 found", True) for name in names]
    rows += [(name, number, text, False) for name, texts in unmet.items()
             for number, text in enumerate(texts, 2)]  # fmt: skip
    columns = ["model_name", "requirement_number", "finding", "is_met"]
    return pd.DataFrame(rows, columns=columns)


def run(
    frame,
    clock=CLOCK,
    former=None,
    declaration_id="asked",
    retrain=False,
    removed_at=NEVER,
    **unmet,
):
    session = duckdb.connect()
    names = sorted(frame["model_name"].unique())
    session.register("training_examples", frame)
    session.register("data_clock", pd.DataFrame({"as_of": [clock]}))
    removal = pd.DataFrame({"removed_at": [removed_at]}).astype("datetime64[us]")
    session.register("last_removal", removal)
    declared = pd.DataFrame({"model_name": names}).assign(declaration_id=declaration_id)
    session.register("model_declarations", declared.astype(str))
    session.register("model_requirements", requirements(frame, **unmet))
    if former is not None:
        session.register("model_parameters", former)
    return model_parameters.model(Dbt(session, former is not None, retrain), session)


def both(frame):
    return pd.concat([frame, frame.assign(model_name="bundle_purchase")], ignore_index=True)


def value(rows, term, name="churn"):
    return rows[(rows["model_name"] == name) & (rows["term"] == term)]["value"].item()


def test_a_model_learns_the_decisive_feature_and_beats_its_baseline():
    rows = run(both(examples(3000)))
    assert set(rows["model_version"]) == {
        "churn@2026-06-01T12:00:00#asked",
        "bundle_purchase@2026-06-01T12:00:00#asked",
    }
    assert value(rows, "auc") > value(rows, "baseline_auc") + 0.05
    assert value(rows, "auc_gain_low") > 0.03
    coefficients = rows[rows["kind"] == "coefficient"]
    assert abs(value(coefficients, "noise")) < 0.2 < value(coefficients, "tickets")
    assert value(rows, "n_train") + value(rows, "n_test") == 3000
    assert value(rows, "log_loss") < -np.log(0.5)
    assert not rows.duplicated(["model_version", "kind", "term"]).any()


def test_the_rows_are_sufficient_for_scoring():
    """The formula of profile_scores.sql on the rows gives calibrated probabilities."""
    frame = examples(6000)
    terms = run(frame).query("kind == 'coefficient'").set_index("term")
    test = frame[frame["slice"] == "test"]
    log_odds = terms.loc["intercept", "value"]
    for term in terms.drop(index="intercept").itertuples():
        values = test[term.Index].clip(term.lower_bound, term.upper_bound)
        values = np.log1p(values) if term.transform == "log1p" else values
        log_odds = log_odds + term.value * (values - term.mean) / term.scale
    scores = 1 / (1 + np.exp(-log_odds))
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = scores.between(low, low + 0.25)
        assert inside.sum() > 40
        assert scores[inside].mean() == pytest.approx(test["label"][inside].mean(), abs=0.08)


def test_the_order_of_rows_and_columns_decides_nothing():
    frame = both(examples())
    shuffled = frame.sample(frac=1, random_state=1)[list(frame.columns[::-1])]
    pd.testing.assert_frame_equal(run(frame), run(shuffled), check_exact=True)


def test_training_sees_nothing_of_the_test_slice():
    frame = examples()
    test = frame["slice"] == "test"
    changed = frame.assign(
        noise=frame["noise"].where(~test, 1e6), recency=frame["recency"].where(~test, -5)
    )
    was, now = (run(f).query("kind == 'coefficient'") for f in (frame, changed))
    pd.testing.assert_frame_equal(was, now)


def test_odd_columns_do_not_fail():
    frame = examples(
        constant=1.0, unknown=np.nan, flag=True, word="x", sparse=np.r_[np.nan, np.arange(599)]
    )
    frame.loc[::2, "noise"] = np.nan
    rows = run(frame)
    assert rows.loc[rows["kind"] == "coefficient", "value"].notna().all()
    assert not {"constant", "unknown", "flag", "word"} & set(rows["term"])
    assert {"noise", "sparse"} <= set(rows["term"])


def test_unmet_requirements_are_logged_and_give_no_version(caplog):
    lacks = ["43 days of history needed, 38 found", "50 examples needed, 12 found"]
    with caplog.at_level(logging.WARNING):
        rows = run(both(examples()), churn=lacks)
    assert set(rows["model_name"]) == {"bundle_purchase"}
    assert f"Model churn was not trained: {'; '.join(lacks)}." in caplog.text


def test_empty_inputs_do_not_fail():
    rows = run(examples(0))
    assert rows.empty and list(rows.columns) == list(model_parameters.COLUMNS)


def test_only_one_of_features_with_the_same_order_is_used():
    """Recency in days and in minutes is the same feature, so only one of them is used."""
    frame = examples(minutes=lambda f: 1440 * f["recency"])
    terms = set(run(frame).query("kind == 'coefficient'")["term"])
    assert len(terms & {"recency", "minutes", "open_cart_value"}) == 1
    assert {"tickets", "noise"} <= terms


@pytest.mark.slow
@pytest.mark.parametrize(
    ("later", "trained"),
    [("0h", 0), ("6D", 0), ("6D 11h", 0), ("6D 22h", 2), ("7D", 2), ("7D 2h", 2), ("-1D", 2)],
)
def test_models_are_trained_again_by_calendar_days(later, trained):
    """A clock two hours earlier on the seventh day does not postpone training to the eighth."""
    former = run(both(examples()))
    rows = run(both(examples()), CLOCK + pd.Timedelta(later), former)
    assert rows["model_version"].nunique() == trained


def test_a_changed_declaration_is_a_new_version_at_once():
    former = run(both(examples()))
    rows = run(both(examples()), CLOCK, former, declaration_id="changed")
    assert set(rows["model_version"]) == {
        "churn@2026-06-01T12:00:00#changed",
        "bundle_purchase@2026-06-01T12:00:00#changed",
    }
    both_ways = pd.concat([former, rows], ignore_index=True)
    assert run(both(examples()), CLOCK, both_ways).empty  # changed back: the former is valid


def test_versions_without_declarations_are_trained_again():
    former = run(both(examples())).drop(columns="declaration_id")
    assert run(both(examples()), CLOCK, former)["model_version"].nunique() == 2


def test_a_command_trains_now():
    former = run(both(examples()))
    assert run(both(examples()), CLOCK, former, retrain=True)["model_version"].nunique() == 2


def test_after_a_removal_models_are_trained_at_once():
    removed_at = pd.Timestamp("2026-07-20 09:00:00")
    former = run(both(examples())).drop(columns="last_removal_at")  # as in former tables
    rows = run(both(examples()), CLOCK, former, removed_at=removed_at)
    assert rows["model_version"].nunique() == 2
    assert (rows["last_removal_at"] == removed_at).all()
    history = pd.concat([former, rows], ignore_index=True)
    assert run(both(examples()), CLOCK, history, removed_at=removed_at).empty  # once
    later = removed_at + pd.Timedelta(hours=1)
    assert run(both(examples()), CLOCK, history, removed_at=later)["model_version"].nunique() == 2


def test_the_baseline_is_the_best_of_all_and_named():
    """Recency is the best baseline here; with noise on it, the lifetime count is."""
    frame = examples(3000)
    blurred = frame.assign(
        recency=np.random.default_rng(1).normal(size=len(frame)), orders_ever=-frame["recency"]
    )
    for rows, best in ((run(frame), "recency"), (run(blurred), "orders_ever")):
        aucs = rows[rows["kind"] == "baseline"].set_index("term")["value"]
        assert aucs.index.tolist() == sorted(model_parameters.BASELINES["churn"])
        assert aucs.idxmax() == best
        assert value(rows, "baseline_auc") == aucs.max() > 0.6


def test_a_gain_by_chance_has_an_interval_around_zero():
    """The label depends only on recency, so the model cannot be better than recency."""
    frame = examples(1500)
    chance = 1 / (1 + np.exp(-0.15 * (frame["recency"] - 15)))
    rng = np.random.default_rng(2)
    frame = frame.assign(label=(rng.random(len(frame)) < chance).astype(int), tickets=0.0)
    rows = run(frame)
    assert value(rows, "auc_gain_low") <= 0 <= value(rows, "auc_gain_high") + 0.01


def test_the_interval_covers_the_auc_of_scikit_learn():
    """The AUC of resamples equals scikit-learn's, also for ties; the interval contains the gain."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 200)
    score = np.round(truth + rng.normal(size=200), 1)
    counts = rng.multinomial(200, np.full(200, 1 / 200), size=5)
    found = model_parameters.resampled_auc(truth, score, counts.astype(float))
    judged = [roc_auc_score(truth, score, sample_weight=row) for row in counts]
    np.testing.assert_allclose(found, judged)
    alone = np.round(truth + rng.normal(size=200) * 3, 1)
    low, high = model_parameters.gain_interval(truth, score, alone, pd.Series(range(200)))
    assert low < roc_auc_score(truth, score) - roc_auc_score(truth, alone) < high
    assert 0 < low < high < 0.5


def test_rows_of_one_person_are_not_independent():
    """Ten copies of the same people give the same width of the interval, not a narrower one."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 200)
    score, alone = truth + rng.normal(size=200), truth + 2 * rng.normal(size=200)
    people = pd.Series(range(200))
    once = model_parameters.gain_interval(truth, score, alone, people)
    often = model_parameters.gain_interval(
        *(np.tile(each, 10) for each in (truth, score, alone)), pd.Series(np.tile(people, 10))
    )
    np.testing.assert_allclose(once, often)


def test_a_missing_baseline_is_named():
    with pytest.raises(ValueError, match=r"no numeric column 'recency'.*BASELINES"):
        run(examples().drop(columns="recency"))
