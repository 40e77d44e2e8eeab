"""Salesforce: a login whose tokens expire after a few calls, and contacts with an external id."""

import base64
import json
import re
import time
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.tools.case import Case
from tests.support.tools.salesforce_key import private_key

CLIENT, SECRET, USER = "sf-client", "sf-secret", "sync@example.com.sandbox"
AUDIENCE = "https://login.salesforce.com"
CALLS = 3  # of a token
ROOT = "/services/data/v62.0"
KEY = "Tideline_Key__c"
TEXT = {"LastName": 80, KEY: 255, "Tideline_Label__c": 40, "Tags__c": 255}
TYPES = dict.fromkeys(TEXT, "string") | {
    "Score__c": "double",
    "New__c": "boolean",
    "Entered__c": "datetime",
}
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)")
SOQL = re.compile(
    r"SELECT Id,(?P<fields>[\w,]+) FROM (?P<object>\w+) WHERE (?P<field>\w+) "
    r"IN \((?P<values>.+)\)",
    re.S,
)
LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'")


def error(code, message):
    return [{"message": message, "errorCode": code}]


def row_error(code, message, *fields):
    told = {"statusCode": code, "message": message, "fields": list(fields)}
    return {"success": False, "errors": [told]}


class Tool:
    def __init__(self, world):
        self.world = world
        self.records = {}  # id: fields
        self.tokens = {}  # token: calls left

    def state(self):
        return {"records": list(self.records.values()), "logins": len(self.tokens)}

    def seed(self, people):
        for each in people:
            self.create({KEY: each, "LastName": "Known"})

    def create(self, fields):
        name = f"003{len(self.records):012}AAA"
        self.records[name] = dict.fromkeys(TYPES) | fields
        return name

    def handle(self, request):
        if request.path == "/services/oauth2/token":
            return self.login(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.tokens.get(token):
            return 401, error("INVALID_SESSION_ID", "Session expired or invalid")
        self.tokens[token] -= 1
        path = request.path.removeprefix(ROOT)
        if request.method == "GET" and path == "/query":
            assert len(request.path) + len(request.query["q"][0]) < 16_384
            return self.query(request.query["q"][0])
        if request.headers.get("Sforce-Auto-Assign") != "FALSE":
            return 400, error("OWNER_CHANGED", "the assignment rules gave the records new owners")
        if request.method == "PATCH" and path == "/composite/sobjects":
            return self.change(request.json(), None)
        if request.method == "PATCH" and (
            found := re.fullmatch(r"/composite/sobjects/(\w+)/(\w+)", path)
        ):
            if found[1] != "Contact":
                return 404, error("NOT_FOUND", "The requested resource does not exist")
            if found[2] != KEY:
                said = f"Provided external ID field does not exist or is not accessible: {found[2]}"
                return 404, error("NOT_FOUND", said)
            return self.change(request.json(), KEY)
        return 404, error("NOT_FOUND", "The requested resource does not exist")

    def login(self, request):
        if request.headers["Content-Type"] != "application/x-www-form-urlencoded":
            return 400, {"error": "invalid_request", "error_description": "missing grant"}
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        given = {"client_id": form.get("client_id"), "client_secret": form.get("client_secret")}
        match form["grant_type"]:
            case "client_credentials":
                if given != {"client_id": CLIENT, "client_secret": SECRET}:
                    said = "invalid client credentials"
                    return 400, {"error": "invalid_client", "error_description": said}
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                if not is_signed(form["assertion"]):
                    said = "invalid assertion"
                    return 400, {"error": "invalid_grant", "error_description": said}
            case _:
                said = "grant type not supported"
                return 400, {"error": "unsupported_grant_type", "error_description": said}
        token = f"00D!token.{len(self.tokens)}"
        self.tokens[token] = CALLS
        return 200, {
            "access_token": token,
            "scope": "api",
            "instance_url": f"http://{request.headers['Host']}/salesforce",
            "id": "https://login.salesforce.com/id/00D/005",
            "token_type": "Bearer",
        }

    def query(self, soql):
        found = SOQL.fullmatch(soql)
        if not found:
            return 400, error("MALFORMED_QUERY", "unexpected token")
        if found["object"] != "Contact":
            said = f"sObject type '{found['object']}' is not supported."
            return 400, error("INVALID_TYPE", said)
        field = found["field"]
        if field not in TYPES:
            return 400, error("INVALID_FIELD", f"No such column '{field}' on entity 'Contact'.")
        fields = found["fields"].split(",")
        if field not in fields or not TYPES.keys() >= set(fields):
            return 400, error("INVALID_FIELD", f"No such column in '{found['fields']}'.")
        asked = LITERAL.findall(found["values"])
        if ",".join(f"'{each}'" for each in asked) != found["values"]:
            return 400, error("MALFORMED_QUERY", "line breaks and quotes must be escaped")
        wanted = {re.sub(r"\\(.)", r"\1", each).lower() or None for each in asked}
        rows = [
            {"attributes": {"type": "Contact"}, "Id": name} | {f: each[f] for f in fields}
            for name, each in self.records.items()
            if (each[field] and each[field].lower()) in wanted
        ]
        return 200, {"totalSize": len(rows), "done": True, "records": rows}

    def change(self, body, key):
        """Upsert by `key`, or update by `id`."""
        records = body["records"]
        if len(records) > 200:
            return 400, error("EXCEEDED_ID_LIMIT", "record limit reached: 200")
        for each in records:
            if each["attributes"] != {"type": "Contact"}:
                return 400, error("INVALID_TYPE", "the type is missing")
            for name in each:
                if name not in {"attributes", *TYPES} and not (name == "id" and key is None):
                    said = f"No such column '{name}' on sobject of type Contact"
                    return 400, error("INVALID_FIELD", said)
            if key and f"batch:{each[key]}" in self.world.refused:
                return 400, error("JSON_PARSER_ERROR", "Cannot deserialize instance of double")
            if problem := next(filter(None, (wrong_type(*pair) for pair in each.items())), None):
                return 400, error("JSON_PARSER_ERROR", problem)
        if body.get("allOrNone") is not False:
            return 400, error("JSON_PARSER_ERROR", "this would roll all back")
        keys = [(each[key] if key else each["id"]).lower() for each in records]
        twice = {each for each in keys if keys.count(each) > 1}
        return 200, [self.set(each, key, twice) for each in records]

    def set(self, record, key, twice):
        values = {n: v or None if v == "" else v for n, v in record.items() if n in TYPES}
        name, is_new = record.get("id"), False
        if key:
            value = (record[key] or "").strip()
            if not value:
                return row_error("MISSING_ARGUMENT", f"{key} not specified", key)
            if value.lower() in twice:
                return row_error(
                    "DUPLICATE_VALUE", f"Duplicate external id specified: {value}", key
                )
            if value in self.world.refused:
                return row_error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "This person is closed")
            same = [n for n, e in self.records.items() if (e[key] or "").lower() == value.lower()]
            if len(same) > 1:
                said = f"{key}: more than one record found for external id field: {same}"
                return row_error("DUPLICATE_EXTERNAL_ID", said, key)
            name, is_new = (same[0], False) if same else (None, True)
        elif name.lower() in twice:
            return row_error("DUPLICATE_VALUE", f"duplicate id in list: {name}")
        elif name not in self.records:
            return row_error("ENTITY_IS_DELETED", "entity is deleted")
        before = {} if is_new else self.records[name]
        if (before | values).get("LastName") is None:
            said = "Required fields are missing: [LastName]"
            return row_error("REQUIRED_FIELD_MISSING", said, "LastName")
        for field, value in values.items():
            if field in TEXT and value is not None and len(value) > TEXT[field]:
                said = f"data value too large: {value[:10]} (max length={TEXT[field]})"
                return row_error("STRING_TOO_LONG", said, field)
        name = self.create(values) if is_new else name
        self.records[name] |= values
        person = self.records[name][KEY]
        op = "add" if any(v is not None for n, v in values.items() if n != KEY) else "remove"
        self.world.effect("salesforce_records", op, person)
        return {"id": name, "success": True, "errors": []} | ({"created": is_new} if key else {})


def wrong_type(name, value):
    fits = {
        "string": lambda: isinstance(value, str),
        "double": lambda: isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": lambda: isinstance(value, bool),
        "datetime": lambda: isinstance(value, str) and DATETIME.fullmatch(value),
    }
    kind = TYPES.get(name)
    if kind is None or value is None or fits[kind]():
        return None
    return f"Cannot deserialize instance of {kind} from {json.dumps(value)}"


def is_signed(assertion):
    """Whether an assertion is that of the app for its user, not expired and signed by its key."""
    head, claims, signature = (
        base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in assertion.split(".")
    )
    signed = assertion.rpartition(".")[0].encode()
    try:
        private_key().public_key().verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    told = json.loads(claims)
    left = told.pop("exp") - time.time()
    mine = {"iss": CLIENT, "sub": USER, "aud": AUDIENCE}
    return json.loads(head)["alg"] == "RS256" and told == mine and 0 < left <= 300


def held(state):
    return {
        (each[KEY], None): each["Tideline_Label__c"]
        for each in state["records"]
        if each["Tideline_Label__c"]
    }


CASES = {
    "salesforce_records": Case(
        tool="salesforce",
        sync={
            "key": ["email"],
            "object": "Contact",
            "external_id": KEY,
            "fields": {"Tideline_Label__c": "{segment_label}", "LastName": "Unknown"},
            "keep": ["LastName"],
        },
        credentials={
            "TIDELINE_SALESFORCE_CLIENT_ID": CLIENT,
            "TIDELINE_SALESFORCE_CLIENT_SECRET": SECRET,
        },
        held=held,
        is_member=False,
        has_labels=True,
    ),
}
