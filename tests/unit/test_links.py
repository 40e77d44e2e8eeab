"""The pages: links, anchors and named files exist, each page begins with its readers, and the index
lists all pages."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.support.deployment import REPOSITORY
from tideline.activation.ledger import TABLES
from tideline.activation.views import VIEWS
from tideline.cli import COMMANDS

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
SHELVES = ("tutorials", "how-to", "reference", "reference/destinations")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.M)
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?")
SUFFIXES = (".py", ".sql", ".yml", ".md", ".csv", ".toml", ".txt", ".sh")
# Folders that are not in git.
OF_A_RUN = ("landing", "warehouse", "deliveries", "target", "logs", ".venv", ".dagster")


def page_id(page):
    return str(page.relative_to(REPOSITORY))


@cache
def prose(page):
    """The text of a page without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.M | re.S)


@cache
def anchors(page):
    """The anchors of a page, as GitHub derives them from the headings."""
    found = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        repeats = sum(each == anchor for each, _ in found)
        found.append((anchor, f"{anchor}-{repeats}" if repeats else anchor))
    return {name for _, name in found}


def links(page):
    return [target for pair in LINK.findall(prose(page)) for target in pair if target]


def broken(page):
    for target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or not place.is_relative_to(REPOSITORY):
            yield f"{target}: there is no {path}"
        elif anchor and anchor not in anchors(place):
            yield f"{target}: no heading of {place.name} is #{anchor}"


def missing_files(page):
    top = {path.name for path in REPOSITORY.iterdir() if path.is_dir()}
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        for word in code.split():
            path = word.split("::")[0]
            root = path.split("/")[0]
            is_ours = (root in top or path.endswith(SUFFIXES)) and root not in OF_A_RUN
            if FILE.fullmatch(path) and is_ours and not (REPOSITORY / path).exists():
                yield path


def test_pages_are_found():
    assert len(PAGES) > 30 and sum(len(links(page)) for page in PAGES) > 150


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_and_anchors_lead_somewhere(page):
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_names_are_there(page):
    assert list(missing_files(page)) == []


SHELVED = [page for shelf in SHELVES for page in sorted((DOCS / shelf).glob("*.md"))]


@pytest.mark.parametrize("page", SHELVED, ids=page_id)
def test_a_page_begins_with_its_readers(page):
    title, opening = page.read_text().split("\n\n")[:2]
    assert re.fullmatch("# .+", title)
    assert re.match("For .+: after reading, you ", opening.replace("\n", " ")), opening


def test_every_page_is_on_a_shelf_and_in_the_index():
    index = DOCS / "README.md"
    places = [(DOCS / target).resolve() for target in links(index)]
    listed = {place for place in places if place.is_relative_to(DOCS)}
    assert {page for page in DOCS.rglob("*.md") if page != index} == listed
    shelves = {str(page.parent.relative_to(DOCS)) for page in listed}
    assert shelves == {*SHELVES, "decisions"}


def test_the_page_of_vars_lists_each_var_and_its_default():
    project = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text())["vars"]
    page = (DOCS / "reference" / "vars.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| ", page, re.M)
    limits = project["quality_alerts"]
    assert sorted(name for name, _ in rows) == sorted([*project, *limits])
    for name, default in rows:
        if default.startswith("`"):
            value = limits.get(name, project.get(name))
            assert yaml.safe_load(default.strip("`")) == value, name
    said = page.split("The default of `passive_events` is")[1].split(".\n")[0]
    assert re.findall(r"`(\w+)`", said) == project["passive_events"]


def test_the_page_of_commands_lists_each_command():
    page = (DOCS / "reference" / "command-line.md").read_text()
    listed = re.findall(r"^\| `tideline (\w+)` \|", page, re.M)
    assert listed == [name for group in COMMANDS.values() for name in group]
    goals = re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.M)[1].split()
    assert sorted(re.findall(r"^\| `make ([\w-]+)` \|", page, re.M)) == sorted(goals)


def tables_by_folder():
    """The tables of dbt by folder; those of activation are declared as a source."""
    files = [
        *(REPOSITORY / "models").rglob("*.sql"),
        *(REPOSITORY / "models").rglob("*.py"),
        *(REPOSITORY / "python_models").glob("*.py"),
    ]
    found = {}
    for file in files:
        folder = str(file.parent.relative_to(REPOSITORY))
        found.setdefault(folder, set()).add(file.stem)
    return found


def is_public(folder):
    """Whether a model is at the top of a folder, as in dbt_project.yml."""
    return folder.count("/") == 1 and folder not in ("models/raw", "models/staging")


def named_in_rows(text):
    first_cells = re.findall(r"^\| (`[^|]+?) \|", text, re.M)
    return [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]


def test_the_page_of_tables_lists_each_public_table():
    text = (DOCS / "reference" / "tables.md").read_text()
    public = text.split("## Which tables a dashboard may rely on")[1].split("\n## ")[0]
    listed = named_in_rows(public)
    snapshots = {file.stem for file in (REPOSITORY / "snapshots").glob("*.yml")}
    written = (TABLES.keys() | VIEWS.keys()) - {"activation_warehouse", "activation_alerts"}
    models = set().union(*(names for each, names in tables_by_folder().items() if is_public(each)))
    assert len(listed) == len(set(listed)) > 30
    assert set(listed) == models | snapshots | written


def test_the_page_of_tables_lists_each_internal_table_by_its_folder():
    text = (DOCS / "reference" / "tables.md").read_text()
    internal = text.split("\n## Internal tables")[1].split("\n## ")[0]
    parts = re.split(r"^\| table of `([\w/]+)/` \|", internal, flags=re.M)[1:]
    rows_by_folder = zip(parts[::2], parts[1::2], strict=True)
    assert {folder: set(named_in_rows(rows)) for folder, rows in rows_by_folder} == {
        folder: names
        for folder, names in tables_by_folder().items()
        if not is_public(folder) and not folder.startswith("models/staging/")
    }


TEXTS = (".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".csv", "Makefile", ".txt")


def test_no_file_names_a_missing_page():
    """Pages named by path in messages, comments and descriptions exist."""
    folders = ["models", "macros", "tideline", "orchestration", "seeds", "tests", "python_models"]
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    paths += [path for path in REPOSITORY.iterdir() if path.is_file()]
    named = [
        (str(path.relative_to(REPOSITORY)), page)
        for path in paths
        if path.name.endswith(TEXTS) and path != Path(__file__)
        for page in re.findall(r"(?<![\w/.])docs/[\w/.-]+\.md", path.read_text())
    ]
    assert len(named) > 20
    assert [each for each in named if not (REPOSITORY / each[1]).exists()] == []
