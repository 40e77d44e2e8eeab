"""The page of `tideline summary`, from small tables."""

import duckdb
import pytest

from tideline.summary import quarantined
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
        "unknown event 2 of 2 events; `tideline plan infer` proposes rows of the plan",
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
