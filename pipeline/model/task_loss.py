"""The loss of a task, by its settings."""

from pipeline.config.tasks import OwnParts, TaskSettings, Weighted
from pipeline.kinds import kind_of
from pipeline.model.losses import Focal, Loss
from pipeline.model.own_loss import OwnLoss


def loss_of(task: TaskSettings, device: str = "cpu") -> Loss:
    """The loss of a task.

    Args:
        task: Its settings.
        device: Where logits and targets lie.

    Raises:
        UserError: A loss of the user's own is not there, or cannot be made.
    """
    if isinstance(task, OwnParts) and task.own_loss:
        return OwnLoss(task.own_loss, task.loss_arguments, device)
    kind = kind_of(task.kind)
    plain: Loss = kind.load(kind.losses[task.loss])(device)
    return Focal(plain, task.focal, device) if isinstance(task, Weighted) and task.focal else plain
