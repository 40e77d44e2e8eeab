"""The law of every destination with an API, on random histories: after any failures, a healthy run
brings the tool to what is wanted, and nobody is added without consent.
"""

import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.activation_rig import member
from tests.support.tools import CASES
from tests.support.tools.rig import ToolRig

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

    def with_last(runs):
        """The last state is often that of an earlier run, which then has nothing left to send."""
        last = st.sampled_from([(rows, agreed) for rows, agreed, _, _ in runs])
        return st.tuples(st.just(runs), st.one_of(last, st.tuples(desired, people)))

    return st.lists(run, min_size=1, max_size=4).flatmap(with_last)


EVERYBODY = set(PROFILES)
THREE = {("a", "vip"): "1", ("b", "vip"): "1", ("c", "vip"): "1"}
TWO = {("b", "vip"): "1", ("c", "vip"): "1"}
CUT = [{"do": "drop_after"}] * 12
# What has to be made up for, each in the form of `histories`.
NAMED = {
    "a row is refused": ([(THREE, EVERYBODY, [], {("", "b")})], (THREE, EVERYBODY)),
    "a request is refused": ([(THREE, EVERYBODY, [], {("batch:", "b")})], (THREE, EVERYBODY)),
    "somebody leaves": ([(THREE, EVERYBODY, [], set())], (TWO, EVERYBODY)),
    "somebody leaves after a cut": ([(THREE, EVERYBODY, CUT, set())], (TWO, EVERYBODY)),
    "consent ends after a cut": ([(THREE, EVERYBODY, CUT, set())], (THREE, EVERYBODY - {"a"})),
    "an answer without rows": (
        [(THREE, EVERYBODY, [{"do": "say", "status": 200, "body": {"sign": "in"}}] * 12, set())],
        (THREE, EVERYBODY),
    ),
}


def hold(tools, kind, examples):
    """Check the law on random histories; raises AssertionError if it does not hold."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories(CASES[kind]))
    def check(history):
        hold_on(tools, kind, history)

    check()


def hold_on(tools, kind, history):
    """Check the law on one history."""
    case = CASES[kind]
    runs, (last, agreed_at_last) = history
    with tempfile.TemporaryDirectory() as folder:
        rig = ToolRig(folder, tools, kind, asks=True, batch_rows=2, max_attempts=2)
        for desired, agreed, script, refused in runs:
            tools.faults(*script)
            tools.refuse(*(how + case.of(each) for how, each in refused))
            _sync(rig, desired, agreed)
        tools.faults()
        tools.refuse()
        _sync(rig, last, agreed_at_last, scope="rejected")  # so that no row waits
        result, rows = _sync(rig, last, agreed_at_last)
        assert result.run.status == "succeeded"
        assert rig.held() == case.wanted(rows)
        assert rig.sync(allow_large_change=True).run.planned == 0


def _sync(rig, desired, agreed, **options):
    """One run; returns it and the rows whose people have agreed."""
    rows = [member(*key, label=label) for key, label in desired.items()]
    rig.desire(rows)
    rig.state(*((each, "marketing", each in agreed) for each in PROFILES))
    before = len(rig.tools.state["effects"])
    result = rig.sync(allow_large_change=True, **options)  # it checks the sums of the record
    assert rig.added(before) <= {rig.case.of(each) for each in agreed}
    return result, [row for row in rows if row[0] in agreed]
