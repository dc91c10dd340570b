import pytest

from pipeline.config import begins, experiment_files, is_shipped, project_folder, shipped_folder
from pipeline.errors import UserError
from tests.conftest import REPOSITORY, git_files, go


def test_the_project_is_the_nearest_folder_upward_with_the_marker(tmp_path, monkeypatch):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "MLproject").touch()
    monkeypatch.chdir(inner)
    assert project_folder() == tmp_path
    (tmp_path / "a" / "MLproject").touch()
    assert project_folder() == tmp_path / "a"


def test_without_a_marker_one_line_says_where_it_was_looked_for(tmp_path, monkeypatch):
    go(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=f"no MLproject in {tmp_path} or above it"):
        project_folder()


def test_a_project_may_begin_in_a_folder_without_a_marker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert project_folder(begin=True) == tmp_path
    assert begins(tmp_path) == f"no MLproject here or above: results go into {tmp_path}"
    (tmp_path / ".headway").mkdir()
    assert project_folder() == tmp_path
    assert begins(tmp_path) == ""


def test_a_store_elsewhere_needs_no_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert project_folder() == tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: a\nname: [", "is not plain YAML, line [23]"),
        (b"name: \xff", "is not plain YAML"),
        (b"- a list", "is no mapping"),
        (b"[" * 5000, "is not plain YAML"),
    ],
)
def test_a_broken_marker_is_said_in_one_line(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "MLproject").write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        project_folder(begin=True)
    assert str(error.value).startswith(str(tmp_path / "MLproject"))
    assert "\n" not in str(error.value)


def test_a_projects_own_experiments_stand_beside_those_that_ship(tmp_path):
    (tmp_path / "experiments").mkdir()
    for name in ("b.yaml", "debug.yaml", "notes.md"):
        (tmp_path / "experiments" / name).touch()
    files = experiment_files(tmp_path)
    assert list(files) == sorted({*experiment_files(None), "b"})
    assert files["debug"] == tmp_path / "experiments" / "debug.yaml"
    assert [name for name, path in files.items() if not is_shipped(path)] == ["b", "debug"]


def test_what_ships_is_what_the_repository_holds():
    assert shipped_folder() == REPOSITORY / "experiments"
    listed = (REPOSITORY / "experiments" / "shipped.txt").read_text().split()
    assert listed == sorted(set(git_files("experiments")) - {"shipped.txt"})
