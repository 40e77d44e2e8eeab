"""The tools that receive rows, and how the suite of all destinations reads them.

To add one: a module with a class `Tool` and `CASES`, and a line in `TOOLS`.
"""

from tests.support.tools import (
    braze,
    customerio,
    hubspot,
    intercom,
    iterable,
    klaviyo,
    linkedin,
    mailchimp,
    meta,
    salesforce,
    slack,
    zendesk,
)

TOOLS = {
    "braze": braze,
    "customerio": customerio,
    "hubspot": hubspot,
    "intercom": intercom,
    "iterable": iterable,
    "klaviyo": klaviyo,
    "linkedin": linkedin,
    "mailchimp": mailchimp,
    "meta": meta,
    "salesforce": salesforce,
    "slack": slack,
    "zendesk": zendesk,
}
CASES = {kind: case for module in TOOLS.values() for kind, case in module.CASES.items()}
