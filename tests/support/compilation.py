"""The compilation errors of dbt."""

import json
import subprocess
import sys

from tests.support.deployment import REPOSITORY

# One process for all compilations, because starting dbt is slow.
DRIVER = """
import json, sys
from dbt.cli.main import dbtRunner
for sql, variables in json.loads(sys.argv[1]):
    words = ["compile", "--quiet", "--inline", sql, "--vars", variables]
    print(json.dumps(str(dbtRunner().invoke(words).exception)))
"""


def compile_errors(deployment, runs):
    """The error for each pair of a selection and variables."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(runs)],
        cwd=REPOSITORY,
        env=deployment.env,
        capture_output=True,
        text=True,
        check=True,
    )
    errors = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]
    return [" ".join(error.split()) for error in errors]
