"""The text of `tideline COMMAND --help`: description, arguments, examples."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from typing import NoReturn

WIDTH = 80


class Parser(argparse.ArgumentParser):
    """A parser whose errors end with a hint, if it has one."""

    hint = ""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2."""
        super().error("; ".join(filter(None, [message, self.hint])))


def parser(command: str, description: str, examples: Mapping[str, str], notes: str = "") -> Parser:
    """An argument parser of `tideline <command>`.

    `examples` maps shell commands to what they do. An empty line separates the paragraphs of
    `description` and `notes`.
    """
    shown = [f"  {line}\n      {what}" for line, what in examples.items()]
    return Parser(
        prog=f"tideline {command}",
        description=_wrapped(description),
        epilog="\n\n".join(["examples:\n" + "\n".join(shown), *filter(None, [_wrapped(notes)])]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _wrapped(text: str) -> str:
    paragraphs = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(each.split()), WIDTH) for each in paragraphs)
