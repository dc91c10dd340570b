"""Arms: ways of training that are compared, each with a study of its own.

The job has the shared network and each task alone; a comparison equal, tuned and random weights, the methods asked for,
and each task alone. All are tuned alike: as many replicates, each with as many trials.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import ValidationError

from pipeline.config import Experiment, under_base, with_values
from pipeline.config.balancing import Balancing
from pipeline.config.comparing import EQUAL, TUNED
from pipeline.config.experiment import Baselines
from pipeline.config.problems import one_line
from pipeline.config.sharing import Sharing
from pipeline.config.space import WEIGHTS
from pipeline.config.tuning import Dimension, FloatRange, Simplex, TuningSettings
from pipeline.errors import UserError
from pipeline.steps.restricted import single_task

SINGLE = "single"

MOST_ALONE = 20
"""Tasks up to which each one alone has a study of its own; of more, all of them have one together."""

SPACE: Mapping[str, Dimension] = MappingProxyType(
    {
        "training.learning_rate": FloatRange(float=(1e-3, 2e-2), log=True),
        "model.trunk.dropout": FloatRange(float=(0.0, 0.7)),
        "training.weight_decay": FloatRange(float=(1e-6, 1e-2), log=True),
    }
)
"""What the study of every arm of a comparison searches, where the experiment's own space says nothing of these."""

_OF_SEVERAL = ("balancing.", "model.sharing")
"""Settings that networks of one task do not have."""


@dataclass(frozen=True)
class Arm:
    """One of them.

    Attributes:
        name: `tuned`, `single`, `equal`, or a method.
        experiment: As its replicates begin, with its study; `tuning` is null where there is nothing to search.
        task: Of a network of one task.
        compared: It belongs to a comparison.
    """

    name: str
    experiment: Experiment
    task: str | None = None
    compared: bool = False

    @property
    def title(self) -> str:
        """Such as `upgrad` or `single mnist`."""
        return f"{self.name} {self.task}" if self.task else self.name

    @property
    def cost(self) -> float:
        """How many times as long as with equal weights a step takes, roughly."""
        return self.experiment.balancing.cost


def job_arms(experiment: Experiment) -> list[Arm]:
    """The arms of the whole job: the shared network as the experiment opens it, and each task alone; none untuned."""
    if experiment.tuning is None:
        return []
    begun = _replicated(under_base(experiment))
    alone = _alone(begun) if experiment.baselines.single else []
    return [Arm(TUNED, begun), *alone]


def arms(experiment: Experiment) -> list[Arm]:
    """The arms of a comparison: equal, tuned and random weights, the methods asked for, and each task alone.

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
    plain = _plain(as_compared(experiment))
    assert plain.tuning is not None
    searched = plain.tuning.model_copy(update={"space": {**plain.tuning.space, WEIGHTS: Simplex(simplex=True)}})
    shared = [Arm(EQUAL, plain, compared=True)]
    shared += [Arm(TUNED, plain.model_copy(update={"tuning": searched}), compared=True)]
    shared += [Arm(method, it, compared=True) for method, it in _methods(experiment, plain).items()]
    return shared + _alone(plain, compared=True)


def as_compared(experiment: Experiment) -> Experiment:
    """The experiment with the study of a comparison: `compare.seeds` and `compare.trials` are names of its settings.

    Raises:
        UserError: The trials cannot be dealt out to the replicates.
    """
    own, tuning = experiment.compare, experiment.tuning or TuningSettings()
    trials = tuning.trials if own.trials is None else own.trials
    given = {"replicates": own.seeds or tuning.replicates, "trials": trials, "timeout": None}
    found = experiment.model_copy(update={"tuning": tuning.model_copy(update=given)})
    try:
        return with_values(found, {})
    except ValidationError as error:
        raise UserError(f"compare: {one_line(error)}") from None


def _replicated(experiment: Experiment) -> Experiment:
    """Its arms train as many networks as there are replicates."""
    training = experiment.training.model_copy(update={"seeds": experiment.replicates})
    return experiment.model_copy(update={"training": training})


def _alone(begun: Experiment, compared: bool = False) -> list[Arm]:
    """Each task alone, tuned over what the experiment opens of a single network."""
    assert begun.tuning is not None
    space = {
        key: it.model_copy(update={"when": {named: values for named, values in it.when.items() if _of_one(named)}})
        for key, it in begun.tuning.space.items()
        if _of_one(key)
    }
    tuning = {"tuning": begun.tuning.model_copy(update={"space": space}) if space else None}
    if len(begun.tasks) > MOST_ALONE:
        sharing = begun.model.model_copy(update={"sharing": Sharing.of("separate")})
        training = begun.training.model_copy(update={"watch": None})
        apart = {"model": sharing, "balancing": Balancing.of("fixed"), "training": training}
        return [Arm(SINGLE, begun.model_copy(update=apart | tuning), compared=compared)]
    alone = {task: single_task(begun, task).model_copy(update=tuning) for task in begun.tasks}
    return [Arm(SINGLE, it, task, compared) for task, it in alone.items()]


def _of_one(key: str) -> bool:
    return not key.startswith(_OF_SEVERAL)


def _plain(experiment: Experiment) -> Experiment:
    """The experiment with equal weights, and as the comparison trains all its arms."""
    begun = _replicated(under_base(experiment))
    tuning = begun.tuning
    assert tuning is not None
    # Under no condition: what it would name may not be searched here.
    space = {key: tuning.space.get(key, it).model_copy(update={"when": {}}) for key, it in SPACE.items()}
    return begun.model_copy(
        update={
            "balancing": Balancing.of("fixed"),
            "baselines": Baselines(single=False, separate=None, reference=begun.baselines.reference),
            "tuning": tuning.model_copy(update={"space": space}),
        }
    )


def _methods(experiment: Experiment, plain: Experiment) -> dict[str, Experiment]:
    """The experiment with each method, at its defaults, or as the experiment sets its own one.

    Raises:
        UserError: A method that was asked for by name does not admit the experiment.
    """
    asked = experiment.compare.methods
    found = {}
    for method in Balancing.choices if asked == "all" else dict.fromkeys(("random", *asked)):
        own = experiment.balancing.method == method
        settings = experiment.balancing if own else Balancing.of(method)
        try:
            found[method] = with_values(plain.model_copy(update={"balancing": settings}), {})
        except ValidationError as error:
            if asked != "all":
                raise UserError(f"compare.methods: {one_line(error)}") from None
    found.pop("fixed", None)  # which is two arms already: equal and tuned
    return found
