"""`headway new` and `headway list`."""

import os
from pathlib import Path

import pytest
import yaml

from pipeline.commands.new import project_text
from pipeline.config import load
from tests.conftest import REPOSITORY, Headway, go


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway) -> Path:
    """A new project."""
    monkeypatch.chdir(tmp_path)
    assert headway("new", "mine").code == 0
    return tmp_path / "mine"


def test_a_project_has_all_that_it_needs(made: Path) -> None:
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {
        ".gitignore", "MLproject", "README.md", "data/people.csv", "experiments/people.yaml", "python_env.yaml",
    }  # fmt: skip
    assert yaml.safe_load((made / "python_env.yaml").read_text()).keys() == {
        "python", "build_dependencies", "dependencies",
    }  # fmt: skip
    rows = (made / "data" / "people.csv").read_text().splitlines()
    assert len(rows) == 1 + 2_000
    declared = load("people", {}, made)
    assert {*declared.sources["people"].inputs, *declared.tasks} == {*rows[0].split(",")}


def test_its_entry_points_are_those_of_the_repository() -> None:
    text = project_text("headway", {"affinity": "digits"}, "mnist_fashion")
    assert text == (REPOSITORY / "MLproject").read_text()


def test_its_data_can_be_prepared(made: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway) -> None:
    go(made, monkeypatch)
    assert headway("prepare", "people", "--quiet").code == 0
    told = headway("show", "people", "--data").out
    assert "income (binary)" in told
    assert "education_years (regression)" in told


def test_a_list_tells_ones_own_from_those_that_ship(
    made: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    go(made, monkeypatch)
    first, second, *_ = headway("list").out.splitlines()
    assert first.split()[:2] == ["people", "yours"]
    assert second.split()[:2] == ["census", "ships"]
    (made / "experiments" / "debug.yaml").write_text("# Mine.\nname: debug\n")
    listed = {it["experiment"]: it for it in headway("list", "--json").json}
    assert listed["debug"] == {"experiment": "debug", "shipped": False, "purpose": "Mine."}
    assert listed["digits"]["shipped"]


def test_what_is_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("full").mkdir()
    Path("full", "notes.txt").touch()
    said = {
        "file": "headway: file is a file: give the name of a folder that is new or empty\n",
        "full": "headway: full is not empty: give a folder that is new or empty\n",
    }
    for name, line in said.items():
        ended = headway("new", name)
        assert (ended.code, ended.out, ended.err) == (2, "", line)
    assert Path("file").read_text() == "mine"
    assert [path.name for path in Path("full").iterdir()] == ["notes.txt"]
    assert headway("new", "a/project").code == 0
    assert headway("new", "a/project").err.startswith("headway: a/project has a MLproject already")


def test_an_empty_folder_becomes_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway) -> None:
    folder = tmp_path / "It's #1: ümlaut"
    folder.mkdir()
    go(folder, monkeypatch)
    assert headway("new", ".", "--json").json == {"project": str(folder), "experiment": "people"}
    assert yaml.safe_load(Path("MLproject").read_text())["name"] == "It_s__1___mlaut"
    assert headway("show", "people").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, headway: Headway) -> None:
    tmp_path.chmod(0o500)
    ended = headway("new", str(tmp_path / "mine"))
    assert ended.code == 1
    assert ended.err.endswith("cannot be written (Permission denied)\n")


def test_a_name_below_a_file_is_said(tmp_path: Path, headway: Headway) -> None:
    (tmp_path / "file").touch()
    ended = headway("new", str(tmp_path / "file" / "mine"))
    assert (ended.code, ended.err) == (1, f"headway: {tmp_path}/file/mine: cannot be written (Not a directory)\n")


def test_shipped_experiments_run_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headway: Headway
) -> None:
    go(tmp_path, monkeypatch)
    assert headway("runs").err.startswith(f"headway: no MLproject in {tmp_path} or above it")
    told = headway("prepare", "census")
    assert told.out.splitlines()[0] == f"no MLproject here or above: results go into {tmp_path}"
    again = headway("prepare", "census").out.splitlines()
    assert again[0].startswith("prepare: cached")
    assert headway("runs").code == 0
