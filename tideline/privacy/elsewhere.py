"""Finds tables of others that name the person; the operator must clean them by hand."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from tideline.privacy.marks import PersonalTable
from tideline.warehouse.connection import Warehouse

# Column types that may hold text, on DuckDB and Snowflake.
TEXT = re.compile(r"char|text|string|json|variant|object|array|struct|map|union|\[|blob", re.I)


def tables_that_name(warehouse: Warehouse, ours: Iterable[PersonalTable]) -> dict[str, int]:
    """Number of rows that name the person in `forget_ids`, by table, except for the tables `ours`.

    An email address is searched anywhere in a cell; another identifier must be the whole cell,
    because a value such as `1` occurs in many places. Shared identifiers are not searched.
    """
    handled = {((each.schema or warehouse.schema).lower(), each.name.lower()) for each in ours}
    tables = defaultdict(list)
    for schema, table, column, kind in warehouse.query(
        "select columns.table_schema, columns.table_name, columns.column_name, columns.data_type "
        "from information_schema.columns as columns "
        "inner join information_schema.tables as tables "
        "on columns.table_catalog = tables.table_catalog "
        "and columns.table_schema = tables.table_schema "
        "and columns.table_name = tables.table_name "
        "where tables.table_type = 'BASE TABLE' and tables.table_catalog = current_database() "
        "order by 1, 2, columns.ordinal_position"
    ):
        if TEXT.search(kind) and (schema.lower(), table.lower()) not in handled:
            tables[schema, table].append(f"lower(cast({_quoted(column)} as varchar))")
    people = warehouse.query(
        "select distinct id_type, lower(id_value) from forget_ids "
        "where valid_from is null and valid_to is null and id_value is not null"
    )
    found = {}
    for (schema, table), cells in tables.items():
        conditions, needles = [], []
        for id_type, value in people:
            for cell in cells:
                conditions.append(f"contains({cell}, ?)" if id_type == "email" else f"{cell} = ?")
                needles.append(value)
        ((rows,),) = warehouse.query(
            f"select count(*) from {_quoted(schema)}.{_quoted(table)} "
            f"where {' or '.join(conditions) or 'false'}",
            needles,
        )
        if rows:
            found[f"{schema}.{table}"] = rows
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
