"""The candidates of a job: the experiment as written, baselines, and the winners of its arms' studies.

Arms are ways of training that are compared, all tuned alike: as many replicates, each with as many trials. Those of the
job are the shared network and each task alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Experiment, load, under_base
from pipeline.config.balancing import Balancing
from pipeline.config.compare import TUNED
from pipeline.config.sharing import Sharing
from pipeline.errors import UserError
from pipeline.steps.restricted import on_data_of, single_task
from pipeline.steps.step import Step
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune
from pipeline.tracking import tags

SINGLE = "single"

MOST_ALONE = 20
"""Tasks up to which each one alone has a study of its own; of more, all of them have one together."""

_OF_SEVERAL = ("balancing.", "model.sharing")
"""Settings that networks of one task do not have."""


@dataclass(frozen=True)
class Arm:
    """A way of training that is compared.

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


def candidates(experiment: Experiment, project: Path, prepare: Step, device: str) -> list[Train]:
    """What is trained without a study: the experiment as written, and the baselines that are not tuned.

    Raises:
        UserError: The separate baseline is no experiment.
    """
    steps = [Train(experiment, "default", prepare, device)]
    if experiment.baselines.single and experiment.tuning is None:
        steps += [Train(single_task(experiment, it), SINGLE, prepare, device, task=it) for it in experiment.tasks]
    if experiment.baselines.separate:
        steps.append(Train(_separate(experiment, project), "separate", prepare, device))
    return steps


def study_of(arm: Arm, prepare: Step, device: str) -> Tune:
    """The study of an arm. The shared network's bears no arm's name: it is the study of the experiment."""
    if arm.name == TUNED and not arm.compared:
        return Tune(arm.experiment, prepare, device)
    title = f"tune arm {arm.title}" if arm.compared else f"tune {arm.title}"
    return Tune(arm.experiment, prepare, device, arm.title, title)


def winners(arm: Arm, prepare: Step, device: str) -> Train:
    """Training of the winner of each replicate of an arm's study, once more from a fresh seed.

    With nothing to search each replicate's winner is the experiment itself.
    """
    study = study_of(arm, prepare, device) if arm.experiment.tuning else None
    nothing: list[dict[str, Any]] = [{}] * arm.experiment.replicates
    role = SINGLE if arm.name == SINGLE else "arm" if arm.compared else "tuned"
    return Train(
        arm.experiment,
        role,
        prepare,
        device,
        task=arm.task,
        study=study,
        winners=study.winners if study else lambda: nothing,
        candidate=arm.title,
        title=f"train arm {arm.title}" if arm.compared else "",
        tags={tags.ARM: arm.name} if arm.compared else {},
    )


def _separate(experiment: Experiment, project: Path) -> Experiment:
    """The separate baseline on this experiment's data, tasks and seeds.

    Raises:
        UserError: It is no experiment.
    """
    name = experiment.baselines.separate
    assert name is not None
    try:
        other = load(name, {}, project)
    except UserError as error:
        raise UserError(f"baselines.separate: {error}") from None
    return on_data_of(other, experiment)


def _of_one(key: str) -> bool:
    return not key.startswith(_OF_SEVERAL)
