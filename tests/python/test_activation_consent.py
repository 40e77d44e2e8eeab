"""A sync that asks for consent holds whom the people themselves let it hold."""

import json

import pytest

from orchestration.activation.errors import DeclarationError
from orchestration.activation.syncs import read_syncs
from tests.python.activation_rig import FILES, Rig, manifest, member

CONSENTS = "model.tideline.profile_consents"


def asking(**sync):
    """A manifest whose one sync asks for consent."""
    content = manifest(s=FILES | sync)
    content["nodes"][CONSENTS] = {"schema": "tideline", "name": "profile_consents", "alias": None}
    content["exposures"]["exposure.tideline.s"]["depends_on"]["nodes"].append(CONSENTS)
    return content


class ConsentRig(Rig):
    def state(self, *rows):
        """What profiles said: (profile, purpose, whether it was granted)."""
        table = "warehouse.tideline.profile_consents"
        self.sql(
            f"create or replace table {table} "
            "(profile_id varchar, purpose varchar, is_granted boolean)"
        )
        for row in rows:
            self.sql(f"insert into {table} values (?, ?, ?)", row)

    def held(self):
        path = self.deliveries / "s" / "vip.jsonl"
        return {json.loads(line)["profile_id"] for line in path.read_text().splitlines()}


@pytest.mark.parametrize(
    ("silence_is_consent", "expected"), [(False, {"yes"}), (True, {"yes", "silent"})]
)
def test_only_who_has_agreed_is_sent(tmp_path, silence_is_consent, expected):
    rig = ConsentRig(tmp_path)
    rig.desire([member("yes"), member("no"), member("silent")])
    rig.state(("yes", "marketing", True), ("no", "marketing", False), ("silent", "other", True))
    rig.manifest.write_text(
        json.dumps(asking(consent="marketing", silence_is_consent=silence_is_consent))
    )
    result = rig.sync()
    assert rig.held() == expected
    withheld = 3 - len(expected)
    assert result.run.status == "succeeded"
    assert f"{withheld} rows withheld" in rig.last_run("message")
    assert "`marketing`" in rig.last_run("message")


def test_who_refuses_later_is_removed_and_who_agrees_comes_back(tmp_path):
    rig = ConsentRig(tmp_path)
    rig.desire([member("a"), member("b")])
    rig.manifest.write_text(json.dumps(asking(consent="it's marketing")))
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", True))
    rig.sync()
    assert rig.held() == {"a", "b"}
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", False))
    assert rig.sync().run.ops["remove"] == 1
    assert rig.held() == {"a"}
    rig.state(("a", "it's marketing", True), ("b", "it's marketing", True))
    rig.sync()
    assert rig.held() == {"a", "b"}


@pytest.mark.parametrize(
    ("sync", "has_consents", "words"),
    [
        ({"consent": "marketing"}, False, "add `ref('profile_consents')`"),
        ({"silence_is_consent": True}, True, "says nothing without `consent`"),
        ({"consent": 1}, True, "expected text"),
    ],
)
def test_a_wrong_declaration_is_told(tmp_path, sync, has_consents, words):
    content = asking(**sync) if has_consents else manifest(s=FILES | sync)
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(DeclarationError) as error:
        read_syncs(tmp_path / "manifest.json")
    assert words in str(error.value)


def test_without_the_table_of_consents_nothing_is_sent(tmp_path):
    rig = ConsentRig(tmp_path)
    rig.desire([member("a")])
    rig.manifest.write_text(json.dumps(asking(consent="marketing")))
    result = rig.sync()
    assert result.failed and "dbt build --select +profile_consents" in result.run.message
    assert not (rig.deliveries / "s").exists()
