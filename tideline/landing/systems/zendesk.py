"""Zendesk: users and tickets of the support desk, with the incremental exports API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from requests.auth import AuthBase, HTTPBasicAuth

from tideline.landing.systems.rows import Window, text_row
from tideline.landing.systems.session import Token
from tideline.landing.systems.system import System

TABLES = {
    "users": "One row per state of a user of the support desk, people and agents.",
    "tickets": "One row per state of a ticket.",
}
EMAIL, API_TOKEN, ACCESS_TOKEN = (
    f"TIDELINE_ZENDESK_{name}" for name in ("EMAIL", "API_TOKEN", "ACCESS_TOKEN")
)


def login(url: str, environment: Mapping[str, str]) -> AuthBase:
    """The API token of an agent, else an OAuth access token."""
    if environment.get(EMAIL) and environment.get(API_TOKEN):
        return HTTPBasicAuth(f"{environment[EMAIL]}/token", environment[API_TOKEN])
    return Token(environment[ACCESS_TOKEN])


def resources(window: Window, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The two exports; their cursor replaces the time window."""
    from tideline.landing.systems.paging import StreamPaginator

    return [
        {
            "name": table,
            "endpoint": {
                "path": f"incremental/{table}/cursor.json",
                "params": {"per_page": 1000},
                "data_selector": table,
                "paginator": StreamPaginator(),
            },
            "processing_steps": [{"map": text_row}],
        }
        for table in TABLES
    ]


ZENDESK = System(
    name="zendesk",
    tables=TABLES,
    logins=((EMAIL, API_TOKEN), (ACCESS_TOKEN,)),
    auth=login,
    path="/api/v2/",
    resources=resources,
)
