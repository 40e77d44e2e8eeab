"""The law of a table in PostgreSQL on random histories: after any failures, a healthy run makes it
hold what is wanted, and nobody is added without consent.
"""

import json
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError, InterfaceError

from tests.support.activation_rig import asking, member, wanted
from tests.support.postgres_fixtures import POSTGRES, PostgresRig, clean
from tideline.activation.destinations.postgres import server as transactions

pytest_plugins = ["tests.support.postgres_fixtures"]

PROFILES = "abcd"
# What happens at a commit.
FAULTS = ["ok", "lost before", "lost after", "40001", "23505", "57P01"]
# What somebody else does to the table between two runs; `{}` is a profile.
CHANGES = [
    "",
    "",
    "delete from public.segments where profile_id = '{}'",
    "insert into public.segments values ('{}', 'other')",
    "drop table public.segments",
]
REFUSE = """
create or replace function public.refuse() returns trigger language plpgsql as $$ begin
if new.profile_id = any(string_to_array('{}', ',')) then raise exception 'refused'; end if;
return new; end $$;
create or replace trigger refuse before insert or update on public.segments
for each row execute function public.refuse()
"""
profiles = st.sampled_from(PROFILES)
states = st.dictionaries(
    st.tuples(profiles, st.sampled_from(["vip", "new"])), st.sampled_from(["1", "2"])
)
people = st.sets(profiles)
runs = st.lists(
    st.tuples(
        states,
        people,
        st.lists(st.sampled_from(FAULTS), max_size=8),
        people,
        st.tuples(st.sampled_from(CHANGES), profiles),
    ),
    min_size=1,
    max_size=3,
)
COMMIT = transactions.commit


@pytest.fixture
def faults(monkeypatch):
    """The faults of the next commits, in order; afterwards all is well."""
    script = []

    def commit(connection):
        fault = script.pop(0) if script else "ok"
        if fault in ("ok", "lost after"):
            COMMIT(connection)
        if fault.startswith("lost"):
            raise InterfaceError("network error")
        if fault != "ok":
            raise DatabaseError({"C": fault, "M": "failed"})

    monkeypatch.setattr(transactions, "commit", commit)
    return script


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=runs, last=states, agreed_at_last=people)
def test_after_a_healthy_run_the_table_holds_what_is_wanted(
    postgres, faults, history, last, agreed_at_last
):
    clean(postgres)
    with tempfile.TemporaryDirectory() as folder:
        rig = PostgresRig(folder, postgres)
        sync = POSTGRES | {"batch_rows": 2, "max_attempts": 2, "consent": "marketing"}
        rig.manifest.write_text(json.dumps(asking(sync)))

        def held():
            there = postgres.query("select to_regclass('public.segments') is not null")[0][0]
            return rig.held() if there else {}

        def run(desired, agreed, change="", **options):
            """One run; returns the rows whose people have agreed."""
            rows = [member(*key, label=label) for key, label in desired.items()]
            rig.desire(rows)
            rig.state(*((each, "marketing", each in agreed) for each in PROFILES))
            if change and postgres.query("select to_regclass('public.segments')") != [[None]]:
                postgres.query(change)
            before = held()
            # It checks the sums of the record.
            result = rig.sync(allow_large_change=True, **options)
            added = {key for key, label in held().items() if before.get(key) != label}
            assert {profile for profile, _ in added} <= agreed
            return result, [row for row in rows if row[0] in agreed]

        for desired, agreed, script, refused, (change, profile) in history:
            faults[:] = script
            change = change.format(profile)
            if "drop" not in change:
                change += f";{REFUSE.format(','.join(sorted(refused)))}"
            run(desired, agreed, change)
        faults.clear()
        run(last, agreed_at_last, REFUSE.format(""), scope="rejected")  # so that no row waits
        result, rows = run(last, agreed_at_last)
        assert result.run.status == "succeeded"
        assert held() == wanted(rows)
        assert rig.sync(allow_large_change=True).run.planned == 0
