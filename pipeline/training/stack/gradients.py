"""From the logits of a batch to the gradients of a step, the tasks weighted by a balancer.

Shapes: K slots, T tasks, P parameters that the tasks share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.balance import DirectionBalancer, StepInputs, make_balancer
from pipeline.config.balancing import Balancing
from pipeline.data.batches import Batch
from pipeline.model import Network, Pass, TaskGradients
from pipeline.stacked import Targets
from pipeline.training.stack.step_means import StepMeans
from pipeline.training.stack.task_losses import Logits, TaskLosses

AllTargets = Mapping[str, Targets]
"""By task."""


class Gradients:
    """Writes the gradients of a batch into a network.

    Where weights come from gradients they weight what the tasks share, and each head follows its own task's loss: a
    weight may be negative there, and a head must never climb its loss.

    Args:
        network: Bound to its values.
        losses: Of the tasks.
        settings: How each slot chooses its weights.

    Attributes:
        per_task: Whether each task's gradient is computed by itself.
        of_tasks: Computes them; None where they are not.
        needs: The inputs that the method reads.
        reads_losses: Whether losses are among them.
    """

    def __init__(self, network: Network, losses: TaskLosses, settings: Sequence[Balancing]) -> None:
        self._network, self._losses = network, losses
        tasks, first = list(losses.of), settings[0]
        self._balancer = make_balancer(settings, tasks, network.on.device, network.shared())
        self.needs = set(first.needs) if len(tasks) > 1 else set()
        self.reads_losses = bool({"losses", "losses_after"} & self.needs)
        self._weights: Tensor | None = None
        self._varying = len(tasks) > 1 and first.method != "fixed"
        self._means, self._unnoted = StepMeans(tasks, len(settings)), True
        self.of_tasks: TaskGradients | None = None
        self.per_task = len(tasks) > 1 and first.reads_gradients
        if self.per_task:
            whole = bool({"jacobian", "cross_gramian"} & self.needs)
            self.of_tasks = TaskGradients(network, getattr(first, "gradients", "parameters"), whole)

    @property
    def state(self) -> dict[str, Tensor]:
        """Rows of the balancer by name."""
        return self._balancer.state

    def losses(self, logits: Logits, targets: AllTargets) -> Tensor | None:
        """The tasks' mean losses, [K, T]; None where the method reads none."""
        return self._losses.means(logits, targets) if self.reads_losses else None

    def weights(self, logits: Logits, targets: AllTargets, losses: Tensor | None, this: Pass) -> Tensor:
        """The tasks' weights, [K, T]; of a method that chooses no weights, the direction of the update, [K, P].

        Args:
            logits: Of the batch.
            targets: Of the batch.
            losses: As `losses` returned them.
            this: The pass that made the logits, with gradients `apart` where they are `per_task`.
        """
        assert this.streams is not None
        seen = StepInputs(this.streams, this.epoch, this.step, losses)
        if self.of_tasks:
            return self._from_gradients(self.of_tasks, logits, targets, seen)
        return self.chosen(seen)

    def due(self, step: int) -> bool:
        """Whether the method reads its inputs in this step of an epoch."""
        return isinstance(self._balancer, DirectionBalancer) or self._balancer.due(step)

    def chosen(self, seen: StepInputs) -> Tensor:
        """What `weights` returns, given all that the method reads."""
        if self.of_tasks:
            return self._chosen_by_gradients(seen)
        weights = self._balancer.weights(seen)
        if weights is not self._weights or self._unnoted:
            self._weights, self._by_task = weights, weights.unbind(1)
            self._note_weights(weights)
        return weights

    def after_step(self, losses: Tensor) -> None:
        """Tell the method the losses after the update."""
        self._balancer.after_step(losses)

    def backward(self, logits: Logits, targets: AllTargets, weights: Tensor) -> None:
        """Write the gradients, given what `weights` returned last."""
        if self.of_tasks is None:
            slopes = zip(self._losses.of.items(), self._by_task, strict=True)
            self._network.backward(
                {task: loss.slopes(logits[task], targets[task], weight) for (task, loss), weight in slopes}
            )
        elif isinstance(self._balancer, DirectionBalancer):
            self.of_tasks.along(weights)
        else:
            self.of_tasks.descend(weights)

    def descend(self, weights: Tensor, jacobian: Tensor) -> None:
        """Write the gradients of what the tasks share, given theirs, [K, T, P], and what `chosen` returned for them."""
        assert self.of_tasks is not None
        if not isinstance(self._balancer, DirectionBalancer):
            weights = self.of_tasks.products(weights.unsqueeze(1), jacobian.mT).squeeze(1)
        self.of_tasks.along(weights)

    def after(self, batch: Batch, this: Pass) -> None:
        """After the update: the same pass once more, for methods that read its losses; statistics stay."""
        if "losses_after" not in self.needs:
            return
        kept = self._network.buffers.clone()
        logits = self._network.forward(batch.inputs, this)
        self._network.buffers.copy_(kept)
        self.after_step(self._losses.means(logits, batch.targets))

    def summaries(self) -> list[dict[str, float]]:
        """A mapping a slot: means since the last call over the first step and those that chose weights.

        `TASK/weight`; of a Gramian, see `StepMeans.gramian`; of methods with a solver, `all/fallbacks`.
        """
        self._unnoted = True
        return self._means.summaries()

    def _from_gradients(self, of_tasks: TaskGradients, logits: Logits, targets: AllTargets, seen: StepInputs) -> Tensor:
        due = self._balancer.due(seen.step)
        if due and "cross_gramian" in self.needs:
            seen = replace(seen, gramian=self._crossed(of_tasks, logits, targets))
        of_tasks.take(self._losses.slopes(logits, targets))
        if isinstance(self._balancer, DirectionBalancer) or (due and "jacobian" in self.needs):
            seen = replace(seen, jacobian=of_tasks.jacobian())
        elif due and "gramian" in self.needs:
            seen = replace(seen, gramian=of_tasks.gramian())
        return self._chosen_by_gradients(seen)

    def _chosen_by_gradients(self, seen: StepInputs) -> Tensor:
        due = self._balancer.due(seen.step)
        if isinstance(self._balancer, DirectionBalancer):
            direction = self._balancer.direction(seen)
            self._note_fallbacks()
            return direction
        weights = self._balancer.weights(seen)
        if due:
            self._note_fallbacks()
        if due or self._unnoted:
            self._note_weights(weights)
        if due and "gramian" in self.needs:
            assert seen.gramian is not None
            self._means.gramian(seen.gramian)
        return weights

    def _note_weights(self, weights: Tensor) -> None:
        self._unnoted = False
        if self._varying:
            self._means.of_tasks("weight", weights)

    def _note_fallbacks(self) -> None:
        if self._balancer.fallbacks is not None:
            self._means.fallbacks(self._balancer.fallbacks)

    def _crossed(self, of_tasks: TaskGradients, logits: Logits, targets: AllTargets) -> Tensor:
        """Inner products of the gradients of the batch's first half and of its second, [K, T, T]."""
        jacobians = []
        for half in (0, 1):
            of_tasks.take(self._losses.slopes(logits, {task: _half(them, half) for task, them in targets.items()}))
            jacobians.append(of_tasks.jacobian().clone())
        return of_tasks.products(*jacobians)


def _half(targets: Targets, half: int) -> Targets:
    """The targets with labels in one half of the rows only, each half with as much share as the whole."""
    rows = targets.share.size(1)
    mine = (torch.arange(rows, device=targets.share.device) >= rows // 2) == bool(half)
    share = targets.share * mine.view(1, -1, *[1] * (targets.share.dim() - 2))
    total = share.flatten(1).sum(1).view(-1, *[1] * (share.dim() - 1))
    return replace(targets, share=share / total.clamp_min(1e-12))
