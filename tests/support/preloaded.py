"""What forked processes start with: large libraries, and the project as dbt has parsed it.

Nothing here starts a thread, as a fork would wait forever for a lock that another thread holds. So
dbt parses in a fork of its own, once for all workers of a session of tests.

dbt parses the project again for each path of the warehouse and for each value of a var, although
the result does not depend on the path, nor on vars that only models read. This is switched off
here. The landing folder's path is only part of a source's location, so it is written there instead
of parsing again. Then deployments can share the parsed project.
"""

import atexit
import fcntl
import gc
import inspect
import json
import os
import shutil
from importlib import import_module
from pathlib import Path

import dbt.cli.main
import dlt  # noqa: F401
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.artifacts.resources.v1.config import Hook
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.project import (
    Configuration,
    PackageConfig,
    ProfileConfig,
    Project,
    ProjectFlags,
)
from dbt.contracts.selection import SelectorFile
from dbt.parser.manifest import ManifestLoader, extended_mashumuro_decoder
from dbt_common.clients.jinja import template_cache

from tests.support import parsed

# Modules that dbt imports only when it runs a command.
LATE = ["dbt.task.build", "dbt.compilation", "dbt.graph.thread_pool", "daff", "numpy", "pandas"]
LATE += ["sklearn.linear_model", "sklearn.cluster", "sklearn.metrics", "sklearn.model_selection"]
LATE += ["scipy.optimize", "scipy.spatial.distance"]
LATE += ["babel.dates", "_strptime", "dbt.adapters.duckdb.environments.local"]
LANDING = "TIDELINE_LANDING"
REPOSITORY = Path(__file__).parents[2]

ready = {}  # parsed projects by the content of dbt's file
_is_partial_parsable = ManifestLoader.is_partial_parsable
_build_manifest_state_check = ManifestLoader.build_manifest_state_check


def is_partial_parsable(self, manifest):
    if manifest.metadata.adapter_type == self.root_project.credentials.type:
        manifest.state_check.profile_hash = self.manifest.state_check.profile_hash
    return _is_partial_parsable(self, manifest)


def build_manifest_state_check(self):
    config, given = self.root_project, self.root_project.cli_vars
    config.cli_vars = parsed.seen(given)
    try:
        return _build_manifest_state_check(self)
    finally:
        config.cli_vars = given


def from_msgpack(data, decoder=None):
    """The parsed project in a file of dbt, with the landing folder of this process."""
    manifest = ready.pop(data, None) or _from_msgpack(data, decoder=decoder)
    before, now = manifest.env_vars.get(LANDING), os.environ.get(LANDING)
    if before and now and not set("[]*?'") & set(before + now):  # no character is escaped
        manifest.env_vars[LANDING] = now
        for source in manifest.sources.values():
            source.relation_name = _moved(source.relation_name, before, now)
            for meta in (
                source.meta,
                source.source_meta,
                source.config.meta,
                source.unrendered_config.get("meta", {}),
            ):
                if "external_location" in meta:
                    meta["external_location"] = _moved(meta["external_location"], before, now)
    return manifest


def _moved(location, before, now):
    return location.replace(f"glob('{before}/**')", f"glob('{now}/**')")


def dump(data, file, **settings):
    """Like `json.dump`, but in one piece, which is several times faster."""
    file.write(json.dumps(data, **settings))


def _parse(goal):
    """Parse the project in a fork; write dbt's file to `goal`."""
    target = goal.with_suffix(".target")
    pid = os.fork()
    if pid == 0:
        target.mkdir()
        for number in (1, 2):
            os.dup2(os.open(target / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.chdir(REPOSITORY)
        os.environ |= {
            LANDING: str(target / "landing"),
            "TIDELINE_WAREHOUSE": str(target / "warehouse.duckdb"),
            "DBT_TARGET": "duckdb",
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        code = 1
        try:
            code = not dbt.cli.main.dbtRunner().invoke(["parse"]).success
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1] == 0:
        (target / "partial_parse.msgpack").rename(goal)
        shutil.rmtree(target)


def _warm(manifest):
    """Let dbt generate the classes and templates that it would generate in each process."""
    manifest.fill_tracking_metadata = lambda: None  # it needs the flags of a command
    manifest.writable_manifest().to_dict(omit_none=False, context={"artifact": True})
    for kind in (DuckDBCredentials, Hook, Configuration, PackageConfig, ProfileConfig):
        kind.json_schema()
    for kind in (Project, ProjectFlags, SelectorFile):
        kind.json_schema()
    for macro in manifest.macros.values():
        template_cache.get_node_template(macro)
    inspect.stack()  # it looks up the file of each module


def _preload():
    for name in LATE:
        import_module(name)
    path = parsed.path("{}")
    with path.with_suffix(".lock").open("w") as lock:  # one worker parses, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _parse(path)
    if path.exists():  # else the tests show why dbt cannot parse the project
        data = path.read_bytes()
        _warm(Manifest.from_msgpack(data, decoder=extended_mashumuro_decoder))
        ready[data] = Manifest.from_msgpack(data, decoder=extended_mashumuro_decoder)
    gc.collect()
    gc.freeze()  # so that a collection of a fork does not copy the pages
    atexit.register(gc.unfreeze)  # else DuckDB complains at the end


ManifestLoader.is_partial_parsable = is_partial_parsable
ManifestLoader.build_manifest_state_check = build_manifest_state_check
json.dump = dump
_preload()
_from_msgpack = Manifest.from_msgpack  # generated by its first call
Manifest.from_msgpack = from_msgpack
