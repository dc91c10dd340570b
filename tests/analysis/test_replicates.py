"""Candidates and references where every row tests: prepared, trained and scored, each replicate on its own fold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.candidate import SINGLE, Candidate
from pipeline.analysis.evaluation import Evaluation, evaluate
from pipeline.analysis.networks import networks_of
from pipeline.analysis.references import every_reference
from pipeline.analysis.scores import score, score_network
from pipeline.config import Experiment
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.test_split import TestSplit, open_test_split
from tests.analysis.made import candidate
from tests.data.files import place, quiet

ROWS, FOLDS, REPEATS = 120, 3, 2
REPLICATES = FOLDS * REPEATS
TASKS = ("kind", "sold", "price")


def experiment(folder: Path) -> Experiment:
    """Three tasks of one table, of which every row tests."""
    draws = np.random.default_rng(0)
    x = draws.normal(size=(ROWS, 3))
    price = 50 + 5 * x[:, 0] + draws.normal(size=ROWS)
    table = pd.DataFrame(x, columns=["x", "y", "z"])
    table["kind"] = np.array(["a", "b", "c"])[(x[:, 0] > 0).astype(int) + (x[:, 1] > 1)]
    table["sold"] = pd.array(np.where(draws.random(ROWS) < 0.1, None, (x[:, 2] > 0).astype(int)), dtype="Int64")
    table["price"] = price
    table["group"] = np.arange(ROWS) // 2
    table.to_csv(folder / "rows.csv", index=False)
    kinds = dict(zip(TASKS, ("multiclass", "binary", "regression"), strict=True))
    inputs = dict.fromkeys(("x", "y", "z"), "numeric")
    source = {"kind": "table", "path": str(folder / "rows.csv"), "inputs": inputs, "group": "group"}
    return Experiment.model_validate({
        "name": "rows",
        "sources": {"rows": source},
        "tasks": {name: {"kind": kind, "source": "rows"} for name, kind in kinds.items()},
        "data": {"test": {"folds": FOLDS, "repeats": REPEATS}},
        "model": {"trunk": {"widths": [8]}},
        "training": {"epochs": 3, "seeds": REPLICATES, "batch_size": 32},
        "tuning": None,
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def data(folder: Path) -> Prepared:
    (folder / "data").mkdir()
    prepare(experiment(folder), place(folder), folder / "data", quiet)
    return open_prepared(folder / "data")


@pytest.fixture(scope="module")
def test_rows(data: Prepared) -> TestSplit:
    return open_test_split(data)


@pytest.fixture(scope="module")
def candidates(folder: Path, data: Prepared) -> list[Candidate]:
    settings = experiment(folder)
    alone = [candidate(folder, data, settings, "single", task) for task in TASKS]
    return [candidate(folder, data, settings), *alone]


@pytest.fixture(scope="module")
def found(data: Prepared, test_rows: TestSplit, candidates: list[Candidate]) -> Evaluation:
    others = every_reference(data, test_rows, 0, 60.0)
    return evaluate(candidates, test_rows, references=others.scores, constants=others.constants)


def test_every_network_is_scored_on_the_fold_of_its_replicate(
    candidates: list[Candidate], test_rows: TestSplit
) -> None:
    scores = score(candidates[0], test_rows)
    seen = []
    for group in networks_of(candidates[0]):
        (slot,) = group.slots
        assert slot.replicate is not None
        own = score_network(group.network, group.prepared, test_rows.of(slot.replicate), group.thresholds, of_fold=True)
        for task, it in own.items():
            for name in it.metrics.keys() - {"r2"}:
                np.testing.assert_equal(scores[task].metrics[name][slot.replicate], it.metrics[name][0])
        seen.append(slot.replicate)
    assert sorted(seen) == list(range(REPLICATES))


def test_every_row_is_tested_as_often_as_there_are_repeats(candidates: list[Candidate], test_rows: TestSplit) -> None:
    scores = score(candidates[0], test_rows)
    assert (np.bincount(np.concatenate(scores["kind"].folds)) == REPEATS).all()
    assert scores["kind"].labelled.all()
    assert 0.8 * ROWS < scores["sold"].labelled.sum() < ROWS
    assert scores["kind"].units == ROWS // 2  # groups


def test_the_tables_say_of_how_many_replicates_and_that_rows_and_trainings_are_known(found: Evaluation) -> None:
    assert (found.scores["num_seeds"] == REPLICATES).all()
    assert set(found.scores[found.scores["primary"]]["knows"]) == {"rows and trainings"}
    assert found.seeds.groupby(["candidate", "task", "metric"]).size().eq(REPLICATES).all()
    assert found.delta_m["num_seeds"].tolist() == [REPLICATES]
    assert set(found.differences["against"]) == {SINGLE}
    assert found.confusions.groupby(["candidate", "task"])["count"].sum()["default", "kind"] == REPEATS * ROWS
    assert (found.costs["parameters"] > 0).all()


def test_references_learn_from_each_replicates_rows_and_answer_its_fold(
    data: Prepared, test_rows: TestSplit, found: Evaluation
) -> None:
    rows = found.references.set_index(["candidate", "task", "metric"])
    assert (rows["num_seeds"] == REPLICATES).all()
    train, test = data.replicates[4].split("train").labels["kind"], test_rows.of(4).labels["kind"]
    scores = every_reference(data, test_rows, 0, None).scores["constant"]
    assert scores["kind"].metrics["accuracy"][4] == (test == np.bincount(train).argmax()).mean()
    # A mean tells nothing of a row, and that of other rows than are tested a little less.
    assert -0.1 < rows.loc[("constant", "price", "r2"), "mean"] < 0
    assert rows.loc[("gradient boosting", "price", "r2"), "mean"] > 0.5
    assert rows.loc[("gradient boosting", "kind", "accuracy"), "mean"] > 0.7
    assert found.constants.set_index("task")["answer"]["kind"] in ("a", "b")
    assert float(found.constants.set_index("task")["answer"]["price"]) == pytest.approx(50, abs=2)
    assert len(found.constant_differences) == 2 * len(TASKS)


def test_what_replicates_do_not_use_of_the_time_is_for_those_after_them(data: Prepared, test_rows: TestSplit) -> None:
    lines: list[str] = []
    now = iter(np.arange(0.0, 1e6, 0.001))
    found = every_reference(data, test_rows, 0, 1e4, lines.append, clock=lambda: float(next(now)))
    assert not found.notes
    assert len(lines) == len(TASKS)  # said once, not for each replicate
    again = every_reference(data, test_rows, 0, 1e4, clock=lambda: float(next(now)))
    for task, it in found.scores["gradient boosting"].items():
        assert (it.resampled == again.scores["gradient boosting"][task].resampled).all()


def test_a_label_is_read_from_the_replicates_that_test_its_row_alone(
    candidates: list[Candidate], test_rows: TestSplit
) -> None:
    (place,) = np.flatnonzero(test_rows.numbers[2]["rows"] == test_rows.numbers[2]["rows"][0])
    row = test_rows.numbers[2]["rows"][place]
    before = score(candidates[0], test_rows)["kind"].metrics["accuracy"]
    turned = []
    for split, numbers in zip(test_rows.replicates, test_rows.numbers, strict=True):
        labels = np.array(split.labels["kind"])
        labels[numbers["rows"] == row] = (labels[numbers["rows"] == row] + 1) % 3
        turned.append(replace(split, labels=split.labels | {"kind": labels}))
    after = score(candidates[0], replace(test_rows, replicates=tuple(turned)))["kind"].metrics["accuracy"]
    tests = [row in numbers["rows"] for numbers in test_rows.numbers]
    assert sum(tests) == REPEATS
    assert set(np.flatnonzero(before != after)) <= set(np.flatnonzero(tests))
