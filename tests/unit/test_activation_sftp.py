"""Files on an SFTP server have exactly the current members, whatever fails on the way."""

import base64
import hmac
import json
import os
from pathlib import Path

import pytest

from tests.support.activation_rig import member, members
from tests.support.sftp_server import SftpRig
from tideline.activation.destinations.files.claim import MARKER
from tideline.activation.destinations.files.place import NotDoneError
from tideline.activation.destinations.files.remote import Remote
from tideline.activation.destinations.files.session import Login, Session
from tideline.activation.destinations.files.sftp import SftpOptions

pytest_plugins = ["tests.support.sftp_server"]


def held(rig, name="vip.jsonl"):
    lines = (rig.place / name).read_text().splitlines()
    return sorted(json.loads(line)["profile_id"] for line in lines)


def test_files_are_replaced_and_those_of_others_stay(sftp_rig, tmp_path, sftp_server):
    rig = sftp_rig
    rig.desire([*members(3), member("x", "new")])
    assert rig.sync().run.accepted == 4
    assert rig.names() == [MARKER, "new.jsonl", "vip.jsonl"] and len(held(rig)) == 3
    assert (rig.place / "vip.jsonl").stat().st_mode & 0o777 == 0o600
    for name, text in {"old.txt": "mine", "vip.jsonl.0123abcd.part": "ours"}.items():
        (rig.place / name).write_text(text)
    (rig.place / "new.jsonl").unlink()  # it is written again
    rig.desire([member("p001"), member("x", "new")])
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert rig.names() == [MARKER, "new.jsonl", "old.txt", "vip.jsonl"]
    assert (held(rig), held(rig, "new.jsonl")) == (["p001"], ["x"])
    assert rig.sync().run.planned == 0

    (tmp_path / "two").mkdir()
    other = SftpRig(tmp_path / "two", sftp_server, rig.line)
    other.root = rig.root
    other.declare()
    other.desire([member("y")])
    run = other.sync().run
    assert run.status == "failed" and "another warehouse delivers" in run.message
    assert "name another `directory`" in run.message and held(rig) == ["p001"]


def test_a_cut_connection_leaves_the_former_file_whole(sftp_rig):
    rig = sftp_rig
    rows = members(400, label="x" * 200)
    rig.desire(rows)
    rig.sync()
    before = (rig.place / "vip.jsonl").read_bytes()
    rig.desire(rows[:-1])
    rig.declare(max_attempts=1)
    for most in (20_000, 120_000):  # the whole file has 200,000 bytes
        rig.line.most = most
        run = rig.sync(allow_large_change=True).run
        assert (run.status, run.held, rig.line.was_cut_at > most) == ("failed", 1, True)
        assert (rig.place / "vip.jsonl").read_bytes() == before
        rig.line.most = None
    assert rig.sync(allow_large_change=True).run.status == "succeeded"
    assert len(held(rig)) == 399 and rig.names() == [MARKER, "vip.jsonl"]


def test_only_a_known_host_gets_a_login_and_a_file(sftp_rig, sftp_server, caplog):
    rig = sftp_rig
    rig.desire([member("a")])
    good = dict(rig.environment)
    for variable in ("SFTP_HOST_KEY", "SFTP_KEY"):
        rig.environment = {name: each for name, each in good.items() if name != variable}
        run = rig.sync().run
        assert run.status == "skipped" and f"set {variable}" in run.message
    wrong = {
        "SFTP_HOST_KEY": (sftp_server.text("other.pub"), "another host key than the one in"),
        "SFTP_KEY": (sftp_server.text("other"), "the login was refused; correct SFTP_KEY"),
    }
    for variable, (value, words) in wrong.items():
        rig.environment = good | {variable: value}
        run = rig.sync().run
        assert run.status == "failed" and words in run.message
        assert value.split()[-2] not in f"{run.message}{caplog.text}"
    rig.environment = good | {"SFTP_HOST_KEY": "SHA256:abc"}
    assert "has no public key" in rig.sync().run.message
    rig.environment = good | {"SFTP_KEY": "/home/me/.ssh/id"}
    assert "is no private key" in rig.sync().run.message
    assert rig.names() == []
    rig.environment = good
    assert rig.sync().run.accepted == 1


# A client in place of OpenSSH's, which fails in a certain way.
FAKE = """#!/bin/sh
echo "$0 $@ $SSH_ASKPASS_REQUIRE" > {log}
{says}
exit 255
"""


@pytest.mark.parametrize(
    ("says", "fate"),
    [
        ("echo 'sftp> put -f a b'; echo 'Connection closed' >&2", "busy"),
        ("echo 'sftp> put a b'; echo 'sftp> rename b c'; echo 'Connection closed' >&2", "unknown"),
        ("echo 'Connection refused' >&2", "busy"),
        ("echo 'Host key verification failed.' >&2", "held"),
        ("echo 'sftp> rename b c'; exec sleep 30", "unknown"),
    ],
)
def test_a_file_may_have_been_replaced_once_the_rename_was_sent(tmp_path, monkeypatch, says, fate):
    fake, log = tmp_path / "sftp", tmp_path / "log"
    fake.write_text(FAKE.format(log=log, says=says))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    login = Login("localhost", 22, "me", "ssh-ed25519 " + "A" * 68, None, "the password", 0.5)
    remote = Remote(Session(login), "/up/s", "here", {"Host key verification failed": "look"})
    with pytest.raises(NotDoneError) as told, remote.replace("vip.jsonl") as target:
        target.write("x")
    assert told.value.outcome.fate == fate
    asked = log.read_text()
    assert "-oStrictHostKeyChecking=yes" in asked and asked.endswith(" force\n")
    assert "the password" not in asked


# A client that notes what it is given, and which files of this machine have it.
NOTES = """#!/bin/sh
echo begin >> {folder}/commands
while read -r command first source part; do
  echo $command >> {folder}/commands
  case $command in
    put) cat "$source" > {folder}/sent; grep -rl "a row" {temporary} > {folder}/named ;;
    get) printf 'a row' > "$source"; grep -rl "a row" {temporary} >> {folder}/named ;;
  esac
done
exit 0
"""


def test_a_run_that_is_killed_leaves_no_rows_here_and_replaces_no_file_later(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    fake = tmp_path / "sftp"
    fake.write_text(NOTES.format(folder=tmp_path, temporary=temporary))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    login = Login("localhost", 22, "me", "ssh-ed25519 " + "A" * 68, None, "x", 5)
    remote = Remote(Session(login), "/up/s", "here", {})
    with remote.replace("vip.jsonl") as target:
        target.write("a row")
    with remote.read("vip.jsonl") as source:
        assert source.read() == "a row"
    assert (tmp_path / "sent").read_text() == "a row"
    assert (tmp_path / "named").read_text() == ""
    # The process of a killed run goes on; it must not replace what a later run has written.
    assert (tmp_path / "commands").read_text().split() == [
        "begin", "-mkdir", "put", "begin", "rename", "begin", "get",
    ]  # fmt: skip


def test_only_keys_of_this_host_are_trusted_that_are_not_commented_out_or_revoked():
    old, bad, ca, plain, scan, near, far = (f"ssh-ed25519 {each * 68}" for each in "ABCDEFG")
    salt = b"0123456789abcdefghij"
    hashed = (
        base64.b64encode(each).decode() for each in (salt, hmac.digest(salt, b"f.io", "sha1"))
    )
    lines = f"""# {old} until May
        @revoked f.io {bad}
        @cert-authority *.io {ca}
        {plain} root@f
        x.io,[F.io]:2222 {scan}
        |1|{"|".join(hashed)} {near}
        g.io {far}"""
    login = Login("f.io", 2222, "me", lines.replace("\n", "\r\n"), None, "x", 1)
    trusted = [f"tideline {each}" for each in (plain, scan, near)]
    assert login.known_hosts() == [f"@revoked tideline {bad}", *trusted]
    only = Login("f.io", 22, "me", f"@revoked f.io {bad}\ng.io {far}", None, "x", 1)
    assert only.known_hosts() == []


def test_a_private_key_is_gone_when_the_session_is():
    login = Login("localhost", 22, "me", "", "-----BEGIN PRIVATE KEY-----", None, 1)
    session = Session(login)
    key, folder = Path(session._key.name), Path(session._folder.name)
    assert key.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
    del session
    assert not key.exists() and not folder.exists()


def test_the_next_run_deletes_the_key_that_a_killed_one_has_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tideline.activation.destinations.files.session.MEMORY", tmp_path)
    login = Login("localhost", 22, "me", "", "-----BEGIN PRIVATE KEY-----", None, 1)
    living = Session(login)
    left, fresh = tmp_path / "tideline-sftp-left", tmp_path / "tideline-sftp-fresh"
    for each in (left, fresh):
        each.write_text("a key")
    for each in (left, Path(living._key.name)):
        os.utime(each, (0, 0))
    session = Session(login)
    names = {Path(living._key.name), Path(session._key.name), fresh}
    assert set(tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"host": "-oProxyCommand=x"}, "`host` is"),
        ({"user": "me now"}, "`user` is"),
        ({"directory": "/up/../etc"}, "`directory` is"),
        ({"directory": "/up*"}, "`directory` is"),
        ({"port": 0}, "`port` is 0"),
        ({"timeout_seconds": 301}, "at most 300"),
    ],
)
def test_a_wrong_declaration_is_refused(keys, word):
    with pytest.raises(ValueError, match=word):
        SftpOptions(**{"host": "h.io", "user": "me", "directory": "/up"} | keys)
