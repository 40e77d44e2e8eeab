"""Which records of different types are one person's: Splink's model of Fellegi and Sunter."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import duckdb
import pyarrow as pa

from orchestration.activation.errors import ActivationError
from orchestration.matching.records import ATTRIBUTES, Record

try:
    import splink.comparison_library as compare
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
except ModuleNotFoundError:  # told when it is wanted
    Linker = None

SEED = 20260101
# With fewer pairs to learn from, what is said below of people in general is the better guess.
LEAST_PAIRS = 200
LARGEST_SAMPLE = 1e7  # pairs

Pair = tuple[str, str]


class MatchingError(ActivationError):
    """Matching that cannot be done as it is asked for."""


def link(records: Sequence[Record], threshold: float) -> dict[Pair, float]:
    """The pairs of records of two types that are one person's at least that probably.

    The identifier whose type comes first in text order stands on the left. Raises MatchingError if
    Splink is not installed.
    """
    if Linker is None:
        raise MatchingError(
            "matching needs Splink, which is not installed: pip install 'splink~=5.0'"
        )
    types = sorted({str(record["id_type"]) for record in records})
    if len(types) < 2:
        return {}
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.register("given", pa.Table.from_pylist([dict(record) for record in records]))
        connection.execute("create table records as from given order by identifier_id")
        database = DuckDBAPI(connection)
        tables = []
        for number, id_type in enumerate(types):
            connection.execute(
                f"create table records_{number} as from records where id_type = ?", [id_type]
            )
            tables.append(database.register(f"records_{number}", dataset_display_name=id_type))
        filled = {
            name
            for name in ATTRIBUTES
            if len({record["id_type"] for record in records if record[name]}) > 1
        }
        if not filled:
            return {}
        linker = Linker(tables, settings(filled, prior(records)), log_level=logging.ERROR)
        train(linker, connection, filled)
        found = linker.inference.predict(
            threshold_match_probability=threshold, warning_mode="never"
        )
        rows = connection.execute(
            f"select identifier_id_l, identifier_id_r, match_probability from {found.physical_name}"
        ).fetchall()
    type_of = {str(record["identifier_id"]): str(record["id_type"]) for record in records}
    pairs = {
        (left, right) if type_of[left] < type_of[right] else (right, left): probability
        for left, right, probability in rows
    }
    return preferred(pairs, type_of)


def preferred(pairs: Mapping[Pair, float], type_of: Mapping[str, str]) -> dict[Pair, float]:
    """The pairs without those of which both ends have a better one of the same types.

    Who live together resemble each other, but each resembles themselves more.
    """
    best: dict[tuple[str, str], float] = {}
    for (left, right), probability in pairs.items():
        for key in ((left, type_of[right]), (right, type_of[left])):
            best[key] = max(probability, best.get(key, 0))
    return {
        (left, right): probability
        for (left, right), probability in pairs.items()
        if probability >= min(best[left, type_of[right]], best[right, type_of[left]])
    }


def prior(records: Sequence[Record]) -> float:
    """The probability that two records of different types are one person's: one in as many."""
    return 1 / max(len(records), 2)


def settings(filled: Collection[str], prior: float) -> SettingsCreator:
    """What is compared, and which pairs at all. Probabilities are of the levels of a comparison.

    They are those of people in general, kept where the records are too few to learn from: m of two
    records of one person, u of two people.
    """
    names = compare.ForenameSurnameComparison(
        "first_name",
        "last_name",
        jaro_winkler_thresholds=[0.92, 0.8],
        forename_surname_concat_col_name="full_name",
    )
    known = {
        "last_name": (
            names,
            [0.70, 0.03, 0.12, 0.04, 0.05, 0.04, 0.02],
            [0.0005, 0.0001, 0.0005, 0.0015, 0.01, 0.01, 0.9774],
        ),
        "email": (
            compare.EmailComparison("email"),
            [0.70, 0.08, 0.12, 0.03, 0.07],
            [0.0001, 0.0009, 0.002, 0.01, 0.987],
        ),
        "phone": (
            compare.DamerauLevenshteinAtThresholds("phone", 1),
            [0.75, 0.10, 0.15],
            [0.0002, 0.0003, 0.9995],
        ),
        "birth_date": (
            compare.DamerauLevenshteinAtThresholds("birth_date", 1),
            [0.85, 0.10, 0.05],
            [0.0001, 0.0019, 0.998],
        ),
        "postcode": (
            compare.DamerauLevenshteinAtThresholds("postcode", 1),
            [0.75, 0.10, 0.15],
            [0.002, 0.003, 0.995],
        ),
        "city": (
            compare.JaroWinklerAtThresholds("city", 0.9),
            [0.75, 0.10, 0.15],
            [0.05, 0.01, 0.94],
        ),
        "company": (
            compare.JaroWinklerAtThresholds("company", 0.9),
            [0.70, 0.15, 0.15],
            [0.01, 0.01, 0.98],
        ),
    }
    return SettingsCreator(
        link_type="link_only",
        unique_id_column_name="identifier_id",
        probability_two_random_records_match=prior,
        comparisons=[
            comparison.configure(m_probabilities=of_one, u_probabilities=of_two)
            for name, (comparison, of_one, of_two) in known.items()
            if name in filled
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("phone"),
            block_on("last_name", "substr(first_name, 1, 1)"),
            block_on("first_name", "substr(last_name, 1, 1)"),
            "l.first_name = r.last_name and l.last_name = r.first_name",
            block_on("birth_date", "substr(last_name, 1, 1)"),
            block_on("birth_date", "postcode"),
        ],
        retain_matching_columns=False,
    )


def train(linker: Linker, connection: duckdb.DuckDBPyConnection, filled: set[str]) -> None:
    """Learn from the records what there are enough of: how people differ, how often one is two."""
    ((pairs,),) = connection.execute(
        "select coalesce(sum(n * (total - n)) / 2, 0) from ("
        "select count(*) as n, sum(count(*)) over () as total from records group by id_type)"
    ).fetchall()
    if pairs < 1000 * LEAST_PAIRS:
        return
    linker.training.estimate_u_using_random_sampling(max_pairs=LARGEST_SAMPLE, seed=SEED)
    # Each leaves out what it holds equal, so that together they teach everything.
    for columns in (("email",), ("phone",), ("first_name", "last_name"), ("birth_date",)):
        alike = " and ".join(f"lefts.{column} = rights.{column}" for column in columns)
        ((pairs,),) = connection.execute(
            "select count(*) from records as lefts inner join records as rights "
            f"on lefts.id_type < rights.id_type and {alike}"
        ).fetchall()
        if pairs >= LEAST_PAIRS and filled - {*columns}:
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*columns), max_pairs=LARGEST_SAMPLE
            )
