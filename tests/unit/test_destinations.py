"""What every destination with an API holds; a new one is tested by its case in
`tests/support/tools`.
"""

from pathlib import Path

import pytest
import requests

from tests.support.activation_rig import KILLED_AFTER_SENDING, member
from tests.support.tools import CASES
from tests.support.tools.specifications import PLACES, specification
from tideline.activation.command import main
from tideline.activation.destinations import DESTINATIONS
from tideline.activation.destinations.api import ApiDestination

pytest_plugins = ["tests.support.tools.fixtures"]

each_kind = pytest.mark.parametrize("kind", sorted(CASES))
# Of people and of memberships: the first in the alphabet, as later ones may be slow.
ONE_OF_EACH = {CASES[kind].is_member: kind for kind in sorted(CASES, reverse=True)}


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "destinations.md"


def test_the_page_has_the_table_of_the_capabilities(capsys):
    assert main(["destinations"]) == 0
    table = capsys.readouterr().out
    assert table in PAGE.read_text(), "run `tideline activate destinations` into this page"
    for kind in CASES:
        page = DESTINATIONS[kind].capabilities.page
        text = (PAGE.parent / "destinations" / f"{page}.md").read_text()
        assert f"destination: {kind}" in text


def some(case, people="abcd", label="VIP"):
    """Rows of people; with memberships, the first is in two segments."""
    rows = [member(each, label=label) for each in people]
    return rows + ([member(people[0], "new", label=label)] if case.is_member else [])


def test_every_destination_with_an_api_has_a_case():
    kinds = {name for name, each in DESTINATIONS.items() if issubclass(each, ApiDestination)}
    assert kinds == set(CASES)


@each_kind
def test_rows_are_added_changed_and_removed(tool_rig, kind):
    rig = tool_rig(kind)
    rows = some(rig.case)
    rig.desire(rows)
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted(rows)
    rows = some(rig.case, "bcd", label="Gold")
    rig.desire(rows)
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted(rows)
    assert rig.sync().run.planned == 0


@each_kind
def test_more_rows_than_fit_in_a_request_wait_for_the_pace_of_the_vendor(tool_rig, kind):
    rig = tool_rig(kind)
    rows = [member(f"p{index:03}") for index in range(230)]
    people = [rig.case.of(f"p{index:03}") for index in range(230)]
    rig.tools.put("seed", {rig.case.tool: people})
    rig.desire(rows)
    assert rig.sync().run.accepted == 230
    assert rig.held() == rig.case.wanted(rows)
    pace = DESTINATIONS[kind].capabilities.requests_per_second
    requests_sent = len(rig.tools.state["requests"])
    if pace is None:
        assert not rig.clock.waits
    else:
        # A vendor's second API may have a slower pace.
        assert sum(rig.clock.waits) >= (requests_sent - 1) / pace - 1e-6


@pytest.mark.parametrize("kind", sorted(each for each in CASES if CASES[each].has_labels))
def test_a_changed_template_is_sent_though_no_column_has_changed(tool_rig, kind):
    rig = tool_rig(kind)
    rig.desire(some(rig.case))
    rig.sync()
    fields = {name: f"{template}!" for name, template in rig.case.sync["fields"].items()}
    rig.redeclare(fields=fields)
    assert rig.sync(allow_large_change=True).counts.updates == 4
    assert rig.held() == rig.case.wanted(some(rig.case, label="VIP!"))
    assert rig.sync().run.planned == 0


@each_kind
@pytest.mark.parametrize("batch_rows", [1, 100])
def test_who_comes_under_another_key_is_not_lost_by_a_late_removal(tool_rig, kind, batch_rows):
    key = [*CASES[kind].sync["key"], "score"]  # it changes like the id of a merged profile
    rig = tool_rig(kind, key=key, batch_rows=batch_rows, max_attempts=1)
    rig.desire([member("a", score=1)])
    rig.sync()
    rig.desire([member("a", score=2)])
    rig.tools.faults({"do": "drop_after"})
    rig.sync(allow_large_change=True)
    rig.tools.faults()
    rig.sync(allow_large_change=True)
    assert rig.sync(allow_large_change=True).run.planned == 0
    assert rig.held() == rig.case.wanted([member("a")])


@pytest.mark.parametrize("kind", sorted(ONE_OF_EACH.values()))
def test_a_replay_removes_a_person_under_the_former_key_first(tool_rig, kind):
    rig = tool_rig(kind, key=[*CASES[kind].sync["key"], "score"])
    rig.desire([member("a", score=1)])
    rig.sync()
    rig.desire([member("a", score=1), member("a", score=2)])
    rig.tools.refuse(rig.case.of("a"))
    rig.sync(allow_large_change=True)
    rig.tools.refuse()
    rig.desire([member("a", score=2)])
    rig.sync(allow_large_change=True, scope="rejected")
    assert rig.sync(allow_large_change=True).run.planned == 0
    assert rig.held() == rig.case.wanted([member("a")])


@each_kind
@pytest.mark.parametrize("how", ["", "batch:"])
def test_a_refused_person_is_rejected_and_stops_nobody_else(tool_rig, kind, how):
    rig = tool_rig(kind)
    rows = some(rig.case)
    rig.desire(rows)
    rig.tools.refuse(how + rig.case.of("c"))
    result = rig.sync()
    assert (result.run.status, result.run.rejected) == ("succeeded", 1)
    assert rig.held() == rig.case.wanted([row for row in rows if row[0] != "c"])
    reasons = rig.sql("select reason from warehouse.tideline.activation_rejections")
    assert len(reasons) == 1 and len(reasons[0][0]) > 10
    rig.tools.refuse()
    assert rig.sync(scope="rejected").run.accepted == 1
    assert rig.held() == rig.case.wanted(rows)


@each_kind
@pytest.mark.parametrize("step", ["busy", "error_after"])
def test_a_failure_is_made_up_for(tool_rig, kind, step):
    rig = tool_rig(kind)
    rows = some(rig.case)
    rig.desire(rows)
    rig.tools.faults(*[{"do": step}] * 12)
    first = rig.sync()
    assert first.run.status in ("failed", "succeeded")
    rig.tools.faults()
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted(rows)


@each_kind
def test_a_repeated_request_changes_nothing_more(tool_rig, kind):
    if DESTINATIONS[kind].capabilities.delivery == "append":
        pytest.skip("it appends")
    rig = tool_rig(kind)
    rows = some(rig.case)
    rig.desire(rows)
    rig.tools.faults(*[{"do": "twice"}] * 20)
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted(rows)


@each_kind
def test_nothing_is_sent_without_a_credential_that_the_vendor_knows(tool_rig, kind, caplog):
    rig = tool_rig(kind)
    rig.desire(some(rig.case))
    environment = rig.environment
    for variable in rig.case.credentials:
        rig.environment = {k: v for k, v in environment.items() if k != variable}
        result = rig.sync()
        assert result.run.status == "skipped" and variable in result.run.message
    rig.environment = environment | {"TOOL_URL": "http://example.com"}
    result = rig.sync()
    assert result.run.status == "failed" and "TOOL_URL is not an https" in result.run.message
    rig.environment = environment
    assert rig.sync(dry_run=True).run.held
    assert rig.tools.state["requests"] == []

    # A wrong credential holds the sync; the reason names it and does not quote it.
    *_, variable = rig.case.credentials
    rig.environment = environment | {variable: "wrong-secret"}
    result = rig.sync()
    assert result.run.status == "held" and rig.held() == {}
    assert variable in result.run.message
    tables = [
        rig.sql(f"select * from warehouse.tideline.activation_{name}")
        for name in ("runs", "ledger", "rejections")
    ]
    assert "wrong-secret" not in f"{tables}{caplog.text}{result.run.message}"


@each_kind
def test_only_those_with_consent_are_added_and_who_withdraws_is_removed(tool_rig, kind):
    rig = tool_rig(kind, asks=True)
    rows = some(rig.case)
    rig.desire(rows)
    rig.state(*((each, "marketing", each in "ab") for each in "abcd"))
    rig.sync()
    assert rig.held() == rig.case.wanted([row for row in rows if row[0] in "ab"])
    before = len(rig.tools.state["effects"])
    rig.state(*((each, "marketing", each in "b") for each in "abcd"))
    rig.sync()
    assert rig.held() == rig.case.wanted([row for row in rows if row[0] in "b"])
    assert not rig.added(before)


@pytest.mark.parametrize("kind", sorted(ONE_OF_EACH.values()))
def test_a_kill_after_sending_is_made_up_for(tool_rig, kind):
    """With a real process; an answer that is lost after sending is tried with every kind."""
    rig = tool_rig(kind)
    rows = some(rig.case)
    rig.desire(rows)
    process = rig.command("run", "s", prelude=KILLED_AFTER_SENDING)
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert rig.sync().run.status == "succeeded"
    assert rig.held() == rig.case.wanted(rows)


@each_kind
def test_rows_without_the_identifier_are_withheld_if_it_is_required(tool_rig, kind):
    rig = tool_rig(kind, require=["email"])
    rows = some(rig.case)
    rig.desire(rows)
    rig.sql("update warehouse.tideline.activation_audiences set email = null where profile_id='b'")
    result = rig.sync()
    assert result.run.status == "succeeded"
    assert "1 row withheld, without `email`" in result.run.message
    assert rig.held() == rig.case.wanted([row for row in rows if row[0] != "b"])


@each_kind
def test_the_specification_refuses_a_spoiled_request(tools, kind):
    case = CASES[kind]
    places = PLACES.get(case.tool)
    if not places or not any(specification(name) for _, name, _ in places):
        pytest.skip("there is no specification")
    tools.reset()
    method, path, body = case.spoiled
    requests.request(method, f"{tools.address}/{case.tool}{path}", json=body, timeout=10)
    assert len(tools.state["broken"]) == 1
