"""Records of source systems become events of the person in them, with any loader."""

import json
import re

import duckdb
import pytest

from tests.support import source_systems as ada
from tests.support.deployment import REPOSITORY
from tests.support.messages import good

SOURCES = {"sources": dict.fromkeys(ada.SYSTEMS, "landing")}
CHANGED_CONTACT = ada.API["salesforce", "contacts"][0] | {
    "Email": "ada@new.example",
    "SystemModstamp": ada.iso(9),
}
EARLIER_STATES = {
    ("stripe", "subscriptions"): [ada.subscription(3, "incomplete", 12)],
    ("stripe", "charges"): [ada.charge(5, 15)],
    ("zendesk", "tickets"): [
        ada.API["zendesk", "tickets"][0] | {"priority": "low", "updated_at": ada.iso(9)}
    ],
}
BROKEN = {
    ("stripe", "charges"): [
        ada.charge(91, 1, id=None),
        ada.charge(92, 1, created="yesterday"),
        ada.charge(93, 1, amount="a lot"),
        ada.charge(94, 1, status="melted"),
        ada.charge(95, 1, livemode=False),
        ada.charge(96, 1, customer=None, billing_details=None),
        ada.charge(97, 1, livemode="False"),
    ],
    ("stripe", "customers"): [{"id": "cus_9", "created": ada.seconds(1), "is_deleted": True}],
    ("salesforce", "opportunities"): [
        ada.API["salesforce", "opportunities"][0] | {"Id": "006D", "IsDeleted": True}
    ],
    ("hubspot", "contacts"): [
        ada.API["hubspot", "contacts"][0] | {"updatedAt": ada.iso(9), "archived": True}
    ],
    ("zendesk", "users"): [
        ada.API["zendesk", "users"][0] | {"updated_at": ada.iso(9), "active": False}
    ],
    ("stripe", "subscriptions"): [ada.subscription(91, "melted", 1)],
    ("stripe", "invoices"): [ada.invoice(91, None, 1)],
    ("stripe", "refunds"): [{"id": "re_1"}],
    ("zendesk", "tickets"): [
        {"id": 1, "requester_id": 2, "priority": "loud", "created_at": ada.iso(1)},
        {"id": 2, "requester_id": 2, "status": "deleted", "created_at": ada.iso(1)},
    ],
    ("hubspot", "email_events"): [
        ada.email_event(91, "EXPLODED", 1),
        ada.email_event(92, None, 1),
    ],
    ("hubspot", "form_submissions"): [{"formId": "f", "submittedAt": "soon", "values": "{"}],
}


def land(deployment, load, tables):
    """Land rows like dlt."""
    for (system, table), rows in tables.items():
        path = deployment.landing / system / table / f"{load}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(ada.dlt(row)) + "\n" for row in rows))


def visit(deployment):
    """Ada's visit to the shop, so that the collector has landed an event too."""
    message = json.loads(good(1)) | {"type": "identify", "traits": {"email": ada.EMAIL}}
    (deployment.landing / "events" / "visit.jsonl").write_text(json.dumps(message) + "\n")


def stored_events(deployment):
    """Event id (for customers without the hash of their state) to name, time, identifiers."""
    rows = deployment.query(
        "select event_id, event_name, occurred_at, identifiers::varchar from fct_events "
        "where source <> 'collector'"
    )
    return {
        re.sub("(cus_1:identify):.*", r"\1", event_id): (name, occurred_at, json.loads(identifiers))
        for event_id, name, occurred_at, identifiers in rows
    }


def stored_homes(deployment):
    """Address and birth date in the events of each source."""
    names = ("birth_date", "street", "postcode", "city")
    said = ", ".join(f"properties ->> '{name}' as {name}" for name in names)
    return deployment.query(
        f"select distinct source, {said} from fct_events "
        "where properties ->> 'postcode' is not null order by all"
    )


def expected_events(more=None):
    """The expected events, in the same form."""
    return {
        event_id: (name, ada.instant(day), identifiers)
        for event_id, (name, day, identifiers) in (ada.EVENTS | (more or {})).items()
    }


@pytest.fixture(scope="module")
def built(shared_deployment):
    """All records land, then the same again with earlier and later states of some."""
    visit(shared_deployment)
    land(shared_deployment, "first", ada.API)
    land(shared_deployment, "broken", BROKEN)
    stripe = shared_deployment.landing / "stripe"
    (stripe / "broken.jsonl").write_text('{"id": "cus_8"}\n')
    with (stripe / "customers" / "broken.jsonl").open("a") as unreadable:
        unreadable.write("{not json\n[1]\n")
    for again in (False, True):
        if again:
            land(shared_deployment, "again", ada.API)
            land(shared_deployment, "earlier", EARLIER_STATES)
            land(shared_deployment, "later", {("salesforce", "contacts"): [CHANGED_CONTACT]})
        shared_deployment.build_up_to(
            "golden_profiles",
            "events_quarantined",
            "events_duplicated",
            "assert_nothing_is_lost",
            tested=again,
            variables=json.dumps(SOURCES),
        )
    return shared_deployment


def test_landed_records_become_events_once(built):
    """Rows that land again, in any order, are no new events; a new state is another event."""
    later = {
        f"salesforce:contact:003A:identify:{ada.seconds(9) * ada.US}": (
            "identify",
            9,
            ada.CONTACT | {"email": "ada@new.example"},
        ),
        "stripe:subscription:sub_3:identify": ("identify", 12, ada.STRIPE),
    }
    assert stored_events(built) == expected_events(later)
    assert stored_homes(built) == ada.HOMES
    count = "select count(*) from fct_events where source <> 'collector'"
    assert built.value(count) == len(ada.EVENTS | later)


def test_the_earliest_of_several_states_is_the_event(built):
    ticket = "select properties ->> 'priority' from fct_events where event_name = 'support_ticket'"
    assert built.query(ticket) == [("low",)]


def test_broken_records_are_accounted_for_with_reasons(built):
    quarantined = built.query(
        "select landed_file, landed_line, reason from events_quarantined "
        "where landed_file like '%/broken.jsonl'"
    )
    reasons = {
        f"{file.removesuffix('/broken.jsonl')}:{line}": reason for file, line, reason in quarantined
    }
    status = "email_delivery: status is not one of sent, "
    assert reasons.pop("hubspot/email_events:1").startswith(status)
    status = "subscriptions: status is not one of trialing, active, "
    assert reasons.pop("stripe/subscriptions:1").startswith(status)
    assert reasons == {
        "stripe/charges:1": "charges: no id",
        "stripe/charges:2": "charges: created is not a valid timestamp",
        "stripe/charges:3": "charges: amount_captured is not a number",
        "stripe/charges:4": "charges: status is not one of succeeded, pending, failed",
        "stripe/charges:5": "charges: livemode is false: test data",
        "stripe/charges:6": "no identifier",
        "stripe/charges:7": "charges: livemode is false: test data",
        "stripe/invoices:1": "invoices: status is not one of draft, open, paid, uncollectible, "
        "void",
        "stripe/refunds:1": "no model reads the table refunds",
        "stripe/customers:1": "customers: the record was deleted",
        "stripe/customers:2": "not a JSON object",
        "stripe/customers:3": "not a JSON object",
        "stripe:1": "not in the folder of a table",
        "salesforce/opportunities:1": "opportunities: the record was deleted",
        "hubspot/contacts:1": "contacts: the record was deleted",
        "zendesk/users:1": "users: the record was deleted",
        "zendesk/tickets:2": "tickets: the record was deleted",
        "zendesk/tickets:1": "support_ticket: priority is not one of low, normal, high, urgent",
        "hubspot/email_events:2": "email_events: no type",
        "hubspot/form_submissions:1": "form_submissions: submitted_at is not a valid timestamp",
    }
    hidden = (
        "select reason from events_quarantined "
        "where landed_file like '%/broken.jsonl' and original is null"
    )
    assert {reason.split(":")[0] for (reason,) in built.query(hidden)} == {
        "no identifier",
        "support_ticket",  # the reasons of the plan show the properties
        "email_delivery",
    }


def tables_named(pattern, sql):
    return {name for found in re.findall(pattern, sql) for name in re.findall(r"'(\w+)'", found)}


def test_the_tables_without_a_model_are_all_others(built):
    """A table is either read by a model of its system or quarantined, never both or neither."""
    compiled = built.folder / "target" / "compiled" / "tideline" / "models" / "staging"
    for system in ada.SYSTEMS:
        sql = "".join(path.read_text() for path in (compiled / system).glob("*.sql"))
        read = tables_named(r"table_name in \((.*?)\)", sql)
        assert read and tables_named(r"table_name, ''\) not in \((.*?)\)", sql) == read, system


def test_events_filtered_by_hubspot_are_quarantined(built):
    reason = "select reason from events_quarantined where landed_file like '%/first.jsonl'"
    assert built.query(reason) == [
        ("email_events: filtered out by HubSpot, for example as bot activity",)
    ]


def test_all_records_of_a_person_are_one_profile(built):
    identifiers = dict(
        built.query("select id_type || ':' || id_value, profile_id from identity_map")
    )
    assert identifiers.keys() >= {
        "anonymous_id:visitor",
        "user_id:u1",
        f"email:{ada.EMAIL}",
        f"email:{ada.LEAD_EMAIL}",
        "phone:+44123",
        "salesforce_id:003A",
        "salesforce_lead_id:00QA",
        "hubspot_id:501",
        "zendesk_id:9001",
        "stripe_id:cus_1",
    }
    assert len(set(identifiers.values())) == 1
    tickets = "select profile_id from profile_timeline where event_name = 'support_ticket'"
    assert built.query(tickets) == [(identifiers[f"email:{ada.EMAIL}"],)]


def test_the_golden_profile_names_the_source_of_each_value(built):
    values = built.query(
        "select attribute, value, source, other_value_count from profile_attribute_values"
    )
    assert {attribute: rest for attribute, *rest in values} == {
        "birth_date": ["1815-12-10", "salesforce", 1],
        "city": ["Marylebone", "stripe", 3],
        "company": ["Engines", "salesforce", 0],
        "country": ["GB", "stripe", 0],
        "email": [ada.EMAIL, "collector", 2],
        "first_name": ["Ada", "salesforce", 0],
        "last_name": ["Lovelace", "salesforce", 0],
        "name": ["Ada", "stripe", 0],
        "phone": ["+44123", "salesforce", 0],
        "postcode": ["W1U 4EG", "stripe", 3],
        "street": ["Dorset Street 1", "stripe", 3],
    }


def test_a_company_is_not_a_person(built):
    """Otherwise all its employees would be one person."""
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


DELETED = {"is_deleted", "isdeleted", "archived", "_fivetran_deleted"}  # read from every table
# Fields that only some loaders have.
NOT_LANDED = {("hubspot", "form_submissions"): {"contact_id", "email"}}


def test_the_page_lists_the_fields_that_are_read(built):
    """docs/reference/source-systems.md names each field that is read, and no other."""
    page = (REPOSITORY / "docs/reference/source-systems.md").read_text()
    lines = page.split("| fields |\n")[1].split("\n\n")[0].splitlines()[1:]
    models = built.folder / "target" / "compiled" / "tideline" / "models" / "staging"
    system, wrong = "", {}
    for line in lines:
        owner, table, key, changed, fields = (cell.strip() for cell in line[1:-1].split("|"))
        system, table = owner or system, table.strip("`")
        listed = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", fields)))
        known = listed.union(re.findall(r"`(\w+)`", key + changed))
        known |= DELETED | NOT_LANDED.get((system, table), set())
        sql = (models / system / f"stg_{system}__{table}.sql").read_text()
        columns = [
            set(re.findall(r"""record ->> '\$\."(\w+)"'""", expression))
            for expression in re.split(r" as \w+,?\n", sql)
        ]
        unlisted = [names for names in columns if names and not names & known]
        unread = listed.difference(*columns)
        if unlisted or unread:
            wrong[system, table] = unlisted, unread
    assert len(lines) == len(ada.API) and not wrong


@pytest.mark.parametrize("loader", ada.LOADERS)
def test_loaders_in_the_warehouse_give_the_same_events(deployment, loader):
    shape, load_column, table_name = ada.LOADERS[loader]
    with duckdb.connect(str(deployment.warehouse)) as connection:
        for (system, table), rows in ada.API.items():
            path = deployment.folder / "rows.jsonl"
            loaded = [{**shape(row), load_column: "2026-02-01T00:00:00Z"} for row in rows]
            if table == "users":
                loaded.append(loaded[0] | {"id": 9002, load_column: None})
            path.write_text("\n".join(map(json.dumps, loaded)))
            connection.execute(f"create schema if not exists {loader}_{system}")
            connection.execute(
                f"create table {loader}_{system}.{table_name(table)} as from read_json('{path}')"
            )
    visit(deployment)
    variables = json.dumps({"sources": {s: f"{loader}_{s}" for s in ada.SYSTEMS}})
    tests = ("--exclude-resource-types", "test", "--exclude-resource-types", "unit_test")
    deployment.dbt("build", *tests, "--select", "+fct_events", variables=variables)
    expected = expected_events()
    if loader == "fivetran":
        name, occurred_at, _ = expected["hubspot:form_submission:c1"]
        expected["hubspot:form_submission:c1"] = (name, occurred_at, {"hubspot_id": "501"})
    assert stored_events(deployment) == expected
    assert stored_homes(deployment) == ada.HOMES
    refused = "select reason from int_events_deduplicated where status <> 'valid' order by 1"
    assert [reason for (reason,) in deployment.query(refused)] == [
        "email_events: filtered out by HubSpot, for example as bot activity",
        f"no {load_column}",
    ]
    places = "select count(distinct (landed_file, landed_line, landed_part)) "
    places += "from int_events_deduplicated"
    assert deployment.value(places) == deployment.value(
        "select count(*) from int_events_deduplicated"
    )

    with duckdb.connect(str(deployment.warehouse)) as connection:
        table = f"{loader}_zendesk.{table_name('users')}"
        connection.execute(f"create or replace table {table} as select 1 as id")
    compiled = ("compile", "--select", "stg_zendesk__users")
    output = deployment.dbt(*compiled, variables=variables, fails=True)
    words = re.sub(r"\s+", " ", output)
    assert f'"{table_name("users")}", but that table has no column _fivetran_synced' in words
    assert "Its columns are: id." in words


def test_a_row_that_a_loader_overwrites_is_counted_once(deployment):
    """The other rows of its load get new numbers, within the time that a run reads again."""
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema ft")
        connection.execute(
            "create table ft.customers as select 'cus_' || i as id, i || '@x.example' as email, "
            "1767225600 + i as created, '2026-02-01 10:00:00' as _fivetran_synced "
            "from range(1, 3) as r(i)"
        )
    visit(deployment)
    variables = json.dumps({"sources": {"stripe": "ft"}, "arrival_overlap_minutes": 60})
    deployment.build_up_to("fct_events", "assert_nothing_is_lost", variables=variables)
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute(
            "update ft.customers set email = 'new@x.example', "
            "_fivetran_synced = '2026-02-01 10:30:00' where id = 'cus_1'"
        )
        connection.execute("""
            insert into ft.customers values
                ('cus_3', 'c@x.example', 1767225603, null),
                ('cus_4', 'd@x.example', 1767225604, 'soon')
        """)
    deployment.build_up_to("fct_events", "assert_nothing_is_lost", variables=variables)
    events = "select count(*), count(distinct event_id) from fct_events where source = 'stripe'"
    assert deployment.query(events) == [(2, 2)]
    refused = "select reason from int_events_deduplicated where status = 'quarantined' order by 1"
    assert deployment.query(refused) == [
        ("_fivetran_synced is not a valid timestamp",),
        ("no _fivetran_synced",),
    ]


def test_a_forgotten_row_with_several_facts_is_one_part(built):
    """Rows of a source that is switched off are not counted."""
    with duckdb.connect(str(built.warehouse)) as connection:
        connection.execute("""
            insert into tideline_internal.forgotten_identifiers
                (request_id, identifier_hash, requested_at)
            select 'r', sha256(id), timestamp '2030-01-01'
            from (values ('salesforce_id:003B'), ('stripe_id:cus_9')) as ids (id)
        """)
    contact = ada.API["salesforce", "contacts"][0] | {"Id": "003B"}
    refunded = ada.charge(99, 15, customer="cus_9", amount_refunded=999)
    land(built, "forgotten", {("salesforce", "contacts"): [contact]})
    land(built, "forgotten", {("stripe", "charges"): [refunded]})
    layer = "int_events_deduplicated fct_events events_duplicated events_quarantined "
    layer += "assert_nothing_is_lost"
    words = ["build", "--indirect-selection", "empty", "--exclude-resource-types", "unit_test"]
    words += ["--select", "landed_files", "raw_messages", "int_events_validated", *layer.split()]
    built.dbt(*words, variables=json.dumps(SOURCES))
    forgotten = "from int_events_deduplicated where reason = 'forgotten'"
    assert built.query(f"select landed_part {forgotten}") == [(1,), (1,)]
    built.dbt(*words)
