"""A proposed mapping fits its log, and names what could not be guessed."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.landing import propose
from tideline.landing.land import land, main
from tideline.landing.mapping import load_mapping, parse_mapping

pytestmark = pytest.mark.slow  # each lands a log twice

START = datetime(2024, 3, 1, 10)
EXAMPLES = Path(__file__).parents[2] / "examples" / "mappings"


def proposed(folder, rows, name="log.csv", encoding="utf-8"):
    """The proposal for a log of these lines, as text, and as YAML."""
    log, mapping = folder / name, folder / "proposal.yml"
    log.write_text("".join(f"{row}\n" for row in rows), encoding=encoding)
    mapping.unlink(missing_ok=True)
    assert main([str(log), "--propose", str(mapping)]) == 0
    text = mapping.read_text(encoding="utf-8")
    return text, yaml.safe_load(text) or {}


def landed(folder, name="log.csv"):
    """The messages that the unchanged proposal lands."""
    result = land(folder / name, load_mapping(folder / "proposal.yml"), folder / "landing")
    rows = duckdb.sql(f"select to_json(t)::varchar from read_parquet('{result.output}') as t")
    return [json.loads(row) for (row,) in rows.fetchall()]


def table(head, rows):
    """Lines of a CSV file whose first column is an ordered time."""
    times = (START + timedelta(minutes=n) for n in range(len(rows)))
    return [
        f"time,{head}",
        *(f"{at:%Y-%m-%d %H:%M:%S},{row}" for at, row in zip(times, rows, strict=True)),
    ]


def line(text, start):
    """The one line of a proposal that starts with this text."""
    (found,) = [each for each in text.splitlines() if each.startswith(start)]
    return found


def test_a_uuid_that_repeats_names_a_visitor(tmp_path):
    text, mapping = proposed(tmp_path, table("uuid,url", [f"u{n % 30},/a" for n in range(180)]))
    assert "event_id" not in mapping
    assert mapping["anonymous_id"] == "uuid"
    assert "30 values in 180 rows" in line(text, "anonymous_id:")
    assert len({message["messageId"] for message in landed(tmp_path)}) == 180


def test_a_uuid_shared_by_several_users_is_not_a_visitor(tmp_path):
    rows = [f"u{n % 30},{n % 7}" for n in range(180)]
    text, mapping = proposed(tmp_path, table("uuid,user_id", rows))
    assert "anonymous_id" not in mapping
    assert mapping["user_id"] == "user_id"
    assert "30 of 30 values are with several users" in line(text, "# anonymous_id: uuid")


@pytest.mark.parametrize(
    ("head", "ids", "is_mapped", "said"),
    [
        ("event_id", [f"e{n}" for n in range(60)], True, "60 values in 60 rows: unique"),
        ("event_id", [str(n + 1) for n in range(60)], True, "unique and complete"),
        ("payment_id", [f"p{n}" for n in range(60)], True, "unique and complete"),
        ("uuid", [f"e{n}" for n in range(60)], True, "unique and complete"),
        ("id", [str(n + 1) for n in range(60)], False, "a row number"),
        ("event_id", [f"e{n}" for n in range(59)] + [""], False, "1 row has none"),
        (
            "event_id",
            [f"e{n % 50}" for n in range(60)],
            False,
            "50 values in 60 rows, so it is "
            "not unique: with this line 10 rows would become duplicates",
        ),
        (
            "event_id",
            ["e0", *(f"e{n}" for n in range(58)), ""],
            False,
            "58 values in 59 rows, 1 row "
            "has none, so it is not unique: with this line 1 row would become a duplicate",
        ),
    ],
)
def test_an_event_id_is_unique_and_complete(tmp_path, head, ids, is_mapped, said):
    rows = [f"{value},w{n % 6},x" for n, value in enumerate(ids)]
    text, mapping = proposed(tmp_path, table(f"{head},user_id,action", rows))
    assert mapping.get("event_id") == (head if is_mapped else None)
    assert said in line(text, "event_id:" if is_mapped else f"# event_id: {head}")


def test_repeated_rows_are_told_from_repeated_ids(tmp_path):
    rows = table("event_id,user_id,action", [f"e{n},w{n % 6},x" for n in range(60)])
    text, mapping = proposed(tmp_path, [*rows, *rows[-5:]])
    assert "event_id" not in mapping
    assert "the same rows again: map it to count them once" in line(text, "# event_id")


def test_whether_identical_rows_are_one_event_is_asked(tmp_path):
    rows = table("user_id,action", [f"w{n % 6},x" for n in range(60)])
    text, mapping = proposed(tmp_path, [*rows, *rows[-5:]])
    assert "event_id" not in mapping
    said = line(text, "# event_id: ")
    assert "5 rows are identical to others; with this line such rows count once" in said
    (tmp_path / "proposal.yml").write_text(text.replace(said, said[2:]))
    assert len({message["messageId"] for message in landed(tmp_path)}) == 60
    text, _ = proposed(tmp_path, rows)
    assert "identical" not in text


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        ([str(n) for n in range(60)], "hardly any occurs twice"),
        (["7"] * 60, "one value in all 60 rows"),
        ([""] * 60, "empty in all rows"),
    ],
)
def test_columns_that_name_nobody_are_not_mapped_to_a_person(tmp_path, ids, why):
    text, mapping = proposed(tmp_path, table("customer_id,action", [f"{n},x" for n in ids]))
    assert "user_id" not in mapping
    assert why in line(text, "# user_id: customer_id")
    why = "user_id, anonymous_id and email are missing; map at least one of them to the column"
    assert f"# It cannot land yet: {why} that says who did it" in text
    assert main([str(tmp_path / "log.csv"), "--mapping", str(tmp_path / "proposal.yml")]) == 1


def test_an_object_is_neither_a_person_nor_a_page(tmp_path):
    """As text, an object would be a new person whenever one of its members changes."""
    rows = [
        {"at": f"{START + timedelta(minutes=n)}Z", "user": {"id": n % 6, "plan": n % 2}}
        | {"request": {"route": "/v1", "n": n % 3}}
        for n in range(60)
    ]
    text, mapping = proposed(tmp_path, map(json.dumps, rows), "gateway.jsonl")
    assert mapping["user_id"] == "user.id"
    assert mapping["event"] == {"constant": "gateway_recorded"}
    assert mapping["properties"] == {
        "user_plan": "user.plan",
        "request_route": "request.route",
        "request_n": "request.n",
    }
    people = {message["userId"] for message in landed(tmp_path, "gateway.jsonl")}
    assert people == set("012345")
    lists = [json.dumps({**row, "user": [n % 6]}) for n, row in enumerate(rows)]
    text, mapping = proposed(tmp_path, lists, "gateway.jsonl")
    assert "user_id" not in mapping
    said = line(text, "# user_id: user ")
    assert "holds objects or arrays; name a value of it, such as {sql: " in said


@pytest.mark.parametrize("is_nested", [False, True])
def test_ids_that_are_numbers_or_texts_name_a_person(tmp_path, is_nested):
    rows = []
    for n in range(120):
        person = n % 12 if n % 2 else f"P-{n % 12}"
        who = {"card": {"no": person}} if is_nested else {"member_no": person}
        at = f"{START + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}"
        rows.append(json.dumps({"at": at, "action": "x", "seat": [n % 7, "A1"][n % 2], **who}))
    text, mapping = proposed(tmp_path, rows, "log.jsonl")
    assert "objects or arrays" not in text
    assert line(text, "  seat: ") == "  seat: seat  # text"
    if is_nested:
        assert "# user_id: card.no  # could be a person's id: 12 values in 120 rows" in text
        with (tmp_path / "proposal.yml").open("a") as file:
            file.write("user_id: card.no\n")
    else:
        assert mapping["user_id"] == "member_no"
    assert {message["userId"] for message in landed(tmp_path, "log.jsonl")} == {
        *(str(n) for n in range(1, 12, 2)),
        *(f"P-{n}" for n in range(0, 12, 2)),
    }


def test_a_placeholder_for_nobody_is_doubted(tmp_path):
    rows = [f"{'guest' if n % 3 else n % 4},x" for n in range(90)]
    text, _ = proposed(tmp_path, table("user_id,action", rows))
    assert "one value has 60 rows: is it a placeholder for nobody?" in line(text, "user_id:")


TIMES = [
    ("%d/%m/%Y %H:%M:%S", "as %m/%d/%Y %H:%M:%S only"),
    ("%m/%d/%Y %H:%M", "as %d/%m/%Y %H:%M only"),
    ("%d.%m.%y", "no zone: UTC is assumed"),
    ("%Y%m%d", "no zone: UTC is assumed"),
    ("%Y-%m-%dT%H:%M:%S+00:00", "each value names its zone"),
    ("%Y-%m-%d %H:%M", "ISO 8601 without a zone"),
    ("%d/%b/%Y:%H:%M:%S +0000", "each value names its zone"),
    ("%d %B %Y %I:%M %p", "no zone: UTC is assumed"),
    ("%a %b %d %H:%M:%S %Y", "no zone: UTC is assumed"),
]


@pytest.mark.parametrize(("form", "said"), TIMES, ids=[form for form, _ in TIMES])
def test_times_of_many_forms_are_read_right(tmp_path, form, said):
    times = [START + timedelta(hours=7 * n) for n in range(120)]
    rows = ["when,user_id,action", *(f'"{at:{form}}",u{at.day},x' for at in times)]
    text, _ = proposed(tmp_path, rows)
    assert said in line(text, "time:")
    expected = [datetime.strptime(at.strftime(form), form) for at in times]
    found = [message["timestamp"] for message in landed(tmp_path)]
    assert found == [f"{at.replace(tzinfo=None):%Y-%m-%dT%H:%M:%S.%fZ}" for at in expected]


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_numbers_since_1970_are_read_in_their_unit(tmp_path, unit, per_second):
    start = START.replace(tzinfo=UTC).timestamp()
    rows = [f"{int((start + 60 * n) * per_second)},s{n % 5},x" for n in range(60)]
    _, mapping = proposed(tmp_path, ["ts,sensor_id,action", *rows])
    assert mapping["time"] == {"column": "ts", "unit": unit}
    assert [m["timestamp"][:19] for m in landed(tmp_path)][:2] == [
        "2024-03-01T10:00:00",
        "2024-03-01T10:01:00",
    ]


def test_numbers_since_1970_may_be_text(tmp_path):
    """JSON often has them as text; an unreadable one is landed and reported like any other."""
    start = START.replace(tzinfo=UTC).timestamp()
    times = [*(f"{start + 60 * n:.3f}" for n in range(59)), "soon"]
    rows = [
        json.dumps({"ts": at, "device_id": f"d{n % 5}", "action": "x"})
        for n, at in enumerate(times)
    ]
    text, mapping = proposed(tmp_path, rows, "log.jsonl")
    assert mapping["time"] == {"column": "ts", "unit": "s"}
    assert "59 of 60 filled rows are read" in line(text, "time:")
    found = [message["timestamp"] for message in landed(tmp_path, "log.jsonl")]
    assert [found[1][:19], found[-1]] == ["2024-03-01T10:01:00", "soon"]


def test_a_date_in_digits_is_not_a_number_since_1970(tmp_path):
    times = [START + timedelta(hours=n) for n in range(60)]
    rows = [json.dumps({"ts": f"{at:%Y%m%d%H%M%S}", "user_id": "a", "action": "x"}) for at in times]
    _, mapping = proposed(tmp_path, rows, "log.jsonl")
    assert mapping["time"]["format"] == "%Y%m%d%H%M%S"


def test_the_order_of_the_rows_distinguishes_day_and_month(tmp_path):
    days = [START + timedelta(days=n // 9) for n in range(108)]  # the first twelve of a month
    rows = [f"{at:%m/%d/%Y},u{at.day},x" for at in days]
    shuffled = sorted(rows)[::2] + sorted(rows)[1::2]
    text, mapping = proposed(tmp_path, ["day,user_id,action", *shuffled])
    assert "time" not in mapping
    assert "day or month first? Remove the #" in text
    assert [each["format"] for each in commented(text, "# time: ")] == ["%d/%m/%Y", "%m/%d/%Y"]
    later = [START + timedelta(days=n // 9) for n in range(20 * 9)]
    mixed = [at for at in later if at.day <= 12]  # of March: 3/1 to 3/12
    mixed += [at.replace(month=4) for at in mixed]
    text, mapping = proposed(
        tmp_path, ["day,user_id,action", *(f"{a:%m/%d/%Y},u,x" for a in mixed)]
    )
    assert mapping["time"]["format"] == "%m/%d/%Y"
    assert "the rows are in order of time; as %d/%m/%Y they are not" in line(text, "time:")


def commented(text, start):
    """The YAML of lines that a proposal has as comments."""
    return [
        yaml.safe_load(each[2:])["time"] for each in text.splitlines() if each.startswith(start)
    ]


def test_dates_and_clock_times_in_two_columns_are_one_time(tmp_path):
    times = [START + timedelta(hours=7 * n) for n in range(90)]
    rows = [f"{at:%d.%m.%Y};{at:%H:%M};7;in" for at in times]
    proposed(tmp_path, ["date;time;employee_no;action", *rows, "01.04.2024;10:00;8;out"])
    assert [m["timestamp"][:16] for m in landed(tmp_path)][1] == "2024-03-01T17:00"


@pytest.mark.parametrize("date", ["%d/%m/%Y", "%Y-%m-%d"])
@pytest.mark.parametrize("clock", ["%Hh%M", "%H.%M", "%H.%M Uhr", "%H:%M Uhr"])
def test_a_clock_time_of_another_notation_is_joined_with_the_date(tmp_path, date, clock):
    times = [START - timedelta(hours=4) + timedelta(hours=7 * n) for n in range(60)]
    rows = [f"{at:{date}},{at:{clock}},u{n % 7}" for n, at in enumerate(times)]
    _, mapping = proposed(tmp_path, ["Date,Heure,user_id", *rows])
    assert mapping["time"]["format"] == f"{date} {clock}"
    assert [m["timestamp"] for m in landed(tmp_path)] == [
        f"{at:%Y-%m-%dT%H:%M:%S}.000000Z" for at in times
    ]


def test_a_number_is_not_a_time_unless_it_follows_the_rows(tmp_path):
    phones = [f"{1_700_000_000 - 7919 * (n * 37 % 60)},u{n % 6}" for n in range(60)]
    text, mapping = proposed(tmp_path, ["line,user_id", *phones])
    assert "time" not in mapping
    assert "No column can be read as a time" in text


def test_an_arrival_is_never_before_the_event(tmp_path):
    rows = [f"2024-03-01 {9 + n % 3:02}:00:00,u{n % 6},x" for n in range(60)]
    _, mapping = proposed(tmp_path, table("received_at,user_id,action", rows))
    assert "received_at" not in mapping  # some arrive an hour before they occur
    later = [f"2024-03-02 {n % 9:02}:00:00,u{n % 6},x" for n in range(60)]
    _, mapping = proposed(tmp_path, table("received_at,user_id,action", later))
    assert mapping["received_at"]["column"] == "received_at"


def test_events_have_the_names_of_the_plan_where_the_log_has_what_it_requires(tmp_path):
    events = ["Signed In", "Product Viewed", "NextSong", "purchase", "Größe geändert"] * 20
    rows = [f"u{n % 6},{each},{f'p{n}' if n % 5 == 1 else ''}" for n, each in enumerate(events)]
    text, mapping = proposed(tmp_path, table("user_id,event,sku", rows))
    assert mapping["event"]["names"] == {
        "Signed In": "login",
        "Product Viewed": "product_view",  # `sku` stands for product_id
        "NextSong": "next_song",
        "purchase": "purchase_logged",
        "Größe geändert": "groesse_geaendert",
    }
    assert "20 rows; purchase needs order_id and revenue" in line(text, "    purchase:")
    assert "20 rows, not in the tracking plan" in line(text, "    NextSong:")
    assert "next_song: no properties" in line(text, "#   next_song:")


def test_a_log_of_snowplow_has_its_names_in_event_name(tmp_path):
    kinds = {"unstruct": "add_to_basket", "page_view": "page_view", "struct": "event"}
    rows = [f"u{n % 6},{kind},{kinds[kind]}" for n, kind in enumerate([*kinds] * 20)]
    text, mapping = proposed(tmp_path, table("user_id,event,event_name", rows))
    assert mapping["event"]["column"] == "event_name"
    assert {*mapping["event"]["names"]} == {"add_to_basket", "page_view", "event"}
    assert "`sources: {snowplow: landing}` reads it with no mapping" in text
    rows = [row.replace("struct", "click") for row in rows]  # another log with both columns
    text, mapping = proposed(tmp_path, table("user_id,event,event_name", rows))
    assert mapping["event"]["column"] == "event" and "snowplow" not in text
    rows = [f"u{n % 6},unstruct,{n}@x" for n in range(60)]  # which holds no names
    text, mapping = proposed(tmp_path, table("user_id,event,event_name", rows))
    assert mapping["event"]["column"] == "event"


def test_the_event_column_is_a_property_only_where_values_share_a_name(tmp_path):
    rows = [f"u{n % 6},{['Sign-Up', 'Help', 'Sign Up'][n % (2 + n % 2)]}" for n in range(60)]
    _, mapping = proposed(tmp_path, table("user_id,event", rows))
    assert mapping["event"]["names"]["Sign Up"] == mapping["event"]["names"]["Sign-Up"]
    assert mapping["properties"] == {"title": "event"}
    rows = [row.replace("Sign Up", "Exit") for row in rows]
    _, mapping = proposed(tmp_path, table("user_id,event", rows))
    assert "properties" not in mapping


def test_names_that_yaml_would_take_for_truth_stay_text(tmp_path):
    rows = [f"r{n % 6},{'on' if n % 2 else 'off'},no" for n in range(60)]
    _, mapping = proposed(tmp_path, table("sensor_id,action,yes", rows))
    assert mapping["event"]["names"] == {"on": "on", "off": "off"}
    assert {message["event"] for message in landed(tmp_path)} == {"on", "off"}


@pytest.mark.parametrize("rows", [["time,user_id,action"], ["a"], ["time,user_id", "2024-01-01,"]])
def test_a_log_of_hardly_any_rows_is_proposed_for(tmp_path, rows):
    text, _ = proposed(tmp_path, rows)
    assert f"# Read: all {len(rows) - 1} row" in text


def test_a_log_that_cannot_be_read_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 5000)[:-40])
    (tmp_path / "folder.csv").mkdir()
    for name in ("cut.csv.gz", "folder.csv", "none.csv", "log.xlsx"):
        assert main([str(tmp_path / name)]) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1, said


def test_a_column_of_many_values_names_no_events(tmp_path):
    rows = [f"u{n % 6},/page/{n % 150}" for n in range(600)]
    text, mapping = proposed(tmp_path, table("user_id,page", rows))
    assert "150 values in 600 rows: too many" in line(text, "# event: page")
    assert mapping["event"] == {"constant": "log_recorded"}


def test_a_column_of_few_values_may_say_what_happened(tmp_path):
    rows = [f"u{n % 6},{['Eingang', 'Übung beendet'][n % 2]},H{n % 3}" for n in range(60)]
    _, mapping = proposed(tmp_path, table("kunde,vorgang,halle", rows))
    assert mapping["event"]["names"] == {"Eingang": "eingang", "Übung beendet": "uebung_beendet"}
    text, mapping = proposed(tmp_path, table("kunde,was,halle", rows))
    assert mapping["event"] == {"constant": "log_recorded"}
    assert "# Does halle (3 values) say what happened?" in text
    assert "# Other columns of few values: was (2 values)." in text
    block = text[text.index("# event:") : text.index("# Other columns")]
    assert yaml.safe_load(block.replace("# ", "", 1).replace("\n# ", "\n"))["event"] == {
        "column": "halle",
        "names": {"H0": "h0", "H1": "h1", "H2": "h2"},
    }


def test_lines_of_orders_are_purchases_and_returns_are_pointed_out(tmp_path):
    rows = [f"u{n % 6},o{n // 3},{-1 if n % 50 == 0 else 2},1.5" for n in range(150)]
    text, mapping = proposed(tmp_path, table("user_id,order_id,quantity,price", rows))
    assert mapping["event"] == {"constant": "purchase"}
    assert "3 rows are negative: returns?" in line(text, "  revenue:")
    assert sum(m["properties"]["revenue"] for m in landed(tmp_path)) == 147 * 3 - 3 * 1.5


def test_the_total_of_an_order_is_not_added_up_per_line(tmp_path):
    rows = [f"u{n % 6},o{n // 3},{n // 3 + 10}" for n in range(150)]
    text, mapping = proposed(tmp_path, table("user_id,order_id,total", rows))
    assert mapping["event"] == {"constant": "log_recorded"}
    assert "added up it would count several times" in text


def test_decimal_commas_blanks_and_other_encodings(tmp_path):
    times = [START + timedelta(minutes=n) for n in range(60)]
    rows = [f"{at:%d.%m.%Y %H:%M};k{at.minute % 7};1.{at.minute + 100},50;1,250" for at in times]
    head = "Datum;Kundennummer;Betrag;Menge"
    late = "31.03.2024 10:00;kö;1,5;1,250"
    _, mapping = proposed(tmp_path, [head, *rows, late], encoding="cp1252")
    assert mapping["csv"]["encoding"] == "cp1252"
    found = landed(tmp_path)
    assert [m["properties"]["betrag"] for m in found[:2]] == [1100.5, 1101.5]
    assert found[-1]["userId"] == "kö"
    # 1,250 may be 1250 or 1.25: it stays text, and a message says so.
    assert found[0]["properties"]["menge"] == "1,250"
    assert "are its commas decimal or between thousands?" in (tmp_path / "proposal.yml").read_text()


def test_one_value_that_is_no_number_does_not_stop_the_landing(tmp_path):
    rows = [f'k{n % 7},"{n},50"' for n in range(60)]
    rows[33] = "k1,frei"
    text, mapping = proposed(tmp_path, table("kunde,betrag", rows))
    assert mapping["properties"]["betrag"] == {"sql": 'decimal_comma("betrag")'}
    said = "numbers with a decimal comma; 1 value cannot be read and will be left out"
    assert said in line(text, "  betrag:")
    found = [m["properties"].get("betrag") for m in landed(tmp_path)]
    assert (found[1], found[33]) == (1.5, None)
    rows = [f'k{n % 7},"{n},50"' if n % 5 else "k1,frei" for n in range(60)]
    text, mapping = proposed(tmp_path, table("kunde,betrag", rows))
    assert mapping["properties"]["betrag"] == "betrag"  # so many are no numbers


@pytest.mark.parametrize(
    ("price", "sql"),
    [
        (lambda n: f'"170{n},85{[" €", ""][n % 2]}"', 'decimal_comma("betrag")'),
        (lambda n: f"${n}.50", 'thousands_comma("betrag")'),
    ],
)
def test_numbers_with_a_currency_are_noticed(tmp_path, price, sql):
    text, mapping = proposed(
        tmp_path, table("kunde,betrag", [f"k{n % 7},{price(n)}" for n in range(60)])
    )
    assert mapping["properties"]["betrag"] == {"sql": sql}
    assert "some with a currency" in line(text, "  betrag:") and "left out" not in text


def test_the_log_of_a_web_server(tmp_path):
    times = [START + timedelta(minutes=n) for n in range(60)]
    agent = '"Mozilla/5.0 (X11; Linux; rv:1)"'
    rows = [
        f"10.0.0.{n % 9} - - [{at:%d/%b/%Y:%H:%M:%S} +0100] "
        f'"GET /p/{n % 4} HTTP/1.1" 200 {n} {agent}'
        for n, at in enumerate(times)
    ]
    _, mapping = proposed(tmp_path, rows, "access.log")
    assert mapping["csv"]["delimiter"] == " "
    names = "host identity user day zone request status bytes"
    assert mapping["csv"]["columns"] == [*names.split(), "column_9"]
    messages = landed(tmp_path, "access.log")
    assert len(messages) == 60  # the first line is no header
    assert messages[1]["timestamp"] == "2024-03-01T09:01:00.000000Z"
    assert messages[1]["anonymousId"] == "10.0.0.1"
    assert messages[1]["properties"]["url"] == "/p/1"
    assert messages[1]["context"] == {"userAgent": "Mozilla/5.0 (X11; Linux; rv:1)"}
    rows = [row.replace(agent, f'"https://example.org/" {agent}') for row in rows]
    _, mapping = proposed(tmp_path, rows, "combined.log")
    assert mapping["csv"]["columns"] == [*names.split(), "referrer", "user_agent"]
    assert mapping["context"] == {"page.referrer": "referrer", "userAgent": "user_agent"}


def test_only_the_first_rows_of_a_long_log_are_read_and_reported(tmp_path, monkeypatch):
    rows = table("event_id,user_id,action", [f"e{n % 50},w{n % 6},x" for n in range(60)])
    monkeypatch.setattr(propose, "MOST_ROWS", 50)
    text, _ = proposed(tmp_path, rows)
    assert "# Read: the first 50 rows, the rest not." in text
    monkeypatch.undo()
    text, _ = proposed(tmp_path, rows)
    assert "# Read: all 60 rows." in text


@pytest.mark.parametrize("name", ["kontakt", "mail_addr", "login", "visitor", "E-Mail-Adresse"])
def test_a_column_of_addresses_is_an_email_whatever_its_name(tmp_path, name):
    rows = [f"anna{n % 7}@example.com,in" if n % 20 else ",in" for n in range(60)]
    text, mapping = proposed(tmp_path, table(f"{name},action", rows))
    assert mapping["email"] == name and not {"user_id", "anonymous_id"} & set(mapping)
    assert "100.0% of its values are email addresses, 7 values in 57" in line(text, "email:")
    assert name not in mapping.get("properties", {}).values()
    rows = [f"anna{n % 7}@example.com,out" if n % 5 else "none,in" for n in range(60)]
    assert "email" not in proposed(tmp_path, table(f"{name},action", rows))[1]  # 80%


def test_which_of_two_columns_of_addresses_is_the_persons_is_asked(tmp_path):
    rows = [f"a{n % 7}@example.com,b{n % 9}@example.com,in" for n in range(60)]
    text, mapping = proposed(tmp_path, table("kontakt,login,action", rows))
    assert not {"email", "user_id"} & set(mapping)
    for name, values in (("kontakt", 7), ("login", 9)):
        said = f"100.0% of its values are email addresses, {values} values in 60 rows: is it"
        assert said in line(text, f"# email: {name}")


def gym(n):
    """A visit of member n: card, nickname, phone, birthday, joined, town, shoe size, address."""
    return (
        f"K-{n:04},Anna {n},0171{n:07},19{n + 20:02}-01-01,17000{n:05},T{n % 3},{38 + n % 5},"
        f"a{n}@example.com,in"
    )


GYM = "ausweis,nick,phone,geboren,joined,town,size,mail,action"


def test_a_column_that_goes_one_to_one_with_the_address_is_the_persons_id(tmp_path):
    rows = [gym(n % 40) for n in range(300)]
    rows[7] = rows[7].replace("K-0007", "")
    rows[9] = rows[9].replace("K-0009", "K-0010")  # a slip of the pen
    text, mapping = proposed(tmp_path, table(GYM, rows))
    assert (mapping["email"], mapping["user_id"]) == ("mail", "ausweis")
    assert "40 values in 299 rows, one to one with mail" in line(text, "user_id:")
    assert "could be a person's id: 40 values" in line(text, "# user_id: nick")  # has blanks
    assert text.count("user_id:") == 2  # neither a phone nor a date is one


def test_which_of_two_columns_of_ids_is_the_persons_is_asked(tmp_path):
    rows = [f"{gym(n % 40)},C{n % 40}" for n in range(300)]
    text, mapping = proposed(tmp_path, table(f"{GYM},chip", rows))
    assert "user_id" not in mapping
    for name in ("ausweis", "chip"):
        assert "40 values in 300 rows, one to one with mail" in line(text, f"# user_id: {name}")


def test_what_several_addresses_share_is_no_persons_id(tmp_path):
    rows = [gym(n % 40).replace(f"K-{n % 40:04}", f"K-{n % 20:04}") for n in range(300)]
    text, mapping = proposed(tmp_path, table(GYM, rows))
    assert "user_id" not in mapping and "user_id: ausweis" not in text


def test_of_a_device_whose_id_goes_with_it_is_asked(tmp_path):
    rows = [f"d{n % 60},K{n % 30},s{n % 7},in" for n in range(600)]
    text, mapping = proposed(tmp_path, table("device_id,karte,spiel,action", rows))
    assert mapping["anonymous_id"] == "device_id" and "user_id" not in mapping
    said = "could be a person's id: 30 values in 600 rows, one for each device_id"
    assert said in line(text, "# user_id: karte")
    assert "user_id: spiel" not in text


@pytest.mark.parametrize("name", ["mitglied", "cust_no", "Kundennummer", "Mitglieds-Nr", "usuario"])
def test_a_person_is_known_by_names_of_other_languages(tmp_path, name):
    rows = [f"{n % 9},m{n % 7}@example.com,in" for n in range(60)]
    _, mapping = proposed(tmp_path, table(f"{name},email,action", rows))
    assert (mapping["user_id"], mapping["email"]) == (name, "email")


def test_where_nobody_is_named_the_columns_that_could_are_asked_about(tmp_path):
    rows = [f"u{n % 10},{n % 3},{n / 7:.3f},in" for n in range(60)]
    text, mapping = proposed(tmp_path, table("who,room,weight,action", rows))
    assert "user_id" not in mapping
    assert "could be a person's id: 10 values in 60 rows" in line(text, "# user_id: who")
    assert "user_id: room" not in text and "user_id: weight" not in text


def test_addresses_that_are_not_the_users_own_are_not_mapped(tmp_path):
    def row(n):
        return f"u{n % 6},r{n}@example.com,boss{n % 2}@example.com,u{n % 6}@example.com,in"

    text, mapping = proposed(tmp_path, table("user_id,an,cc,von,action", [*map(row, range(60))]))
    assert mapping["user_id"] == "user_id" and mapping["email"] == "von"
    assert "6 of 6 users have several: somebody else's" in line(text, "# email: an")
    assert "2 of 2 values are with several users: not the" in line(text, "# email: cc")


def test_a_proposal_contains_no_personal_value(tmp_path):
    rows = [f"anna{n % 7}@example.com,+49 30 1234{n % 7},Anna {n % 7},in" for n in range(60)]
    text, mapping = proposed(tmp_path, table("email,phone,name,action", rows))
    assert mapping["email"] == "email"
    assert not any(secret in text for secret in ("anna", "1234", "Anna"))


def test_the_mapping_of_cdnow_reads_the_log_as_a_proposal_does(tmp_path):
    """What a row is, only a person knows: the mapping says that it is a purchase."""
    days = [START + timedelta(days=n) for n in range(60)]
    head = " customer_id  date number_of_cds  dollar_value"
    rows = [f" {n % 7:05} {day:%Y%m%d} {1 + n % 3:2}  {n + 5:5}.77" for n, day in enumerate(days)]
    text, _ = proposed(tmp_path, [head, *rows], "CDNOW_master.txt")
    found = load_mapping(tmp_path / "proposal.yml")
    ours = load_mapping(EXAMPLES / "cdnow.yml")
    assert (found.time, found.user_id, found.format) == (ours.time, ours.user_id, ours.format)
    assert ours.properties["revenue"].value == found.properties["dollar_value"].value
    result = land(tmp_path / "CDNOW_master.txt", ours, tmp_path / "landing")
    assert (result.landed, result.unreadable_rows, result.untimed_rows) == (60, 0, 0)
    # The comments hold the lines for it.
    assert "# Is each row a purchase? dollar_value may be what was paid." in text
    chosen = text.replace("event: {constant: cdnow_master_recorded}", "# event").replace(
        "# event: {constant: purchase}", "event: {constant: purchase}"
    )
    lines = [each.removeprefix("# ") for each in text.splitlines() if each.startswith("#   ")]
    chosen = chosen.replace("properties:  # every", "\n".join(["properties:", *lines[:2], "  #"]))
    found = parse_mapping(yaml.safe_load(chosen), "chosen.yml")
    theirs = [land(tmp_path / "CDNOW_master.txt", each, tmp_path / name).output
              for name, each in (("a", found), ("b", ours))]  # fmt: skip
    orders, purchases = (
        duckdb.sql(
            "select event, userId, timestamp, properties ->> ['order_id', 'revenue'] as said "
            f"from read_parquet('{path}') order by all"
        ).fetchall()
        for path in theirs
    )
    assert orders == purchases


def test_a_column_without_amounts_makes_no_purchases(tmp_path):
    rows = [f"u{n % 6},{-n},x{n}" for n in range(60)]
    text, _ = proposed(tmp_path, table("user_id,value,price", rows))  # mostly negative; text
    assert "a purchase?" not in text


def test_a_column_of_ids_is_asked_about_where_the_user_is_often_unknown(tmp_path):
    def rows(known):
        return [f"{f'u{n % 9}' if n % 10 < known else ''},NL{n % 40:04},s{n % 12},\"{n % 40},50\""
                for n in range(400)]  # fmt: skip

    head = "klantnummer,kaartnummer,halte,prijs"
    text, mapping = proposed(tmp_path, table(head, rows(5)))
    assert mapping["user_id"] == "klantnummer" and "anonymous_id" not in mapping
    said = line(text, "# anonymous_id: kaartnummer")
    assert "filled in 100.0% of the rows, klantnummer in 50.0%: map it too if it names a" in said
    assert "# anonymous_id: prijs" not in text
    text, _ = proposed(tmp_path, table(head, rows(9)))
    assert "anonymous_id" not in text


@pytest.mark.parametrize("price", ['"{0},50"', '"1.0{0:02},85"', "{0}.50", "€{0}", "{0}"])
def test_a_price_is_no_persons_id(tmp_path, price):
    rows = [f"k{n % 60},{price.format(n % 50) if n else 'frei'}" for n in range(600)]
    text, _ = proposed(tmp_path, table("a,prijs", rows))
    assert "# user_id: a " in text and "# user_id: prijs" not in text
    text, _ = proposed(tmp_path, table("a,b", rows))
    assert ("# user_id: b" in text) is (price in ("€{0}", "{0}"))
    assert "\nanonymous_id" not in text


def test_an_amount_that_is_mostly_empty_makes_no_purchases(tmp_path):
    for often, is_asked in ((2, True), (3, False)):
        rows = [f"u{n % 7},{n + 5 if n % often == 0 else ''}" for n in range(60)]
        text, _ = proposed(tmp_path, table("user_id,bedrag", rows))
        assert ("# Is each row a purchase?" in text) is is_asked


def test_columns_of_few_values_are_shown_with_their_values_unless_they_may_be_personal(tmp_path):
    def others(head, rows):
        text, _ = proposed(tmp_path, table(head, rows))
        return line(text, "# Other columns of few values: ")

    deeds, names = ["inchecken", "uitchecken", "opladen"], ["Anna", "Bert", "Carla"]
    rows = [f"u{n % 7},{n % 4}x,{deeds[n % 3]},{names[n % 7 % 3]}" for n in range(420)]
    said = others("user_id,halte,verrichting,wie", rows)
    # Each person has one name, and does several things.
    assert said.endswith(
        ": verrichting (3 values: inchecken, opladen, uitchecken), wie (3 values)."
    )
    text, _ = proposed(tmp_path, table("user_id,halte,full_name,wie", rows))
    assert "inchecken" not in text
    rows[3] = "u3,1x,Anna Smit,Anna"  # a value of few rows may be personal
    assert "verrichting (4 values)" in others("user_id,halte,verrichting,wie", rows)


def test_the_type_of_a_property_is_that_of_the_plan(tmp_path):
    rows = [
        {"at": f"2024-03-01T10:{n:02}:00Z", "user_id": f"u{n % 6}", "sessionId": n // 3, "seat": n}
        for n in range(59)
    ]
    rows.append(rows[0] | {"Seat": 1})
    text, _ = proposed(tmp_path, [json.dumps(row) for row in rows] * 20, "log.jsonl")
    assert line(text, "  session_id:") == "  session_id: sessionId  # text"
    assert line(text, "  seat:") == "  seat: seat  # number"
    assert "session_id text" in text and "seat number" in text
    text, _ = proposed(
        tmp_path, [json.dumps(row) for row in [*rows[:59] * 20, rows[59]]], "log.jsonl"
    )
    assert line(text, "  seat_2:") == "  seat_2: Seat_2  # number, filled in 1 row"


def test_few_small_numbers_are_not_asked_about_where_a_person_is_sought(tmp_path):
    rows = [f"c{n % 200},{1 + n % 7},{2000 + n % 7}" for n in range(1000)]
    text, _ = proposed(tmp_path, table("a,b,c", rows))
    asked = [each.split()[2] for each in text.splitlines() if "could be a person's id" in each]
    assert asked == ["a", "c"]
    text, _ = proposed(tmp_path, table("a", [str(1 + n % 7) for n in range(1000)]))
    assert "# user_id: a  # could be a person's id" in text  # nothing else could be


def test_the_time_is_not_that_of_a_loader(tmp_path):
    """Snowplow's file begins with the times of its pipeline."""
    rows = [f"2024-04-01 00:00:00,u{n % 6},2024-03-01 10:{n:02}:00,view" for n in range(60)]
    for when in ("derived_tstamp", "client_time"):
        for other in ("etl_tstamp", "collector_tstamp", "load_time", "sent_at", "processed_at"):
            log = [f"{other},user_id,{when},action", *rows]
            assert proposed(tmp_path, log)[1]["time"]["column"] == when
            assert proposed(tmp_path, [f"{other},user_id,n,action", *rows])[1]["time"]


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.sampled_from([None, *"abcdefgh"]) | st.text("xyz", min_size=3), min_size=20, max_size=40
    )
)
def test_no_row_of_a_proposed_mapping_is_a_duplicate(tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("law")
    rows = [f"{value or ''},w{n % 6},x" for n, value in enumerate(ids)]
    _, mapping = proposed(folder, table("event_id,user_id,action", rows))
    is_unique = None not in ids and len(set(ids)) == len(ids)
    assert ("event_id" in mapping) == is_unique
    assert len({message["messageId"] for message in landed(folder)}) == len(ids)
