"""The law of every destination with an API: after any failures, a healthy run brings the tool to
what is wanted, and nobody is added without consent.
"""

import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.activation_rig import member
from tests.support.tools import CASES
from tests.support.tools.rig import ToolRig

pytest_plugins = ["tests.support.tools.fixtures"]

PROFILES = "abcd"
steps = st.sampled_from(
    [
        {"do": "ok"},
        {"do": "twice"},
        {"do": "busy"},
        {"do": "busy", "retry_after": 9999},
        {"do": "error"},
        {"do": "error_after"},
        {"do": "drop_before"},
        {"do": "drop_after"},
        {"do": "status", "status": 401},
        {"do": "status", "status": 303},
        {"do": "say", "status": 200, "body": "<html>"},
        {"do": "say", "status": 200, "body": {}, "applies": True},
        {"do": "say", "status": 303, "applies": True},
    ]
)
labels = st.sampled_from(["1", "2"])
people = st.sets(st.sampled_from(PROFILES))


def histories(case):
    """Runs, each with desired rows, consents, faults, and people whom the tool refuses."""
    segments = st.sampled_from(case.segments if case.is_member else ("vip",))
    desired = st.dictionaries(st.tuples(st.sampled_from(PROFILES), segments), labels)
    refused = st.sets(st.tuples(st.sampled_from(["", "batch:"]), st.sampled_from(PROFILES)))
    run = st.tuples(desired, people, st.lists(steps, max_size=8), refused)
    return st.tuples(st.lists(run, min_size=1, max_size=4), desired, people)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_after_a_healthy_run_the_tool_holds_what_is_wanted(tools, kind):
    case = CASES[kind]

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories(case))
    def check(history):
        runs, last, agreed_at_last = history
        with tempfile.TemporaryDirectory() as folder:
            rig = ToolRig(folder, tools, kind, asks=True, batch_rows=2, max_attempts=2)

            def sync(desired, agreed):
                """One run; returns the rows whose people have agreed."""
                rows = [member(*key, label=label) for key, label in desired.items()]
                rig.desire(rows)
                rig.state(*((each, "marketing", each in agreed) for each in PROFILES))
                before = len(tools.state["effects"])
                result = rig.sync(allow_large_change=True)  # it checks the sums of the record
                may_add = {
                    f"{each}@example.com" if case.person == "email" else each for each in agreed
                }
                assert rig.added(before) <= may_add
                return result, [row for row in rows if row[0] in agreed]

            for desired, agreed, script, refused in runs:
                tools.faults(*script)
                tools.refuse(
                    *(
                        how + (f"{each}@example.com" if case.person == "email" else each)
                        for how, each in refused
                    )
                )
                sync(desired, agreed)
            tools.faults()
            tools.refuse()
            result, rows = sync(last, agreed_at_last)
            assert result.run.status == "succeeded"
            assert rig.held() == case.wanted(rows)
            assert rig.sync(allow_large_change=True).run.planned == 0

    check()
