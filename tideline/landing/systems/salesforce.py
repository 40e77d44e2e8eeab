"""Salesforce: contacts, leads, accounts and opportunities, with the REST query API (SOQL)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideline.landing.systems.rows import Window, iso, text_row
from tideline.landing.systems.session import Token, error_code, http_session
from tideline.landing.systems.system import LoadError, System

VERSION = "v62.0"
OBJECTS = {
    "contacts": "Contact",
    "leads": "Lead",
    "accounts": "Account",
    "opportunities": "Opportunity",
}
# Types of fields that are composed of other landed fields, or too large for a query.
LEFT_OUT = {"address", "location", "base64"}
PREFIX = "TIDELINE_SALESFORCE_"


def login(url: str, environment: Mapping[str, str]) -> Token:
    """An access token, or OAuth with a refresh token if there is one, else client credentials."""
    given = {
        name.lower(): environment.get(PREFIX + name)
        for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")
    }
    form = {name: value for name, value in given.items() if value}
    grant = "refresh_token" if "refresh_token" in form else "client_credentials"

    def renew() -> str:
        answer = http_session(url).post(
            f"{url}/services/oauth2/token", data={"grant_type": grant, **form}
        )
        if answer.status_code >= 400:
            names = " and ".join(PREFIX + name.upper() for name in form)
            raise LoadError(
                f"salesforce: no access token, HTTP {answer.status_code}{error_code(answer)}; "
                f"renew {names}"
            )
        return answer.json()["access_token"]

    can_renew = "client_id" in form
    return Token(environment.get(f"{PREFIX}ACCESS_TOKEN") or None, renew if can_renew else None)


def field_names(description: dict[str, Any]) -> dict[str, str]:
    """The names of an object's fields for a query, which fails if a field does not exist."""
    names = [each["name"] for each in description["fields"] if each["type"] not in LEFT_OUT]
    return {"names": ",".join(names)}


def record(row: dict[str, Any]) -> dict[str, str | None]:
    """A record as text, without its `attributes` (type and URL)."""
    return text_row({name: value for name, value in row.items() if name != "attributes"})


def resources(window: Window, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Two requests per object: one for its fields, one for the changed records.

    `queryAll` also returns deleted and merged records.
    """
    out: list[dict[str, Any]] = []
    for table, name in OBJECTS.items():
        out += [
            {
                "name": f"{table}_fields",
                "selected": False,
                "endpoint": {
                    "path": f"sobjects/{name}/describe",
                    "data_selector": "$",
                    "paginator": "single_page",
                },
                "processing_steps": [{"map": field_names}],
            },
            {
                "name": table,
                "endpoint": {
                    "path": "queryAll",
                    "params": {
                        "q": f"SELECT {{resources.{table}_fields.names}} FROM {name} "
                        "WHERE SystemModstamp >= {incremental.start_value} "
                        "ORDER BY SystemModstamp"
                    },
                    "data_selector": "records",
                    "paginator": {"type": "json_link", "next_url_path": "nextRecordsUrl"},
                    "incremental": window.since("SystemModstamp", ["Id", "SystemModstamp"], iso),
                },
                "processing_steps": [{"map": record}],
            },
        ]
    return out


SALESFORCE = System(
    name="salesforce",
    tables={
        "contacts": "One row per state of a contact of the CRM.",
        "leads": "One row per state of a lead: a person who is not yet a contact.",
        "accounts": "One row per state of an account: a company.",
        "opportunities": "One row per state of an opportunity: a possible deal.",
    },
    logins=(
        (f"{PREFIX}CLIENT_ID", f"{PREFIX}CLIENT_SECRET"),
        (f"{PREFIX}CLIENT_ID", f"{PREFIX}REFRESH_TOKEN"),
        (f"{PREFIX}ACCESS_TOKEN",),
    ),
    auth=login,
    path=f"/services/data/{VERSION}/",
    resources=resources,
)
