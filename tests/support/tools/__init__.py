"""The tools that receive rows, and how the suite of all destinations reads them.

To add one: a module with a class `Tool` and `CASES`, and a line in `TOOLS`.
"""

from tests.support.tools import hubspot, linkedin, meta

TOOLS = {"hubspot": hubspot, "linkedin": linkedin, "meta": meta}
CASES = {kind: case for module in TOOLS.values() for kind, case in module.CASES.items()}
