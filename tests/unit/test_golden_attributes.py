"""Rules and labels read attributes of golden profiles that the project allows, and no other."""

from types import SimpleNamespace

import duckdb
import pytest
import yaml

from tideline.declarations.files import golden_attributes
from tideline.declarations.macros import Macros, Vars
from tideline.declarations.segments import PROJECT, read_segments, read_traits
from tideline.segments.check import attribute_types
from tideline.warehouse.errors import DeclarationError

TRAIT = {"name": "loans", "description": "Text.", "event": "loan", "aggregate": "count"}
SEGMENT = {"name": "reader", "description": "Text.", "label": "Of {plan}", "owner": "Desk"}
ALLOWED = {"golden": True, "personal": "content"}


@pytest.fixture
def project(tmp_path):
    """A project that allows the attribute `plan`, and has a rule for it."""
    (tmp_path / "models" / "segments" / "desk").mkdir(parents=True)
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "attribute_rules.csv").write_text("attribute,source\nplan,*\n")
    allow(tmp_path, plan=ALLOWED, email={"personal": "content"})
    return tmp_path


def allow(project, **metas):
    """Document columns of `profile_attributes` with these `meta`, and golden profiles."""
    columns = [
        {"name": name, "data_type": "varchar", "config": {"meta": meta}}
        for name, meta in metas.items()
    ]
    golden = [{"name": "email", "meta": {"personal": "identifier"}}]
    models = [
        {"name": "profile_attributes", "columns": columns},
        {"name": "golden_profiles", "columns": golden},
    ]
    (project / "models" / "all.yml").write_text(yaml.safe_dump({"models": models}))


def declare(project, **lists):
    (project / "models" / "segments" / "desk" / "one.yml").write_text(yaml.safe_dump(lists))


def test_only_what_is_marked_is_allowed(project):
    assert golden_attributes(project) == ["plan"]
    allow(project, plan={"golden": "true"}, country=ALLOWED)
    assert golden_attributes(project) == ["country"]


def test_an_identifier_is_refused(project):
    allow(project, email=ALLOWED)
    declare(project, traits=[TRAIT])
    with pytest.raises(DeclarationError) as error:
        read_traits(project)
    assert str(error.value) == (
        "models/all.yml: `email` identifies a person, so no rule or label may read it; remove "
        "`golden`"
    )


def test_a_trait_or_segment_has_another_name(project):
    for lists, read in (
        ({"traits": [TRAIT | {"name": "plan"}]}, read_traits),
        ({"segments": [SEGMENT | {"name": "plan", "when": "true", "priority": 1}]}, read_segments),
    ):
        declare(project, **lists)
        with pytest.raises(DeclarationError, match="has the name of another column"):
            read(project)


def test_an_attribute_without_a_rule_cannot_be_read(project):
    assert attribute_types(project, [])["plan"] == "varchar"
    (project / "seeds" / "attribute_rules.csv").write_text("attribute,source\ncountry,*\n")
    assert "plan" not in attribute_types(project, [])


def test_no_attribute_of_this_project_is_a_name_or_an_address():
    assert golden_attributes(PROJECT) == [
        *("country", "city", "company", "job_title", "language", "signup_method"),
    ]


def test_profile_attributes_have_what_is_allowed_and_declared():
    """The values are those of the golden profile; a profile without any is kept."""
    rules = [{"attribute": "country"}, {"attribute": "email"}]
    macros = Macros(
        declarations=lambda: SimpleNamespace(golden=lambda: ["country", "plan"]),
        ref=lambda name: rules if name == "attribute_rules" else name,
        var=Vars({"shop": False}),
        config=lambda **_: "",
    )
    with duckdb.connect() as con:
        con.execute(
            """
            create table dim_profiles as select
                unnest(['a', 'b']) as profile_id, unnest(['u', null]) as user_id,
                timestamp '2026-01-01' as first_seen_at, 3 as identifier_count,
                2 as anonymous_id_count;
            create table golden_profiles as select
                unnest(['a', 'b']) as profile_id, unnest(['NL', null]) as country, 'x@y' as email;
            create table profile_traits as select unnest(['a', 'b']) as profile_id, 1 as loans;
            create table profile_features as select
                unnest(['a', 'b']) as profile_id, true as is_for_serving, true as is_for_churn,
                true as is_for_bundle_purchase;
            create table profile_scores as select
                'a' as profile_id, 'churn' as model_name, 0.5 as score;
            create table profile_personas as select
                'a' as profile_id, 'p' as persona_id, 'P' as persona_name;
            """
        )
        found = con.sql(macros.model("segments/profile_attributes.sql")).order("profile_id")
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    assert [(row["profile_id"], row["country"], row["is_known"]) for row in rows] == [
        ("a", "NL", True),
        ("b", None, False),
    ]
    assert rows[0].keys().isdisjoint({"email", "plan"})
    assert (rows[0]["identifier_count"], rows[0]["anonymous_id_count"]) == (3, 2)
