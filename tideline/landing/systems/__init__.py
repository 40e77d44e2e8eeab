"""Source systems: lands records of Salesforce, HubSpot, Zendesk and Stripe as files.

`tideline load [SYSTEM ...]`; docs/reference/source-systems.md lists the landed tables. Importing
this package is cheap: only a load imports dlt.
"""

from tideline.landing.systems.hubspot import HUBSPOT
from tideline.landing.systems.salesforce import SALESFORCE
from tideline.landing.systems.stripe import STRIPE
from tideline.landing.systems.system import System
from tideline.landing.systems.zendesk import ZENDESK

SYSTEMS: dict[str, System] = {
    system.name: system for system in (SALESFORCE, HUBSPOT, ZENDESK, STRIPE)
}
