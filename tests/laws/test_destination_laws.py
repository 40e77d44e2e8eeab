"""The law of every destination with an API, and mistakes that it must find; see
`tests/support/tools/law.py`.
"""

from dataclasses import replace

import pytest

from tests.support.tools import CASES
from tests.support.tools.law import NAMED, hold, hold_on
from tideline.activation import engine
from tideline.activation.destinations import Outcome
from tideline.activation.destinations.hubspot import contacts
from tideline.activation.ledger import Ledger

pytest_plugins = ["tests.support.tools.fixtures"]


@pytest.mark.parametrize("kind", sorted(CASES))
def test_after_a_healthy_run_the_tool_holds_what_is_wanted(tools, kind):
    hold(tools, kind, examples=3)


# What `tests/unit/test_destinations.py` does not try with each destination.
OF_EACH = ("somebody leaves after a cut", "consent ends after a cut", "an answer without rows")


@pytest.mark.parametrize("name", OF_EACH)
@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_named_history_ends_with_what_is_wanted(tools, kind, name):
    hold_on(tools, kind, NAMED[name])


def partial_failure_is_success(monkeypatch):
    def of_trace(reply, rows):
        return [Outcome("accepted")] * rows

    monkeypatch.setattr(contacts, "of_trace", of_trace)


def the_ledger_advances_per_run(monkeypatch):
    settle = Ledger.settle

    def all_or_nothing(self, run, first, outcomes, in_doubt, attempts):
        if any(each.fate == "accepted" for each in outcomes):
            outcomes = [Outcome("accepted")] * len(outcomes)
        settle(self, run, first, outcomes, in_doubt, attempts)

    monkeypatch.setattr(Ledger, "settle", all_or_nothing)


def what_may_have_been_applied_was_not(monkeypatch):
    settle = Ledger.settle

    def hopeful(self, run, first, outcomes, in_doubt, attempts):
        outcomes = [
            Outcome("held", each.reason) if each.fate == "unknown" else each for each in outcomes
        ]
        settle(self, run, first, outcomes, in_doubt, attempts)

    monkeypatch.setattr(Ledger, "settle", hopeful)


def a_removal_is_not_sent(monkeypatch):
    send = contacts.HubSpotContacts.send

    def forgetful(self, batch, run_id):
        outcomes = iter(send(self, [each for each in batch if each.op != "remove"], run_id))
        return [Outcome("accepted") if each.op == "remove" else next(outcomes) for each in batch]

    monkeypatch.setattr(contacts.HubSpotContacts, "send", forgetful)


def consent_is_not_read_again_when_a_row_is_resent(monkeypatch):
    find_due, plan_resends = engine.find_due, engine.plan_resends

    def nobody_due(warehouse, sync, desired, forgotten=()):
        find_due(warehouse, sync, desired, forgotten)
        warehouse.execute("delete from activation_due")
        return {}

    def careless(warehouse, sync, desired, only_due=False):
        return plan_resends(
            warehouse, sync, replace(desired, condition="true", parameters=()), only_due
        )

    monkeypatch.setattr(engine, "find_due", nobody_due)
    monkeypatch.setattr(engine, "plan_resends", careless)


def a_rejected_row_is_never_sent_again(monkeypatch):
    settle = Ledger.settle

    def final(self, run, first, outcomes, in_doubt, attempts):
        outcomes = [Outcome("accepted") if each.fate == "rejected" else each for each in outcomes]
        settle(self, run, first, outcomes, in_doubt, attempts)

    monkeypatch.setattr(Ledger, "settle", final)


MISTAKES = [
    (partial_failure_is_success, "a row is refused"),
    (partial_failure_is_success, "an answer without rows"),
    (the_ledger_advances_per_run, "a row is refused"),
    (what_may_have_been_applied_was_not, "somebody leaves after a cut"),
    (a_removal_is_not_sent, "somebody leaves"),
    (consent_is_not_read_again_when_a_row_is_resent, "consent ends after a cut"),
    (a_rejected_row_is_never_sent_again, "a request is refused"),
]


@pytest.mark.parametrize(("mistake", "name"), MISTAKES)
def test_a_mistake_is_found(tools, mistake, name, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises(AssertionError):
        hold_on(tools, "hubspot_contacts", NAMED[name])
