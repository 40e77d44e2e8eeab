"""HubSpot: contacts, email events and form submissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideline.landing.systems.rows import Window, text_row
from tideline.landing.systems.session import Token
from tideline.landing.systems.system import System

TOKEN = "TIDELINE_HUBSPOT_TOKEN"
# Additional properties, separated by commas: custom ones such as the account id of the app.
MORE_PROPERTIES = "TIDELINE_HUBSPOT_PROPERTIES"
PROPERTIES = (
    "email", "hs_additional_emails", "phone", "mobilephone", "firstname", "lastname", "company",
    "jobtitle", "date_of_birth", "address", "zip", "city", "country", "lifecyclestage",
    "hs_lead_status", "createdate", "lastmodifieddate", "hs_object_id", "hs_merged_object_ids",
)  # fmt: skip


def contact(row: dict[str, Any]) -> dict[str, str | None]:
    """A contact as one flat row; properties are named `property_<name>`, as Fivetran does."""
    properties = row.pop("properties", None) or {}
    return text_row(row | {f"property_{name}": value for name, value in properties.items()})


def submission(row: dict[str, Any]) -> dict[str, str | None]:
    """A submission with the id and name of its form."""
    form = {"form_id": row.pop("_forms_id"), "form_name": row.pop("_forms_name")}
    return text_row(row | form)


def resources(window: Window, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The resources: contacts by search, email events by time, submissions by form."""
    from tideline.landing.systems.paging import KeysetPaginator, NewestFirstPaginator

    more = [name.strip() for name in environment.get(MORE_PROPERTIES, "").split(",")]

    def having(name: str, operator: str, value: str) -> dict[str, str]:
        return {"propertyName": name, "operator": operator, "value": value}

    # The upper limit is the start of the load: contacts that change later belong to the next load.
    filters = [
        having("lastmodifieddate", "GTE", "{incremental.start_value}"),
        having("lastmodifieddate", "LTE", str(window.now)),
        having("hs_object_id", "GT", "0"),
    ]
    after = {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"}
    return [
        {
            "name": "contacts",
            "endpoint": {
                "path": "crm/v3/objects/contacts/search",
                "method": "POST",
                "json": {
                    "filterGroups": [{"filters": filters}],
                    "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                    "properties": [*PROPERTIES, *(name for name in more if name)],
                    "limit": 200,
                },
                "data_selector": "results",
                "paginator": KeysetPaginator(),
                "incremental": window.since(
                    "property_lastmodifieddate", ["id", "property_lastmodifieddate"], str
                ),
            },
            "processing_steps": [{"map": contact}],
        },
        {
            "name": "email_events",
            "endpoint": {
                "path": "email/public/v1/events",
                "params": {"limit": 1000},
                "data_selector": "events",
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "offset",
                    "cursor_param": "offset",
                    "has_more_path": "hasMore",
                },
                "incremental": window.since(
                    "created", ["id", "created"], int, start_param="startTimestamp"
                ),
            },
            "processing_steps": [{"map": text_row}],
        },
        {
            "name": "forms",
            "selected": False,
            "endpoint": {
                "path": "marketing/v3/forms",
                "params": {"limit": 100},
                "data_selector": "results",
                "paginator": after,
            },
        },
        {
            "name": "form_submissions",
            "include_from_parent": ["id", "name"],
            "endpoint": {
                "path": "form-integrations/v1/submissions/forms/{resources.forms.id}",
                "params": {"limit": 50, "since": "{incremental.start_value}"},
                "data_selector": "results",
                "paginator": NewestFirstPaginator("submittedAt"),
                "incremental": window.since("submittedAt", "conversionId", str),
                # A form that was deleted after the list of forms was read.
                "response_actions": [{"status_code": 404, "action": "ignore"}],
            },
            "processing_steps": [{"map": submission}],
        },
    ]


HUBSPOT = System(
    name="hubspot",
    tables={
        "contacts": "One row per state of a contact.",
        "email_events": "One row per event of an email: sent, opened, clicked, bounced.",
        "form_submissions": "One row per submitted form.",
    },
    logins=((TOKEN,),),
    auth=lambda url, environment: Token(environment[TOKEN]),
    url="https://api.hubapi.com",
    path="/",
    resources=resources,
)
