"""The evaluation of candidates that were really trained, from the opened test split to its files and back."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.evaluation import Evaluation, evaluate
from pipeline.analysis.metrics import TaskScores
from pipeline.analysis.tables import TUNED_AGAINST_UNTUNED
from pipeline.config import with_values
from pipeline.data.prepared import Split, open_split
from pipeline.data.test_split import TestSplit
from tests.analysis.made import candidate, experiment, prepared, task_scores


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("evaluation")
    data = prepared(folder / "data")
    separate = with_values(experiment(), {"model.sharing": "separate", "training.optimizer": "sgd"})
    tuned = with_values(experiment(), {"training.learning_rate": 0.01})
    candidates = [
        candidate(folder, data, experiment()),
        *(candidate(folder, data, experiment(), "single", task) for task in experiment().tasks),
        candidate(folder, data, separate, "separate"),
        candidate(folder, data, tuned, "tuned"),
    ]
    rows = replace(open_split(data, "test"), groups={"b": np.arange(80) // 2})
    constant = {"constant": {"far": _constant(rows)}}
    return evaluate(candidates, TestSplit(rows), references=constant, constants={"far": "x"})


def _constant(rows: Split) -> TaskScores:
    """Always answering the first class of the task `far`."""
    right = rows.labels["far"] == 0
    return task_scores(right[None], source="b", groups=rows.groups["b"])


def test_single_task_baselines_stand_side_by_side_as_one(found: Evaluation) -> None:
    assert found.candidates["candidate"].tolist() == ["default", "single-task", "separate", "tuned"]
    tasks = found.scores[found.scores["candidate"] == "single-task"]["task"].unique()
    assert tasks.tolist() == ["side", "odd", "far"]


def test_all_are_held_against_single_task_and_tuned_against_default(found: Evaluation) -> None:
    pairs = found.differences[["candidate", "against"]].drop_duplicates().to_numpy().tolist()
    assert sorted(map(tuple, pairs)) == [
        ("default", "separate"),
        ("default", "single-task"),
        ("separate", "single-task"),
        ("tuned", "default"),
        ("tuned", "single-task"),
    ]


def test_a_difference_is_that_of_the_scores(found: Evaluation) -> None:
    means = found.scores.set_index(["candidate", "task", "metric"])["mean"]
    for row in found.differences.to_dict("records"):
        one, other = (means[row[who], row["task"], row["metric"]] for who in ("candidate", "against"))
        assert row["mean"] == pytest.approx(one - other, nan_ok=True, abs=1e-12)


def test_metrics_of_a_candidate_are_named_by_split_and_task(found: Evaluation) -> None:
    metrics = found.metrics("default", ["side", "odd", "far"])
    assert {"test/side/accuracy", "test/side/accuracy_ci_low", "test/odd/roc_auc", "test/far/ece_ci_high"} <= set(
        metrics
    )
    assert {"test/all/delta_m_percent", "test/all/delta_m_percent_ci_low"} <= set(metrics)
    assert all(isinstance(value, float) for value in metrics.values())


def test_metrics_of_a_single_task_baseline_are_those_of_its_task(found: Evaluation) -> None:
    assert {name.split("/")[1] for name in found.metrics("single-task", ["odd"])} == {"odd"}


def test_all_candidates_are_held_against_the_constant_prediction(found: Evaluation) -> None:
    rows = found.constant_differences.set_index("candidate")
    assert rows.index.tolist() == ["default", "single-task", "separate", "tuned"]
    means = found.scores[(found.scores["task"] == "far") & found.scores["primary"]].set_index("candidate")["mean"]
    constant = found.references["mean"].iloc[0]
    for name, row in rows.iterrows():
        assert row["mean"] == pytest.approx(means[name] - constant)
        assert row["knows"] == "rows and trainings"
    assert found.references["df"].iloc[0] == pytest.approx(39)  # of 40 groups
    assert found.constants.to_numpy().tolist() == [["far", "x"]]


def test_what_was_trained_with_tuned_settings_is_marked_against_what_was_not(found: Evaluation) -> None:
    notes = found.delta_m.set_index("candidate")["note"]
    assert notes.to_dict() == {"default": "", "separate": "", "tuned": TUNED_AGAINST_UNTUNED}


def test_files_give_the_same_evaluation(found: Evaluation, tmp_path: Path) -> None:
    found.save(tmp_path)
    again = Evaluation.load(tmp_path)
    for it in fields(Evaluation):
        one, other = getattr(found, it.name), getattr(again, it.name)
        pd.testing.assert_frame_equal(one, other, check_dtype=False, check_exact=True)
    assert "default" in (tmp_path / "scores.html").read_text()


def test_curves_are_mean_and_range_over_seeds(found: Evaluation, tmp_path: Path) -> None:
    made = candidate(tmp_path, prepared(tmp_path / "data"), experiment())
    history = pd.read_parquet(made.history)
    first = history[history["epoch"] == 1]["validation/side/accuracy"]
    rows = found.curves[(found.curves["candidate"] == "default") & (found.curves["split"] == "validation")]
    row = rows[(rows["task"] == "side") & (rows["metric"] == "accuracy") & (rows["epoch"] == 1)].iloc[0]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((first.mean(), first.min(), first.max()))
    assert row["num_seeds"] == 2
    kept = rows[(rows["task"] == "side") & (rows["metric"] == "accuracy")]["kept"]
    assert kept.sum() == 2
