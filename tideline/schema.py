"""The JSON Schema of a dbt properties file that declares syncs: `tideline schema`.

Editors use it to complete and check the YAML. `docs/reference/schemas/exposures.json` is a copy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.json_schema import exposures_schema
from tideline.usage import parser as parser_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schema."""
    parser_of(
        "schema",
        """
        Print the JSON Schema of dbt's properties files that declare syncs. Editors use it to
        complete and check the YAML.
        """,
        {"tideline schema": "print it"},
    ).parse_args(arguments)
    print(json.dumps(exposures_schema(DESTINATIONS), indent=2))
    return 0
