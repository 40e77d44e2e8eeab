"""What each command of `tideline activate` promises, as stories of a person who runs syncs."""

import json

import pytest

from tests.support.activation_rig import FILES, Rig, member, members, numbers, some
from tests.support.tools import CASES
from tideline.activation.command import main
from tideline.activation.destinations import DESTINATIONS, Operation, Origin
from tideline.activation.masking import masked
from tideline.activation.status import status_of
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.connection import DuckDBWarehouse

pytest_plugins = ["tests.support.tools.fixtures"]

MODEL = "model.tideline.activation_audiences"
DESCRIBED = {
    "profile_id": {"config": {"meta": {"personal": "pseudonym"}}},
    "email": {"config": {"meta": {"personal": "identifier"}}},
    "segment_name": {},
    "segment_label": {},
    "details": {},
}


def describe(rig):
    """Describe columns in the manifest, as the project does; `score` and others stay unknown."""
    content = json.loads(rig.manifest.read_text())
    content["nodes"][MODEL]["columns"] = DESCRIBED
    rig.manifest.write_text(json.dumps(content))


def declared(rig):
    return read_syncs(rig.manifest, DESTINATIONS)[0]


def plan(rig, **options):
    return rig.sync(dry_run=True, **options).preview.text()


def status(rig):
    with DuckDBWarehouse(rig.path, read_only=True) as warehouse:
        return status_of(declared(rig), warehouse)


def by_hand(rig, *operations):
    """Change rows at the destination as somebody there would."""
    origin = Origin("w", rig.path, {})
    if rig.sql("select 1 from information_schema.tables where table_name='activation_warehouse'"):
        ((known,),) = rig.sql("select warehouse_id from warehouse.tideline.activation_warehouse")
        origin = Origin(known, rig.path, {"vip": 1})
    sync = declared(rig)
    destination = DESTINATIONS[sync.settings.destination].open(sync, rig.environment, origin)
    assert {each.fate for each in destination.send(operations, "by hand")} == {"accepted"}


@pytest.mark.parametrize("kind", ["hubspot_contacts", "salesforce_records", "mailchimp_members"])
def test_a_plan_shows_the_requests_and_tells_nobodys_data(tool_rig, kind, caplog):
    rig = tool_rig(kind, key=["email", "score"])
    describe(rig)
    rig.desire([member(each, score=71) for each in "abcd"])
    rig.sync()
    before = rig.tools.state["requests"]
    label = "Gold for ada@x.org, +49 30 1234567"
    rig.desire([member(each, label=label, score=71) for each in "bcde"])
    shown = plan(rig)
    assert rig.tools.state["requests"] == before and rig.last_run("count(*) over ()") == 1
    assert "Gold for ***, ***" in shown and CASES[kind].sync["fields"].keys() <= {
        word.strip('":') for word in shown.split()
    }
    secrets = [*rig.case.credentials.values()]
    for word in ["@", "71", "1234567", *secrets]:
        assert word not in shown, word
    for op in ("remove", "update", "add"):
        assert f'{op:<7} {{"email": "***", "score": "***"}}' in shown
    asks = kind != "mailchimp_members"
    assert ("depends on its answer" in shown) == asks and "request 2: " in shown
    assert "request 2: " not in plan(rig, requests=1)
    assert not caplog.text


def test_a_plan_shows_lines_of_files_and_hides_what_nobody_has_described(tmp_path):
    rig = Rig(tmp_path)
    rig.declare(s=FILES | {"columns": ["segment_label", "score", "details"], "hash": ["score"]})
    describe(rig)
    rig.desire([member("p1", details='{"at": "2026-11-01", "who": "bo@x.org"}')])
    shown = plan(rig)
    assert "write into vip.jsonl" in shown and '"segment_label": "VIP"' in shown
    assert '"at": "2026-11-01"' in shown and "bo@x.org" not in shown and "p1" not in shown
    assert not rig.deliveries.exists() and rig.sql("from warehouse.tideline.activation_runs") == []
    digest = rig.sql("select sha256('0.5')")[0][0]
    assert digest not in shown and f"{digest[:6]}…" in shown


def test_what_was_rejected_is_told_and_replayed_alone(tool_rig):
    rig = tool_rig("hubspot_contacts", batch_rows=1, max_attempts=1)
    describe(rig)
    assert "none yet" in status(rig)
    rig.desire([member(each) for each in "abc"])
    rig.tools.refuse("c@example.com")
    rig.tools.faults({"do": "drop_after"})  # of the first row, a
    assert rig.sync().run.unknown == 1
    rig.desire([member(each, label="Gold") for each in "abcd"])
    told = status(rig)
    assert "unknown      1" in told and "rejected     1" in told and "@" not in told
    assert "1 row: HubSpot: Email address is invalid" in told
    refused = "warehouse.tideline.activation_rejections"
    rig.sql(f"update {refused} set reason = 'HubSpot: the name Ann O''Hara is too long'")
    assert "1 row: HubSpot: the name … is too long" in status(rig)
    rig.tools.refuse()
    replayed = rig.sync(scope="rejected")
    # The unknown one is sent as it was, then with its newest values.
    assert numbers(replayed) == some(resend=1, update=1, add=1, accepted=3)
    assert replayed.run.message == "2 rows to send again: 1 of unknown outcome and 1 rejected"
    gold = [member(each, label="Gold") for each in "ac"]
    assert rig.held() == rig.case.wanted([*gold, member("b")])
    assert "rejected     0" in status(rig)
    assert numbers(rig.sync(scope="rejected")) == some()
    assert numbers(rig.sync()) == some(update=1, add=1, accepted=2)


def test_a_resync_sends_everything_and_one_that_was_cut_off_goes_on(tool_rig):
    strict = {"guard_min_rows": 0, "max_change_share": 0.3, "max_growth_share": 0.3}
    rig = tool_rig("hubspot_contacts", batch_rows=1, max_attempts=1, **strict)
    rig.desire([member(each) for each in "abcdef"])
    rig.sync()
    rig.desire([member(each, label="Gold") for each in "abcdef"])
    assert rig.sync(scope="everything").run.status == "held"  # by what has changed
    rig.desire([member(each) for each in "bcdef"])
    by_hand(rig, Operation("remove", "", {"email": "f@example.com"}, {}))
    rig.tools.faults(*[{"do": "ok"}] * 4, {"do": "busy", "retry_after": 9999})
    cut = rig.sync(scope="everything")
    assert cut.counts.repeats == 5 and cut.counts.removes == 1 and cut.run.status == "failed"
    assert "5 unchanged rows sent again" in cut.run.message
    rig.tools.faults()
    went_on = rig.sync()  # no guard counts the rows that have not changed
    assert numbers(went_on) == some(update=3, accepted=3)
    assert rig.held() == rig.case.wanted([member(each) for each in "bcdef"])
    assert rig.sync().run.planned == 0


def test_a_sync_to_another_place_is_held_until_its_ledger_begins_anew(tool_rig, tmp_path):
    rig = tool_rig("hubspot_contacts")
    rig.desire([member(each) for each in "ab"])
    rig.sync()
    rig.environment["TOOL_URL"] = rig.address + "/"  # the same place
    assert rig.sync().run.status == "succeeded"
    other = rig.address.replace("127.0.0.1", "localhost")
    rig.environment["TOOL_URL"] = other
    for options in ({"dry_run": True}, {}, {"scope": "rejected"}, {"scope": "everything"}):
        run = rig.sync(**options).run
        assert run.status == "held" and "resync s --new-account" in run.message
        assert "127.0.0.1" in run.message and "localhost" in run.message
        assert rig.case.credentials["HUBSPOT_TOKEN"] not in run.message
    assert rig.verify().exit_code == 3
    rig.sql("update warehouse.tideline.activation_runs set destination = 'hubspot_contacts'")
    assert rig.sync(dry_run=True).run.status == "succeeded"  # an earlier release recorded less
    rig.sql(
        "update warehouse.tideline.activation_runs set destination = 'hubspot_contacts: elsewhere'"
    )
    anew = rig.sync(scope="everything", new_account=True)
    assert numbers(anew) == some(add=2, accepted=2)
    assert "2 rows of the old ledger forgotten; nothing is removed at" in anew.run.message
    assert "hubspot_contacts: elsewhere" in anew.run.message
    assert rig.sync().run.status == "succeeded"


def test_a_folder_is_another_place_only_while_the_old_one_is_there(tmp_path):
    rig = Rig(tmp_path)
    rig.declare(s=FILES)
    rig.desire(members(2))
    rig.sync()
    new = tmp_path / "new"
    rig.environment["TIDELINE_DELIVERIES"] = str(new)
    assert rig.sync().run.status == "held" and not new.exists()
    rig.deliveries.rename(new)
    rig.desire(members(3))
    assert numbers(rig.sync()) == some(add=1, accepted=1)


@pytest.mark.parametrize("kind", ["hubspot_contacts", "salesforce_records", "mailchimp_members"])
def test_what_was_changed_by_hand_at_a_tool_is_found_and_repaired(tool_rig, kind):
    rig = tool_rig(kind)
    rows = [member(each) for each in "abc"]
    rig.desire(rows)
    rig.sync()
    assert (rig.verify().status, rig.verify().rows["equal"]) == ("equal", 3)
    key = {"email": "b@example.com"}
    by_hand(rig, Operation("update", "", key, {"segment_label": "Changed"}))
    rig.tools.faults({"do": "error"})  # a question that fails is asked again
    found = rig.verify()
    assert (found.rows["different"], found.rows["equal"], found.exit_code) == (1, 2, 3)
    assert found.message == "1 row to be sent again by the next run"
    assert numbers(rig.sync()) == some(update=1, accepted=1)
    assert rig.held() == rig.case.wanted(rows) and rig.verify().exit_code == 0
    rig.environment |= dict.fromkeys(rig.case.credentials, "wrong-secret")
    found = rig.verify()
    assert found.status == "held" and [*rig.case.credentials][-1] in found.message


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_lines_changed_by_hand_are_found_and_repaired(tmp_path, form):
    rig = Rig(tmp_path)
    rig.declare(s=FILES | {"format": form})
    rig.desire([member("p1", label="=1"), member("p2"), member("p3")])
    rig.sync()
    assert rig.verify().rows["equal"] == 3
    path = rig.deliveries / "s" / f"vip.{form}"
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:-1]).replace("p2@", "x@"))
    found = rig.verify()
    assert [found.rows[each] for each in ("equal", "different", "missing")] == [1, 1, 1]
    assert rig.verify().rows["not comparable"] == 2  # they wait for the next run
    assert numbers(rig.sync()) == some(update=2, accepted=2)
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())


def test_a_destination_that_cannot_read_back_says_so(tool_rig):
    rig = tool_rig("klaviyo_lists")
    rig.desire([member("a")])
    rig.sync()
    found = rig.verify()
    assert found.exit_code == 0 and "cannot read back" in found.message


@pytest.mark.parametrize("words", [["--sync", "s"], ["run", "--dry-run"], ["--destinations"], []])
def test_a_former_flag_is_a_usage_error_that_names_the_new_form(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "write `tideline activate COMMAND [SYNC...]`" in capsys.readouterr().err


def test_addresses_and_numbers_are_masked_and_times_are_not():
    text = "at 2026-11-01T10:00:00.25Z for 120.50: a.b+c@x.org, (+1) 650-555-1212, 0123456789"
    assert masked(text) == "at 2026-11-01T10:00:00.25Z for 120.50: ***, ***, ***"
