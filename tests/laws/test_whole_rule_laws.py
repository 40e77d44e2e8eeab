"""Rules that name segments, extend one or stand in a group: SQL equals the plain meaning."""

import itertools

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.random_traits import related
from tideline.declarations import whole
from tideline.declarations.operations import Call, Constant
from tideline.declarations.rules import columns_of_rule, parse, sql_of, value_of
from tideline.declarations.segments import read_segments

CONDITIONS = ("a > 1", "a = b", "b is null", "not is_new", "is_new", "a + b >= 2", "a in (1, null)")
VALUES = {"a": (None, 1, 2), "b": (None, 0, 1), "is_new": (None, False, True)}
ROWS = [dict(zip(VALUES, row, strict=True)) for row in itertools.product(*VALUES.values())]
TYPES = ("integer", "integer", "boolean")


def members(items, row):
    """The segments that a row is in, by the plain meaning of the declarations."""
    by_name = {each["name"]: each for each in items}

    def holds(name):
        """Whether the rule of a segment holds, and that of the one that it extends."""
        each = by_name[name]
        tree = parse(each["when"])
        read = {other: is_in(other) for other in columns_of_rule(tree) if other in by_name}
        base = each.get("extends")
        return value_of(tree, row | read) is True and (base is None or holds(base))

    def is_in(name):
        """Whether the rule holds, and that of no live segment before it in the group."""
        each = by_name[name]
        above = [
            other["name"]
            for other in items
            if each.get("exclusive") and other.get("exclusive") == each["exclusive"]
            if other["lifecycle"] == "live" and other["priority"] < each["priority"]
        ]
        return holds(name) and not any(holds(other) for other in above)

    return {name for name in by_name if is_in(name)}


@st.composite
def declared(draw):
    """Segments that depend on each other, in any order."""
    rules = draw(st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=6))
    return draw(st.permutations(draw(related(rules))))


def check(folder, con, examples):
    """Compare SQL with the plain meaning. Raises AssertionError if they differ."""
    path = folder / "models" / "segments" / "desk" / "one.yml"
    path.parent.mkdir(parents=True, exist_ok=True)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )
    @given(items=declared())
    def compared(items):
        path.write_text(yaml.safe_dump({"owner": "Desk", "segments": items}))
        trees = {each.name: each.rule.tree for each in read_segments(folder)}
        columns = ", ".join(f"coalesce({sql_of(tree, 'duckdb')}, false)" for tree in trees.values())
        found = con.execute(f"select {columns} from rows order by place").fetchall()
        for row, judged in zip(ROWS, found, strict=True):
            are_in = {name for name, is_in in zip(trees, judged, strict=True) if is_in}
            assert are_in == members(items, row)

    compared()


@pytest.fixture
def con():
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        names = ", ".join(f"{name} {kind}" for name, kind in zip(VALUES, TYPES, strict=True))
        con.execute(f"create table rows ({names}, place integer)")
        rows = [[*row.values(), place] for place, row in enumerate(ROWS)]
        con.executemany("insert into rows values (?, ?, ?, ?)", rows)
        yield con


def test_sql_equals_the_plain_meaning(tmp_path, con):
    check(tmp_path, con, 100)


MUTANTS = {
    "unknown is no member": ("is_in", lambda tree: tree),
    "unknown is a member": ("is_in", lambda tree: Call("coalesce", (tree, Constant(True)))),
    "a group is ignored": ("_groups", lambda segments: {}),
    "the first of a group are ignored": (
        "_groups",
        lambda segments, groups=whole._groups: {
            name: [each for each in members if each.spec.priority > 3]
            for name, members in groups(segments).items()
        },
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_law_finds_each_mutant(tmp_path, con, mutant, monkeypatch):
    name, broken = MUTANTS[mutant]
    monkeypatch.setattr(whole, name, broken)
    with pytest.raises(AssertionError):
        check(tmp_path, con, 100)
