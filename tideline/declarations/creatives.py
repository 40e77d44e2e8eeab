"""The typed block of a creative: what a message shows of products that a person looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tideline.declarations.checks import check_name, check_text
from tideline.declarations.files import columns_of, type_of
from tideline.declarations.formulas import all_kinds
from tideline.declarations.rules import NAME
from tideline.declarations.templates import template_parts
from tideline.text import nearest
from tideline.warehouse.errors import DeclarationError

if TYPE_CHECKING:
    from tideline.declarations.segments import Declared

CATALOG, KEY = "product_catalog", "product_id"
REFERENCE = re.compile(rf"{NAME.pattern}(\.{NAME.pattern})?")
HELD = "a trait, or a column of an item such as `left.name`"
ADDRESSES = ("image", "link")  # parts that are followed, not read
WEB = ("https://", "http://")
SHOP_IS_OFF = ". The var shop is false: the traits and creatives of the shop are off"


@dataclass(frozen=True, kw_only=True)
class FromTemplate:
    """The creative of a segment that is declared under a name of its own.

    - `template`: the name of the creative.
    """

    template: str


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The parts of a creative: texts in which names in braces are filled in per person.

    - `headline`: the headline, the column `creative` of the audiences.
    - `text`: the text below it, the column `creative_text`.
    - `image`: the address of an image, `creative_image`.
    - `link`: the address that a click opens, `creative_link`.
    - `price`: one number of the catalog, such as `{left.price}`, as a number, `creative_price`.
    - `currency`: the currency of the price, of the same item, `creative_currency`.
    """

    headline: str
    text: str | None = None
    image: str | None = None
    link: str | None = None
    price: str | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        """Check the values; names are checked with the traits and the catalog."""
        for part, template in given(self).items():
            if not template:
                raise ValueError(f"`{part}` is empty; write it, or remove it")
            parts_of(part, template)
        price = parts_of("price", self.price or "")
        if price and not (len(price) == 1 and price[0][1] and "." in price[0][0]):
            raise ValueError(
                f"`price` is `{self.price}`; write one column of an item, such as `{{left.price}}`"
            )
        priced = {name for name, _ in references("price", self.price or "")}
        for name, column in references("currency", self.currency or ""):
            if priced and column and name not in priced:
                raise ValueError(
                    f"`currency` is that of the item `{name}`, but `price` is `{self.price}`; name "
                    "the same item in both"
                )
        for part in ADDRESSES:
            for place, (text, is_name) in enumerate(parts_of(part, getattr(self, part) or "")):
                if is_name and "." not in text:
                    raise ValueError(
                        f"`{part}` has the trait `{text}` in it, which somebody may have sent; an "
                        "address has only columns of items"
                    )
                if place == 0 and not is_name:
                    check_address(part, text)


@dataclass(frozen=True, kw_only=True)
class Fallbacks:
    """What is shown of a part whose product, or a value of it, is missing; without it, nothing.

    - `headline`, `text`, `image`, `link`: the part as it is shown, without braces.
    """

    headline: str | None = None
    text: str | None = None
    image: str | None = None
    link: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for part, text in given(self).items():
            if not text:
                raise ValueError(f"the fallback of `{part}` is empty; write it, or remove it")
            if "{" in text or "}" in text:
                raise ValueError(
                    f"the fallback of `{part}` has a brace in it; write a text that is always known"
                )
            if part in ADDRESSES:
                check_address(part, text)


@dataclass(frozen=True, kw_only=True)
class Creative:
    """The keys of a creative, which segments name in `creative`.

    - `name`: the name by which segments name it.
    - `description`: what people see.
    - `owner`: the team that is responsible for it; without it, the owner of the file.
    - `fields`: the parts of the message.
    - `items`: the products: a name for each, and the trait that has the product's key in the
      catalog.
    - `fallbacks`: what is shown of a part whose product is missing.
    """

    name: str
    description: str
    owner: str
    fields: Fields
    items: dict[str, str] | None = None
    fallbacks: Fallbacks | None = None

    def __post_init__(self) -> None:
        """Check the values; traits and columns are checked with the other declarations."""
        check_name(self.name, "the name", is_column=False)
        for key in ("description", "owner"):
            check_text(self, key)
        items = self.items or {}
        for alias in items:
            check_name(alias, "`items`: the name", is_column=False)
        used = set()
        for part, template in given(self.fields).items():
            for alias, column in references(part, template):
                if column is None:
                    continue
                if alias not in items:
                    fix = nearest(alias, items) if items else "declare it in `items`"
                    raise ValueError(f"`{part}` has the unknown item `{alias}`; {fix}")
                used.add(alias)
        for alias in items:
            if alias not in used:
                raise ValueError(f"the item `{alias}` is in no part; remove it")
        shown = given(self.fields)
        for part in given(self.fallbacks) if self.fallbacks else ():
            if part not in shown:
                raise ValueError(f"`{part}` has a fallback, but is not in `fields`; add it there")
            if not references(part, shown[part]):
                raise ValueError(f"`{part}` is always known; remove its fallback")


def given(parts: Fields | Fallbacks) -> dict[str, str]:
    """The parts that are declared, by name."""
    return {part: text for part, text in asdict(parts).items() if text is not None}


@cache
def parts_of(part: str, template: str) -> list[tuple[str, bool]]:
    """The template of a part cut into texts and names: (text, False) or (name, True).

    Raises ValueError for braces that hold no name.
    """
    return template_parts(template, part, REFERENCE, HELD)


def references(part: str, template: str) -> list[tuple[str, str | None]]:
    """The names in a template: (item, column), or (trait, None)."""
    found = []
    for text, is_name in parts_of(part, template):
        if is_name:
            name, _, column = text.partition(".")
            found.append((name, column or None))
    return found


def check_address(part: str, text: str) -> None:
    """Raise ValueError if the beginning of an address is not that of the web."""
    if not text.startswith(WEB):
        raise ValueError(f"`{part}` begins with `{text}`; begin with https:// or a column")


def check_templates(
    segments: Sequence[Declared], creatives: Sequence[Declared], has_shop: bool
) -> None:
    """Raise DeclarationError for a segment that names no creative."""
    names = [each.name for each in creatives]
    for each in segments:
        name = template_of(each)
        if name is not None and name not in names:
            fix = nearest(name, names) if names else "declare it in `creatives`"
            raise DeclarationError(
                f"{each.place}: `creative` names no creative, but `{name}`; {fix}"
                f"{'' if has_shop else SHOP_IS_OFF}"
            )


def template_of(segment: Declared) -> str | None:
    """The name of the creative of a segment, if it is a declared one."""
    creative = segment.spec.creative
    return creative.template if isinstance(creative, FromTemplate) else None


def traits_of(creative: Declared) -> list[str]:
    """The traits that a creative reads, each once."""
    fields = given(creative.spec.fields).items()
    named = [pair for part, template in fields for pair in references(part, template)]
    plain = [name for name, column in named if column is None]
    return list(dict.fromkeys([*(creative.spec.items or {}).values(), *plain]))


def catalog_types(project: Path) -> dict[str, str]:
    """The documented columns of the catalog of products with their types, in lower case."""
    return {column["name"]: type_of(column).lower() for _, column in columns_of(CATALOG, project)}


def wrong_creatives(
    creatives: Sequence[Declared], traits: Sequence[Declared], types: Mapping[str, str]
) -> Iterator[str]:
    """What is wrong with the traits and columns that creatives name; `types` are those of the
    catalog. Raises DeclarationError for a wrong formula of a trait.
    """
    kinds = all_kinds(traits)
    texts = [name for name, kind in kinds.items() if kind == "text"]
    for each in creatives:
        for alias, trait in (each.spec.items or {}).items():
            what = f"{each.place}: `items`: `{alias}` names"
            if trait not in kinds:
                yield f"{what} no trait, but `{trait}`; {nearest(trait, texts)}"
            elif kinds[trait] != "text":
                yield (
                    f"{what} `{trait}`, which is a {kinds[trait]}; name a trait of type text, such "
                    f"as the last `{KEY}`"
                )
        for part, template in given(each.spec.fields).items():
            what = f"{each.place}: `{part}`"
            for name, column in references(part, template):
                if column is None and name not in kinds:
                    yield f"{what} has the unknown trait `{name}`; {nearest(name, kinds)}"
                if column is not None and column not in types:
                    fix = nearest(column, types) if types else f"describe `{CATALOG}` in its yml"
                    yield f"{what} has the unknown column `{column}` of `{CATALOG}`; {fix}"
                elif column is not None and part == "price" and not is_number(types[column]):
                    yield (
                        f"{what} is `{column}`, which is a {types[column]}; name a column that is "
                        "a number"
                    )


def is_number(kind: str) -> bool:
    """Whether a type of a column of the catalog is that of a number."""
    return is_whole(kind) or kind.startswith(("double", "float", "real", "decimal", "num"))


def is_whole(kind: str) -> bool:
    """Whether a type of a column of the catalog is that of a whole number."""
    return kind.lstrip("u").endswith(("int", "integer"))
