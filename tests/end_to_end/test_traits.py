"""Traits from landed messages to values: a trait is a step function of time.

(dbt's unit tests cannot read the declarations from which the traits are compiled.)
"""

import json

AS_OF = "2026-01-08T00:00:00Z"
INSTANTS = {
    "product_search": [
        ("p", "2026-01-01T00:00:00Z", {"query": "q", "category": "jackets"}),
        ("p", "2025-12-31T23:59:59.999999Z", {"query": "q", "category": "footwear"}),
        ("p", "2026-01-08T00:00:00Z", {"query": "q", "category": "footwear"}),
    ],
    "product_view": [
        ("p", "2026-01-02T00:00:00Z", {"product_id": "1", "name": "Shell", "category": "jackets"}),
        ("p", "2026-01-03T00:00:00Z", {"product_id": "2", "name": "Boot", "category": "footwear"}),
        ("q", "2026-01-03T00:00:00Z", {"product_id": "3", "name": "Mug"}),
    ],
}


def test_an_event_counts_until_its_window_has_passed(deployment):
    """To the microsecond; the last value wins a tie; without events a count is 0."""
    messages = [
        {
            "messageId": f"{event}-{number}",
            "type": "track",
            "event": event,
            "userId": user,
            "timestamp": instant,
            "receivedAt": instant,
            "properties": properties,
        }
        for event, rows in INSTANTS.items()
        for number, (user, instant, properties) in enumerate(rows)
    ]
    path = deployment.landing / "events" / "messages.jsonl"
    path.write_text("\n".join(map(json.dumps, messages)))
    deployment.build_up_to("profile_traits", "dim_profiles", variables=json.dumps({"as_of": AS_OF}))
    traits = "searches_7d, category_views_7d, purchases_ever, top_category, last_jacket_viewed"
    assert deployment.query(
        f"select user_id, {traits} from profile_traits join dim_profiles using (profile_id) "
        "order by user_id"
    ) == [("p", 1, 2, 0, "footwear", "Shell"), ("q", 0, 0, 0, None, None)]
