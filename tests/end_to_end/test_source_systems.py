"""Loads of source systems: the real command with a process that implements their APIs."""

import gzip
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.deployment import REPOSITORY, SHARED
from tests.support.vendors import records
from tideline.landing.systems import SYSTEMS
from tideline.landing.systems.rows import Window, as_text, instant
from tideline.landing.systems.session import Elsewhere as Refusing
from tideline.landing.systems.session import http_session

COMMAND = ("tideline", "load")
SECRETS = {
    "salesforce": {
        "TIDELINE_SALESFORCE_CLIENT_ID": "sf-client",
        "TIDELINE_SALESFORCE_CLIENT_SECRET": "sf-secret",
    },
    "hubspot": {"TIDELINE_HUBSPOT_TOKEN": "hub-token"},
    "zendesk": {
        "TIDELINE_ZENDESK_EMAIL": "agent@shop.example",
        "TIDELINE_ZENDESK_API_TOKEN": "zd-token",
    },
    "stripe": {"TIDELINE_STRIPE_API_KEY": "rk_test_1"},
}
# The path that is requested for each page of a table with five rows.
PAGED = {
    "salesforce": "/services/data/v62.0/query/",
    "hubspot": "/crm/v3/objects/contacts/search",
    "zendesk": "/api/v2/incremental/tickets",
    "stripe": "/v1/charges",
}
every_system = pytest.mark.parametrize("system", list(SYSTEMS))


class Vendors:
    """The process with the source systems."""

    def __init__(self, folder):
        port = folder / "port"
        server = REPOSITORY / "tests" / "support" / "vendors" / "server.py"
        self.process = subprocess.Popen([sys.executable, server, port])
        while not port.exists():
            assert self.process.poll() is None
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{port.read_text()}"
        self.secrets = {
            name: {f"TIDELINE_{name.upper()}_URL": self.url, **secrets}
            for name, secrets in SECRETS.items()
        }

    def put(self, what, content):
        data = json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/_test/{what}", data=data, method="PUT")
        urllib.request.urlopen(request, timeout=10).read()

    def fault(self, path, do, **more):
        self.put("faults", [{"path": path, "do": do, **more}])

    def requests(self, path="/"):
        with urllib.request.urlopen(f"{self.url}/_test/requests", timeout=10) as answer:
            return [each for each in json.load(answer) if each["path"].startswith(path)]

    def wait_for(self, fault):
        deadline = time.monotonic() + 30
        while not any(each["fault"] == fault for each in self.requests()):
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Loads:
    """A deployment that loads from the vendors' process."""

    def __init__(self, deployment, vendors):
        self.deployment, self.vendors = deployment, vendors
        self.landing = deployment.landing
        self.home = deployment.folder / "home"
        self.home.mkdir()
        for name in [name for name in deployment.env if name.startswith("TIDELINE_")]:
            if any(f"_{system.upper()}_" in name for system in SYSTEMS):
                del deployment.env[name]
        deployment.env["HOME"] = str(self.home)

    def load(self, *systems, fails=False, **env):
        """Run the command; return its output, which must not contain a person or a secret."""
        secrets = {k: v for name in systems for k, v in self.vendors.secrets[name].items()}
        output = self.deployment.run(*COMMAND, *systems, fails=fails, **{**secrets, **env})
        assert "@" not in output and "Traceback" not in output
        for secret in secrets.values():
            assert secret == self.vendors.url or secret not in output
        return output

    def start(self, system):
        """Start the command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", *COMMAND, system],
            cwd=REPOSITORY,
            env={**self.deployment.env, **self.vendors.secrets[system]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def files(self, system):
        return sorted((self.landing / system).rglob("*.jsonl.gz"))

    def rows(self, system, table, but=()):
        """The landed rows of a table, without those in the files `but`."""
        files = [file for file in self.files(system) if file.parent.name == table]
        rows = []
        for file in files:
            if file not in but:
                with gzip.open(file, "rt") as lines:
                    rows += [json.loads(line) for line in lines]
        return rows


@pytest.fixture
def vendors(tmp_path):
    vendors = Vendors(tmp_path)
    vendors.put("records", records.first())
    vendors.put("page", 2)
    yield vendors
    vendors.process.kill()
    vendors.process.wait()


@pytest.fixture
def loads(deployment, vendors):
    return Loads(deployment, vendors)


def keys(rows):
    """How often each record has landed."""
    return Counter(row.get("id") or row["conversion_id"] for row in rows)


def assert_all_landed_once(loads, system):
    for table in SYSTEMS[system].tables:
        found = keys(loads.rows(system, table))
        assert len(found) == 5 and set(found.values()) == {1}, table


# Changes after the first load, and the rows that the second load must land, by table.
def changes(system):
    match system:
        case "salesforce":
            changed = records.salesforce(
                "Contact", 2, 30, Plan_Tier__c="gold", Region__c=["a"], Email=None
            )
            new = [records.salesforce("Opportunity", 6, 31)]
            return (
                {"Contact": [changed], "Opportunity": new},
                {"contacts": {changed["Id"]}, "opportunities": {new[0]["Id"]}},
            )
        case "hubspot":
            return (
                {
                    "contacts": [records.hubspot_contact(2, 30, lifecyclestage=7, country="IT")],
                    "email_events": [records.hubspot_email_event(6, 31, emailCampaignId="seven")],
                    "submissions": [records.hubspot_submission("f2", 6, 32)],
                },
                {
                    "contacts": {"2"},
                    "email_events": {"00000000-0000-0000-0000-000000000006"},
                    "form_submissions": {"conversion-f2-6"},
                },
            )
        case "zendesk":
            changed = records.zendesk(
                "tickets", 3, 6, requester_id="three", satisfaction_rating={}, created_at="soon"
            )
            return {"tickets": [changed]}, {"tickets": {"3"}}
        case "stripe":
            gone = records.stripe("subscription", 2, 2, status="canceled", canceled_at=1709400000)
            changed = records.stripe("customer", 1, 1, balance="none", metadata="none", plan=[1])
            return (
                {
                    "charges": [records.stripe("charge", 6, 30)],
                    "subscriptions": [gone],
                    "customers": [changed],
                    "events": [
                        records.stripe_event("customer.subscription.deleted", 31, gone),
                        records.stripe_event("customer.updated", 32, changed),
                    ],
                },
                {"charges": {"ch_6"}, "subscriptions": {"sub_2"}, "customers": {"cus_1"}},
            )


@every_system
def test_a_second_load_lands_only_what_is_new_or_changed(system, loads, vendors):
    told = loads.load(system)
    assert_all_landed_once(loads, system)
    for table in SYSTEMS[system].tables:
        assert f"5 {system}.{table}\n" in told
    before, asked = loads.files(system), len(vendors.requests())

    new, expected = changes(system)
    vendors.put("records", {system: new})
    loads.load(system)
    for table in SYSTEMS[system].tables:
        found = keys(loads.rows(system, table, but=before))
        assert found == Counter(expected.get(table, ())), table
    assert_asked_from_where_it_was(system, vendors.requests()[asked:])
    assert_changed_fields_keep_their_names(system, loads, before)


def assert_asked_from_where_it_was(system, requests):
    """The second load must start where the first one was complete."""
    last = records.milliseconds(5)
    match system:
        case "salesforce":
            queries = [r["query"]["q"][0] for r in requests if r["path"].endswith("queryAll")]
            assert len(queries) == 4
            assert all(f"SystemModstamp >= {records.iso(5)} " in query for query in queries)
        case "hubspot":
            [search, *_] = [r["body"] for r in requests if r["body"]]
            [group] = search["filterGroups"]
            assert group["filters"][0]["value"] == str(last)
            [events] = [r["query"] for r in requests if r["path"].startswith("/email/")]
            assert events["startTimestamp"] == [str(last)]
            # The first of two pages of this form already reaches known rows.
            assert len([r for r in requests if r["path"].endswith("/forms/f1")]) == 1
        case "zendesk":
            assert all("start_time" not in r["query"] for r in requests)
            assert len(requests) == 2
        case "stripe":
            lists = [r["query"] for r in requests if r["path"] != "/v1/events"]
            assert len(lists) == 4
            assert all(query["created[gte]"] == [str(last // 1000)] for query in lists)


def assert_changed_fields_keep_their_names(system, loads, before):
    """Numbers became text, text became a list, fields were added and removed."""
    tables = SYSTEMS[system].tables
    fields = {name for table in tables for row in loads.rows(system, table) for name in row}
    assert not [name for name in fields if "__" in name]
    match system:
        case "salesforce":
            [row] = loads.rows(system, "contacts", but=before)
            assert row["plan_tier_c"] == "gold" and row["region_c"] == '["a"]'
            assert row.get("email") is None and row["is_deleted"] == "false"
            assert "mailing_address" not in fields and "attributes" not in fields
        case "hubspot":
            [row] = loads.rows(system, "contacts", but=before)
            assert row["property_lifecyclestage"] == "7" and row["property_country"] == "IT"
            [row] = loads.rows(system, "email_events", but=before)
            assert row["email_campaign_id"] == "seven"
            [row] = loads.rows(system, "form_submissions", but=before)
            assert row["form_name"] == "Newsletter" and json.loads(row["values"])
        case "zendesk":
            [row] = loads.rows(system, "tickets", but=before)
            assert row["requester_id"] == "three" and row["satisfaction_rating"] == "{}"
            assert row["created_at"] == "soon" and row["updated_at"] == records.iso(6)
        case "stripe":
            [row] = loads.rows(system, "customers", but=before)
            assert (row["balance"], row["metadata"], row["plan"]) == ("none", "none", "[1]")


@every_system
def test_a_killed_load_loses_nothing(system, loads, vendors):
    vendors.fault(PAGED[system], "hang", skip=1, seconds=60)
    process = loads.start(system)
    vendors.wait_for("hang")
    process.kill()
    process.wait()
    assert not loads.files(system)
    loads.load(system)
    assert_all_landed_once(loads, system)
    # It also leaves no rows in dlt's folder.
    working = loads.landing / "_state" / system / system
    assert not [file for file in working.rglob("*.gz")]
    assert [folder.name for folder in working.glob("normalize/*/")] == ["extracted"]


KILLED = """
import os, signal, sys
from dlt.pipeline.pipeline import Pipeline
from tideline.landing.systems import command, load

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step, publish = sys.argv[1], load._publish
if step == "publish":
    load._publish = lambda *a: die() if list(a[1].glob("loaded/charges/*")) else publish(*a)
else:
    setattr(Pipeline, step, die)
command.main(["stripe"])
"""


@pytest.mark.parametrize("step", ["normalize", "load", "publish"])
def test_the_rows_of_a_load_killed_after_fetching_land(step, loads, vendors):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step],
        cwd=REPOSITORY,
        env={**loads.deployment.env, **vendors.secrets["stripe"]},
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert not loads.files("stripe")

    vendors.put("records", {"stripe": {"charges": [records.stripe("charge", 6, 6)]}})
    vendors.fault("/v1/invoices", "status", status=403)
    loads.load("stripe", fails=True)
    assert_all_landed_once(loads, "stripe")
    loads.load("stripe")
    assert len(keys(loads.rows("stripe", "charges"))) == 6


@every_system
def test_a_busy_system_is_retried_after_its_wait(system, loads, vendors):
    vendors.fault(PAGED[system], "busy", retry_after=2)
    loads.load(system)
    assert_all_landed_once(loads, system)
    asked = vendors.requests(PAGED[system])
    busy = [each["fault"] for each in asked].index("busy")
    assert asked[busy + 1]["at"] - asked[busy]["at"] >= 2


def test_a_broken_answer_and_a_cut_connection_are_asked_for_again(loads, vendors):
    faults = [{"path": "/v1/invoices", "do": "error"}, {"path": "/v1/charges", "do": "drop"}]
    vendors.put("faults", faults)
    loads.load("stripe")
    assert_all_landed_once(loads, "stripe")
    assert {each["fault"] for each in vendors.requests()} == {"ok", "error", "drop"}


IMPATIENT = """
import sys
from tideline.landing.systems import command, session
session.ATTEMPTS = 2
sys.exit(command.main())
"""


def test_a_system_that_stays_down_fails_and_the_others_go_on(loads, vendors):
    secrets = vendors.secrets["zendesk"] | vendors.secrets["stripe"]
    secrets["TIDELINE_ZENDESK_URL"] = "http://localhost:9"
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT],
        cwd=REPOSITORY,
        env={**loads.deployment.env, **secrets},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "5 stripe.charges" in done.stdout and "salesforce" not in done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("error: zendesk: localhost could not be reached")


@pytest.mark.parametrize(
    "grant",
    [
        {},
        {
            "TIDELINE_SALESFORCE_CLIENT_SECRET": "",
            "TIDELINE_SALESFORCE_REFRESH_TOKEN": "sf-refresh",
        },
    ],
    ids=["client_credentials", "refresh_token"],
)
def test_an_expired_token_of_salesforce_is_renewed_once(grant, loads, vendors):
    vendors.fault(PAGED["salesforce"], "expire")
    loads.load("salesforce", TIDELINE_SALESFORCE_ACCESS_TOKEN="sf-token-1", **grant)
    assert_all_landed_once(loads, "salesforce")
    assert len(vendors.requests("/services/oauth2/token")) == 1


REFUSED = {
    "salesforce": ("TIDELINE_SALESFORCE_CLIENT_SECRET", "invalid_client"),
    "hubspot": ("TIDELINE_HUBSPOT_TOKEN", "INVALID_AUTHENTICATION"),
    "zendesk": ("TIDELINE_ZENDESK_API_TOKEN", "/api/v2/incremental/"),
    "stripe": ("TIDELINE_STRIPE_API_KEY", "invalid_request_error"),
}


@every_system
def test_refused_credentials_are_named(system, loads):
    variable, said = REFUSED[system]
    output = loads.load(system, fails=True, **{variable: "wrong-secret"})
    [line] = [line for line in output.splitlines() if line.startswith("error")]
    assert line.startswith(f"error: {system}: ") and variable in line and said in line
    assert "renew" in line and "wrong-secret" not in output


def test_a_refusal_is_reported_without_quoting_it(loads, vendors):
    body = {"error": {"code": "more_permissions_required", "message": "person1@mail.example"}}
    vendors.fault("/v1/invoices", "status", status=403, body=body)
    output = loads.load("stripe", fails=True)
    assert "answered HTTP 403 to /v1/invoices (more_permissions_required)" in output
    assert not loads.files("stripe")
    body = {"error": "no token for person1@mail.example"}
    vendors.fault("/services/oauth2/token", "status", status=400, body=body)
    output = loads.load("salesforce", fails=True)
    assert "salesforce: no access token, HTTP 400; renew TIDELINE_SALESFORCE_CLIENT_ID" in output


def test_missing_and_unsafe_settings_are_errors(loads):
    output = loads.deployment.run(*COMMAND, "zendesk", fails=True)
    assert "zendesk: no credentials; set TIDELINE_ZENDESK_URL and TIDELINE_ZENDESK_EMAIL" in output
    assert "no system has credentials" in loads.deployment.run(*COMMAND, fails=True)
    output = loads.load("stripe", fails=True, TIDELINE_STRIPE_URL="http://api.stripe.example")
    assert "TIDELINE_STRIPE_URL is not an https:// address" in output
    assert "there is no system 'strype'" in loads.deployment.run(*COMMAND, "strype", fails=True)


class Elsewhere:
    """Another server, which records its requests and asks for credentials."""

    def __init__(self):
        self.requests = requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                requests.append(f"{self.requestline} {self.headers} {body.decode()}")
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_):
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def elsewhere():
    server = Elsewhere()
    yield server
    server.close()


LEADING_AWAY = {
    "next page": ("/services/data/v62.0/queryAll", 200),
    "redirect": ("/services/data/v62.0/sobjects/Contact/describe", 302),
    "redirect of a login": ("/services/oauth2/token", 307),
}


@pytest.mark.parametrize("away", list(LEADING_AWAY))
def test_credentials_go_to_no_other_host(away, loads, vendors, elsewhere):
    """Neither the token nor the secret to get one; the other server asks for both."""
    path, status = LEADING_AWAY[away]
    page = {"done": False, "records": [], "nextRecordsUrl": f"{elsewhere.url}/next"}
    headers = {} if status == 200 else {"Location": f"{elsewhere.url}/login"}
    vendors.fault(path, "status", status=status, body=page, headers=headers)
    output = loads.load("salesforce", fails=True)
    assert f"error: salesforce: a next page or redirect leads from {vendors.url}" in output
    assert f"to {elsewhere.url}; nothing was sent there" in output
    assert not elsewhere.requests
    loads.load("salesforce")  # the next load has all rows
    assert_all_landed_once(loads, "salesforce")


def test_credentials_do_not_leave_tls(loads, elsewhere, tmp_path):
    """A redirect from https to http of the same host."""
    certificate, key = certificate_for("localhost", tmp_path)
    secure = ThreadingHTTPServer(("127.0.0.1", 0), redirecting_to(elsewhere.url))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    try:
        output = loads.load(
            "salesforce",
            fails=True,
            TIDELINE_SALESFORCE_URL=f"https://localhost:{secure.server_port}",
            TIDELINE_SALESFORCE_ACCESS_TOKEN="sf-token-1",
            REQUESTS_CA_BUNDLE=str(certificate),
        )
    finally:
        secure.shutdown()
        secure.server_close()
    assert f"from https://localhost:{secure.server_port} to {elsewhere.url}" in output
    assert not elsewhere.requests


def redirecting_to(url):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", url + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Print nothing."""

    return Handler


def certificate_for(host, folder):
    """A self-signed certificate of this host, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


@pytest.mark.parametrize("url", ["https://api.example", "https://api.example:443"])
def test_a_default_port_may_be_written_or_not(url):
    session = http_session(url)
    for own in ("https://api.example/next", "https://api.example:443/next", "https://API.example/"):
        assert not isinstance(session.get_adapter(own), Refusing)
    for other in ("http://api.example/", "https://api.example.org/", "https://api.example:444/"):
        assert isinstance(session.get_adapter(other), Refusing)


def test_a_second_load_at_a_time_is_refused(loads, vendors):
    vendors.fault("/v1/charges", "hang", seconds=60)
    process = loads.start("stripe")
    vendors.wait_for("hang")
    output = loads.load("stripe", fails=True)
    assert "error: stripe: another load is running" in output
    process.kill()
    process.wait()
    loads.load("stripe")  # the lock was released when its holder ended


@pytest.mark.parametrize("system", ["salesforce", "hubspot", "stripe"])
def test_late_changes_are_not_missed(system, loads, vendors):
    """A change becomes visible minutes after a later change was seen."""
    now = datetime.now(UTC)
    early, late = now - timedelta(minutes=5), now - timedelta(minutes=1)

    def at(number, moment):
        return {
            "salesforce": {"Contact": [records.salesforce("Contact", number, moment)]},
            "hubspot": {
                "contacts": [records.hubspot_contact(number, moment)],
                "email_events": [records.hubspot_email_event(number, moment)],
                "submissions": [records.hubspot_submission("f1", number, moment)],
            },
            "stripe": {"charges": [records.stripe("charge", number, moment)]},
        }[system]

    vendors.put("records", {system: at(7, late)})
    loads.load(system)
    vendors.put("records", {system: at(6, early)})
    loads.load(system)
    tables = {"salesforce": ["contacts"], "stripe": ["charges"]}.get(system, SYSTEMS[system].tables)
    for table in tables:
        assert len(keys(loads.rows(system, table))) == 7, table


def test_stripe_loads_canceled_subscriptions_and_deleted_customers(loads, vendors):
    canceled = records.stripe("subscription", 6, 6, status="canceled", canceled_at=1709400000)
    vendors.put("records", {"stripe": {"subscriptions": [canceled]}})
    loads.load("stripe")
    assert keys(loads.rows("stripe", "subscriptions"))["sub_6"] == 1
    before = loads.files("stripe")
    now = datetime.now(UTC)
    ended = records.stripe("subscription", 1, 1, status="canceled", canceled_at=1709500000)
    events = [
        records.stripe_event("customer.subscription.deleted", now, ended),
        records.stripe_event("customer.deleted", now, records.stripe("customer", 2, 2)),
        records.stripe_event("payout.paid", now, {"id": "po_1", "object": "payout"}),
    ]
    vendors.put("records", {"stripe": {"events": events}})
    loads.load("stripe")
    [row] = loads.rows("stripe", "subscriptions", but=before)
    assert row["status"] == "canceled" and row["canceled_at"] == "1709500000"
    assert row["stripe_event_type"] == "customer.subscription.deleted"
    [known] = [row for row in loads.rows("stripe", "subscriptions") if row["status"] == "active"][
        :1
    ]
    assert int(row["updated"]) > int(known["updated"])
    [row] = loads.rows("stripe", "customers", but=before)
    assert row["id"] == "cus_2" and row["is_deleted"] == "true"


def test_after_a_pause_longer_than_stripes_log_everything_is_fetched_again(loads, vendors):
    loads.load("stripe")
    before = loads.files("stripe")
    last = loads.landing / "_state" / "stripe" / "last_load"
    assert time.time() - float(last.read_text()) < 60
    for text in (str(time.time() - 30 * 86400), ""):
        last.write_text(text)
        loads.load("stripe")
        assert len(loads.rows("stripe", "customers", but=before)) == 5
        before = loads.files("stripe")


def test_nothing_is_written_elsewhere_and_no_telemetry_is_sent(loads, vendors):
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True
    )
    homes = [loads.home, Path("/var/dlt")]  # the second one is dlt's default for root
    before = [sorted(home.glob("*")) for home in homes]
    loads.load(*SYSTEMS, HTTPS_PROXY=vendors.url)
    assert "CONNECT" not in {each["method"] for each in vendors.requests("")}
    assert [sorted(home.glob("*")) for home in homes] == before
    assert sorted(path.name for path in loads.landing.iterdir()) == [
        "_state", "events", *sorted(SYSTEMS)
    ]  # fmt: skip
    names = {path.name for path in loads.landing.rglob("*") if "_state" not in path.parts}
    assert not [name for name in names if name.startswith("_") or name == "init"]
    again = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert again.stdout == status.stdout


def test_the_graph_makes_events_of_landed_records(loads, vendors):
    ended = records.stripe("subscription", 1, 1, status="canceled", canceled_at=1709500000)
    event = records.stripe_event("customer.subscription.deleted", 40, ended)
    vendors.put("records", {"stripe": {"events": [event]}})
    loads.load(*SYSTEMS)
    sources = json.dumps({"sources": dict.fromkeys(SYSTEMS, "landing")})
    loads.deployment.build_up_to("fct_events", "events_quarantined", variables=sources)
    query = loads.deployment.query
    tables = {(system, table) for system in SYSTEMS for table in SYSTEMS[system].tables}
    assert tables == set(query("select distinct source, table_name from raw_messages"))
    assert query("select landed_file, reason from events_quarantined") == []
    assert set(query("select distinct source, event_name from fct_events")) >= {
        ("salesforce", "identify"),
        ("hubspot", "email_open"),
        ("hubspot", "form_submit"),
        ("zendesk", "support_ticket"),
        ("stripe", "purchase"),
        ("stripe", "subscription_start"),
        ("stripe", "subscription_cancel"),
    }


def test_the_search_of_hubspot_conforms_to_its_specification(loads, vendors):
    path = SHARED / "specs" / "hubspot_contacts.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    specification = json.loads(path.read_text())
    schemas = specification["components"]["schemas"]
    assert "/crm/v3/objects/contacts/search" in specification["paths"]
    loads.load("hubspot")
    [first, *_] = [each["body"] for each in vendors.requests("/crm/")]
    request = schemas["PublicObjectSearchRequest"]["properties"]
    assert set(first) <= set(request)
    known = schemas["Filter"]["properties"]
    for condition in first["filterGroups"][0]["filters"]:
        assert set(condition) <= set(known)
        assert condition["operator"] in known["operator"]["enum"]


def test_a_system_is_an_asset(loads, vendors, monkeypatch):
    from orchestration.system_assets import load_assets

    stripe = next(each for each in load_assets if each.node_def.name == "load_stripe")
    for name in list(os.environ):
        if name.startswith("TIDELINE_STRIPE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TIDELINE_LANDING", str(loads.landing))
    reader = dg.asset(name="reader", deps=list(stripe.keys))(lambda: None)
    with dg.DagsterInstance.ephemeral() as instance:
        bare = dg.materialize([stripe, reader], instance=instance)
        assert bare.asset_materializations_for_node("reader")  # downstream assets still run
        for event in bare.asset_materializations_for_node("load_stripe"):
            assert event.metadata["status"].value == "skipped"
            assert "set TIDELINE_STRIPE_API_KEY" in event.metadata["message"].value
        with monkeypatch.context() as patch:
            # dlt is configured by the environment of its process.
            patch.setattr(os, "environ", os.environ | vendors.secrets["stripe"])
            done = dg.materialize([stripe], instance=instance)
    landed = {
        event.asset_key.path[-1]: event.metadata["rows landed"].value
        for event in done.asset_materializations_for_node("load_stripe")
    }
    assert landed == dict.fromkeys(SYSTEMS["stripe"].tables, 5)
    assert_all_landed_once(loads, "stripe")


def test_the_schedule_asks_for_the_systems_that_have_credentials(monkeypatch):
    from orchestration.schedules import source_systems_daily

    for system in SYSTEMS.values():
        for variable in {name for way in system.logins for name in way}:
            monkeypatch.delenv(variable, raising=False)
    assert "credentials" in source_systems_daily(dg.build_schedule_context()).skip_message
    monkeypatch.setenv("TIDELINE_HUBSPOT_TOKEN", "x")
    asked = source_systems_daily(dg.build_schedule_context()).asset_selection
    assert [key.path[1:] for key in asked] == [
        ["hubspot", table] for table in SYSTEMS["hubspot"].tables
    ]


def test_values_become_text_as_json_writes_them():
    values = [1, 12.5, True, None, "a", "\ud83d", [1, None], {"a": "é"}]
    assert [as_text(value) for value in values] == [
        "1", "12.5", "true", None, "a", "?", "[1, null]", '{"a": "é"}'
    ]  # fmt: skip


def test_timestamps_are_read_in_any_format():
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)
    forms = [
        milliseconds, str(milliseconds), milliseconds // 1000, str(milliseconds // 1000),
        "2024-03-01T12:00:00Z", "2024-03-01T12:00:00.000+0000", "2024-03-01T13:00:00+01:00",
        "2024-03-01T12:00:00",
    ]  # fmt: skip
    assert {instant(form) for form in forms} == {milliseconds}
    assert instant("yesterday") is None and instant(None) is None and instant({}) is None


def test_the_next_load_starts_where_the_last_one_was_complete():
    window = Window(now=1_800_000_000_000)
    latest = window.since("updated", "id", str)["last_value_func"]
    old = window.settled - 1
    assert latest((str(old), 0)) == old
    assert latest((window.now - 1, old)) == window.settled
    assert latest(("no instant", old)) == window.settled
