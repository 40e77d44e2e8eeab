"""SQL has the line length of the Python code; sqlfluff ignores macros and Jinja comments."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FOLDERS = ["macros", "models", "snapshots", "tests/dbt"]
WIDTH = 100


def test_no_line_of_sql_is_too_long():
    paths = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.sql")]
    assert paths
    assert not [
        f"{path.relative_to(REPOSITORY)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > WIDTH
    ]
