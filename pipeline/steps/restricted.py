"""An experiment restricted to some of its tasks, and another experiment on this one's data."""

from collections.abc import Sequence
from typing import Any

from pipeline.config import Experiment, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.experiment import Baselines
from pipeline.config.sharing import Sharing


def group_of(experiment: Experiment, tasks: Sequence[str]) -> Experiment:
    """The experiment restricted to some of its tasks and their sources, which share as all do.

    Raises:
        ValidationError: Its balancing method or its weights are nothing for these tasks.
    """
    it, own = experiment.balancing, {}
    for name, given in it.by_task().items():
        by_task = given if isinstance(given, dict) else dict(zip(experiment.tasks, given, strict=True))
        own[name] = {task: by_task[task] for task in tasks}
    return with_values(_restricted(experiment, tasks, balancing=it.model_copy(update=own)), {})


def single_task(experiment: Experiment, task: str) -> Experiment:
    """The experiment restricted to one task and its source: same trunk, optimizer, budget and seeds.

    It has one trunk however the tasks share theirs, so that all ways to share are held against the same baseline.
    """
    plain = experiment.model.sharing.plain
    training = experiment.training.model_copy(update={"watch": None})
    model = experiment.model if plain else experiment.model.model_copy(update={"sharing": Sharing.of("shared")})
    return _restricted(experiment, [task], model=model, training=training, balancing=Balancing.of("fixed"))


def _restricted(experiment: Experiment, tasks: Sequence[str], **own: Any) -> Experiment:
    """Some of the tasks with settings of their own, and nothing that is trained beside them."""
    left = {"baselines": Baselines(single=False, separate=None), "tuning": None}
    few = experiment.model_copy(update={"tasks": {task: experiment.tasks[task] for task in tasks}, **left, **own})
    return few.model_copy(update={"training": few.training.restricted_to(few.source_names)})


def on_data_of(other: Experiment, experiment: Experiment) -> Experiment:
    """Another experiment's networks on this one's data, tasks and seeds."""
    own = ("seed", "device", "precision", "slots", "processes", "data", "tasks")
    training = {name: getattr(experiment.training, name) for name in ("seeds", "folds")}
    if not experiment.validates:
        training["early_stopping"] = None
    return other.model_copy(
        update={name: getattr(experiment, name) for name in own}
        | {
            "training": other.training.restricted_to(experiment.source_names).model_copy(update=training),
            "tuning": None,
        }
    )
