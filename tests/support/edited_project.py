"""A copy of the project with one edited file of `models/`."""

from tests.support.deployment import REPOSITORY

PARTS = (
    ".dbtignore",
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "macros",
    "seeds",
    "snapshots",
    "tests",
    "python_models",
)


def edited_project(folder, name, right, wrong):
    """Link the project into a folder, with an edited copy of one file of `models`; its path."""
    project = folder / "project"
    project.mkdir()
    for part in PARTS:
        (project / part).symlink_to(REPOSITORY / part)
    for path in (REPOSITORY / "models").rglob("*"):
        goal = project / "models" / path.relative_to(REPOSITORY / "models")
        goal.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            continue
        if path.name == name:
            text = path.read_text()
            assert right in text
            goal.write_text(text.replace(right, wrong))
        else:
            goal.symlink_to(path)
    return project
