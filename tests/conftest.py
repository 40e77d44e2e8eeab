"""What the tests share: a deployment of its own for each, in a temporary folder."""

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from tests.support import event_layer
from tests.support.deployment import Deployment


@pytest.fixture(scope="session", autouse=True)
def hypothesis_elsewhere(tmp_path_factory):
    """What hypothesis writes to speed itself up does not stay in the repository."""
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


@pytest.fixture(scope="session", autouse=True)
def parsed_once(tmp_path_factory):
    """dbt parses the project once for all deployments with the same vars."""
    Deployment.parsed = tmp_path_factory.mktemp("parsed")


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


@pytest.fixture(scope="module")
def shared_deployment(tmp_path_factory):
    """One deployment for the tests of a module; what one changes, those after it find changed."""
    return Deployment(tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A warehouse, and the incremental models of the event layer as dbt compiled them."""
    return event_layer.compile_layer(tmp_path_factory.mktemp("layer"))
