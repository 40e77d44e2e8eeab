"""Which rows and columns a sync sends: `segments`, `require`, `lists`, `fields`."""

import json

import pytest

from tests.support.activation_rig import FILES, member
from tideline.activation.destinations.fields import columns_of, filled
from tideline.activation.destinations.protocol import Operation
from tideline.declarations.syncs import syncs_of
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.activation_fixtures", "tests.support.tools.fixtures"]

LISTS = {"lists": {"vip": "11", "new": "12"}}


def test_only_rows_of_the_named_segments_are_sent(rig):
    rig.declare(s=FILES | {"segments": ["vip"]})
    rig.desire([member("a"), member("b", "new")])
    assert rig.sync().run.accepted == 1
    assert rig.files() == ["vip.jsonl"]


def test_the_rows_of_a_segment_that_is_no_longer_named_are_removed(rig):
    rig.declare(s=FILES)
    rig.desire([member("a"), member("b", "new")])
    rig.sync()
    rig.declare(s=FILES | {"segments": ["vip"]})
    assert rig.sync().run.ops["remove"] == 1
    assert (rig.deliveries / "s" / "new.jsonl").read_text() == ""


def test_a_sync_whose_segments_have_no_row_removes_nobody_unasked(rig):
    rig.declare(s=FILES)
    rig.desire([member("a")])
    rig.sync()
    rig.declare(s=FILES | {"segments": ["new"]})
    result = rig.sync()
    assert result.run.status == "held"
    assert "has no row of the segments that the sync sends" in result.run.message


def test_a_segment_that_does_not_exist_is_named(rig):
    rig.declare(s=FILES | {"segments": ["vipp", "new"]})
    rig.desire([member("a"), member("b", "new")])
    rig.sql(
        "create table warehouse.tideline.segments as select unnest(['vip', 'new']) segment_name"
    )
    result = rig.sync()
    assert (result.run.status, result.run.accepted) == ("succeeded", 1)
    assert result.run.message == "no segment is called `vipp` (did you mean `vip`?)"


def test_a_row_that_loses_its_required_value_is_removed(rig):
    rig.declare(s=FILES | {"require": ["score"]})
    rig.desire([member("a"), member("b", score=None)])
    result = rig.sync()
    assert result.run.message == "1 row withheld, without `score`"
    rig.desire([member("a", score=None), member("b")])
    result = rig.sync()
    assert (result.run.ops["add"], result.run.ops["remove"]) == (1, 1)


def test_if_all_rows_lack_the_required_value_the_sync_is_held_and_says_so(rig):
    rig.declare(s=FILES | {"require": ["score"]})
    rig.desire([member("a")])
    rig.sync()
    rig.desire([member("a", score=None)])
    result = rig.sync()
    assert result.run.status == "held"
    assert (
        "all 1 rows of the table `activation_audiences` are without `score`" in result.run.message
    )


def test_without_columns_beside_the_key_a_row_is_sent_once(tool_rig):
    rig = tool_rig("hubspot_lists")
    rig.desire([member("a", label="1")])
    assert rig.sync().run.accepted == 1
    rig.desire([member("a", label="2")])
    assert rig.sync().run.planned == 0


def test_a_changed_list_moves_the_members(tool_rig):
    rig = tool_rig("hubspot_lists")
    rig.desire([member("a"), member("b", "new")])
    rig.sync()
    content = json.loads(rig.manifest.read_text())
    declared = content["exposures"]["exposure.tideline.s"]["config"]["meta"]["sync"]
    declared["lists"] = {"vip": "12"}
    rig.manifest.write_text(json.dumps(content))
    rig.sync(allow_large_change=True)
    lists = rig.tools.state["hubspot"]["lists"]
    assert lists == {"11": [], "12": ["a@example.com"]}


def test_a_change_of_a_column_that_no_field_reads_sends_nothing(tool_rig):
    rig = tool_rig("hubspot_contacts")
    rig.desire([member("a", score=0.1)])
    rig.sync()
    rig.desire([member("a", score=0.9)])
    assert rig.sync().run.planned == 0


def test_a_changed_address_moves_the_row(tool_rig):
    rig = tool_rig("hubspot_contacts")
    rig.desire([member("a", email="a@example.com")])
    rig.sync()
    rig.desire([member("a", email="b@example.com")])
    rig.sync(allow_large_change=True)
    assert rig.held() == {("b@example.com", None): "VIP"}


@pytest.mark.parametrize(
    ("segments", "said"), [(["v-p"], "`segments` has `v-p`"), ([], "`segments` is empty")]
)
def test_segments_that_are_no_names_are_refused(rig, segments, said):
    rig.declare(s=FILES | {"segments": segments})
    with pytest.raises(DeclarationError, match=said):
        rig.sync()


def test_a_required_column_that_the_table_does_not_have_is_named(rig):
    rig.declare(s=FILES | {"require": ["mail"]})
    rig.desire([member("a")])
    assert "key `require` names `mail`, which the table" in rig.sync().run.message


WRONG_OF_TOOLS = [
    ("hubspot_lists", {"lists": {}}, "`lists` is empty"),
    ("hubspot_lists", {"lists": {"vip": 11}}, "the list of `vip` is 11; write its id in quotes"),
    ("hubspot_lists", {"lists": {"vip": "1'1"}}, "the list of `vip` is"),
    ("hubspot_lists", {"lists": {"Vip": "11"}}, "`lists` has 'Vip'"),
    ("hubspot_lists", {"segments": ["old"]}, "key `lists` lacks the segment `old`"),
    ("hubspot_lists", {"key": ["email"]}, "key `key` lacks `segment_name`"),
    ("hubspot_lists", {"key": ["segment_name"]}, "key `key` lacks `email`, by which"),
    ("hubspot_lists", {"key": ["email", "segment_name", "list"]}, "key `key` has `list`"),
    ("hubspot_contacts", {"columns": ["score"]}, "key `columns` is not read by"),
    ("hubspot_contacts", {"hash": ["email"]}, "`hubspot_contacts` knows a person by as plain text"),
    ("hubspot_contacts", {"fields": {}}, "`fields` is empty"),
    ("hubspot_contacts", {"fields": {"x": 7}}, "`fields`: `x` is 7; write text"),
    ("hubspot_contacts", {"fields": {"x": "{a b}"}}, "`x` has braces without the name"),
    ("hubspot_contacts", {"fields": {"x": "{a"}}, "`x` has braces without the name"),
    ("hubspot_contacts", {"fields": {" ": "a"}}, "`fields` has the name ' '"),
    ("hubspot_contacts", {"timeout_seconds": 0}, "`timeout_seconds` is 0"),
]


@pytest.mark.parametrize(("kind", "change", "said"), WRONG_OF_TOOLS, ids=str)
def test_a_wrong_declaration_of_a_tool_is_refused(tool_rig, kind, change, said):
    rig = tool_rig(kind, **change)
    with pytest.raises(DeclarationError) as refused:
        rig.sync()
    assert said in str(refused.value)


def test_a_field_of_an_unknown_column_names_it(tool_rig):
    rig = tool_rig("hubspot_contacts", fields={"x": "{segment_lable}"})
    rig.desire([member("a")])
    result = rig.sync()
    assert result.run.status == "failed"
    assert "a template names `segment_lable`, which the table" in result.run.message
    assert "did you mean `segment_label`" in result.run.message


def test_a_field_has_the_value_of_its_column_or_text():
    templates = {
        "a": "{n}",
        "b": "{n} of {m}",
        "c": "fixed",
        "d": "{ok}",
        "e": "is {ok}",
        "f": "{m}",
    }
    operation = Operation("add", "k", {"n": 1.5}, {"m": None, "ok": True})
    liked = Operation("add", "k", {}, {"likes": ["shoes", None, True]})
    assert filled({"a": "{likes}", "b": "Likes {likes}"}, liked) == {
        "a": ["shoes", None, True], "b": "Likes shoes, , true",
    }  # fmt: skip
    assert columns_of(templates) == ("m", "n", "ok")
    assert filled(templates, operation) == {
        "a": 1.5, "b": "1.5 of ", "c": "fixed", "d": True, "e": "is true", "f": None,
    }  # fmt: skip


def test_the_syncs_of_a_segment_are_those_that_send_it():
    def exposure(name, sync):
        depends_on = {"nodes": ["model.tideline.activation_audiences"]}
        return {"name": name, "depends_on": depends_on, "meta": {"sync": sync}}

    exposures = [
        exposure("all", {}),
        exposure("some", {"segments": ["vip"]}),
        exposure("one", {"segments": "vip"}),
        exposure("listed", {"lists": {"new": "1"}}),
    ]
    assert syncs_of(exposures, "activation_audiences", "vip") == ["all", "one", "some"]
    assert syncs_of(exposures, "activation_audiences", "new") == ["all", "listed"]
    assert len(syncs_of(exposures, "activation_audiences")) == 4
