"""What the tests of the event layer share: dbt compiles it once."""

import pytest

from tests.integration import event_layer


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A warehouse, and the incremental models of the event layer as dbt compiled them."""
    return event_layer.compile_layer(tmp_path_factory.mktemp("layer"))
