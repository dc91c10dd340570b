"""What is so of a family: the mean delta-m of whole replicates, each on a training set of its own, on fresh rows."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.truth.families import Family
from benchmarks.truth.job import NAME, SETTINGS, Trained, drafted, project, redrawn, settings_of, trained, written
from pipeline.analysis.metrics import LOWER_IS_BETTER
from pipeline.analysis.scores import score
from pipeline.analysis.statistics.differences import relative
from pipeline.data.prepared import open_prepared
from pipeline.data.test_split import open_test_split
from pipeline.errors import UserError
from pipeline.steps.evaluate import candidate_of

TESTED = 100_000
"""Fresh rows that a replicate is scored on."""

FIRST_SEED = 1_000_000
"""Of the training sets; jobs have others."""


def replicate_of(family: Family, number: int) -> dict[str, Any]:
    """Delta-m of one whole replicate against single-task networks, in percent, and each task's change in points.

    A replicate of a job has a fifth of the job's trials, and trains on four fifths of its rows.
    """
    return redrawn(_replicate_of, family, number, UserError)


def _replicate_of(family: Family, number: int) -> dict[str, Any]:
    began = time.process_time()
    learnt = family.rows * 4 // 5
    trials = SETTINGS["tuning.trials"] // 5
    own = {"tuning.replicates": 1, "tuning.trials": trials, "training.seeds": 1, f"sources.{NAME}.split": "split"}
    seed = FIRST_SEED + number
    with project() as folder:
        path = written(family, seed, folder, rows=learnt)  # drafted without the column `split`, which is no input
        experiment = drafted(family, path, folder, settings_of(family) | own | {"seed": number})
        written(family, seed, folder, rows=learnt, tested=TESTED)
        found = _changes(trained(experiment, folder))
    return found | {"cpu_s": time.process_time() - began}


def _changes(done: Trained) -> dict[str, Any]:
    prepared = open_prepared(done.job.prepare.outputs)
    rows = open_test_split(prepared)
    values: dict[str, dict[str, float]] = {}
    metrics: dict[str, str] = {}
    for step in done.job.trained:
        for task, scores in score(candidate_of(prepared, step), rows).items():
            values.setdefault(step.role, {})[task] = float(scores.metrics[scores.primary].mean())
            metrics[task] = scores.primary
    return {"delta_m": _delta_m(values, metrics)} | {
        f"points_{task}": 100 * (values["tuned"][task] - values["single"][task]) for task in metrics
    }


def _delta_m(values: Mapping[str, Mapping[str, float]], metrics: Mapping[str, str]) -> float:
    changes = [
        relative(np.array(values["tuned"][task]), np.array(values["single"][task]), metric not in LOWER_IS_BETTER)
        for task, metric in metrics.items()
    ]
    return float(np.mean(changes))
