"""Shows what a sync sends without personal data and secrets.

Only what is known to be harmless is shown. Of the keys and values of rows, these are the columns
that the model describes and does not mark as personal. Of a request, it is what stays the same if
all other columns have other values: so the names and words of the vendor are shown, and everything
that is made of a person, in whatever way, is not. No destination has to say what is personal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from urllib.parse import unquote

from tideline.activation.destinations import Draft, Operation
from tideline.declarations.syncs import Sync

MASK = "***"
# What replaces letters and digits, in two ways that have none in common, so that what is made of a
# person is never the same in both. They are hexadecimal, and a telephone number stays one.
OTHERS = (("abc", "234"), ("def", "578"))
MOST_SHOWN = 3  # elements of a list
DIGEST = re.compile(r"\b[0-9a-fA-F]{32,}\b")
ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:=]+@[^\s<>()\[\]\"',;:=]+")
TIME = re.compile(r"(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)")
NUMBER = re.compile(r"(?<![\w.])[+(]*\d[\d\s()./-]{5,}\d(?!\w)")
PARTS = re.compile(r"([/?&=\s]+)")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.I)
SHORTEST_SECRET = 6  # characters; a shorter one occurs in any text

Make = Callable[[Sequence[Operation]], list[Draft]]


def masked(text: str) -> str:
    """A text without addresses and telephone numbers, with hashes shortened."""
    text = DIGEST.sub(lambda found: f"{found[0][:6]}…", ADDRESS.sub(MASK, text))
    parts = TIME.split(text)  # a time is no number, though it looks like one
    return "".join(part if i % 2 else NUMBER.sub(_number, part) for i, part in enumerate(parts))


def _number(found: re.Match[str]) -> str:
    return MASK if 7 <= sum(c.isdigit() for c in found[0]) <= 15 else found[0]


class Mask:
    """What of the rows of a sync may be shown."""

    def __init__(self, sync: Sync, environment: Mapping[str, str]) -> None:
        """`environment` has the secrets, which are not shown wherever they stand."""
        self._public = sync.public | ({"list"} if sync.lists else set())
        self._declared = set(sync.lists.values())  # an id of digits is no telephone number
        named = [getattr(sync.options, each.name) for each in fields(sync.options)]
        self._secrets = sorted(
            {
                value
                for name, value in environment.items()
                if len(value) >= SHORTEST_SECRET and (name in named or SECRET.search(name))
            },
            key=len,
            reverse=True,
        )

    def key(self, key: Mapping[str, Any]) -> str:
        """The key of a row as JSON."""
        return _json({name: self._value(name, value) for name, value in key.items()})

    def _value(self, column: str, value: Any) -> Any:
        if isinstance(value, str) and DIGEST.fullmatch(value):
            return masked(value)
        return self._shown(value) if column in self._public else MASK

    def texts(self, drafts: Sequence[Draft], make: Make, batch: Sequence[Operation]) -> list[str]:
        """The drafts that `make` made of a batch, as text."""

        def leaves(letters: str, digits: str) -> set[tuple[str, str]]:
            others = make([self._other(each, i, letters, digits) for i, each in enumerate(batch)])
            return {leaf for draft in others for leaf in _leaves(draft)}

        same = set[tuple[str, str]].intersection(*(leaves(*by) for by in OTHERS))
        return [self._text(draft, same) for draft in drafts]

    def _other(self, operation: Operation, row: int, letters: str, digits: str) -> Operation:
        """The operation of another row: what may be personal has other values of the same form.

        Rows differ from each other, so that a vendor's rows of one person are not taken together.
        """

        def among(choices: str, place: int) -> str:
            return choices[row // len(choices) ** min(place, 9) % len(choices)]

        def other(value: Any) -> Any:
            match value:
                case None:
                    return None
                case str():
                    return "".join(
                        among(digits if c.isdigit() else letters, i) if c.isalnum() else c
                        for i, c in enumerate(value)
                    )
                case list():
                    return [other(each) for each in value]
                case dict():
                    return {other(name): other(each) for name, each in value.items()}
            return letters[0]

        def others(values: Mapping[str, Any]) -> dict[str, Any]:
            return {k: v if k in self._public else other(v) for k, v in values.items()}

        return replace(operation, key=others(operation.key), row=others(operation.row))

    def _text(self, draft: Draft, same: set[tuple[str, str]]) -> str:
        words = PARTS.split(draft.what)
        what = "".join(
            word if i % 2 else self._leaf("", word, same) for i, word in enumerate(words)
        )
        if draft.body is None:
            return what
        return f"{what}\n{_json(self._body(draft.body, '', same), indent=2)}"

    def _body(self, value: Any, path: str, same: set[tuple[str, str]]) -> Any:
        match value:
            case dict():
                return {
                    self._leaf(f"{path}{{", name, same): self._body(each, f"{path}.{name}", same)
                    for name, each in value.items()
                }
            case list():
                shown = [self._body(each, f"{path}[]", same) for each in value[:MOST_SHOWN]]
                more = len(value) - len(shown)
                return [*shown, f"and {more:,} more"] if more else shown
        return self._leaf(path, value, same)

    def _leaf(self, path: str, value: Any, same: set[tuple[str, str]]) -> Any:
        if isinstance(value, str) and DIGEST.fullmatch(value):
            return masked(value)
        if value in (None, "") or (path, _json(value)) in same:
            return self._shown(value)
        return MASK

    def _shown(self, value: Any) -> Any:
        """A value that is not personal by its column, without what looks personal or is secret."""
        match value:
            case str() if value in self._declared:
                return value
            case str():
                for secret in self._secrets:
                    value = value.replace(secret, MASK).replace(unquote(secret), MASK)
                return masked(value)
            case list():
                return [self._shown(each) for each in value]
            case dict():
                return {self._shown(name): self._shown(each) for name, each in value.items()}
            case int() if not isinstance(value, bool) and masked(str(value)) == MASK:
                return MASK
        return value


def _leaves(draft: Draft) -> Iterator[tuple[str, str]]:
    """Each value of a draft, as JSON, with its path; all elements of a list have one path."""

    def of(value: Any, path: str) -> Iterator[tuple[str, str]]:
        match value:
            case dict():
                for name, each in value.items():
                    yield f"{path}{{", _json(name)
                    yield from of(each, f"{path}.{name}")
            case list():
                for each in value:
                    yield from of(each, f"{path}[]")
            case _:
                yield path, _json(value)

    yield from (("", _json(word)) for word in PARTS.split(draft.what))
    yield from of(draft.body, "")


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
