"""JSON Schemas of dbt properties files with declarations: `tideline schema`.

Editors use them to complete and check the YAML. `docs/reference/schemas` holds copies.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.json_schema import exposures_schema, models_schema
from tideline.usage import parser as parser_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schema."""
    parser = parser_of(
        "schema",
        """
        Print the JSON Schema of dbt's properties files that declare syncs (exposures), or traits
        and segments (models). Editors use it to complete and check the YAML.
        """,
        {
            "tideline schema exposures": "print that of the syncs",
            "tideline schema models": "print that of the traits and segments",
        },
    )
    parser.add_argument(
        "file", nargs="?", choices=("exposures", "models"), default="exposures", help="which one"
    )
    is_models = parser.parse_args(arguments).file == "models"
    print(json.dumps(models_schema() if is_models else exposures_schema(DESTINATIONS), indent=2))
    return 0
