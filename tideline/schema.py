"""The JSON Schema of a dbt properties file that declares syncs: `tideline schema`.

Editors complete and check the YAML by it. It stands in `docs/reference/schemas/exposures.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.json_schema import exposures_schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schema."""
    argparse.ArgumentParser(prog="tideline schema", description=__doc__).parse_args(arguments)
    print(json.dumps(exposures_schema(DESTINATIONS), indent=2))
    return 0
