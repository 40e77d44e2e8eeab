"""The columns of a JSON-lines log: the keys of its objects; nested keys are named by path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from tideline.landing.names import identifier, literal, unique
from tideline.warehouse.duckdb_file import only_row

# Deeper keys do not become columns. Neither do the keys of an object with more than MOST_KEYS:
# they are probably values.
DEEPEST = 4
MOST_KEYS = 50
# Characters of JSON per query of the structure: DuckDB needs ten times as much memory for it.
TEXT_AT_A_TIME = 16 << 20
# Values per row group: a row group is held in memory.
VALUES_AT_A_TIME = 2_000_000
INTEGERS = ("BIGINT", "UBIGINT", "HUGEINT")
TYPED = (*INTEGERS, "DOUBLE", "BOOLEAN")
VALID_DOC = (
    "case when _tl_problem is null and json_valid(_tl_original) "
    "and json_type(case when json_valid(_tl_original) then _tl_original end) = 'OBJECT' "
    "then _tl_original end"
)
DOC_PROBLEM = (
    "case when _tl_problem is not null then _tl_problem when _tl_doc is null "
    "then 'not a JSON object' end"
)

# A type of DuckDB, an object as a dict of its keys, or a list of one structure.
Structure = str | dict[str, Any] | list[Any]
KeyPath = tuple[str, ...]


def stage_keys(
    con: duckdb.DuckDBPyConnection, source: str, target: Path
) -> tuple[list[str], dict[str, str]]:
    """Write the keys of a staged JSON-lines file as columns of a Parquet file.

    Returns the names and the types; no names if there is no object. Mixed values and lists are
    JSON. Nested keys are columns too, named by their path: `account.id`. Each row is parsed once.
    """
    objects = f"(select *, {VALID_DOC} as _tl_doc from {source})"
    found = list(paths_of(structure_of(con, objects)))
    names = unique(".".join(path) for path, _ in found)
    if not names:
        return [], {}
    kinds = {name: kind for name, (_, kind) in zip(names, found, strict=True)}
    columns, lists = [], []
    for function, is_json in (("json_extract", True), ("json_extract_string", False)):
        of_kind = [n for n, name in enumerate(names) if (kinds[name] == "JSON") is is_json]
        if of_kind:
            pointers = ", ".join(pointer(found[n][0]) for n in of_kind)
            lists.append(f"{function}(_tl_doc, [{pointers}]) as {function}ed")
            columns += [
                f"{function}ed[{place}] as {identifier(names[n])}"
                for place, n in enumerate(of_kind, 1)
            ]
    con.execute(
        f"copy (select _tl_line, {DOC_PROBLEM} as _tl_problem, _tl_original, {', '.join(columns)} "
        f"from (select *, {', '.join(lists)} from {objects})) to {literal(target)} "
        f"(compression zstd, row_group_size {max(2048, VALUES_AT_A_TIME // len(names))})"
    )
    types = {name: kind for name, kind in kinds.items() if kind in TYPED}
    whole = [name for name, kind in types.items() if kind in INTEGERS]
    if whole:
        tests = ", ".join(
            f"bool_and({c} is null or try_cast({c} as bigint) is not null)"
            for c in map(identifier, whole)
        )
        fits = only_row(con, f"select {tests} from read_parquet({literal(target)})")
        types |= {n: "BIGINT" if f else "HUGEINT" for n, f in zip(whole, fits, strict=True)}
    return names, types


def pointer(path: KeyPath) -> str:
    """A path of keys as a JSON pointer in SQL."""
    return literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path))


def paths_of(structure: dict[str, Any], depth: int = 1) -> Iterator[tuple[KeyPath, str]]:
    """The paths of keys with the types of their values, outer keys first."""
    for key, kind in structure.items():
        yield (key,), kind if isinstance(kind, str) else "JSON"
    for key, kind in structure.items():
        if not isinstance(kind, dict) or depth == DEEPEST:
            continue
        paths = list(paths_of(kind, depth + 1))
        if len(paths) <= MOST_KEYS:
            yield from (((key, *path), each) for path, each in paths)


def structure_of(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, Any]:
    """The keys of all objects with the types of their values, queried in pieces."""
    last, text = only_row(
        con, f"select coalesce(max(_tl_line), 0), coalesce(sum(length(_tl_doc)), 0) from {source}"
    )
    step = max(1, last * TEXT_AT_A_TIME // max(text, TEXT_AT_A_TIME))
    whole: dict[str, Any] = {}
    doubtful: set[KeyPath] = set()
    for first in range(1, last + 1, step):
        (piece,) = only_row(
            con,
            f"select json_group_structure(_tl_doc::json) from {source} "
            f"where _tl_line between {first} and {first + step - 1}",
        )
        found = json.loads(piece) if piece else {}
        if isinstance(found, dict):
            whole = merged_objects(whole, found, (), doubtful)
    # Outer paths first: a path that is not an object has no inner paths.
    for path in sorted(doubtful, key=len):
        holder = whole
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None  # type: ignore[assignment]
        if isinstance(holder, dict) and not is_object(con, source, path):
            holder[path[-1]] = "JSON"
    return whole


def is_object(con: duckdb.DuckDBPyConnection, source: str, path: KeyPath) -> bool:
    """Whether each value at a path is an object or null."""
    (others,) = only_row(
        con,
        f"select count(*) from {source} "
        f"where json_type(_tl_doc, {pointer(path)}) not in ('OBJECT', 'NULL')",
    )
    return not others


def merged_objects(
    one: dict[str, Any], other: dict[str, Any], path: KeyPath, doubtful: set[KeyPath]
) -> dict[str, Any]:
    """The structure of two objects of one path, merged."""
    keys = {**one, **other}
    return {
        key: merged(one.get(key, "NULL"), other.get(key, "NULL"), (*path, key), doubtful)
        for key in keys
    }


def merged(one: Structure, other: Structure, path: KeyPath, doubtful: set[KeyPath]) -> Structure:
    """Two structures merged, as `json_group_structure` returns them for all values at once.

    It returns JSON both for an object without keys and for mixed values: such a path is added to
    `doubtful`. Values inside lists are ignored.
    """
    if one == other or other == "NULL":
        return one
    if one == "NULL":
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        return merged_objects(one, other, path, doubtful)
    if isinstance(one, list) and isinstance(other, list):
        return one
    for kind, rest in ((one, other), (other, one)):
        if kind == "JSON" and isinstance(rest, dict):
            doubtful.add(path)
            return rest
    if {*INTEGERS, "DOUBLE"}.issuperset(kinds := {str(one), str(other)}):
        return "DOUBLE" if "DOUBLE" in kinds else "HUGEINT"
    return "JSON"
