"""The architecture page lists the existing folders and layers."""

import fnmatch
import re

from tests.support.deployment import REPOSITORY
from tests.support.layers import LAYERS

PAGE = REPOSITORY / "docs" / "reference" / "architecture.md"
DEEP = ("macros", "models", "tideline")  # the page also lists the folders in these
PLACEHOLDER = re.compile(r"<\w+>")


def drawn(block):
    """The lines of a block of the page as (name, description)."""
    lines = PAGE.read_text().split(f"```{block}\n")[1].split("```")[0].splitlines()
    return [tuple(re.split(r"\s{2,}|(?<=>/)\s", line, maxsplit=1)) for line in lines]


def ignored():
    """Patterns of names and paths that git ignores."""
    lines = (REPOSITORY / ".gitignore").read_text().splitlines()
    return [line.strip("/") for line in lines if line.endswith("/")]


def folders(parent):
    """The folders in a folder, without those of Python, git and single runs."""
    for path in sorted(parent.iterdir()):
        left_out = any(fnmatch.fnmatch(path.name, pattern) for pattern in (".*", "_*", *ignored()))
        if path.is_dir() and not left_out:
            yield path


def below(parent):
    for path in folders(parent):
        yield path
        yield from below(path)


def real_folders():
    deep = [path for name in DEEP for path in below(REPOSITORY / name)]
    return {f"{path.relative_to(REPOSITORY)}/" for path in [*folders(REPOSITORY), *deep]}


def test_the_page_lists_the_existing_folders():
    listed = [folder for folder, *_ in drawn("folders")]
    assert listed == sorted(listed) and len(listed) == len(set(listed)) > 20
    real = real_folders()
    kinds = [folder for folder in listed if PLACEHOLDER.search(folder)]
    matched = {}
    for kind in kinds:
        pattern = re.compile(PLACEHOLDER.sub(r"[^/]+", kind))
        matched[kind] = {folder for folder in real if pattern.fullmatch(folder)}
    assert all(matched.values()), f"no folder is a {kinds}"
    assert set(listed) - set(kinds) == real - set().union(*matched.values())


def test_each_folder_and_layer_is_described():
    lines = [*drawn("folders"), *drawn("layers")]
    assert not [line for line in lines if len(line) < 2 or not line[1].strip()]


# Ways to read or write a table or file that dbt's graph does not show.
HIDDEN = re.compile(r"graph\.nodes|\.incorporate\(|^(from|import) jinja2\b", re.M)
UPDATES = re.compile(r"\bupdate \{\{")


def parts(file):
    """Names and texts of the macros of a file; for other files, the name and text of the file."""
    macros = re.split(r"\{%-? (?:macro|materialization|test) (\w+)", file.read_text())
    return zip(macros[1::2], macros[2::2], strict=True) if macros[1:] else [(file.stem, macros[0])]


def test_the_page_names_reads_and_writes_hidden_from_dbt():
    section = PAGE.read_text().split("## Hidden dependencies")[1].split("\n## ")[0]
    paths = [path for name in ("macros", "models", "tideline") for path in below(REPOSITORY / name)]
    files = [
        file for path in paths for file in path.iterdir() if file.suffix in (".sql", ".yml", ".py")
    ]
    found = [
        name
        for file in files
        for name, text in parts(file)
        if HIDDEN.search(text) or UPDATES.search(text)
    ]
    assert len(found) > 8
    assert {name for name in found if name not in section} == set()


def test_the_page_lists_the_layers_that_the_code_has():
    assert [names.split(", ") for names, _ in drawn("layers")] == LAYERS
