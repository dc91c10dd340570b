"""What can be known before any work: whether parts of the user's own, sources, device and storage are there.

Losses and metrics are tried on two made-up rows. Modules are tried when the first network is made: only then are the
sizes known. Sources are when they are read.
"""

from pathlib import Path

from pipeline.config import Experiment
from pipeline.config.tasks import OwnParts
from pipeline.errors import UserError
from pipeline.steps.device import exactness, resolve_device
from pipeline.steps.graph import Job
from pipeline.steps.tune import check_storage_of


def check(experiment: Experiment, project: Path, command: str, arm: str = "") -> None:
    """What can be known before any work.

    Args:
        experiment: What is to be done.
        project: The project folder.
        command: Any command that trains.
        arm: Whose study it is, of `tune`.

    Raises:
        UserError: Device, sources, baselines, arm, plugins or storage are not what they should be.
        Failure: The storage does not answer.
    """
    job, device = Job(experiment, project), resolve_device(experiment)
    if command == "tune":
        job.study(arm)
    job.prepare.key()
    for train in job.trained:
        if train.study is None:
            exactness(train.experiment, device)  # code and weights of the user's own are there
    _check_plugins(experiment)
    if experiment.training.augment:
        from pipeline.data.augment import transforms

        for name in experiment.source_names:
            transforms(experiment.training.transforms_of(name))
    if experiment.tuning is not None:
        check_storage_of(experiment, project)


def _check_plugins(experiment: Experiment) -> None:
    """Try losses and metrics of the user's own; torch is imported only where there are some.

    Raises:
        UserError: One is not there, cannot be made, or breaks its protocol.
    """
    for name, task in experiment.tasks.items():
        try:
            if isinstance(task, OwnParts) and task.own_loss:
                from pipeline.model.own_loss import check_loss

                check_loss(task.kind, task.own_loss, task.loss_arguments)
            if task.own_metrics:
                from pipeline.analysis.own_metrics import check_metrics

                check_metrics(task.kind, task.own_metrics)
        except UserError as error:
            raise UserError(f"tasks.{name}: {error}") from error
