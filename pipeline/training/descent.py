"""From the logits of a batch to the gradients of a step, the tasks weighed by a balancer.

Shapes: K slots, T tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.balance import Aggregated, Seen, balancer
from pipeline.config.balancing import BalancingSettings
from pipeline.data.batches import Batch
from pipeline.model import Loss, Network, Pass, TaskGradients
from pipeline.stacked import Stacked, Targets

Logits = Mapping[str, Tensor]

_OF_ALL_TASKS = "conflicts"


class Descent:
    """Leaves the gradients of a batch in a network.

    Where weights come from gradients they weigh what the tasks share, and each head follows its own task's loss: a
    weight may be negative there, and a head that climbs its loss learns nothing.

    Args:
        network: Bound to its values.
        losses: Of the tasks.
        settings: How each slot chooses its weights.
    """

    def __init__(self, network: Network, losses: Mapping[str, Loss], settings: Sequence[BalancingSettings]) -> None:
        self._network, self._losses = network, losses
        self._balancer = balancer(settings, list(losses), network.on.device, network.shared())
        self._needs = set(settings[0].about.needs) if len(losses) > 1 else set()
        self._ones = torch.ones(len(settings), device=network.on.device)
        self._weights: Tensor | None = None
        self._varying = len(losses) > 1 and settings[0].method != "fixed"
        self._noted: dict[str, tuple[Tensor, int]] = {}
        self._gradients: TaskGradients | None = None
        if len(losses) > 1 and settings[0].about.of_gradients:
            whole = bool({"jacobian", "cross_gramian"} & self._needs)
            self._gradients = TaskGradients(network, settings[0].gradients, whole)

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
        seen = Seen(this.streams, this.epoch, this.step)
        if {"losses", "losses_after"} & self._needs:
            seen = replace(seen, losses=self._means(logits, batch.targets))
        if self._gradients:
            self._from_gradients(self._gradients, logits, batch.targets, seen)
            return
        weights = self._balancer.weights(seen)
        if weights is not self._weights:
            self._weights, self._by_task = weights, weights.unbind(1)
            self._note(weight=weights)
        self._network.backward(
            {
                task: loss.slopes(logits[task], batch.targets[task], weight)
                for (task, loss), weight in zip(self._losses.items(), self._by_task, strict=True)
            }
        )

    def told(self) -> list[dict[str, float]]:
        """What was noted since the last call, a mapping a slot: means over the steps that chose weights.

        `TASK/weight`; and where a Gramian was looked at, the norm of each task's gradient on what is shared,
        `TASK/gradient_norm`, and in which share of all pairs of tasks the gradients conflicted, `all/conflicts`.
        """
        found: list[dict[str, float]] = [{} for _ in self._ones]
        for name, (total, steps) in self._noted.items() if self._varying else ():
            owners = ["all"] if name == _OF_ALL_TASKS else list(self._losses)
            for slot, values in zip(found, (total / steps).tolist(), strict=True):
                slot |= {f"{owner}/{name}": value for owner, value in zip(owners, values, strict=True)}
        self._noted.clear()
        return found

    def after(self, batch: Batch, this: Pass) -> None:
        """After the update: the same pass once more, for methods that look at what it did; statistics stay."""
        if "losses_after" not in self._needs:
            return
        kept = self._network.buffers.clone()
        logits = self._network.forward(batch.inputs, this)
        self._network.buffers.copy_(kept)
        self._balancer.after(self._means(logits, batch.targets))

    def _from_gradients(
        self, gradients: TaskGradients, logits: Logits, targets: Mapping[str, Targets], seen: Seen
    ) -> None:
        due = self._balancer.due(seen.step)
        if due and "cross_gramian" in self._needs:
            seen = replace(seen, gramian=self._crossed(gradients, logits, targets))
        gradients.take(self._slopes(logits, targets))
        if isinstance(self._balancer, Aggregated):
            gradients.along(self._balancer.direction(replace(seen, jacobian=gradients.jacobian())))
            return
        if due and "jacobian" in self._needs:
            seen = replace(seen, jacobian=gradients.jacobian())
        elif due and "gramian" in self._needs:
            seen = replace(seen, gramian=gradients.gramian())
        weights = self._balancer.weights(seen)
        if due:
            self._note(weight=weights)
            if "gramian" in self._needs:
                assert seen.gramian is not None
                self._note_gramian(seen.gramian)
        gradients.descend(weights)

    def _note_gramian(self, gramian: Tensor) -> None:
        count = gramian.size(1)
        conflicts = (gramian < 0).flatten(1).sum(1, keepdim=True) / (count * (count - 1))
        self._note(gradient_norm=gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt(), conflicts=conflicts)

    def _note(self, **values: Tensor) -> None:
        """Add to the sums of this epoch, [K, T] or [K, 1] each."""
        for name, value in values.items():
            total, steps = self._noted.get(name, (0.0, 0))
            self._noted[name] = total + value, steps + 1

    def _crossed(self, gradients: TaskGradients, logits: Logits, targets: Mapping[str, Targets]) -> Tensor:
        """Inner products of the gradients of the batch's first half and of its second, [K, T, T]."""
        found = []
        for half in (0, 1):
            gradients.take(self._slopes(logits, {task: _half(it, half) for task, it in targets.items()}))
            found.append(gradients.jacobian().clone())
        return gradients.products(*found)

    def _slopes(self, logits: Logits, targets: Mapping[str, Targets]) -> dict[str, Stacked]:
        return {task: loss.slopes(logits[task], targets[task], self._ones) for task, loss in self._losses.items()}

    def _means(self, logits: Logits, targets: Mapping[str, Targets]) -> Tensor:
        """Each task's loss in each slot, [K, T]; 0 where no row has a label."""
        means = []
        for task, loss in self._losses.items():
            rows = loss.rows(logits[task], targets[task].values)
            means.append(rows.mul_(targets[task].share).flatten(1).sum(1))
        return torch.stack(means, 1)


def _half(targets: Targets, half: int) -> Targets:
    """The targets of which only one half of the rows has a label, each half with as much share as the whole."""
    rows = targets.share.size(1)
    mine = (torch.arange(rows, device=targets.share.device) >= rows // 2) == bool(half)
    share = targets.share * mine.view(1, -1, *[1] * (targets.share.dim() - 2))
    total = share.flatten(1).sum(1).view(-1, *[1] * (share.dim() - 1))
    return replace(targets, share=share / total.clamp_min(1e-12))
