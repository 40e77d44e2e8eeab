"""The law of files in S3 on random histories: after any failures, a healthy run makes them hold
what is wanted, and nobody is added without consent.
"""

import json
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.activation_rig import asking, member, wanted
from tests.support.s3_fixtures import BUCKET, PLACE, S3, S3Rig

pytest_plugins = ["tests.support.s3_fixtures"]

PROFILES = "abcd"
FAULTS = ["ok", "lost before", "lost after", "403", "429", "503"]
# What somebody else does to the object of a segment between two runs.
CHANGES = ["nothing", "delete", "empty", "strangers"]
profiles = st.sampled_from(PROFILES)
segments = st.sampled_from(["vip", "new"])
states = st.dictionaries(st.tuples(profiles, segments), st.sampled_from(["1", "2"]))
people = st.sets(profiles)
runs = st.lists(
    st.tuples(
        states,
        people,
        st.lists(st.sampled_from(FAULTS), max_size=8),
        st.tuples(st.sampled_from(CHANGES), segments),
    ),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=runs, last=states, agreed_at_last=people)
def test_after_a_healthy_run_the_objects_hold_what_is_wanted(
    store, faults, history, last, agreed_at_last
):
    faults.script.clear()
    store.clean()
    with tempfile.TemporaryDirectory() as folder:
        rig = S3Rig(folder, store)
        sync = S3 | {"batch_rows": 2, "max_attempts": 2, "consent": "marketing"}
        rig.manifest.write_text(json.dumps(asking(sync)))

        def run(desired, agreed, script=(), **options):
            """One run; returns the rows whose people have agreed."""
            rows = [member(*key, label=label) for key, label in desired.items()]
            rig.desire(rows)
            rig.state(*((each, "marketing", each in agreed) for each in PROFILES))
            before = rig.held()
            faults.script[:] = script
            # It checks the sums of the record.
            result = rig.sync(allow_large_change=True, **options)
            faults.script.clear()
            added = {key for key, label in rig.held().items() if before.get(key) != label}
            assert {profile for profile, _ in added} <= agreed
            return result, [row for row in rows if row[0] in agreed]

        for desired, agreed, script, (change, segment) in history:
            key = f"{PLACE}{segment}.jsonl"
            if change != "nothing" and key in store.names():
                if change == "delete":
                    store.client.delete_object(Bucket=BUCKET, Key=key)
                else:
                    row = {"profile_id": "z", "segment_name": segment, "segment_label": "?"}
                    lines = f"{json.dumps(row)}\n" * 9
                    store.put(key, lines if change == "strangers" else "")
            run(desired, agreed, script)
        run(last, agreed_at_last, scope="rejected")  # so that no row waits
        result, rows = run(last, agreed_at_last)
        assert result.run.status == "succeeded"
        assert rig.held() == wanted(rows)
        assert rig.sync(allow_large_change=True).run.planned == 0
