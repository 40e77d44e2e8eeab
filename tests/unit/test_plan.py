"""The check of the tracking plan finds problems; a plan is proposed from landed data."""

import csv
import io
import json
import shutil

import duckdb
import pytest

from tideline.landing.plan import main
from tideline.landing.plan_check import COLUMNS, SEEDS, check

PLAN = [
    "group,,,,,,",
    "purchase,order_id,text,true,,,",
    "purchase,revenue,number,true,,,",
    "purchase,currency,text,false,,[A-Z]{3},",
    "login,method,text,false,sso|password,,",
]
EVENTS = ["Order Completed,purchase,Segment", "Signed In,login,Segment"]
PROPERTIES = ["*,*,orderId,order_id,1", "*,purchase,total,revenue,1"]
# (seed, added row, expected message)
WRONG = [
    (
        "tracking_plan",
        "purchase,tax,numbr,false,,,",
        "unknown type `numbr`; did you mean `number`?",
    ),
    ("tracking_plan", "purchase,tax,,false,,,", "unknown type ``"),
    (
        "tracking_plan",
        "purchase,tax,number,maybe,,,",
        "is_required is `maybe`; write true or false",
    ),
    ("tracking_plan", "purchase,order_id,text,true,,,again", "stands in line 3 already"),
    ("tracking_plan", "purchase,order_id,number,true,,,", "contradicts line 3 (property_type)"),
    ("tracking_plan", "purchase,,,,,,", "has properties in other lines"),
    ("tracking_plan", "alias,,text,,,,", "property_type `text` without a property"),
    ("tracking_plan", "Order Paid,id,text,true,,,", "not in snake_case; write `order_paid`"),
    ("tracking_plan", "purchase,tax,number,false,7|x,,", "allows `x`, which is not of type number"),
    ("tracking_plan", "purchase,n,integer,false,1|1.5,,", "`1.5`, which is not of type integer"),
    ("tracking_plan", "purchase,at,object,false,{},,", "`{}`, which is not of type object"),
    ("tracking_plan", "purchase,kind,text,false,a| b,,", "without spaces around `|`"),
    ("tracking_plan", "purchase,kind,text,false,a|b|a,,", "allows `a` twice"),
    ("tracking_plan", "purchase,kind,text,false,a|b\\,,", "has a backslash; write a pattern"),
    ("tracking_plan", "purchase,kind,text,false,,[A-Z,", "is not a regular expression"),
    ("tracking_plan", "purchase,kind,text,false,,(?=a),", "is not a regular expression"),
    ("tracking_plan", "purchase,kind,text,false,,\\d+,", "quotes or backslashes"),
    ("tracking_plan", "purchase,kind,text,false,ab|cd,a.,", "`cd`, which does not match a."),
    ("tracking_plan", "purchase,it's,text,false,,,", "cannot be looked up"),
    ("tracking_plan", "purchase,tax ,number,false,,,", "has spaces around it"),
    ("tracking_plan", "purchase,tax,number,false,", "5 values for 7 columns"),
    ("event_aliases", "Paid,purchas,", "unknown event `purchas`; did you mean `purchase`?"),
    ("event_aliases", "order-completed,purchase,", "the same name as that of line 2"),
    ("event_aliases", "ORDER COMPLETED,login,", "contradicts line 2"),
    ("event_aliases", "Login,purchase,", "shadows the event `login`"),
    ("event_aliases", "Purchase,purchase,", "that event's own name"),
    ("event_aliases", ",purchase,", "the alias is empty"),
    ("property_aliases", "*,purchas,sum,revenue,1", "unknown event `purchas`"),
    ("property_aliases", "*,purchase,sum,revenu,1", "does not have; did you mean `revenue`?"),
    ("property_aliases", "*,*,sum,revenu,1", "of no event; did you mean `revenue`?"),
    (
        "property_aliases",
        "*,purchase,currency,revenue,1",
        "shadows the property `purchase.currency`",
    ),
    ("property_aliases", "*,*,currency,revenue,1", "shadows the property `purchase.currency`"),
    ("property_aliases", "*,purchase,total,revenue,2", "stands in line 3 already"),
    ("property_aliases", "*,purchase,total,order_id,1", "contradicts line 3"),
    ("property_aliases", "*,purchase,sum,revenue,first", "priority `first`; write 1, 2"),
    ("property_aliases", ",purchase,sum,revenue,1", "no source; write * for any"),
    ("property_aliases", "*,purchase,it's,revenue,1", "cannot be looked up"),
]


def seeds_at(folder, **added):
    """The three seeds in a folder, with additional rows."""
    folder.mkdir(exist_ok=True)
    for (file, columns), rows in zip(COLUMNS.items(), (PLAN, EVENTS, PROPERTIES), strict=True):
        rows = [",".join(columns), *rows, *added.get(file.removesuffix(".csv"), [])]
        (folder / file).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_the_plan_of_the_project_is_valid(capsys):
    assert main(["check"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out


@pytest.mark.parametrize(("seed", "row", "said"), WRONG, ids=[row for _, row, _ in WRONG])
def test_a_problem_is_reported_with_its_place(tmp_path, capsys, seed, row, said):
    assert not check(seeds_at(tmp_path / "right"))
    folder = seeds_at(tmp_path / "wrong", **{seed: [row]})
    assert main(["--seeds", str(folder), "check"]) == 1
    errors = capsys.readouterr().err.splitlines()
    line = len((folder / f"{seed}.csv").read_text().splitlines())
    assert any(f"seeds/{seed}.csv:{line}: " in error and said in error for error in errors), errors


def test_a_file_that_cannot_be_read_is_named(tmp_path, capsys):
    folder = seeds_at(tmp_path)
    (folder / "event_aliases.csv").write_bytes(b"alias,event_name,tracker\n\xff,login,x\n")
    (folder / "property_aliases.csv").unlink()
    assert main(["--seeds", str(folder), "check"]) == 1
    said = capsys.readouterr().err
    assert "seeds/event_aliases.csv:1: cannot be read as CSV in UTF-8" in said
    assert "seeds/property_aliases.csv:1: is not there" in said


def message(event, properties, number):
    return {"type": "track", "event": event, "messageId": str(number), "properties": properties}


@pytest.fixture
def landing(tmp_path):
    """A landing folder of a shop without a tracking plan."""
    folder = tmp_path / "landing" / "events"
    folder.mkdir(parents=True)
    rows = [
        message(
            "Report Shared",
            {
                "report_id": 100 + n % 3,
                "channel": ("mail", "link", "chat")[n % 3] if n != 7 else "typo",
                "recipient": f"person{n % 3}@example.com",
                "email": ("a@example.com", "b@example.com")[n % 2],
                "contact": ("Anna", "Bert")[n % 2],
                "phone": "+49 30 1234567",
                "pages": n % 9,
                "price": n % 5,
                "size": n / 2,
                "is_public": n % 2 == 0,
                "at": f"2026-01-0{1 + n % 9}T10:00:00Z",
                "tags": ["a"],
                "owner": {"name": "Anna"},
                "note": None if n % 2 else f"text {n}",
                "orderId": "1",
                f"key of {n}@example.com": 1,
            },
            n,
        )
        for n in range(400)
    ]
    rows += [message("Order Completed", {"orderId": str(n), "total": "9.5"}, n) for n in range(50)]
    rows += [message("sent to anna@example.com", {}, n) for n in range(50)]
    rows += [message("Überweisung ausgeführt!", {}, n) for n in range(50)]
    rows += [{"type": "identify", "traits": {"email": "anna@example.com"}}] * 50
    lines = [json.dumps(row) for row in rows[:300]] + ["no JSON", "[1]"]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "broken.jsonl.gz").write_bytes(b"no gzip")
    with duckdb.connect() as con:
        (tmp_path / "rest.jsonl").write_text("\n".join(map(json.dumps, rows[300:])))
        con.execute(
            f"copy (select * from read_json('{tmp_path / 'rest.jsonl'}', columns = "
            "{type: 'varchar', event: 'varchar', properties: 'json'})) "
            f"to '{folder / 'b.parquet'}' (format parquet)"
        )
    return folder.parent


def proposed(capsys, *words):
    assert main(["infer", *map(str, words)]) == 0
    done = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(done.out)))
    return {(row["event_name"], row["property"]): row for row in rows}, done.out, done.err


def test_a_plan_is_proposed_from_landed_files(landing, capsys):
    rows, _, notes = proposed(capsys, "--landing", landing)
    types = {name: row["property_type"] for (event, name), row in rows.items()}
    assert types == {
        "report_id": "text",
        "channel": "text",
        "recipient": "text",
        "email": "text",
        "contact": "text",
        "phone": "text",
        "pages": "integer",
        "price": "number",
        "size": "number",
        "is_public": "boolean",
        "at": "timestamp",
        "tags": "array",
        "owner": "object",
        "note": "text",
        "orderId": "text",
    }
    assert {event for event, _ in rows} == {"report_shared"}  # purchase is planned already
    shared = {name: row for (_, name), row in rows.items()}
    assert shared["channel"]["allowed_values"] == "chat|link|mail"
    assert [name for name, row in shared.items() if row["allowed_values"]] == ["channel"]
    assert shared["channel"]["is_required"] == "true"
    assert shared["note"]["is_required"] == "false"
    assert "may be personal data" in shared["recipient"]["description"]
    assert "broken.jsonl.gz is left out" in notes
    assert "(a name with an address or number), 50 rows, is left out: its name is not" in notes
    said = "überweisung_ausgeführt!, 50 rows, is left out: its name is not in snake_case; "
    assert said + "call it `ueberweisung_ausgefuehrt`" in notes


def test_no_personal_data_leaves_the_proposal(landing, capsys):
    _, out, notes = proposed(capsys, "--landing", landing, "--all")
    for secret in ("@", "Anna", "Bert", "1234567"):
        assert secret not in out + notes, secret


def test_names_of_others_are_proposed_as_ours(landing, capsys):
    rows, _, _ = proposed(capsys, "--landing", landing, "--all")
    purchase = {name: row for (event, name), row in rows.items() if event == "purchase"}
    assert set(purchase) == {"order_id", "revenue"}
    assert purchase["revenue"]["property_type"] == "number"
    assert purchase["revenue"]["is_required"] == "false"  # 50 rows are not enough to require it
    assert rows["identify", ""]["property_type"] == ""


def test_a_proposal_is_a_right_plan(landing, tmp_path, capsys):
    folder = tmp_path / "seeds"
    shutil.copytree(SEEDS, folder, ignore=shutil.ignore_patterns("*.yml"))
    addition = tmp_path / "addition.csv"
    proposal = ["infer", "--landing", str(landing), "--write", str(addition)]
    assert main(proposal) == 0
    assert main(proposal) == 1
    assert "exists; choose another name" in capsys.readouterr().err
    with (folder / "tracking_plan.csv").open("a", encoding="utf-8") as plan:
        plan.write(addition.read_text(encoding="utf-8").split("\n", 1)[1])
    assert not check(folder)


def test_without_landed_files_the_error_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TIDELINE_WAREHOUSE", str(tmp_path / "none.duckdb"))
    monkeypatch.setenv("TIDELINE_LANDING", str(tmp_path / "none"))
    assert main(["infer"]) == 1
    assert "neither the warehouse" in capsys.readouterr().err
    events = tmp_path / "none" / "events"
    events.mkdir(parents=True)
    (events / "few.jsonl").write_text('{"type": "track", "event": "Order Completed"}\n' * 9)
    assert main(["infer"]) == 1
    assert "no event has landed in" in capsys.readouterr().err
    with (events / "few.jsonl").open("a") as file:
        file.write('{"type": "track", "event": "Nap taken"}\n' * 3)
        file.write('{"type": "track", "event": "for ann@example.com"}\n' * 3)
    assert main(["infer"]) == 0
    said = capsys.readouterr()
    assert "nap_taken (3 rows) is left out: an event with fewer than 10 rows" in said.err
    assert "If it is not, add `nap_taken,,,,,,What happened`" in said.err
    assert "ann@" not in said.err + said.out and "nap" not in said.out
    (tmp_path / "none.duckdb").write_text("no database")
    assert main(["infer"]) == 1
    assert "cannot be opened" in capsys.readouterr().err
