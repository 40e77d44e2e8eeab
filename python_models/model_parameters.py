"""Trains the propensity models and stores them as rows: one per term and per metric.

A model is a logistic regression on the features of `training_examples`. SQL scores with these rows
alone; nothing is pickled. The model is trained on the slice `train` and evaluated on the later
slice `test`, together with baselines that use a single feature.
"""

import logging

import sklearn.linear_model  # noqa: F401 (first in each model: see persona_centroids)

# isort: split
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

LOG = logging.getLogger("tideline.model_parameters")

# Per model, the features that a simple rule would use: recency, frequency, totals. The model must
# rank better than the best of them.
BASELINES = {
    "churn": [
        "recency",
        "days_since_last_order",
        "frequency_30d",
        "active_days_ever",
        "orders_ever",
    ],
    "bundle_purchase": [
        "open_cart_value",
        "minutes_since_last_event",
        "frequency_30d",
        "orders_ever",
    ],
}
KEYS = ["model_name", "profile_id", "as_of", "label", "slice"]
# Values are clipped to these quantiles of the training slice; beyond them a coefficient is unsure.
CLIP = (0.001, 0.999)
# Inverse regularization strengths to choose from.
STRENGTHS = (0.01, 0.1, 1.0)
FOLDS = 3
RESAMPLES = 500  # of the people in the test slice; enough for a 95% interval
COLUMNS = {
    "model_name": "str",
    "model_version": "str",
    "declaration_id": "str",
    "trained_as_of": "datetime64[us]",
    "last_removal_at": "datetime64[us]",
    "kind": "str",
    "term": "str",
    "value": "float64",
    "transform": "str",
    "mean": "float64",
    "scale": "float64",
    "lower_bound": "float64",
    "upper_bound": "float64",
}


# The next three are also in persona_centroids.py: in Snowflake a model is one stored procedure, and
# that imports packages only. A unit test holds the copies equal.
def frame_of(relation):
    """A DuckDB relation or a Snowpark table as a pandas frame with lower-case columns."""
    frame = relation.to_pandas() if hasattr(relation, "to_pandas") else relation.df()
    return frame.rename(columns=str.lower)


def is_due(versions: pd.DataFrame, clock: pd.Timestamp, retrain_after_days: int) -> bool:
    """Whether the newest version up to the clock is at least `retrain_after_days` old.

    Calendar days are counted, so that runs at slightly different hours make no difference.
    """
    trained = pd.to_datetime(versions["trained_as_of"])
    known = trained[trained <= clock]
    return known.empty or (clock.normalize() - known.max().normalize()).days >= retrain_after_days


def trained_since(versions: pd.DataFrame, removed_at: pd.Timestamp) -> pd.DataFrame:
    """The rows of versions that were trained after the last removal of landed rows.

    Earlier versions may have learned from removed rows, so they are ignored.
    """
    known = pd.to_datetime(versions["last_removal_at"]).fillna(pd.Timestamp(0))
    return versions[known >= removed_at]


def feature_frame(examples: pd.DataFrame) -> pd.DataFrame:
    """The numeric features as floats [examples, features], columns sorted by name."""
    features = examples.drop(columns=KEYS).select_dtypes(exclude=["bool", "datetime"])
    return features[sorted(features)].apply(pd.to_numeric, errors="coerce").astype("float64")


def learn_recipes(features: pd.DataFrame, labels: np.ndarray) -> pd.DataFrame:
    """The scaling of each feature, learned from training examples; one row per used feature.

    A feature without negative values is log-transformed if this correlates better with the labels.
    Constant and entirely unknown features get no row. If several features order all examples in the
    same way, only the one with the best correlation gets a row.
    """
    labels = pd.Series(labels, features.index)
    recipes = {}  # by the order of the examples
    for name, values in features.items():
        lower, upper = values.quantile(list(CLIP))
        if not lower < upper:
            continue
        ways = {"identity": values.clip(lower, upper)}
        if lower >= 0:
            ways["log1p"] = np.log1p(ways["identity"])
        fits = {way: round(abs(scaled.corr(labels)), 9) for way, scaled in ways.items()}
        transform = max(fits, key=fits.get)
        scaled, fitness = ways[transform], fits[transform]
        order = pd.factorize(values, sort=True)[0].tobytes()
        if order not in recipes or fitness > recipes[order][0]:
            recipe = (name, transform, scaled.mean(), scaled.std(ddof=0), lower, upper)
            recipes[order] = (fitness, recipe)
    columns = ["term", "transform", "mean", "scale", "lower_bound", "upper_bound"]
    return pd.DataFrame([recipe for _, recipe in recipes.values()], columns=columns)


def standardize(features: pd.DataFrame, recipes: pd.DataFrame) -> np.ndarray:
    """Features [rows, terms] scaled as in training; an unknown value is the mean, which is 0."""
    clipped = features[recipes["term"]].clip(
        recipes["lower_bound"].to_numpy(), recipes["upper_bound"].to_numpy(), axis=1
    )
    is_log = (recipes["transform"] == "log1p").to_numpy()
    values = clipped.to_numpy()
    values = np.where(is_log, np.log1p(np.where(is_log, values, 0)), values)
    return np.nan_to_num((values - recipes["mean"].to_numpy()) / recipes["scale"].to_numpy())


def regression(strength: float) -> LogisticRegression:
    """The regression without class weights, so that scores are probabilities."""
    return LogisticRegression(C=strength, max_iter=2000, random_state=0)


def choose_strength(x: np.ndarray, y: np.ndarray, profiles: pd.Series) -> float:
    """The strength with the lowest cross-validated log loss; a profile is in one fold only."""
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
    """The test values of a feature, negated if high values meant fewer positives in training.

    Unknown values count as the mean of training; a feature without any known value is 0 for all.
    """
    mean = train.mean() if train.notna().any() else 0.0
    direction = 1 if roc_auc_score(labels, train.fillna(mean)) >= 0.5 else -1
    return direction * test.fillna(mean).to_numpy()


def resampled_auc(truth: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """AUC of each resample; `counts` [resamples, rows]: how often each row was drawn."""
    order = np.argsort(score, kind="stable")
    begins = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    is_positive = truth[order] == 1
    positives = np.add.reduceat(counts[:, order] * is_positive, begins, axis=1)
    negatives = np.add.reduceat(counts[:, order] * ~is_positive, begins, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2  # ties count half
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return (positives * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan)


def gain_interval(
    truth: np.ndarray, score: np.ndarray, alone: np.ndarray, profiles: pd.Series
) -> tuple[float, float]:
    """95% bootstrap interval of AUC(`score`) - AUC(`alone`).

    People are resampled, not rows, because the rows of one person are not independent.
    """
    rng = np.random.default_rng(0)
    codes, people = pd.factorize(profiles)
    gains = []
    for _ in range(RESAMPLES // 10):  # ten at a time, to bound memory
        draws = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=10)
        counts = draws[:, codes].astype(float)
        gains.append(resampled_auc(truth, score, counts) - resampled_auc(truth, alone, counts))
    low, high = np.nanquantile(np.concatenate(gains), [0.025, 0.975])
    return float(low), float(high)


def train(examples: pd.DataFrame, baselines: list[str]) -> pd.DataFrame:
    """Fit and evaluate one model; return rows of `kind, term, value` and the term's scaling.

    `examples`: the rows of `training_examples` of one model that meets `model_requirements`. Raises
    ValueError if a baseline is not a numeric column.
    """
    examples = examples.sort_values(["as_of", "profile_id"], ignore_index=True)
    features, labels = feature_frame(examples), examples["label"].to_numpy(dtype=int)
    if missing := sorted(set(baselines) - set(features)):
        raise ValueError(
            f"training_examples has no numeric column {missing[0]!r}, a baseline of "
            f"{examples['model_name'].iloc[0]!r}: change BASELINES in model_parameters.py."
        )
    is_train = (examples["slice"] == "train").to_numpy()
    is_test = (examples["slice"] == "test").to_numpy()
    recipes = learn_recipes(features[is_train], labels[is_train])
    x = standardize(features, recipes)
    strength = choose_strength(x[is_train], labels[is_train], examples["profile_id"][is_train])
    fitted = regression(strength).fit(x[is_train], labels[is_train])

    truth = labels[is_test]
    score = fitted.predict_proba(x[is_test])[:, 1]
    rankings = {
        name: baseline_ranking(
            features.loc[is_train, name], labels[is_train], features.loc[is_test, name]
        )
        for name in sorted(baselines)
    }
    aucs = {name: roc_auc_score(truth, ranking) for name, ranking in rankings.items()}
    best = max(aucs, key=aucs.get)
    low, high = gain_interval(truth, score, rankings[best], examples["profile_id"][is_test])
    metrics = {
        "auc": roc_auc_score(truth, score),
        "auc_gain_high": high,
        "auc_gain_low": low,
        "average_precision": average_precision_score(truth, score),
        "base_rate": truth.mean(),
        "baseline_auc": aucs[best],
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
            pd.DataFrame(aucs.items(), columns=["term", "value"]).assign(kind="baseline"),
            pd.DataFrame(metrics.items(), columns=["term", "value"]).assign(kind="metric"),
        ],
        ignore_index=True,
    )


def missing_by_model(requirements: pd.DataFrame) -> dict[str, str]:
    """The unmet requirements by model; models that meet all requirements are left out."""
    unmet = requirements[~requirements["is_met"].astype(bool)].sort_values("requirement_number")
    return unmet.groupby("model_name")["finding"].agg("; ".join).to_dict()


def model(dbt, session):
    """The dbt model: one row per model, version and term; see model_parameters.yml."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="delete+insert",  # training again at the same clock replaces
        unique_key="model_version",
        on_schema_change="append_new_columns",
        packages=["numpy", "pandas", "scikit-learn"],
    )
    data_clock = dbt.ref("data_clock")
    declarations = dbt.ref("model_declarations")
    requirements = dbt.ref("model_requirements")
    examples = dbt.ref("training_examples")
    last_removal = dbt.ref("last_removal")
    retrain_after_days = int(dbt.config.meta_get("retrain_after_days"))
    is_told = str(dbt.config.meta_get("retrain")).lower() == "true"
    clock = pd.Timestamp(frame_of(data_clock)["as_of"].iloc[0])
    versions = pd.DataFrame(columns=["declaration_id", "trained_as_of", "last_removal_at"])
    if dbt.is_incremental:
        # A table of an earlier release may lack these columns.
        versions = frame_of(session.sql(f"select * from {dbt.this}")).reindex(
            columns=versions.columns
        )
    removed_at = pd.Timestamp(frame_of(last_removal)["removed_at"].iloc[0])
    versions = trained_since(versions, removed_at)
    requirements = frame_of(requirements)
    declarations = frame_of(declarations).sort_values("model_name")
    # A build with --empty has no requirements, and so trains nothing.
    declarations = declarations[declarations["model_name"].isin(requirements["model_name"])]
    due = {
        row.model_name: row.declaration_id
        for row in declarations.itertuples()
        if is_told
        or is_due(
            versions[versions["declaration_id"] == row.declaration_id], clock, retrain_after_days
        )
    }

    trained = []
    missing = missing_by_model(requirements)
    examples = frame_of(examples) if due else None
    for name, declaration_id in due.items():
        if name in missing:
            LOG.warning("Model %s was not trained: %s.", name, missing[name])
            continue
        with threadpool_limits(1):  # so that results do not depend on the machine
            rows = train(examples[examples["model_name"] == name], BASELINES[name])
        trained.append(
            rows.assign(
                model_name=name,
                model_version=f"{name}@{clock:%Y-%m-%dT%H:%M:%S}#{declaration_id}",
                declaration_id=declaration_id,
                trained_as_of=clock,
                last_removal_at=removed_at,
            )
        )
    result = pd.concat([pd.DataFrame(columns=list(COLUMNS)), *trained], ignore_index=True)
    result = result[list(COLUMNS)].astype(COLUMNS)
    return result if hasattr(session, "execute") else result.rename(columns=str.upper)
