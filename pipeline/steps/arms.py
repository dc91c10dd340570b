"""The arms of a comparison: each a way to choose the task weights, with a study of its own over the same space."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import ValidationError

from pipeline.config import Experiment, with_values
from pipeline.config.balancers import METHODS
from pipeline.config.balancing import BalancingSettings
from pipeline.config.comparing import EQUAL, TUNED
from pipeline.config.experiment import Baselines
from pipeline.config.problems import one_line
from pipeline.config.space import WEIGHTS
from pipeline.config.tuning import Dimension, FloatRange, Simplex, TuningSettings
from pipeline.errors import UserError
from pipeline.steps.train import single_task

SINGLE = "single"

SPACE: Mapping[str, Dimension] = MappingProxyType(
    {
        "training.learning_rate": FloatRange(float=(1e-4, 1e-2), log=True),
        "model.trunk.dropout": FloatRange(float=(0.0, 0.7)),
        "training.weight_decay": FloatRange(float=(1e-6, 1e-2), log=True),
    }
)
"""What the study of every arm searches, where the experiment's own space says nothing of these settings."""


@dataclass(frozen=True)
class Arm:
    """One of them, or of the single-task networks that of one task.

    Attributes:
        name: `single`, `equal`, `tuned`, or a method.
        experiment: With the arm's balancing and study.
        task: Of a single-task network.
    """

    name: str
    experiment: Experiment
    task: str | None = None

    @property
    def title(self) -> str:
        """Such as `upgrad` or `single mnist`."""
        return f"{self.name} {self.task}" if self.task else self.name

    @property
    def cost(self) -> float:
        """How many times as long as with equal weights a step takes, roughly."""
        return self.experiment.balancing.about.cost


def arms(experiment: Experiment) -> list[Arm]:
    """Equal, tuned and random weights, the methods asked for, and each task alone.

    Raises:
        UserError: There is nothing to weigh or to choose by, or a method does not admit this experiment.
    """
    if len(experiment.tasks) < 2:
        raise UserError(f"compare: {experiment.name} has one task, so there are no weights to choose")
    if experiment.model.sharing.kind == "separate":
        raise UserError(
            "compare: model.sharing=separate shares no layers, so there is no sharing to compare: use "
            "model.sharing=shared"
        )
    if not experiment.validates:
        raise UserError("compare: arms are chosen by the validation split: give data.validation a share")
    plain = _plain(experiment)
    assert plain.tuning is not None
    searched = plain.tuning.model_copy(update={"space": {**plain.tuning.space, WEIGHTS: Simplex()}})
    shared = [Arm(EQUAL, plain), Arm(TUNED, plain.model_copy(update={"tuning": searched}))]
    shared += [Arm(method, it) for method, it in _methods(experiment, plain).items()]
    alone = [single_task(plain, task).model_copy(update={"tuning": plain.tuning}) for task in plain.tasks]
    return shared + [Arm(SINGLE, it, next(iter(it.tasks))) for it in alone]


def _plain(experiment: Experiment) -> Experiment:
    """The experiment with equal weights, and as the comparison trains all its arms."""
    settings, tuning = experiment.compare, experiment.tuning or TuningSettings()
    # Under no condition: what it would name may not be searched here.
    space = {key: tuning.space.get(key, it).model_copy(update={"when": {}}) for key, it in SPACE.items()}
    return experiment.model_copy(
        update={
            "balancing": BalancingSettings(),
            "baselines": Baselines(single=False, reference=False),
            "training": experiment.training.model_copy(update={"seeds": settings.seeds}),
            "tuning": tuning.model_copy(update={"trials": settings.trials, "timeout": None, "space": space}),
        }
    )


def _methods(experiment: Experiment, plain: Experiment) -> dict[str, Experiment]:
    """The experiment with each method, at its defaults, or as the experiment sets its own one.

    Raises:
        UserError: A method that was asked for by name does not admit the experiment.
    """
    asked = experiment.compare.methods
    found = {}
    for method in METHODS if asked == "all" else dict.fromkeys(("random", *asked)):
        own = experiment.balancing.method == method
        settings = experiment.balancing if own else BalancingSettings(method=method)
        try:
            found[method] = with_values(plain.model_copy(update={"balancing": settings}), {})
        except ValidationError as error:
            if asked != "all":
                raise UserError(f"compare.methods: {one_line(error)}") from None
    found.pop("fixed", None)  # which is two arms already: equal and tuned
    return found
