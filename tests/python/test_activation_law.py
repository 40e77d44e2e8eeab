"""The law of activation on random histories: whatever happens on the way, a healthy run mirrors."""

import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.python.activation_rig import WEBHOOK, Rig, member, wanted

pytest_plugins = ["tests.python.activation_fixtures"]

steps = st.sampled_from(
    [
        {"do": "ok"},
        {"do": "busy"},
        {"do": "busy", "retry_after": 9999},
        {"do": "error"},
        {"do": "error_after"},
        {"do": "drop_before"},
        {"do": "drop_after"},
        {"do": "status", "status": 401},
    ]
)
profiles = st.sampled_from("abcde")
desired_states = st.dictionaries(
    st.tuples(profiles, st.sampled_from(["vip", "new"])), st.sampled_from(["1", "2"])
)
runs = st.lists(
    st.tuples(
        desired_states,
        st.lists(steps, max_size=8),
        st.sets(profiles, max_size=2),
        st.sampled_from(["row", "batch"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=runs, last=desired_states)
def test_after_a_healthy_run_the_destination_is_the_desired_state(server, history, last):
    server.reset()
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(folder)
        rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
        rig.declare(s=WEBHOOK | {"batch_rows": 2, "max_attempts": 2, "max_change_share": 1.0})
        for desired, script, refused, how in history:
            rig.desire([member(*key, label=label) for key, label in desired.items()])
            server.script(*script)
            server.refuse(*refused, how=how)
            rig.sync(allow_large_change=True)  # checks the sums of every record
        server.script()
        server.refuse()
        rows = [member(*key, label=label) for key, label in last.items()]
        rig.desire(rows)
        result = rig.sync(allow_large_change=True)
        assert result.run.status == "succeeded"
        assert server.rows == wanted(rows)
        assert rig.sync(allow_large_change=True).run.planned == 0
