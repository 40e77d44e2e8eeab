"""Messages of a landing: counts, warnings, and events for the tracking plan."""

import re
import shutil
import unicodedata
from datetime import UTC, datetime

import duckdb
import pytest

from tideline.landing.land import main
from tideline.landing.landed_report import of_sessions
from tideline.landing.mapping import parse_mapping
from tideline.landing.plan_accept import accept
from tideline.landing.plan_check import COLUMNS, SEEDS, check
from tideline.landing.plan_infer import InferError
from tideline.landing.plan_stale import places
from tideline.text import shown_path

MAPPING = """
time: at
event_id: id
user_id: who
event: what
properties: {minutes: minutes}
"""


@pytest.fixture
def seeds(tmp_path):
    """A copy of the project's seeds."""
    folder = tmp_path / "seeds"
    shutil.copytree(SEEDS, folder, ignore=shutil.ignore_patterns("*.yml"))
    return folder


@pytest.fixture
def land(tmp_path, seeds, capsys):
    """Land rows of (id, at, who, what, minutes); return the messages and the warnings."""

    def run(rows, *words, code=0, mapping=MAPPING, also=()):
        log, file = tmp_path / "gym.csv", tmp_path / "gym.yml"
        lines = ["id,at,who,what,minutes", *(",".join(map(str, row)) for row in rows)]
        log.write_text("\n".join(lines) + "\n")
        file.write_text(mapping)
        where = ["--landing", tmp_path / "landing", "--seeds", seeds]
        arguments = [log, *also, "--mapping", file, *where, *words]
        assert main([str(each) for each in arguments]) == code
        said = capsys.readouterr()
        return said.out, said.err

    return run


def visits(number, people=10, what="login"):
    """Rows of a gym."""
    return [
        (f"e{n}", f"2024-03-{1 + n % 28:02} 10:{n % 60:02}:00", f"u{n % people}", what, n % 90)
        for n in range(number)
    ]


def test_the_counts_are_those_of_the_landed_rows(land):
    rows = visits(100)
    rows[3] = ("e3", "2024-03-01 10:00:00", "", "login", 1)  # nobody
    rows[4] = ("e4", "some day", "u4", "login", 1)  # no time
    rows[5] = ("e5", "1969-07-20 20:17:00", "u5", "login", 1)
    rows[6] = ("e6", "2999-01-01 00:00:00", "u6", "login", 1)
    rows[7] = ("e8", *rows[7][1:])  # the id of the next row
    rows[9] = ("e9", "2024-03-01 10:00:00", "u9", "", 1)  # no event
    rows += [(f"p{n}", "2024-03-02 10:00:00", "u1", "Order Completed", 5) for n in range(4)]
    out, err = land([*rows, ("too", "few")])
    for said in (
        "rows         105",
        "identifiers  10 user_id",
        "time         1969-07-20 20:17:00 UTC to 2999-01-01 00:00:00 UTC",
        "A build makes of them: 94 events, 1 duplicated, 10 quarantined.",
        "1 row is a duplicate, with the event id of another row, and will not count twice",
        "1 row cannot be read",
        "1 row has no readable time",
        "1 row is dated before 1990",
        "1 row is dated in the future",
        "1 row names nobody: user_id (column who) is empty",
        "1 row has no event name",
        "4 rows break the tracking plan:",
        "purchase: order_id is missing, 4 rows: map a column to properties.order_id in gym.yml, or",
        "purchase: revenue is missing, 4 rows: ",
    ):
        assert said in out, said
    assert not re.search(r"\b1 (rows|events|people|lines|values)\b", out + err)
    counted = [each.split() for each in out.splitlines()]
    assert ["login", "99"] in [words[:2] for words in counted]
    # An alias is counted as its event of the tracking plan.
    purchase = " ".join(next(words for words in counted if words[:1] == ["purchase"]))
    assert purchase == "purchase 4 breaks the tracking plan: see below"
    assert "(no name) 1 no event name" in " ".join(out.split())
    assert "the rows span 1029 years" in err
    assert "before 1990 or in the future" in err


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        (visits(60), None),
        ([("e1", *row[1:]) for row in visits(60)], "most rows are duplicates: 59 of 60"),
        ([(f"e{n // 2}", *row[1:]) for n, row in enumerate(visits(60))], "many rows are dup"),
        ([(*row[:2], "0" if n % 4 else row[2], *row[3:]) for n, row in enumerate(visits(80))],
         "one person has 60 of 80 rows"),
        (visits(60, people=1), "all rows belong to one person"),
        ([(*row[:2], row[1][:10], *row[3:]) for row in visits(60)], "the identifiers are dates"),
        ([(*row[:2], f"{8 + n % 28}.3.2024", *row[3:]) for n, row in enumerate(visits(60))],
         "the identifiers are dates"),
        (visits(56, people=28), "each day has one person, who is there on no other day"),
        (visits(60, people=14), None),
        (visits(60, people=60), "60 of 60 people have exactly one event"),
        ([(row[0], "2024-03-01 10:00:00", *row[2:]) for row in visits(60)], "the same time"),
        ([(row[0], row[1][:10], *row[2:]) for row in visits(60)], "all times are midnight"),
        ([(row[0], "soon", *row[2:]) for row in visits(60)],
         "gym.csv: 60 of 60 rows have no readable time; say how to read them: time: {"),
        (visits(60, what="workout_done"), "60 rows are of 1 event not in the tracking plan"),
        (visits(60, what="logn"), "logn: did you mean `login`?"),
    ],
)  # fmt: skip
def test_doubts_are_reported(land, rows, warning):
    _, err = land(rows)
    assert (warning in err) if warning else not err, err


def at(rows, form):
    """The rows with their times in another form."""
    times = [datetime.fromisoformat(row[1]).replace(tzinfo=UTC) for row in rows]
    return [(row[0], form(at), *row[2:]) for row, at in zip(rows, times, strict=True)]


SECONDS, MILLIS = lambda t: int(t.timestamp()), lambda t: int(t.timestamp() * 1000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "how", "warnings"),
    [
        (MILLIS, "unit: s", ["60 of 60 times lie in the years 56135 to 56209 (in the future): did "
                             "you mean `unit: ms`?", "all times are before 1990 or in the future"]),
        (SECONDS, "unit: us", ["60 of 60 times lie in the year 1970 (before 1990): did you mean "
                               "`unit: s`?", "all times are before"]),
        (SECONDS, "unit: ms", ["year 1970 (before 1990): did you mean `unit: s`?"]),
        (lambda t: 5, "unit: s", ["year 1970 (before 1990): look at how time is read"]),
        (lambda t: f"{t:%Y%m%d}", "format: '%Y%d%m'",
         ["gym.csv: 32 of 60 rows have no readable time; `format: '%Y%m%d'` reads all"]),
        (lambda t: f"{t:%Y~%m~%d}", "format: '%Y~%d~%m'", ["`format: '%Y~%m~%d'` reads all"]),
        (lambda t: f"{t:%d/%m/%Y %H:%M}", "format: '%d-%m-%Y'",
         ["60 of 60 rows have no readable time; `format: '%d/%m/%Y %H:%M'` reads all"]),
        (lambda t: f"{t:%d.%m.%Y}", "timezone: UTC", ["`format: '%d.%m.%Y'` reads all"]),
        (lambda t: f"({t:%d.%m.%Y})", "format: '%d-%m-%Y'", ["correct the format or unit of time"]),
    ],
)  # fmt: skip
def test_times_that_are_read_wrong_are_doubted_with_the_reading_that_fits(
    land, form, how, warnings
):
    mapping = MAPPING.replace("time: at", f"time: {{column: at, {how}}}")
    out, err = land(at(visits(60, what="workout_done"), form), "--accept-plan", mapping=mapping)
    for warning in warnings:
        assert warning in err, err
    assert "Added 1 line" in out or "Nothing" in out
    assert "say how to read" not in out + err


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_midnight_is_that_of_the_timezone_of_the_mapping(land, zone):
    mapping = MAPPING.replace("time: at", f"time: {{column: at, timezone: {zone}}}")
    dates = [(row[0], row[1][:10], *row[2:]) for row in visits(60)]
    assert (
        "or its time of day is in another column: time: {sql: '" in land(dates, mapping=mapping)[1]
    )
    offset = {"UTC": "01:00", "Europe/Berlin": "01:00", "America/New_York": "19:00"}[zone]
    rows = [(row[0], f"{row[1][:10]} {offset}", *row[2:]) for row in visits(60)]
    assert "midnight" not in land(rows, "--replace", mapping=mapping)[1]


def test_a_clock_time_in_another_column_is_read_as_the_warning_says(land):
    rows = [(row[0], f"{n % 28 + 1:02}/03/2024", *row[2:4], f"{n % 24:02}h15")
            for n, row in enumerate(visits(60))]  # fmt: skip
    _, err = land(
        rows, mapping=MAPPING.replace("time: at", "time: {column: at, format: '%d/%m/%Y'}")
    )
    line = re.search("time: {.*}", err)[0].replace("Date", "at").replace("Heure", "minutes")
    out, err = land(rows, mapping=MAPPING.replace("time: at", line))
    assert "2024-03-01 00:15:00 UTC to 2024-03-28 " in out and "midnight" not in err


def test_few_unreadable_times_are_no_doubt(land):
    rows = visits(400)
    rows[:20] = [(row[0], "soon", *row[2:]) for row in rows[:20]]
    assert "readable time" not in land(rows)[1]
    rows[20] = (rows[20][0], "soon", *rows[20][2:])
    assert "21 of 400 rows have no readable time" in land(rows, "--replace")[1]


@pytest.mark.parametrize(("lost", "is_warned"), [(1, False), (2, True)])
def test_values_that_are_left_out_are_a_warning_if_they_are_many(land, lost, is_warned):
    rows = [(*row[:4], "" if n < 20 else "long" if n < 20 + lost else 7)
            for n, row in enumerate(visits(140))]  # fmt: skip
    sql = '{minutes: {sql: "try_cast(minutes as int)"}}'
    out, err = land(rows, mapping=MAPPING.replace("{minutes: minutes}", sql))
    assert "left out, first in gym.csv:22" in out
    said = "warning: properties.minutes leaves out 2 of 120 values of minutes, which it cannot read"
    assert (said in err) is is_warned


def test_what_was_said_before_an_error_is_printed(land, seeds, monkeypatch):
    def fail(*_):
        raise InferError("no more")

    monkeypatch.setattr("tideline.landing.landed_report.summary", fail)
    rows = at(visits(60, what="workout_done"), MILLIS)
    mapping = MAPPING.replace("time: at", "time: {column: at, unit: s}")
    out, err = land(rows, "--accept-plan", mapping=mapping, code=1)
    assert "Added 1 line at the end of" in out
    assert "did you mean `unit: ms`?" in err and "error: no more" in err


def test_each_broken_rule_is_counted_with_its_rows_and_its_place(land, seeds):
    plan = seeds / "tracking_plan.csv"
    plan.write_text(
        plan.read_text()
        + "drill,minutes,integer,true,1|2|3,,Length\ndrill,mins,text,false,,[0-9],Other length\n"
        + "swim,minutes,text,false,,[a-z]+,Style\n"
    )
    lines = plan.read_text().splitlines()
    drill, swim = (1 + lines.index(f"{each}") for each in (lines[-3], lines[-1]))
    values = [1, 2, 3, "", "long", "long", 7, "1"]
    rows = [(f"d{n}", "2024-03-01 10:00:00", "u1", "drill", v) for n, v in enumerate(values)]
    rows += [(f"s{n}", "2024-03-01 10:00:00", "u1", "Swim", v) for n, v in enumerate(["crawl", 5])]
    rows += [("d7", "2024-03-01 11:00:00", "u1", "drill", "long")]  # a valid row has the id
    out, _ = land(rows)
    assert "A build makes of them: 5 events, 1 duplicated, 5 quarantined." in out
    assert "5 rows break the tracking plan:" in out
    where = "properties.minutes in gym.yml"
    for said in (
        f"drill: minutes is not an integer, 2 rows: correct {where}, or property_type in "
        f"{seeds}/tracking_plan.csv:{drill}",
        f"drill: minutes is not one of 1, 2, 3, 1 row: correct {where}, or allowed_values in ",
        "drill: minutes is missing, 1 row: properties.minutes (column minutes) is empty; "
        f"write false under is_required in {seeds}/tracking_plan.csv:{drill}",
        f"swim: minutes does not match [a-z]+, 1 row: correct {where}, or pattern in "
        f"{seeds}/tracking_plan.csv:{swim}",
    ):
        assert said in out, said


def test_a_row_that_breaks_several_rules_is_counted_under_each(land, seeds):
    plan = seeds / "tracking_plan.csv"
    plan.write_text(plan.read_text() + "drill,minutes,integer,false,,,\ndrill,coach,text,true,,,\n")
    rows = [(f"d{n}", "2024-03-01", "u1", "drill", v) for n, v in enumerate(["long", 3])]
    out, _ = land(rows)
    assert "2 rows break the tracking plan:" in out
    assert "drill: coach is missing, 2 rows: map a column to properties.coach in gym.yml" in out
    assert "drill: minutes is not an integer, 1 row: correct properties.minutes in gym.yml" in out


def test_an_alias_fills_what_the_plan_requires_as_in_a_build(land):
    rows = [*visits(60, what="product_view"), ("e99", "2024-03-01", "u1", "product_view", "")]
    out, _ = land(rows, mapping=MAPPING.replace("{minutes: minutes}", "{sku: minutes}"))
    assert "A build makes of them: 60 events, 0 duplicated, 1 quarantined." in out
    assert (
        "product_view: product_id is missing, 1 row: properties.sku (column minutes) is empty"
        in out
    )


def test_no_row_is_compared_with_a_plan_that_has_a_problem(land, seeds):
    plan = seeds / "tracking_plan.csv"
    plan.write_text(plan.read_text() + "login,minutes,integer,false,,[0-9,\n")
    out, err = land(visits(60))
    assert "A build makes of them: 60 events" in out
    assert "no row was compared with the tracking plan, which has a problem: " in err
    assert "[0-9 is not a regular expression" in err


def test_a_property_called_email_names_a_person_as_in_a_build(land):
    rows = [(f"e{n}", "2024-03-01 10:00:00", "", "login", f"A{n % 9}@x.org") for n in range(60)]
    out, _ = land(rows, mapping=MAPPING.replace("{minutes: minutes}", "{email: minutes}"))
    assert "identifiers  9 email" in out
    assert "nobody" not in out


def test_no_identifier_is_shown(land):
    rows = [(*row[:2], "anna@example.com", "sent to anna@example.com", 1) for row in visits(60)]
    assert not any("anna" in said for said in land(rows))


def test_unknown_events_are_taken_into_the_plan_and_nothing_else_changes(land, seeds):
    plan = seeds / "tracking_plan.csv"
    edited = plan.read_text().replace("login,method,text,false", "login,method,text,true")
    plan.write_text(edited.rstrip("\n"))  # as an editor leaves it, without the last line break
    rows = visits(60, what="workout_done") + visits(3, what="typo_made")
    rows += visits(20, what="3. Mahnung")
    rows = [(f"r{n}", *row[1:]) for n, row in enumerate(rows)]
    out, err = land(rows, "--accept-plan")
    assert f"Added 1 line at the end of {plan}: workout_done." in out
    assert "23 rows are of 2 events not in the tracking plan" in err
    said = (
        "Not added, as an event with fewer than 10 rows may be a typing error: typo_made (3 rows)."
    )
    assert said in err
    assert (
        "3._mahnung is not added: its name is not in snake_case; call it `event_3_mahnung`" in err
    )
    key = "under `event` in gym.yml: `event: {column: what, names: {3. Mahnung: event_3_mahnung}}`"
    assert key in err
    assert f"at the end of {plan}: `typo_made,,,,,,What happened`." in err
    after = plan.read_text()
    assert after.startswith(edited)
    added = after.removeprefix(edited).splitlines()
    assert [each.split(",")[:3] for each in added] == [["workout_done", "minutes", "number"]]
    assert not check(seeds)
    # A person corrects the line; landing again leaves it alone.
    plan.write_text(corrected := after.replace("minutes,number", "minutes,integer"))
    out, _ = land(rows, "--accept-plan")
    assert plan.read_text() == corrected
    assert "Nothing was added" in out
    assert [each.name for each in seeds.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Geind", "; did you mean `Geïnd`?"),
        ("geïnd", "; did you mean `Geïnd`?"),
        ("Boete  betaald", "; did you mean `Boete betaald`?"),
        ("Opgezegd", "\n"),
        ("Geïnd", None),
        (unicodedata.normalize("NFD", "Geïnd"), None),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_named_value_that_no_row_has_is_reported(land, value, said, form):
    rows = visits(30, what=unicodedata.normalize(form, "Geïnd")) + visits(9, what="Boete betaald")
    names = f'event: {{column: what, names: {{"{value}": login}}}}'
    out, err = land(rows, mapping=MAPPING.replace("event: what", names))
    if said:
        assert f"warning: no row has the value `{value}` of event.names{said}" in err
    else:
        assert "no row has" not in err and re.search(r"login +30", out)


def test_a_named_value_that_one_of_several_logs_has_is_not_reported(land, tmp_path):
    names = "event: {column: what, names: {In: login, Out: logout, Inn: login}}"
    other = tmp_path / "other.csv"
    other.write_text("id,at,who,what,minutes\nx1,2024-03-01,u1,Out,1\n")
    _, err = land(
        visits(30, what="In"), also=[other], mapping=MAPPING.replace("event: what", names)
    )
    assert "`Out`" not in err and "no row has the value `Inn` of event.names" in err


@pytest.mark.parametrize("words", [(), ("--accept-plan",)])
def test_report_and_warning_count_the_same_rows_of_unknown_events(land, words):
    rows = visits(60) + visits(8, what="typo_made") + visits(5, what="hover")
    rows = [(f"r{n}", *row[1:]) for n, row in enumerate(rows)]
    rows[60:62] = [(*row[:2], "", *row[3:]) for row in rows[60:62]]  # nobody
    rows[68:] = [(*row[:2], "", *row[3:]) for row in rows[68:]]  # so for all rows of `hover`
    out, err = land(rows, *words)
    assert "7 rows name nobody" in out
    said = "6 rows are of 1 event not in the tracking plan"
    assert f"{said} (first gym.csv:" in out and f"{said} and will be quarantined" in err


def test_a_name_to_add_to_the_mapping_is_the_value_of_the_log(land):
    """The line is one of `event.names` if there are names, and no personal value is printed."""
    mapping = MAPPING.replace("event: what", "event: {column: what, names: {Über: login, A: b-ä}}")
    rows = visits(40, what="Über") + visits(20, what="Prüfung 1") + visits(20, what="A")
    rows += visits(20, what="für ann@example.org")
    rows = [(f"r{n}", *row[1:]) for n, row in enumerate(rows)]
    _, err = land(rows, "--accept-plan", mapping=mapping)
    assert "under `event.names` in gym.yml: `Prüfung 1: pruefung_1`" in err
    assert "call it `b_ae` under `event` in the mapping." in err
    assert "ann@" not in err and err.count("under `event` in the mapping") == 2
    line = re.search(r"gym.yml: `(.*?)`", err)[1]
    _, err = land(rows, "--accept-plan", mapping=mapping.replace("{Über", f"{{{line}, Über"))
    assert "Prüfung" not in err


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("prüfung-bestanden", "prüfung_bestanden 50 its name is not in snake_case; call it "
         "`pruefung_bestanden`"),
        ("Été/Straße", "été/straße 50 its name is not in snake_case; call it `ete_strasse`"),
        ("3. Mahnung", "3._mahnung 50 its name is not in snake_case; call it `event_3_mahnung`"),
        ("購入", "購入 50 its name is not in snake_case; call it `object_action`"),
        ("a\x1b[31mb\u202e", "a\\x1b[31mb\\u202e 50 its name is not in snake_case; call it "
         "`a_31mb`"),
        ("é" * 300, "é" * 60 + "… 50 its name is not in snake_case; call it `" + "e" * 60 + "…`"),
        ("ann@example.org", "(a name with an address or number) 50 its name is not in snake_case:"),
        ("Ruf 0171-23 45 67!", "(a name with an address or number) 50 its name is not in snake"),
    ],
)  # fmt: skip
def test_an_unknown_event_is_shown_with_a_similar_one(land, what, said):
    out, err = land(visits(50, what=what))
    assert said in " ".join(out.split())
    assert not any(each in out + err for each in ("\x1b", "\u202e", "ann@", "0171"))


@pytest.mark.parametrize(
    ("what", "near"),
    [
        ("logn", "login"),
        ("workout_done", None),
        ("product_view_logged", None),
        ("purchse", "purchase"),
    ],
)
@pytest.mark.parametrize("words", [["--accept-plan"], []])
def test_a_new_event_that_is_called_nearly_like_a_known_one_is_doubted(land, what, near, words):
    out, err = land(visits(60, what=what), *words)
    assert ("Added 1 line at the end of" in out) is bool(words)
    said = f"warning: `{what}` was added; did" if words else f"{what}: did"
    assert (f"{said} you mean `{near}`?" in err) if near else "did you mean" not in err


def test_lines_of_events_that_a_corrected_mapping_renames_are_named(land, seeds, tmp_path, capsys):
    plan = seeds / "tracking_plan.csv"
    before = len(plan.read_text().splitlines())
    rows = visits(60, what="workout_done") + visits(60, what="class_joined")
    rows = [(f"r{n}", *row[1:]) for n, row in enumerate(rows)]
    sql = "{minutes: minutes, coach: {sql: \"'c' || minutes\"}}"
    mapping = MAPPING.replace("{minutes: minutes}", sql)
    _, err = land(rows, "--accept-plan", mapping=mapping)
    assert "--accept-plan added" not in err
    assert "class_joined,coach,text,false,,,Accepted from gym: Filled in 100.0%" in plan.read_text()
    names = "event: {column: what, names: {class_joined: login, workout_done: training}}"
    renamed = mapping.replace("event: what", names)
    _, err = land(rows, "--accept-plan", mapping=renamed)
    assert (
        f"no landing has these events any more, which --accept-plan added to {plan}: class_joined "
        f"(lines {before + 1}-{before + 2}), workout_done (lines {before + 3}-{before + 4}). "
        "Remove their lines unless they will come again"
    ) in err
    # A line that a person has described is theirs, and another landing may have the event.
    lines = plan.read_text().splitlines()
    lines[before] = "class_joined,coach,text,false,,,Who teaches"
    plan.write_text("\n".join(lines) + "\n")
    land(visits(60, what="workout_done"), "--as", "other", mapping=mapping)
    _, err = land(rows, mapping=renamed)
    assert "--accept-plan added" not in err
    where = ["--landing", str(tmp_path / "landing"), "--seeds", str(seeds)]
    main(["--remove", "gym", *where])
    said = capsys.readouterr().err
    assert f"training (lines {before + 5}-{before + 6})" in said and "workout_done" not in said


def test_a_line_that_says_text_where_a_corrected_mapping_gives_numbers_is_named(land, seeds):
    plan = seeds / "tracking_plan.csv"
    line = len(plan.read_text().splitlines()) + 1
    rows = [(*row[:4], f"{row[4]} €") for row in visits(60, what="workout_done")]
    _, err = land(rows, "--accept-plan")
    assert "says text" not in err
    assert "workout_done,minutes,text" in plan.read_text()
    read = MAPPING.replace("{minutes: minutes}", "{minutes: {sql: decimal_comma(minutes)}}")
    _, err = land(rows, mapping=read)
    assert f"than {plan}: line {line} says text, the log has numbers: write number" in err
    # Another landing may hold text, and a line that a person has described is theirs.
    *before, last = plan.read_text().splitlines()
    for said in ("Accepted from gym, spa: 60 rows", "Length of a workout"):
        line = last.replace(last.rsplit(",", 1)[1], f'"{said}"')
        plan.write_text("\n".join([*before, line]) + "\n")
        assert "says text" not in land(rows, mapping=read)[1]


def test_lines_are_named_by_their_spans():
    assert places([7]) == "line 7"
    assert places([7, 8, 9, 12]) == "lines 7-9, 12"


def test_segments_without_members_are_listed_with_the_event_they_need(land):
    lacks = (
        r"No {}`.*`purchase`.* event is in this landing, which brings these segments no members: "
        r".*churn_risk.*loyal_customer.*; map an event to it"
    )
    assert re.search(lacks.format(""), land(visits(50))[0])
    # Without the required revenue, the event is there but not accepted.
    out, _ = land(visits(50, what="purchase"), "--replace")
    assert re.search(lacks.format("accepted "), out)
    assert "Rows of `purchase` landed, but none is accepted." in out


def test_the_plan_keeps_its_line_breaks(land, seeds):
    plan = seeds / "tracking_plan.csv"
    before = plan.read_bytes().replace(b"\n", b"\r\n")
    plan.write_bytes(before)
    land(visits(60, what="workout_done"), "--accept-plan")
    after = plan.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(b"\r\n") == before.count(b"\n") + 1


def test_a_plan_with_a_problem_is_not_added_to(land, seeds):
    plan = seeds / "tracking_plan.csv"
    plan.write_text(before := plan.read_text() + "purchase,tax,numbr,false,,,\n")
    _, err = land(visits(60, what="workout_done"), "--accept-plan", code=1)
    assert "nothing was added to the tracking plan" in err
    assert "unknown type `numbr`" in err
    assert plan.read_text() == before


def test_rows_that_would_break_the_plan_are_not_added(seeds):
    before = (seeds / "tracking_plan.csv").read_bytes()
    row = dict.fromkeys(COLUMNS["tracking_plan.csv"], "") | {"event_name": "Not Snake"}
    with pytest.raises(InferError, match="not in snake_case"):
        accept([row], seeds)
    assert (seeds / "tracking_plan.csv").read_bytes() == before


def test_an_accepted_plan_refuses_no_row_that_has_landed(land, seeds, monkeypatch):
    kinds = ["bike", "row", *["run"] * 18]  # and a rare one
    rows = [
        (f"e{n}", f"2024-03-{1 + n % 28:02}", f"u{n % 9}", event, value)
        for event, values in {
            "workout_done": ["long" if n % 80 == 7 else n for n in range(240)],
            "class_joined": ["swim" if n == 7 else kinds[n % 20] for n in range(240)],
            "locker_opened": [str(n % 3) for n in range(240)],
        }.items()
        for n, value in enumerate(values)
    ]
    land([(f"{n}{row[0]}", *row[1:]) for n, row in enumerate(rows)], "--accept-plan")
    plan = (seeds / "tracking_plan.csv").read_text()
    assert "workout_done,minutes,text,false,,," in plan
    assert "class_joined,minutes,text,false,,," in plan
    assert "locker_opened,minutes,text,false,,," in plan  # strings may be anything tomorrow
    # Of more rows some are read, and rules on what was seen of them might not hold for all.
    monkeypatch.setattr("tideline.landing.plan_infer.MOST_LANDED_ROWS", 200)
    rows = [(f"e{n}", *row[1:3], "towel_taken", "a") for n, row in enumerate(rows)]
    out, _ = land(rows, "--accept-plan", "--replace")
    assert "one of 4 rows is read of 720" in out
    assert "towel_taken,minutes,text,false,,," in (seeds / "tracking_plan.csv").read_text()


def test_a_property_that_is_an_object_in_some_rows_only_is_not_accepted(land, seeds):
    rows = [(*row[:4], "{{}}") for row in visits(40, what="class_joined")]
    mapping = MAPPING.replace(
        "{minutes: minutes}",
        """{note: {sql: "case when id < 'e2' then to_json({'a': 1}) else to_json('a') end"}}""",
    )
    out, _ = land(rows, "--accept-plan", mapping=mapping)
    assert "A build makes of them: 40 events" in out
    assert "class_joined.note is left out: it is an object or array in some rows only" in out
    assert (
        "class_joined,,,,,,Accepted from gym: 40 rows landed"
        in (seeds / "tracking_plan.csv").read_text()
    )


def test_an_accepted_plan_refuses_no_value_of_a_later_log(land, seeds):
    kinds = [(f"e{n}", f"2024-03-{1 + n % 28:02}", f"u{n % 9}", "class_joined") for n in range(240)]
    land([(*row, "yoga" if n % 2 else "spinning") for n, row in enumerate(kinds)], "--accept-plan")
    lines = (seeds / "tracking_plan.csv").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("class_joined,minutes")]
    assert line.startswith("class_joined,minutes,text,false,,,"), (
        "neither required nor a closed list"
    )
    # Version 5.1 is followed by 5.1.2, and 3 minutes by 3.5 of them.
    sql = """{version: {sql: "'5.' || minutes"}, minutes: minutes, done: {sql: "minutes > 2"}}"""
    mapping = MAPPING.replace("{minutes: minutes}", sql)
    land([(*row[:3], "run", 3) for row in kinds], "--accept-plan", "--replace", mapping=mapping)
    lines = (seeds / "tracking_plan.csv").read_text().splitlines()
    types = dict(line.split(",")[1:3] for line in lines if line.startswith("run,"))
    assert types == {"version": "text", "minutes": "number", "done": "boolean"}


def test_the_plan_that_is_written_is_named_before(tmp_path, seeds, monkeypatch, capsys):
    log, mapping = tmp_path / "gym.csv", tmp_path / "gym.yml"
    rows = [",".join(map(str, row)) for row in visits(60, what="workout_done")]
    log.write_text("\n".join(["id,at,user_id,event,minutes", *rows, rows[0].replace("u0", "")]))
    before = (seeds / "tracking_plan.csv").read_bytes()
    assert main([str(log), "--propose", str(mapping), "--seeds", str(seeds)]) == 0
    assert f"its new events go into {seeds}/tracking_plan.csv" in capsys.readouterr().out
    said = mapping.read_text()
    assert "# With --accept-plan this mapping lands:" in said
    assert "#   A build makes of them: 60 events, 0 duplicated, 1 quarantined." in said
    where = (
        f"# --accept-plan adds these events and properties to {seeds}/tracking_plan.csv, as lines"
    )
    assert where in said and "#   workout_done: id text, minutes number\n" in said
    assert (seeds / "tracking_plan.csv").read_bytes() == before
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert f"lines at the end of {shown_path(SEEDS)}/tracking_plan.csv" in said
    assert f"folder of the tracking plan (default: {shown_path(SEEDS)})" in said


def test_a_plan_is_accepted_only_with_a_mapping(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "log.csv"), "--accept-plan"])
    assert "--accept-plan needs --mapping" in capsys.readouterr().err


def test_rows_of_an_event_that_the_plan_has_are_not_added(seeds):
    before = (seeds / "tracking_plan.csv").read_bytes()
    row = dict.fromkeys(COLUMNS["tracking_plan.csv"], "") | {"event_name": "login"}
    row |= {"property": "device", "property_type": "text", "is_required": "true"}
    assert accept([row], seeds).events == []
    assert (seeds / "tracking_plan.csv").read_bytes() == before


def test_properties_beside_the_plan_are_named(land):
    """They are kept with the event, but no trait can read them."""
    mapping = MAPPING.replace("minutes: minutes", "minutes: minutes, method: what, room: at")
    why = "kept, but not in the tracking plan of the event, so no trait can read"
    out, _ = land(visits(40), mapping=mapping)
    said = f"2 properties are {why} them: minutes, room (with login). `tideline plan infer` pro"
    assert said in out
    rows = [
        (f"r{n}", *row[1:]) for n, row in enumerate(visits(40) + visits(20, what="first_visit"))
    ]
    mapping = mapping.replace("method: what", "notes: what")
    out, _ = land(rows, "--replace", mapping=mapping)
    assert out.count("no trait can read") == 1
    assert f"3 properties are {why} them: minutes, notes, room (with login, first_visit). `" in out
    mapping = MAPPING.replace("minutes: minutes", "method: what")
    out, _ = land(rows, mapping=mapping)
    assert f"1 property is {why} it: method (with first_visit). `tideline plan infer`" in out


def test_that_nothing_is_missing_from_the_plan_is_said(land, seeds):
    plan = seeds / "tracking_plan.csv"
    before = plan.read_bytes()
    out, _ = land(visits(40), "--accept-plan")
    assert f"Nothing was added to {plan}: the plan has the events of this landing already." in out
    assert plan.read_bytes() == before
    out, _ = land(visits(40))
    assert "Nothing was added" not in out


@pytest.mark.parametrize("name", ["sessionId", "session", "web_session_id"])
def test_a_column_of_sessions_is_doubted(name):
    for key, is_doubted in (("user_id", True), ("anonymous_id", False)):
        found = parse_mapping({"time": "at", "event": "what", key: name}, "log.yml")
        assert bool([*of_sessions(found)]) is is_doubted


def test_rows_with_an_email_alone_are_counted(land):
    """They belong to a person, but to no session."""
    rows = [(*row[:2], f"{row[2]}@example.org", *row[3:]) for row in visits(40)]
    mapping = MAPPING.replace("user_id: who", "email: who")
    out, _ = land(rows, mapping=mapping)
    assert "40 rows name somebody by an email alone and will be in no session: if they" in out
    out, _ = land(rows, mapping=mapping.replace("email: who", "email: who\nuser_id: who"))
    assert "by an email alone" not in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("year", "later", "is_clamped", "is_doubted"),
    [
        (2024, "1.7 seconds", False, False),
        (2024, "60 seconds", False, False),
        (2024, "61 seconds", True, False),
        (2024, "2 hours", True, False),
        (3024, "1000 years", True, True),
        (1964, "-60 years", True, True),
    ],
)
def test_a_clock_is_doubted_as_by_a_build(land, year, later, is_clamped, is_doubted):
    """Small differences between clocks are normal, and a time of the past is no time to come."""
    rows = [(row[0], row[1].replace("2024", str(year)), *row[2:]) for row in visits(8)]
    arrival = f'received_at: {{sql: "\\"at\\"::timestamp - interval {later!r}"}}\n'
    out, err = land(rows, mapping=MAPPING + arrival)
    assert ("8 rows are dated before 1990 or after the arrival" in out) is is_clamped
    assert ("all times are before 1990 or in the future" in err) is is_doubted


def test_refused_rows_are_named_by_their_lines_in_the_log(land, tmp_path):
    """Whatever the event id: filtered and blank lines, and a row of two lines, move the rows."""
    rows = [
        ("a", "2024-03-01 10:00:00", "u1", "login", 1),
        ("left out", "2024-03-01 10:00:00", "", "login", 1),
        ("b", "2024-03-01 10:00:00", "", "login", 2),  # line 4
        ("",),
        ("c", "2024-03-01 10:00:00", "u1", "login", '"two\nlines"'),
        ("d", "2024-03-01 10:00:00", "u1", "", 2),  # line 8
        ("e", "soon", "u1", "login", 2),
        ("f", "1969-01-01", "u1", "login", 2),
        ("g", "2999-01-01", "u1", "login", 2),
        ("h", "2024-03-01 10:00:00", "u1", "nap", 2),
        ("i", "2024-03-01 10:00:00", "u1", "purchase", 2),
        *[(f"n{n}", "2024-03-01 10:00:00", "", "login", 1) for n in range(3)],
        ("too", "few"),
    ]  # fmt: skip
    mapping = MAPPING.replace("event_id: id", "event_id: {sql: md5(_tl_row)}")
    mapping = mapping.replace("minutes}", "minutes, line: {sql: _tl_line}}")
    other = tmp_path / "pool.csv"
    other.write_text("id,at,who,what,minutes\nz,2024-03-01 10:00:00,,login,1\n")
    out, _ = land(rows, mapping=mapping + """filters: ["id <> 'left out'"]\n""", also=[other])
    for said in (
        "5 rows name nobody: user_id (column who) is empty; if another column names them, map it "
        "too (first gym.csv:4, gym.csv:14, gym.csv:15).",
        "1 row has no event name: say which under event (gym.csv:8).",
        "1 row has no readable time (gym.csv:9).",
        "1 row is dated before 1990 (gym.csv:10).",
        "1 row is dated in the future (gym.csv:11).",
        "1 row is of 1 event not in the tracking plan (gym.csv:12).",
        "1 row cannot be read (gym.csv:17).",
    ):
        assert said in out, said
    assert re.search(r"purchase: order_id is missing, 1 row: .*; see gym.csv:13\n", out)
    file = tmp_path / "landing" / "events" / "gym.parquet"
    lines = duckdb.sql(f"select (properties ->> '$.line')::int from '{file}' where event = 'login'")
    assert lines.fetchall() == [(line,) for line in (2, 4, 6, 9, 10, 11, 14, 15, 16)]
