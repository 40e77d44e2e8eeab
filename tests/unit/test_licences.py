"""Licences of all pinned packages are known, and allowed."""

from importlib.metadata import PathDistribution

import pytest

from tideline import licences


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Declare packages as if they were installed, and pin them."""
    monkeypatch.setattr(licences, "PINS", tmp_path / "requirements.txt")
    monkeypatch.setattr(
        licences,
        "distribution",
        lambda name: PathDistribution.at(tmp_path / f"{name}.dist-info"),
    )

    def declare(**metadata):
        pins = []
        for name, lines in metadata.items():
            folder = tmp_path / f"{name}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1\n" + "\n".join(lines))
            pins.append(
                f"{name}==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via x\n"
            )
        (tmp_path / "requirements.txt").write_text("".join(pins))

    return declare


def test_all_that_is_pinned_is_allowed(capsys):
    assert licences.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    pins = licences.PINS.read_text()
    assert len(lines) > 150 and pins.count("\n    # via") > 100
    assert any(line.split() == ["duckdb", "2.0.0", "MIT"] for line in lines)
    assert "://" not in pins and "--index" not in pins


@pytest.mark.parametrize(
    ("written", "licence"),
    [
        (["License-Expression: Apache-2.0 OR GPL-3.0-only"], "Apache-2.0 OR GPL-3.0-only"),
        (["License-Expression: MPL-2.0 AND (GPL-2.0-only OR MIT)"], None),
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: Copyright (c) x", "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["Classifier: License :: OSI Approved :: BSD License"], "BSD-3-Clause"),
    ],
)  # fmt: skip
def test_spellings_of_a_licence_are_recognized(packages, capsys, written, licence):
    packages(some=written)
    assert licences.main([]) == 0
    assert (licence or written[0].split(": ")[1]) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ([], "some 1: names no licence"),
        (["License: GPLv3"], "some 1: not an allowed licence (GPLv3)"),
        (["License-Expression: MIT AND GPL-3.0-only"], "not an allowed licence"),
        (["License-Expression: MIT AND (GPL-3.0-only OR AGPL-3.0-only)"], "not an allowed"),
        (["Classifier: License :: OSI Approved :: MIT License",
          "Classifier: License :: OSI Approved :: GNU Affero General Public License v3"], "Affero"),
    ],
)  # fmt: skip
def test_a_licence_that_is_not_allowed_fails(packages, capsys, written, problem):
    packages(other=["License: MIT"], some=written)
    assert licences.main([]) == 1
    assert problem in capsys.readouterr().err


def test_a_pinned_package_that_is_not_installed_fails(monkeypatch, tmp_path, capsys):
    pins = tmp_path / "requirements.txt"
    pins.write_text(
        "not-there==1 \\\n    --hash=sha256:00\n"
        "colorama==0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\npytest==1\n"
    )
    monkeypatch.setattr(licences, "PINS", pins)
    assert licences.main([]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert "not installed" in errors[0] and "pinned as 1" in errors[1] and len(errors) == 2
