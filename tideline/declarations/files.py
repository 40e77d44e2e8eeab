"""The YAML files with declarations: those that Tideline reads, and those that dbt reads.

Declarations are in the subfolders of `models/segments`, which `.dbtignore` hides from dbt. dbt does
not report what is wrong in them, so this module does.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tideline.declarations.yaml_errors import problem_of
from tideline.warehouse.errors import DeclarationError

FOLDER = Path("models", "segments")
OF_MODELS = FOLDER / "intermediate"  # its subfolder for models, which declares nothing
PLAN = Path("seeds", "tracking_plan.csv")
PLAN_KEYS = ("event_name", "property", "property_type")
SUFFIXES = (".yml", ".yaml")
KEYS = re.compile(rb"^['\"]?(traits|segments|creatives|experiments)\b", re.MULTILINE)
QUOTED = re.compile(r"'([^']*)'")  # a type that depends on the warehouse: the last is DuckDB's
MOST_BYTES = 500_000  # of a file; PyYAML reads that many in some seconds


class _Refused(Exception):
    """YAML that is not allowed; the message begins with its line."""


class _Unique(yaml.SafeLoader):
    """PyYAML's safe loader, but without duplicate keys, and with the parser of libyaml, if it is
    installed: it takes a sixth of the time.
    """

    is_fast = yaml.__with_libyaml__

    def __init__(self, text: str) -> None:
        super().__init__(text)
        if self.is_fast:
            parser = yaml.CSafeLoader(text)
            for name in ("check_event", "peek_event", "get_event"):
                setattr(self, name, getattr(parser, name))

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises _Refused."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                line = key.start_mark.line + 1
                raise _Refused(f"line {line}: the key `{key.value}` occurs twice; remove one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Plain(_Unique):
    """The loader of declarations: also without aliases, a few of which can be a huge value."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node. Raises _Refused."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            line, name = event.start_mark.line + 1, event.anchor
            raise _Refused(f"line {line}: `*{name}` is an alias; write the values themselves")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave a mapping as it is. Raises _Refused for the key `<<`, which adds other keys."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise _Refused(f"line {line}: `<<` is not allowed; write the values themselves")


class _Slow(_Plain):
    """The loader of declarations with PyYAML's own parser, whose messages say more."""

    is_fast = False


def declaration_files(project: Path) -> list[Path]:
    """The files in the subfolders of `models/segments`, by path, except those of models."""
    folder, of_models = project / FOLDER, project / OF_MODELS
    files = _yaml_files(folder)
    return [path for path in files if path.parent != folder and of_models not in path.parents]


def read_declarations(path: Path, place: str) -> tuple[dict[Any, Any], dict[str, list[int]]]:
    """The content of a file, and the line of each item of its lists by the list's key.

    Raises DeclarationError for a file that cannot be read, with its line if it is known.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DeclarationError(f"{place} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise DeclarationError(f"{place} is larger than {MOST_BYTES:,} bytes; split it")
    try:
        content, lines = _parsed(data.decode())
    except _Refused as error:
        raise DeclarationError(f"{place}, {error}") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DeclarationError(f"{place}, line {line}: is not UTF-8; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        known = f"{place}, line {mark.line + 1}" if mark else place
        problem = problem_of(error, data.decode())
        raise DeclarationError(f"{known}: is not valid YAML: {problem}") from None
    except RecursionError:
        raise DeclarationError(f"{place}: has too many blocks within each other") from None
    except (yaml.YAMLError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise DeclarationError(f"{place}: is not valid YAML: {problem}") from None
    if content is None:
        raise DeclarationError(f"{place} is empty; write `traits:` or `segments:`, or delete it")
    if not isinstance(content, dict):
        raise DeclarationError(f"{place} is not a block of keys and values, such as `segments:`")
    return content, lines


@functools.lru_cache(maxsize=512)  # a build reads each file several times
def _parsed(text: str) -> tuple[Any, dict[str, list[int]]]:
    try:
        return _content(_Plain(text))
    except (yaml.YAMLError, ValueError):
        return _content(_Slow(text))


def _content(loader: _Plain) -> tuple[Any, dict[str, list[int]]]:
    try:
        node = loader.get_single_node()
        lines = {
            key.value: [each.start_mark.line + 1 for each in value.value]
            for key, value in (node.value if isinstance(node, yaml.MappingNode) else ())
            if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.SequenceNode)
        }
        return None if node is None else loader.construct_document(node), lines
    finally:
        loader.dispose()


def line_of(path: Path, *keys: str | int) -> int:
    """The line of a value in a file that can be read: the keys, and places in lists from 0, that
    lead to it. If it is not there, the line of the last value that is.
    """
    node = yaml.compose(path.read_text(encoding="utf-8"), _Plain)
    for key in keys:
        found = []
        if isinstance(node, yaml.MappingNode):
            found = [value for name, value in node.value if name.value == key]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            found = node.value[key : key + 1]
        if not found:
            break
        node = found[0]
    return node.start_mark.line + 1


def planned_properties(project: Path) -> list[tuple[str, str, str]]:
    """The properties of the tracking plan as (event, property, type); none if it cannot be read,
    which a build reports.
    """
    try:
        text = (project / PLAN).read_text(encoding="utf-8-sig")
        rows = [*csv.DictReader(io.StringIO(text, newline=""))]
    except (OSError, ValueError, csv.Error):
        return []
    found = [[row.get(key) or "" for key in PLAN_KEYS] for row in rows]
    return [(event, name, kind) for event, name, kind in found if name]


def misplaced_files(project: Path) -> Iterator[tuple[Path, dict[Any, Any]]]:
    """The YAML files of `models` that dbt reads and that have a key of declarations, and their
    content. Raises DeclarationError for a linked folder, into which neither looks.
    """
    hidden = set(declaration_files(project))
    for path in _yaml_files(project / "models"):
        if path not in hidden and KEYS.search(path.read_bytes()):
            yield path, _of_dbt(path, project)
    for path in (project / FOLDER).rglob("*"):
        if path.is_symlink() and path.is_dir():
            raise DeclarationError(
                f"{path.relative_to(project)} is a link to a folder, in which no file is read; "
                "make it a folder"
            )


def columns_of(model: str, project: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The columns of a model that are documented for dbt, each with its file.

    Invalid columns are skipped. Raises DeclarationError for a key that occurs twice, of which YAML
    would ignore the first.
    """
    hidden = set(declaration_files(project))
    for path in _yaml_files(project / "models"):
        models = None if path in hidden else _of_dbt(path, project, model).get("models")
        for each in models if isinstance(models, list) else []:
            if isinstance(each, dict) and each.get("name") == model:
                columns = each.get("columns")
                for column in columns if isinstance(columns, list) else []:
                    if isinstance(column, dict) and isinstance(column.get("name"), str):
                        yield path, column


def _of_dbt(path: Path, project: Path, word: str = "") -> dict[Any, Any]:
    """The content of a file that dbt reads; empty if it is invalid, which dbt reports.

    Also empty if the file does not contain `word`. Raises DeclarationError for a duplicate key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = _loaded(text) if word in text else None
    except _Refused as error:
        raise DeclarationError(f"{path.relative_to(project)}, {error}") from None
    except (yaml.YAMLError, ValueError, TypeError, OSError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


@functools.lru_cache(maxsize=512)
def _loaded(text: str) -> Any:
    return yaml.load(text, _Unique)


def vars_of(project: Path) -> dict[str, Any]:
    """The vars of dbt_project.yml by name. Raises DeclarationError for a duplicate key."""
    file = "dbt_project.yml"
    try:
        content = _loaded((project / file).read_text(encoding="utf-8"))
    except _Refused as error:
        raise DeclarationError(f"{file}, {error}") from None
    return dict(content["vars"])


def type_of(column: Mapping[str, Any]) -> str:
    """The documented type of a column; of one that depends on the warehouse, that of DuckDB."""
    text = str(column.get("data_type", ""))
    return str((QUOTED.findall(text) or [text])[-1])


def meta_of(column: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `meta` of a documented column, and its `config.meta`, which goes first."""
    found: dict[str, Any] = {}
    for holder in (column, column.get("config")):
        if isinstance(holder, Mapping) and isinstance(holder.get("meta"), Mapping):
            found |= holder["meta"]
    return found


def _yaml_files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not path.is_dir())


def golden_attributes(project: Path) -> list[str]:
    """The attributes of golden profiles that rules and labels may read: the columns of
    `profile_attributes` with `meta.golden`.

    Raises DeclarationError for one that identifies a person.
    """
    personal = {
        column["name"]: meta_of(column).get("personal")
        for _, column in columns_of("golden_profiles", project)
    }
    found = []
    for path, column in columns_of("profile_attributes", project):
        name = column["name"]
        if meta_of(column).get("golden") is not True:
            continue
        if personal.get(name) == "identifier":
            raise DeclarationError(
                f"{path.relative_to(project)}: `{name}` identifies a person, so no rule or label "
                "may read it; remove `golden`"
            )
        found.append(name)
    return found
