"""Finds the identifiers and rows of the person to forget.

The results are temporary tables of the session: `forget_ids` (the person's identifiers; a shared
one has an interval; profile ids have the type `profile_id`) and `forget_rows` (the place of each
landed row to remove). Values are passed only as bound parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Template

from tideline.privacy.marks import PersonalTable
from tideline.text import nearest
from tideline.warehouse.connection import Warehouse
from tideline.warehouse.errors import ActivationError

NORMALIZED = Path(__file__).parents[2] / "macros" / "identity" / "normalized_identifier.sql"
HOW_TO_WRITE = "write it as <type>:<value>, such as email:ann@example.org"


class PrivacyError(ActivationError):
    """A request cannot be fulfilled; the message contains no personal data."""


@dataclass(frozen=True)
class Identifier:
    """The identifier in a request: a type of `identifier_rules` or `profile_id`, and a value."""

    id_type: str
    id_value: str

    @property
    def text(self) -> str:
        """The identifier as the warehouse writes it: `<type>:<value>`."""
        return f"{self.id_type}:{self.id_value}"


def read_identifier(warehouse: Warehouse, text: str) -> Identifier:
    """Read `<type>:<value>` and normalize the value as the models do. Raises PrivacyError."""
    rules = warehouse.table("identifier_rules")
    types = [id_type for (id_type,) in warehouse.query(f"select id_type from {rules}")]
    types.append("profile_id")
    id_type, colon, id_value = text.strip().partition(":")
    id_value = id_value.strip()
    if not colon or not id_value:
        raise PrivacyError(
            f"this is not an identifier: {HOW_TO_WRITE}; types are {', '.join(types)}"
        )
    if id_type not in types:
        raise PrivacyError(f"unknown type of identifier; {nearest(id_type, types)}: {HOW_TO_WRITE}")
    if id_type == "profile_id":
        return Identifier(id_type, id_value)
    macros: Any = Template(NORMALIZED.read_text()).module
    written = macros.normalized_identifier(
        "asked.id_value", "rules.is_lower_cased", "rules.is_gmail_folded"
    )
    ((id_value,),) = warehouse.query(
        f"select {written} from {rules} as rules "
        "cross join (select cast(? as varchar) as id_value) as asked where rules.id_type = ?",
        [id_value, id_type],
    )
    return Identifier(id_type, id_value)


def find_identifiers(warehouse: Warehouse, asked: Identifier) -> None:
    """Fill `forget_ids` with all identifiers of the person, including former profile ids.

    Raises PrivacyError if the identifier is on the blocklist or shared by several people.
    """
    known = warehouse.table("identity_map")
    blocked = warehouse.table("identity_blocked")
    if warehouse.query(
        f"select 1 from {blocked} where rule = 'blocklisted' and left_type = ? and left_value = ?",
        [asked.id_type, asked.id_value],
    ):
        raise PrivacyError(
            "this identifier is on the blocklist, so it belongs to no single person; name the "
            "person by another one"
        )
    column = "profile_id" if asked.id_type == "profile_id" else "identifier_id"
    value = asked.id_value if column == "profile_id" else asked.text
    profiles = warehouse.query(
        f"select distinct profile_id from {known} where {column} = ?", [value]
    )
    if len(profiles) > 1:
        raise PrivacyError(
            f"{len(profiles)} people share this device; name the person by an account or an email "
            "address"
        )
    _create_forget_ids(warehouse)
    for (profile_id,) in profiles:
        warehouse.execute(
            "insert into forget_ids select identifier_id, id_type, id_value, valid_from, valid_to "
            f"from {known} where profile_id = ?",
            [profile_id],
        )
        # A profile id is the hash of one of its identifiers, so these include all former ids.
        warehouse.execute(
            "insert into forget_ids select distinct 'profile_id:' || name, 'profile_id', name, "
            "cast(null as timestamp), cast(null as timestamp) from ("
            "select md5(identifier_id) as name from forget_ids union all select ?) as names "
            f"where name not in (select profile_id from {known} where profile_id <> ?)",
            [profile_id, profile_id],
        )
    if not profiles and column == "identifier_id":
        warehouse.execute(
            "insert into forget_ids select ?, ?, ?, cast(null as timestamp), "
            "cast(null as timestamp)",
            [asked.text, asked.id_type, asked.id_value],
        )


def recall_identifiers(warehouse: Warehouse, request_id: str) -> None:
    """Fill `forget_ids` with the identifiers of an earlier request."""
    _create_forget_ids(warehouse)
    warehouse.execute(
        "insert into forget_ids (identifier_id, valid_from, valid_to) "
        "select identifier_id, valid_from, valid_to "
        f"from {warehouse.table('forgotten_identifiers')} where request_id = ?",
        [request_id],
    )


def _create_forget_ids(warehouse: Warehouse) -> None:
    warehouse.execute(
        "create or replace temporary table forget_ids (identifier_id varchar, id_type varchar, "
        "id_value varchar, valid_from timestamp, valid_to timestamp)"
    )


def find_rows(warehouse: Warehouse, landed: Sequence[PersonalTable]) -> int:
    """Fill `forget_rows` with the places of the person's landed rows; return how many.

    These are the rows, of any status and profile, that

    - carry one of the person's identifiers; for a shared device, only rows without an account in
      the time when it was theirs,
    - contain one of their email addresses anywhere,
    - could not be read and contain one of their identifiers as a JSON string.

    `landed`: the two tables with the content of rows.
    """
    carried = warehouse.table("event_identifiers")
    warehouse.execute(
        "create or replace temporary table forget_rows (landed_file varchar, landed_line bigint)"
    )
    warehouse.execute(
        f"""
        insert into forget_rows
        select distinct carried.landed_file, carried.landed_line
        from {carried} as carried
        inner join forget_ids as ids on carried.identifier_id = ids.identifier_id
        where
            (ids.valid_from is null and ids.valid_to is null)
            or (
                carried.occurred_at >= coalesce(ids.valid_from, carried.occurred_at)
                and (ids.valid_to is null or carried.occurred_at < ids.valid_to)
                and not exists (
                    select 1 from {carried} as accounts
                    where
                        accounts.id_type = 'user_id'
                        and accounts.landed_file = carried.landed_file
                        and accounts.landed_line = carried.landed_line
                )
            )
        """
    )
    own = warehouse.query(
        "select id_type, id_value from forget_ids "
        "where valid_from is null and valid_to is null and id_type <> 'profile_id'"
    )
    is_gmail_folded = bool(
        warehouse.query(
            f"select 1 from {warehouse.table('identifier_rules')} "
            "where id_type = 'email' and is_gmail_folded"
        )
    )
    for id_type, id_value in own:
        if id_type == "email":
            for needle, spelling in _spellings(id_value, is_gmail_folded):
                for table in landed:
                    _find_text(warehouse, table, needle, spelling)
        else:
            _find_unread(warehouse, id_value)
    warehouse.execute(  # an open request has removed these already
        "delete from forget_rows where (landed_file, landed_line) in (select landed_file, "
        f"landed_line from {warehouse.table('int_events_deduplicated')} where reason = 'forgotten')"
    )
    return warehouse.query("select count(*) from forget_rows")[0][0]


def _spellings(address: str, is_gmail_folded: bool) -> list[tuple[str, str]]:
    """The spellings of an address as pairs: a text to find when dots are ignored, and a pattern."""
    mailbox, _, domain = address.partition("@")
    if is_gmail_folded and domain == "gmail.com":
        letters = r"\.*".join(re.escape(letter) for letter in ["", *mailbox, ""])
        return [(mailbox, rf"{letters}(?:(?:\+|%2b)[\w.+%-]*)?(?:@|%40)g(?:oogle)?mail\.com")]
    ways = {address, quote(address).lower()}
    return [(text.replace(".", ""), re.escape(text)) for text in ways]


def _find_text(warehouse: Warehouse, table: PersonalTable, needle: str, spelling: str) -> None:
    """Add the rows that contain an address anywhere, but not as part of a longer one."""
    texts = [f"coalesce(cast({column} as varchar), '')" for column in table.columns]
    whole = re.compile(
        rf"(?:(?<![\w.+-])|(?<=%[0-9a-f]{{2}})|(?<=\\[a-z])){spelling}(?![\w-]|\.\w)"
    )
    candidates = warehouse.query(
        f"select * from (select landed_file, landed_line, lower({' || chr(10) || '.join(texts)}) "
        f"as said from {warehouse.relation(table.schema or warehouse.schema, table.name)}) as rows "
        "where contains(replace(said, '.', ''), ?) "
        "and (landed_file, landed_line) not in (select landed_file, landed_line from forget_rows)",
        [needle],
    )
    for landed_file, landed_line in {row[:2] for row in candidates if whole.search(row[2])}:
        warehouse.execute("insert into forget_rows select ?, ?", [landed_file, landed_line])


def _find_unread(warehouse: Warehouse, value: str) -> None:
    """Add the quarantined rows without readable identifiers whose text contains this one."""
    warehouse.execute(
        "insert into forget_rows select landed_file, landed_line "
        f"from {warehouse.table('int_events_deduplicated')} where contains(original, ?) "
        "and (landed_file, landed_line) not in "
        f"(select landed_file, landed_line from {warehouse.table('event_identifiers')}) "
        "and (landed_file, landed_line) not in (select landed_file, landed_line from forget_rows)",
        [json.dumps(value, ensure_ascii=False)],
    )


def theirs(table: PersonalTable, columns: Mapping[str, object]) -> str:
    """The SQL condition that a row of a table is about the person; false if no column can tell.

    Shared identifiers are ignored; their rows are found by the profile.
    """
    own = "(select identifier_id from forget_ids where valid_from is null and valid_to is null)"
    conditions = []
    for column, kind in table.columns.items():
        if kind == "content" or column not in columns:
            continue
        prefix = re.sub(r"_(value|id)$", "", column)
        id_type = f"{prefix}_type" if f"{prefix}_type" in columns else f"'{column}'"
        if column.endswith("_profile_id"):  # a row with several profiles
            id_type = "'profile_id'"
        conditions.append(f"{column} in {own} or {id_type} || ':' || {column} in {own}")
    return " or ".join(conditions) or "false"
