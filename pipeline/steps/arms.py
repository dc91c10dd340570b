"""Arms: ways of training that are compared, all tuned alike: as many replicates, each with as many trials.

Those of the whole job are the shared network and each task alone.
"""

from dataclasses import dataclass

from pipeline.config import Experiment, under_base
from pipeline.config.balancing import Balancing
from pipeline.config.comparing import TUNED
from pipeline.config.sharing import Sharing
from pipeline.steps.restricted import single_task

SINGLE = "single"

MOST_ALONE = 20
"""Tasks up to which each one alone has a study of its own; of more, all of them have one together."""

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
    begun = replicated(under_base(experiment))
    return [Arm(TUNED, begun), *(alone(begun) if experiment.baselines.single else [])]


def replicated(experiment: Experiment) -> Experiment:
    """The experiment with as many networks as there are replicates."""
    training = experiment.training.model_copy(update={"seeds": experiment.replicates})
    return experiment.model_copy(update={"training": training})


def alone(begun: Experiment, compared: bool = False) -> list[Arm]:
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
    return [Arm(SINGLE, single_task(begun, it).model_copy(update=tuning), it, compared) for it in begun.tasks]


def _of_one(key: str) -> bool:
    return not key.startswith(_OF_SEVERAL)
