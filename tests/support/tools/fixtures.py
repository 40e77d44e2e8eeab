"""The fixtures of the tests of destinations."""

import pytest

from tests.support.tools.rig import ToolRig, start


@pytest.fixture(scope="session")
def tools(tmp_path_factory):
    process, tools = start(tmp_path_factory.mktemp("tools") / "port")
    yield tools
    process.kill()
    process.wait()


@pytest.fixture
def tool_rig(tmp_path, tools):
    """Makes a rig: `tool_rig(kind, **sync)`."""
    return lambda kind, **sync: ToolRig(tmp_path, tools, kind, **sync)
