"""Segments that extend another one: its rule holds too, and it gives keys that are not stated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tideline.declarations.operations import Call
from tideline.declarations.rules import parse
from tideline.declarations.whole import check_life
from tideline.text import nearest, shown
from tideline.warehouse.errors import DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.segments import Segment


@dataclass(frozen=True)
class Item:
    """An item of a list of declarations, as read from YAML, with the owner of its file."""

    key: str  # of the list
    values: dict[Any, Any]
    is_of_shop: bool
    file: str
    place: str

    @property
    def name(self) -> str:
        """The name of a trait or segment."""
        return str(self.values["name"]).strip()


def specs_of(items: Sequence[Item], read: Callable[[Item], Any]) -> Iterator[tuple[Item, Any]]:
    """The items with their keys as `read` gives them, and with what a segment has from another one.

    Raises DeclarationError.
    """
    segments = {item.name: item for item in reversed(items) if item.key == "segments"}
    known: dict[str, Segment] = {}
    for item in items:
        yield item, _segment(item, segments, known, read) if item.key == "segments" else read(item)


def _segment(
    item: Item,
    segments: Mapping[str, Item],
    known: dict[str, Segment],
    read: Callable[[Item], Segment],
) -> Segment:
    """The keys of a segment, with those from the one that it extends; `known` has those of other
    places.
    """
    chain = {item.name: item}
    last = item
    while last.place not in known and (base := _base(last, segments)) is not None:
        if base.name in chain:
            circle = " → ".join([*[*chain][[*chain].index(base.name) :], base.name])
            raise DeclarationError(f"{last.place}: `extends` refers to itself: {circle}")
        chain[base.name] = last = base
    given = None
    for each in reversed(chain.values()):
        if each.place not in known:
            known[each.place] = read(each) if given is None else _extended(each, given, read)
        given = known[each.place]
    return known[item.place]


def _base(item: Item, segments: Mapping[str, Item]) -> Item | None:
    """The segment that one extends; none also if that is no name, which is refused later."""
    extends = item.values.get("extends")
    if not isinstance(extends, str):
        return None
    if (base := segments.get(extends.strip())) is None:
        raise DeclarationError(
            f"{item.place}: `extends` names no segment, but `{shown(extends)}`; "
            f"{nearest(extends, segments)}"
        )
    return base


def _extended(item: Item, given: Segment, read: Callable[[Item], Segment]) -> Segment:
    """The keys of a segment that extends the segment `given`."""
    creative = given.creative if isinstance(given.creative, str | None) else asdict(given.creative)
    inherited = {"owner": given.owner, "creative": creative, "tags": [*given.tags]}
    spec = read(replace(item, values=inherited | item.values))
    check_life(item.place, spec, given, "`extends` names the segment")
    try:
        return replace(spec, when=_joined(given.when, spec.when))
    except ValueError as error:
        said = f"{item.place}: with the segments that it extends, {error}"
        raise DeclarationError(said) from None


def _joined(*rules: str) -> str:
    """The rule that all of these rules hold."""
    return " and ".join(f"({rule})" if _is_choice(rule) else rule for rule in rules)


def _is_choice(rule: str) -> bool:
    tree = parse(rule)
    return isinstance(tree, Call) and tree.operation == "or"
