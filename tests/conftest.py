"""Fixtures of all tests: a separate deployment for each, in a temporary folder."""

import os

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from tests.support import event_layer, parsed
from tests.support.deployment import Deployment


@pytest.fixture(scope="session", autouse=True)
def hypothesis_elsewhere(tmp_path_factory):
    """Hypothesis keeps its database outside the repository."""
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


@pytest.fixture(scope="session", autouse=True)
def parsed_once(tmp_path_factory):
    """A folder for parsed projects: dbt parses once for all deployments with the same vars."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "parsed"
    folder.mkdir(exist_ok=True)
    os.environ[parsed.FOLDER] = str(folder)


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


@pytest.fixture(scope="module")
def shared_deployment(tmp_path_factory):
    """One deployment for all tests of a module; changes of one test are visible to later ones."""
    return Deployment(tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A warehouse, and the incremental models of the event layer as compiled by dbt."""
    return event_layer.compile_layer(tmp_path_factory.mktemp("layer"))
