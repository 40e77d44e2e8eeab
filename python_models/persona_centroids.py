"""Finds the personas: k-means over behavior, stored as one row per persona and behavior.

SQL assigns profiles with these rows alone. A persona that is found again keeps its id, and its
name as long as the name is true.
"""

import logging
from dataclasses import dataclass

# dbt loads the Python models in parallel threads. All models import the same module of scikit-learn
# first, so that one thread waits for the other; else it could get a partially loaded module.
import sklearn.linear_model  # noqa: F401

# isort: split
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples
from threadpoolctl import threadpool_limits

LOG = logging.getLogger("tideline.persona_centroids")

KEYS = ["profile_id", "as_of", "is_for_training"]
CLEAR = 0.5  # standard deviations from the mean at which a behavior can name a persona
CLIP = 3  # standard deviations to which values are clipped, as in profile_personas.sql
LEAST, MOST = 3, 8  # personas
LEAST_PROFILES = 50
LEAST_SHARE = 0.02  # of the profiles, in each persona; half of it in former personas
FITTED_ROWS, SILHOUETTE_ROWS = 50_000, 3_000  # larger data is sampled, to stay fast
TIES = 0.01  # smaller differences of silhouettes are ties; then former or fewer personas win
RESAMPLES = 500  # of the silhouettes, for the interval of a gain
COLUMNS = {
    "model_version": "str",
    "trained_as_of": "datetime64[us]",
    "last_removal_at": "datetime64[us]",
    "persona_id": "str",
    "persona_name": "str",
    "feature": "str",
    "transform": "str",
    "mean": "float64",
    "scale": "float64",
    "center": "float64",
    "profile_count": "int64",
}


# The next three are also in model_parameters.py: in Snowflake a model is one stored procedure, and
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


def behavior_numbers(behaviors: pd.DataFrame) -> pd.DataFrame:
    """The behaviors as floats [profiles, behaviors], columns sorted by name; unknown is 0."""
    numbers = behaviors[sorted(set(behaviors.columns) - set(KEYS))]
    numbers = numbers.apply(pd.to_numeric, errors="coerce").astype("float64").fillna(0)
    return numbers.clip(lower=0)


def varying_logs(numbers: pd.DataFrame) -> pd.DataFrame:
    """log1p of the behaviors, without constant ones."""
    logs = np.log1p(numbers)
    return logs.loc[:, logs.std(ddof=0) > 1e-9]


def medians_of(numbers: pd.DataFrame, clusters: np.ndarray) -> pd.DataFrame:
    """The median of each behavior per cluster, in its own unit, and `order_value_ratio`."""
    medians = numbers.groupby(clusters).median()
    if "avg_order_value" in medians:
        spent = numbers.loc[numbers["avg_order_value"] > 0, "avg_order_value"]
        medians["order_value_ratio"] = medians["avg_order_value"] / (
            spent.median() if len(spent) else 1
        )
    return medians


def fit(values: np.ndarray, count: int) -> KMeans:
    """K-means with several fixed starts."""
    return KMeans(count, n_init=10, random_state=0).fit(values)


def silhouettes(
    values: np.ndarray, fitted: KMeans, rows: np.ndarray, least_share: float
) -> np.ndarray:
    """Silhouette of each of `rows`; -1 for all rows if a persona is too small.

    Clusters of a few unusual profiles have high silhouettes, so each persona needs a minimum share.
    """
    labels = fitted.labels_
    sizes = np.bincount(labels, minlength=fitted.n_clusters)
    if sizes.min() < least_share * len(values) or len(set(labels[rows])) < 2:
        return np.full(len(rows), -1.0)
    return silhouette_samples(values[rows], labels[rows])


def is_gain(new: np.ndarray, old: np.ndarray) -> bool:
    """Whether the silhouettes `new` are significantly better than `old`.

    The lower end of the 95% bootstrap interval of the mean difference must be above `TIES`.
    """
    draws = np.random.default_rng(0).integers(len(new), size=(RESAMPLES, len(new)))
    return float(np.quantile((new - old)[draws].mean(axis=1), 0.025)) > TIES


def choose_fit(values: np.ndarray, former: np.ndarray) -> KMeans:
    """The k-means fit with the best silhouette on a fixed sample; fewer personas win ties.

    `former`: the centers of the former version [personas, behaviors]. They are refitted to the
    present data and kept unless the best new fit is significantly better.
    """
    distinct = len(np.unique(values, axis=0))
    rows = np.random.default_rng(0).permutation(len(values))[:SILHOUETTE_ROWS]
    fits = [fit(values, k) for k in range(LEAST, max(LEAST, min(MOST, distinct - 1)) + 1)]
    apart = [silhouettes(values, fitted, rows, LEAST_SHARE) for fitted in fits]
    means = [each.mean() for each in apart]
    best = next(i for i, mean in enumerate(means) if mean >= max(means) - TIES)
    if not LEAST <= len(former) < distinct:
        return fits[best]
    moved = KMeans(len(former), init=former, n_init=1).fit(values)
    was = silhouettes(values, moved, rows, LEAST_SHARE / 2)
    return fits[best] if was.max() == -1 or is_gain(apart[best], was) else moved


def former_centers(former: pd.DataFrame, mean: pd.Series, scale: pd.Series) -> np.ndarray:
    """The centers of a version [personas, behaviors] in the present scale; new behaviors are 0."""
    if former.empty:
        return np.empty((0, len(mean)))
    logs = former.assign(log=former["center"] * former["scale"] + former["mean"])
    logs = logs.pivot(index="persona_id", columns="feature", values="log")
    centers = (logs.reindex(columns=mean.index) - mean) / scale
    return centers.fillna(0).clip(-CLIP, CLIP).to_numpy()


def find(numbers: pd.DataFrame, former: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Centroids of `numbers` [profiles, behaviors], and their medians [clusters, behaviors].

    Centroids are rows of `cluster, feature, mean, scale, ...` in log1p, without constant behaviors.
    Clusters are numbered from 0, the largest first. `former`: the rows of the version before, or
    none.
    """
    logs = varying_logs(numbers)
    mean, scale = logs.mean(), logs.std(ddof=0)
    values = ((logs - mean) / scale).clip(-CLIP, CLIP).to_numpy()
    rows = np.random.default_rng(0).permutation(len(values))[:FITTED_ROWS]
    chosen = choose_fit(values[np.sort(rows)], former_centers(former, mean, scale))
    labels = chosen.predict(values)
    sizes = np.bincount(labels, minlength=chosen.n_clusters)
    order = np.lexsort((*chosen.cluster_centers_.T[::-1], -sizes))
    found = pd.DataFrame(
        [
            (cluster, feature, "log1p", mean[feature], scale[feature], center, sizes[label])
            for cluster, label in enumerate(order)
            for feature, center in zip(logs.columns, chosen.cluster_centers_[label], strict=True)
        ],
        columns=["cluster", "feature", "transform", "mean", "scale", "center", "profile_count"],
    )
    return found, medians_of(numbers, np.argsort(order)[labels])


def match(found: pd.DataFrame, former: pd.DataFrame) -> dict[int, str]:
    """The clusters that are personas of the former version: cluster to persona_id.

    Distances are measured in the former scale. A cluster is left out, as a new persona, if it is
    further from the matched persona than half the way from that persona to the nearest other one.
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


@dataclass(frozen=True)
class Names:
    """The seed `persona_names`: names for clusters with a high or low behavior.

    - `phrases`: names by behavior and whether it is high.
    - `claims`: by name, the range of each measure in which the cluster's median must lie for the
      name to be given or kept, because a value below others is not necessarily low.

    Measures are the behaviors, and `order_value_ratio`: the cluster's median order value divided by
    the median of all profiles with orders.
    """

    phrases: dict[tuple[str, bool], str]
    claims: dict[str, dict[str, tuple[float, float]]]

    @classmethod
    def read(cls, rows: pd.DataFrame) -> "Names":
        """Read the rows of the seed, one per name and claim; an empty bound is no limit."""
        phrases, claims = {}, {}
        for row in rows.itertuples():
            phrases[row.behavior, bool(row.is_high)] = row.persona_name
            least = -np.inf if pd.isna(row.at_least) else float(row.at_least)
            most = np.inf if pd.isna(row.at_most) else float(row.at_most)
            claims.setdefault(row.persona_name, {})[row.measure] = (least, most)
        return cls(phrases, claims)


def plain_name(feature: str, is_high: bool) -> str:
    """A comparing name, such as `Higher average order value`."""
    words = feature.replace("avg_", "average_").replace("_", " ")
    return f"{'Higher' if is_high else 'Lower'} {words}"


def is_true(name: str, names: Names, median: pd.Series, center: pd.Series) -> bool:
    """Whether a name is true of a cluster: claims by its medians, a comparing name by its center.

    A claim about a behavior that is missing is false.
    """
    compared = {plain_name(feature, each > 0) for feature, each in center.items()}
    denied = {plain_name(feature, each <= 0) for feature, each in center.items()} - compared
    return name not in denied and all(
        least <= median.get(behavior, np.nan) <= most
        for behavior, (least, most) in names.claims.get(name, {}).items()
    )


def name_personas(
    centers: pd.DataFrame, medians: pd.DataFrame, named: dict[int, str], book: Names
) -> dict[int, str]:
    """Unique names for all clusters, by their most distinctive behaviors.

    Clusters in `named` keep their names if true. `centers` [clusters, behaviors] are in standard
    deviations, `medians` in the behaviors' own units. High behaviors are named before low ones; a
    comparing name is given if no other one is true.
    """
    names = {
        cluster: name
        for cluster, name in named.items()
        if is_true(name, book, medians.loc[cluster], centers.loc[cluster])
    }
    traits = centers.stack().rename_axis(["cluster", "feature"]).rename("center").reset_index()
    traits["plain"] = [plain_name(row.feature, row.center > 0) for row in traits.itertuples()]
    traits["phrase"] = [
        book.phrases.get((row.feature, row.center > 0), row.plain) for row in traits.itertuples()
    ]
    traits["size"] = traits["center"].abs()
    traits["is_true"] = [
        is_true(row.phrase, book, medians.loc[row.cluster], centers.loc[row.cluster])
        for row in traits.itertuples()
    ]
    traits["is_telling"] = traits["is_true"] & (traits["size"] >= CLEAR)
    traits["is_high"] = traits["center"] >= CLEAR
    ranked = traits.sort_values(
        ["is_telling", "is_high", "size", "cluster", "feature"],
        ascending=[False, False, False, True, True],
    )
    for row in ranked.itertuples():
        name = row.phrase if row.is_true else row.plain
        if row.cluster not in names and name not in names.values():
            names[row.cluster] = name
    for cluster in set(centers.index) - set(names):
        names[cluster] = next(
            name
            for name in ("Others", *(f"Others {number}" for number in range(2, len(centers) + 2)))
            if name not in names.values()
        )
    return names


def train(
    numbers: pd.DataFrame,
    history: pd.DataFrame,
    clock: pd.Timestamp,
    removed_at: pd.Timestamp,
    book: Names,
) -> pd.DataFrame:
    """Find personas and give them ids and names; return the rows of the new version.

    `history`: the rows of all versions. Ids and names come from the latest version up to the clock;
    a number used in any version is never used for another persona. If landed rows were removed
    since, the number of personas is chosen as in the first training.
    """
    known = history[history["trained_as_of"] <= clock]
    valid = trained_since(known, removed_at)
    handed_on = known if valid.empty else valid
    former = handed_on[handed_on["trained_as_of"] == handed_on["trained_as_of"].max()]
    found, medians = find(numbers, former.head(0) if valid.empty else former)
    used = [int(number) for number in history["persona_id"].str.extract(r"(\d+)$")[0].unique()]
    ids = match(found, former) if len(former) else {}
    old_names = dict(zip(former["persona_id"], former["persona_name"], strict=True))
    names = name_personas(
        found.pivot(index="cluster", columns="feature", values="center"),
        medians,
        {cluster: old_names[persona_id] for cluster, persona_id in ids.items()},
        book,
    )
    for number, cluster in enumerate(sorted(set(names) - set(ids)), max(used, default=0) + 1):
        ids[cluster] = f"persona_{number}"
    return found.assign(
        persona_id=found["cluster"].map(ids), persona_name=found["cluster"].map(names)
    )


def model(dbt, session):
    """The dbt model: one row per version, persona and behavior; see persona_centroids.yml."""
    dbt.config(
        materialized="incremental",
        incremental_strategy="delete+insert",  # training again at the same clock replaces
        unique_key="model_version",
        on_schema_change="append_new_columns",
        packages=["numpy", "pandas", "scikit-learn", "scipy"],
    )
    data_clock = dbt.ref("data_clock")
    behaviors = dbt.ref("persona_behaviors")
    last_removal = dbt.ref("last_removal")
    persona_names = dbt.ref("persona_names")
    retrain_after_days = int(dbt.config.meta_get("retrain_after_days"))
    is_told = str(dbt.config.meta_get("retrain")).lower() == "true"
    clock = pd.Timestamp(frame_of(data_clock)["as_of"].iloc[0])
    history = pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    if dbt.is_incremental:
        # A table of an earlier release may lack the column `last_removal_at`.
        history = frame_of(session.sql(f"select * from {dbt.this}")).reindex(columns=list(COLUMNS))
    removed_at = pd.Timestamp(frame_of(last_removal)["removed_at"].iloc[0])

    result = history.head(0)
    valid = trained_since(history, removed_at)
    if is_told or is_due(valid, clock, retrain_after_days):
        profiles = frame_of(behaviors)
        profiles = profiles[profiles["is_for_training"].astype(bool)].sort_values("profile_id")
        numbers = behavior_numbers(profiles)
        logs = varying_logs(numbers)
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
            with threadpool_limits(1):  # so that results do not depend on the machine
                result = train(
                    numbers, history, clock, removed_at, Names.read(frame_of(persona_names))
                )
            result = result.assign(
                model_version=f"personas@{clock:%Y-%m-%dT%H:%M:%S}",
                trained_as_of=clock,
                last_removal_at=removed_at,
            )
    result = result[list(COLUMNS)].astype(COLUMNS)
    return result if hasattr(session, "execute") else result.rename(columns=str.upper)
