"""An experiment as the parameters of a run: the same keys whether weights are equal, given or searched.

They are what a reader compares: the rest is at its defaults, or says what the tasks and data are, and stands in the
run's `experiment.json`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import Experiment, flatten, public
from pipeline.data.tables.columns import counted

_OF_TASKS = ("balancing.weights", "balancing.preference")
_OF_NETWORKS = ("seed", "precision", "tasks.", "model.", "balancing.", "training.")
_NAMES = re.compile(r"name|tasks\.[^.]+\.(kind|source|label)")  # which every experiment gives
_TRAINING = ("batch_size", "optimizer", "learning_rate", "weight_decay", "schedule")


def parameters_of(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Those of several networks: where they differ in a value it is a list, in their order."""
    every = [of_network(it) for it in experiments]
    found = {key: [it.get(key) for it in every] for key in dict.fromkeys(key for it in every for key in it)}
    return {key: its[0] if all(it == its[0] for it in its) else its for key, its in found.items()}


def of_network(experiment: Experiment) -> dict[str, Any]:
    """Those of training one network; what is searched is among them whatever it is."""
    searched = experiment.tuning.space if experiment.tuning else {}
    every = parameters(experiment)
    return {key: it for key, it in every.items() if key.startswith((*_OF_NETWORKS, *searched))}


def parameters(experiment: Experiment) -> dict[str, Any]:
    """Dotted keys and values of what differs from the defaults, what the chosen parts have, and what is searched.

    Weights and preference as normalised, one key a task.
    """
    balancing, tasks = experiment.balancing, list(experiment.tasks)
    wanted = _compared(experiment)
    every = flatten(_in_short(experiment))
    values = {key: it for key, it in every.items() if key in wanted and not _is_told_elsewhere(key)}
    if balancing.weighted:
        values |= {f"balancing.weights.{task}": weight for task, weight in balancing.normalised(tasks).items()}
    if balancing.takes_preference:
        values |= {f"balancing.preference.{task}": share for task, share in balancing.default_preference(tasks).items()}
    return values


def _is_told_elsewhere(key: str) -> bool:
    return key.startswith(_OF_TASKS) or _NAMES.fullmatch(key) is not None


def _compared(experiment: Experiment) -> set[str]:
    """Keys of the experiment that say something about it."""
    model, training = experiment.model, experiment.training
    keys = set(flatten(_in_short(experiment, exclude_defaults=True)))
    keys |= {f"model.trunk.{name}" for name in type(model.trunk).model_fields}
    keys |= {f"model.sharing.{name}" for name in type(model.sharing).model_fields}
    keys |= {f"balancing.{name}" for name in ("method", *experiment.balancing.settings())}
    keys |= {f"training.{name}" for name in (*_TRAINING, "epochs" if training.epochs else "updates")}
    return keys | {"seed", "model.head.kind"} | set(experiment.tuning.space if experiment.tuning else ())


def _in_short(experiment: Experiment, exclude_defaults: bool = False) -> dict[str, Any]:
    """The experiment as plain data, without the columns of tables: these stand in the run's `experiment.json`."""
    tree = public(experiment, exclude_defaults)
    for source in tree.get("sources", {}).values():
        if isinstance(columns := source.get("inputs"), dict):
            source["inputs"] = _columns(columns)
    return tree


def _columns(kinds: Mapping[str, str]) -> str:
    """How many of each kind, and a checksum that distinguishes others of the same number."""
    whole = json.dumps(kinds, ensure_ascii=False)
    return f"{counted(kinds)} (sha256 {hashlib.sha256(whole.encode('utf-8', 'surrogatepass')).hexdigest()[:12]})"
