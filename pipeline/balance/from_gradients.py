"""Weights from the Gramian of the tasks' gradients: TorchJD's, one slot after the other, and GradNorm.

A task without a labelled row has gradient 0 in that step: a method sees no row of it, and its weight is 0.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.adam import Adam
from pipeline.balance.base import Balancer, Seen
from pipeline.config.balancing import BalancingSettings
from pipeline.draws import seeded

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

Weighting = Callable[[Tensor], Tensor]
"""From a Gramian [T, T] to weights [T]."""


class GradNorm(Balancer):
    """Trained weights: those of lagging tasks rise until the norms of the weighted gradients say so.

    Chen et al. 2018 (arXiv 1711.02257), algorithm 1: w descends, by Adam, on sum |w_i n_i - mean(w n) r_i^alpha| with n
    the norms of the gradients and r how far each loss is from its first, against the others; then it is brought to sum
    to T. The norms are those on everything shared; the paper takes the last shared layer.
    """

    def __init__(self, settings: Sequence[BalancingSettings], tasks: Sequence[str], device: str = "cpu") -> None:
        super().__init__(settings, tasks, device)
        self._w, self._first = self.rows("w", len(tasks), of=1.0), self.rows("first", len(tasks))
        self._alpha = self.column("alpha")
        self._adam = Adam(self, self._w, self.column("learning_rate"))

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.losses is not None
        assert seen.gramian is not None
        weights, there = self._w.clone(), seen.losses != 0
        self._first.copy_(torch.where((self._first == 0) & there, seen.losses, self._first))
        norms = seen.gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt()
        ratios = torch.where(there, seen.losses / self._first, 0.0)
        count = there.sum(1, keepdim=True).clamp_min(1)
        rates = ratios / (ratios.sum(1, keepdim=True) / count)
        wanted = (weights * norms).sum(1, keepdim=True) / count * rates**self._alpha
        self._adam.step(norms * torch.sign(weights * norms - wanted), there)
        self._w.clamp_min_(1e-6)
        self._w.mul_(len(self.tasks) / self._w.sum(1, keepdim=True))
        return weights


@dataclass(frozen=True)
class Kept:
    """What a weighting of TorchJD remembers between its calls.

    Attributes:
        attribute: Its name there.
        axes: How many axes of tasks it has: 1 of a value a task, 2 of one a pair, 0 of a single value.
        of: What it is at the start.
        per_task: Whether that is divided by the number of tasks.
    """

    attribute: str
    axes: int
    of: float = 0.0
    per_task: bool = False


class SlotBySlot(Balancer):
    """A weighting that looks at one Gramian at a time, such as TorchJD's.

    What it draws comes from torch's generator, seeded for the slot and step. Where its solver fails, all weigh alike.

    Args:
        settings: See `Balancer`.
        tasks: See `Balancer`.
        device: See `Balancer`.
        make: From a slot's settings to the weighting.
        kept: What that remembers.
    """

    def __init__(
        self,
        settings: Sequence[BalancingSettings],
        tasks: Sequence[str],
        device: str = "cpu",
        *,
        make: Callable[[BalancingSettings], Weighting],
        kept: Sequence[Kept] = (),
    ) -> None:
        super().__init__(settings, tasks, device)
        self._make, self._kept = make, kept
        self._made: dict[tuple[int, int], Weighting] = {}
        for it in kept:
            self.rows(it.attribute, *[len(tasks)] * it.axes or [1], of=it.of / (len(tasks) if it.per_task else 1))

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.gramian is not None
        answers = torch.zeros(seen.gramian.shape[:2], device=self.device)
        for k, (gramian, stream) in enumerate(zip(seen.gramian.unbind(), seen.streams, strict=True)):
            if not gramian.isfinite().all():
                answers[k] = torch.nan
                continue
            there = gramian.diagonal().nonzero().flatten()
            if len(there) == 1:
                answers[k, there] = 1.0
            elif len(there):
                weighting = self._weighting(k, len(there))
                with seeded(stream.seed_of("balancing", seen.epoch, seen.step), self.device):
                    answers[k, there] = self._of_slot(k, weighting, gramian, there)
        return answers

    def _weighting(self, k: int, count: int) -> Weighting:
        """A slot's weighting of so many tasks: TorchJD's forget what they remember when the number changes."""
        if (k, count) not in self._made:
            self._made[k, count] = weighting = self._make(self.settings[k])
            if self._kept:
                with seeded(0, self.device), _quietly():  # its first call makes what it remembers
                    weighting(torch.eye(count, device=self.device))
        return self._made[k, count]

    def _of_slot(self, k: int, weighting: Weighting, gramian: Tensor, there: Tensor) -> Tensor:
        """The weights of the tasks that are there."""
        part = gramian if len(there) == len(gramian) else gramian[there][:, there]
        for it in self._kept:
            rows = self.state[it.attribute][k]
            setattr(weighting, it.attribute, _at(rows, there, it.axes).clone())
        try:
            with _quietly():
                weights: Tensor = weighting(part)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError, RuntimeError):
            weights = torch.full((len(there),), torch.nan)
        if not weights.isfinite().all():
            return gramian.new_full((len(there),), 1 / len(there))
        for it in self._kept:
            _put(self.state[it.attribute][k], there, getattr(weighting, it.attribute), it.axes)
        return weights


class Aggregated(Balancer):
    """An aggregator of TorchJD that is no weighting: it answers what the shared values descend along.

    Args:
        settings: See `Balancer`.
        tasks: See `Balancer`.
        device: See `Balancer`.
        make: From a slot's settings to the aggregator.
    """

    def __init__(
        self,
        settings: Sequence[BalancingSettings],
        tasks: Sequence[str],
        device: str = "cpu",
        *,
        make: "Callable[[BalancingSettings], Aggregator]",
    ) -> None:
        super().__init__(settings, tasks, device)
        self._made = [make(it) for it in settings]

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: there are none."""
        raise NotImplementedError

    def direction(self, seen: Seen) -> Tensor:
        """In place of the weighted sum of the gradients, [K, P]."""
        assert seen.jacobian is not None
        answers = []
        for aggregator, jacobian, stream in zip(self._made, seen.jacobian.unbind(), seen.streams, strict=True):
            there = jacobian.abs().amax(1) != 0
            with seeded(stream.seed_of("balancing", seen.epoch, seen.step), self.device):
                answers.append(_aggregated(aggregator, jacobian if there.all() else jacobian[there]))
        return torch.stack(answers)


class ExcessRisk(Balancer):
    """More to tasks whose excess risk is large, which is estimated by Adagrad's scaling of their gradients.

    ExcessMTL, He et al. 2024 (arXiv 2402.02009), algorithm 1; as TorchJD has it, for all slots at once.

    Args:
        settings: See `Balancer`.
        tasks: See `Balancer`.
        device: See `Balancer`.
        shared: P.
    """

    def __init__(
        self, settings: Sequence[BalancingSettings], tasks: Sequence[str], device: str = "cpu", *, shared: int
    ) -> None:
        super().__init__(settings, tasks, device)
        count = len(tasks)
        self._squares, self._first = self.rows("squares", count, shared), self.rows("first", count)
        self._w = self.rows("w", count, of=1 / count)
        self._rate = self.column("learning_rate")

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: they sum to 1."""
        assert seen.jacobian is not None
        squares = seen.jacobian.square()
        self._squares.add_(squares)
        risks = squares.div_((self._squares + 1e-7).sqrt_()).sum(2)
        first = self._first == 0
        shares = torch.where(first, risks, risks / (self._first + 1e-7))
        self._first.copy_(torch.where(first, risks, self._first))
        self._w.copy_(torch.softmax(self._w.log() + self._rate * shares, 1))
        return self._w.clone()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without a solver's advice, which is nothing that a user could follow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _aggregated(aggregator: "Aggregator", gradients: Tensor) -> Tensor:
    """Its answer, or the sum where it takes more tasks than have a gradient in this step, or meets no number."""
    if not gradients.isfinite().all():
        return gradients.sum(0)
    try:
        answer: Tensor = aggregator(gradients)
    except ValueError:
        return gradients.sum(0)
    return answer


def _at(rows: Tensor, there: Tensor, axes: int) -> Tensor:
    return rows[there][:, there] if axes == 2 else rows[there] if axes else rows


def _put(rows: Tensor, there: Tensor, values: Tensor, axes: int) -> None:
    if axes == 2:
        rows[there.unsqueeze(1), there] = values.to(rows)
    elif axes:
        rows[there] = values.to(rows)
    else:
        rows.copy_(values)
