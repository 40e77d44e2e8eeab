"""Train the propensity models and write down what they are: one row per term and per metric.

A model is a logistic regression over the features of `training_examples`. Its rows are all that
scoring in SQL needs; nothing is pickled. It learns from the slice `train` and is judged on the
later slice `test`, beside a baseline that only looks at one feature.
"""

import logging

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

LOG = logging.getLogger("tideline.model_terms")

# Per model the one feature that a simple rule would look at; the model must rank better than it.
BASELINES = {"churn": "recency", "bundle_purchase": "open_cart_value"}
OF_SHOP = {"bundle_purchase"}  # trained only where the var `shop` is true
KEYS = ["model_name", "profile_id", "as_of", "label", "slice"]
LEAST_EXAMPLES, LEAST_POSITIVES = 50, 10
# Values beyond these quantiles of training count as the quantile: a coefficient says nothing there.
CLIP = (0.001, 0.999)
# Inverse regularization strengths to choose from.
STRENGTHS = (0.01, 0.1, 1.0)
FOLDS = 3
COLUMNS = {
    "model_name": "str",
    "model_version": "str",
    "trained_as_of": "datetime64[us]",
    "kind": "str",
    "term": "str",
    "value": "float64",
    "transform": "str",
    "mean": "float64",
    "scale": "float64",
    "lower_bound": "float64",
    "upper_bound": "float64",
}


def frame_of(relation):
    """A DuckDB relation or a Snowpark table as a pandas frame with lower-case columns."""
    frame = relation.to_pandas() if hasattr(relation, "to_pandas") else relation.df()
    return frame.rename(columns=str.lower)


def is_due(versions: pd.DataFrame, clock: pd.Timestamp, retrain_after_days: int) -> bool:
    """Whether no version (`trained_as_of`) up to the clock is younger than the given days."""
    trained = pd.to_datetime(versions["trained_as_of"])
    known = trained[trained <= clock]
    return known.empty or clock - known.max() > pd.Timedelta(days=retrain_after_days)


def feature_frame(examples: pd.DataFrame) -> pd.DataFrame:
    """The numeric feature columns [examples, features] as floats, columns by name."""
    features = examples.drop(columns=KEYS).select_dtypes(exclude=["bool", "datetime"])
    return features[sorted(features)].apply(pd.to_numeric, errors="coerce").astype("float64")


def learn_recipes(features: pd.DataFrame, labels: np.ndarray) -> pd.DataFrame:
    """How to bring each feature to a common scale, learned from training; one row per feature.

    What has no negative values is taken as its logarithm if that goes better with the labels. A
    feature that is the same for all, or unknown for all, teaches nothing and gets no row.
    """
    recipes = []
    for name, values in features.items():
        lower, upper = values.quantile(list(CLIP))
        if not lower < upper:
            continue
        ways = {"identity": values.clip(lower, upper)}
        if lower >= 0:
            ways["log1p"] = np.log1p(ways["identity"])
        fits = {
            way: abs(scaled.corr(pd.Series(labels, scaled.index))) for way, scaled in ways.items()
        }
        transform = max(fits, key=fits.get)
        scaled = ways[transform]
        recipes.append((name, transform, scaled.mean(), scaled.std(ddof=0), lower, upper))
    columns = ["term", "transform", "mean", "scale", "lower_bound", "upper_bound"]
    return pd.DataFrame(recipes, columns=columns)


def standardize(features: pd.DataFrame, recipes: pd.DataFrame) -> np.ndarray:
    """Features [rows, terms] on the scale of training: what is unknown is average, that is 0."""
    clipped = features[recipes["term"]].clip(
        recipes["lower_bound"].to_numpy(), recipes["upper_bound"].to_numpy(), axis=1
    )
    is_log = (recipes["transform"] == "log1p").to_numpy()
    values = clipped.to_numpy()
    values = np.where(is_log, np.log1p(np.where(is_log, values, 0)), values)
    return np.nan_to_num((values - recipes["mean"].to_numpy()) / recipes["scale"].to_numpy())


def regression(strength: float) -> LogisticRegression:
    """Without class weights, so that the scores are probabilities."""
    return LogisticRegression(C=strength, max_iter=2000, random_state=0)


def choose_strength(x: np.ndarray, y: np.ndarray, profiles: pd.Series) -> float:
    """The regularization with the least cross-validated log loss; no profile is in two folds."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    splits = [(a, b) for a, b in folds.split(x, y, profiles) if len(set(y[a])) == 2 and len(b)]
    losses = {
        strength: sum(
            log_loss(y[b], regression(strength).fit(x[a], y[a]).predict_proba(x[b]), labels=[0, 1])
            for a, b in splits
        )
        for strength in STRENGTHS
    }
    return min(losses, key=losses.get)


def baseline_ranking(train: pd.Series, labels: np.ndarray, test: pd.Series) -> np.ndarray:
    """The test values of one feature, turned so that more means more positives in training."""
    direction = 1 if roc_auc_score(labels, train.fillna(train.mean())) >= 0.5 else -1
    return direction * test.fillna(train.mean()).to_numpy()


def what_is_missing(examples: pd.DataFrame) -> str:
    """Why these examples cannot teach or test a model; empty if they can."""
    train = examples.loc[examples["slice"] == "train", "label"]
    test = examples.loc[examples["slice"] == "test", "label"]
    if len(train) < LEAST_EXAMPLES:
        return f"{len(train)} examples to train on, at least {LEAST_EXAMPLES} are needed"
    for outcome, count in (("positive", train.sum()), ("negative", (1 - train).sum())):
        if count < LEAST_POSITIVES:
            return f"{count} {outcome} examples to train on, at least {LEAST_POSITIVES} are needed"
    if test.nunique() < 2:
        return f"the {len(test)} examples to test on are not of both outcomes"
    return ""


def train(examples: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Fit and judge one model; rows of `kind, term, value` and how the term is scaled.

    `examples` are rows of `training_examples` of one model, enough by `what_is_missing`.
    """
    examples = examples.sort_values(["as_of", "profile_id"], ignore_index=True)
    features, labels = feature_frame(examples), examples["label"].to_numpy(dtype=int)
    if baseline not in features:
        raise ValueError(
            f"training_examples has no numeric column {baseline!r}, the baseline of "
            f"{examples['model_name'].iloc[0]!r}: name another one in BASELINES of model_terms.py."
        )
    is_train = (examples["slice"] == "train").to_numpy()
    is_test = (examples["slice"] == "test").to_numpy()
    recipes = learn_recipes(features[is_train], labels[is_train])
    x = standardize(features, recipes)
    strength = choose_strength(x[is_train], labels[is_train], examples["profile_id"][is_train])
    fitted = regression(strength).fit(x[is_train], labels[is_train])

    truth = labels[is_test]
    score = fitted.predict_proba(x[is_test])[:, 1]
    alone = baseline_ranking(
        features.loc[is_train, baseline], labels[is_train], features.loc[is_test, baseline]
    )
    metrics = {
        "auc": roc_auc_score(truth, score),
        "average_precision": average_precision_score(truth, score),
        "base_rate": truth.mean(),
        "baseline_auc": roc_auc_score(truth, alone),
        "brier": brier_score_loss(truth, score),
        "log_loss": log_loss(truth, score),
        "n_test": is_test.sum(),
        "n_train": is_train.sum(),
    }
    intercept = pd.DataFrame({"term": ["intercept"], "value": fitted.intercept_})
    return pd.concat(
        [
            intercept.assign(kind="coefficient"),
            recipes.assign(kind="coefficient", value=fitted.coef_[0]),
            pd.DataFrame(metrics.items(), columns=["term", "value"]).assign(kind="metric"),
        ],
        ignore_index=True,
    )


def model(dbt, session):
    """One row per model, version and term; see model_terms.yml."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="append",
        packages=["numpy", "pandas", "scikit-learn"],
    )
    data_clock = dbt.ref("data_clock")
    examples = dbt.ref("training_examples")
    retrain_after_days = dbt.config.meta_get("retrain_after_days")
    is_shop = str(dbt.config.meta_get("shop")) == "True"
    clock = pd.Timestamp(frame_of(data_clock)["as_of"].iloc[0])
    versions = pd.DataFrame(columns=["model_name", "trained_as_of"])
    if dbt.is_incremental:
        versions = frame_of(
            session.sql(f"select distinct model_name, trained_as_of from {dbt.this}")
        )
    due = [
        name
        for name in BASELINES
        if (is_shop or name not in OF_SHOP)
        and is_due(versions[versions["model_name"] == name], clock, int(retrain_after_days))
    ]

    trained = []
    examples = frame_of(examples) if due else None
    for name in due:
        own = examples[examples["model_name"] == name]
        if missing := what_is_missing(own):
            LOG.warning("Model %s was not trained: %s.", name, missing)
            continue
        with threadpool_limits(1):  # sums in one order, whatever the machine
            rows = train(own, BASELINES[name])
        version = f"{name}@{clock:%Y-%m-%dT%H:%M:%S}"
        trained.append(rows.assign(model_name=name, model_version=version, trained_as_of=clock))
    result = pd.concat([pd.DataFrame(columns=list(COLUMNS)), *trained], ignore_index=True)
    result = result[list(COLUMNS)].astype(COLUMNS)
    return result if hasattr(session, "execute") else result.rename(columns=str.upper)
