"""A landing renders the macros of the plan, whichever files hold them."""

import duckdb
import pytest

from tideline.declarations.macros import MacroError, render
from tideline.landing.plan_check import SEEDS
from tideline.landing.plan_infer import read_seed

pytestmark = pytest.mark.slow
PLAN = [row for _, row in read_seed(SEEDS, "tracking_plan.csv")]
ALIASES = [row for _, row in read_seed(SEEDS, "property_aliases.csv")]


def value(sql, **columns):
    """The value of an expression over one row."""
    names = ", ".join(f"?::{kind} as {name}" for name, (kind, _) in columns.items())
    with duckdb.connect() as con:
        row = [each for _, each in columns.values()]
        return con.execute(f"select {sql} from (select {names})", row).fetchone()[0]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ('{"product_id": "p1"}', None),
        ('{"sku": "p1"}', None),  # an alias fills a required property
        ("{}", "product_view: product_id is missing"),
        ('{"product_id": "p1", "price": "free"}', "product_view: price is not a number"),
        ('{"product_id": {"en": "p1"}}', "product_view: product_id is not text"),
    ],
)
def test_a_row_is_judged_as_a_build_does(properties, reason):
    filled = render("aliased_properties", ALIASES, PLAN, "'collector'", "event_name", "sent")
    row = {"event_name": ("text", "product_view"), "sent": ("json", properties)}
    filled_sql = f"({filled})"
    assert value(render("plan_violation", PLAN, "event_name", filled_sql), **row) == reason


def test_names_and_times_are_read_as_a_build_does():
    assert value(render("event_key", "e"), e=("text", " Order Completed-X ")) == "order_completed_x"
    assert value(render("try_timestamp", "t"), t=("text", "soon")) is None


def test_a_seed_of_which_no_sql_can_be_made_is_an_error_that_names_it():
    row = {**PLAN[0], "event_name": "it's"}
    with pytest.raises(MacroError, match="the event"):
        render("plan_violation", [row], "event_name", "properties")
