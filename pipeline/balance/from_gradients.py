"""Weights from the Gramian of the tasks' gradients, slot by slot; GradNorm; and from the gradients themselves.

A task without a labelled row has gradient 0 in that step: a method sees no row of it, and its weight is 0.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.adam import Adam
from pipeline.balance.base import Balancer, Directional, Seen
from pipeline.balance.geometry import Unsolved
from pipeline.config.balancing import Balancing
from pipeline.draws import seeded

Weighting = Callable[..., Tensor]
"""From a Gramian [T, T], and a source of chance where the method draws, to weights [T]."""

Aggregation = Callable[[Tensor], Tensor]
"""From gradients [T, P] to a direction [P]."""


class GradNorm(Balancer):
    """Trained weights: those of lagging tasks rise until the norms of the weighted gradients say so.

    Chen et al. 2018 (arXiv 1711.02257), algorithm 1: w descends, by Adam, on sum |w_i n_i - mean(w n) r_i^alpha| with n
    the norms of the gradients and r how far each loss is from its first, against the others; then it is brought to sum
    to T. The norms are those on everything shared; the paper takes the last shared layer. Its code is not public.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        count = len(self.tasks)
        self._w, self._first = self.rows("w", count, of=1.0), self.rows("first", count)
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


def made(implementation: Any, settings: Balancing) -> Any:
    """A function as it is, a class made with the method's settings in the order of their declaration."""
    return implementation(*settings.values().values()) if isinstance(implementation, type) else implementation


class SlotBySlot(Balancer):
    """A weighting that looks at one Gramian at a time.

    Where it cannot be computed the best that its solver came to is taken, or else all tasks weigh alike; either counts
    as a fallback.

    Args:
        settings: See `Balancer`.
        tasks: See `Balancer`.
        device: See `Balancer`.
        weighting: A function from a Gramian [T, T] to weights [T], or a class of such functions, made with the method's
            settings. Where it has `kept`, that is what it remembers; where its `draws` is true, it is also given a
            generator that is seeded for the slot and step.
    """

    def __init__(self, settings: Sequence[Balancing], tasks: Sequence[str], device: str, weighting: Any) -> None:
        super().__init__(settings, tasks, device)
        self._of, self._kept = weighting, getattr(weighting, "kept", ())
        self._draws = getattr(weighting, "draws", False)
        self._made: dict[tuple[int, int], Weighting] = {}
        for it in self._kept:
            of = it.of / (len(tasks) if it.per_task else 1)
            self.rows(it.attribute, *[len(tasks)] * it.axes or [1], of=of, dtype=torch.float64)

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`."""
        assert seen.gramian is not None
        answers = torch.zeros(seen.gramian.shape[:2], device=self.device)
        self._fallbacks = self.fallbacks = torch.zeros(len(answers))
        for k, (gramian, stream) in enumerate(zip(seen.gramian.unbind(), seen.streams, strict=True)):
            if not gramian.isfinite().all():
                answers[k] = torch.nan
                continue
            there = gramian.diagonal().nonzero().flatten()
            if len(there) == 1:
                answers[k, there] = 1.0
            elif len(there):
                draws = (
                    (np.random.default_rng(stream.seed_of("balancing", seen.epoch, seen.step)),) if self._draws else ()
                )
                answers[k, there] = self._of_slot(k, gramian, there, draws)
        return answers

    def _weighting(self, k: int, count: int) -> Weighting:
        """A slot's weighting of so many tasks: TorchJD's forget what they remember when the number changes."""
        if (k, count) not in self._made:
            self._made[k, count] = weighting = made(self._of, self.settings[k])
            if any(it.made_by_call for it in self._kept):
                weighting(torch.eye(count, device=self.device))
        return self._made[k, count]

    def _of_slot(self, k: int, gramian: Tensor, there: Tensor, draws: tuple[np.random.Generator, ...]) -> Tensor:
        """The weights of the tasks that are there."""
        weighting = self._weighting(k, len(there))
        part = gramian if len(there) == len(gramian) else gramian[there][:, there]
        for it in self._kept:
            rows = self.state[it.attribute][k]
            setattr(weighting, it.attribute, _at(rows, there, it.axes).clone())
        weights, solved = _tried(partial(weighting, part, *draws), part)
        self._fallbacks[k] = float(not solved)
        for it in self._kept if solved else ():
            _put(self.state[it.attribute][k], there, getattr(weighting, it.attribute), it.axes)
        return weights


class Aggregated(Directional):
    """A method that gives no weights: it answers what the shared values descend along.

    Where it cannot, that is the sum of the gradients, which counts as a fallback.

    Args:
        settings: See `Balancer`.
        tasks: See `Balancer`.
        device: See `Balancer`.
        aggregation: A function from gradients [T, P], none of which is 0, to a direction [P], or a class of such
            functions, made with the method's settings.
    """

    def __init__(self, settings: Sequence[Balancing], tasks: Sequence[str], device: str, aggregation: Any) -> None:
        super().__init__(settings, tasks, device)
        self._made: list[Aggregation] = [made(aggregation, it) for it in settings]

    def direction(self, seen: Seen) -> Tensor:
        """See `Directional`."""
        assert seen.jacobian is not None
        self.fallbacks = torch.zeros(len(self._made))
        answers = []
        for k, (jacobian, stream) in enumerate(zip(seen.jacobian.unbind(), seen.streams, strict=True)):
            there = jacobian.abs().amax(1) != 0
            gradients = jacobian if there.all() else jacobian[there]
            if len(gradients) < 2 or not _is_finite(gradients):
                answers.append(gradients.sum(0))
                continue
            with seeded(stream.seed_of("balancing", seen.epoch, seen.step), self.device):
                answer, solved = _aggregated(self._made[k], gradients)
            answers.append(answer)
            self.fallbacks[k] = float(not solved)
        return torch.stack(answers)


class ExcessRisk(Balancer):
    """More to tasks whose excess risk is large, which is estimated by Adagrad's scaling of their gradients.

    ExcessMTL, He et al. 2024 (arXiv 2402.02009), as its authors' LibMTL/weighting/ExcessMTL.py: a task's first step
    only records its risk, by which those of later steps are divided.
    """

    def begin(self) -> None:
        """See `Balancer`."""
        count = len(self.tasks)
        self._squares, self._first = self.rows("squares", count, self.shared), self.rows("first", count)
        self._w = self.rows("w", count, of=1.0)
        self._rate = self.column("learning_rate")

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: they sum to T."""
        assert seen.jacobian is not None
        squares = seen.jacobian.square()
        self._squares.add_(squares)
        risks = squares.div_((self._squares + 1e-7).sqrt_()).sum(2)
        known = self._first != 0
        shares = torch.where(known, risks / self._first, 0.0)
        self._first.copy_(torch.where(known, self._first, risks))
        self._w.copy_(len(self.tasks) * torch.softmax(self._w.log() + self._rate * shares, 1))
        return self._w.clone()


def _tried(weighting: Callable[[], Tensor], gramian: Tensor) -> tuple[Tensor, bool]:
    """Weights [T], and whether they are those of the method."""
    equal = gramian.new_full((len(gramian),), 1 / len(gramian))
    try:
        weights = weighting()
    except Unsolved as error:
        best = equal if error.weights is None else torch.from_numpy(error.weights).to(gramian)
        return (best if best.isfinite().all() else equal), False
    except (ValueError, ArithmeticError, RuntimeError):  # the first of them is numpy's and scipy's of singular matrices
        return equal, False
    return (weights, True) if weights.isfinite().all() else (equal, False)


def _aggregated(aggregation: Aggregation, gradients: Tensor) -> tuple[Tensor, bool]:
    """A direction [P], and whether it is that of the method."""
    try:
        answer = aggregation(gradients)
    except (ValueError, ArithmeticError, RuntimeError):  # such as of more tasks than have a gradient in this step
        return gradients.sum(0), False
    return (answer, True) if _is_finite(answer) else (gradients.sum(0), False)


def _is_finite(values: Tensor) -> bool:
    """Whether all values are, which their sum tells at less cost."""
    return bool(values.sum().isfinite())


def _at(rows: Tensor, there: Tensor, axes: int) -> Tensor:
    return rows[there][:, there] if axes == 2 else rows[there] if axes else rows


def _put(rows: Tensor, there: Tensor, values: Tensor, axes: int) -> None:
    if axes == 2:
        rows[there.unsqueeze(1), there] = values.to(rows)
    elif axes:
        rows[there] = values.to(rows)
    else:
        rows.copy_(values)
