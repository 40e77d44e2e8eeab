"""Slack beyond the common suite: what is said, how often, and that nobody's text can act."""

import json
import logging

import pytest

from tests.support.activation_rig import member
from tests.support.tools.slack import CHANNEL
from tideline.activation.destinations.protocol import Operation
from tideline.activation.destinations.slack.messages import Slack, SlackOptions, open_api
from tideline.activation.destinations.slack.text import message_of

pytest_plugins = ["tests.support.tools.fixtures"]


def said(rig):
    return rig.tools.state["slack"]["messages"]


def reasons(rig):
    return [
        each for (each,) in rig.sql("select reason from warehouse.tideline.activation_rejections")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<!channel> & <https://x.io|Login>", "&lt;!channel&gt; &amp; &lt;https://x.io|Login&gt;"),
        ("Ann\n*Boss:* pay\u2028now \u202egnp", "Ann *Boss:* pay now  gnp"),
        ("Ann\u200f(1)\u061c2", "Ann (1) 2"),
        (["<@U1>", 2, None], "&lt;@U1&gt;, 2, "),
        ({"a": "<!here>"}, '{"a": "&lt;!here&gt;"}'),
        (0.5, "0.5"),
        (None, ""),
    ],
)
def test_a_persons_text_is_shown_and_does_not_act(value, text):
    row = Operation("add", "k", {"email": "a@x.io"}, {"name": value})
    assert message_of("{name}", row) == text.strip()
    assert message_of("<!here> *{name}*, {email}", row) == f"<!here> *{text}*, a@x.io"


def test_a_value_in_the_address_of_a_link_does_not_change_its_label():
    row = Operation("add", "k", {"user_id": "7|Pay now"}, {"name": "a|b"})
    template = "<https://crm.io/{user_id}|Open {name}> {name}"
    assert message_of(template, row) == "<https://crm.io/7%7CPay%20now|Open a|b> a|b"


def test_names_and_addresses_in_a_message_do_not_become_links(tool_rig):
    rig = tool_rig("slack")
    rig.desire([member("a")])
    rig.sync()
    _, _, body = rig.tools.state["requests"][0]
    assert json.loads(body) == {
        "channel": CHANNEL,
        "text": "+ a@example.com vip",
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_only_additions_are_said_unless_there_is_a_text_for_others(tool_rig):
    rig = tool_rig("slack", text="+ {email} {segment_label}", removed_text=None)
    rig.desire([member("a"), member("b")])
    rig.sync()
    rig.desire([member("a", label="Gold")])
    assert rig.sync(allow_large_change=True).run.accepted == 2
    assert said(rig) == ["+ a@example.com VIP", "+ b@example.com VIP"]
    rig.redeclare(changed_text="{email} is {segment_label}", removed_text="- {email}")
    assert rig.sync().run.planned == 0  # new texts say nothing again
    rig.desire([member("a", label="Silver")])
    rig.sync(allow_large_change=True)
    rig.desire([])
    rig.sync(allow_large_change=True)
    assert said(rig)[2:] == ["a@example.com is Silver", "- a@example.com"]


def test_a_message_of_unknown_outcome_is_repeated_or_not_as_declared(tool_rig, caplog):
    rig = tool_rig("slack", max_attempts=1)
    rig.desire([member("a"), member("b"), member("c")])
    rig.tools.faults({"do": "drop_after"})
    run = rig.sync().run  # the others wait until Slack answers again
    assert (run.accepted, run.unknown, run.held) == (0, 1, 2)
    assert rig.sync().run.accepted == 3
    assert [text[2] for text in said(rig)] == ["a", "a", "b", "c"]

    rig.redeclare(repeat_unknown=False)
    rig.desire([member(each) for each in "abcdef"])
    rig.tools.faults({"do": "drop_after"})
    with caplog.at_level(logging.WARNING):
        run = rig.sync().run
    assert (run.accepted, run.unknown, run.held) == (1, 0, 2)
    assert f"1 message to {CHANNEL} may not have been posted" in caplog.text
    assert "@example.com" not in caplog.text
    rig.tools.faults({"do": "status", "status": 303})
    assert rig.sync().run.unknown == 1  # an answer that needs a person is no lost message
    rig.tools.faults()
    rig.sync()
    assert [text[2] for text in said(rig)] == ["a", "a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("missing_scope", "held", "renew the token in SLACK_BOT_TOKEN"),
        ("not_in_channel", "held", f"let the bot write in the channel `{CHANNEL}`"),
        ("fatal_error", "failed", "without the time of the message"),
        ("ratelimited", "failed", "rate limited"),
    ],
)
def test_a_failure_of_slack_with_status_200_is_none_of_the_row(tool_rig, error, status, words):
    rig = tool_rig("slack", max_attempts=1)
    rig.tools.put("seed", {"slack": [{"error": error}]})
    rig.desire([member("a")])
    run = rig.sync().run
    assert (run.status, run.accepted, run.rejected) == (status, 0, 0) and words in run.message


def test_a_plan_shows_the_message_of_each_row_and_warns_of_no_lost_one(caplog):
    options = SlackOptions(channel=CHANNEL, text="{email}", repeat_unknown=False)
    slack = Slack(open_api("s", options, {"SLACK_BOT_TOKEN": "x"}), options)
    rows = [Operation("add", each, {"email": each}, {}) for each in "abcd"]
    assert [each.body["text"] for each in slack.drafts(rows, 3)] == ["a", "b", "c"]
    assert caplog.text == ""


def test_a_message_without_text_or_with_too_much_is_rejected(tool_rig):
    rig = tool_rig("slack", text="{segment_label}", removed_text=None)
    rig.desire([member("a", label=" "), member("b", label="&" * 900), member("c", label="ok")])
    assert rig.sync().run.rejected == 2
    assert sorted(reasons(rig)) == [
        "the message has 4500 characters; it may have 4,000",
        "the message is empty; add text, or columns to `require`",
    ]
    assert said(rig) == ["ok"]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"channel": "#general"}, "the id of the channel"),
        ({"text": " "}, "`text` is empty"),
        ({"removed_text": "{Email}"}, "braces without the name of a column"),
        ({"text": "<{site}|Profile>"}, "a column behind `<` decides what acts"),
        ({"changed_text": "<!{group}>"}, "a column behind `<` decides what acts"),
    ],
)
def test_a_wrong_declaration_is_refused(keys, word):
    with pytest.raises(ValueError, match=word):
        SlackOptions(**{"channel": CHANNEL, "text": "x"} | keys)
