"""A broken exchange is "not applied" only if nothing was sent; and every exchange ends."""

import gzip
import socket
import threading
import time
import tracemalloc

import pytest

from tests.support.activation_rig import WEBHOOK, members, numbers, some, wanted
from tests.support.activation_sockets import certify, reset, serving, take_request
from tideline.activation.destinations.exchange import THREAD

pytest_plugins = ["tests.support.activation_fixtures"]

ONCE = WEBHOOK | {"timeout_seconds": 30.0, "max_attempts": 1}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("tls"))


def answer(status="200 OK", body=b"", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def send_to(rig, port, scheme="http", **sync):
    """Run a sync of two rows; return its result."""
    rig.environment["TIDELINE_WEBHOOK_URL"] = f"{scheme}://127.0.0.1:{port}/hook"
    rig.declare(s=ONCE | sync)
    rig.desire(members(2))
    return rig.sync()


def drip(connection, data):
    """Send a byte from time to time, without an end."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def cut_answer(connection):
    take_request(connection)
    connection.sendall(answer(body=b"x" * 1000)[:-990])


def reset_in_the_answer(connection):
    take_request(connection)
    connection.sendall(answer(body=b"x" * 1000)[:-990])
    time.sleep(0.1)
    reset(connection)


def reset_without_an_answer(connection):
    take_request(connection)
    reset(connection)


def no_http(connection):
    take_request(connection)
    connection.sendall(b"\x00\xff garbage \r\n\r\n")


def broken_compression(connection):
    take_request(connection)
    connection.sendall(answer("200 OK", b"no gzip at all", "Content-Encoding: gzip"))


def silence(connection):
    take_request(connection)
    time.sleep(30)


def slow_headers(connection):
    take_request(connection)
    drip(connection, b"HTTP/1.1 200 OK\r\n" + b"X-Slow: x\r\n" * 100)


def slow_body(connection):
    take_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    drip(connection, b"x" * 1000)


def slow_last_body(connection):
    take_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n")
    drip(connection, b"x" * 1000)


def continues_for_ever(connection):
    take_request(connection)
    for _ in range(300):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.1)


@pytest.mark.parametrize(
    "speak",
    [
        cut_answer,
        reset_in_the_answer,
        reset_without_an_answer,
        no_http,
        broken_compression,
        silence,
        slow_headers,
        slow_body,
        slow_last_body,
        continues_for_ever,
    ],
)
def test_after_the_request_was_sent_the_outcome_is_unknown_without_delay(rig, speak):
    with serving(speak) as port:
        began = time.monotonic()
        result = send_to(rig, port, timeout_seconds=1.0)
        assert time.monotonic() - began < 10  # one of them for the request
        while any(thread.name == THREAD for thread in threading.enumerate()):
            assert time.monotonic() - began < 20  # no thread is left running
            time.sleep(0.05)
    assert numbers(result) == some(add=2, unknown=2)
    assert result.failed and result.exit_code == 1


def test_a_tls_error_after_the_request_is_unknown(rig, certificate, monkeypatch):
    """A removal that may or may not have been applied is sent again."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))

    def breaks(connection):
        take_request(connection)
        socket.socket(fileno=connection.detach()).sendall(b"this is no TLS record" * 10)

    with serving(breaks, certificate) as port:
        result = send_to(rig, port, "https")
    assert numbers(result) == some(add=2, unknown=2)
    assert "SSLError" in result.run.message


def test_over_tls_a_receipt_is_read(rig, certificate, monkeypatch):
    """The certificate of these tests works, so the other tests fail for their own reason."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))

    def good(connection):
        take_request(connection)
        connection.sendall(answer(body=b'{"ok": true}'))

    with serving(good, certificate) as port:
        result = send_to(rig, port, "https", receipt={"ok": True})
    assert numbers(result) == some(add=2, accepted=2)


def slow_handshake(connection):
    drip(connection, b"\x16\x03\x03\x40\x00" + b"\x02" * 1000)


def no_tls(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("speak", [slow_handshake, no_tls])
def test_in_the_handshake_nothing_was_sent(rig, speak):
    with serving(speak) as port:
        began = time.monotonic()
        result = send_to(rig, port, "https", timeout_seconds=1.0)
        assert time.monotonic() - began < 10
    assert numbers(result) == some(add=2, held=2)
    assert "cannot be reached" in result.run.message


def test_a_certificate_that_is_not_trusted_ends_the_run_before_a_row_leaves(rig, certificate):
    seen = []
    with serving(lambda connection: seen.append(connection.recv(1)), certificate) as port:
        result = send_to(rig, port, "https")
    assert numbers(result) == some(add=2, held=2)
    assert "certificate is not trusted" in result.run.message
    assert not any(seen)


def test_a_name_that_does_not_resolve_leaves_the_rows_unsent(rig):
    rig.environment["TIDELINE_WEBHOOK_URL"] = "http://no-such-host.invalid/hook"
    rig.declare(s=ONCE)
    rig.desire(members(2))
    assert numbers(rig.sync()) == some(add=2, held=2)


def test_a_proxy_of_the_environment_is_used_and_one_that_refuses_sends_nothing(rig, monkeypatch):
    heads = []

    def proxy(connection):
        method, address, *_ = take_request(connection).split()
        heads.append((method, address))
        if method == b"POST":
            connection.sendall(answer(body=b'{"ok": true}'))
        else:
            connection.sendall(answer("407 Proxy Authentication Required"))

    rig.declare(s=ONCE | {"receipt": {"ok": True}})
    with serving(proxy) as port:
        for scheme, fate in (("https", "held"), ("http", "accepted")):
            monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
            rig.environment["TIDELINE_WEBHOOK_URL"] = f"{scheme}://example.invalid/hook"
            rig.desire(members(2))
            assert numbers(rig.sync()) == some(add=2) | {fate: 2}
    assert heads == [
        (b"CONNECT", b"example.invalid:443"),
        (b"POST", b"http://example.invalid/hook"),
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed_and_its_rows_are_unknown(rig, server, status):
    followed = []

    def redirects(connection):
        take_request(connection)
        connection.sendall(answer(f"{status} Elsewhere", b"", f"Location: http://127.0.0.1:{end}/"))

    elsewhere = serving(lambda connection: followed.append(connection.recv(9)))
    with elsewhere as end, serving(redirects) as port:
        result = send_to(rig, port, max_attempts=5)
    assert numbers(result) == some(add=2, unknown=2)
    assert (result.run.status, result.exit_code) == ("held", 3)
    assert f"HTTP {status}; check the address in TIDELINE_WEBHOOK_URL" in result.run.message
    assert followed == []


def test_a_removal_answered_by_a_redirect_is_sent_again(hooked, server):
    hooked.desire(members(2))
    hooked.sync()
    hooked.desire(members(1))
    server.script({"do": "say", "status": 303})  # not applied
    assert numbers(hooked.sync()) == some(remove=1, unknown=1)
    hooked.sync()
    assert server.rows == wanted(members(1))


@pytest.mark.slow
@pytest.mark.parametrize("status", ["200 OK", "302 Found", "400 Bad Request", "500 Error"])
def test_only_the_limit_of_a_decompression_bomb_is_unpacked(rig, status):
    packed = gzip.compress(bytes(400_000_000))

    def explodes(connection):
        take_request(connection)
        connection.sendall(answer(status, packed, "Content-Encoding: gzip", "Location: /x"))

    with serving(explodes) as port:
        tracemalloc.start()
        try:
            result = send_to(rig, port)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert result.run.accepted == 0
    assert peak < 30_000_000
    if status == "200 OK":
        assert numbers(result) == some(add=2, unknown=2)
        assert "more than 1,008,000 bytes" in result.run.message


def test_a_long_retry_after_ends_the_run_with_the_time_of_the_next(hooked, server):
    hooked.desire(members(12))
    server.script({"do": "ok"}, {"do": "busy", "retry_after": 61})
    result = hooked.sync()
    assert numbers(result) == some(add=12, accepted=5, held=7) and result.failed
    assert len(server.state["requests"]) == 2 and hooked.waits == []
    assert "run again after 2" in result.run.message and result.run.message.endswith("UTC")
    hooked.sync()
    assert server.rows == wanted(members(12))


@pytest.mark.parametrize("asked", ["1e400", "nan", "-5", "Fri, 31 Dec 99999 23:59:59 GMT", "soon"])
def test_an_odd_retry_after_does_not_fail_the_run(hooked, server, asked):
    hooked.desire(members(1))
    server.script({"do": "busy", "retry_after": asked})
    result = hooked.sync()
    assert result.run.status in ("succeeded", "failed") and "unexpected" not in result.run.message


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TIDELINE_WEBHOOK_URL", "https://ann:hush@example.org/", "a user or a password"),
        ("TIDELINE_WEBHOOK_URL", "https://example.org/hush\n", "line break"),
        ("TIDELINE_WEBHOOK_URL", "https://example.org/hush me", "a space"),
        ("TIDELINE_WEBHOOK_URL", "ftp://example.org/hush", "is not an http:// or https:// address"),
        ("TIDELINE_WEBHOOK_URL", "file:///hush", "is not an http:// or https:// address"),
        ("TIDELINE_WEBHOOK_URL", "http://[::1/hush", "is not an http:// or https:// address"),
        ("TIDELINE_WEBHOOK_URL", "http://example.org:hush/", "is not an http:// or"),
        ("TIDELINE_WEBHOOK_URL", "http://*hush/", "is not an http:// or https:// address"),
        ("T", "hush\n", "line break"),
        ("T", "hush\r\nX-Other: 1", "line break"),
        ("T", "hush é", "non-ASCII"),
        ("S", "hush\n", "begins or ends with a space or a line break"),
    ],
)
def test_an_unusable_credential_or_address_is_an_error_that_does_not_quote_it(
    hooked, server, caplog, variable, value, words
):
    hooked.declare(s=WEBHOOK | {"token_env": "T", "secret_env": "S"})
    hooked.environment |= {"T": "t", "S": "s", variable: value}
    hooked.desire(members(1))
    result = hooked.sync()
    assert result.failed and numbers(result) == some()
    assert variable in result.run.message and words in result.run.message
    assert "hush" not in result.run.message + caplog.text
    assert server.state["requests"] == []
