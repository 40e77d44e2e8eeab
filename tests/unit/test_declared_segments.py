"""Traits and segments are read from YAML; errors name the place and the fix."""

import duckdb
import pytest
import yaml

import dbt_tideline
from tests.support.deployment import REPOSITORY
from tideline.declarations.rules import RuleError, check_condition, parse
from tideline.declarations.segments import (
    RESERVED,
    kinds_of,
    label_parts,
    read_segments,
    read_traits,
)
from tideline.warehouse.errors import DeclarationError

TRAIT = {"event": "purchase", "aggregate": "count"}
SEGMENT = {"rule": "loans >= 3", "label": "Reader of {topic}", "owner": "Desk", "priority": 1}


@pytest.fixture
def project(tmp_path):
    """A project whose declarations `write` puts into one file."""
    (tmp_path / "models").mkdir()
    return tmp_path


def write(project, model, kind, *blocks):
    """Blocks are (name of the column, keys of the declaration)."""
    columns = [
        {"name": name, "description": "Text.", "config": {"meta": {kind: keys}}}
        for name, keys in blocks
    ]
    features = {"name": "profile_features", "columns": [{"name": "recency"}]}
    document = {"models": [{"name": model, "columns": columns}, features]}
    (project / "models" / "one.yml").write_text(yaml.safe_dump(document, sort_keys=False))


def refused_trait(project, **changes):
    """The message that refuses a trait."""
    write(project, "profile_traits", "trait", ("loans", TRAIT | changes))
    with pytest.raises(DeclarationError) as error:
        read_traits(project)
    return str(error.value)


def refused_segment(project, name="reader", **changes):
    """The message that refuses a segment."""
    keys = {key: value for key, value in (SEGMENT | changes).items() if value is not None}
    write(project, "profile_segments", "segment", (name, keys))
    with pytest.raises(DeclarationError) as error:
        read_segments(project)
    return str(error.value)


def test_a_declaration_is_read_with_its_place(project):
    write(project, "profile_segments", "segment", ("reader", SEGMENT))
    (segment,) = read_segments(project)
    assert (segment.name, segment.description) == ("reader", "Text.")
    assert segment.place == 'Segment "reader" (models/one.yml)'
    assert segment.spec.rule == "loans >= 3" and not segment.is_of_shop


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"event": []}, "`event` is empty"),
        ({"aggregate": "mean"}, "key `aggregate` says `mean`"),
        ({"aggregate": "sum"}, "key `property` is missing, which `sum` needs"),
        ({"property": "amount"}, "`count` takes no `property`"),
        ({"window": "2 weeks"}, "write a number of minutes, hours or days"),
        ({"window": "7 days' or true --"}, "write a number of minutes, hours or days"),
        ({"filter": "exists (select 1)"}, "`filter`: `EXISTS(SELECT 1)` is not allowed"),
        ({"filter": "{category} = 'x'"}, "write names without them"),
        ({"sent_as": "a, (select 1) as b"}, "use lower-case letters"),
        ({"aggregate": "sum", "property": "a') as b, ('"}, "use letters, digits"),
        ({"windows": "7 days"}, 'unknown key "windows"; did you mean `window`?'),
        ({"event": "{{ var('x') }}"}, "`event` has Jinja in it"),
    ],
    ids=str,
)
def test_a_wrong_trait_is_refused(project, changes, words):
    message = refused_trait(project, **changes)
    assert words in message and 'Trait "loans" (models/one.yml)' in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rule": "read_text('x') = ''"}, "is not allowed in a rule"),
        ({"rule": None}, "key `rule` is missing"),
        ({"rule": True}, "expected text"),
        ({"label": "{{ env_var('HOME') }}"}, "`label` has Jinja in it"),
        ({"label": "Reader of {topic"}, "has a brace without its other one"),
        ({"label": "Reader of {a b}"}, "braces hold the name of a column"),
        ({"label": "Reader of {}"}, "braces hold the name of a column"),
        ({"label": "Reader of {topic || (select 1)}"}, "braces hold the name of a column"),
        ({"label": " "}, "`label` is empty"),
        ({"label": "a\ud800b"}, "`label` has a control character in it"),
        ({"owner": "De\x07sk"}, "`owner` has a control character in it"),
        ({"owner": 7}, "expected text"),
        ({"priority": "1"}, "expected a whole number"),
        ({"priority": True}, "expected a whole number"),
        ({"creative": ["a"]}, "expected text"),
        ({"name": "Reader"}, "use lower-case letters"),
        ({"name": "x) or (true"}, "use lower-case letters"),
        ({"name": "order"}, "is a word of SQL"),
        ({"name": "primary_segment"}, "has the name of another column"),
    ],
    ids=str,
)
def test_a_wrong_segment_is_refused(project, changes, words):
    assert words in refused_segment(project, **changes)


def test_a_block_that_is_not_a_mapping_is_refused(project):
    write(project, "profile_traits", "trait", ("loans", "count"))
    with pytest.raises(DeclarationError, match=r"`meta.trait` is not a block of keys and values"):
        read_traits(project)


def test_two_traits_with_one_name_are_refused(project):
    write(project, "profile_traits", "trait", ("loans", TRAIT), ("loans", TRAIT))
    with pytest.raises(DeclarationError, match="is declared twice; give one another name"):
        read_traits(project)


def test_a_misspelt_kind_loses_no_segment(project):
    write(project, "profile_segments", "segmant", ("reader", SEGMENT))
    with pytest.raises(DeclarationError, match='unknown key "segmant" of meta; did you mean'):
        read_segments(project)
    write(project, "profile_segments", "trait", ("loans", TRAIT))
    with pytest.raises(DeclarationError, match='unknown key "trait" of meta'):
        read_segments(project)


@pytest.mark.parametrize(
    "spelled", ['"profile_segments"', "'profile_segments'", " profile_segments"]
)
@pytest.mark.parametrize("name", ["one.yml", "two.yaml"])
def test_declarations_are_found_however_yaml_is_written(project, spelled, name):
    write(project, "profile_segments", "segment", ("reader", SEGMENT))
    text = (project / "models" / "one.yml").read_text()
    (project / "models" / "one.yml").unlink()
    (project / "models" / name).write_text(text.replace("profile_segments", spelled))
    (project / "models" / "bad.yml").write_bytes(b"profile_segments: \xff")
    assert [each.name for each in read_segments(project)] == ["reader"]


@pytest.mark.parametrize("name", ["recency", "persona_name", "as_of", "churn_score"])
def test_a_trait_does_not_take_the_name_of_another_column(project, name):
    write(project, "profile_traits", "trait", (name, TRAIT))
    with pytest.raises(DeclarationError, match="has the name of another column"):
        read_traits(project)


def test_every_name_that_is_allowed_can_be_a_column():
    with duckdb.connect() as con:
        words = [w for (w,) in con.execute("select keyword_name from duckdb_keywords()").fetchall()]
        for word in {*words} - RESERVED:
            con.execute(f"select {word} from (select 1 as {word}) where {word} > 0")


def test_a_label_is_cut_into_texts_and_columns():
    assert label_parts("New – {topic} of {year}") == [
        ("New – ", False),
        ("topic", True),
        (" of ", False),
        ("year", True),
    ]


def test_the_types_of_both_warehouses_are_kinds():
    types = {
        "number": [
            "BIGINT",
            "HUGEINT",
            "UINTEGER",
            "DECIMAL(18,3)",
            "DOUBLE",
            "NUMBER(38,0)",
            "FLOAT",
        ],
        "text": ["VARCHAR", "character varying(256)", "VARIANT", "JSON"],
        "boolean": ["BOOLEAN"],
        "timestamp": ["TIMESTAMP", "TIMESTAMP_NTZ(6)", "DATE", "TIMESTAMP WITH TIME ZONE"],
    }
    for kind, names in types.items():
        assert {*kinds_of(dict.fromkeys(names, "")).values()} == {"text"}
        assert {*kinds_of({name: name for name in names}).values()} == {kind}


def test_what_is_declared_in_this_project_is_read():
    traits, segments = read_traits(), read_segments()
    assert len(traits) > 5 and len(segments) > 5
    assert {each.place.partition("(")[2] for each in traits} == {
        "models/segments/profile_traits.yml)"
    }


def test_dbt_compiles_what_is_declared(monkeypatch):
    """The functions that dbt sees as `modules.tideline`."""
    monkeypatch.chdir(REPOSITORY)
    functions = dbt_tideline._modules()["tideline"]
    names = {each["name"] for each in functions["segments"](True)}
    assert "high_value_bundle" in names
    assert functions["segments"](False) == []
    assert functions["label_sql"]("x", "It's {topic}", None, "duckdb") == (
        "'It''s ' || coalesce(cast(topic as varchar), 'unknown')"
    )
    sql = functions["rule_sql"]("x", "Price > 3", {"Price": "number"}, "duckdb", {"Price": "(p)"})
    assert sql == "(p) > 3"
    assert functions["rule_sql"]("x", "anything > 3", None, "duckdb") == "anything > 3"
    for wrong in (
        lambda: functions["rule_sql"]("Segment x", "prize > 3", {"price": "number"}, "duckdb"),
        lambda: functions["label_sql"]("Segment x", "{prize}", {"price": "number"}, "duckdb"),
        lambda: functions["rule_sql"]("Segment x: {}", "prize > 3", {}, "duckdb"),
    ):
        with pytest.raises(
            Exception, match=r"Segment x: .*unknown column `prize`; (did you mean|there are: none)"
        ):
            wrong()


def test_the_text_of_a_rule_that_the_reader_takes_is_checked_against_types():
    with pytest.raises(RuleError, match="mixes kinds"):
        check_condition(parse("price = 'x'"), kinds_of({"price": "DOUBLE"}))
