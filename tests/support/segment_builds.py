"""The models of segments, built again and again in an in-memory warehouse, as dbt builds them."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import SimpleNamespace

import duckdb
import yaml

from tests.support.random_traits import fill, state, timeline
from tests.support.trait_reference import plan_rows
from tideline.declarations import compiled
from tideline.declarations.catalog import catalog
from tideline.declarations.definitions import definitions, readings_version
from tideline.declarations.files import vars_of
from tideline.declarations.macros import Macros, Vars
from tideline.declarations.segments import PROJECT, read_segments, read_traits
from tideline.segments.models import selects_of

TABLES = """
create table profile_aliases (profile_id varchar, current_profile_id varchar);
create table identity_merges (to_profile_id varchar, merged_at timestamp);
create table profile_revisions (profile_id varchar, revision bigint);
create table profile_lists (
    profile_id varchar, list_name varchar, listed_from timestamp, listed_until timestamp
);
create table features (profile_id varchar, recency bigint, churn_score double);
create table model_versions (model_name varchar, trained_as_of timestamp, is_current boolean);
create table segments (segment_name varchar, without_intervals_because varchar);
create table segment_membership_history (
    membership_id varchar, profile_id varchar, segment_name varchar, segment_label varchar,
    dbt_valid_from timestamp, dbt_valid_to timestamp
);
"""
# dbt's snapshot with the strategy `check` of the label, and hard deletes that invalidate.
CLOSE = """
update segment_membership_history as history set dbt_valid_to = $time
where dbt_valid_to is null and not exists (
    select 1 from segment_memberships as now
    where now.membership_id = history.membership_id
    and now.segment_label is not distinct from history.segment_label
)
"""
OPEN = """
insert into segment_membership_history
select membership_id, profile_id, segment_name, segment_label, $time, null
from segment_memberships where membership_id not in (
    select membership_id from segment_membership_history where dbt_valid_to is null
)
"""
ATTRIBUTES = """
create or replace table profile_attributes as
select traits.*, features.* exclude (profile_id), data_clock.as_of
from ({}) as traits
inner join features using (profile_id)
cross join data_clock
"""


VARS = Vars(vars_of(PROJECT))


class Place(str):
    """The name of a table, as dbt's relation."""

    schema = "main"


@dataclass
class Known:
    """What the models before the segments know in a build.

    `events` are by current profile. `aliases` map each former profile to the current one, or to
    None, `features` a profile to its recency and its score. `merges` are of target and clock.
    """

    as_of: datetime
    events: list[dict]
    aliases: dict[str, str | None]
    merges: list[tuple[str, datetime]]
    features: dict[str, tuple[int, float]]
    trained_as_of: datetime


class Builds:
    """A warehouse in which segments are built."""

    def __init__(self, folder, mutated=lambda model, sql: sql, attributes=()):
        """`folder`: where the declarations are. `mutated` may break the SQL of a model; rules may
        read the `attributes` of golden profiles, of which only the intervals are built.
        """
        self.folder, self.mutated, self.attributes = folder, mutated, attributes
        self.path = folder / "models" / "segments" / "team" / "all.yml"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.con = duckdb.connect(config={"threads": 1})
        self.con.execute(TABLES)
        timeline(self.con)
        self.built, self.revision, self.watermark = set(), 0, None
        self.former, self.text, self.version = {}, None, None
        self.commits, self.asked = {}, []  # by file; the files for which they were asked
        self.later = []  # statements between the select of an incremental model and its write

    def declare(self, content):
        """Replace the declarations."""
        text = yaml.safe_dump(content, sort_keys=False)
        if text == self.text:
            return
        self.text = text
        self.path.write_text(text)
        self.traits, self.segments = read_traits(self.folder), read_segments(self.folder)
        version = readings_version(self.segments, self.traits, "duckdb", self.attributes, None)
        if version != self.version:
            self.version, self.watermark = version, None

    def build(self, known):
        """Build all models."""
        self.build_intervals(known)
        self.con.execute(ATTRIBUTES.format(self._select("profile_traits")))
        of_clock = "intermediate/current_intervals"
        for name in (of_clock, "profile_segments", "segment_memberships"):
            table = name.split("/")[-1]
            self.con.execute(f"create or replace table {table} as {self._select(name)}")
        time = self._macros("segment_membership_history").call("default__snapshot_get_time")
        ((time,),) = self.rows(f"select {self.mutated('snapshot_time', time)}")
        for statement in (CLOSE, OPEN):
            self.con.execute(statement, {"time": time})
        self._incremental("segment_definitions", "definition_id")
        self._incremental("segment_changes")

    def build_intervals(self, known):
        """Build the intervals, and what they read."""
        self._know(known)
        self._macros = self._functions()
        self._revised("trait_readings")
        steps = self._select("intermediate/attribute_steps")
        self.con.execute(f"create or replace table attribute_steps as {steps}")
        self._revised("segment_intervals")
        self.watermark = self.revision

    def build_definitions(self, as_of):
        """Build the versions of definitions alone, as of a clock."""
        self.con.execute("create or replace table data_clock as select ? as as_of", [as_of])
        self._macros = self._functions()
        self._incremental("segment_definitions", "definition_id")

    def rows(self, sql):
        """The rows of a query."""
        return self.con.execute(sql).fetchall()

    def _know(self, known):
        """Write the tables that the models read; revise the profiles whose events changed."""
        by_profile = {}
        for each in known.events:
            by_profile.setdefault(each["profile_id"], []).append(each)
        self.revision += 1
        self.con.execute("create or replace table data_clock as select ? as as_of", [known.as_of])
        revised = {name for name in by_profile if by_profile[name] != self.former.get(name)}
        kept = [name for name in by_profile if name not in revised]
        self.former = by_profile
        self.con.execute("delete from profile_timeline")
        fill(self.con, known.events)
        self.con.execute("drop table if exists int_attribute_statements")
        state(self.con, [each for each in known.events if each["occurred_at"] < known.as_of])
        self.con.execute(
            "delete from profile_revisions where profile_id not in (select unnest(?::varchar[]))",
            [kept],
        )
        exact = compiled.exact_dicts(self.segments, self.traits, "duckdb", self.attributes)["rules"]
        for table, rows in {
            "profile_aliases": [*known.aliases.items()],
            "identity_merges": known.merges,
            "features": [(name, *each) for name, each in known.features.items()],
            "model_versions": [("churn", known.trained_as_of, True)],
            "segments": [(each["name"], each["because"]) for each in exact],
            "profile_revisions": [(name, self.revision) for name in sorted(revised)],
        }.items():
            if table != "profile_revisions":
                self.con.execute(f"delete from {table}")
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self.con.executemany(f"insert into {table} values ({marks})", rows)

    def _revised(self, name):
        """Build a model with the strategy `revised`."""
        folder = "intermediate/" if name == "trait_readings" else ""
        first, *others = selects_of(self._select(folder + name))
        self.con.execute(f"create or replace temp table found as {first}")
        for select in others:
            self.con.execute(f"insert into found {select}")
        if self.watermark is None:
            self.con.execute(f"create or replace table {name} as from found")
            return
        columns = [SimpleNamespace(name=row[0]) for row in self.rows("describe found")]
        arguments = {"target_relation": name, "temp_relation": "found", "dest_columns": columns}
        replace = self._macros(name).call(
            "get_incremental_revised_sql", SimpleNamespace(**arguments)
        )
        self.con.execute(self.mutated("revised", replace))

    def _incremental(self, name, key=None):
        """Append to a model, or replace its rows with the same key."""
        select = self._select(name, this=name)
        if name not in self.built:
            self.built.add(name)
            self.con.execute(f"create table {name} as {select}")
            return
        self.con.execute(f"create or replace temp table found as {select}")
        while self.later:
            self.con.execute(self.later.pop())
        if key:
            self.con.execute(f"delete from {name} where {key} in (select {key} from found)")
        self.con.execute(f"insert into {name} by name from found")

    def _select(self, model, this=None):
        macros = self._macros(this)
        return self.mutated(model.split("/")[-1], macros.model(f"segments/{model}.sql"))

    def _functions(self):
        """What makes the macros of dbt for a table that is written."""
        live = compiled.dicts_of(self.segments)
        functions = SimpleNamespace(
            traits=lambda has_shop: compiled.dicts_of(self.traits),
            segments=lambda has_shop: live,
            creatives=lambda has_shop: [],
            formulas=lambda has_shop, dialect: compiled.formulas_sql(self.traits, dialect),
            exact=lambda has_shop, dialect: compiled.exact_dicts(
                self.segments, self.traits, dialect, self.attributes
            ),
            definitions=lambda has_shop: definitions(self.segments, self.traits),
            commits=self._commits,
            catalog=lambda has_shop: catalog(self.segments, self.traits),
            rule_columns=compiled.rule_columns,
            segment_sql=compiled.segment_sql,
            label_sql=compiled.label_sql,
            rule_sql=compiled.rule_sql,
            text_sql=compiled.text_sql,
        )
        plan, revision, watermark = plan_rows(), self.revision, self.watermark
        clock = SimpleNamespace(relation_name="data_clock")

        def of(this):
            macros = Macros(
                declarations=lambda: functions,
                ref=lambda name: plan if name == "tracking_plan" else Place(name),
                var=VARS,
                config=lambda **_: "",
                is_incremental=lambda: this in self.built,
                this=this,
                load_relation=lambda relation: True,
                run_query=lambda sql: SimpleNamespace(rows=self.rows(sql)),
                relation_of=Place,
                revisions_are_kept=lambda: watermark is not None,
                revision_watermark=lambda: watermark,
                revision_in=lambda name: revision,
                lists_version=str,
                attributes_version=str,
                in_transaction=str,
                get_quoted_csv=", ".join,
                project_name="tideline",
                graph=SimpleNamespace(nodes={"model.tideline.data_clock": clock}),
                adapter=SimpleNamespace(
                    dispatch=lambda name, _: partial(macros.call, f"duckdb__{name}"),
                    get_columns_in_relation=self._columns,
                    quote='"{}"'.format,
                ),
            )
            return macros

        return of

    def _commits(self, files):
        self.asked.append(files)
        return {file: self.commits[file] for file in files if file in self.commits}

    def _columns(self, relation):
        return [
            SimpleNamespace(name=name, dtype=kind)
            for name, kind, *_ in self.rows(f"describe {relation}")
        ]
