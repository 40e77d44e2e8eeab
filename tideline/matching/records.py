"""The records to match: one per identifier of an account or a source system."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from tideline.warehouse.connection import Warehouse

READ = ("identifier_rules", "event_identifiers", "int_attribute_statements", "identity_matches")
# People enter these in forms that require a birth date.
PLACEHOLDER_BIRTH_DATES = ("1900-01-01", "1901-01-01", "1970-01-01")
# These identifiers are not records: the first two are attributes of records, the third is a device.
NO_RECORDS = ("email", "phone", "anonymous_id")
ATTRIBUTES = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "birth_date",
    "street",
    "postcode",
    "city",
    "company",
)

Record = Mapping[str, str | None]  # identifier_id, id_type, full_name and ATTRIBUTES

# Chooses one value per attribute by the rules of profile_attribute_values.
SAID = """
    select
        identifiers.identifier_id,
        identifiers.id_type,
        said.attribute,
        said.value
    from {statements} as said
    inner join {identifiers} as identifiers
        on said.event_id = identifiers.event_id
    where
        identifiers.is_evidence
        and identifiers.id_type not in ({types})
        and said.attribute in ({attributes})
    qualify
        row_number() over (
            partition by identifiers.identifier_id, said.attribute
            order by
                said.priority asc,
                case when said.survivor = 'latest' then said.occurred_at end desc,
                case when said.survivor = 'latest' then said.received_at end desc,
                said.occurred_at asc,
                said.received_at asc,
                said.value asc,
                said.event_id asc
        ) = 1
    order by identifiers.identifier_id, said.attribute
"""


def read_records(warehouse: Warehouse) -> list[Record]:
    """The records with at least one attribute, in order of identifier.

    Raises WarehouseError if a table is missing.
    """
    for name in READ:
        warehouse.columns(warehouse.table(name))
    names = (*ATTRIBUTES, "name")
    rows = warehouse.query(
        SAID.format(
            statements=warehouse.table("int_attribute_statements"),
            identifiers=warehouse.table("event_identifiers"),
            types=", ".join("?" * len(NO_RECORDS)),
            attributes=", ".join("?" * len(names)),
        ),
        [*NO_RECORDS, *names],
    )
    said: dict[tuple[str, str], dict[str, str]] = {}
    for identifier_id, id_type, attribute, value in rows:
        said.setdefault((identifier_id, id_type), {})[attribute] = value
    return [record(*identifier, texts) for identifier, texts in said.items()]


def unique_types(warehouse: Warehouse) -> set[str]:
    """The identifier types of which a person has only one, from the seed `identifier_rules`."""
    rules = warehouse.table("identifier_rules")
    rows = warehouse.query(f"select id_type from {rules} where is_unique_per_profile")
    return {id_type for (id_type,) in rows}


def iso_date(text: str) -> str:
    """A date as `YYYY-MM-DD`; empty if it is a placeholder, invalid or ambiguous."""
    parts = re.fullmatch(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[t ].*)?", text)
    year, month, day = map(int, parts.groups()) if parts else (0, 0, 0)
    if parts := re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})", text):
        first, mark, second, year = parts[1], parts[2], parts[3], int(parts[4])
        day, month = int(first), int(second)  # with dots, the day always comes first
        if mark != "." and month > 12:
            day, month = month, day
        elif mark != "." and day <= 12 and day != month:
            return ""
    try:
        found = date(year, month, day).isoformat()
    except ValueError:
        return ""
    return "" if found in PLACEHOLDER_BIRTH_DATES else found


def record(identifier_id: str, id_type: str, said: Mapping[str, str]) -> Record:
    """A record normalized for comparison: lower case, `name` split, dates in one format."""
    texts = {name: " ".join(text.lower().split()) for name, text in said.items()}
    if not texts.keys() & {"first_name", "last_name"} and texts.get("name"):
        texts["first_name"], _, texts["last_name"] = texts["name"].rpartition(" ")
    texts["phone"] = re.sub(r"\D", "", texts.get("phone", ""))
    texts["postcode"] = re.sub(r"[\s-]", "", texts.get("postcode", ""))
    texts["birth_date"] = iso_date(texts.get("birth_date", ""))
    texts["street"] = re.sub(r"[.,]", "", texts.get("street", ""))
    parts = [texts.get("first_name"), texts.get("last_name")]
    return {
        "identifier_id": identifier_id,
        "id_type": id_type,
        "full_name": " ".join(map(str, parts)) if all(parts) else None,
        **{name: texts.get(name) or None for name in ATTRIBUTES},
    }
