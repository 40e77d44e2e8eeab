"""The page of `tideline summary`, from small tables."""

import duckdb
import pytest

from tideline.summary import as_of, events, persona_sizes, quarantined, refused_evidence, waiting
from tideline.warehouse.connection import open_warehouse


@pytest.fixture
def said(tmp_path):
    """What the page says of quarantined rows, given as reason and event name."""

    def of(rows):
        path = tmp_path / "warehouse.duckdb"
        with duckdb.connect(str(path)) as con:
            con.execute("create schema if not exists tideline")
            con.execute(
                "create or replace table tideline.events_quarantined "
                "(reason varchar, event_name varchar)"
            )
            if rows:
                con.executemany("insert into tideline.events_quarantined values (?, ?)", rows)
        with open_warehouse({"TIDELINE_WAREHOUSE": str(path)}, read_only=True) as warehouse:
            return "\n".join(quarantined(warehouse))

    return of


def test_nothing_is_said_where_nothing_is_quarantined(said):
    assert said([]) == ""


def test_the_reasons_are_named_with_their_rows(said):
    rows = [("no identifier", "login")] * 1200 + [("unknown event", "nap"), ("unknown event", "x")]
    lines = [" ".join(line.split()) for line in said(rows).splitlines()]
    assert lines == [
        "quarantined because rows",
        "no identifier 1,200",
        "unknown event 2 of 2 events; `tideline plan infer` names the lines to add",
        "`events_quarantined` holds each row; docs/how-to/change-the-tracking-plan.md tells how "
        "to change the plan for such rows.",
    ]
    assert said([("no identifier", "login")]).endswith("`events_quarantined` holds each row.")


def test_rare_reasons_are_counted_together(said):
    page = said(
        [(f"purchase: p{n} is missing", "purchase") for n in range(9) for _ in range(9 - n)]
    )
    assert "purchase: p5 is missing" in page and "p6" not in page
    assert "and 3 more reasons with 6 rows" in page


def test_a_reason_stays_on_one_line(said):
    page = said([("broken\x1b[31m\nline " + "x" * 200, "purchase")])
    assert "broken\\x1b[31m\\nline" in page and "x" * 90 not in page


def test_refused_evidence_is_counted_by_its_three_most_frequent_reasons(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    rules = {"shared_device": 1200, "email_of_two_accounts": 30, "more_than_5_email": 7}
    rules |= {"more_than_9_identifiers": 5, "blocklisted": 3, "excluded": 1}

    def lines(limit):
        with duckdb.connect(str(path)) as con:
            con.execute("create schema if not exists tideline")
            con.execute("create or replace table tideline.identity_blocked (rule varchar)")
            for rule, rows in [*rules.items()][:limit]:
                con.execute(
                    "insert into tideline.identity_blocked select ? from range(?)", [rule, rows]
                )
        with open_warehouse({"TIDELINE_WAREHOUSE": str(path)}, read_only=True) as warehouse:
            return refused_evidence(warehouse)

    assert lines(0) == []
    said, where = lines(9)
    assert said == (
        "  Identity refused 1,246 identifiers and links, most of them: 1,200 whose device has "
        "several accounts, 30 whose email has several accounts, 12 beyond what one profile may "
        "hold."
    )
    assert where.startswith("  `identity_blocked` lists them; docs/how-to/correct-identity.md")
    assert lines(1)[0] == (
        "  Identity refused 1,200 identifiers and links: 1,200 whose device has several accounts."
    )


@pytest.fixture
def built(tmp_path):
    """A warehouse with two files read, and the landing folder of the second."""
    path, landing = tmp_path / "built.duckdb", tmp_path / "landing"
    (landing / "events").mkdir(parents=True)
    (landing / "events" / "b.jsonl").write_text("1234")
    with duckdb.connect(str(path)) as con:
        con.execute(
            """
            create schema tideline;
            create schema tideline_internal;
            create table tideline_internal.landed_files as select * from (values
                ('events/a.jsonl', 3), ('events/b.jsonl', 4)
            ) as files (path, size_bytes);
            create table tideline.data_clock as select timestamp '2026-01-31 12:00:00' as as_of;
            create table tideline.profile_timeline as
            select 'event_' || (range // 2) as event_name, 'p' || range % 3 as profile_id
            from range(30);
            """
        )
    return {"TIDELINE_WAREHOUSE": str(path)}, landing


def test_files_that_no_build_has_read_are_counted(built):
    environment, landing = built
    with open_warehouse(environment, read_only=True) as warehouse:
        assert waiting(warehouse, landing) == []
        (landing / "events" / "b.jsonl").write_text("12345")
        (landing / "events" / "c.parquet").write_text("1")
        (landing / "events" / "c.part").write_text("1")
        assert waiting(warehouse, landing) == [
            f"  No build has read 2 files of {landing}: run `dbt build`."
        ]
        assert waiting(warehouse, landing / "nowhere") == []


def test_events_are_counted_by_name_and_the_rare_ones_together(built):
    with open_warehouse(built[0], read_only=True) as warehouse:
        lines = "\n".join(events(warehouse)).splitlines()
        assert lines[1].split() == ["event_0", "2", "2"]
        assert len(lines) == 14 and lines[-1] == "  and 3 other events with 6 rows"
        assert as_of(warehouse, 30) == "As of 2026-01-31 12:00:00 UTC"
        assert as_of(warehouse, 0) == "No event has been accepted yet"


def test_the_persona_without_a_name_is_explained(built):
    environment, _ = built
    path = environment["TIDELINE_WAREHOUSE"]
    for name, is_explained in (("Window shoppers", False), ("Others", True), ("Others 2", True)):
        with duckdb.connect(path) as con:
            con.execute(
                "create or replace table tideline.personas as "
                f"select '{name}' as persona_name, 5 as profile_count"
            )
        with open_warehouse(environment, read_only=True) as warehouse:
            assert (len(persona_sizes(warehouse)) == 2) is is_explained
