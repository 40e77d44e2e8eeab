"""A call of `send` in many requests ends in time, so that the lease of the warehouse does not."""

from unittest import mock

import pytest

from tests.support.activation_rig import member
from tests.support.tools.rig import NoWaiting
from tideline.activation.destinations import Operation, Outcome, api
from tideline.activation.destinations.api import LONGEST_SEND, NotDoneError, in_parts
from tideline.warehouse.connection import LEASE_SECONDS

pytest_plugins = ["tests.support.tools.fixtures"]

ROWS = [Operation("add", str(number), {}, {}) for number in range(100)]


def slow(clock, seconds, outcome):
    def apply(part):
        clock.sleep(seconds)
        if outcome.fate != "accepted":
            raise NotDoneError(outcome)
        return [outcome] * len(part)

    return apply


@pytest.mark.parametrize("fate", ["accepted", "unknown", "refused"])
def test_parts_that_take_long_are_left_to_the_next_call(fate):
    clock = NoWaiting()
    with mock.patch.object(api, "time", clock):
        parts = [[position] for position in range(len(ROWS))]
        outcomes = in_parts(ROWS, parts, slow(clock, 30, Outcome(fate)))
    assert clock.at <= LONGEST_SEND + 30 < LEASE_SECONDS
    assert [each.fate for each in outcomes] == [fate] * 5 + ["busy"] * 95
    assert all(each.is_paced for each in outcomes[5:])


def test_one_part_is_always_sent():
    clock = NoWaiting()
    with mock.patch.object(api, "time", clock):
        outcomes = in_parts(ROWS[:2], [[0], [1]], slow(clock, 1000, Outcome("accepted")))
    assert [each.fate for each in outcomes] == ["accepted", "busy"]


def test_a_slow_tool_gets_all_rows_in_one_run(tool_rig):
    rig = tool_rig("mailchimp_members", max_attempts=1)
    people = [f"p{index:02}" for index in range(20)]
    rig.desire([member(each) for each in people])
    call = api.Api.call

    def slow_call(*arguments, **options):
        rig.clock.sleep(25)
        return call(*arguments, **options)

    with mock.patch.object(api.Api, "call", slow_call):
        assert rig.sync().run.accepted == 20
