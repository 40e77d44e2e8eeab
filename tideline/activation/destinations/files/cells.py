"""Cells of CSV files: values as text that a spreadsheet does not run as a formula."""

from __future__ import annotations

import json
import re
from typing import Any

# A spreadsheet may run a cell that begins with one of the signs, with its full-width form, or with
# white space other than a blank. It may drop such white space, control characters and zero-width
# characters before a sign, so these may come first.
_DROPPED = r"(?:[^\S ]|[\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff])"
_RUNS = rf"(?:{_DROPPED}*[=+\-@＝＋－＠]|[\t\r\n])"
_FORMULA = re.compile(f"'*{_RUNS}")
_ESCAPED = re.compile(f"'+{_RUNS}")
_NEGATIVE = re.compile(r"-\d+(\.\d+)?([eE][+-]?\d+)?")


def cell(value: Any) -> str:
    """A value as a cell; a formula gets an apostrophe in front, a negative number does not."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_formula = _FORMULA.match(text) and not _NEGATIVE.fullmatch(text)
    return f"'{text}" if is_formula else text


def plain(text: str) -> str:
    """The text of a cell without the apostrophe that `cell` put in front."""
    return text[1:] if _ESCAPED.match(text) else text
