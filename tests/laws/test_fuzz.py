"""The raw and the event layer with any content of files: nothing crashes, nothing is lost.

Every line that is not blank is one row with its line number, valid lines stay valid next to any
others, and the event layer counts each row once.
"""

import gzip
import json
import os
import random
from collections import defaultdict

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.support.event_layer import EventLayer
from tests.support.raw_layer import RawLayer

BOM = b"\xef\xbb\xbf"
FILES = 40  # per case
MIB = 1 << 20
NOT_A_FILE = "not a regular file: a pipe, a device, or a link to a folder or to itself"


def sound(number, **fields):
    """A line with a message that becomes an event."""
    message = {
        "messageId": f"m{number}",
        "type": "page",
        "anonymousId": "visitor",
        "timestamp": "2020-01-01T10:00:00Z",
    }
    return json.dumps(message | fields).encode()


def lines_of(content):
    """The lines of a JSONL file that become rows, in order."""
    lines = content.removeprefix(BOM).split(b"\n")
    return [line for line in lines if line and not line.isspace()]


@pytest.fixture(scope="module")
def layer(compiled):
    return EventLayer(*compiled)


class Landing:
    """A landing folder with its layers."""

    def __init__(self, folder, layer, edits=None):
        self.events = folder / "events"
        self.events.mkdir(parents=True)
        self.layer = layer
        self.raw = RawLayer(layer, folder, sources=["shop"], edits=edits)

    def take(self):
        """Read new files; return the rows by file. Checks that each row is counted once."""
        self.raw.run()
        self.layer.run()
        places = "select landed_file, landed_line from"
        accounted = " union all ".join(
            f"{places} {part}" for part in ("fct_events", "events_duplicated", "events_quarantined")
        )
        landed = f"{places} raw_messages where source = 'collector'"
        for one, other in ((landed, accounted), (accounted, landed)):
            assert not self.layer.query(f"({one}) except all ({other})")
        return self.rows()

    def rows(self):
        """(id, record, problem, original) of the rows by file, sorted by number."""
        rows, numbers = defaultdict(list), defaultdict(list)
        for file, line, *row in self.layer.query(
            "select landed_file, landed_line, message_id, record, problem, original "
            "from raw_messages order by landed_file, landed_line"
        ):
            rows[file].append(tuple(row))
            numbers[file].append(line)
        for file, lines in numbers.items():
            assert "#" in file or lines[0] == 1, f"{file} begins with row {lines[0]}"
            assert lines == list(range(lines[0], lines[0] + len(lines))), file
        return rows


@pytest.fixture
def landing(tmp_path, layer):
    return Landing(tmp_path / "landing", layer)


def assert_each_line_is_a_row(content, rows):
    """Valid lines have their id; any other row has the original text, or an id found in it."""
    lines = lines_of(content)
    assert len(rows) == len(lines), content
    for line, (message_id, _, problem, original) in zip(lines, rows, strict=True):
        number = line[16:].split(b'"')[0].decode("ascii", "replace")
        if line.strip() == sound(number):
            assert (message_id, problem) == (f"m{number}", None), line
        elif problem is None:
            assert message_id.strip(), line
        else:
            assert original is not None, line
            if len(line) < MIB:
                text = line.decode("utf-8", "replace")
                assert original.strip() == text.strip() or "no event id" in problem, line


PIECES = [b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\"]
PIECES += [b"\\u0000", b"\\ud800", b" ", b"\x0b", b"\x1c", b"\xc2\xa0", BOM, b"null", b"NaN", b"-0"]
PIECES += [b"1e999", b"//", b'"messageId":""', b'"messageId":[1],', b"\xe2\x80\xa8", b"\xf0\x9f"]


def mutated(chance, line):
    """A line with a changed, removed or added byte, a truncated line, or the line twice."""
    kind = chance.randrange(6)
    begin = chance.randrange(len(line))
    end = min(len(line), begin + chance.choice([1, 1, 2, 9]))
    if kind == 0:
        return line[:begin] + bytes([line[begin] ^ (1 << chance.randrange(8))]) + line[begin + 1 :]
    if kind == 1:
        return line[:begin] + line[end:]
    if kind == 2:
        return line[:begin]
    if kind == 3:
        return line + chance.choice([b"", b" ", b",", b"\r"]) + line
    return line[:begin] + chance.choice(PIECES) + line[end if kind == 4 else begin :]


def random_file(chance, number):
    """Valid lines mixed with mutated ones: the file's name and bytes."""
    lines = []
    for line in range(chance.randint(1, 6)):
        lines.append(sound(f"{number}x{line}"))
        if chance.random() < 0.6:
            lines[-1] = mutated(chance, lines[-1])
        if chance.random() < 0.1:
            lines.append(chance.choice([b"", b"  ", b"\t", b"x", b"{}", b"null", b"[]", b"1"]))
    content = (BOM if chance.random() < 0.1 else b"") + b"\n".join(lines)
    content += chance.choice([b"", b"\n", b"\n\n", b"\r\n"])
    return f"{number}.jsonl", content


@settings(max_examples=20, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_lines(layer, tmp_path_factory, seed):
    chance = random.Random(seed)
    landing = Landing(tmp_path_factory.mktemp("fuzz") / "landing", layer)
    files = dict(random_file(chance, number) for number in range(FILES))
    for name, content in files.items():
        if chance.random() < 0.3:
            (landing.events / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (landing.events / name).write_bytes(content)
    rows = landing.take()
    for name, content in files.items():
        found = rows[f"events/{name}"] or rows[f"events/{name}.gz"]
        assert_each_line_is_a_row(content, found)


NOT_JSON, NOT_UTF8 = "not a JSON object", "not valid UTF-8"
UTF16 = (sound(1) + b"\n" + sound(2) + b"\n").decode()
# Content of a file, and the id or problem of each row.
CONTENTS = {
    "one byte": (b"x", [NOT_JSON]),
    "one bracket": (b"{", [NOT_JSON]),
    "nothing": (b"", []),
    "blank lines": (b"\n \n\t\r\n\x0b\n", []),
    "no message": (b"{}\nnull\n[]\n7", ["no event id", NOT_JSON, NOT_JSON, NOT_JSON]),
    "mark": (BOM + sound(1) + b"\n" + sound(2), ["m1", "m2"]),
    "mark alone": (BOM, []),
    "mark on a line": (BOM + b"\n" + sound(1) + b"\n\xff\n" + sound(2), ["m1", NOT_UTF8, "m2"]),
    "mark in the midst": (sound(1) + b"\n" + BOM + sound(2), ["m1", NOT_JSON]),
    "UTF-16": (UTF16.encode("utf-16"), [NOT_UTF8, NOT_JSON, NOT_JSON]),
    "UTF-16, big end first": (UTF16.encode("utf-16-be"), [NOT_JSON, NOT_JSON]),
    "NUL": (b"\x00\n" + sound(1) + b"\n" + sound(2) + b"\x00\n", [NOT_JSON, "m1", NOT_JSON]),
    "CRLF": (b"\r\n".join([sound(1), b"", b" ", sound(2), b""]), ["m1", "m2"]),
    "CR": (sound(1) + b"\r" + sound(2) + b"\n" + sound(3), [NOT_JSON, "m3"]),
    "two on a line": (sound(1) + b" " + sound(2) + b"\n" + sound(3), [NOT_JSON, "m3"]),
    "one on two lines": (
        sound(1).replace(b", ", b",\n", 1) + b"\n" + sound(2),
        [NOT_JSON] * 2 + ["m2"],
    ),
    "array of messages": (b"[" + sound(1) + b",\n" + sound(2) + b"]", [NOT_JSON] * 2),
    "deep": (b'{"a":' * MIB + b"\n" + sound(1) + b"\n" + b"[" * MIB, [NOT_JSON, "m1", NOT_JSON]),
    "deep and closed": (
        sound(1, properties=0).replace(b" 0}", b"[" * MIB + b"]" * MIB + b"}") + b"\n" + sound(2),
        ["m1", "m2"],
    ),
    "15 MB": (sound(1, properties={"a": "x" * 15_000_000}) + b"\n" + sound(2), ["m1", "m2"]),
    "40 MB": (
        sound(1) + b"\n" + b"x" * 40_000_000 + b"\n" + sound(2),
        ["m1", "longer than 16 MiB", "m2"],
    ),
    "long id": (sound("x" * 10_000) + b"\n" + sound(2), ["m" + "x" * 10_000, "m2"]),
    "key twice": (b'{"messageId":"a","messageId":"b"}\n' + sound(2), ["a", "m2"]),
    "surrogate": (sound(1).replace(b"visitor", b"\\ud800") + b"\n" + sound(2), [NOT_JSON, "m2"]),
    "control": (sound(1).replace(b"visitor", b"\x01") + b"\n" + sound(2), [NOT_JSON, "m2"]),
}
ONE, TWO = gzip.compress(sound(1) + b"\n"), gzip.compress(sound(2) + b"\n")
CUT, DAMAGED = "file ends early", "file is damaged from here on"
# The same for compressed files.
PACKED = {
    "whole": (ONE, ["m1"]),
    "one after another": (ONE + gzip.compress(b"") + TWO, ["m1", "m2"]),
    "padded": (ONE + TWO + b"\0" * 512, ["m1", "m2"]),
    "line in two": (gzip.compress(sound(1)[:9]) + gzip.compress(sound(1)[9:]), ["m1"]),
    "mark": (gzip.compress(BOM + sound(1) + b"\n" + sound(2)), ["m1", "m2"]),
    "one byte": (gzip.compress(b"x"), [NOT_JSON]),
    "nothing": (gzip.compress(b""), []),
    "no byte": (b"", [CUT]),
    "cut at once": (ONE[:1], [CUT]),
    "cut at the end": (ONE + TWO[:-1], ["m1", "m2", CUT]),
    "rubbish after it": (ONE + TWO + b"rubbish", ["m1", "m2", DAMAGED]),
    "not packed": (sound(1), [DAMAGED]),
}


def outcomes(rows):
    return [message_id if problem is None else problem for message_id, _, problem, _ in rows]


def test_what_a_file_may_hold(landing, subtests):
    cases = {}
    for suffix, contents in ((".jsonl", CONTENTS), (".jsonl.gz", PACKED)):
        for name, (content, expected) in contents.items():
            (landing.events / (name + suffix)).write_bytes(content)
            cases[f"events/{name}{suffix}"] = expected
    rows = landing.take()
    for name, expected in cases.items():
        with subtests.test(name):
            found = outcomes(rows[name])
            assert len(found) == len(expected), found
            for one, other in zip(found, expected, strict=True):
                assert one.startswith(other), found


# Fields besides an id, and the reason why they are not an event, if so.
FIELDS = [
    ({"context": [1], "properties": "text", "traits": 7}, None),
    ({"context": "{", "properties": '{"a":1}'}, None),
    ({"anonymousId": ["a"], "userId": {"a": 1}}, None),
    ({"anonymousId": "", "userId": " "}, "no identifier"),
    ({"properties": {"a": float("nan")}, "context": float("-inf")}, None),
    ({"timestamp": 1577836800}, None),
    ({"timestamp": 1577836800000}, None),
    ({"timestamp": "1577836800.5"}, None),
    ({"timestamp": -5}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": 1e300}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": [1]}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": "+275760-09-13T00:00:00.000Z"}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": "-000001-01-01T00:00:00Z"}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": "0000-00-00T00:00:00Z"}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": "infinity"}, "sent_timestamp is not a valid timestamp"),
    ({"timestamp": "9999-12-31T23:59:59.999999Z"}, "received in the future"),
    ({"receivedAt": "9999-12-31T23:59:59Z", "sentAt": "0001-01-01T00:00:00Z"}, "received in"),
    (
        {
            "receivedAt": "9999-12-31T23:59:59Z",
            "sentAt": "0001-01-01T00:00:00Z",
            "originalTimestamp": "9999-12-31T23:59:59Z",
        },
        "received in the future",
    ),
    ({"receivedAt": 10**26}, "received_at is not a valid timestamp"),
    ({"type": None}, "no event name"),
    ({"type": "track", "event": "x" * 100_000}, "unknown event"),
    ({"type": "track", "event": ["login"]}, "unknown event"),
]


def test_what_a_field_may_hold(landing):
    lines = [sound(number, **fields) for number, (fields, _) in enumerate(FIELDS)]
    (landing.events / "fields.jsonl").write_bytes(b"\n".join(lines))
    landing.take()
    reasons = landing.layer.query("select reason from int_events_deduplicated order by landed_line")
    for (reason,), (fields, expected) in zip(reasons, FIELDS, strict=True):
        assert (reason or "").startswith(expected or "") and (not reason) == (not expected), fields


NAMES = ["it's.jsonl", 'q"uote.jsonl', "br[a]c*ket?.jsonl", " space .jsonl", "a#2.jsonl", "a.jsonl"]
NAMES += ["ünï.jsonl", "new\nline.jsonl", "{a,b}.jsonl", "%41.jsonl", "back\\slash.jsonl"]
NAMES += ["$x;--.jsonl", "A.JSONL", "b.ndjson", "week=5/x.jsonl", "d.jsonl/e.jsonl"]


def test_what_a_file_may_be_called(landing):
    for number, name in enumerate(NAMES):
        path = landing.events / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sound(number))
    (landing.events / "empty.parquet").mkdir()
    (landing.events / "gone.jsonl").symlink_to("nowhere")
    (landing.events / "link.jsonl").symlink_to(landing.events / "a.jsonl")
    os.mkfifo(landing.events / "pipe.jsonl")
    (landing.events / "loop.jsonl").symlink_to("loop.jsonl")
    (landing.events / "loop").symlink_to("loop.back")
    (landing.events / "loop.back").symlink_to("loop")
    (landing.events / "zero.jsonl").symlink_to("/dev/zero")
    (landing.events / "up").symlink_to(landing.events)
    for name in (".hidden.jsonl", "_half.jsonl"):
        (landing.events / name).write_bytes(sound("hidden"))
    (landing.events / "notes.txt").write_bytes(sound("notes"))
    rows = landing.take()
    assert {file: outcomes(found) for file, found in rows.items() if "notes" not in file} == {
        **{f"events/{name}": [f"m{number}"] for number, name in enumerate(NAMES)},
        "events/link.jsonl": ["m5"],
        **{
            f"events/{name}": [NOT_A_FILE]
            for name in ("pipe.jsonl", "loop.jsonl", "loop", "loop.back", "zero.jsonl", "up")
        },
    }
    assert outcomes(rows["events/notes.txt"])[0].startswith("unsupported file type")
    assert landing.take() == rows


def test_a_file_named_like_the_second_content_of_another(landing):
    events = landing.events
    (events / "a.jsonl").write_bytes(sound(1))
    (events / "b.jsonl").write_bytes(sound(2))
    (events / "a.jsonl#2").write_bytes(sound(3))
    landing.take()
    (events / "a.jsonl").write_bytes(sound(4))
    (events / "b.jsonl").write_bytes(sound(5))
    landing.take()
    (events / "b.jsonl#2").write_bytes(sound(6))
    rows = landing.take()
    told = {file: outcomes(found)[0].split(":")[0] for file, found in rows.items()}
    other = "unsupported file type"
    assert told == {
        **{"events/a.jsonl": "m1", "events/a.jsonl#2": other, "events/a.jsonl#3": "m4"},
        **{"events/b.jsonl": "m2", "events/b.jsonl#2": "m5", "events/b.jsonl#2#2": other},
    }
    assert landing.take() == rows


NOTES = {
    "deep": b'{"landing_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half": b'{"landing_id": "\\ud800"}',
    "list": b'{"landing_id": ["x"]}',
    "long": b'{"landing_id": "' + b"x" * 100_000 + b'"}',
    "bytes": b'{"landing_id": "\xff"}',
}


def test_an_invalid_note_is_ignored(landing):
    """Any program can write one: it does not fail a build and replaces nothing."""
    for version in (1, 2):
        for number, (name, note) in enumerate(NOTES.items()):
            row = json.loads(sound(10 * version + number))
            table = pa.table({key: [value] for key, value in row.items()})
            noted = table.replace_schema_metadata({"tideline_landing": note})
            pq.write_table(noted, landing.events / f"{name}.parquet")
        rows = landing.take()
    for number, name in enumerate(NOTES):
        assert outcomes(rows[f"events/{name}.parquet"]) == [f"m{10 + number}"]
        assert outcomes(rows[f"events/{name}.parquet#2"]) == [f"m{20 + number}"]


def test_a_name_that_is_not_utf8(landing):
    """The warehouse cannot store the name: a row says so, and other files are read."""
    (landing.events / "a.jsonl").write_bytes(sound(1))
    with open(os.path.join(os.fsencode(landing.events), b"\xff.jsonl"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(sound(2))
    rows = landing.take()
    assert outcomes(rows["events/a.jsonl"]) == ["m1"]
    assert "file name is not valid UTF-8" in outcomes(rows["events/\\xff.jsonl"])[0]
    assert landing.take() == rows


def test_a_file_that_is_deleted_before_it_is_read(landing):
    """It is deleted between the two models; this must not stop all later runs."""
    (landing.events / "a.jsonl").write_bytes(sound(1))
    (landing.events / "b.jsonl").write_bytes(sound(2))
    listing, reading = landing.raw.modules
    landing.raw.modules = [listing]
    landing.raw.run()
    (landing.events / "a.jsonl").unlink()
    landing.raw.modules = [reading]
    landing.raw.run()
    landing.raw.modules = [listing, reading]
    rows = landing.take()
    assert outcomes(rows["events/a.jsonl"])[0].startswith("file disappeared before it was read")
    assert outcomes(rows["events/b.jsonl"]) == ["m2"]


def test_the_text_of_a_message_is_not_a_reason(landing):
    """A message without an id may have a field `problem`, which may be personal."""
    told = {"problem": "I am ann@example.org", "original": "my card", "line": 1, "file": "f"}
    line = sound(0, messageId=None, type="track", event="login", properties=told)
    (landing.events / "a.jsonl").write_bytes(line)
    (landing.events / "land.jsonl").write_bytes(json.dumps({"properties": told}).encode())
    rows = landing.take()
    ((_, _, problem, original),) = rows["events/a.jsonl"]
    assert (problem, original) == ("no event id", line.decode())
    ((_, _, problem, original),) = rows["events/land.jsonl"]
    assert (problem, original) == (told["problem"], told["original"])


def test_a_file_that_changes_before_it_is_read(landing):
    """It changes between the two models, in a run that fails; it is listed twice, read once."""
    path = landing.events / "a.jsonl"
    path.write_bytes(b"\n".join([sound(1), b"broken"]))
    listing, reading = landing.raw.modules
    landing.raw.modules = [listing]
    landing.raw.run()
    path.write_bytes(b"\n".join([sound(1), b"broken", sound(2)]))
    landing.raw.modules = [listing, reading]
    rows = landing.take()
    assert outcomes(rows["events/a.jsonl#2"]) == ["m1", "not a JSON object", "m2"]
    assert len(rows) == 1
    assert landing.take() == rows


# The content of a file at each load, and the ids that have landed at the end.
CHANGES = [
    ([[1], [1], [1]], [["m1"]]),
    ([[1], [1, 2], [1, 2]], [["m1"], ["m2"]]),
    ([[1], [1, 2], [1, 2, 3]], [["m1"], ["m2"], ["m3"]]),
    ([[1], [2, 1], [2, 1, 3]], [["m1"], ["m2", "m1"], ["m3"]]),
    ([[1, 2], [1], [1, 2]], [["m1", "m2"], ["m1"]]),
    ([[1], None, [1]], [["m1"]]),
    ([[1], [2], [3]], [["m1"], ["m2"], ["m3"]]),
    ([[1, 2, 3], [], [4]], [["m1", "m2", "m3"], ["m4"]]),
]


def assert_files_are_read_once(landing):
    for load in range(3):
        for number, (states, _) in enumerate(CHANGES):
            path = landing.events / f"{number}.jsonl"
            path.unlink(missing_ok=True)
            if states[load] is not None:
                path.write_bytes(b"\n".join(map(sound, states[load])))
        rows = landing.take()
    for number, (_, expected) in enumerate(CHANGES):
        named = f"events/{number}.jsonl"
        found = [outcomes(rows[file]) for file in sorted(rows) if file.split("#")[0] == named]
        assert found == expected, number


def test_a_changed_file_is_read_again(landing):
    assert_files_are_read_once(landing)


BREAKS = {
    "versions are forgotten": (
        "landed_files",
        "free_name(path, len(taken.get(path, [])) + 1, given, names)",
        "path",
    ),
    "content is not looked at": (
        "landed_files",
        "found is None or ",
        "found is None or False and ",
    ),
    "what is added is not told from the rest": (
        "landed_files",
        "digest.hexdigest() != former_hash",
        "True",
    ),
    "former bytes are not looked at": (
        "landed_files",
        "digest.hexdigest() != former_hash",
        "False",
    ),
    "what was taken is never looked at again": (
        "landed_files",
        "(about.st_size, about.st_mtime_ns) not in known",
        "not versions",
    ),
    "the last load is read again": (
        "raw_messages",
        "landed_at > coalesce",
        "landed_at >= coalesce",
    ),
    "lines are numbered over files": (
        "raw_messages",
        "filename is distinct from lag(filename) over ()",
        "running = 1",
    ),
    "lines are numbered from 0": ("raw_messages", ") + 1 as line", ") as line"),
    "files that hold one byte are sound": ("raw_messages", "len(head) != 1 and", ""),
}


@pytest.mark.parametrize("name", BREAKS)
def test_mistakes_are_noticed(tmp_path, layer, name):
    model, text, other = BREAKS[name]
    landing = Landing(tmp_path / "landing", layer, edits={model: [(text, other)]})
    (landing.events / "byte.jsonl").write_bytes(b"x")
    with pytest.raises(AssertionError):
        assert_files_are_read_once(landing)
        assert outcomes(landing.rows()["events/byte.jsonl"]) == [NOT_JSON]


def parquet(path, select):
    duckdb.execute(f"copy ({select}) to '{path}' (format parquet)")


def test_columns_of_parquet_files_come_and_go(landing):
    message = "'page' as type, 'v' as anonymousId, '2020-01-01' as timestamp"
    selects = [
        (f"select 'a' as messageId, {message}, {{'a': 1}} as properties", ["a"]),
        (f"select 7 as messageId, {message}, 'text' as properties, 'x' as t", ["7"]),
        (f"select 7.5 as messageId, {message}, map {{'a': 1}} as context, null as traits", ["7.5"]),
        (f"select 'b' as messageId, {message}, 1 as line, 'p' as path, 'w' as wrong", ["b"]),
        ("select uuid() as other, interval '1 day' as event", ["no event id"]),
        ("select 'x' as messageId where false", []),
    ]
    for number, (select, _) in enumerate(selects):
        parquet(landing.events / f"{number}.parquet", select)
    count = 250_000
    parquet(
        landing.events / "many.parquet", f"select range as messageId, {message} from range({count})"
    )
    whole = (landing.events / "many.parquet").read_bytes()
    (landing.events / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes(64) + whole[middle + 64 :]
    (landing.events / "damaged.parquet").write_bytes(damaged)
    rows = landing.take()
    for number, (_, expected) in enumerate(selects):
        assert outcomes(rows[f"events/{number}.parquet"]) == expected
    assert outcomes(rows["events/many.parquet"]) == [str(number) for number in range(count)]
    for name in ("cut", "damaged"):
        (problem,) = outcomes(rows[f"events/{name}.parquet"])
        assert problem.startswith("not a readable Parquet file")
        assert str(landing.events) not in problem


WRONG = "not a row of the CSV file"
TABLES = {
    "plain": (b"id,b\n1,x\n2,y\n", ["1", "2"]),
    "no end": (b"id,b\n1,x\n2,y", ["1", "2"]),
    "semicolons": (b"id;b\n1;x,y\n", ["1"]),
    "mark": (BOM + b"id,b\r\n1,x\r\n", ["1"]),
    "header alone": (b"id,b\n", []),
    "nothing": (b"", []),
    "few and many": (b"id,b\n1,x\n2\n3,z,too,many\n4,y\n", ["1", WRONG, WRONG, "4"]),
    "few at last": (b"id,b,c\n" + b"1,x,y\n" * 30_000 + b"bad", ["1"] * 30_000 + [WRONG]),
    "open quote": (b'id,b\n1,"open\n2,y\n3,z\n', [WRONG, "2", "3"]),
    "quote in the midst": (b'id,b\n1,"a"b"\n2,"c"\n', [WRONG, "2"]),
    "lines in a value": (b'id,b\n1,"a\nb"\n2,"c\r\nd"\n3\n', ["1", "2", WRONG]),
    "no UTF-8": (b"id,b\n1,\xff\n2,y\n", [WRONG, "2"]),
    "NUL": (b"id,b\n1,\x00\n2,y\n", ["1", "2"]),
    "names twice": (b"id,ID,,b,\n1,2,3,4,5\n", ["1"]),
    "our names": (b"id,path,line,wrong,t,record\n1,2,3,4,5,6\n", ["1"]),
}


def test_what_a_table_may_hold(landing, subtests):
    folder = landing.events.parent / "shop" / "orders"
    folder.mkdir(parents=True)
    (landing.events / "a.jsonl").write_bytes(sound(1))
    for name, (content, _) in TABLES.items():
        (folder / f"{name}.csv").write_bytes(content)
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(content))
    (folder / "cut.csv.gz").write_bytes(gzip.compress(b"id,b\n1,x\n")[:-4])
    rows = landing.take()
    for name, (_, expected) in TABLES.items():
        for suffix in (".csv", ".csv.gz"):
            with subtests.test(name + suffix):
                found = rows[f"shop/orders/{name}{suffix}"]
                assert [
                    problem[: len(WRONG)] if problem else json.loads(record)["id"]
                    for _, record, problem, _ in found
                ] == expected
    assert outcomes(rows["shop/orders/cut.csv.gz"])[-1].startswith("not a readable CSV file")


def nested(depth, fields):
    """A table with lists nested `depth` times in its last column."""
    kind, value = pa.int64(), 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    columns = {name: pa.array([text]) for name, text in fields.items()}
    return pa.table(columns | {"properties": pa.array([value], type=kind)})


def test_deep_nesting_affects_only_its_file(landing):
    """Each level doubles DuckDB's time, and at 200 levels the connection fails."""
    fields = {"messageId": "m", "type": "page", "anonymousId": "v", "timestamp": "2020-01-01"}
    for depth in (8, 13, 50, 200, 400):
        pq.write_table(nested(depth, fields), landing.events / f"{depth}.parquet")
    structs = pa.array([1])
    for _ in range(70):
        structs = pa.StructArray.from_arrays([structs], names=["a"])
    pq.write_table(pa.table({"messageId": ["m"], "context": structs}), landing.events / "s.parquet")
    rows = landing.take()
    assert outcomes(rows["events/8.parquet"]) == ["m"]
    for name in ("13", "50", "200", "400", "s"):
        (problem,) = outcomes(rows[f"events/{name}.parquet"])
        assert problem.startswith("not a readable Parquet file"), name
        assert "nested" in problem, name


def numbered(landing, file):
    """(number, id or problem) of each row of a file."""
    return landing.layer.query(
        "select landed_line, coalesce(problem, message_id) from raw_messages "
        f"where landed_file = '{file}' order by 1"
    )


def test_empty_objects_are_counted_beyond_a_limit(landing):
    """Up to 1,000 per file they are a row each; all others are one row at its place."""
    head, tail = [sound(1), b"broken", b"{}"], [sound(2), b"{ }", b"[]", sound(3)]
    few = [*head, *[b"{}"] * 998, *tail, b""]
    many = [*head, *[b" { } "] * 999, *[b"{}"] * 400_000, *tail, b"\xff", b""]
    (landing.events / "few.jsonl").write_bytes(b"\n".join(few))
    (landing.events / "many.jsonl").write_bytes(b"\n".join(many))
    (landing.events / "many.jsonl.gz").write_bytes(gzip.compress(b"\n".join(many)))
    (landing.events / "mended.jsonl").write_bytes(BOM + b"\n".join(many))
    shop = landing.events.parent / "shop" / "orders"
    shop.mkdir(parents=True)
    (shop / "many.jsonl").write_bytes(b"\n".join([b'{"id": 1}', *[b"{}"] * 5_000, b'{"id": 2}']))
    landing.raw.run()
    landing.layer.run()
    assert len(numbered(landing, "events/few.jsonl")) == len(few) - 1
    for name in ("many.jsonl", "many.jsonl.gz", "mended.jsonl"):
        rows = dict(numbered(landing, f"events/{name}"))
        lines = len(many) - 1
        assert len(rows) == 2 + 1_000 + 1 + 4, name
        assert rows[1] == "m1" and rows[2] == NOT_JSON
        assert rows[1_002] == "no event id"
        counted = "empty object; 400,000 more in this file are counted here, not stored"
        assert rows[1_003] == counted, name
        assert [rows[lines - left] for left in (4, 2, 1, 0)] == ["m2", NOT_JSON, "m3", NOT_UTF8]
    shop_rows = dict(numbered(landing, "shop/orders/many.jsonl"))
    assert len(shop_rows) == 1_003 and 5_002 in shop_rows
    assert shop_rows[1_002].startswith("empty object; 3,999 more")


LINES = [b"sound", b"{}", b" ", b"", b"\r", b"\xff", b'{"a": 1}', b"null"]
STATE = st.tuples(
    st.booleans(),  # whether the file is replaced or extended
    st.lists(st.sampled_from(LINES), max_size=4),
    st.integers(0, 9),  # missing bytes of the last line
)


@settings(max_examples=60, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
@given(states=st.lists(STATE, min_size=2, max_size=5))
def test_a_file_that_grows_is_read_from_where_it_grew(layer, tmp_path_factory, states):
    """In any way of writing, the last rows read of the file equal its lines."""
    landing = Landing(tmp_path_factory.mktemp("grown") / "landing", layer)
    path = landing.events / "a.jsonl"
    content, seen, number = b"", set(), 0
    for is_new, lines, cut in states:
        former = b"" if is_new else content
        content = former
        for line in lines:
            number += 1
            content += (sound(number) if line == b"sound" else line) + b"\n"
        content = content[: max(len(content) - cut, len(former))]
        path.write_bytes(content)
        landing.raw.run()
        if content in seen:  # read before, whatever came in between
            continue
        seen.add(content)
        read = {}
        for start, line, text in landing.layer.query(
            "select start_byte, landed_line, coalesce(message_id, original) from landed_files "
            "left join raw_messages using (landed_file, landed_at) order by landed_at, landed_line"
        ):
            if start == 0 and line in (None, 1):
                read = {}
            read[line] = text
        read.pop(None, None)
        there = {line: text.strip() for line, text in enumerate(lines_of(content), start=1)}
        assert read.keys() == there.keys(), (former, content)
        for line, text in there.items():
            assert (read[line] or "").strip() in text.decode("utf-8", "replace"), (former, content)


def test_thousands_of_tiny_files(landing):
    count = 2_000
    for number in range(count):
        (landing.events / f"{number}.jsonl").write_bytes(sound(number))
    rows = landing.take()
    assert len(rows) == count
    assert all(outcomes(found) == [f"m{file[7:-6]}"] for file, found in rows.items())
