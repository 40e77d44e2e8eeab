"""Records of source systems become events of the person they speak of, whoever loads them."""

import json
import re

import duckdb
import pytest

from tests.fixtures import source_systems as ada
from tests.integration.test_bad_input import good

LANDED = json.dumps({"sources": dict.fromkeys(ada.SYSTEMS, "landing")})
STAGED = [f"stg_{system}__events" for system in ada.SYSTEMS]
REASONS = """
    select landed_file, landed_line, reason from events_quarantined
    where landed_file not like 'events/%' order by 1, 2
"""


def land(deployment, tables, load=1):
    """Land rows as dlt does."""
    for (system, table), rows in tables.items():
        path = deployment.landing / system / table / f"{load}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(ada.dlt(row)) + "\n" for row in rows))


def visit(deployment):
    """Ada's visit to the shop, so that the collector has landed something too."""
    message = json.loads(good(1)) | {"type": "identify", "traits": {"email": ada.EMAIL}}
    (deployment.landing / "events" / "visit.jsonl").write_text(json.dumps(message) + "\n")


def staged_events(deployment):
    """Event id to name, instant and identifiers of all that the four systems state."""
    union = " union all ".join(f"select * from {view}" for view in STAGED)
    rows = deployment.query(
        "select event_id, event_name, occurred_at, identifiers::varchar "
        f"from ({union}) where problem is null"
    )
    assert len({event_id for event_id, *_ in rows}) == len(rows)
    return {
        re.sub("(cus_1:identify):.*", r"\1", event_id): (name, occurred_at, json.loads(identifiers))
        for event_id, name, occurred_at, identifiers in rows
    }


def expected_events():
    return {
        event_id: (name, ada.instant(day), identifiers)
        for event_id, (name, day, identifiers) in ada.EVENTS.items()
    }


@pytest.fixture(scope="module")
def built(shared_deployment):
    """The whole of Ada, landed, up to her profile."""
    visit(shared_deployment)
    land(shared_deployment, ada.API)
    shared_deployment.build_up_to(
        "profile_timeline", "events_quarantined", "events_duplicated", variables=LANDED
    )
    return shared_deployment


def test_landed_records_become_events(built):
    assert staged_events(built) == expected_events()
    stored = built.query("select event_id from fct_events where source <> 'collector'")
    assert {re.sub("(cus_1:identify):.*", r"\1", event_id) for (event_id,) in stored} == set(
        ada.EVENTS
    )


def test_what_is_filtered_out_is_quarantined_with_its_reason(built):
    assert built.query(REASONS) == [
        (
            "hubspot/email_events/1.jsonl",
            4,
            "email_events: HubSpot filtered it out, such as what a machine did",
        )
    ]


def test_all_that_a_person_left_behind_is_one_profile(built):
    identifiers = dict(
        built.query("select id_type || ':' || id_value, profile_id from identity_map")
    )
    profile = identifiers[f"email:{ada.EMAIL}"]
    assert identifiers.keys() >= {
        "anonymous_id:visitor",
        "user_id:u1",
        f"email:{ada.LEAD_EMAIL}",
        "phone:+44123",
        "salesforce_id:003A",
        "salesforce_lead_id:00QA",
        "hubspot_id:501",
        "zendesk_id:9001",
        "stripe_id:cus_1",
    }
    assert set(identifiers.values()) == {profile}
    tickets = "select distinct profile_id from profile_timeline where event_name = 'support_ticket'"
    assert built.query(tickets) == [(profile,)]


def test_a_company_is_nobody(built):
    """Else all who work there would be one person."""
    assert not built.query("select * from identity_map where id_value = '001X'")
    account = "select count(*) from profile_timeline where event_id like 'salesforce:account:%'"
    assert built.value(account) == 0


def test_money_is_counted_where_it_moved(built):
    revenues = built.query(
        "select properties ->> 'order_id', (properties ->> 'revenue')::double "
        "from profile_timeline where event_name = 'purchase' order by 1"
    )
    assert revenues == [("o1", 19.99), ("pi_3", 500.0), ("pi_5", 19.99)]
    other = "select properties ->> 'revenue' from fct_events where event_name <> 'purchase'"
    assert {revenue for (revenue,) in built.query(other)} == {None}


@pytest.mark.parametrize("loader", ada.LOADERS)
def test_loaders_in_the_warehouse_say_the_same(deployment, loader):
    shape, load_column, table_name = ada.LOADERS[loader]
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for (system, table), rows in ada.API.items():
            path = deployment.folder / "rows.jsonl"
            loaded = [{**shape(row), load_column: "2026-02-01T00:00:00Z"} for row in rows]
            path.write_text("\n".join(map(json.dumps, loaded)))
            connection.execute(f"create schema if not exists {loader}_{system}")
            connection.execute(
                f"create table {loader}_{system}.{table_name(table)} as from read_json('{path}')"
            )
    visit(deployment)
    sources = {system: f"{loader}_{system}" for system in ada.SYSTEMS}
    deployment.build_up_to("fct_events", variables=json.dumps({"sources": sources}))
    expected = expected_events()
    if loader == "fivetran":
        name, occurred_at, _ = expected["hubspot:form_submission:c1"]
        expected["hubspot:form_submission:c1"] = (name, occurred_at, {"hubspot_id": "501"})
    assert staged_events(deployment) == expected
    stored = "select count(*) from fct_events where source <> 'collector'"
    assert deployment.value(stored) == len(expected)


def test_a_record_that_lands_again_says_only_what_is_new(deployment):
    """The repeat of a fact is a duplicate, in whatever order the states land."""
    early = ada.subscription(1, "active", 11)
    late = early | {"status": "canceled", "canceled_at": ada.seconds(17)}
    contact = ada.API["salesforce", "contacts"][0]
    states = [
        {("stripe", "subscriptions"): [late], ("salesforce", "contacts"): [contact]},
        {
            ("stripe", "subscriptions"): [early],
            ("salesforce", "contacts"): [
                contact,
                contact | {"Email": "ada@new.example", "SystemModstamp": ada.iso(9)},
            ],
        },
    ]
    visit(deployment)
    for load, state in enumerate(states, 1):
        land(deployment, state, load)
        deployment.build_up_to(
            "fct_events", "events_duplicated", "assert_nothing_is_lost", variables=LANDED
        )
    events = deployment.query(
        "select event_name, count(*) from fct_events where source <> 'collector' group by 1"
    )
    assert dict(events) == {
        "subscription_start": 1,
        "subscription_cancel": 1,
        "identify": 2,
        "group": 1,
    }
    repeated = "select event_name, count(*) from events_duplicated group by 1"
    assert dict(deployment.query(repeated)) == {"subscription_start": 1, "identify": 1, "group": 2}


def test_broken_records_are_accounted_for_with_reasons(deployment):
    broken = {
        ("stripe", "charges"): [
            {**ada.charge(1, 1), "id": None},
            ada.charge(2, 1, created="yesterday"),
            ada.charge(3, 1, amount="a lot"),
            ada.charge(4, 1, status="melted"),
            ada.charge(5, 1, livemode=False),
            ada.charge(6, 1, customer=None, billing_details=None),
        ],
        ("stripe", "subscriptions"): [ada.subscription(1, "melted", 1)],
        ("stripe", "invoices"): [ada.invoice(1, None, 1)],
        ("stripe", "refunds"): [{"id": "re_1"}],
        ("zendesk", "tickets"): [
            {"id": 1, "requester_id": 2, "priority": "loud", "created_at": ada.iso(1)}
        ],
        ("hubspot", "email_events"): [
            ada.email_event(1, "EXPLODED", 1),
            ada.email_event(2, None, 1),
        ],
        ("hubspot", "form_submissions"): [{"formId": "f", "submittedAt": 0, "values": "{"}],
    }
    visit(deployment)
    land(deployment, broken)
    unreadable = deployment.landing / "stripe" / "customers" / "1.jsonl"
    unreadable.parent.mkdir()
    unreadable.write_text("{not json\n[1]\n")
    deployment.build_up_to(
        "fct_events",
        "events_quarantined",
        "events_duplicated",
        "assert_nothing_is_lost",
        variables=LANDED,
    )
    reasons = {
        f"{file.removesuffix('/1.jsonl')}:{line}": reason
        for file, line, reason in deployment.query(REASONS)
    }
    assert reasons == {
        "stripe/charges:1": "charges: no id",
        "stripe/charges:2": "charges: created is no instant",
        "stripe/charges:3": "charges: amount_captured is no number",
        "stripe/charges:4": "charges: status is none of succeeded, pending, failed",
        "stripe/charges:5": "livemode is false",
        "stripe/charges:6": "no identifier",
        "stripe/subscriptions:1": "subscriptions: status is not one that Stripe documents",
        "stripe/invoices:1": "invoices: status is none of draft, open, paid, uncollectible, void",
        "stripe/refunds:1": "no model reads the table refunds",
        "stripe/customers:1": "not a JSON object",
        "stripe/customers:2": "not a JSON object",
        "zendesk/tickets:1": "support_ticket: priority is none of low, normal, high, urgent",
        "hubspot/email_events:1": reasons["hubspot/email_events:1"],
        "hubspot/email_events:2": "email_events: no type",
        "hubspot/form_submissions:1": "occurred before 1990",
    }
    assert reasons["hubspot/email_events:1"].startswith("email_delivery: status is none of sent, ")


def test_a_table_without_a_load_time_stops_the_build(deployment):
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema own; create table own.users as select 1 as id")
    visit(deployment)
    output = deployment.dbt(
        "compile",
        "--select",
        "stg_zendesk__events",
        variables='{"sources": {"zendesk": "own"}}',
        fails=True,
    )
    words = re.sub(r"\s+", " ", output)
    assert "zendesk" in words and '"own"."users", which has no column _fivetran_synced' in words
    assert "It has: id." in words
