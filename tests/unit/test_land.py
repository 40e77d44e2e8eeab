"""Landing a log: no row is lost, times are right, a file can land twice, errors are clear."""

import gzip
import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml

from tideline.declarations.macros import render
from tideline.landing.guess_event import known_events, required_properties
from tideline.landing.land import land, main
from tideline.landing.log_files import LandError
from tideline.landing.mapping import MappingError, load_mapping, parse_mapping
from tideline.landing.plan_check import SEEDS

REPO = Path(__file__).parents[2]
DATA = REPO.parent / "shared" / "data"
MAPPINGS = REPO / "examples" / "mappings"
PLAIN = {"time": "at", "user_id": "who", "event": "what"}


def landed(tmp_path, text, mapping, name="log.csv"):
    """Land a small log; return the result and its messages."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = land(path, parse_mapping(mapping), tmp_path / "landing")
    return result, messages(result.output)


def messages(path):
    rows = duckdb.sql(f"select to_json(t)::varchar from read_parquet('{path}') as t").fetchall()
    return [json.loads(row) for (row,) in rows]


def query(path, select):
    return duckdb.sql(f"select {select} from read_parquet('{path}')").fetchall()[0]


def real(*parts):
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not here")
    return path


def test_a_row_becomes_a_segment_message(tmp_path):
    text = "id,who,cookie,mail,at,what,price\ne1,7,c1,a@b.c,2024-03-01 10:00:00,buy,9.5\n"
    mapping = {
        "event_id": "id",
        "user_id": "who",
        "anonymous_id": "cookie",
        "email": "mail",
        "time": {"column": "at", "timezone": "Europe/Berlin"},
        "event": {"column": "what", "names": {"buy": "purchase"}},
        "properties": {"revenue": {"sql": "price * 2"}, "currency": {"constant": "EUR"}},
        "context": {"device.type": {"constant": "ios"}},
    }
    _, [message] = landed(tmp_path, text, mapping)
    assert message == {
        "type": "track",
        "event": "purchase",
        "messageId": "e1",
        "anonymousId": "c1",
        "userId": "7",
        "timestamp": "2024-03-01T09:00:00.000000Z",
        "receivedAt": "2024-03-01T09:00:00.000000Z",
        "context": {"device": {"type": "ios"}, "traits": {"email": "a@b.c"}},
        "traits": None,
        "properties": {"revenue": 19.0, "currency": "EUR"},
    }


def test_identify_carries_traits(tmp_path):
    mapping = {**PLAIN, "event": {"constant": "identify"}, "traits": {"plan": "what"}}
    _, [message] = landed(tmp_path, "at,who,what\n2024-01-01,u,gold\n", mapping)
    assert (message["type"], message["traits"]) == ("identify", {"plan": "gold"})


def test_bad_csv_rows_land_with_their_line_and_text(tmp_path):
    lines = [
        "at,who,what",
        "2024-01-01,a,x",
        "too,few",
        "",
        '2024-01-02,"never closed,x',
        "2024-01-03,b,x",
        '2024-01-04,"two',
        'lines",x',
        "2024-01-05,caf\xe9,x",
        "2024-01-06,c,x,1",
        "2024-01-07,d,x",
    ]
    result, found = landed(tmp_path, "\n".join(lines).encode("latin-1"), PLAIN)
    assert result.rows == result.landed == 8
    assert [line for line, _ in result.unreadable] == [3, 5, 9, 10]
    bad = [m["properties"] for m in found if m["messageId"] is None]
    assert [(b["file"], b["line"]) for b in bad] == [("log.csv", n) for n in (3, 5, 9, 10)]
    assert [b["original"] for b in bad] == [
        "too,few",
        '2024-01-02,"never closed,x',
        r"2024-01-05,caf\xe9,x",
        "2024-01-06,c,x,1",
    ]
    assert bad[0]["problem"] == "2 columns instead of 3"
    assert all(m["timestamp"] is None and m["userId"] is None for m in found if not m["messageId"])
    good = [(m["messageId"], m["userId"]) for m in found if m["messageId"]]
    assert good == [
        ("log.csv:2", "a"),
        ("log.csv:6", "b"),
        ("log.csv:7", "two\nlines"),
        ("log.csv:11", "d"),
    ]
    assert "log.csv:3: 2 columns instead of 3" in result.summary()


def test_bad_json_lines_land_with_their_line_and_text(tmp_path):
    good = {"at": "2024-01-01T00:00:00Z", "who": "007", "what": "x", "more": {"a": [1, None]}}
    lines = [json.dumps(good), "{cut", "", "[1]", '{"who": "\xff"}', json.dumps({**good, "n": 5})]
    text = "\n".join(lines).encode("latin-1")
    mapping = {**PLAIN, "properties": {"more": "more", "n": "n"}}
    result, found = landed(tmp_path, gzip.compress(text), mapping, "log.json.gz")
    assert (result.rows, result.landed, result.unreadable_rows) == (5, 5, 3)
    assert [m["messageId"] for m in found] == ["log.json.gz:1", None, None, None, "log.json.gz:6"]
    assert [m["properties"]["line"] for m in found[1:4]] == [2, 4, 5]
    assert found[1]["properties"]["original"] == "{cut"
    assert found[4]["userId"] == "007"
    assert found[4]["properties"] == {"more": {"a": [1, None]}, "n": 5}
    assert result.output.name == "log.parquet"


def test_a_build_does_not_read_a_time_that_the_mapping_cannot(tmp_path):
    """A date in another form would be taken for one in UTC, and a number for seconds."""
    times = ["05/01/2024", "2024-01-05", "1704412800", "soon"]
    text = "at,who,what\n" + "".join(f"{at},u1,x\n" for at in times)
    mapping = {**PLAIN, "time": {"column": "at", "format": "%d/%m/%Y"}}
    result, found = landed(tmp_path, text, mapping)
    assert result.untimed_rows == 3
    said = [m["timestamp"] for m in found]
    assert said[0] == "2024-01-05T00:00:00.000000Z" and said[3] == "soon"
    values = ", ".join(f"('{each}')" for each in said)
    read = duckdb.sql(f'select {render("try_timestamp", "t.at")} from (values {values}) t("at")')
    assert [row is None for (row,) in read.fetchall()] == [False, True, True, True]


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.parquet"])
def test_identical_rows_count_each_unless_the_mapping_says_otherwise(tmp_path, name):
    rows = [("2024-01-01", f"u{n % 3}", "x", n % 2) for n in range(12)]  # six different ones
    rows += [("2024-01-01", "u0", "x", 7)]
    if name.endswith(".parquet"):
        values = ", ".join(map(str, rows))
        log = tmp_path / name
        duckdb.sql(f"""copy (from (values {values}) t("at", who, what, n)) to '{log}'""")
        text = log.read_bytes()
    elif name.endswith(".csv"):
        text = "at,who,what,n\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    else:
        text = "".join(
            json.dumps(dict(zip(("at", "who", "what", "n"), row, strict=True))) + "\n"
            for row in rows
        )
    result, found = landed(tmp_path, text, PLAIN, name)
    assert (result.landed, result.copies) == (13, 6)
    assert len({m["messageId"] for m in found}) == 13
    said = "6 rows are identical to another row, and each counts."
    assert f"{said} If the log repeats rows by mistake, let them count once" in result.summary()
    once = {**PLAIN, "event_id": {"sql": "md5(_tl_row)"}}
    result, found = landed(tmp_path, text, once, name)
    assert (result.landed, result.copies) == (13, 0)
    assert len({m["messageId"] for m in found}) == 7
    # What a filter leaves out does not count.
    filtered = {**PLAIN, "filters": ["who <> 'u0'"]}
    assert landed(tmp_path, text, filtered, name)[0].copies == 4


PRICES = {**PLAIN, "properties": {"price": {"sql": "decimal_comma(price)"}}}


def test_numbers_with_a_decimal_comma_are_read_and_the_rest_is_left_out_and_counted(tmp_path):
    prices = ['"12,50"', '"1.250,00"', '"1.250"', "-3", "frei", "", "12.5", '"1,2,3"', "  7 "]
    text = "at,who,what,price\n" + "".join(f"2024-01-01,a,x,{each}\n" for each in prices)
    result, found = landed(tmp_path, text, PRICES)
    read = [m["properties"].get("price") for m in found]
    assert read == [12.5, 1250.0, 1250.0, -3.0, None, None, None, None, 7.0]
    assert result.lost == [("properties.price", "price", 3, 6, 8)]
    said = "properties.price: 3 values of price cannot be read and are left out, first in log.csv:6"
    assert said in result.summary()
    # Of a later file all values look like other numbers, and are read the same way.
    text = "at,who,what,price\n2024-01-02,a,x,1.250\n2024-01-02,a,x,2.000\n"
    result, found = landed(tmp_path, text, PRICES, "later.csv")
    assert [m["properties"]["price"] for m in found] == [1250.0, 2000.0]
    assert result.lost == [] and "left out" not in result.summary()


@pytest.mark.parametrize(
    ("reader", "values"),
    [
        (
            "decimal_comma",
            {
                "1705,85 €": 1705.85,
                "€ 1.705,85": 1705.85,
                "-€5": -5,
                "€ -5,5": -5.5,
                "1 705,8": 1705.8,
            }
            | {
                "1705,85\u202f€": 1705.85,
                "1\xa0705,85\xa0EUR": 1705.85,
                "12 Kr.": 12,
                "chf 7,5": 7.5,
            }
            | {"12 Krone": None, "€": None, "5 € 3": None, "12 34": None, "€ 12.5": None},
        ),
        ("thousands_comma", {"$1,250.50": 1250.5, "-$3": -3, "1,250 USD": 1250, "£7.5": 7.5}),
    ],
)
def test_numbers_with_a_currency_are_read(tmp_path, reader, values):
    mapping = {**PLAIN, "properties": {"price": {"sql": f"{reader}(price)"}}}
    text = "at,who,what,price\n" + "".join(f'2024-01-01,a,x,"{each}"\n' for each in values)
    _, found = landed(tmp_path, text, mapping)
    assert [m["properties"].get("price") for m in found] == [*values.values()]
    rows = [{"at": "2024-01-01", "who": "a", "what": "x", "price": each} for each in [*values, 1]]
    _, found = landed(tmp_path, "\n".join(map(json.dumps, rows)), mapping, "log2.jsonl")
    assert [m["properties"].get("price") for m in found] == [*values.values(), 1]


def test_a_number_of_json_is_no_text_with_a_comma(tmp_path):
    rows = [{"at": "2024-01-01", "who": "a", "what": "x", "price": p} for p in (1.25, 3)]
    _, found = landed(tmp_path, "\n".join(map(json.dumps, rows)), PRICES, "log.jsonl")
    assert [m["properties"]["price"] for m in found] == [1.25, 3.0]
    rows[1]["price"] = "1.250,5"
    _, found = landed(tmp_path, "\n".join(map(json.dumps, rows)), PRICES, "log2.jsonl")
    assert [m["properties"]["price"] for m in found] == [1.25, 1250.5]


def test_what_an_expression_leaves_out_on_purpose_is_not_counted(tmp_path):
    text = "at,who,what,n\n2024-01-01,a,x,7\n2024-01-01,a,x,seven\n2024-01-01,a,x,\n"
    sql = {"own": {"sql": "case when n = '7' then n end"}, "n": {"sql": "try_cast(n as int)"}}
    mapping = {**PLAIN, "properties": sql}
    result, _ = landed(tmp_path, text, mapping)
    assert result.lost == [("properties.n", "n", 1, 3, 2)]
    # A row that a filter leaves out does not land.
    assert landed(tmp_path, text, {**mapping, "filters": ["n = '7'"]})[0].lost == []


def test_what_an_object_holds_is_a_column(tmp_path):
    """Named by its path; an object of many keys and what is nested deep are not taken apart."""
    deep = {"a": {"b": {"c": {"d": {"e": 1}}}}}
    many = {f"k{n}": n for n in range(51)}
    rows = [
        {
            "at": "2024-01-01",
            "what": "x",
            "who": {"id": f"00{n}", "n": n, "tags": [n]},
            "many": many,
        }
        for n in range(2)
    ]
    rows += [{"at": "2024-01-01", "what": "x", "who": {"id": "7", "a/b": 1}, **deep}]
    rows += [{"at": "2024-01-01", "what": "x", "who.id": "of its own"}]
    mapping = {
        **PLAIN,
        "user_id": "who.id",
        "anonymous_id": {"sql": '"who.id_2"'},
        "properties": {"n": "who.n", "tags": "who.tags", "slash": "who.a/b", "whole": "many"},
    }
    text = "\n".join(map(json.dumps, rows))
    _, found = landed(tmp_path, text, mapping, "log.jsonl")
    assert [m["userId"] for m in found] == [None, None, None, "of its own"]
    assert [m["anonymousId"] for m in found] == ["000", "001", "7", None]
    assert found[1]["properties"] == {"n": 1, "tags": [1], "whole": many}
    assert found[2]["properties"] == {"slash": 1}
    for name in ("many.k1", "a.b.c.d.e"):
        with pytest.raises(MappingError, match="has no column"):
            landed(tmp_path, text, {**mapping, "email": name}, "log.jsonl")


def test_a_value_that_breaks_its_declared_type_keeps_the_row(tmp_path):
    text = "at,who,what,n\n2024-01-01,a,x,2\n2024-01-01,b,x,two\n"
    mapping = {**PLAIN, "properties": {"twice": {"sql": "n * 2"}}, "filters": ["n > 1"]}
    with pytest.raises(MappingError, match=r"properties\.twice: 'n \* 2': .* Write try_cast\(n as"):
        landed(tmp_path, text, mapping)
    cast = {**mapping, "properties": {"twice": {"sql": "cast(n as int) * 2"}}, "filters": []}
    with pytest.raises(MappingError) as error:
        landed(tmp_path, text, cast)
    said = str(error.value)
    assert "properties.twice: 'cast(n as int) * 2': cannot read column n, line 3 of log.csv" in said
    assert "(masked: it may be personal) to INT32" in said and "two" not in said
    assert "Write try_cast(n as double), try(...), or decimal_comma(n) for numbers such" in said
    result, found = landed(tmp_path, text, {**mapping, "types": {"n": "double"}})
    assert result.unreadable == [(3, "n is not a valid double")]
    assert found[0]["properties"] == {"twice": 4.0}
    assert json.loads(found[1]["properties"]["original"])["n"] == "two"


@pytest.mark.parametrize("sql", ["price * 2", "n + price", "nosuch(n)", "n +"])
def test_an_expression_with_an_unknown_name_is_not_told_to_read_a_column_otherwise(tmp_path, sql):
    text = "at,who,what,n\n2024-01-01,a,x,2\n2024-01-01,b,x,two\n"
    with pytest.raises(MappingError) as error:
        landed(tmp_path, text, {**PLAIN, "properties": {"twice": {"sql": sql}}})
    said = str(error.value)
    assert "try_cast" not in said and "COLUMN" not in said
    assert said.endswith("The columns are: at VARCHAR, who VARCHAR, what VARCHAR, n VARCHAR")


def test_an_unreadable_filter_column_names_the_filter_and_the_fix(tmp_path):
    text = "at,who,what,n\n2024-01-01,a,x,2\n2024-01-01,b,x,two\n"
    for condition in ["n > 1", "n::int > 1"]:  # refused at once, and on meeting the row
        message = re.escape(f"filters[1]: {condition!r}") + r".*types: \{n: double\}"
        with pytest.raises(MappingError, match=message):
            landed(tmp_path, text, {**PLAIN, "filters": [condition]})
    assert list((tmp_path / "landing").rglob("*.parquet")) == []


def test_filters_count_what_they_leave_out(tmp_path):
    text = "at,who,what,n\n" + "".join(f"2024-01-01,{w},x,{n}\n" for w, n in ["a1", "b2", "c3"])
    text += "2024-01-01,,x,9\n2024-01-01,d,x,\nbad\n"
    mapping = {**PLAIN, "filters": ["n > 1", "who is not null"]}
    result, _ = landed(tmp_path, text, mapping)
    assert result.filtered == {"n > 1": 2, "who is not null": 1}
    assert (result.rows, result.landed, result.unreadable_rows) == (6, 3, 1)
    assert result.rows == result.landed + sum(result.filtered.values())


@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        ("2024-07-01 12:00:00", {"timezone": "Europe/London"}, "2024-07-01T11:00:00.000000Z"),
        ("2024-01-01 12:00:00.000001", {}, "2024-01-01T12:00:00.000001Z"),
        # A time with a zone ignores the zone of the mapping.
        ("2024-07-01T12:00:00+02:00", {"timezone": "Asia/Tokyo"}, "2024-07-01T10:00:00.000000Z"),
        ("2024-07-01T12:00:00Z", {"timezone": "Asia/Tokyo"}, "2024-07-01T12:00:00.000000Z"),
        # Local times that daylight saving time skips or repeats.
        ("2024-03-31 01:30:00", {"timezone": "Europe/London"}, "2024-03-31T01:30:00.000000Z"),
        ("2024-10-27 01:30:00", {"timezone": "Europe/London"}, "2024-10-27T01:30:00.000000Z"),
        ("12/1/2010 8:26", {"format": "%m/%d/%Y %H:%M"}, "2010-12-01T08:26:00.000000Z"),
        ("1 Jul 2024 12:00 +0200", {"format": "%d %b %Y %H:%M %z"}, "2024-07-01T10:00:00.000000Z"),
        ("20240131", {"format": "%Y%m%d"}, "2024-01-31T00:00:00.000000Z"),
        ("1541105830796", {"unit": "ms"}, "2018-11-01T20:57:10.796000Z"),
        ("1541105830.5", {"unit": "s"}, "2018-11-01T20:57:10.500000Z"),
        ("1541105830796001", {"unit": "us"}, "2018-11-01T20:57:10.796001Z"),
        # Unreadable: unchanged.
        ("yesterday", {}, "yesterday"),
        ("infinity", {}, "infinity"),
        ("2024-13-01", {}, "2024-13-01"),
        ("12/13/2010", {"format": "%d/%m/%Y"}, "12/13/2010"),
        ("99999999999999999999", {"unit": "s"}, "99999999999999999999"),
        ("soon", {"unit": "ms"}, "soon"),
        ("2024-07-01T12:00:00+18:01", {}, "2024-07-01T12:00:00+18:01"),
        ("2024-07-01 12:00:00-99", {"timezone": "Asia/Tokyo"}, "2024-07-01 12:00:00-99"),
    ],
)
def test_times(tmp_path, text, how, expected):
    result, [message] = landed(
        tmp_path, f"at,who,what\n{text},u,x\n", {**PLAIN, "time": {"column": "at", **how}}
    )
    assert message["timestamp"] == expected
    is_readable = expected.endswith("Z")
    # The arrival must not replace an unreadable time: the graph must see that the time is missing.
    assert message["receivedAt"] == (expected if is_readable else None)
    assert result.untimed_rows == (not is_readable)


def test_received_at_of_an_unreadable_time_is_left_out(tmp_path):
    text = "at,got,who,what\n2024-01-01,2024-01-02,u,x\n?,2024-01-02,u,x\n"
    _, found = landed(tmp_path, text, {**PLAIN, "received_at": "got"})
    assert [m["receivedAt"] for m in found] == ["2024-01-02T00:00:00.000000Z", None]


def test_parquet_types(tmp_path):
    path = tmp_path / "log.parquet"
    duckdb.sql(
        "copy (select * from (values (17850.0::double, timestamp_ns '2024-07-01 12:00:00', 'x'), "
        "('nan'::double, null, 'x'), (null, '2024-07-01', 'x')) t(who, \"at\", what)) "
        f"to '{path}'"
    )
    mapping = parse_mapping({**PLAIN, "properties": {"who": "who"}})
    found = messages(land(path, mapping, tmp_path / "landing").output)
    assert [m["userId"] for m in found] == ["17850", None, None]
    assert [m["timestamp"] for m in found][:2] == ["2024-07-01T12:00:00.000000Z", None]
    assert [m["properties"] for m in found] == [{"who": 17850.0}, {}, {}]
    assert [m["messageId"] for m in found] == [f"log.parquet:{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["17850.0", "1"], ["17850", "1"]),  # as pandas writes a column with gaps
        (["007", "12"], ["007", "12"]),
        (["1.10", "2"], ["1.10", "2"]),
        (["", " "], [None, None]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
    ],
)
def test_ids_are_text(tmp_path, ids, expected):
    text = "at,who,what\n" + "".join(f"2024-01-01,{value},x\n" for value in ids)
    _, found = landed(tmp_path, text, PLAIN)
    assert [m["userId"] for m in found] == expected


def test_landing_twice_writes_the_same_bytes_and_nothing_else(tmp_path):
    text = "at,who,what\n" + "".join(f"2024-01-01,u{n},x\n" for n in range(3000)) + "bad\n"
    first = landed(tmp_path, text, PLAIN)[0].output.read_bytes()
    assert landed(tmp_path, text, PLAIN)[0].output.read_bytes() == first
    files = [p.name for p in (tmp_path / "landing").rglob("*")]
    assert sorted(files) == ["events", "log.parquet"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.csv.gz", gzip.compress(b"at,who,what\n" + b"2024-01-01,u,x\n" * 9999)[:-20], "cut"),
        ("cut.parquet", b"PAR1 and nothing more", "cannot be read"),
        ("empty.csv", b"", "is empty"),
        ("cp1252.csv", b"at,who,what,acci\xf3n\n", "line 1 is not UTF-8; name its encoding in the"),
        ("excel.csv", b"sep=;\nat;who;what;acci\xf3n\n", "line 2 is not UTF-8; name its encoding"),
        ("array.json", b'[{"at": 1}]', "one object per line"),
        ("none.jsonl", b"hello\n", "holds no JSON object"),
        ("log.xlsx", b"", r"\.parquet"),
    ],
)
def test_a_broken_file_is_an_error_and_changes_nothing(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    old = tmp_path / "landing" / "events" / f"{name.split('.')[0]}.parquet"
    old.parent.mkdir(parents=True)
    old.write_text("as before")
    with pytest.raises(LandError, match=message):
        land(tmp_path / name, parse_mapping(PLAIN), tmp_path / "landing")
    assert [p.name for p in (tmp_path / "landing").rglob("*")] == ["events", old.name]
    assert old.read_text() == "as before"


@pytest.mark.slow
@pytest.mark.parametrize("is_landed_before", [False, True])
def test_a_failure_in_the_middle_leaves_nothing_half_written(tmp_path, is_landed_before):
    output = tmp_path / "landing" / "events" / "log.parquet"
    output.parent.mkdir(parents=True)
    text = "at,who,what\n" + "".join(f"2024-01-01,{n:09},x\n" for n in range(250_000)) + "2024,z,x"
    before = landed(tmp_path, text, PLAIN)[0].output.read_bytes() if is_landed_before else None
    mapping = {**PLAIN, "properties": {"n": {"sql": "who::int"}}}
    with pytest.raises(MappingError, match=r"properties\.n: .* line 250002 of log.csv"):
        landed(tmp_path, text, mapping)
    assert [p.read_bytes() for p in output.parent.iterdir()] == ([before] if before else [])
    assert [p.name for p in (tmp_path / "landing").iterdir()] == ["events"]


def test_the_file_appears_at_the_end(tmp_path, monkeypatch):
    def fail(*_):
        assert list((tmp_path / "landing" / "events").iterdir()) == []
        raise LandError("the last step failed")

    monkeypatch.setattr("tideline.landing.land.count", fail)
    with pytest.raises(LandError, match="last step"):
        landed(tmp_path, "at,who,what\n2024-01-01,u,x\n", PLAIN)
    assert [p.name for p in (tmp_path / "landing").rglob("*")] == ["events"]


def test_odd_keys_of_json(tmp_path):
    row = {"at": "2024-01-01", "who": 5, "what": "x", "Who": "other", "a/b~c": 1, "q\"'": "\u0001"}
    mapping = {**PLAIN, "properties": {"a": "Who_2", "b": "a/b~c", "c": "q\"'"}}
    _, [message] = landed(tmp_path, json.dumps(row), mapping, "log.jsonl")
    assert message["userId"] == "5"
    assert message["properties"] == {"a": "other", "b": 1, "c": "\u0001"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": None}, "time: is missing"),
        ({"event": None}, "event: is missing"),
        ({"user_id": None}, "user_id, anonymous_id and email are missing; map at least one"),
        ({"user": "who"}, "user: unknown key; did you mean `user_id`"),
        ({"user_id": "whoo"}, "user_id: log.csv has no column 'whoo'; did you mean `who`"),
        (
            {"user_id": "whoo", "properties": {"n": "whatt"}},
            r"'whoo'; .*`who`\?\nmapping: properties.n: log.csv has no column 'whatt'",
        ),
        ({"time": {"column": "at", "timzone": "UTC"}}, "time.timzone: .*`timezone`"),
        ({"time": {"column": "at", "timezone": "Europe/Londn"}}, "did you mean `Europe/London`"),
        ({"time": {"column": "at", "unit": "min"}}, "time.unit: unknown unit 'min'"),
        ({"time": "n"}, "time: 'n' holds numbers; say unit"),
        ({"properties": {"p": 5}}, "properties.p: .*constant: 5"),
        (
            {"properties": {"p": {"sql": "nn + 1"}}},
            r"properties\.p: 'nn \+ 1'.*The columns are: at VARCHAR, who",
        ),
        ({"properties": {"p": {"column": "n", "sql": "n"}}}, "properties.p: .*exactly one"),
        ({"filters": ["n >"]}, r"filters\[1\]: 'n >'"),
        ({"filters": "n > 1"}, "filters: must be a list"),
        ({"event": {"column": "what", "names": {True: "x"}}}, "event.names: put quotes"),
        ({"types": {"n": "nmber"}}, "types.n: 'nmber' is not a DuckDB type"),
        ({"context": {"a": "n", "a.b": "n"}}, "'a' is a value already"),
        ({"csv": {"encoding": "utf-9"}}, "csv.encoding: unknown encoding 'utf-9'"),
    ],
)
def test_mapping_errors_name_the_key_and_the_fix(tmp_path, change, message):
    with pytest.raises(MappingError, match=message):
        landed(tmp_path, "at,who,what,n\n2024-01-01,u,x,1\n", {**PLAIN, **change})
    assert not list((tmp_path / "landing").rglob("*.parquet"))


@pytest.mark.parametrize("call", ["read_text('{}')", "read_csv('{}')", "glob('{}')"])
def test_a_mapping_reads_no_other_file(tmp_path, call):
    """A mapping may come from somebody else, and the content of other files would land."""
    other = tmp_path / "other.csv"
    other.write_text("a\nb\n")
    sql = f"(select count(*) from {call.format(other)})"
    with pytest.raises(MappingError, match="Cannot access file"):
        landed(tmp_path, "at,who,what\n", PLAIN | {"properties": {"x": {"sql": sql}}})
    assert not list((tmp_path / "landing" / "events").iterdir())


def test_csv_dialects(tmp_path):
    text = '\ufeffAt;Who;What;At\n2024-01-01;"a;b";x;2\n'
    mapping = {"time": "At", "user_id": "Who", "event": "What", "properties": {"p": "At_2"}}
    _, [message] = landed(tmp_path, text, mapping)
    assert (message["userId"], message["properties"]) == ("a;b", {"p": 2})
    headless = {**PLAIN, "csv": {"columns": ["at", "who", "what"], "encoding": "latin-1"}}
    _, [message] = landed(tmp_path, "2024-01-01|caf\xe9|x\n".encode("latin-1"), headless, "no.csv")
    assert (message["userId"], message["messageId"]) == ("caf\xe9", "no.csv:1")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_the_line_in_which_excel_says_the_delimiter_is_no_header(tmp_path, mark, capsys):
    rows = ["at;who;what", *(f"2024-03-{n:02};a,b,c,d;x" for n in range(1, 29)), "few"]
    text = f"sep={mark}\r\n" + "".join(f"{row.replace(';', mark)}\r\n" for row in rows)
    result, found = landed(tmp_path, text, PLAIN)
    assert (result.rows, result.unreadable_rows) == (29, 1)
    assert (found[0]["messageId"], found[0]["userId"]) == ("log.csv:3", "a,b,c,d")
    assert result.unreadable[0][0] == 31
    assert main([str(tmp_path / "log.csv")]) == 0
    said = capsys.readouterr().out
    assert "time: {column: at" in said and "csv:" not in said


def test_a_log_of_one_column_is_asked_for_its_delimiter(tmp_path):
    with pytest.raises(MappingError, match=r"one column: is csv\.delimiter missing or wrong\?"):
        landed(tmp_path, " at  who  what\n2024-01-01  a  x\n", PLAIN)
    with pytest.raises(MappingError, match=r"no column 'at'; [^\n]*$"):
        landed(tmp_path, "when\n2024-01-01\n", PLAIN | {"user_id": "when", "event": "when"})


def test_command_line(tmp_path, capsys):
    log, mapping = tmp_path / "log.csv", tmp_path / "log.yml"
    log.write_text("at,who,what\n2024-01-01,u,page_view\n")
    mapping.write_text(yaml.safe_dump({**PLAIN, "event": {"constant": "page_veiw"}}))
    where = ["--landing", str(tmp_path / "landing")]
    assert main([str(log), "--mapping", str(mapping), *where]) == 0
    said = capsys.readouterr()
    assert "1 row read, 1 landed, 0 filtered, 0 unreadable" in said.out
    assert "1 row is of 1 event not in the tracking plan" in said.err
    assert "Land again with --accept-plan" in said.err
    assert "page_veiw: did you mean `page_view`" in said.err
    # A missing file does not stop the others, but the command fails.
    assert main([str(tmp_path / "no.csv"), str(log), "--mapping", str(mapping), *where]) == 1
    assert "no.csv: there is no such file" in capsys.readouterr().err
    assert main([str(log), str(log), "--mapping", str(mapping), *where]) == 1
    assert "would land as log.parquet" in capsys.readouterr().err
    assert main([str(log), "--mapping", str(tmp_path / "no.yml"), *where]) == 1


@pytest.mark.parametrize("header", ["timestamp,user_id,event,price", "ts,customerId,action,on"])
def test_a_proposal_lands_as_it_is(tmp_path, capsys, header):
    log, mapping = tmp_path / "log.csv", tmp_path / "log.yml"
    times = ["1541105830796" if header.startswith("ts") else "2024-01-01 10:00:00"] * 3
    events = ["View Item", "login", "yes: no"]
    rows = [f'{t},u1,"{e}",5' for t, e in zip(times, events, strict=True)]
    log.write_text("\n".join([header, *rows]) + "\n")
    assert main([str(log), "--propose", str(mapping)]) == 0
    assert main([str(log), "--propose", str(mapping)]) == 1  # never over an edited one
    result = land(log, load_mapping(mapping), tmp_path / "landing")
    found = messages(result.output)
    # `view_item` requires a product_id, which the log does not have; a message says so.
    assert [m["event"] for m in found] == ["view_item_logged", "login", "yes_no"]
    assert "product_view needs product_id" in mapping.read_text()
    assert [[*m["properties"].values()] for m in found] == [[5]] * 3  # the event is no property
    assert {m["userId"] for m in found} == {"u1"}
    assert (result.untimed_rows, result.unreadable_rows) == (0, 0)
    capsys.readouterr()
    assert main([str(log)]) == 0
    assert capsys.readouterr().out == mapping.read_text()


def plan_breaks(output):
    """Rows of a landed file that the tracking plan would refuse."""
    broken = 0
    for event, *_ in duckdb.sql(f"select distinct event from read_parquet('{output}')").fetchall():
        assert event in known_events(SEEDS)
        for name in required_properties(SEEDS)[event]:
            where = f"event = '{event}' and properties ->> '{name}' is null"
            broken += query(output, f"count(*) filter (where {where})")[0]
    return broken


@pytest.mark.slow
def test_uci_online_retail(tmp_path):
    log = real("uci_online_retail", "online_retail.parquet")
    result = land(log, load_mapping(MAPPINGS / "uci_online_retail.yml"), tmp_path)
    assert (result.rows, result.landed, result.untimed_rows) == (541_909, 397_884, 0)
    counts = query(
        result.output,
        "count(distinct messageId), count(distinct userId), "
        "count(distinct properties ->> 'order_id'), "
        "sum((properties ->> 'revenue')::decimal(18, 6))::varchar, "
        "min(timestamp), max(timestamp), bool_or(contains(userId, '.'))",
    )
    assert counts == (
        397_884,
        4_338,
        18_532,
        "8911407.900000",
        "2010-12-01T08:26:00.000000Z",
        "2011-12-09T12:50:00.000000Z",
        False,
    )
    assert plan_breaks(result.output) == 0


def test_ecom_sessions(tmp_path):
    log = real("ecom_sessions", "ecom.csv.gz")
    result = land(log, load_mapping(MAPPINGS / "ecom_sessions.yml"), tmp_path)
    assert (result.rows, result.landed) == (31_106, 31_106)
    assert (result.untimed_rows, result.unreadable_rows) == (0, 0)
    assert plan_breaks(result.output) == 0
    assert query(
        result.output,
        "count(distinct userId), count(distinct properties ->> 'tracker_session_id'), "
        "count(distinct properties ->> 'title'), max(context -> 'device' ->> 'type')",
    ) == (600, 3_605, 19, "tablet")


def test_sparkify_log(tmp_path):
    log = real("sparkify_log", "events.json.gz")
    result = land(log, load_mapping(MAPPINGS / "sparkify_log.yml"), tmp_path)
    assert (result.rows, result.landed) == (8_056, 8_056)
    assert (result.untimed_rows, result.unreadable_rows) == (0, 0)
    assert plan_breaks(result.output) == 0
    assert query(
        result.output,
        "count(*) filter (where userId is null), count(*) filter (where event = 'feature_use'), "
        "count(distinct (userId, properties ->> 'tracker_session_id')) "
        "filter (where userId is not null)",
    ) == (286, 6_820, 911)
