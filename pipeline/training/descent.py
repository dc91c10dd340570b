"""From the logits of a batch to the gradients of a step, the tasks weighed by a balancer.

Shapes: K slots, T tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.balance import Aggregated, Seen, balancer
from pipeline.config.balancing import Balancing
from pipeline.data.batches import Batch
from pipeline.model import Network, Pass, TaskGradients
from pipeline.stacked import Targets
from pipeline.training.noted import Noted
from pipeline.training.task_losses import Logits, TaskLosses


class Descent:
    """Leaves the gradients of a batch in a network.

    Where weights come from gradients they weigh what the tasks share, and each head follows its own task's loss: a
    weight may be negative there, and a head that climbs its loss learns nothing.

    Args:
        network: Bound to its values.
        losses: Of the tasks.
        settings: How each slot chooses its weights.
    """

    def __init__(self, network: Network, losses: TaskLosses, settings: Sequence[Balancing]) -> None:
        self._network, self._losses = network, losses
        tasks = list(losses.of)
        self._balancer = balancer(settings, tasks, network.on.device, network.shared())
        self._needs = set(settings[0].needs) if len(tasks) > 1 else set()
        self._reads_losses = bool({"losses", "losses_after"} & self._needs)
        self._weights: Tensor | None = None
        self._varying = len(tasks) > 1 and settings[0].method != "fixed"
        self._noted, self._silent = Noted(tasks, len(settings)), True
        self._gradients: TaskGradients | None = None
        if len(tasks) > 1 and settings[0].of_gradients:
            whole = bool({"jacobian", "cross_gramian"} & self._needs)
            self._gradients = TaskGradients(network, getattr(settings[0], "gradients", "parameters"), whole)

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows of the balancer by name."""
        return self._balancer.state

    @property
    def apart(self) -> bool:
        """Whether the tasks' gradients go back apart."""
        return self._gradients is not None

    def __call__(self, logits: Logits, batch: Batch, this: Pass) -> None:
        """The gradients of a step."""
        assert this.streams is not None
        losses = self._losses.means(logits, batch.targets) if self._reads_losses else None
        seen = Seen(this.streams, this.epoch, this.step, losses)
        if self._gradients:
            self._from_gradients(self._gradients, logits, batch.targets, seen)
            return
        weights = self._balancer.weights(seen)
        if weights is not self._weights or self._silent:
            self._weights, self._by_task = weights, weights.unbind(1)
            self._note_weights(weights)
        self._network.backward(
            {
                task: loss.slopes(logits[task], batch.targets[task], weight)
                for (task, loss), weight in zip(self._losses.of.items(), self._by_task, strict=True)
            }
        )

    def told(self) -> list[dict[str, float]]:
        """What was noted since the last call, a mapping a slot: means over the steps that chose weights, and the first.

        `TASK/weight`; of a Gramian, what `Noted.gramian` says of it; of methods with a solver, `all/fallbacks`.
        """
        self._silent = True
        return self._noted.told()

    def after(self, batch: Batch, this: Pass) -> None:
        """After the update: the same pass once more, for methods that look at what it did; statistics stay."""
        if "losses_after" not in self._needs:
            return
        kept = self._network.buffers.clone()
        logits = self._network.forward(batch.inputs, this)
        self._network.buffers.copy_(kept)
        self._balancer.after(self._losses.means(logits, batch.targets))

    def _from_gradients(
        self, gradients: TaskGradients, logits: Logits, targets: Mapping[str, Targets], seen: Seen
    ) -> None:
        due = self._balancer.due(seen.step)
        if due and "cross_gramian" in self._needs:
            seen = replace(seen, gramian=self._crossed(gradients, logits, targets))
        gradients.take(self._losses.slopes(logits, targets))
        if isinstance(self._balancer, Aggregated):
            gradients.along(self._balancer.direction(replace(seen, jacobian=gradients.jacobian())))
            self._note_fallbacks()
            return
        if due and "jacobian" in self._needs:
            seen = replace(seen, jacobian=gradients.jacobian())
        elif due and "gramian" in self._needs:
            seen = replace(seen, gramian=gradients.gramian())
        weights = self._balancer.weights(seen)
        if due:
            self._note_fallbacks()
        if due or self._silent:
            self._note_weights(weights)
        if due and "gramian" in self._needs:
            assert seen.gramian is not None
            self._noted.gramian(seen.gramian)
        gradients.descend(weights)

    def _note_weights(self, weights: Tensor) -> None:
        self._silent = False
        if self._varying:
            self._noted.of_tasks("weight", weights)

    def _note_fallbacks(self) -> None:
        if self._balancer.fallbacks is not None:
            self._noted.fallbacks(self._balancer.fallbacks)

    def _crossed(self, gradients: TaskGradients, logits: Logits, targets: Mapping[str, Targets]) -> Tensor:
        """Inner products of the gradients of the batch's first half and of its second, [K, T, T]."""
        found = []
        for half in (0, 1):
            gradients.take(self._losses.slopes(logits, {task: _half(it, half) for task, it in targets.items()}))
            found.append(gradients.jacobian().clone())
        return gradients.products(*found)


def _half(targets: Targets, half: int) -> Targets:
    """The targets of which only one half of the rows has a label, each half with as much share as the whole."""
    rows = targets.share.size(1)
    mine = (torch.arange(rows, device=targets.share.device) >= rows // 2) == bool(half)
    share = targets.share * mine.view(1, -1, *[1] * (targets.share.dim() - 2))
    total = share.flatten(1).sum(1).view(-1, *[1] * (share.dim() - 1))
    return replace(targets, share=share / total.clamp_min(1e-12))
