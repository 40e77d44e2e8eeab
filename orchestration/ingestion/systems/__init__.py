"""Source systems: what Salesforce, HubSpot, Zendesk and Stripe know becomes landed files.

`python -m orchestration.ingestion.systems [SYSTEM ...]`; docs/source_systems.md tells what lands.
Importing this package is cheap: dlt is loaded by a load, not by those who only look.
"""

from orchestration.ingestion.systems.hubspot import HUBSPOT
from orchestration.ingestion.systems.salesforce import SALESFORCE
from orchestration.ingestion.systems.stripe import STRIPE
from orchestration.ingestion.systems.system import System
from orchestration.ingestion.systems.zendesk import ZENDESK

SYSTEMS: dict[str, System] = {
    system.name: system for system in (SALESFORCE, HUBSPOT, ZENDESK, STRIPE)
}
