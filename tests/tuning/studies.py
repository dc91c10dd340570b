"""Small studies for these tests, and what is compared of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.study import Study

from pipeline.config import Experiment, load
from pipeline.data.prepare import prepare
from pipeline.data.prepared import Prepared, open_prepared
from pipeline.data.sources import Place
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.search import Callbacks, search
from pipeline.tuning.study import open_study, table

PROJECT = Path(__file__).parents[2]
SMALL = {
    "model.trunk.widths": [8], "training.batch_size": 256, "training.epochs": 4, "training.learning_rate": 0.003,
    "training.schedule": "constant", "training.early_stopping": {"patience": 3}, "tuning.trials": 12, "tuning.batch": 4,
    "tuning.replicates": 1, "tuning.pruner": "halving",
}  # fmt: skip


def digits(values: Mapping[str, Any] | None = None) -> Experiment:
    return load("digits", SMALL | dict(values or {}), PROJECT)


def prepared_at(experiment: Experiment, folder: Path) -> Prepared:
    folder.mkdir(parents=True)
    prepare(experiment, Place("sample", PROJECT / "experiments" / "data", None, folder), folder, lambda _: None)
    return open_prepared(folder)


def study_in(folder: Path, url: str | None = None) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    return open_study("study", url or f"sqlite:///{folder / 'optuna.db'}", folder / "optuna.lock")


def searched(
    experiment: Experiment,
    prepared: Prepared,
    folder: Path,
    processes: int = 1,
    callbacks: Callbacks | None = None,
    url: str | None = None,
) -> Study:
    """Search, or go on with a search, in a folder."""
    study = study_in(folder, url)
    with WorkerPool(processes) as pool:
        search(study, experiment, prepared, pool, folder / "checkpoints", callbacks)
    return study


def values_of(study: Study) -> pd.DataFrame:
    """The table without the times."""
    return table(study).drop(columns="seconds")


def assert_equal(study: Study, reference: Study) -> None:
    pd.testing.assert_frame_equal(values_of(study), values_of(reference), check_exact=True)
    for ours, theirs in zip(study.trials, reference.trials, strict=True):
        assert (ours.number, ours.state, ours.values) == (theirs.number, theirs.state, theirs.values)
        assert (ours.params, ours.distributions) == (theirs.params, theirs.distributions)
        assert ours.intermediate_values == theirs.intermediate_values
        assert ours.user_attrs == theirs.user_attrs
