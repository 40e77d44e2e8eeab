"""Links records of one person with Splink, which implements the model of Fellegi and Sunter."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from tideline.matching.records import ATTRIBUTES, Record
from tideline.warehouse.errors import ActivationError

try:
    import splink.comparison_level_library as levels
    import splink.comparison_library as compare
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink.blocking_rule_library import CustomRule
except ModuleNotFoundError:  # `link` raises
    Linker = None  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from splink.internals.comparison_creator import ComparisonCreator

SEED = 20260101
# With fewer pairs to learn from, the general probabilities below are the better estimate.
LEAST_PAIRS = 200
LARGEST_SAMPLE = 1e7  # pairs
ADDRESS = ("street", "postcode", "city")
# Families share everything but the first name and the birth date, twins everything but the first
# name. Therefore a clear difference in either excludes a pair.
POSSIBLE = """
    select pairs.identifier_id_l, pairs.identifier_id_r, pairs.match_probability
    from {pairs} as pairs
    inner join records as lefts on pairs.identifier_id_l = lefts.identifier_id
    inner join records as rights on pairs.identifier_id_r = rights.identifier_id
    where
        coalesce(
            jaro_winkler_similarity(lefts.first_name, rights.first_name) >= 0.8
            or starts_with(lefts.first_name, rights.first_name)
            or starts_with(rights.first_name, lefts.first_name)
            or jaro_winkler_similarity(lefts.first_name, rights.last_name) >= 0.8,
            true
        )
        and coalesce(damerau_levenshtein(lefts.birth_date, rights.birth_date) <= 2, true)
"""

Pair = tuple[str, str]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("identifier_id", "id_type", "full_name", *ATTRIBUTES)]
)


class MatchingError(ActivationError):
    """Matching is not possible; the message says how to fix it."""


def link(
    records: Sequence[Record], threshold: float, unique: Collection[str] = ()
) -> dict[Pair, float]:
    """The pairs that are one person with at least the probability `threshold`.

    Two records of one type may be a pair, unless the type is in `unique`: a person has only one of
    these. The left identifier is the first in order of type, then identifier. Returns the
    probability by pair. Raises MatchingError if Splink is not installed.
    """
    if Linker is None:
        raise MatchingError(
            "matching needs Splink, which is not installed: pip install 'splink~=5.0'"
        )
    known = [name for name in ATTRIBUTES if sum(1 for record in records if record[name]) > 1]
    if not known:
        return {}
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        rows = pa.Table.from_pylist([dict(record) for record in records], SCHEMA)
        connection.register("given", rows)
        connection.execute("create table records as from given order by identifier_id")
        table = DuckDBAPI(connection).register("records", dataset_display_name="records")
        linker = Linker([table], settings(known, len(records)), log_level=logging.ERROR)
        train(linker, connection, known)
        found = linker.inference.predict(
            threshold_match_probability=threshold, warning_mode="never"
        )
        rows = connection.execute(POSSIBLE.format(pairs=found.physical_name)).fetchall()
    type_of = {str(record["identifier_id"]): str(record["id_type"]) for record in records}
    pairs = {
        ordered(left, right, type_of): probability
        for left, right, probability in rows
        if type_of[left] != type_of[right] or type_of[left] not in unique
    }
    return preferred(pairs, type_of)


def ordered(left: str, right: str, type_of: Mapping[str, str]) -> Pair:
    """The pair in order of type, then identifier."""
    first, second = sorted((left, right), key=lambda each: (type_of[each], each))
    return first, second


def preferred(pairs: Mapping[Pair, float], type_of: Mapping[str, str]) -> dict[Pair, float]:
    """The pairs without those whose two records both have a better match of the same types.

    People who live together have similar records, but the records of one person are more similar.
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


def settings(known: Collection[str], record_count: int) -> SettingsCreator:
    """The comparisons, and the blocking rules that select pairs to compare.

    The two lists of a comparison are the probabilities of its levels, first for two records of one
    person, then for records of two people. They are general estimates, used if there are too few
    records to learn from.
    """
    names = compare.ForenameSurnameComparison(
        "first_name",
        "last_name",
        jaro_winkler_thresholds=[0.92, 0.8],
        forename_surname_concat_col_name="full_name",
    )
    general = {
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
        "address": (
            address(),
            [0.55, 0.08, 0.15, 0.04, 0.08, 0.10],
            [0.0002, 0.0003, 0.0015, 0.003, 0.045, 0.95],
        ),
        "company": (
            compare.JaroWinklerAtThresholds("company", 0.9),
            [0.70, 0.15, 0.15],
            [0.01, 0.01, 0.98],
        ),
    }
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="identifier_id",
        # On average, each record has one other record of the same person.
        probability_two_random_records_match=1 / record_count,
        comparisons=[
            comparison.configure(m_probabilities=of_one, u_probabilities=of_two)
            for name, (comparison, of_one, of_two) in general.items()
            if name in known or (name == "address" and {*known} & {*ADDRESS})
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("phone"),
            block_on("last_name", "substr(first_name, 1, 1)"),
            block_on("first_name", "substr(last_name, 1, 1)"),
            CustomRule("l.first_name = r.last_name and l.last_name = r.first_name"),
            block_on("birth_date", "substr(last_name, 1, 1)"),
            block_on("birth_date", "postcode"),
        ],
        retain_matching_columns=False,
    )


def address() -> ComparisonCreator:
    """Street, postcode and city as one comparison, because they usually agree together."""
    unknown = [f"({name}_l is null or {name}_r is null)" for name in ADDRESS]
    return compare.CustomComparison(
        output_column_name="address",
        comparison_levels=[
            levels.CustomLevel(" and ".join(unknown)).configure(is_null_level=True),
            levels.CustomLevel(
                "street_l = street_r and "
                f"(postcode_l = postcode_r or ({unknown[1]} and city_l = city_r))"
            ),
            levels.CustomLevel(
                "jaro_winkler_similarity(street_l, street_r) > 0.9 "
                "and (postcode_l = postcode_r or city_l = city_r)"
            ),
            levels.ExactMatchLevel("postcode"),
            levels.DamerauLevenshteinLevel("postcode", 1),
            levels.JaroWinklerLevel("city", 0.9),
            levels.ElseLevel(),
        ],
    )


def train(linker: Linker, connection: duckdb.DuckDBPyConnection, known: Collection[str]) -> None:
    """Estimate the probabilities of the levels from the records, where there are enough pairs."""
    ((pairs,),) = connection.execute("select count(*) * (count(*) - 1) / 2 from records").fetchall()
    if pairs < 1000 * LEAST_PAIRS:
        return
    linker.training.estimate_u_using_random_sampling(max_pairs=LARGEST_SAMPLE, seed=SEED)
    # A pass learns nothing about the columns that it blocks on; together they cover all columns.
    for columns in (("email",), ("phone",), ("first_name", "last_name"), ("birth_date",)):
        alike = " and ".join(f"lefts.{column} = rights.{column}" for column in columns)
        ((pairs,),) = connection.execute(
            "select count(*) from records as lefts inner join records as rights "
            f"on lefts.identifier_id < rights.identifier_id and {alike}"
        ).fetchall()
        if pairs >= LEAST_PAIRS and {*known} - {*columns}:
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*columns), max_pairs=LARGEST_SAMPLE
            )
