"""What dbt says when it cannot compile."""

import json
import subprocess
import sys

from tests.support.deployment import REPOSITORY

# One process for all: what costs is the start of dbt.
DRIVER = """
import json, sys
from dbt.cli.main import dbtRunner
for sql, variables in json.loads(sys.argv[1]):
    words = ["compile", "--quiet", "--inline", sql, "--vars", variables]
    print(json.dumps(str(dbtRunner().invoke(words).exception)))
"""


def compile_errors(deployment, runs):
    """What stops the compilation of each pair of a select and variables."""
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
