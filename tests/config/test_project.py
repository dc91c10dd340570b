import pytest

from pipeline.config import experiment_files, project_folder
from pipeline.errors import UserError


def test_the_project_is_the_nearest_folder_upward_with_the_marker(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "MLproject").touch()
    monkeypatch.chdir(inner)
    assert project_folder() == tmp_path
    (tmp_path / "a" / "MLproject").touch()
    assert project_folder() == tmp_path / "a"


def test_without_a_marker_one_line_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"no MLproject in {tmp_path} or above it"):
        project_folder()


def test_experiments_are_listed_by_name(tmp_path):
    (tmp_path / "experiments").mkdir()
    for name in ("b.yaml", "a.yaml", "notes.md"):
        (tmp_path / "experiments" / name).touch()
    assert list(experiment_files(tmp_path)) == ["a", "b"]
