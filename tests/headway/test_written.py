"""Frames and parts are written into the project; what others wrote there is kept."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from headway import Experiment, Failure, UserError
from tests.headway.test_experiment import table


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Experiment]:
    """Makes experiments in a project of this test."""
    return lambda *args, **given: Experiment(*args, project=tmp_path / "project", **given)


def test_a_cell_may_be_run_again_and_changed(make: Callable[..., Experiment]) -> None:
    first = make(table(), ["price"], name="houses")
    content = first.file.read_bytes()
    assert make(table(), ["price"], name="houses").file.read_bytes() == content
    other = make(table(200), {"sold": "binary"}, name="houses", training={"seeds": 2})
    assert list(other.configuration["tasks"]) == ["sold"]
    assert other.configuration["training"]["seeds"] == 2
    assert len(pd.read_parquet(other.project / "data" / "houses.parquet")) == 200


def test_what_was_changed_by_hand_is_kept(make: Callable[..., Experiment]) -> None:
    made = make(table(), "price", name="houses")
    text = made.file.read_text().replace("dropout: 0.1", "dropout: 0.2")
    made.file.write_text(text)
    with pytest.raises(UserError, match=r"was changed since: give another name, or Experiment.load\('houses'\)"):
        make(table(), "price", name="houses")
    assert made.file.read_text() == text


def test_a_failed_draft_leaves_what_was_there(make: Callable[..., Experiment]) -> None:
    made = make(table(), "price", name="houses")
    kept = {path: path.read_bytes() for path in made.project.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="no column 'prize'"):
        make(table(100), "prize", name="houses")
    with pytest.raises(UserError, match=r"unknown key 'training\.seed'"):
        make(table(100), "price", name="houses", training={"seed": 1})
    assert {path: path.read_bytes() for path in made.project.rglob("*") if path.is_file()} == kept
    with pytest.raises(UserError, match="no column 'prize'"):
        make(table(100), "prize", name="other")
    assert not (made.project / "data" / "other.parquet").exists()


def test_columns_may_be_called_anything(make: Callable[..., Experiment]) -> None:
    frame = table().rename(columns={"price": 'a "b", c:d=e+f', "sold": "sold?"})
    made = make(frame, {'a "b", c:d=e+f': "regression", "sold?": None}, name="odd")
    assert {task["label"] for task in made.configuration["tasks"].values()} == {'a "b", c:d=e+f', "sold?"}


def test_several_columns_make_a_task_of_several_labels(make: Callable[..., Experiment]) -> None:
    frame = table().assign(old=[0, 1] * 150, quiet=[0, 0, 1] * 100)
    made = make(frame, {"marks": ["old", "quiet"], "price": None}, name="marked")
    assert made.configuration["tasks"]["marks"]["kind"] == "multilabel"


def test_a_file_is_drafted_too(make: Callable[..., Experiment], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    table().to_csv(path, index=False)
    made = make(path, "sold", name="rows")
    assert made.configuration["sources"]["rows"]["path"] == str(path)


def test_mistakes_are_said_in_one_line(make: Callable[..., Experiment], tmp_path: Path) -> None:
    mixed = table(50).assign(odd=[1, "a"] * 25)
    mistakes = {
        "an experiment is made of a table and targets": lambda: make(),
        "--targets is missing": lambda: make(table(), name="houses"),
        "the table is a dict": lambda: make({"a": [1]}, "a"),
        "column 0 of the frame is not named by text": lambda: make(pd.DataFrame([[1, 2]]), "0"),
        "the frame has two columns 'price'": lambda: make(table()[["price", "price"]], "price"),
        "the frame cannot be written as Parquet: .*odd": lambda: make(mixed, "price"),
        "target 3 is no name of a column": lambda: make(table(), [3]),
        "nowhere.csv: no such file or folder": lambda: make("nowhere.csv", "price"),
        "name": lambda: make(table(), "price", name="../evil"),
        "unknown key 'trainig'": lambda: make(name="x", trainig={}),
    }
    for said, mistake in mistakes.items():
        with pytest.raises(UserError, match=said) as error:
            mistake()
        assert "\n" not in str(error.value)
    project = tmp_path / "project"
    assert not list(project.rglob("*.yaml"))
    assert not list(project.rglob("*.parquet"))
    (project / "data" / "houses.parquet").write_text("mine")
    with pytest.raises(UserError, match=r"houses\.parquet is there already: give another name"):
        make(table(), "price", name="houses")


def test_a_folder_that_cannot_be_written_is_a_failure(make: Callable[..., Experiment], tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "data").touch()
    with pytest.raises(Failure, match="cannot be written"):
        make(table(), "price", name="houses")
