"""Stripe: customers, charges, subscriptions and invoices.

The lists show new objects by their creation time. Only the event log shows changes: each event
holds its object as it was then. A load therefore reads both.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tideline.landing.systems.rows import Window, text_row
from tideline.landing.systems.session import Token
from tideline.landing.systems.system import System

API_KEY = "TIDELINE_STRIPE_API_KEY"
TABLES = {
    "customer": "customers",
    "charge": "charges",
    "subscription": "subscriptions",
    "invoice": "invoices",
}
# Without `status`, the list of subscriptions omits canceled ones.
FILTERS = {"subscriptions": {"status": "all"}}
CHANGES = (
    "customer.updated", "customer.deleted",
    "customer.subscription.updated", "customer.subscription.deleted",
    "customer.subscription.paused", "customer.subscription.resumed",
    "charge.succeeded", "charge.failed", "charge.captured", "charge.expired", "charge.refunded",
    "charge.updated",
    "invoice.updated", "invoice.finalized", "invoice.paid", "invoice.payment_failed",
    "invoice.payment_action_required", "invoice.voided", "invoice.marked_uncollectible",
    "invoice.deleted",
)  # fmt: skip


def resources(window: Window, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The four lists, and the event log as further states of the same objects."""
    from tideline.landing.systems.paging import LastRowPaginator

    def new_object(row: dict[str, Any]) -> dict[str, str | None]:
        # Not the time of the answer: a state from an event must not look older than this one.
        updated = max(window.settled // 1000, row.get("created") or 0)
        return text_row(row | {"updated": updated, "is_deleted": False})

    def changed_object(event: dict[str, Any]) -> dict[str, str | None]:
        gone = event["type"] in ("customer.deleted", "invoice.deleted")
        return text_row(
            event["data"]["object"]
            | {
                "updated": event["created"],
                "is_deleted": gone,
                "stripe_event_id": event["id"],
                "stripe_event_type": event["type"],
            }
        )

    def seconds(milliseconds: int) -> int:
        return milliseconds // 1000

    def resource(name: str, field: str, step: Any, key: str, **parameters: Any) -> dict[str, Any]:
        return {
            "name": name,
            "endpoint": {
                "path": name,
                "params": {"limit": 100, **parameters},
                "data_selector": "data",
                "paginator": LastRowPaginator(),
                "incremental": window.since(field, key, seconds, start_param="created[gte]"),
            },
            "processing_steps": [{"map": step}],
        }

    lists = [
        resource(table, "created", new_object, "id", **FILTERS.get(table, {}))
        for table in TABLES.values()
    ]
    events = resource(
        "events", "updated", changed_object, "stripe_event_id", **{"types[]": list(CHANGES)}
    )
    return [*lists, events | {"table_name": lambda row: TABLES[row["object"]]}]


STRIPE = System(
    name="stripe",
    tables={
        "customers": "One row per state of a customer.",
        "charges": "One row per state of a charge: an attempt to collect money.",
        "subscriptions": "One row per state of a subscription.",
        "invoices": "One row per state of an invoice.",
    },
    logins=((API_KEY,),),
    auth=lambda url, environment: Token(environment[API_KEY]),
    url="https://api.stripe.com",
    path="/v1/",
    headers={"Stripe-Version": "2024-06-20"},  # the version that the models expect
    resources=resources,
    change_log=timedelta(days=29),  # the event log reaches back 30 days
)
