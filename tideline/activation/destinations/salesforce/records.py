"""Fields of records: a row sets them, a removal empties them and leaves the record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tideline.activation.destinations.api import (
    Api,
    ApiDestination,
    Reply,
    address_of,
    compared,
    in_parts,
)
from tideline.activation.destinations.fields import WithFields, agree, filled
from tideline.activation.destinations.protocol import Capabilities, Match, Operation, Outcome
from tideline.activation.destinations.salesforce.login import read_login
from tideline.activation.destinations.salesforce.org import Org
from tideline.activation.destinations.salesforce.results import EXPECTED, of_rows
from tideline.activation.destinations.salesforce.search import record_ids, records_of

ROOT = "/services/data/v62.0"
MOST_RECORDS = 200  # per request of a collection
LIMITS = (
    "https://developer.salesforce.com/docs/platform/api-rest/guide/"
    "resources-composite-sobjects-collections-upsert.html"
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
LONG_FRACTION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d+Z")


@dataclass(frozen=True, kw_only=True)
class RecordOptions(WithFields):
    """The keys of a sync to Salesforce.

    `object`: the API name of the object, such as `Contact`. `identify`: the column of `key` that
    identifies a record. `external_id`: the field of Salesforce that has its value, an external id
    or one by which Salesforce finds records. `fields`: the template of each field, by its API name.
    `keep`: fields that a removal leaves as they are, such as those without which Salesforce creates
    no record. `variables`: how the names of the variables with the credentials begin. `audience`:
    who accepts the assertion of the JWT bearer flow.
    """

    url_env: str | None = "TIDELINE_SALESFORCE_URL"
    variables: str = "TIDELINE_SALESFORCE_"
    audience: str = "https://login.salesforce.com"
    object: str
    identify: str = "email"
    external_id: str
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names and the templates."""
        super().__post_init__()
        if self.url_env is None:
            raise ValueError("`url_env` is empty; name the variable with the address of the org")
        for key, name in [
            ("object", self.object),
            ("external_id", self.external_id),
            *(("fields", each) for each in self.fields),
        ]:
            if not NAME.fullmatch(name):
                raise ValueError(f"`{key}` has {name!r}; write an API name, such as `Score__c`")
        names = {each.lower() for each in self.fields}
        if self.external_id.lower() == "id" or names & {"id", "attributes"}:
            raise ValueError("`Id` and `attributes` cannot be set; name an external id")
        if self.external_id.lower() in names:
            raise ValueError(f"`fields` has the external id `{self.external_id}`; remove it there")
        for name in self.keep:
            if name.lower() not in names:
                raise ValueError(f"`keep` has `{name}`, which is not in `fields`; remove it")
        if not self.emptied():
            raise ValueError("`keep` has all fields, so a removal would do nothing; shorten it")

    def emptied(self) -> list[str]:
        """The fields that a removal empties; Salesforce's names have no upper and lower case."""
        kept = {each.lower() for each in self.keep}
        return [name for name in self.fields if name.lower() not in kept]

    def in_key(self) -> tuple[str, ...]:
        """The columns that `key` must have."""
        return (self.identify,)


def open_org(sync_name: str, options: RecordOptions, environment: Mapping[str, str]) -> Api:
    """The org with the credentials of its app."""
    address = address_of(environment, options, None, sync_name)
    login = read_login(sync_name, options.variables, options.audience, environment)
    org = Org(address, login, options)
    org.where += f", {options.object}"  # records of another object are another place
    return org


class SalesforceRecords(ApiDestination):
    """A row is a record of one object, found by one of its fields."""

    Options: ClassVar[type] = RecordOptions
    connect = staticmethod(open_org)
    default_batch_rows: ClassVar[int] = MOST_RECORDS
    capabilities: ClassVar[Capabilities] = Capabilities(
        title="Salesforce records",
        holds="fields of a record of one object, which is created if it does not exist",
        delivery="set",
        removal="the fields are emptied, the record stays",
        rows_per_request=MOST_RECORDS,
        tried_against="a stateful local server",
        source=LIMITS,
        page="salesforce",
    )

    def send(self, batch: Sequence[Operation], run_id: str) -> list[Outcome]:
        """Empty and set fields, by requests of at most 200 records."""
        blank = [i for i, each in enumerate(batch) if not str(self._value(each)).strip()]
        removes = [i for i, each in enumerate(batch) if each.op == "remove" and i not in blank]
        others = [i for i, each in enumerate(batch) if each.op != "remove" and i not in blank]
        parts = [
            kind[start : start + MOST_RECORDS]
            for kind in (removes, others)
            for start in range(0, len(kind), MOST_RECORDS)
        ]
        outcomes = in_parts(batch, parts, self._apply)
        for position in blank:
            outcomes[position] = self._of_nobody(batch[position])
        return outcomes

    def _value(self, operation: Operation) -> Any:
        return operation.key[self._options.identify]

    def _of_nobody(self, operation: Operation) -> Outcome:
        """The outcome of a row without an identifier.

        It is never sent: Salesforce would find all records whose field is empty.
        """
        if operation.op == "remove":
            return Outcome("accepted")
        column = self._options.identify
        return Outcome("rejected", f"the column `{column}` is empty; add it to `require`")

    def _apply(self, batch: Sequence[Operation]) -> list[Outcome]:
        """Empty or set the fields of up to 200 records."""
        options = self._options
        if batch[0].op == "remove":
            return self._empty([self._value(each) for each in batch])
        records = [
            {
                "attributes": {"type": options.object},
                options.external_id: self._value(each),
                **{name: as_field(each) for name, each in filled(options.fields, each).items()},
            }
            for each in batch
        ]
        path = f"{ROOT}/composite/sobjects/{options.object}/{options.external_id}"
        return of_rows(self._patch(path, records), len(batch))

    def _empty(self, values: Sequence[Any]) -> list[Outcome]:
        """Empty the fields of records that exist; a value without a record holds nothing."""
        options = self._options
        outcomes = [Outcome("accepted")] * len(values)
        found = record_ids(self._api, ROOT, options.object, options.external_id, values)
        rows: dict[str, list[int]] = {}  # the rows of each record
        for position, ids in enumerate(found):
            for each in ids:
                rows.setdefault(each, []).append(position)
        nothing = dict.fromkeys(options.emptied())
        for start in range(0, len(rows), MOST_RECORDS):
            some = list(rows)[start : start + MOST_RECORDS]
            records = [
                {"attributes": {"type": options.object}, "id": each, **nothing} for each in some
            ]
            told = of_rows(self._patch(f"{ROOT}/composite/sobjects", records), len(some), True)
            for record, outcome in zip(some, told, strict=True):
                if outcome.fate != "accepted":
                    for position in rows[record]:
                        outcomes[position] = outcome
        return outcomes

    def read_back(self, batch: Sequence[Operation]) -> list[Match | Outcome]:
        """Compare the fields of records, by questions about at most 200 of them."""
        return compared(batch, MOST_RECORDS, self._compare)

    def _compare(self, batch: Sequence[Operation]) -> list[Match]:
        options = self._options
        values = [self._value(each) for each in batch]
        found = records_of(
            self._api, ROOT, options.object, options.external_id, values, tuple(options.fields)
        )
        matches: list[Match] = []
        for each, records in zip(batch, found, strict=True):
            sent = {name: as_field(value) for name, value in filled(options.fields, each).items()}
            same = all(
                agree(value, held.get(name)) for held in records for name, value in sent.items()
            )
            matches.append("missing" if not records else "equal" if same else "different")
        return matches

    def _patch(self, path: str, records: Sequence[Mapping[str, Any]]) -> Reply:
        body = {"allOrNone": False, "records": records}
        return self._api.call("PATCH", path, body, expected=EXPECTED)


def as_field(value: Any) -> Any:
    """A value as Salesforce's API takes it: `;` between several, times in milliseconds."""
    if isinstance(value, list):
        texts = (each if isinstance(each, str) else json.dumps(each) for each in value)
        return ";".join(texts) or None
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and (time := LONG_FRACTION.fullmatch(value)):
        return f"{time[1]}Z"
    return value
