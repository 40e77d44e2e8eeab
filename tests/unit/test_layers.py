"""The code imports only downwards, and destinations do not import the engine."""

import ast
from pathlib import Path

import pytest

from tests.support.layers import LAYERS

ROOT = Path(__file__).parents[2]

RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OURS = ("tideline", "orchestration", "examples", "benchmarks")


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(module):
    return next((name for name in RANKS if f"{module}.".startswith(f"{name}.")), None)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                [f"{node.module}.{each.name}" for each in node.names]
                if node.module in OURS
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


FILES = [path for each in OURS for path in sorted((ROOT / each).rglob("*.py"))]


def test_every_module_has_a_layer():
    modules = {module_of(path) for path in FILES if path.name != "__init__.py"}
    assert len(modules) > 50 and not {each for each in modules if layer_of(each) is None}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_downwards(path):
    own = layer_of(module_of(path))
    for imported in imports(path):
        if imported.split(".")[0] in OURS and own:
            other = layer_of(imported)
            assert other == own or RANKS[other] < RANKS[own], f"{path} imports {imported}"


def test_a_destination_imports_the_declaration_and_the_protocol_alone():
    place = "tideline.activation.destinations"
    allowed = (
        "protocol", "exchange", "answers", "api", "fields", "lists", "identifiers", "audiences",
    )  # fmt: skip
    for folder in (ROOT / "tideline/activation/destinations").iterdir():
        for path in folder.glob("*.py") if folder.is_dir() else ():
            for imported in imports(path):
                if imported.startswith("tideline.activation"):
                    assert imported.startswith(
                        (f"{place}.{folder.name}", *(f"{place}.{each}" for each in allowed))
                    ), f"{path} imports {imported}"


def test_no_test_imports_another():
    folders = ("tests.unit", "tests.laws", "tests.end_to_end")
    for path in (ROOT / "tests").rglob("*.py"):
        for imported in imports(path):
            assert not imported.startswith(folders), f"{path} imports {imported}"
