"""The history of every published profile id, run by run; the laws detect broken SQL.

Each run records the ids that it published. Copies of the models have one mistake each, and the laws
must fail for each of them.
"""

import hashlib
import random
from dataclasses import dataclass, field

import pytest

from tests.support.identity_project import BUILD, ScratchProject, identity_model
from tests.support.identity_reference import MODELS, load, random_exclusions, random_log

LOGS = 120
HISTORY = ["profile_identifiers", "profile_aliases", "identity_merges"]
# (load, whether exclusions are on, whether `as_of` is in the past)
RUNS = [(1, True, False), (2, False, False), (2, True, True), (3, False, False), (3, True, False)]
RECORDED = ["identity_map", *HISTORY]
RECORDER = """
{{{{ config(materialized='incremental', incremental_strategy='append') }}}}
select
    *,
    {{{{ env_var('RUN') }}}} as run
from {{{{ ref('{table}') }}}}
"""
# (model, text, wrong replacement)
BREAKS = {
    "named_by_nobody": (
        "profile_aliases",
        "md5(profile_identifiers.identifier_id) <> profile_identifiers.profile_id,",
        "",
    ),
    "leads_where_it_led": (
        "identity_merges",
        "and former.current_profile_id = latter.current_profile_id",
        "",
    ),
    "never_undone": (
        "identity_merges",
        "or profile_aliases.current_profile_id = profile_aliases.profile_id",
        "",
    ),
    "holds_what_left": (
        "profile_identifiers",
        "where holdings.profile_id is null",
        "where false",
    ),
    "the_past_is_history": (
        "identity_merges",
        "where {{ 'false' if var('as_of') else 'true' }}",
        "",
    ),
}


def _models() -> dict[str, str]:
    """The additional models: recorders, broken copies, and recorders of these."""
    models = dict(MODELS)
    for table in RECORDED:
        models[f"recorded_{table}"] = RECORDER.format(table=table)
    for name, (model, text, instead) in BREAKS.items():
        sql = identity_model(model)
        assert sql.count(text) == 1, (model, text)
        models[f"{model}_{name}"] = sql.replace(text, instead)
        models[f"recorded_{model}_{name}"] = RECORDER.format(table=f"{model}_{name}")
    return models


@dataclass
class History:
    """The expected history, computed run by run in the simplest way."""

    members: dict[str, set[str]] = field(default_factory=dict)
    merges: dict[str, tuple[str, int]] = field(default_factory=dict)
    came_back: int = 0

    def follow(self, owners: list[tuple], number: int, is_past: bool) -> dict[str, str | None]:
        """Add the `identity_map` of a run; return the present id for each id ever issued."""
        current = {}
        held = {}
        for identifier_id, rank, profile_id, is_always in owners:
            current[identifier_id] = (rank, profile_id)
            if is_always:
                held.setdefault(profile_id, set()).add(identifier_id)
        self.members |= held
        aliases = {profile: self._alias(profile, current) for profile in self.members}
        if is_past:
            return aliases
        for profile, target in aliases.items():
            if target in (None, profile):
                self.came_back += self.merges.pop(profile, None) is not None
            elif profile not in self.merges or aliases[self.merges[profile][0]] != target:
                self.merges[profile] = (target, number)
        return aliases

    def _alias(self, profile: str, current: dict) -> str | None:
        """The profile with the identifier that named a former profile, else with its first one."""
        left = [identifier for identifier in self.members[profile] if identifier in current]
        naming = [each for each in left if hashlib.md5(each.encode()).hexdigest() == profile]
        if naming:
            return current[naming[0]][1]
        return min((current[each] for each in left), default=(None, None))[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    chance = random.Random(20260103)
    logs = [random_log(f"log{n}", chance) for n in range(LOGS)]
    exclusions = [pair for log in logs for pair in random_exclusions(log, chance)]
    rows = [row for log in logs for row in log]
    project = ScratchProject(tmp_path_factory.mktemp("merges") / "project", _models(), True)
    load(project, chance.sample(rows, len(rows)), exclusions)
    runs = []
    for number, (upto, is_excluded, is_past) in enumerate(RUNS):
        past = '"2026-01-01"' if is_past else "null"
        environment = {"LOAD": str(upto), "RUN": str(number), "IS_EXCLUDED": str(is_excluded)}
        words = ["--vars", f"{{as_of: {past}, arrival_overlap_minutes: 0}}"]
        runs.append((environment, [*BUILD, *words]))
    law = ["test", "--select", "assert_profile_ids_resolve", "assert_excluded_pairs_are_apart"]
    again = ["run", "--full-refresh", "--select", *HISTORY]
    done = project.dbt(*runs, (environment, law), (environment, again))
    assert done.returncode == 0, done.stdout
    return project


def _recorded(project, table, columns, number):
    return project.rows(f"select {columns} from tideline.recorded_{table} where run = {number}")


def _broken_laws(project, broken="", name=""):
    """The first run and law that fail, or None; and the expected history.

    `broken`: the broken copy that replaces its model.
    """
    tables = {table: f"{table}_{name}" if table == broken else table for table in HISTORY}
    history = History()
    published = set()
    clocks = []
    for number, (upto, _, is_past) in enumerate(RUNS):
        clocks.append(upto)
        owners = project.rows(
            "select identifier_id, (recorded.first_received_at, priority, id_value),"
            " profile_id, valid_from is null and valid_to is null"
            " from tideline.recorded_identity_map as recorded"
            " join tideline.identifier_rules using (id_type)"
            f" where run = {number} and valid_from is null"
        )
        today = {profile for _, _, profile, _ in owners}
        published |= today
        expected = history.follow(owners, number, is_past)
        assert expected.keys() == published

        table = tables["profile_identifiers"]
        members = set(_recorded(project, table, "profile_id, identifier_id", number))
        if members != {
            (profile, each) for profile, held in history.members.items() for each in held
        }:
            return number, "what each profile held last", history

        table = tables["profile_aliases"]
        rows = _recorded(project, table, "profile_id, current_profile_id", number)
        aliases = dict(rows)
        if len(aliases) != len(rows) or aliases.keys() != published:
            return number, "one answer for every id ever published", history
        if aliases != expected:
            return number, "resolves to who holds what named it", history
        if not {alias for alias in aliases.values() if alias} <= today:
            return number, "resolves to one of today's", history

        rows = _recorded(
            project,
            tables["identity_merges"],
            "from_profile_id, to_profile_id, date_diff('day', date '2026-02-01', merged_at)",
            number,
        )
        merges = {former: (latter, clock) for former, latter, clock in rows}
        if len(merges) != len(rows):
            return number, "one merge at most", history
        if merges != {
            former: (latter, clocks[since]) for former, (latter, since) in history.merges.items()
        }:
            return number, "a merge for each id that is no longer current", history
        if not is_past:
            for former, target in aliases.items():
                latter = former
                while latter in merges:
                    latter = merges[latter][0]
                if latter != (target or former):
                    return number, "following the merges ends at today's", history
    return None, None, history


def test_every_id_ever_published_resolves(project):
    number, law, history = _broken_laws(project)
    assert law is None, (number, law)
    assert len(history.merges) > 50
    assert history.came_back > 10


@pytest.mark.parametrize("name", BREAKS)
def test_broken_sql_breaks_a_law(project, name):
    assert _broken_laws(project, BREAKS[name][0], name)[1]


def test_a_merge_names_its_evidence(project):
    rows = project.rows("select reason, count(*) from tideline.identity_merges group by reason")
    reasons = dict(rows)
    assert all(reasons[reason] > 3 for reason in ("joined", "renamed", "shared_device"))
    # The edge joins: it was not refused, and only one end belonged to the former profile. (The
    # evidence of a merge in an earlier run may be gone.)
    last = len(RUNS) - 1
    merges = f"""
        select * exclude (run) from tideline.recorded_identity_merges where run = {last}
        except select * exclude (run) from tideline.recorded_identity_merges where run = {last - 1}
    """
    wrong = project.rows(f"""
        select merges.*
        from ({merges}) as merges
        left join tideline.identity_edges as edges
            on edges.left_id = merges.left_type || ':' || merges.left_value
            and edges.right_id = merges.right_type || ':' || merges.right_value
            and edges.edge_id not in (select blocked_id from tideline.identity_blocked)
        left join tideline.profile_identifiers as held
            on held.profile_id = merges.from_profile_id
            and held.identifier_id in (edges.left_id, edges.right_id)
        group by all
        having (merges.reason = 'joined') <> (count(held.identifier_id) = 1)
    """)
    assert not wrong
    assert len(project.rows(merges)) > 3


def test_a_full_refresh_keeps_the_history(project):
    last = len(RUNS) - 1
    for table in HISTORY:
        columns = "* exclude (run)"
        assert sorted(_recorded(project, table, columns, last), key=repr) == sorted(
            project.rows(f"select * from tideline.{table}"), key=repr
        )
