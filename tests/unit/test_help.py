"""The help of each command describes it fully."""

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from tideline import cli

ROOT = Path(__file__).parents[2]


class Parsed(Exception):
    """The arguments are valid; the command has not started."""


@pytest.mark.parametrize("name", [name for group in cli.COMMANDS.values() for name in group])
def test_a_command_is_learned_from_its_help(name, monkeypatch, capsys):
    """Each argument is described, and each example is valid."""
    understand = argparse.ArgumentParser.parse_args

    def parse_args(parser, arguments=None):
        undescribed = [action.dest for action in parser._actions if not action.help]
        assert {*undescribed} <= {"command"}, f"{parser.prog}: {undescribed}"
        raise Parsed(understand(parser, arguments))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80, page
    examples = re.findall(rf"^  tideline ({name}\b[^<\n]*)", page, re.MULTILINE)
    assert examples, page
    for example in examples:
        with pytest.raises(Parsed):
            cli.main(example.split())


def test_make_lists_its_goals():
    page = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    goals = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert {*re.findall(r"make ([a-z-]+)", page)} == {*goals} - {"help"}
    assert max(map(len, page.splitlines())) <= 90
