"""The rig of the suite of all destinations: a warehouse, one sync, and the process of the tools."""

import json
import subprocess
import sys
import time
from unittest import mock

import requests

from tests.support.activation_rig import ROOT, ConsentRig, manifest
from tests.support.tools import CASES
from tideline.activation.destinations import api


class NoWaiting:
    """The clock of an API in tests: a wait is noted and moves it on."""

    def __init__(self):
        self.at, self.waits = 0.0, []

    def monotonic(self):
        return self.at

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.at += seconds


PEOPLE = [f"{profile}@example.com" for profile in "abcdef"]


class Tools:
    """The process of the tools."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def put(self, what, content):
        requests.put(f"{self.address}/_test/{what}", json=content, timeout=10)

    def reset(self):
        requests.post(f"{self.address}/_test/reset", timeout=10)

    def faults(self, *steps):
        self.put("faults", list(steps))

    def refuse(self, *people):
        self.put("refuse", people)

    @property
    def state(self):
        return requests.get(f"{self.address}/_test/state", timeout=10).json()


def start(port_file):
    """Start the process; returns it and its `Tools`."""
    command = [sys.executable, "-B", "-m", "tests.support.tools.server", str(port_file)]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 30
    while not port_file.exists():
        assert process.poll() is None and time.monotonic() < deadline, "the tools did not start"
        time.sleep(0.02)
    return process, Tools(int(port_file.read_text()))


class ToolRig(ConsentRig):
    """A rig with one sync `s` to a tool; `asks` adds that it requires consent to `marketing`."""

    def __init__(self, folder, tools, kind, asks=False, **sync):
        super().__init__(folder)
        self.tools, self.kind, self.case = tools, kind, CASES[kind]
        self.clock = NoWaiting()
        self.address = f"{tools.address}/{self.case.tool}"
        self.environment |= self.case.credentials | {"TOOL_URL": self.address}
        declared = {"destination": kind, "url_env": "TOOL_URL", "timeout_seconds": 5}
        content = manifest(s=declared | self.case.sync | sync)
        if asks:
            self._ask(content)
        self.manifest.write_text(json.dumps(content))
        tools.reset()
        people = PEOPLE if self.case.person == "email" else list("abcdef")
        tools.put("seed", {self.case.tool: people})

    def redeclare(self, **sync):
        """Change keys of meta.sync; the tool keeps what it holds."""
        content = json.loads(self.manifest.read_text())
        content["exposures"]["exposure.tideline.s"]["config"]["meta"]["sync"] |= sync
        self.manifest.write_text(json.dumps(content))

    def sync(self, *arguments, **options):
        """One run, which does not wait for the vendor's pace."""
        with mock.patch.object(api, "time", self.clock):
            return super().sync(*arguments, **options)

    def verify(self, *arguments):
        """One comparison, which does not wait for the vendor's pace."""
        with mock.patch.object(api, "time", self.clock):
            return super().verify(*arguments)

    def _ask(self, content):
        model = "model.tideline.profile_consents"
        table = {"schema": "tideline", "name": "profile_consents", "alias": None}
        content["nodes"][model] = table
        exposure = content["exposures"]["exposure.tideline.s"]
        exposure["depends_on"]["nodes"].append(model)
        exposure["config"]["meta"]["sync"]["consent"] = "marketing"

    def held(self):
        """What the tool holds; no request has broken the vendor's specification."""
        state = self.tools.state
        assert not state["broken"], state["broken"]
        return self.case.held(state[self.case.tool])

    def added(self, before=0):
        """The people whom a request has added since a number of effects."""
        effects = self.tools.state["effects"][before:]
        return {person for _, op, person, _ in effects if op == "add"}
