"""JSON Schemas of the YAML files with declarations: `tideline schema`.

Editors use them to complete and check the YAML. `docs/reference/schemas` holds copies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.json_schema import declarations_schema, exposures_schema
from tideline.usage import parser as parser_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schema."""
    parser = parser_of(
        "schema",
        """
        Print the JSON Schema of dbt's properties files that declare syncs (exposures), or of the
        files that declare traits, segments and experiments (declarations). Editors use it to
        complete and check the YAML.
        """,
        {
            "tideline schema exposures": "print that of the syncs",
            "tideline schema declarations": "print that of the traits, segments and experiments",
        },
    )
    parser.add_argument(
        "file",
        nargs="?",
        choices=("exposures", "declarations"),
        default="exposures",
        help="which one",
    )
    if parser.parse_args(arguments).file == "declarations":
        schema = declarations_schema()
    else:
        schema = exposures_schema(DESTINATIONS)
    print(json.dumps(schema, indent=2))
    return 0
