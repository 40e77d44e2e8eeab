"""Source systems: what Salesforce, HubSpot, Zendesk and Stripe know becomes landed files.

`tideline load [SYSTEM ...]`; docs/reference/source-systems.md tells what lands.
Importing this package is cheap: dlt is loaded by a load, not by those who only look.
"""

from tideline.landing.systems.hubspot import HUBSPOT
from tideline.landing.systems.salesforce import SALESFORCE
from tideline.landing.systems.stripe import STRIPE
from tideline.landing.systems.system import System
from tideline.landing.systems.zendesk import ZENDESK

SYSTEMS: dict[str, System] = {
    system.name: system for system in (SALESFORCE, HUBSPOT, ZENDESK, STRIPE)
}
