"""The graph as users run it: a `dagster dev` server, and runs launched like in its UI."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from tests.support.deployment import REPOSITORY

SECONDS = 900  # limit for the start of the server and for a run, also on a slow machine

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
    """The server of `make dev`, on a free port."""

    def __init__(self, deployment):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # Runs are kept in the folder of the deployment, not in the repository.
        settings = (REPOSITORY / "dagster.yaml").read_text()
        own = settings.replace("base_dir: .dagster", f"base_dir: {deployment.folder}/.dagster")
        own = own.replace("poll_interval_seconds: 30", "poll_interval_seconds: 5")
        (deployment.folder / "dagster.yaml").write_text(own)
        env = {**deployment.env, "DAGSTER_HOME": str(deployment.folder)}
        self.log = deployment.folder / "dagster.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tideline", "dev", "--port", str(port)],
                cwd=REPOSITORY,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query, **variables):
        """The answer to a GraphQL query."""
        sent = {"query": query, "variables": variables}
        answer = requests.post(self.url, json=sent, timeout=SECONDS).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def wait_for(self, what):
        """Call a function repeatedly until it returns a true value; return that value."""
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
        """Stop the server and all its child processes."""
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


STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOGS = """
query ($id: ID!) {
  logsForRun(runId: $id) {
    ... on EventConnection {
      events { __typename ... on MessageEvent { message } ... on StepEvent { stepKey } }
    }
  }
}
"""
CHECKS = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks { checks { executionForLatestMaterialization { status } } }
      }
    }
  }
}
"""


def launch(server, assets=()):
    """Materialize these assets, or all; return the id of the run."""
    where = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    [repository] = server.wait_for(lambda: server.ask(where)["repositoriesOrError"].get("nodes"))
    keys = [a["assetKey"] for a in server.ask(ASSETS)["assetNodes"]]
    selector = {
        "repositoryLocationName": "orchestration.definitions",
        "repositoryName": repository["name"],
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [key for key in keys if not assets or key["path"][-1] in assets],
        "assetCheckSelection": None,
    }
    launched = server.ask(LAUNCH, run={"selector": selector, "runConfigData": {}})
    assert "run" in launched["launchPipelineExecution"], launched
    return launched["launchPipelineExecution"]["run"]["runId"]


def status(server, run):
    return server.ask(STATUS, id=run)["runOrError"]["status"]


def end(server, run):
    """Wait for the end of a run; return its status."""
    ended = server.wait_for(lambda: {status(server, run)} & {"SUCCESS", "FAILURE", "CANCELED"})
    return ended.pop()


@pytest.fixture
def killed(deployment, server):
    """The id of a run that was killed with all of Dagster, as by a power cut, and a new server."""
    run = launch(server, {"key_features"})
    server.wait_for(
        lambda: "ExecutionStepStartEvent" in str(server.ask(LOGS, id=run)["logsForRun"])
    )
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    again = Server(deployment)
    yield run, again
    again.stop()


def test_one_run_of_all_assets_takes_landed_files_to_the_destinations(deployment, killed):
    """In a fresh install, without configured source systems and webhook.

    An earlier run was killed: this one waits for one check, which releases the writer.
    """
    interrupted, server = killed
    run = launch(server)
    assert status(server, interrupted) != "SUCCESS"
    assert end(server, run) == "SUCCESS", server.log.read_text()[-5000:]
    assert status(server, interrupted) == "FAILURE"
    assert "was killed or has crashed" in str(server.ask(LOGS, id=interrupted)["logsForRun"])
    assert "temporary directory" not in server.log.read_text()
    said = str(server.ask(LOGS, id=run)["logsForRun"])
    assert "skipped: stripe: no credentials; set TIDELINE_STRIPE_API_KEY" in said

    assets = {"/".join(a["assetKey"]["path"]): a for a in server.ask(ASSETS)["assetNodes"]}
    bare = {name for name, asset in assets.items() if not asset["assetMaterializations"]}
    assert bare == {"segments_to_webhook"}  # not configured
    seen = {e["label"]: e.get("text") for e in metadata(assets, "segments_to_webhook", "Observ")}
    assert seen["status"] == "skipped" and "TIDELINE_WEBHOOK_URL" in seen["message"]
    assert "FAILED" not in str(server.ask(CHECKS, key={"path": ["segments_to_webhook"]}))

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
    """The metadata of the last materialization (or observation) of an asset."""
    [event] = assets[name][f"asset{kind}ations"]
    return event["metadataEntries"]
