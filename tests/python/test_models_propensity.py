"""The propensity models, trained on synthetic examples whose truth is known."""

import importlib.util
import logging
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
CLOCK = pd.Timestamp("2026-06-01")


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "python_models" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


model_terms = load("model_terms")


class Dbt:
    """What dbt-duckdb hands to a Python model."""

    def __init__(self, session, is_incremental=False, retrain_after_days=7):
        self.session, self.is_incremental, self.this = session, is_incremental, "model_terms"
        self.days = retrain_after_days
        self.config = self

    def __call__(self, **_):
        pass

    def meta_get(self, key, default=None):
        return {"retrain_after_days": self.days}.get(key, default)

    def ref(self, name):
        return self.session.table(name)


def examples(count=600, seed=0, model_name="churn", **columns):
    """Examples of one model: `recency` decides the label, `noise` and the others do not."""
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
            "tickets": help_,
            "noise": rng.normal(size=count),
        }
    )
    return frame.assign(**columns)


def run(frame, clock=CLOCK, former=None, days=7):
    session = duckdb.connect()
    session.register("training_examples", frame)
    session.register("data_clock", pd.DataFrame({"as_of": [clock]}))
    if former is not None:
        session.register("model_terms", former)
    return model_terms.model(Dbt(session, former is not None, days), session)


def both(frame):
    return pd.concat([frame, frame.assign(model_name="bundle_purchase")], ignore_index=True)


def value(rows, term, name="churn"):
    return rows[(rows["model_name"] == name) & (rows["term"] == term)]["value"].item()


def test_a_model_learns_what_decides_and_beats_its_baseline():
    rows = run(both(examples(3000)))
    assert set(rows["model_version"]) == {
        "churn@2026-06-01T00:00:00",
        "bundle_purchase@2026-06-01T00:00:00",
    }
    assert value(rows, "auc") > value(rows, "baseline_auc") + 0.05
    assert abs(value(rows, "noise")) < 0.2 < value(rows, "tickets")
    assert value(rows, "n_train") + value(rows, "n_test") == 3000
    assert value(rows, "log_loss") < -np.log(0.5)
    assert not rows.duplicated(["model_version", "kind", "term"]).any()


def test_the_rows_say_all_that_scoring_needs():
    """The formula of profile_scores.sql over the rows gives probabilities that come true."""
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


def test_odd_columns_are_survived():
    frame = examples(
        constant=1.0, unknown=np.nan, flag=True, word="x", sparse=np.r_[np.nan, np.arange(599)]
    )
    frame.loc[::2, "noise"] = np.nan
    rows = run(frame)
    assert rows.loc[rows["kind"] == "coefficient", "value"].notna().all()
    assert not {"constant", "unknown", "flag", "word"} & set(rows["term"])
    assert {"noise", "sparse"} <= set(rows["term"])


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (examples(0), "0 examples to train on"),
        (examples(60), "36 examples to train on"),
        (examples(label=0), "0 positive examples"),
        (examples(label=1), "0 negative examples"),
        (examples(label=(np.arange(600) % 100 == 0).astype(int)), "4 positive examples"),
        (
            examples(label=(np.arange(600) < 300).astype(int)),
            "the 240 examples to test on are not of both",
        ),
    ],
)
def test_without_enough_examples_there_is_no_version_and_the_reason_is_said(frame, reason, caplog):
    with caplog.at_level(logging.WARNING):
        rows = run(frame)
    assert rows.empty
    assert list(rows.columns) == list(model_terms.COLUMNS)
    assert f"Model churn was not trained: {reason}" in caplog.text


@pytest.mark.parametrize(("days_later", "trained"), [(0, 0), (7, 0), (7.01, 2), (-1, 2)])
def test_models_are_trained_again_when_old(days_later, trained):
    former = run(both(examples()))
    rows = run(both(examples()), CLOCK + pd.Timedelta(days=days_later), former)
    assert rows["model_version"].nunique() == trained


def test_a_missing_baseline_is_named():
    with pytest.raises(ValueError, match=r"no numeric column 'recency'.*BASELINES"):
        run(examples().drop(columns="recency"))
