"""Declared syncs are read; the error of a wrong one names exposure, key and fix."""

import json
from dataclasses import dataclass

import pytest

from tests.support.activation_rig import FILES, KEY, WEBHOOK, manifest
from tideline.activation.command import main
from tideline.activation.destinations import DESTINATIONS
from tideline.activation.destinations.fields import columns_of
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.errors import DeclarationError


def read(folder, content):
    path = folder / "manifest.json"
    path.write_text(json.dumps(content))
    return read_syncs(path, DESTINATIONS)


def test_a_sync_is_read_with_its_defaults(tmp_path):
    [files, webhook] = read(tmp_path, manifest(a=FILES, b=WEBHOOK | {"rows_per_second": 200}))
    assert (files.name, files.schema, files.table) == ("a", "tideline", "activation_audiences")
    assert files.settings.key == tuple(KEY) and files.group_by == "segment_name"
    assert (files.options.format, files.settings.max_change_share) == ("jsonl", 0.5)
    assert (webhook.batch_rows, webhook.settings.rows_per_second) == (5, 200.0)
    assert webhook.options.url_env == "TIDELINE_WEBHOOK_URL"


def test_meta_may_sit_on_either_level(tmp_path):
    content = manifest(a=FILES)
    exposure = content["exposures"]["exposure.tideline.a"]
    exposure["meta"] = exposure.pop("config")["meta"]
    assert [sync.name for sync in read(tmp_path, content)] == ["a"]


def test_exposures_without_meta_sync_are_ignored(tmp_path):
    content = manifest(a=FILES)
    content["exposures"]["exposure.tideline.a"]["config"]["meta"] = {"owner": "x"}
    assert read(tmp_path, content) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"destination": "file"}, ["`destination`", "did you mean `files`?"]),
        ({"destination": None}, ["`destination` is missing"]),
        ({"key": None}, ["`key` is missing"]),
        ({"key": []}, ["`key` is empty"]),
        ({"key": ["a", "a"]}, ["names one twice"]),
        ({"key": [1]}, ["`key`: expected a list of names"]),
        ({"max_change_shar": 0.5}, ["`max_change_shar`", "did you mean `max_change_share`?"]),
        ({"max_change_share": 50}, ["`max_change_share` is 50", "from 0 to 1"]),
        ({"most_changes_per_day": 0}, ["`most_changes_per_day` is 0", "above 0"]),
        ({"alert_rejected_share": 2}, ["`alert_rejected_share` is 2", "from 0 to 1"]),
        ({"max_change_share": "half"}, ["expected a number, got 'half'"]),
        ({"guard_min_rows": -1}, ["`guard_min_rows` is -1"]),
        ({"batch_rows": 0}, ["`batch_rows` is 0"]),
        ({"batch_rows": True}, ["expected a whole number, got True"]),
        ({"format": "xml"}, ["`format` says `xml`", "csv, jsonl"]),
        ({"group_by": "segment_nam"}, ["`group_by`", "did you mean `segment_name`?"]),
        ({"url_env": "X"}, ["unknown key `url_env`"]),
    ],
)
def test_a_wrong_declaration_is_an_error(tmp_path, change, words):
    declared = {key: value for key, value in (FILES | change).items() if value is not None}
    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, manifest(segments_out=declared))
    for word in ["exposure `segments_out` (models/activation/exposures.yml)", *words]:
        assert word in str(caught.value)


def test_a_sync_reads_exactly_one_model(tmp_path):
    content = manifest(a=FILES)
    content["exposures"]["exposure.tideline.a"]["depends_on"]["nodes"] = []
    with pytest.raises(DeclarationError, match="a sync reads exactly one model"):
        read(tmp_path, content)


def test_a_missing_or_broken_manifest_is_an_error_with_the_fix(tmp_path):
    with pytest.raises(DeclarationError, match="run `dbt parse`"):
        read_syncs(tmp_path / "manifest.json", DESTINATIONS)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DeclarationError, match="run `dbt parse`"):
        read_syncs(tmp_path / "manifest.json", DESTINATIONS)


def test_the_manifest_is_that_of_the_build_in_this_environment(tmp_path, monkeypatch, capsys):
    """The manifest of another folder may declare other syncs, which must not run."""
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    assert main(["run"]) == 1
    assert f"there is no manifest at {tmp_path / 'manifest.json'}" in capsys.readouterr().err


@dataclass(frozen=True, kw_only=True)
class UncheckedOptions:
    """Options of a destination that checks nothing itself."""

    lists: dict | None = None
    fields: dict | None = None

    def in_key(self):
        return ("email",)

    def reads(self):
        return columns_of(self.fields or {})


class Unchecked:
    Options = UncheckedOptions
    default_batch_rows = 100


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"lists": {"vip": "1' then 'x"}}, "`lists`: the list of `vip` is"),
        ({"lists": {"vip' or '": "1"}}, "`lists` has \"vip' or '\""),
        ({"fields": {"label": "{Segment}"}}, "`fields`: `label` has braces"),
    ],
)
def test_lists_and_templates_are_checked_for_every_destination(tmp_path, declared, words):
    path = tmp_path / "manifest.json"
    sync = {"destination": "unchecked", "key": ["email", "segment_name"]} | declared
    path.write_text(json.dumps(manifest(a=sync)))
    with pytest.raises(DeclarationError, match=r"exposure `a`") as caught:
        read_syncs(path, {"unchecked": Unchecked})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("rows_per_second", "batch_rows"), [(1000, 100_000), (2, 600), (0.001, 1), (None, 100_000)]
)
def test_a_batch_never_waits_longer_than_the_lease(tmp_path, rows_per_second, batch_rows):
    [sync] = read(tmp_path, manifest(a=FILES | {"rows_per_second": rows_per_second}))
    assert sync.batch_rows == batch_rows
