"""The candidates of a job: the experiment as written, baselines, and the winners of studies."""

from pathlib import Path

from pipeline.config import Experiment, load
from pipeline.errors import UserError
from pipeline.steps.arms import SINGLE, Arm
from pipeline.steps.restricted import on_data_of, single_task
from pipeline.steps.step import Step
from pipeline.steps.train import Train
from pipeline.steps.tune import Tune
from pipeline.tracking import tags


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


def winners(arm: Arm, prepare: Step, device: str) -> Train:
    """Training of the winner of each replicate of an arm's study, once more from a fresh seed.

    With nothing to search each replicate's winner is the experiment itself.
    """
    study = Tune(arm, prepare, device) if arm.experiment.tuning else None
    count = arm.experiment.replicates
    return Train(
        arm.experiment,
        SINGLE if arm.name == SINGLE else "arm" if arm.compared else "tuned",
        prepare,
        device,
        task=arm.task,
        study=study,
        winners=study.winners if study else lambda: [{}] * count,
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
