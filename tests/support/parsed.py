"""The project as parsed by dbt, one file for the vars that matter, shared by all workers."""

import hashlib
import os
import shutil
from pathlib import Path

import yaml

FOLDER = "TIDELINE_PARSED_PROJECTS"  # environment variable


def seen(variables):
    """What dbt needs of these vars to parse the project: models read the others when they run."""
    known = {name: variables[name] for name in ("shop", "sources") if name in variables}
    return known | ({"as_of": True} if variables.get("as_of") else {})


def path(variables):
    """The file of the project as parsed with these vars."""
    text = repr(sorted(seen(yaml.safe_load(variables)).items()))
    return Path(os.environ[FOLDER], hashlib.md5(text.encode()).hexdigest())


def share(own, variables):
    """Let other deployments use this file of dbt, which another worker may write as well."""
    part = path(variables).with_suffix(f".{os.getpid()}")
    shutil.copy(own, part)
    part.rename(path(variables))
