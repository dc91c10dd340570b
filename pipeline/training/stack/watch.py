"""Measures the gradients of the tasks while they train, whatever chooses their weights.

Shapes: K slots, T tasks, P values that the tasks share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.config.training import TrainingSettings
from pipeline.data.batches import Batch
from pipeline.model import Network, Pass, TaskGradients
from pipeline.training.optim.per_slot import Optimizer
from pipeline.training.stack.step_means import StepMeans
from pipeline.training.stack.task_losses import TaskLosses


class Watch:
    """Measures before a step, with passes of its own: the step finds everything as it would be without.

    Args:
        network: Bound to its values; its tasks share layers.
        losses: Of the tasks.
        settings: Of the slots; all have the same `watch`.
    """

    def __init__(self, network: Network, losses: TaskLosses, settings: Sequence[TrainingSettings]) -> None:
        assert settings[0].watch
        self._network, self._losses, self._settings = network, losses, settings[0].watch
        self._gradients = TaskGradients(network, whole=self._settings.lookahead)
        tasks = list(losses.of)
        self._means = StepMeans(tasks, len(settings))
        self._shared = network.values[:, : network.shared()]
        self._direction = self._shared.clone()
        self._optimizer = Optimizer([_alone(it) for it in settings], self._shared, self._direction)

    def due(self, step: int) -> bool:
        """Whether this step of an epoch is measured."""
        return step % self._settings.every == 0

    def begin(self, schedule_factors: Sequence[float], plateau_factors: Sequence[float]) -> None:
        """Set the learning rates of an epoch, see `Optimizer.begin`."""
        self._optimizer.begin(schedule_factors, plateau_factors)

    def __call__(self, batch: Batch, this: Pass, state: Mapping[str, Tensor], done: int) -> None:
        """Measure a batch.

        Args:
            batch: That the step is going to train on.
            this: Its pass: the same rows are dropped in every pass here.
            state: Rows [K, >= P] of the optimizer by name.
            done: Its updates so far.
        """
        buffers = self._network.buffers.clone()
        logits = self._network.forward(batch.inputs, replace(this, apart=True))
        losses = self._losses.means(logits, batch.targets)
        self._gradients.take(self._losses.slopes(logits, batch.targets))
        if self._settings.lookahead:
            jacobian = self._gradients.jacobian()
            self._means.gramian(self._gradients.products(jacobian, jacobian))
            self._look_ahead(batch, replace(this, apart=False), losses, jacobian, state, done)
        else:
            self._means.gramian(self._gradients.gramian())
        self._network.buffers.copy_(buffers)

    def summaries(self) -> list[dict[str, float]]:
        """Means since the last call, a mapping a slot.

        See `StepMeans.gramian`; and `TASK/affinity_OTHER`, the mean share of the other task's loss that a step for this
        task alone takes away.
        """
        return self._means.summaries()

    def _look_ahead(
        self,
        batch: Batch,
        this: Pass,
        before: Tensor,
        jacobian: Tensor,
        state: Mapping[str, Tensor],
        done: int,
    ) -> None:
        """Lookahead affinity (Fifty et al. 2021, arXiv 2109.04617, section 3): 1 - L_j(after a step for i) / L_j.

        The step is one of the experiment's optimizer at its rate, on the shared values alone, without momentum and
        decay, so that it shows the effect of one task's gradient.
        """
        kept = self._shared.clone()
        moves = []
        for gradient in jacobian.unbind(1):
            self._optimizer.resume(done)
            for name, rows in self._optimizer.state.items():
                rows.copy_(state[name][:, : rows.size(1)])
            self._direction.copy_(gradient)
            self._optimizer.step(this)
            after = self._losses.means(self._network.forward(batch.inputs, this), batch.targets)
            self._shared.copy_(kept)
            moves.append(1.0 - after / before)
        # A task without rows in this batch has no loss, and makes no step.
        blank = (before == 0).unsqueeze(2)
        matrix = torch.stack(moves, 1).masked_fill(blank | blank.mT, torch.nan)
        self._means.affinity(matrix)


def _alone(settings: TrainingSettings) -> TrainingSettings:
    """The same rule without what it remembers of earlier directions, without decay and clipping."""
    return settings.model_copy(
        update={"momentum": 0.0, "nesterov": False, "beta1": 0.0, "weight_decay": 0.0, "clip_norm": None}
    )
