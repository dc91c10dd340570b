"""Affinities from a history, and from networks whose tasks are known to help one another."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.steps.runs.curves import history
from pipeline.studies.affinity.affinities import affinities, over_training
from pipeline.studies.affinity.groupings import best
from tests.training.made import experiment_on, random_data, seeds, trained

TASKS = ["a", "b"]


def _history() -> pd.DataFrame:
    rows = []
    for seed in range(3):
        for epoch in (1, 2):
            told = {"train/a/cosine_b": 0.1 * epoch + seed, "train/a/affinity_b": 0.01 * epoch, "train/b/nll": 1.0}
            told |= {"train/a/affinity_a": 0.5, "train/b/affinity_b": 0.5}
            rows.append({"slot": f"seed/{seed}", "epoch": epoch, **told})
    rows[0]["train/b/affinity_a"] = -0.2  # one step of one seed knew it
    return pd.DataFrame(rows)


def test_they_are_means_over_training_a_seed() -> None:
    found = affinities(_history(), TASKS)
    assert found.affinity.shape == found.cosine.shape == (3, 2, 2)
    np.testing.assert_allclose(found.cosine[:, 0, 1], [0.15, 1.15, 2.15])
    np.testing.assert_array_equal(found.cosine, found.cosine.transpose(0, 2, 1))
    np.testing.assert_allclose(found.affinity[:, 0, 1], 0.015)
    np.testing.assert_allclose(found.mean, [[0.5, 0.015], [-0.2, 0.5]])
    table = found.table().set_index(["task", "other"])
    assert table.loc[("a", "b"), "cosine"] == pytest.approx(1.15)
    assert table.loc[("a", "b"), "cosine_low"] < 1.15 < table.loc[("a", "b"), "cosine_high"]


def test_what_no_step_knew_counts_nothing() -> None:
    found = affinities(_history().drop(columns=["train/b/affinity_a"]), TASKS)
    assert np.isnan(found.affinity[:, 1, 0]).all()
    assert found.mean[1, 0] == 0.0


def test_their_course_is_a_mean_over_seeds() -> None:
    rows = over_training(_history(), TASKS, "cosine")
    assert rows[["epoch", "task", "other"]].to_numpy().tolist() == [[1, "a", "b"], [2, "a", "b"]]
    np.testing.assert_allclose(rows["value"], [1.1, 1.2])


def test_tasks_that_ask_the_same_are_grouped(tmp_path: Path) -> None:
    # Two pairs of tasks, each pair with the same labels; the labels of the pairs have nothing to do with each other.
    tasks = dict.fromkeys(("one", "two", "three", "four"), ("binary", "rows", 2))
    prepared = random_data(tmp_path, tasks, rows=200)
    for split in ("train", "validation"):
        for task, same in (("three", "one"), ("four", "two")):
            (tmp_path / f"{task}.{split}.labels.npy").write_bytes(
                (tmp_path / f"{same}.{split}.labels.npy").read_bytes()
            )
    values = {
        "training.watch": {"every": 2, "lookahead": True}, "training.epochs": 15, "training.batch_size": 20,
        "model.trunk.widths": [32], "model.trunk.dropout": 0.0, "training.learning_rate": 0.01,
    }  # fmt: skip
    states = trained(prepared, seeds(experiment_on(prepared, values), 2))
    found = affinities(history(list(states.values())), list(tasks))
    assert best(list(tasks), found.mean, 2) == (("one", "three"), ("two", "four"))
    # A step for one does to its twin nearly what it does to itself.
    assert found.mean[0, 2] == pytest.approx(found.mean[0, 0], rel=0.25)
    assert found.cosine[:, 0, 2].min() > 0.3 > abs(found.cosine[:, 0, 1]).max()
