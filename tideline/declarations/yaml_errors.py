"""What is wrong with text that is no YAML, in words that say the fix."""

from __future__ import annotations

import re

import yaml

# A key with a value on its line, up to the first character of the value.
VALUE = re.compile(r"\s*(?:- +)*([A-Za-z_]\w*): +(?=(.))")
WITHOUT_BLANK = re.compile(r"\s*(?:- +)*([A-Za-z_]\w*):[^\s:]")
QUOTES = "put the text in quotes"
BRACES = {"{": "a brace", "[": "a bracket"}


def problem_of(error: yaml.MarkedYAMLError, text: str) -> str:
    """The problem of an error of PyYAML's own parser, with the fix if its cause is a common one."""
    said, mark = str(error.problem), error.problem_mark
    if mark is None:
        return said
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if said.startswith("found character '\\t'"):
        return "a tab is where YAML takes spaces; use spaces"
    if said.startswith("found character"):
        return f"{said}; {QUOTES}"
    if said == "found unexpected end of stream" and error.context_mark is not None:
        return f"a quote on line {error.context_mark.line + 1} is not closed; close it"
    is_colon = said.startswith("mapping values are not allowed")
    if is_colon and (found := VALUE.match(line[: mark.column])) is not None:
        return f"the text of `{found[1]}` has a colon with a blank after it; {QUOTES}"
    if is_colon or said.startswith("could not find expected ':'"):
        before = lines[mark.line - 1] if mark.line else ""
        if (found := WITHOUT_BLANK.match(before)) is not None:
            return f"`{found[1]}:` has no blank after the colon; write `{found[1]}: `"
    if (context := error.context_mark) is not None and "flow" in str(error.context):
        found = VALUE.match(lines[context.line]) if context.line < len(lines) else None
        if found is not None and found[2] in BRACES:
            sign = BRACES[found[2]]
            return f"{said}; `{found[1]}` begins with {sign}: {QUOTES}, or close it"
    is_cut = said.startswith(("expected <block end>", "expected a comment or a line break"))
    if is_cut and (found := VALUE.match(line[: mark.column])):
        if found[2] in BRACES:
            return f"the text of `{found[1]}` begins with {BRACES[found[2]]}; {QUOTES}"
        if found[2] in "'\"":
            return f"the text of `{found[1]}` goes on after its quotes; put all of it in quotes"
    return said
