"""The Optuna study: opening it, its winners, and its trials as a table."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from filelock import FileLock
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Experiment, flatten
from pipeline.config.space import WEIGHTS
from pipeline.errors import Diverged
from pipeline.kinds import kind_of
from pipeline.training.progress import OBJECTIVE
from pipeline.tuning.experimental import experimental
from pipeline.tuning.patience import Patience
from pipeline.tuning.space import distributions
from pipeline.tuning.storage import connect, storage_failures

EXPERIMENT, ARM, SHARED = "experiment", "arm", "the shared network"
"""Attributes of a study: whose it is, and of which arm; `SHARED` where it is the experiment's own."""
BATCH = "trial.batch"
"""Attribute of the first trial of a batch: its number, and the number after the last trial of the batch."""
REPLICATE = "headway.replicate"
"""Attribute of a trial: the number of the replicate that it belongs to."""
VALUES = "trial.values"
"""Attribute of a trial: the experiment's values that it tries, by dotted key."""
SHARE = "weight/"
"""What those attributes of a finished trial begin with that are its task weights, for people."""
METRICS = "trial.metrics"
"""Attribute of a finished trial: the metrics of its kept validation."""
FOLDS = "trial.folds"
"""Attribute of a finished trial with folds: the objective of each, in their order."""
ERROR = "trial.standard_error"
"""Attribute of a finished trial with folds: the standard error of their mean, which is the trial's value."""
REASON = "trial.reason"
"""Attribute of a trial that is not complete: `pruned`, `diverged`, `unmeasured`, or the error."""
UNMEASURED = "unmeasured"
"""Reason of a trial that was trained to its end without an objective: validation has no label of its tasks."""

_DIFFERENCES = 5
_MOST_LISTED = 12
_WEIGHTS = (
    f"a trial's {SHARE}TASK is the task's weight as trained; {WEIGHTS}/TASK is the sampler's coordinate for it, larger "
    "for a smaller weight"
)


def open_study(name: str, url: str, lock: Path) -> Study:
    """Open a study, or create it; its objective is maximised.

    Args:
        name: Name of the study.
        url: URL of the storage.
        lock: Lock file that keeps two processes from creating the tables at once.

    Raises:
        UserError: The address is wrong.
        Failure: The storage cannot be used.
    """
    with FileLock(lock), storage_failures():
        return study_in(connect(url), name)


def open_storage(url: str, lock: Path, patience: Patience) -> BaseStorage:
    """Open a storage, which is waited for while it is away.

    Args:
        url: URL of the storage.
        lock: Lock file that keeps two processes from creating the tables at once.
        patience: Waits.

    Raises:
        UserError: The address is wrong.
        Failure: The storage cannot be used.
    """
    with FileLock(lock):
        return connect(url, patience)


def study_in(storage: BaseStorage, name: str) -> Study:
    """Open a study of a storage, or create it; see `open_study`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def newest_of(names: Iterable[str], stem: str) -> int:
    """The number of the newest study of one identity: 1 for `stem`, 2 for `stem#2` and so on; 0 where there is none."""
    alike = [it.partition("#") for it in names]
    return max((int(number or 1) for name, _, number in alike if name == stem), default=0)


def experiment_of(name: str, attributes: Mapping[str, Any]) -> str | None:
    """Whose a study is; None where it is not Headway's. Those of earlier versions say so by their name alone."""
    by_name = re.fullmatch(r"(.+)-[0-9a-f]{12}(#\d+)?", name)
    return attributes.get(EXPERIMENT) or (by_name[1] if by_name else None)


@storage_failures()
def describe(study: Study, experiment: Experiment, arm: str, where: Mapping[str, str]) -> None:
    """Name the objective, and say as attributes of the study what it is about, as far as they do not say so yet.

    Nothing that a sampler reads is changed. What matters most is first: a dashboard shows five attributes at a time.

    Args:
        study: Of the experiment.
        experiment: That is searched.
        arm: Whose study it is, where it is not the experiment's own.
        where: Where else it is recorded, as attributes.
    """
    assert experiment.tuning is not None
    tuning, searched = experiment.tuning, any(it.startswith(f"{WEIGHTS}/") for it in distributions(experiment))
    about = {
        EXPERIMENT: experiment.name,
        "objective": f"mean of {_objective(experiment)}; higher is better",
        **({"weights": _WEIGHTS} if searched else {}),
        "sampler": tuning.sampler,
        **where,
        **({"equal": "within a tolerance"} if experiment.mixed else {}),
        ARM: arm or SHARED,
        "direction": "maximize",
        "pruner": tuning.pruner,
        "replicates": experiment.replicates,
    }
    if study.metric_names != [OBJECTIVE]:
        with experimental():
            study.set_metric_names([OBJECTIVE])
    known = study.user_attrs
    for name, value in about.items():
        if name not in known or known[name] != value:
            study.set_user_attr(name, value)


def shares(values: Mapping[str, Any]) -> dict[str, float]:
    """The weights among a trial's values as attributes, to four digits; they sum to the number of tasks, as trained.

    What a sampler proposes for a weight are coordinates u of a unit cube, which fall as the weight -log(u) grows.
    `VALUES` has all digits.
    """
    return {f"{SHARE}{task}": float(f"{weight:.4g}") for task, weight in values.get(WEIGHTS, {}).items()}


@storage_failures()
def winners(study: Study, trials: int, replicates: int) -> list[FrozenTrial]:
    """The best complete trial of each replicate among the first so many trials; ties go to the lowest number.

    If validation has no labels of the tasks, it is the first trial, which is the experiment as written.

    Raises:
        Diverged: A replicate has no complete trial.
    """
    first = study.get_trials(deepcopy=False)[:trials]
    best = []
    for replicate in range(replicates):
        of_replicate = first[replicate::replicates]
        leader = leader_of(of_replicate)
        if leader is None:
            reasons = [_outcome(trial) for trial in of_replicate]
            counts = ", ".join(f"{reasons.count(reason)} {reason}" for reason in sorted(set(reasons))) or "no trials"
            raise Diverged(
                f"replicate {replicate} of the study has no winner ({counts}): search smaller learning rates, or raise "
                "tuning.trials"
            )
        best.append(leader)
    return best


def leader_of(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The best complete trial among those of a replicate, see `winners`; None where there is none."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE] or [
        trial for trial in trials if trial.user_attrs.get(REASON) == UNMEASURED
    ]
    return max(complete, key=lambda trial: (_value(trial), -trial.number), default=None)


@storage_failures()
def table(study: Study) -> pd.DataFrame:
    """All trials: number, replicate, state, reason, value, searched settings, objectives, metrics and seconds.

    The columns of settings are dotted keys in alphabetical order, empty if a trial did not search one. Objectives of
    its validations are `epoch_1`, `epoch_2`, ...; the metrics of the kept validation have their names, such as
    `validation/all/objective`.
    """
    trials = study.get_trials(deepcopy=False)
    values = [_flat(trial.user_attrs.get(VALUES)) for trial in trials]
    epochs = range(1, max((trial.last_step or 0 for trial in trials), default=0) + 1)
    columns: dict[str, Any] = {
        "number": [trial.number for trial in trials],
        "replicate": [trial.user_attrs.get(REPLICATE, 0) for trial in trials],
        "state": [trial.state.name for trial in trials],
        "reason": [trial.user_attrs.get(REASON, "") for trial in trials],
        "value": _numbers(trial.value for trial in trials),
    }
    columns |= {key: _cells(values, key) for key in sorted({key for row in values for key in row})}
    columns |= {f"epoch_{epoch}": _numbers(it.intermediate_values.get(epoch) for it in trials) for epoch in epochs}
    metrics = [trial.user_attrs.get(METRICS, {}) for trial in trials]
    columns |= {
        name: _numbers(it.get(name) for it in metrics) for name in sorted({key for it in metrics for key in it})
    }
    columns["seconds"] = _numbers(it.duration.total_seconds() if it.duration else None for it in trials)
    return pd.DataFrame(columns)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """One line with the changes in a study's identity, such as `tuning.batch 8 -> 4`."""
    before, after = _flat(old), _flat(new)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    shown = [f"{key} {_text(before.get(key))} -> {_text(after.get(key))}" for key in keys[:_DIFFERENCES]]
    more = [f"and {len(keys) - _DIFFERENCES} more"] if len(keys) > _DIFFERENCES else []
    return ", ".join(shown + more)


def _objective(experiment: Experiment) -> str:
    """The metrics that the objective is the mean of, as MLflow has them; at most as many as a line holds."""
    metrics = [f"validation/{task}/{kind_of(it.kind).primary}" for task, it in experiment.tasks.items()]
    more = [f"{len(metrics) - _MOST_LISTED} more"] if len(metrics) > _MOST_LISTED else []
    *first, last = metrics[:_MOST_LISTED] + more
    return f"{', '.join(first)} and {last}" if first else last


def _flat(tree: Mapping[str, Any] | None) -> dict[str, Any]:
    return flatten(tree) if tree else {}


def _outcome(trial: FrozenTrial) -> str:
    return "failed" if trial.state == TrialState.FAIL else trial.user_attrs.get(REASON, "unfinished")


def _value(trial: FrozenTrial) -> float:
    """The value of a complete trial, else -inf: Optuna gives a pruned one its last intermediate value."""
    known = trial.state == TrialState.COMPLETE and trial.value is not None
    return float(trial.value) if known else float("-inf")  # type: ignore[arg-type]


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _cells(rows: list[dict[str, Any]], key: str) -> Any:
    """A column of settings as they are, or as JSON if they are lists or of several types."""
    kinds = {type(row[key]) for row in rows if row.get(key) is not None}
    if kinds == {int} and any(row.get(key) is None for row in rows):
        return pd.array([row.get(key) for row in rows], dtype="Int64")  # a list would become floats
    if kinds <= {int, float} or (len(kinds) == 1 and not kinds & {list, dict}):
        return [row.get(key) for row in rows]
    return [json.dumps(row[key]) if key in row else None for row in rows]


def _text(value: Any) -> str:
    return "unset" if value is None else value if isinstance(value, str) else json.dumps(value)
