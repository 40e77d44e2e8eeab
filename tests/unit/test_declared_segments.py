"""Traits and segments are read from YAML; errors name the place and the fix."""

import copy
import re
import shutil
import textwrap
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
import yaml

import dbt_tideline
from tests.support.deployment import REPOSITORY
from tideline.declarations.checks import RESERVED
from tideline.declarations.formulas import formulas_of
from tideline.declarations.rules import RuleError, check_condition, parse, value_of
from tideline.declarations.segments import (
    kinds_of,
    read_segments,
    read_traits,
)
from tideline.declarations.templates import label_parts
from tideline.landing.plan_check import SEEDS
from tideline.segments.check import check
from tideline.warehouse.errors import DeclarationError

TRAIT = {"description": "Text.", "event": "purchase", "aggregate": "count"}
SEGMENT = {
    "description": "Text.",
    "label": "Reader of {topic}",
    "when": "loans >= 3",
    "owner": "Desk",
    "priority": 1,
}
EXAMPLE = {"name": "one", "is_in": True}
FEATURES = "models: [{name: profile_features, columns: [{name: recency}]}]"


@pytest.fixture
def project(tmp_path):
    """A project with one feature, whose declarations `write` puts into files."""
    (tmp_path / "models" / "segments" / "desk").mkdir(parents=True)
    (tmp_path / "models" / "features.yml").write_text(FEATURES)
    return tmp_path


def write(project, content, name="desk/one.yml"):
    """Write a file of `models/segments`; its content is text, bytes or a document."""
    path = project / "models" / "segments" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str | bytes):
        content = yaml.safe_dump(content, sort_keys=False)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def segments(*names, **changes):
    """A document with segments of these names, whose priorities are their places."""
    return {
        "segments": [
            {"name": name} | SEGMENT | {"priority": place} | copy.deepcopy(changes)
            for place, name in enumerate(names, start=1)
        ]
    }


def refused(project, read=read_segments, **words):
    """The message that refuses the declarations."""
    with pytest.raises(DeclarationError) as error:
        read(project, **words)
    return str(error.value)


def refused_trait(project, **changes):
    """The message that refuses a trait."""
    write(project, {"traits": [{"name": "loans"} | TRAIT | changes]})
    return refused(project, read_traits)


def refused_segment(project, **changes):
    """The message that refuses a segment."""
    keys = {"name": "reader"} | SEGMENT | changes
    write(project, {"segments": [{key: keys[key] for key in keys if keys[key] is not None}]})
    return refused(project)


def test_a_declaration_is_read_with_its_place(project):
    changes = {"creative": "Read on ", "tags": ["Winter", "sale"]}
    write(project, segments("reader", "writer", **changes))
    reader, writer = read_segments(project)
    assert reader.name == "reader" and not reader.is_of_shop
    assert reader.file == "models/segments/desk/one.yml"
    assert reader.place == 'Segment "reader" (models/segments/desk/one.yml:2)'
    assert writer.place == 'Segment "writer" (models/segments/desk/one.yml:12)'
    spec = reader.spec
    assert (spec.description, spec.when, spec.creative) == ("Text.", "loans >= 3", "Read on")
    assert (spec.tags, spec.lifecycle) == (("winter", "sale"), "live")


def test_a_file_gives_its_owner_and_its_shop_to_its_segments(project):
    own = segments("reader")["segments"][0] | {"owner": "Press"}
    other = {key: value for key, value in own.items() if key != "owner"} | {"name": "writer"}
    write(project, {"owner": "Desk", "shop": True, "segments": [own, other]})
    assert [each.spec.owner for each in read_segments(project)] == ["Press", "Desk"]
    assert all(each.is_of_shop for each in read_segments(project))
    assert read_segments(project, has_shop=False) == []


def test_files_are_read_by_path_at_any_depth_and_with_both_suffixes(project):
    write(project, segments("third", owner="Press"), "press/a.yml")
    write(project, segments("second", owner="News"), "desk/news/today/a.yaml")
    write(project, segments("first"), "desk/A.YML")
    write(project, b"not yaml: [", "desk/readme.txt")
    assert [each.name for each in read_segments(project)] == ["first", "second", "third"]


WRONG_TRAITS = [
    ({"event": []}, "key `event` is missing"),
    ({"description": " "}, "`description` is empty"),
    ({"aggregate": "mean"}, "key `aggregate` says `mean`"),
    ({"aggregate": "sum"}, "key `property` is missing, which `sum` needs"),
    ({"property": "amount"}, "`count` takes no `property`"),
    ({"within": "2 weeks"}, "write a number of minutes, hours or days"),
    ({"within": "7 days' or true --"}, "write a number of minutes, hours or days"),
    ({"where": "exists (select 1)"}, "`where`: `EXISTS(SELECT 1)` is not allowed"),
    ({"where": "{category} = 'x'"}, "write names without them"),
    ({"sent_as": "a, (select 1) as b"}, "use lower-case letters"),
    ({"aggregate": "sum", "property": "a') as b, ('"}, "use letters, digits"),
    ({"withing": "7 days"}, 'unknown key "withing"; did you mean `within`?'),
    ({"event": "{{ var('x') }}"}, "`event` has Jinja in it"),
    ({"event": ["login", "*"]}, 'names "*", which is all events, and others'),
    ({"before": "a week"}, "`before` is `a week`; write a number of minutes, hours or days"),
    ({"aggregate": "streak", "before": "7 days"}, "`streak` takes no `before`"),
    ({"aggregate": "exists", "property": "amount"}, "`exists` takes no `property`"),
    ({"formula": "1 + 1"}, "`formula` takes no `event`; remove one of the two"),
    ({"aggregate": "listed"}, "key `aggregate` is given without `list`; write `aggregate: listed`"),
    ({"list": "staff"}, "key `list` is given without `aggregate`; write `aggregate: listed`"),
    ({"aggregate": "listed", "list": "staff"}, "`list` takes no `event`; remove one of the two"),
    (
        {"aggregate": "listed", "list": "x' or '", "event": []},
        "`list` `x' or '` is invalid; use lo",
    ),
    ({"until": "purchase"}, "`purchase` is in `event` and in `until`, so it would never count"),
    ({"until": "*"}, '`until` names "*"; name the events'),
    ({"until": "{{ var('x') }}"}, "`until` has Jinja in it"),
    ({"after": "login"}, "key `after`: expected keys such as `event`, got 'login'"),
    ({"after": [{"within": "2 hours"}]}, "key `after`: key `event` is missing"),
    ({"after": [{"event": "login", "before": "1 days"}]}, 'key `after`: unknown key "before"'),
    ({"after": [{"event": "login", "within": "soon"}]}, "`within` is `soon`; write a number of"),
    ({"after": [{"event": "login", "where": "(select 1)"}]}, "`where`: `(SELECT 1)` is not allo"),
    ({"after": [{"event": "login", "where": "{{ x }} = 1"}]}, "`after` has Jinja in it"),
    ({"after": [{"event": "login", "without": "*"}]}, '`without` names "*"; name the events'),
    ({"after": [{"event": "login"} for _ in range(6)]}, "`after` has 6 events; at most 5"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG_TRAITS, ids=str)
def test_a_wrong_trait_is_refused(project, changes, words):
    message = refused_trait(project, **changes)
    assert words in message and 'Trait "loans" (models/segments/desk/one.yml:2)' in message


def of_event(**keys):
    """An example with one event."""
    return EXAMPLE | {"events": [{"event": "login", "ago": "1 hour"} | keys]}


WRONG_SEGMENTS = [
    ({"when": "read_text('x') = ''"}, "is not allowed in a rule"),
    ({"when": None}, "key `when` is missing"),
    ({"when": True}, "expected text"),
    ({"rule": "loans > 3"}, 'unknown key "rule"'),
    ({"description": None}, "key `description` is missing"),
    ({"label": "{{ env_var('HOME') }}"}, "`label` has Jinja in it"),
    ({"label": "Reader of {topic"}, "has a brace without its other one"),
    ({"label": "Reader of {a b}"}, "braces hold the name of a column"),
    ({"label": "Reader of {}"}, "braces hold the name of a column"),
    ({"label": "Reader of {topic || (select 1)}"}, "braces hold the name of a column"),
    ({"label": " "}, "`label` is empty"),
    ({"label": "a\ud800b"}, "`label` has a control character in it"),
    ({"owner": "De\x07sk"}, "`owner` has a control character in it"),
    ({"owner": 7}, "expected text"),
    ({"owner": None}, "key `owner` is missing"),
    ({"priority": "1"}, "expected a whole number"),
    ({"priority": True}, "expected a whole number"),
    ({"creative": ["a"]}, "expected text"),
    ({"tags": ["a,b"]}, "`tags`: `a,b` has a comma"),
    ({"tags": [7]}, "expected a list of names"),
    ({"expected": 5}, "key `expected`: expected keys such as `least`, got 5"),
    ({"expected": {"least": "5"}}, "key `least`: expected a whole number"),
    ({"expected": {"least": 5, "most": 4}}, "write `least` and `most` as whole numbers from 0"),
    ({"expected": {"change": 0}}, "`change` is 0.0; write a share above 0"),
    ({"expected": {"otherwise": "fail"}}, "key `otherwise` says `fail`; there are: stop, warn"),
    ({"lifecycle": "paused"}, "key `lifecycle` says `paused`; there are: draft, live, retired"),
    ({"when": "not reader"}, "`when` refers to itself: reader → reader"),
    ({"extends": "reader"}, "`extends` refers to itself: reader → reader"),
    ({"extends": "readers"}, "`extends` names no segment, but `readers`; did you mean `reader`?"),
    ({"extends": 7}, "key `extends`: expected text"),
    ({"exclusive": "Desk"}, "`exclusive` `Desk` is invalid; use lower-case letters"),
    ({"exclusive": ["desk"]}, "key `exclusive`: expected text"),
    ({"examples": "none"}, "key `examples`: expected keys such as `name`, got 'none'"),
    ({"examples": [{"name": "one"}]}, 'key `examples` "one": key `is_in` is missing'),
    ({"examples": [{"is_in": True}]}, "key `examples`: key `name` is missing"),
    ({"examples": [EXAMPLE | {"name": " "}]}, "`name` is empty"),
    ({"examples": [EXAMPLE | {"is_in": "yes"}]}, "key `is_in`: expected true or false, got 'yes'"),
    ({"examples": [EXAMPLE | {"when": "x"}]}, '"one": unknown key "when"'),
    (
        {"examples": [{**EXAMPLE}, {**EXAMPLE}]},
        "two `examples` have the name `one`; give one another",
    ),
    ({"examples": [EXAMPLE | {"at": "noon"}]}, "`at` is `noon`; write a time from 1970 to 2200"),
    ({"examples": [EXAMPLE | {"at": "2026-02-30"}]}, "`at` is `2026-02-30`; write a time"),
    (
        {"examples": [EXAMPLE | {"at": datetime(2026, 1, 31)}]},
        "expected text, got a date; write '2026-01-31 00:00:00' in quotes",
    ),
    ({"examples": [EXAMPLE | {"is_in": False, "label": "x"}]}, "`label` is that of a member"),
    ({"examples": [EXAMPLE | {"given": [1]}]}, "key `given`: expected keys and values, got [1]"),
    ({"examples": [of_event(ago="2 weeks")]}, "`ago` is `2 weeks`; write seconds, minutes, hours"),
    ({"examples": [of_event(ago="999999 days")]}, "`ago` is `999999 days`; at most 36,500 days"),
    ({"examples": [of_event(time="9:00")]}, 'key `events`: unknown key "time"'),
    ({"examples": [of_event(properties="x")]}, "expected keys and values, got 'x'"),
    ({"examples": [of_event(platform="{{ x }}")]}, "`examples` has Jinja in it"),
    ({"name": None}, "models/segments/desk/one.yml:2: segment without a `name`"),
    ({"name": "Reader"}, "use lower-case letters"),
    ({"name": "x) or (true"}, "use lower-case letters"),
    (
        {"name": "x\x07y"},
        r'Segment "x\x07y" (models/segments/desk/one.yml:2): `name` has a cont',
    ),
    ({"name": "order"}, "is a word of SQL"),
    ({"name": "primary_segment"}, "has the name of another column"),
    ({"frozen_at": "soon"}, "`frozen_at`: expected a date or a time in UTC such as 2026-10-01"),
    ({"frozen_at": "2026-01-01", "exclusive": "tier"}, "`frozen_at` takes no `exclusive`: others"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG_SEGMENTS, ids=str)
def test_a_wrong_segment_is_refused(project, changes, words):
    assert words in refused_segment(project, **changes)


def table_of_refusals(project):
    """The table of the page: what was declared, and the message without its place."""
    rows = []
    for wrong, refusal in ((WRONG_TRAITS, refused_trait), (WRONG_SEGMENTS, refused_segment)):
        for changes, _ in wrong:
            message = refusal(project, **changes).split("one.yml:2)")[-1]
            told = re.sub(r"^.*one\.yml:2: ", "", message).removeprefix(":").strip()
            shown = yaml.safe_dump(changes, default_flow_style=True, width=1000).strip()[1:-1]
            rows.append("| ``{}`` | {} |".format(*(c.replace("|", r"\|") for c in (shown, told))))
    return "\n".join(["| declared | message |", "| --- | --- |", *rows])


def test_the_page_shows_each_refused_declaration_with_its_message(project):
    text = (REPOSITORY / "docs" / "reference" / "segments.md").read_text()
    table = table_of_refusals(project)
    assert table in text, "put table_of_refusals() into the page"


@pytest.mark.parametrize(
    ("line", "number", "fix"),
    [
        ("\tlabel: x", 3, "a tab is where YAML takes spaces; use spaces"),
        ("    when: x\n\t  and y", 4, "a tab is where YAML takes spaces; use spaces"),
        ("    label: New: high", 3, "the text of `label` has a colon with a blank after it; put"),
        ("    label: fan of {topic}: x", 3, "the text of `label` has a colon with a blank after"),
        ("  - name: New: high", 3, "the text of `name` has a colon with a blank after it; put"),
        ("    label: {topic} fan", 3, "the text of `label` begins with a brace; put the text in"),
        ("    label: [x] fan", 3, "the text of `label` begins with a bracket; put the text in"),
        ("    label: {topic fan\n    when: x", 4,
            "expected ',' or '}', but got ':'; `label` begins with a brace: put the text in"),
        ("    tags: [a, b\n    when: x", 4,
            "expected ',' or ']', but got ':'; `tags` begins with a bracket: put the text in"),
        ("    when: {x} > 1", 3, "the text of `when` begins with a brace; put the text in quotes"),
        ("    label: 'x\n    when: y", 5, "a quote on line 3 is not closed; close it"),
        ("    when: 'x' = topic", 3, "the text of `when` goes on after its quotes; put all of it"),
        ("    when: %x", 3, "found character '%' that cannot start any token; put the text in"),
        ("    when:x\n    label: y", 4, "`when:` has no blank after the colon; write `when: `"),
        ("  - name:a\n    label: y", 4, "`name:` has no blank after the colon; write `name: `"),
        ("   label: x", 3, "expected <block end>, but found '<block mapping start>'"),
        ("    label: *", 3, "expected alphabetic or numeric character"),
    ],
)  # fmt: skip
def test_a_common_mistake_in_yaml_is_explained(project, line, number, fix):
    write(project, f"segments:\n  - name: reader\n{line}\n")
    place = f"models/segments/desk/one.yml, line {number}: is not valid YAML: "
    assert refused(project, read_segments).startswith(f"{place}{fix}")


def test_a_text_in_braces_alone_is_explained(project):
    write(project, "segments:\n  - name: reader\n    label: {topic}\n    description: x\n"
          "    when: loans > 1\n    owner: a\n    priority: 1\n")  # fmt: skip
    assert refused(project, read_segments).endswith(
        "key `label`: expected text, got {'topic': None}; put a text that begins with a brace in "
        "quotes"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "one.yml is empty; write `traits:` or `segments:`, or delete it"),
        ("# segments:", "one.yml is empty"),
        ("- name: reader", "one.yml is not a block of keys and values"),
        ("reader", "one.yml is not a block of keys and values"),
        ("owner: Desk", "one.yml has neither `traits`, `segments`, `creatives` nor `experiments`"),
        ("segmants: []", 'one.yml: unknown key "segmants"; did you mean `segments`?'),
        ("models: []", 'one.yml: unknown key "models"; there are: creatives, experiments'),
        ("segments:", "one.yml: `segments` is not a list"),
        ("segments: {name: a}", "one.yml: `segments` is not a list"),
        ("segments:\n- reader", "one.yml:2: segment without a `name`"),
        ("segments:\n- name: [a]", "one.yml:2: segment without a `name`"),
        ("shop: 1\nsegments: []", "one.yml: `shop` is not true or false"),
        ("owner:\nsegments: []", "one.yml: `owner` is not the name of a team"),
        ("owner: [a]\nsegments: []", "one.yml: `owner` is not the name of a team"),
        ("owner: '{{ a }}'\nsegments: []", "one.yml: `owner` has Jinja in it"),
        ("traits: []\nsegments: [", "one.yml, line 2: is not valid YAML"),
        ("segments: []\n---\ntraits: []", "one.yml, line 2: is not valid YAML"),
        ("segments: []\n? [a]\n: 1", "one.yml, line 2: is not valid YAML"),
        ("segments: [{priority: 2026-13-45}]", "one.yml: is not valid YAML"),
        ("traits: []\nowner: a\x07", "one.yml: is not valid YAML"),
        ("segments: []\nsegments: []", "line 2: the key `segments` occurs twice; remove one"),
        ("segments:\n- name: a\n  name: b", "line 3: the key `name` occurs twice; remove one"),
        (b"segments: []\nowner: M\xfcller", "one.yml, line 2: is not UTF-8; save it as UTF-8"),
        ("a: &a [x]\nsegments: *a", "line 2: `*a` is an alias; write the values themselves"),
        ("owner: a\n<<: {segments: [a]}", "line 2: `<<` is not allowed; write the values"),
        ("segments: " + "[" * 100_000, "has too many blocks within each other"),
        ("#" * 500_001, "is larger than 500,000 bytes; split it"),
    ],
    ids=lambda value: ascii(value[:40]),
)
def test_a_file_that_cannot_be_read_is_refused(project, content, words):
    """dbt does not read these files, so that nothing else would report it."""
    write(project, content)
    for read in (read_traits, read_segments):
        message = refused(project, read)
        assert words in message and message.startswith("models/segments/desk/one.yml")


def test_a_file_that_is_missing_or_marked_as_utf_8_is_no_surprise(project):
    write(project, b"\xef\xbb\xbfsegments: []")
    assert read_segments(project) == []
    (project / "models" / "segments" / "desk" / "two.yml").symlink_to("nowhere.yml")
    assert refused(project) == (
        "models/segments/desk/two.yml cannot be read: No such file or directory"
    )


def test_a_name_is_declared_once_and_both_places_are_named(project):
    write(project, {"traits": [{"name": "loans"} | TRAIT]})
    write(project, {"traits": [{"name": "loans"} | TRAIT]}, "press/two.yml")
    assert refused(project, read_traits) == (
        'Trait "loans" (models/segments/press/two.yml:2) has the name of Trait "loans" '
        "(models/segments/desk/one.yml:2); give one another name"
    )


def test_a_priority_is_compared_within_an_owner(project):
    write(project, segments("reader", "writer"))
    write(project, segments("printer", owner="Press"), "press/two.yml")
    assert len(read_segments(project)) == 3
    write(project, segments("caller", owner="desk "), "press/two.yml")
    assert refused(project) == (
        'Segment "caller" (models/segments/press/two.yml:2) has the priority 1 of Segment "reader" '
        "(models/segments/desk/one.yml:2); give each segment of the owner desk its own"
    )


def test_a_priority_is_free_again_after_retirement_and_without_the_shop(project):
    write(project, segments("reader"))
    write(project, segments("former", lifecycle="retired"), "desk/two.yml")
    assert len(read_segments(project)) == 2
    write(project, segments("next", lifecycle="draft"), "desk/two.yml")
    assert "has the priority 1" in refused(project)
    write(project, {"shop": True, **segments("buyer")}, "desk/two.yml")
    assert "has the priority 1" in refused(project)
    assert [each.name for each in read_segments(project, has_shop=False)] == ["reader"]


@pytest.mark.parametrize("kind", ["trait", "segment"])
@pytest.mark.parametrize("spelled", ['"profile_{}s"', "'profile_{}s'", " profile_{}s"])
@pytest.mark.parametrize("name", ["one.yml", "two.yaml"])
def test_a_declaration_in_its_former_place_is_refused(project, kind, spelled, name):
    meta = {"config": {"meta": {kind: {"priority": 1}}}}
    document = {"models": [{"name": f"profile_{kind}s", "columns": [{"name": "loans"} | meta]}]}
    text = yaml.safe_dump(document).replace(f"profile_{kind}s", spelled.format(kind))
    write(project, text, f"../{name}")
    message = refused(project)
    assert message == refused(project, read_traits)
    assert message == (
        f'{kind.capitalize()} "loans" (models/{name}) is no longer read in a file of dbt; move '
        "it to a file in a subfolder of models/segments (docs/how-to/upgrade-a-warehouse.md)"
    )


@pytest.mark.parametrize("key", ["traits", "segments", "experiments"])
def test_declarations_outside_of_the_subfolders_are_refused(project, key):
    """dbt reads these files, and only warns of keys that it does not know."""
    write(project, {key: []}, "mine.yml")
    assert refused(project) == (
        f"models/segments/mine.yml: `{key}` is only read in a subfolder of models/segments, such "
        "as one per owner; move the file"
    )


def test_a_duplicate_key_in_a_file_of_dbt_is_refused(project):
    (project / "models" / "features.yml").write_text(f"{FEATURES}\n{FEATURES}")
    assert refused(project) == (
        "models/features.yml, line 2: the key `models` occurs twice; remove one"
    )


@pytest.mark.parametrize("name", ["recency", "persona_name", "as_of", "churn_score", "event_id"])
def test_a_trait_does_not_take_the_name_of_another_column(project, name):
    assert "has the name of another column" in refused_trait(project, name=name)


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
    assert {Path(each.file).parts[2] for each in traits} == {"support", "traits"}
    for each in segments:
        assert Path(each.file).parts[2] == each.spec.owner.lower()


PAGES = ("README.md", "docs/how-to/add-a-segment.md", "docs/tutorials/make-it-yours.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_the_pages_are_read(project, page):
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", (REPOSITORY / page).read_text(), re.M | re.S)
    texts = [textwrap.dedent(block) for _, block in blocks]
    declared = [text for text in texts if re.search("^(traits|segments):", text, re.M)]
    for number, text in enumerate(declared):
        write(project, text, f"desk/{number}.yml")
    found = [*read_traits(project), *read_segments(project)]
    assert len(declared) >= 1 and len(found) == sum(text.count("- name:") for text in declared)


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


def formulas(project, **texts):
    """Write a trait `loans` and traits with these formulas."""
    traits = [{"name": "loans"} | TRAIT]
    traits += [
        {"name": name, "description": "Text.", "formula": text} for name, text in texts.items()
    ]
    write(project, {"traits": traits})


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"a": "loan + 1"}, "`formula` references unknown trait `loan`; did you mean `loans`?"),
        ({"a": "a + 1"}, "`formula` refers to itself: a → a"),
        ({"a": "b + 1", "b": "c", "c": "loans + b"}, "`formula` refers to itself: b → c → b"),
        ({"a": "loans = 'x'"}, "`formula`: `loans = 'x'` mixes kinds"),
        ({"a": "null"}, "`formula` is always null"),
        ({"a": "interval '1 day'"}, "`formula`: `INTERVAL '1' DAY` is not allowed"),
        ({"a": "(select 1)"}, "`formula`: "),
        ({"a": "{{ var('x') }}"}, "`formula` has Jinja in it"),
        ({"a": "read_text('x')"}, "is not allowed in a rule"),
    ],
    ids=str,
)
def test_a_wrong_formula_is_refused(project, texts, words):
    formulas(project, **texts)
    message = refused(project, read_traits)
    assert words in message and "(models/segments/desk/one.yml:" in message


def test_formulas_are_computed_from_aggregates_of_events(project):
    formulas(project, b="a * 2", a="loans + 1", c="coalesce(b / a, loans)")
    trees = formulas_of(read_traits(project))
    row = {"loans": 4}
    assert {name: value_of(tree, row) for name, tree in trees.items()} == {"b": 10, "a": 5, "c": 2}


def test_a_small_file_does_not_hang_the_reader(project):
    parts = {f"k{n}": f"coalesce({', '.join([f'k{n - 1}'] * 300)})" for n in range(1, 9)}
    for order in ({"k0": "1 + 1"} | parts, dict(reversed(parts.items())) | {"k0": "1 + 1"}):
        formulas(project, **order)
        assert "`formula` is too large" in refused(project, read_traits)


@pytest.mark.parametrize("priority", [0, -4, 10**30])
def test_a_priority_is_a_place(project, priority):
    assert "write 1 to 1,000,000" in refused_segment(project, priority=priority)


def test_tags_are_compared_in_lower_case(project):
    assert "names one twice" in refused_segment(project, tags=["a", "A"])


@pytest.mark.parametrize(
    "place", ["models/segment/a.yml", "models/a.yml", "models/segments/a.yaml"]
)
@pytest.mark.parametrize("key", ["segments", "traits", "experiments"])
def test_a_file_in_another_folder_is_not_ignored(project, place, key):
    path = project / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"owner: Desk\n{key}:\n  - name: x\n")
    assert f"{place}: `{key}` is only read in a subfolder" in refused(project)


def test_a_linked_folder_is_not_ignored(project):
    write(project, segments("reader"))
    (project / "models/segments/team").symlink_to(project / "models/segments/desk")
    assert "models/segments/team is a link to a folder" in refused(project)


@pytest.mark.parametrize("formula", ["f{0} + f{0}", "f{0} + 1"])
def test_formulas_of_formulas_are_refused_before_they_grow(project, formula):
    """Each level doubles the expression, or nests it; in both orders of the file."""
    texts = {f"f{n}": formula.format(n - 1) if n else "loans + 0" for n in range(2000)}
    for order in (texts, dict(reversed(texts.items()))):
        formulas(project, **order)
        assert "`formula` is too large with the formulas in it" in refused(project, read_traits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": "loanz >= 3"}, "`when`: unknown column `loanz`; did you mean `loans`?"),
        ({"when": "share = 'x'"}, "mixes kinds"),
        ({"when": "recency"}, "is a number, not a condition"),
        ({"label": "Of {topics}"}, "`label`: unknown column `topics`; did you mean `topic`?"),
        ({"trait": {"event": "purchasing"}}, 'the most similar is "purchase"'),
        ({"trait": {"aggregate": "sum", "property": "orderid"}}, 'unknown property "orderid"'),
        (
            {"trait": {"aggregate": "sum", "property": "order_id"}},
            "`sum` needs a number, but the tracking plan has `order_id` as text",
        ),
        ({"trait": {"where": "order_id > 3"}}, "`order_id` is a text"),
    ],
    ids=str,
)
def test_declarations_are_checked_without_a_warehouse(project, change, message):
    trait = {"name": "loans"} | TRAIT
    others = [
        {"name": "topic", **TRAIT, "aggregate": "last", "property": "order_id"},
        {"name": "share", "description": "Text.", "formula": "loans / 2"},
    ]
    reader = {"name": "reader"} | SEGMENT | {"when": "loans >= 3 and share > 1 and recency < 9"}

    def checked(added=""):
        write(project, {"traits": [trait, *others], "segments": [reader]})
        columns = [{"name": "recency", "data_type": "{{ 'a' if x else 'bigint' }}"}]
        (project / "models" / "own.yml").write_text(
            yaml.safe_dump({"models": [{"name": "profile_attributes", "columns": columns}]})
        )
        seeds = project / "seeds"
        shutil.copytree(SEEDS, seeds, dirs_exist_ok=True)
        with (seeds / "tracking_plan.csv").open("a") as file:
            file.write(added)
        return check(project, read_segments(project), read_traits(project))

    assert checked() == []
    trait |= change.pop("trait", {})
    reader |= change
    (error,) = checked()
    assert message in error
    with pytest.raises(DeclarationError, match=r"the tracking plan has a problem: .*csv:\d+"):
        checked("purchase,order_id\n")
