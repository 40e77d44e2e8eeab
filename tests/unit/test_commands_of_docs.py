"""The Python that a page tells people to run in a shell is Python."""

import re
import shlex

from tests.support.deployment import REPOSITORY

COMMAND = re.compile(r'(python -c "[^"]*")')


def test_each_command_is_python():
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    texts = [page.read_text() for page in pages]
    commands = [found for text in texts for found in COMMAND.findall(text)]
    assert len(commands) == sum(text.count("python -c") for text in texts) > 1
    for command in commands:
        compile(shlex.split(command)[2], command, "exec")
