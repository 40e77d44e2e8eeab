"""The graph as people run it: a `dagster dev` server, a run launched as its pages do."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.conftest import REPOSITORY, Deployment

SECONDS = 400  # until the server is up, and until the run has ended; both take well below 100

LAUNCH = """
mutation ($run: ExecutionParams!) {
  launchPipelineExecution(executionParams: $run) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
ASSETS = """
{
  assetNodes {
    assetKey { path }
    assetMaterializations(limit: 1) {
      metadataEntries { label ... on IntMetadataEntry { intValue } }
    }
    assetObservations(limit: 1) {
      metadataEntries { label ... on TextMetadataEntry { text } }
    }
  }
}
"""


class Server:
    """A `dagster dev` of the repository's code location, on a free port."""

    def __init__(self, deployment):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Without DAGSTER_HOME the server takes the dagster.yaml of the folder it is started in. Its
        # relative paths are the repository's own: dagster-dbt changes into it for a while.
        settings = (REPOSITORY / "dagster.yaml").read_text()
        own = settings.replace("base_dir: .dagster", f"base_dir: {deployment.folder}/.dagster")
        (deployment.folder / "dagster.yaml").write_text(own)
        env = {**deployment.env, "PYTHONPATH": str(REPOSITORY)}
        env.pop("DAGSTER_HOME", None)
        del env["DBT_EXCLUDE_RESOURCE_TYPES"]
        self.log = deployment.folder / "dagster.log"
        words = ["-m", "orchestration.definitions", "--host", "127.0.0.1", "--port", str(port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("dagster"), "dev", *words],
                cwd=deployment.folder,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query, **variables):
        """The answer to a GraphQL query."""
        sent = {"query": query, "variables": variables}
        answer = requests.post(self.url, json=sent, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def wait_for(self, what):
        """The first true answer of a function that is asked again and again."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if answer := what():
                    return answer
            except requests.ConnectionError:
                pass
            time.sleep(0.5)
        pytest.fail(self.log.read_text()[-5000:])

    def stop(self):
        """End the server and whatever it has started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(deployment):
    deployment.sample(*["--people", "150", "--days", "60", "--seed", "3"])
    started = Server(deployment)
    yield started
    started.stop()


def test_one_run_takes_landed_files_to_the_destinations(deployment: Deployment, server):
    where = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    [repository] = server.wait_for(lambda: server.ask(where)["repositoriesOrError"].get("nodes"))
    job = {
        "repositoryLocationName": "orchestration.definitions",
        "repositoryName": repository["name"],
        "pipelineName": "whole_graph",
    }
    launched = server.ask(LAUNCH, run={"selector": job, "runConfigData": {}})
    run = launched["launchPipelineExecution"]["run"]["runId"]
    status = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
    ended = server.wait_for(
        lambda: {server.ask(status, id=run)["runOrError"]["status"]} & {"SUCCESS", "FAILURE"}
    )
    assert ended == {"SUCCESS"}, server.log.read_text()[-5000:]

    assets = {"/".join(a["assetKey"]["path"]): a for a in server.ask(ASSETS)["assetNodes"]}
    bare = {name for name, asset in assets.items() if not asset["assetMaterializations"]}
    systems = {name for name in bare if name.startswith("landing/")}  # nobody has said who we are
    assert len(systems) == 13
    assert bare - systems == {"segments_to_webhook"}  # nobody has said where to
    seen = {e["label"]: e.get("text") for e in metadata(assets, "segments_to_webhook", "Observ")}
    assert seen["status"] == "skipped" and "TIDELINE_WEBHOOK_URL" in seen["message"]

    landed = {e["label"]: e.get("intValue") for e in metadata(assets, "landing/event_files")}
    assert landed["files"] == len(list(deployment.landing.glob("events/*")))
    counted = {e["label"]: e.get("intValue") for e in metadata(assets, "activation_audiences")}
    sent = {e["label"]: e.get("intValue") for e in metadata(assets, "segments_to_files")}
    delivered = [
        json.loads(line)
        for file in deployment.deliveries.rglob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    server.stop()
    rows = deployment.value("select count(*) from activation_audiences")
    assert rows > 50
    assert (
        counted["dagster/row_count"] == sent["adds"] == sent["accepted"] == len(delivered) == rows
    )


def metadata(assets, name, kind="Materializ"):
    """The entries of the last materialization (or observation) of an asset."""
    [event] = assets[name][f"asset{kind}ations"]
    return event["metadataEntries"]
