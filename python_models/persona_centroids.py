"""Find the personas: k-means over behavior, written down as one row per persona and behavior.

The rows are all that assigning profiles in SQL needs. A persona found again keeps its id and name.
"""

import logging

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

LOG = logging.getLogger("tideline.persona_centroids")

KEYS = ["profile_id", "as_of", "is_for_training"]
# What people are called who have much, or little, of a behavior. Others are called by its name.
PHRASES = {
    "app_share": ("App users", "Web visitors"),
    "avg_order_value": ("High spenders", "Small spenders"),
    "coupon_share": ("Coupon hunters", "Full-price buyers"),
    "email_clicks_per_week": ("Email readers", "Email ignorers"),
    "feature_uses_per_visit": ("Power users", "Feature skippers"),
    "minutes_per_visit": ("Long-stay visitors", "Quick visitors"),
    "orders_per_visit": ("Regular buyers", "Window shoppers"),
    "product_views_per_visit": ("Product browsers", "Product skippers"),
    "searches_per_visit": ("Searchers", "Strollers"),
    "support_tickets_per_month": ("Support seekers", "Self-reliant visitors"),
    "visits_per_week": ("Frequent visitors", "Occasional visitors"),
}
CLEAR = 0.5  # deviations above the mean from which much of a behavior gives a name
CLIP = 3  # deviations that a value counts at most; the same in profile_personas.sql
LEAST, MOST = 3, 8  # personas
LEAST_PROFILES = 50
LEAST_SHARE = 0.02  # of the profiles, in each persona
FITTED_ROWS, SILHOUETTE_ROWS = 50_000, 3_000  # sampled beyond, to stay fast
TIES = 0.01  # of silhouette: as good as the best, and then the fewer personas
COLUMNS = {
    "model_version": "str",
    "trained_as_of": "datetime64[us]",
    "persona_id": "str",
    "persona_name": "str",
    "feature": "str",
    "transform": "str",
    "mean": "float64",
    "scale": "float64",
    "center": "float64",
    "profile_count": "int64",
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


def behavior_logs(behaviors: pd.DataFrame) -> pd.DataFrame:
    """log1p of the behavior columns [profiles, behaviors], without those that never vary."""
    numbers = behaviors[sorted(set(behaviors.columns) - set(KEYS))]
    numbers = numbers.apply(pd.to_numeric, errors="coerce").astype("float64").fillna(0)
    logs = np.log1p(numbers.clip(lower=0))
    return logs.loc[:, logs.std(ddof=0) > 1e-9]


def fit(values: np.ndarray, count: int) -> KMeans:
    """K-means with several fixed starts."""
    return KMeans(count, n_init=10, random_state=0).fit(values)


def choose_fit(values: np.ndarray) -> KMeans:
    """The number of personas by silhouette over a fixed sample; fewer where it is as good.

    Groups of a few odd profiles would look well apart: personas must have a least share.
    """
    distinct = len(np.unique(values, axis=0))
    sample = np.random.default_rng(0).permutation(len(values))[:SILHOUETTE_ROWS]
    fits, scores = [], []
    for count in range(LEAST, max(LEAST, min(MOST, distinct - 1)) + 1):
        fits.append(fit(values, count))
        labels = fits[-1].labels_
        is_large = np.bincount(labels, minlength=count).min() >= LEAST_SHARE * len(values)
        is_apart = is_large and len(set(labels[sample])) > 1
        scores.append(silhouette_score(values[sample], labels[sample]) if is_apart else -1)
    return next(f for f, s in zip(fits, scores, strict=True) if s >= max(scores) - TIES)


def find(logs: pd.DataFrame) -> pd.DataFrame:
    """Centroids of `logs` [profiles, behaviors]; rows of `cluster, feature, mean, scale, ...`.

    Clusters are numbered from 0, the largest first.
    """
    mean, scale = logs.mean(), logs.std(ddof=0)
    values = ((logs - mean) / scale).clip(-CLIP, CLIP).to_numpy()
    rows = np.random.default_rng(0).permutation(len(values))[:FITTED_ROWS]
    chosen = choose_fit(values[np.sort(rows)])
    sizes = np.bincount(chosen.predict(values), minlength=chosen.n_clusters)
    order = np.lexsort((*chosen.cluster_centers_.T[::-1], -sizes))
    return pd.DataFrame(
        [
            (cluster, feature, "log1p", mean[feature], scale[feature], center, sizes[label])
            for cluster, label in enumerate(order)
            for feature, center in zip(logs.columns, chosen.cluster_centers_[label], strict=True)
        ],
        columns=["cluster", "feature", "transform", "mean", "scale", "center", "profile_count"],
    )


def match(found: pd.DataFrame, former: pd.DataFrame) -> dict[int, str]:
    """Which clusters are personas of the former version: cluster to persona_id.

    Distances are taken in the former scale. A cluster that lies further from its persona than half
    way to the next one means something else, and is left out.
    """
    old = former.pivot(index="persona_id", columns="feature", values="center")
    new = found.assign(log=found["center"] * found["scale"] + found["mean"])
    new = new.pivot(index="cluster", columns="feature", values="log")
    shared = old.columns.intersection(new.columns)
    scaling = former.drop_duplicates("feature").set_index("feature").loc[shared]
    new = (new[shared] - scaling["mean"]) / scaling["scale"]
    old = old[shared]
    distances = cdist(new, old)
    apart = cdist(old, old)
    np.fill_diagonal(apart, np.inf)
    return {
        int(new.index[row]): old.index[column]
        for row, column in zip(*linear_sum_assignment(distances), strict=True)
        if distances[row, column] <= apart[column].min() / 2
    }


def phrase(feature: str, is_high: bool) -> str:
    """What people with much or little of a behavior are called."""
    words = feature.replace("_", " ")
    return PHRASES.get(feature, (f"High {words}", f"Low {words}"))[0 if is_high else 1]


def name_personas(centers: pd.DataFrame, named: dict[int, str]) -> dict[int, str]:
    """Unique names for all clusters, by what sets them apart most; `named` keep theirs.

    `centers` is [clusters, behaviors] in deviations. Having much of something names first.
    """
    names = dict(named)
    strengths = centers.stack().rename_axis(["cluster", "feature"]).rename("center").reset_index()
    strengths["is_clear"] = strengths["center"] >= CLEAR
    strengths["size"] = strengths["center"].abs()
    ranked = strengths.sort_values(
        ["is_clear", "size", "cluster", "feature"], ascending=[False, False, True, True]
    )
    for row in ranked.itertuples():
        name = phrase(row.feature, row.center > 0)
        if row.cluster not in names and name not in names.values():
            names[row.cluster] = name
    for cluster in set(centers.index) - set(names):
        names[cluster] = next(
            name
            for name in (f"Others {number}" for number in range(1, len(centers) + 2))
            if name not in names.values()
        )
    return names


def train(logs: pd.DataFrame, history: pd.DataFrame, clock: pd.Timestamp) -> pd.DataFrame:
    """Find personas and give them ids and names.

    `history` are the rows of all versions. The latest up to the clock hands on its ids and names;
    a number that any version has used is not used for another persona.
    """
    found = find(logs)
    known = history[history["trained_as_of"] <= clock]
    former = known[known["trained_as_of"] == known["trained_as_of"].max()]
    used = [int(number) for number in history["persona_id"].str.extract(r"(\d+)$")[0].unique()]
    ids = match(found, former) if len(former) else {}
    old_names = dict(zip(former["persona_id"], former["persona_name"], strict=True))
    names = name_personas(
        found.pivot(index="cluster", columns="feature", values="center"),
        {cluster: old_names[persona_id] for cluster, persona_id in ids.items()},
    )
    for number, cluster in enumerate(sorted(set(names) - set(ids)), max(used, default=0) + 1):
        ids[cluster] = f"persona_{number}"
    return found.assign(
        persona_id=found["cluster"].map(ids), persona_name=found["cluster"].map(names)
    )


def model(dbt, session):
    """One row per version, persona and behavior; see persona_centroids.yml."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="append",
        packages=["numpy", "pandas", "scikit-learn", "scipy"],
    )
    data_clock = dbt.ref("data_clock")
    behaviors = dbt.ref("persona_behaviors")
    retrain_after_days = dbt.config.meta_get("retrain_after_days")
    clock = pd.Timestamp(frame_of(data_clock)["as_of"].iloc[0])
    history = pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    if dbt.is_incremental:
        history = frame_of(session.sql(f"select * from {dbt.this}"))

    result = history.head(0)
    if is_due(history, clock, int(retrain_after_days)):
        profiles = frame_of(behaviors)
        profiles = profiles[profiles["is_for_training"].astype(bool)].sort_values("profile_id")
        logs = behavior_logs(profiles)
        ways = 0 if logs.empty else len(logs.drop_duplicates())
        if len(profiles) < LEAST_PROFILES or ways <= LEAST:
            LOG.warning(
                "Personas were not trained: %d profiles who visited twice in 90 days behave in %d "
                "ways; at least %d are needed, in more than %d ways.",
                len(profiles),
                ways,
                LEAST_PROFILES,
                LEAST,
            )
        else:
            with threadpool_limits(1):  # sums in one order, whatever the machine
                result = train(logs, history, clock)
            result = result.assign(
                model_version=f"personas@{clock:%Y-%m-%dT%H:%M:%S}", trained_as_of=clock
            )
    result = result[list(COLUMNS)].astype(COLUMNS)
    return result if hasattr(session, "execute") else result.rename(columns=str.upper)
