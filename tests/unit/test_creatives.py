"""A creative shows whole parts or their fallbacks; errors name the place and the fix."""

import copy
import csv
from types import SimpleNamespace

import duckdb
import pytest
import yaml

from examples.shop import catalog as shop
from tests.support.deployment import REPOSITORY
from tideline.declarations.catalog import catalog
from tideline.declarations.compiled import dicts_of
from tideline.declarations.creative_sql import PARTS, audience_creatives
from tideline.declarations.creatives import catalog_types, wrong_creatives
from tideline.declarations.files import vars_of
from tideline.declarations.macros import Macros, Vars
from tideline.declarations.segments import PROJECT, read_creatives, read_segments, read_traits
from tideline.segments.remarks import remarks_of_creatives
from tideline.warehouse.errors import DeclarationError

FEATURES = "models: [{name: profile_features, columns: [{name: recency}]}]"
OF_TRAIT = {"description": "Text.", "event": "loan"}
TRAITS = [
    OF_TRAIT | {"name": "lent", "aggregate": "last", "property": "book"},
    OF_TRAIT | {"name": "seen", "aggregate": "last", "property": "book"},
    OF_TRAIT | {"name": "topic", "aggregate": "last", "property": "topic"},
    OF_TRAIT | {"name": "loans", "aggregate": "count"},
]
CREATIVE = {
    "name": "next_book",
    "description": "Text.",
    "owner": "Desk",
    "items": {"left": "lent", "other": "seen"},
    "fields": {
        "headline": "It's {topic}: {left.name}",
        "text": "{left.name} and {other.name} for {other.price}",
        "link": "https://example.com/{left.product_id}",
        "price": "{other.price}",
    },
    "fallbacks": {"headline": "Read 'on'", "link": "https://example.com"},
}
SEGMENT = {"description": "Text.", "label": "Text", "when": "loans > 1", "owner": "Desk"}
READER = SEGMENT | {"name": "reader", "priority": 1, "creative": {"template": "next_book"}}
WRITER = SEGMENT | {"name": "writer", "priority": 2, "creative": "Write {on}"}


@pytest.fixture
def project(tmp_path):
    """A project with the catalog of products; `declared` writes its declarations."""
    (tmp_path / "models" / "segments" / "desk").mkdir(parents=True)
    (tmp_path / "models" / "features.yml").write_text(FEATURES)
    (tmp_path / "models" / "product_catalog.yml").symlink_to(
        REPOSITORY / "models" / "activation" / "product_catalog.yml"
    )
    return tmp_path


def declared(project, creative=None, reader=None, others=(), has_shop=True):
    """The segments, traits and creatives, after some keys of each are changed."""
    content = {
        "traits": TRAITS,
        "segments": [READER | (reader or {}), WRITER, *others],
        "creatives": [CREATIVE | (creative or {})],
    }
    path = project / "models" / "segments" / "desk" / "one.yml"
    path.write_text(yaml.safe_dump(copy.deepcopy(content), sort_keys=False))
    read = (read_segments, read_traits, read_creatives)
    return [each(project, has_shop) for each in read]


def fields(**changes):
    return {"fields": {"headline": "Read", **changes}, "fallbacks": None, "items": {"left": "lent"}}


WRONG = [
    ({"items": {"left": "lend", "other": "seen"}}, "`left` names no trait, but `lend`; did you"),
    ({"items": {"left": "loans", "other": "seen"}}, "names `loans`, which is a number; name a tr"),
    (fields(text="{left.title}"), "unknown column `title` of `product_catalog`; there are: "),
    (fields(text="{left.name} of {topics}"), "`text` has the unknown trait `topics`; did you mean"),
    (fields(text="{lift.name}"), "`text` has the unknown item `lift`; did you mean `left`?"),
    (fields(text="{left.name"), "`text` has a brace without its other one"),
    (fields(text="{left.name || (select 1)}"), "braces hold a trait, or a column of an item such"),
    (fields(text="{left.a.b}"), "braces hold a trait, or a column of an item such as"),
    (fields(text="Read on"), "the item `left` is in no part; remove it"),
    (fields(price="{left.name}"), "`price` is `name`, which is a varchar; name a column that is"),
    (fields(price="from {left.price}"), "write one column of an item, such as `{left.price}`"),
    (fields(price="{topic}"), "write one column of an item, such as `{left.price}`"),
    (fields(price="{left.price}", currency="{other.currency}"), "name the same item in both"),
    (fields(link="https://example.com/{topic}"), "`link` has the trait `topic` in it, which some"),
    (fields(image="javascript:{left.name}"), "`image` begins with `javascript:`; begin with http"),
    (fields(color="{left.name}"), 'unknown key "color"; there are: currency, headline, image, lin'),
    ({"fields": {"text": "{left.name}"}}, "key `headline` is missing"),
    ({"fallbacks": {"text": "For {topic}"}}, "the fallback of `text` has a brace in it"),
    ({"fallbacks": {"image": "https://example.com"}}, "`image` has a fallback, but is not in"),
    ({"fallbacks": {"link": "example.com"}}, "`link` begins with `example.com`; begin with https"),
    ({"fallbacks": {"price": "3"}}, 'unknown key "price"; there are: headline, image, link, text'),
    ({"name": "Next"}, "the name `Next` is invalid"),
    ({"name": "books"}, "`creative` names no creative, but `next_book`; did you mean `books`?"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=str)
def test_a_wrong_creative_is_refused_with_its_place(project, changes, words):
    with pytest.raises(DeclarationError) as error:
        _, traits, creatives = declared(project, changes)
        for problem in wrong_creatives(creatives, traits, catalog_types(project)):
            raise DeclarationError(problem)
    assert words in str(error.value)
    assert "models/segments/desk/one.yml:" in str(error.value)


def test_a_creative_that_no_segment_shows_is_named(project):
    segments, _, creatives = declared(project)
    assert [*remarks_of_creatives(creatives, segments)] == []
    segments, _, creatives = declared(project, reader={"lifecycle": "retired"})
    (remark,) = remarks_of_creatives(creatives, segments)
    assert remark.startswith('Creative "next_book" (models/segments/desk/one.yml:')
    assert remark.endswith(": no segment shows it: name it in `creative`, or remove it")


def test_a_segment_has_the_creative_of_the_one_that_it_extends_and_reads_its_traits(project):
    heir = SEGMENT | {"name": "heir", "priority": 3, "extends": "reader"}
    segments, traits, creatives = declared(project, others=[heir])
    assert segments[2].spec.creative == segments[0].spec.creative != segments[1].spec.creative
    entries = catalog(segments, traits, (), creatives)["traits"]
    assert {name: entries[name]["read_by"] for name in ("lent", "topic", "loans")} == {
        "lent": ["reader", "heir"],
        "topic": ["reader", "heir"],
        "loans": ["reader", "writer", "heir"],
    }


TABLES = """
create table profile_traits as select * from (values
    ('both', 'b1', 'b2', 'sea'), ('blank', 'b3', 'b2', 'sea'), ('gone', 'b9', 'b2', 'sea'),
    ('twice', 'b4', 'b2', 'sea'), ('unpriced', 'b1', 'b5', ' '), ('none', null, null, null)
) as t (profile_id, lent, seen, topic);
create table product_catalog as select * from (values
    ('b1', 'Dune', 9.5, 'HTTPS://x.io/1'), ('b2', 'Emma', 20, 'http://x.io/2'),
    ('b3', ' ', 3, 'javascript:alert(1)//https://x.io'), ('b4', 'Two', 1, null),
    ('b4', 'Rows', 2, null), ('b5', 'Dear', 'nan'::double, 'x.io')
) as t (product_id, name, price, link_url);
create table segments as select * from (values
    ('reader', 'Template'), ('writer', 'Write {on}')
) as t (segment_name, creative);
create table segment_memberships as
select profile_id, segment_name, 'l' as segment_label, now() as as_of
from profile_traits cross join segments;
create table dim_profiles as select profile_id, 'u' as user_id, 'e' as latest_email
from profile_traits;
create table profile_personas as select profile_id, 'p' as persona_name from profile_traits;
create table experiment_arms as
select profile_id, '' as experiment_name, false as is_held_out from profile_traits where false;
create table identity_map (
    profile_id varchar, id_value varchar, id_type varchar, identifier_id varchar, valid_to date
);
create table identifiers (identifier_id varchar, last_received_at date);
"""


def audiences(project, segments, creatives):
    """The rows of `activation_audiences` by segment and profile: the parts of the creative."""
    found = audience_creatives(creatives, segments, catalog_types(project), "duckdb")
    functions = SimpleNamespace(
        traits=lambda has_shop: dicts_of([]),
        experiments=lambda has_shop: [],
        audience_creatives=lambda has_shop, dialect: found,
    )
    macros = Macros(declarations=lambda: functions, ref=str, var=Vars(vars_of(PROJECT)))
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        rows = connection.execute(macros.model("activation/activation_audiences.sql"))
        names = [each[0] for each in rows.description]
        dicts = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    shown = {
        (row["segment_name"], row["profile_id"]): [
            row.get(name, "no column") for name, _ in PARTS.values()
        ]
        for row in dicts
    }
    assert len(shown) == len(dicts)  # a product with two rows gives nobody a second row
    return shown


def test_a_part_is_whole_or_its_fallback_and_only_for_members(project):
    segments, _, creatives = declared(project)
    shown, no = audiences(project, segments, creatives), "no column"
    fallback = "Read 'on'"
    home, at = "https://example.com", "https://example.com/{}".format
    assert {person: shown["reader", person] for _, person in shown} == {
        "both": ["It's sea: Dune", "Dune and Emma for 20.00", no, at("b1"), 20.0, no],
        "blank": [fallback, None, no, at("b3"), 20.0, no],
        "gone": [fallback, None, no, home, 20.0, no],
        "twice": [fallback, None, no, home, 20.0, no],
        "unpriced": [fallback, None, no, at("b1"), None, no],
        "none": [fallback, None, no, home, None, no],
    }
    writers = [parts for (segment, _), parts in shown.items() if segment == "writer"]
    assert writers == 6 * [["Write {on}", None, no, None, None, no]]

    # What the catalog has is followed only if it is an address of the web; lines stay as they are.
    segments, _, creatives = declared(
        project, fields(text="{left.name}\nand\n'on'", link="{left.link_url}")
    )
    shown = audiences(project, segments, creatives)
    assert {person: shown["reader", person][1:4:2] for _, person in shown} == {
        "both": ["Dune\nand\n'on'", "HTTPS://x.io/1"],
        "unpriced": ["Dune\nand\n'on'", "HTTPS://x.io/1"],
        **{person: [None, None] for person in ("blank", "gone", "twice", "none")},
    }

    # A sync that names its columns still removes whoever leaves with the end of a segment.
    segments, _, creatives = declared(project, reader={"lifecycle": "retired"})
    found = audience_creatives(creatives, segments, catalog_types(project), "duckdb")
    assert [each["part"] for each in found["columns"]] == ["headline", "text", "link", "price"]

    # While only a draft shows it, the table is as if it were not declared.
    segments, _, creatives = declared(project, reader={"lifecycle": "draft"})
    shown = audiences(project, segments, creatives)
    assert shown["reader", "both"] == ["Template", *5 * [no]]
    assert audience_creatives(creatives, segments, {}, "snowflake") == {"joins": [], "columns": []}


def test_the_catalog_of_the_sample_has_the_products_of_the_shop():
    with (REPOSITORY / "seeds" / "sample_products.csv").open() as file:
        rows = [*csv.DictReader(file)]
    urls = [page.url for page in shop.pages()[shop.PRODUCT_PAGES :]]
    known = [shop.product(index) for index in range(shop.PRODUCT_COUNT)]
    assert [
        (row["product_id"], row["name"], row["category"], float(row["price"])) for row in rows
    ] == [(each["product_id"], each["name"], each["category"], each["price"]) for each in known]
    assert [row["link_url"] for row in rows] == urls
