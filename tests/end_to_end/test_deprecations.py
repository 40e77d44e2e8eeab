"""The project uses nothing deprecated: today's warning of dbt is an error in its next version."""

import json

from tests.support import processes
from tests.support.deployment import REPOSITORY

STRICT = json.dumps({"error": ["Deprecations"]})


# dbt checks the keys of YAML files only for Snowflake. Parsing needs no connection.
TARGET = {"DBT_TARGET": "snowflake", "SNOWFLAKE_ACCOUNT": "none", "SNOWFLAKE_USER": "nobody"}


def test_dbt_parses_the_project_without_a_deprecation(deployment):
    words = ["parse", "--no-partial-parse", "--show-all-deprecations"]
    code, output = processes.run(
        processes.module,
        *("dbt.cli.main", *words, "--warn-error-options", STRICT),
        folder=REPOSITORY,
        env=deployment.env | TARGET,
    )
    assert code == 0, output
