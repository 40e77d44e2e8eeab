"""A 2xx answer accepts the rows in its receipt, and none without a receipt."""

import json

import pytest

from tests.support.activation_rig import WEBHOOK, manifest, members, numbers, some, wanted
from tideline.activation.destinations import DESTINATIONS, Operation
from tideline.activation.destinations.webhook.receipts import read_receipt
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.errors import DeclarationError

pytest_plugins = ["tests.support.activation_fixtures"]

BATCH = [Operation("add", key, {}, {}) for key in ("a", "b")]


def fates(receipt, body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [outcome.fate for outcome in read_receipt(receipt, body, BATCH)]


def row(key, status="accepted", **others):
    return {"idempotency_key": key, "status": status, **others}


NO_RECEIPTS = [
    b"",
    b"ok",
    b"<!doctype html><title>Sign in</title>",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"results": ' + b"[" * 100_000,
    b'{"results": [' + b'{"a":' * 100_000,
    b'{"results": ' + b"9" * 10_000 + b"}",
    b'{"results": [], "results": [1]}',
    [],
    None,
    True,
    {},
    {"ok": True},
    {"error": "the token has expired"},
    {"results": {"a": "accepted"}},
    {"results": "accepted"},
    {"data": {"results": [row("a"), row("b")]}},
]


@pytest.mark.parametrize("body", NO_RECEIPTS, ids=lambda body: repr(body)[:40])
def test_an_answer_in_another_format_accepts_nothing(body):
    assert fates("results", body) == ["unknown", "unknown"]
    assert fates({"done": True}, body) == ["unknown", "unknown"]


ODD_RESULTS = [
    None,
    [],
    ["accepted"],
    row(["b"]),
    row({"b": 1}),
    row(float("nan")),
    row(10**4000),
    row(None),
    row("b", status="queued"),
    row("b", status=["accepted"]),
    row("b", status=None),
    {"status": "accepted"},
]


@pytest.mark.parametrize("odd", ODD_RESULTS, ids=lambda odd: repr(odd)[:40])
def test_an_odd_result_affects_only_its_row(odd):
    assert fates("results", {"results": [odd, row("a")]}) == ["accepted", "unknown"]
    assert fates("results", {"results": [row("a"), odd]}) == ["accepted", "unknown"]


def test_a_contradictory_result_is_unknown():
    twice = b'{"results": [{"idempotency_key": "a", "status": "accepted"}, {"idempotency_key": "b",'
    assert fates("results", twice + b' "status": "rejected", "status": "accepted"}]}') == [
        "accepted",
        "unknown",
    ]
    results = [row("a"), row("a", "rejected"), row("a"), row("b"), row("b")]
    assert fates("results", {"results": results}) == ["unknown", "accepted"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"ok": True, "id": 7}, "accepted"),
        ({"ok": 1, "id": 7}, "unknown"),
        ({"ok": "true", "id": 7}, "unknown"),
        ({"ok": False, "id": 7}, "unknown"),
        ({"ok": True}, "unknown"),
        (b'{"ok": false, "ok": true, "id": 7}', "unknown"),
    ],
)
def test_members_that_the_answer_must_have(body, expected):
    assert fates({"ok": True, "id": 7}, body) == [expected] * 2


def test_the_status_alone_can_be_the_receipt():
    assert fates("status", b"") == ["accepted"] * 2


def test_reasons_of_any_kind_are_kept_as_text(hooked, server):
    hooked.desire(members(3))
    hooked.sync()
    keys = hooked.sql("select idempotency_key from warehouse.tideline.activation_ledger order by 1")
    [(one,), (two,), (three,)] = keys
    reasons = {one: "nul \x00 and \ud800 half", two: [[["nested"]]], three: "x" * 100_000}
    results = [row(key, "rejected", reason=reason) for key, reason in reasons.items()]
    hooked.sql(
        "update warehouse.tideline.activation_ledger "
        "set state = 'unknown', sent_op = 'add', sent_hash = payload_hash"
    )
    server.script({"do": "say", "status": 200, "body": json.dumps({"results": results})})
    assert numbers(hooked.sync())["rejected"] == 3
    stored = hooked.sql("select reason from warehouse.tideline.activation_rejections")
    assert {reason for (reason,) in stored} == {
        "nul   and ? half",
        "no reason given",
        "x" * 1000,
    }


@pytest.mark.parametrize("body", ["<html>", '{"ok": true}', '{"error": "full"}', "[" * 100_000])
def test_rows_without_a_receipt_are_sent_again_and_the_others_go_on(hooked, server, body):
    hooked.declare(s=WEBHOOK | {"max_attempts": 1})
    hooked.desire(members(12))
    server.script({"do": "ok"}, {"do": "say", "status": 200, "body": body})
    result = hooked.sync()
    assert numbers(result) == some(add=12, accepted=7, unknown=5) and result.exit_code == 1
    assert "docs/reference/syncs.md" in result.run.message
    hooked.sync()
    assert server.rows == wanted(members(12))


@pytest.mark.parametrize("receipt", ["status", {"ok": True}])
def test_the_sync_declares_its_receipt(hooked, server, receipt):
    hooked.declare(s=WEBHOOK | {"receipt": receipt})
    hooked.desire(members(2))
    server.script({"do": "say", "status": 200, "body": '{"ok": true}', "applies": True})
    assert numbers(hooked.sync()) == some(add=2, accepted=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"receipt": "result"}, ["`receipt` is `result`", "results, status"]),
        ({"receipt": {}}, ["`receipt` is empty"]),
        ({"receipt": {"ok": [1]}}, ["`receipt` expects `ok: [1]`"]),
        ({"receipt": 1}, ["`receipt`: expected text"]),
        ({"timeout_seconds": 0}, ["`timeout_seconds` is 0.0", "at most 300"]),
        ({"timeout_seconds": 301}, ["`timeout_seconds` is 301.0"]),
        ({"timeout_seconds": float("nan")}, ["`timeout_seconds` is nan"]),
        ({"rows_per_second": float("nan")}, ["`rows_per_second` is nan"]),
    ],
)
def test_a_wrong_option_is_an_error(tmp_path, change, words):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest(s=WEBHOOK | change)))
    with pytest.raises(DeclarationError) as caught:
        read_syncs(tmp_path / "manifest.json", DESTINATIONS)
    for word in words:
        assert word in str(caught.value)
