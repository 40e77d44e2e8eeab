"""The models of experiments, run in an in-memory warehouse, build after build."""

from datetime import datetime
from types import SimpleNamespace

import duckdb
import yaml

from tests.support.trait_reference import PLAN
from tideline.declarations.compiled import experiment_dicts, rule_sql, text_sql
from tideline.declarations.files import vars_of
from tideline.declarations.macros import Macros, Vars
from tideline.declarations.segments import PROJECT, read_experiments

START = datetime(2026, 1, 1)
SEGMENT = {"description": "Text.", "label": "Text", "when": "recency > 3", "owner": "Desk"}
OUTCOME = {
    "name": "borrowed",
    "event": "loan",
    "property": "price",
    "within": "7 days",
}
EXPERIMENT = {
    "name": "reminder",
    "description": "Does it help?",
    "owner": "Desk",
    "segments": ["reader"],
    "arms": {"held_out": 0.5, "treated": 0.5},
    "starts_at": START,
    "outcomes": [OUTCOME],
}
MODELS = {
    "experiments": "segments/experiments.sql",
    "experiment_exposures": "segments/intermediate/experiment_exposures.sql",
    "experiment_assignments": "segments/experiment_assignments.sql",
    "experiment_arms": "segments/experiment_arms.sql",
    "experiment_results": "segments/experiment_results.sql",
}
MEMORY = "experiment_assignments"


class Plain(yaml.SafeDumper):
    """A dumper without aliases, which declarations must not have."""

    def ignore_aliases(self, data):
        return True


class Experiments:
    """A warehouse with members of segments, whose experiments are built."""

    def __init__(self, folder):
        """`folder`: where the declarations are written."""
        self.folder, self.con = folder, duckdb.connect()
        (folder / "models" / "segments" / "desk").mkdir(parents=True, exist_ok=True)
        features = "models: [{name: profile_features, columns: [{name: recency}]}]"
        (folder / "models" / "features.yml").write_text(features)
        self.con.execute(
            """
            create table profile_aliases (profile_id varchar, current_profile_id varchar);
            create table segment_memberships (profile_id varchar, segment_name varchar);
            create table profile_timeline (
                profile_id varchar, event_name varchar, occurred_at timestamp, properties json,
                source varchar default 'web', platform varchar default 'web', context json
            );
            create table segments as
            select unnest(['reader', 'writer']) as segment_name;
            """
        )

    def declare(self, *experiments):
        """Replace the declared experiments; each is what differs from `EXPERIMENT`."""
        segments = [
            {"name": name, "priority": place} | SEGMENT
            for place, name in enumerate(("reader", "writer"), start=1)
        ]
        content = {"segments": segments, "experiments": [EXPERIMENT | each for each in experiments]}
        path = self.folder / "models" / "segments" / "desk" / "one.yml"
        path.write_text(yaml.dump(content, Dumper=Plain, sort_keys=False))

    def join(self, *profiles, segment="reader"):
        """Let profiles enter a segment."""
        self.con.execute(
            "insert into segment_memberships select unnest(?::varchar[]), ?",
            [[*profiles], segment],
        )
        self.con.execute(
            "insert into profile_aliases select id, id from (select unnest(?::varchar[]) as id) "
            "where id not in (select profile_id from profile_aliases)",
            [[*profiles]],
        )

    def merge(self, former, current):
        """Let a profile be a part of another one."""
        self.con.execute(
            "update profile_aliases set current_profile_id = ? where current_profile_id = ?",
            [current, former],
        )
        self.con.execute("delete from segment_memberships where profile_id = ?", [former])

    def convert(self, profiles, at, price=1, event="loan"):
        """Let each profile have an event with a price."""
        self.con.execute(
            "insert into profile_timeline (profile_id, event_name, occurred_at, properties) "
            "select unnest(?::varchar[]), ?, ?, json_object('price', ?)",
            [[*profiles], event, at, price],
        )

    def select(self, path, is_incremental=False, variables=None):
        """The select of a model; `variables` are changed vars."""
        experiments = experiment_dicts(read_experiments(self.folder))
        functions = SimpleNamespace(
            experiments=lambda has_shop: experiments,
            traits=lambda has_shop: [],
            audience_creatives=lambda has_shop, dialect: {"joins": [], "columns": []},
            rule_sql=rule_sql,
            text_sql=text_sql,
        )
        rows = [(event, *each) for event, named in PLAN.items() for each in named.items()]
        rows += [(event, None, None) for event in PLAN]
        columns = ("event_name", "property", "property_type")
        plan = [dict(zip(columns, row, strict=True)) for row in rows]
        macros = Macros(
            declarations=lambda: functions,
            ref=lambda name: plan if name == "tracking_plan" else name,
            var=Vars(vars_of(PROJECT) | (variables or {})),
            is_incremental=lambda: is_incremental,
            this=MEMORY,
        )
        return macros.model(path)

    def build(self, as_of, mutated=str, models=tuple(MODELS), variables=None):
        """Build the models as of a data clock, as dbt does."""
        self.con.execute(
            f"create or replace table data_clock as select timestamp '{as_of}' as as_of"
        )
        known = {
            name
            for (name,) in self.con.execute("select table_name from duckdb_tables()").fetchall()
        }
        for name in models:
            is_kept = name == MEMORY and name in known
            sql = mutated(self.select(MODELS[name], is_kept, variables))
            into = f"insert into {name}" if is_kept else f"create or replace table {name} as"
            self.con.execute(f"{into} {sql}")

    def query(self, sql, *values):
        """The rows of a query."""
        return self.con.execute(sql, [*values]).fetchall()

    def arms(self, name="reminder"):
        """The arm of each current profile of an experiment."""
        return dict(
            self.query(
                "select profile_id, arm from experiment_arms where experiment_name = ?", name
            )
        )
