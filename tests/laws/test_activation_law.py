"""The laws of activation on random histories: after any failures, a healthy run brings the
destination up to date, and nobody is added or changed without consent.
"""

import json
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.activation_rig import WEBHOOK, ConsentRig, asking, member, sent_since, wanted

pytest_plugins = ["tests.support.activation_fixtures"]

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
        {"do": "say", "status": 303, "applies": True},
        {"do": "say", "status": 200, "body": "<html>"},
        {"do": "say", "status": 200, "body": '{"ok": true}', "applies": True},
    ]
)
profiles = st.sampled_from("abcde")
desired_states = st.dictionaries(
    st.tuples(profiles, st.sampled_from(["vip", "new"])), st.sampled_from(["1", "2"])
)
agreed = st.sets(profiles)
runs = st.lists(
    st.tuples(
        desired_states,
        agreed,
        st.lists(steps, max_size=8),
        st.sets(profiles, max_size=2),
        st.sampled_from(["row", "batch"]),
        st.sampled_from(["changes", "rejected", "everything"]),
    ),
    min_size=1,
    max_size=4,
)
seldom = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SYNC = WEBHOOK | {"batch_rows": 2, "max_attempts": 2, "consent": "marketing"}


@seldom
@given(history=runs, last=desired_states, agreed_at_last=agreed)
def test_after_a_healthy_run_the_destination_holds_the_desired_rows_with_consent(
    server, history, last, agreed_at_last
):
    server.reset()
    with tempfile.TemporaryDirectory() as folder:
        rig = ConsentRig(folder)
        rig.environment["TIDELINE_WEBHOOK_URL"] = server.url
        rig.manifest.write_text(json.dumps(asking(SYNC)))

        def sync(desired, agreed, scope="changes"):
            """One run; no request, sent again or not, adds a person without consent."""
            rows = [member(*key, label=label) for key, label in desired.items()]
            rig.desire(rows)
            rig.state(*((profile, "marketing", profile in agreed) for profile in "abcde"))
            before = len(server.state["requests"])
            # It checks the sums of the record.
            result = rig.sync(allow_large_change=True, scope=scope)
            sent = sent_since(server, before)
            assert {profile for op, profile in sent if op != "remove"} <= agreed
            return result, [row for row in rows if row[0] in agreed]

        for desired, agreed, script, refused, how, scope in history:
            server.script(*script)
            server.refuse(*refused, how=how)
            sync(desired, agreed, scope)
        server.script()
        server.refuse()
        sync(last, agreed_at_last, "rejected")  # so that no row waits
        result, rows = sync(last, agreed_at_last)
        assert result.run.status == "succeeded"
        assert server.rows == wanted(rows)
        assert rig.sync(allow_large_change=True).run.planned == 0
