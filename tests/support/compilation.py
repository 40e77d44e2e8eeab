"""The compilation errors of dbt."""

import json

from tests.support import processes
from tests.support.deployment import REPOSITORY


def _print_errors(runs):
    from dbt.cli.main import dbtRunner

    for sql, variables in runs:
        words = ["compile", "--quiet", "--inline", sql, "--vars", variables]
        print(json.dumps(str(dbtRunner().invoke(words).exception)), flush=True)


def compile_errors(deployment, runs):
    """The error for each pair of a selection and variables."""
    deployment.reuse_parsed("{}")
    code, output = processes.run(_print_errors, runs, folder=REPOSITORY, env=deployment.env)
    assert code == 0, output
    errors = [json.loads(line) for line in output.splitlines() if line.startswith('"')]
    return [" ".join(error.split()) for error in errors]
