"""Macros have a file per dialect difference, else a file per topic.

Each rule is a function that lists violations. Each test checks that it finds none in the project,
and finds the one caused by a change of a file.
"""

import functools
import re
from pathlib import PurePosixPath

from tests.support.deployment import REPOSITORY

FOLDERS = ("macros", "models", "python_models", "snapshots", "tests/dbt")
ONE_EACH = {"cross_db", "generic_tests"}
DIALECTS = ("default__", "duckdb__", "snowflake__")
ALONE = {
    "attribute_rules": "the checks of a seed, as long as the model that reads it",
    "var_rules": "a table that people edit, one line per var",
}
# Folders named after the topic of their macros, which models of another step call.
CALLED_ELSEWHERE = {"privacy": "the events keep nothing of forgotten people"}


def texts():
    """The text of each file that dbt reads, by path."""
    paths = [path for name in FOLDERS for path in (REPOSITORY / name).rglob("*")]
    paths = [p for p in [*paths, REPOSITORY / "dbt_project.yml"] if p.suffix in (".sql", ".yml")]
    found = {str(path.relative_to(REPOSITORY)): path.read_text() for path in paths}
    return {path: text for path, text in found.items() if not is_description(path)}


def is_description(path):
    return path.startswith("macros/") and path.endswith(".yml")


@functools.cache
def defined(text):
    """The macros and materializations of a file."""
    return re.findall(r"\{%-? (?:macro|materialization|test) (\w+)", text)


def macro_files(texts):
    """Each macro file outside ONE_EACH, with the names that it defines."""
    for path, text in texts.items():
        if path.startswith("macros/") and PurePosixPath(path).parts[1] not in ONE_EACH:
            yield path, defined(text)


@functools.cache
def called(text):
    """The names that a file calls, passes as the value of a mapping, or is materialized by."""
    calls = re.findall(r"(?<!macro )\b(\w+)\(|: (\w+),|materialized='(\w+)'", text)
    return {name for names in calls for name in names if name}


def callers(path, texts):
    """The other files that call a macro of this one."""
    names = set(defined(texts[path]))
    return {other for other, text in texts.items() if other != path and called(text) & names}


def steps_that_call(path, texts):
    """The steps whose models call a macro of a file, also through other macros."""
    seen, reached = set(), {path}
    while reached - seen:
        file = next(iter(reached - seen))
        seen.add(file)
        if file.startswith("macros/"):
            reached |= callers(file, texts)
    return {PurePosixPath(file).parts[1] for file in seen if file.startswith("models/")}


def not_one_dialect_macro(texts):
    """Files of `cross_db` that hold anything but one macro of their name and its dialects."""
    for path, text in texts.items():
        if path.startswith("macros/cross_db/"):
            names = {re.sub(f"^({'|'.join(DIALECTS)})", "", name) for name in defined(text)}
            if names != {PurePosixPath(path).stem}:
                yield path


def alone_for_one_caller(texts):
    """Files with one macro and one caller: it belongs in the caller or the file of its topic."""
    for path, names in macro_files(texts):
        if len(names) == 1 and len(callers(path, texts)) == 1 and names[0] not in ALONE:
            yield path


def misplaced(texts):
    """Files in a folder that is not a step, or is not a step that calls them."""
    steps = {PurePosixPath(path).parts[1] for path in texts if path.startswith("models/")}
    for path, _ in macro_files(texts):
        folder = PurePosixPath(path).parts[1]
        called_by = steps_that_call(path, texts)
        if folder not in steps | {"project"}:
            yield f"{path}: {folder} is no step"
        elif folder == "project" and len(called_by) == 1:
            yield f"{path}: only {called_by.pop()} calls it"
        elif called_by and folder not in called_by | {"project"} | CALLED_ELSEWHERE.keys():
            yield f"{path}: {folder} does not call it"


def moved(texts, old, new):
    return {new if path == old else path: text for path, text in texts.items()}


def test_a_file_of_a_dialect_difference_holds_one_macro():
    assert list(not_one_dialect_macro(texts())) == []
    mixed = texts()
    mixed["macros/cross_db/sha256.sql"] += "{% macro md4(text) %}{% endmacro %}"
    assert list(not_one_dialect_macro(mixed)) == ["macros/cross_db/sha256.sql"]


def test_a_macro_that_one_file_calls_stands_with_its_topic():
    assert list(alone_for_one_caller(texts())) == []
    split = texts()
    path = "macros/identity/identifiers.sql"
    before, last = split[path].split("{% macro carried_identifiers", 1)
    split[path] = before
    split["macros/identity/carried.sql"] = "{% macro carried_identifiers" + last
    split = {
        path: text
        for path, text in split.items()
        if "carried_identifiers(" not in text or path.endswith(("carried.sql", "_sets.sql"))
    }
    assert list(alone_for_one_caller(split)) == ["macros/identity/carried.sql"]


def test_a_folder_of_macros_is_the_step_that_calls_them():
    assert list(misplaced(texts())) == []
    old = "macros/identity/identifiers.sql"
    new = "macros/sessions/identifiers.sql"
    assert list(misplaced(moved(texts(), old, new))) == [f"{new}: sessions does not call it"]
    new = "macros/ids/identifiers.sql"
    assert list(misplaced(moved(texts(), old, new))) == [f"{new}: ids is no step"]
    old = "macros/segments/segments.sql"
    new = "macros/project/segments.sql"
    assert list(misplaced(moved(texts(), old, new))) == [f"{new}: only segments calls it"]
