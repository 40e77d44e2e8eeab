"""The last commit of a file of declarations, with real repositories."""

import os
import subprocess
import time

import pytest

from tideline.declarations import commits
from tideline.declarations.commits import Commit, last_commits

FILE, OTHER = "models/segments/desk/one.yml", "models/segments/desk/two.yml"


class Repository:
    """A repository with a project in it."""

    def __init__(self, folder, project="."):
        self.folder, self.project = folder, folder / project
        self.project.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words, author="Ada"):
        names = {"NAME": author, "EMAIL": "a@example.com"}
        known = {f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER")
                 for key, value in names.items()}  # fmt: skip
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=os.environ | known, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, text, file=FILE):
        path = self.project / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, text=None, file=FILE, author="Ada"):
        """Commit all, after a file got this text; return the commit."""
        if text is not None:
            self.write(text, file)
        self.git("add", "-A")
        self.git("commit", "-q", "--no-gpg-sign", "-m", "x", author=author)
        return Commit(self.git("rev-parse", "HEAD"), author)

    def found(self, *files):
        return last_commits(self.project, files or (FILE, OTHER))


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


@pytest.mark.parametrize("project", [".", "teams/crm/tideline"])
def test_each_file_has_its_last_commit(tmp_path, project):
    repository = Repository(tmp_path, project)
    repository.commit("a: 1\n")
    one = repository.commit("a: 2\n", author="Grace Hopper")
    two = repository.commit("b: 1\n", OTHER, author="Åsa O'Neil\\s")
    assert repository.found() == {FILE: one, OTHER: two}
    assert "@" not in repr(repository.found())


@pytest.mark.parametrize("is_staged", [False, True])
def test_a_text_that_is_not_committed_has_no_author(repository, is_staged):
    repository.commit("a: 1\n")
    repository.commit("a: 2\n")
    for text in ("a: 3\n", "a: 1\n"):  # also one that was committed once
        repository.write(text)
        repository.write(text, OTHER)
        if is_staged:
            repository.git("add", "-A")
        assert repository.found() == {}


@pytest.mark.parametrize("project", [".", "teams/crm/tideline"])
def test_a_merge_is_the_commit_only_of_what_it_wrote_itself(tmp_path, project):
    repository = Repository(tmp_path, project)
    repository.commit("a\nb\nc\nd\ne\nf\n")
    repository.git("checkout", "-q", "-b", "side")
    side = repository.commit("b: 1\n", OTHER, author="Side")
    repository.commit("a\nb\nc\nd\ne\nF\n", author="Side")
    repository.git("checkout", "-q", "main")
    repository.commit("A\nb\nc\nd\ne\nf\n", author="Main")
    repository.git("merge", "-q", "--no-gpg-sign", "side", author="Merger")
    merge = Commit(repository.git("rev-parse", "HEAD"), "Merger")
    assert (repository.project / FILE).read_text() == "A\nb\nc\nd\ne\nF\n"
    assert repository.found() == {FILE: merge, OTHER: side}


def test_a_clone_without_the_history_names_nobody_for_what_it_does_not_know(tmp_path):
    source = Repository(tmp_path / "source")
    source.commit("a: 1\n", author="Grace")
    source.commit("b: 1\n", OTHER)
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{source.folder}", "clone"],
                   cwd=tmp_path, check=True)  # fmt: skip
    clone = Repository(tmp_path / "clone")
    assert (clone.project / FILE).exists() and clone.found() == {}
    two = clone.commit("b: 2\n", OTHER)
    assert clone.found() == {OTHER: two}


def test_the_settings_and_hooks_of_git_do_not_change_what_is_found(repository, monkeypatch):
    for name, value in {
        "color.ui": "always",
        "log.showRoot": "false",
        "log.showSignature": "true",
        "diff.renames": "copies",
        "core.quotePath": "true",
    }.items():
        repository.git("config", name, value)
    odd = "models/segments/desk/ä [1]*.yml"
    one = repository.commit("a: 1\n", odd)
    monkeypatch.setenv("GIT_DIR", "elsewhere")
    assert repository.found(odd) == {odd: one}


def test_a_link_has_no_author(repository):
    repository.write("a: 1\n", OTHER)
    (repository.project / FILE).symlink_to(repository.project / OTHER)
    assert [*{OTHER: repository.commit()}] == [*repository.found()]


def test_without_git_or_a_repository_nothing_is_known(tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    assert last_commits(project, [FILE]) == {}
    Repository(project).commit("a: 1\n")
    assert last_commits(project, [FILE])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert last_commits(project, [FILE]) == {}


def test_a_slow_git_is_stopped(tmp_path, monkeypatch):
    Repository(tmp_path)
    command = tmp_path / "git"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(commits, "SECONDS", 0.2)
    start = time.monotonic()
    assert last_commits(tmp_path, [FILE]) == {}
    assert time.monotonic() - start < 20
