"""A scratch dbt project with the real identity macros, models and seeds."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from tests.support import processes

REPO = Path(__file__).resolve().parents[2]
# Limits of a profile, per type and in total: low, so that small logs reach them.
LIMITS = {"anonymous_id": 3, "email": 2, "*": 4}

BUILD = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]


def _run_dbt(runs: list[tuple[dict[str, str], list[str]]]) -> None:
    """Run dbt several times in one process, each with its environment."""
    from dbt.cli.main import dbtRunner

    failed = False
    for environment, arguments in runs:
        os.environ.update(environment)
        failed = not dbtRunner().invoke(arguments).success or failed
    sys.exit(int(failed))


class ScratchProject:
    """A folder with `dbt_project.yml`, a DuckDB file and the given models.

    Args:
        folder: Where to write; must not exist.
        models: SQL of additional models, by name; it replaces a seed or model of that name.
        with_identity: Whether to include the models, seeds and tests of identity.
    """

    def __init__(self, folder: Path, models: dict[str, str], with_identity: bool):
        self.folder = folder
        self.database = folder / "scratch.duckdb"
        (folder / "models").mkdir(parents=True)
        for name in ("cross_db", "events", "generic_tests", "identity", "project", "staging"):
            shutil.copytree(REPO / "macros" / name, folder / "macros" / name)
        if with_identity:
            shutil.copytree(REPO / "models" / "identity", folder / "models" / "identity")
            (folder / "seeds").mkdir()
            seeds = [*REPO.glob("seeds/*ident*"), REPO / "seeds" / "attribute_rules.csv"]
            for seed in [*seeds, REPO / "seeds" / "tracking_plan.csv"]:
                if seed.stem not in models:
                    shutil.copy(seed, folder / "seeds")
            # Rules that are off in the shipped seeds are tested as well.
            rules = folder / "seeds" / "identifier_rules.csv"
            row = "email,3,false,true,"
            assert f"{row}false" in rules.read_text()
            rules.write_text(rules.read_text().replace(f"{row}false", f"{row}true"))
            with (folder / "seeds" / "identifier_blocklist.csv").open("a") as blocklist:
                blocklist.write("email,whole,info.desk@gmail.com,A desk\n")
                blocklist.write("anonymous_id,pattern,till-[0-9]+,A till\n")
            limits = "".join(f"{id_type},{most},Few\n" for id_type, most in LIMITS.items())
            (folder / "seeds" / "identifier_limits.csv").write_text(
                f"id_type,max_per_profile,reason\n{limits}"
            )
            (folder / "tests").mkdir()
            for name in (
                "assert_no_profile_has_two_user_ids",
                "assert_every_event_has_one_profile",
                "assert_identity_map_covers_time_once",
                "assert_excluded_pairs_are_apart",
                "assert_no_profile_passes_a_limit",
                "assert_profile_ids_resolve",
            ):
                shutil.copy(REPO / "tests" / "dbt" / f"{name}.sql", folder / "tests")
        for name, sql in models.items():
            for own in (folder / "models").rglob(f"{name}.sql"):
                own.unlink()
            (folder / "models" / f"{name}.sql").write_text(sql)
        project = {
            "name": "tideline",
            "version": "0.1.0",
            "config-version": 2,
            "profile": "scratch",
            "test-paths": ["tests"],
            "flags": {"send_anonymous_usage_stats": False},
            "vars": {"arrival_overlap_minutes": 0, "as_of": None, "shop": True, "sources": {}},
            "models": {"+materialized": "table"},
        }
        output = {"type": "duckdb", "path": str(self.database), "schema": "tideline", "threads": 2}
        profiles = {"scratch": {"target": "scratch", "outputs": {"scratch": output}}}
        # JSON is valid YAML.
        (folder / "dbt_project.yml").write_text(json.dumps(project))
        (folder / "profiles.yml").write_text(json.dumps(profiles))

    def dbt(self, *runs: tuple[dict[str, str], list[str]]) -> subprocess.CompletedProcess[str]:
        """Run dbt once per pair of environment and arguments; return exit code and output."""
        options = ["--no-use-colors", "--project-dir", str(self.folder)]
        options += ["--profiles-dir", str(self.folder)]
        plan = [(environment, [*arguments, *options]) for environment, arguments in runs]
        env = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        code, output = processes.run(_run_dbt, plan, folder=self.folder, env=env)
        return subprocess.CompletedProcess(plan, code, output)

    def rows(self, query: str) -> list[tuple]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(query).fetchall()


def identity_model(name: str) -> str:
    """The SQL of a model of identity, with the order of statements in place of its macro's call."""
    (path,) = (REPO / "models" / "identity").rglob(f"{name}.sql")
    rules = (REPO / "macros" / "identity" / "attribute_rules.sql").read_text()
    _, _, rest = rules.partition("{% macro attribute_precedence() %}")
    order, _, _ = rest.partition("{% endmacro %}")
    return path.read_text().replace("{{ attribute_precedence() | trim | indent(12) }}", order)
