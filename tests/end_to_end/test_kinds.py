"""The whole job where tasks are of several kinds: several labels at once, a number, a class."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.data import prepared
from pipeline.data.prepared import open_prepared
from pipeline.tracking import tags
from pipeline.tracking.tracker import Tracker
from tests.conftest import Result, call_headway, make_project

SMALL = (
    "--set", "training.epochs=2", "--set", "training.seeds=2", "--set", "model.trunk.widths=[16]",
    "--set", "tuning.trials=2", "--set", "tuning.batch=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in which the job ran once. Tests here run in order and add to it."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(tmp_path_factory.mktemp("kinds") / "project", patch)
        yield project, call_headway("run", "digits_present", *SMALL, "--json")


def found(project: Path, name: str) -> Any:
    return next(run for run in Tracker(project, "digits_present").runs() if run.info.run_name == name)


def test_every_kind_has_its_metrics_on_every_split(finished: tuple[Path, Result]) -> None:
    project, result = finished
    assert (result.code, result.err) == (0, "")
    trained = set(found(project, "train default").data.metrics)
    for split in ("train", "validation"):
        assert {f"{split}/present/roc_auc", f"{split}/sum/r2", f"{split}/count/accuracy"} <= trained
    tested = found(project, "evaluate tuned").data.metrics
    wanted = {"present/roc_auc", "present/roc_auc.7", "present/average_precision", "sum/rmse", "sum/mae", "sum/r2",
              "count/accuracy", "count/balanced_accuracy", "all/delta_m_percent"}  # fmt: skip
    assert {f"test/{name}" for name in wanted} <= set(tested)
    assert tested["test/present/roc_auc"] > 0.6
    assert tested["test/sum/r2"] > 0.1
    assert tested["test/sum/mae"] < tested["test/sum/rmse"] < 9.0


def test_the_data_are_shown_without_opening_test(
    finished: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    before = prepared.open_split
    monkeypatch.setattr(prepared, "open_split", lambda it, split: opened.append(split) or before(it, split))
    told = call_headway("show", "digits_present", *SMALL, "--data", "--json").json
    assert set(opened) == {"train", "validation"}
    assert told["sources"]["digits_present"]["shape"] == [56, 56]
    assert told["sources"]["digits_present"]["rows"] == {"train": 5400, "validation": 600, "test": 1000}
    tasks = told["tasks"]
    assert sum(tasks["count"]["classes"][count]["test"] for count in "01234") == 1000
    assert tasks["present"]["missing"] == {"train": 0.0, "validation": 0.0, "test": 0.0}
    assert 0 <= tasks["sum"]["values"]["train"]["lowest"] < tasks["sum"]["values"]["train"]["median"] < 36
    assert len(tasks["present"]["examples"]) == 3
    lines = call_headway("show", "digits_present", *SMALL, "--data").out.splitlines()
    assert lines[0] == ("digits_present: rows of 56 x 56 divided by 255; 5,400 train, 600 validation, 1,000 test")
    assert [line.split()[0] for line in lines if "(" in line] == ["present", "sum", "count"]


def test_data_that_are_not_prepared_are_asked_for(finished: tuple[Path, Result]) -> None:
    answer = call_headway("show", "digits_present", "--data", "--set", "data.validation=0.3")
    assert answer.code == 2
    assert "not prepared yet: headway prepare digits_present --set data.validation=0.3" in answer.err


def test_the_report_names_the_metrics_of_each_task(finished: tuple[Path, Result]) -> None:
    page = Path(finished[1].json["report"]).read_text()
    assert "ROC-AUC (present) or R2 (sum) or accuracy (count)" in page
    for task, metric in (("present", "ROC-AUC"), ("sum", "R2"), ("count", "accuracy")):
        assert f"{task}: {metric}" in page


def test_the_champion_answers_labels_a_value_and_a_class(finished: tuple[Path, Result], tmp_path: Path) -> None:
    project, result = finished
    (folder,) = (path for path in (project / ".headway" / "prepared").iterdir() if path.is_dir())
    split = open_prepared(folder).split("validation")
    rows = np.asarray(split.inputs["digits_present"][:50])
    pd.DataFrame(rows, columns=[f"pixel_{i}" for i in range(rows.shape[1])]).to_parquet(tmp_path / "rows.parquet")
    words = ["--input", str(tmp_path / "rows.parquet"), "--output", str(tmp_path / "scored.parquet")]
    assert call_headway("predict", "--model", result.json["model"], *words).code == 0
    answers = pd.read_parquet(tmp_path / "scored.parquet")
    assert [name for name in answers if name.startswith("sum/")] == ["sum/value"]
    assert 0.0 < answers["sum/value"].mean() < 30.0
    assert answers[[f"present/label/{digit}" for digit in range(10)]].isin([0, 1]).all(axis=None)
    assert answers.filter(like="present/probability/").shape == (50, 10)
    assert answers["count/label"].between(0, 4).all()


def test_another_winner_is_held_against_the_champion_in_all_metrics(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    worse = call_headway(
        "run", "digits_present", *SMALL, "--set", "tuning.space={training.learning_rate: {float: [1e-7, 1e-6]}}"
    )
    assert worse.code == 0, worse
    chosen = [run for run in Tracker(project, "digits_present").runs() if run.info.run_name == "select"]
    assert sorted(run.data.tags[tags.GATE].split(":")[0] for run in chosen) == ["challenger", "champion"]


def test_losses_of_ones_own_are_trained_on_the_same_prepared_data(finished: tuple[Path, Result]) -> None:
    project, _ = finished
    own = ("tasks.sum.loss=huber", "tasks.present.class_weights=balanced", "tasks.count.focal=2")
    told = call_headway("train", "digits_present", *SMALL, *(word for it in own for word in ("--set", it)))
    assert told.code == 0, told
    assert "prepare: cached" in told.out
    trained = found(project, "train default")
    assert trained.data.params["tasks.sum.loss"] == "huber"
    assert trained.data.metrics["validation/sum/r2"] > 0.0


def test_steps_are_rebuilt_bit_for_bit(finished: tuple[Path, Result]) -> None:
    rebuilt = call_headway("rerun", finished[1].json["run_id"], "--json")
    assert rebuilt.code == 0, rebuilt
    assert {verdict["answer"] for verdict in rebuilt.json} == {"bitwise equal"}
