"""Weights from the tasks' gradients: from their Gramian, slot by slot, GradNorm, and methods on the Jacobian.

A task without a labelled row in a step has gradient 0 there: it is left out of the Gramian, and its weight is 0.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.balance.adam import Adam
from pipeline.balance.balancer import Balancer, DirectionBalancer, StepInputs
from pipeline.balance.geometry import NotSolved
from pipeline.config.balancing import Balancing
from pipeline.draws import seeded

Weighting = Callable[..., Tensor]
"""Maps a Gramian [T, T], and a random generator if the method draws, to weights [T]."""

Aggregation = Callable[[Tensor], Tensor]
"""Maps gradients [T, P] to an update direction [P]."""


class GradNorm(Balancer):
    """GradNorm: weights trained so that the weighted gradients have similar norms, larger ones for lagging tasks.

    Chen et al. 2018 (arXiv 1711.02257), algorithm 1: w minimises, by Adam, sum |w_i n_i - mean(w n) r_i^alpha| with n
    the norms of the gradients and r each loss's ratio to its first value, relative to the mean ratio; then w is scaled
    to sum to T. The norms are over all shared parameters; the paper takes the last shared layer. No public code.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        count = len(self.tasks)
        self._w, self._first = self.add_state("w", count, fill=1.0), self.add_state("first", count)
        self._alpha = self.column("alpha")
        self._adam = Adam(self, self._w, self.column("learning_rate"))

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.losses is not None
        assert inputs.gramian is not None
        weights, present = self._w.clone(), inputs.losses != 0
        self._first.copy_(torch.where((self._first == 0) & present, inputs.losses, self._first))
        norms = inputs.gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt()
        ratios = torch.where(present, inputs.losses / self._first, 0.0)
        count = present.sum(1, keepdim=True).clamp_min(1)
        rates = ratios / (ratios.sum(1, keepdim=True) / count)
        target = (weights * norms).sum(1, keepdim=True) / count * rates**self._alpha
        self._adam.step(norms * torch.sign(weights * norms - target), present)
        self._w.clamp_min_(1e-6)
        self._w.mul_(len(self.tasks) / self._w.sum(1, keepdim=True))
        return weights


def instantiated(implementation: Any, settings: Balancing) -> Any:
    """A function as it is, or an instance of a class, made with the method's settings in the declared order."""
    return implementation(*settings.values().values()) if isinstance(implementation, type) else implementation


class PerSlotWeighting(Balancer):
    """Applies a weighting that takes one Gramian to each slot in turn.

    If a weighting has no solution, the best weights that its solver found are taken, else equal ones; either counts as
    a fallback.

    Args:
        settings: The slots' settings, one per slot.
        tasks: Names of the T tasks.
        device: Device of the weights.
        weighting: A function from a Gramian [T, T] to weights [T], or a class of such functions, made with the method's
            settings. Its attribute `state_specs` declares its state. If its attribute `draws` is true, it also takes a
            random generator, which is seeded for the slot and step.
    """

    def __init__(self, settings: Sequence[Balancing], tasks: Sequence[str], device: str, weighting: Any) -> None:
        super().__init__(settings, tasks, device)
        self._implementation, self._state_specs = weighting, getattr(weighting, "state_specs", ())
        self._draws = getattr(weighting, "draws", False)
        self._weightings: dict[tuple[int, int], Weighting] = {}
        for spec in self._state_specs:
            fill = spec.fill / (len(tasks) if spec.per_task else 1)
            self.add_state(spec.attribute, *[len(tasks)] * spec.axes or [1], fill=fill, dtype=torch.float64)

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`."""
        assert inputs.gramian is not None
        weights = torch.zeros(inputs.gramian.shape[:2], device=self.device)
        self._fallbacks = self.fallbacks = torch.zeros(len(weights))
        for k, (gramian, stream) in enumerate(zip(inputs.gramian.unbind(), inputs.streams, strict=True)):
            if not gramian.isfinite().all():
                weights[k] = torch.nan
                continue
            present = gramian.diagonal().nonzero().flatten()
            if len(present) == 1:
                weights[k, present] = 1.0
            elif len(present):
                seed = stream.seed_of("balancing", inputs.epoch, inputs.step) if self._draws else None
                weights[k, present] = self._of_slot(k, gramian, present, seed)
        return weights

    def _weighting(self, k: int, count: int) -> Weighting:
        """A slot's weighting of so many tasks: TorchJD's reset their state when the number changes."""
        if (k, count) not in self._weightings:
            self._weightings[k, count] = weighting = instantiated(self._implementation, self.settings[k])
            if any(it.made_by_call for it in self._state_specs):
                weighting(torch.eye(count, device=self.device))
        return self._weightings[k, count]

    def _of_slot(self, k: int, gramian: Tensor, present: Tensor, seed: int | None) -> Tensor:
        """The weights of the tasks that are present in the batch; a seed for methods that draw."""
        draws = () if seed is None else (np.random.default_rng(seed),)
        weighting = self._weighting(k, len(present))
        part = gramian if len(present) == len(gramian) else gramian[present][:, present]
        for spec in self._state_specs:
            setattr(weighting, spec.attribute, _get(self.state[spec.attribute][k], present, spec.axes).clone())
        weights, solved = _solved(partial(weighting, part, *draws), part)
        self._fallbacks[k] = float(not solved)
        for spec in self._state_specs if solved else ():
            _set(self.state[spec.attribute][k], present, getattr(weighting, spec.attribute), spec.axes)
        return weights


class PerSlotAggregation(DirectionBalancer):
    """Applies an aggregation of gradients to each slot in turn.

    If it has no solution, the sum of the gradients is taken, which counts as a fallback.

    Args:
        settings: The slots' settings, one per slot.
        tasks: Names of the T tasks.
        device: Device of the gradients.
        aggregation: A function from gradients [T, P], none of which is 0, to a direction [P], or a class of such
            functions, made with the method's settings.
    """

    def __init__(self, settings: Sequence[Balancing], tasks: Sequence[str], device: str, aggregation: Any) -> None:
        super().__init__(settings, tasks, device)
        self._aggregations: list[Aggregation] = [instantiated(aggregation, it) for it in settings]

    def direction(self, inputs: StepInputs) -> Tensor:
        """See `DirectionBalancer`."""
        assert inputs.jacobian is not None
        self.fallbacks = torch.zeros(len(self._aggregations))
        directions = []
        for k, (jacobian, stream) in enumerate(zip(inputs.jacobian.unbind(), inputs.streams, strict=True)):
            present = jacobian.abs().amax(1) != 0
            gradients = jacobian if present.all() else jacobian[present]
            if len(gradients) < 2 or not _is_finite(gradients):
                directions.append(gradients.sum(0))
                continue
            with seeded(stream.seed_of("balancing", inputs.epoch, inputs.step), self.device):
                direction, solved = _aggregated(self._aggregations[k], gradients)
            directions.append(direction)
            self.fallbacks[k] = float(not solved)
        return torch.stack(directions)


class ExcessMTL(Balancer):
    """ExcessMTL: larger weights for tasks with a large excess risk, estimated by Adagrad's scaling of their gradients.

    He et al. 2024 (arXiv 2402.02009), as in the authors' LibMTL/weighting/ExcessMTL.py: a task's first step only
    records its risk, by which the risks of later steps are divided.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        count = len(self.tasks)
        self._squares, self._first = self.add_state("squares", count, self.shared), self.add_state("first", count)
        self._w = self.add_state("w", count, fill=1.0)
        self._rate = self.column("learning_rate")

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`; they sum to T."""
        assert inputs.jacobian is not None
        squares = inputs.jacobian.square()
        self._squares.add_(squares)
        risks = squares.div_((self._squares + 1e-7).sqrt_()).sum(2)
        known = self._first != 0
        shares = torch.where(known, risks / self._first, 0.0)
        self._first.copy_(torch.where(known, self._first, risks))
        self._w.copy_(len(self.tasks) * torch.softmax(self._w.log() + self._rate * shares, 1))
        return self._w.clone()


def _solved(weighting: Callable[[], Tensor], gramian: Tensor) -> tuple[Tensor, bool]:
    """The weights [T], and whether the method has a solution; else the best found, or equal ones."""
    equal = gramian.new_full((len(gramian),), 1 / len(gramian))
    try:
        weights = weighting()
    except NotSolved as error:
        best = equal if error.weights is None else torch.from_numpy(error.weights).to(gramian)
        return (best if best.isfinite().all() else equal), False
    except (ValueError, ArithmeticError, RuntimeError):  # numpy and scipy raise a ValueError for singular matrices
        return equal, False
    return (weights, True) if weights.isfinite().all() else (equal, False)


def _aggregated(aggregation: Aggregation, gradients: Tensor) -> tuple[Tensor, bool]:
    """The direction [P], and whether the method has a solution; else the sum of the gradients."""
    try:
        direction = aggregation(gradients)
    except (ValueError, ArithmeticError, RuntimeError):  # for example of fewer tasks with a gradient than it needs
        return gradients.sum(0), False
    return (direction, True) if _is_finite(direction) else (gradients.sum(0), False)


def _is_finite(values: Tensor) -> bool:
    """Whether all values are finite, computed from their sum, which is cheaper."""
    return bool(values.sum().isfinite())


def _get(state: Tensor, tasks: Tensor, axes: int) -> Tensor:
    return state[tasks][:, tasks] if axes == 2 else state[tasks] if axes else state


def _set(state: Tensor, tasks: Tensor, values: Tensor, axes: int) -> None:
    if axes == 2:
        state[tasks.unsqueeze(1), tasks] = values.to(state)
    elif axes:
        state[tasks] = values.to(state)
    else:
        state.copy_(values)
