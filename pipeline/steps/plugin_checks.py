"""Whether the parts of the user's own are what they should be, before anything is done: tried on two made-up rows.

Modules are tried when the first network is made: only then are the sizes known. Sources are when they are read.
"""

from pipeline.config import Experiment
from pipeline.errors import UserError


def check_plugins(experiment: Experiment) -> None:
    """Try losses and metrics of the user's own; torch is imported only where there are some.

    Raises:
        UserError: One is not there, cannot be made, or breaks its protocol.
    """
    for name, task in experiment.tasks.items():
        try:
            if task.own_loss:
                from pipeline.model.own_loss import check_loss

                check_loss(task.kind, task.own_loss, task.loss_arguments)
            if task.metrics:
                from pipeline.analysis.own_metrics import check_metrics

                check_metrics(task.kind, task.metrics)
        except UserError as error:
            raise UserError(f"tasks.{name}: {error}") from error
