"""The vendors' specifications, where they are there: beside the project, in `shared/specs`."""

import json
from functools import cache
from pathlib import Path

from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

SPECIFICATIONS = Path(__file__).parents[4] / "shared" / "specs"
# The specification of a tool's requests, by the start of the path.
PLACES = {
    "braze": [("/users/track", "braze.json", "https://rest.iad-01.braze.com")],
    # People are held against a part of it (`customerio.py`): it refuses a valid batch of them.
    "customerio": [
        ("/api/v1/segments", "customerio_track.json", "https://track.customer.io"),
    ],
    "hubspot": [
        ("/crm/v3/objects/contacts", "hubspot_contacts.json", "https://api.hubapi.com"),
        ("/crm/v3/lists", "hubspot_lists_memberships.json", "https://api.hubapi.com"),
    ],
    "klaviyo": [
        ("/api/profile-import", "klaviyo_lists_profiles.json", "https://a.klaviyo.com"),
        ("/api/lists", "klaviyo_lists_profiles.json", "https://a.klaviyo.com"),
    ],
}


@cache
def specification(name):
    """A specification, or None if it is not there."""
    path = SPECIFICATIONS / name
    return OpenAPI.from_dict(json.loads(path.read_text())) if path.exists() else None


def violation(request):
    """What the vendor's specification objects to in a request; None if there is nothing."""
    for start, name, host in PLACES.get(request.tool, ()):
        known = specification(name)
        if known is None or not request.path.startswith(start):
            continue
        asked = MockRequest(
            host,
            request.method.lower(),
            request.path,
            args={key: values[0] for key, values in request.query.items()},
            headers=dict(request.headers),
            data=request.body or None,
            content_type=request.headers.get("Content-Type", "application/json"),
        )
        try:
            known.validate_request(asked)
        except Exception as error:
            return f"{type(error).__name__}: {error.__cause__ or error}"
        return None
    return None
