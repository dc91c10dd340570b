"""Means over the steps from one validation to the next.

Shapes: K slots, T tasks, N names.
"""

from itertools import combinations

import torch
from torch import Tensor


class StepMeans:
    """Means over steps, a row a slot.

    Args:
        tasks: Names of the T tasks.
        slots: K.
    """

    def __init__(self, tasks: list[str], slots: int) -> None:
        self._tasks, self._slots = tasks, slots
        self._one, self._other = torch.triu_indices(len(tasks), len(tasks), 1).unbind()
        self._names = {
            "cosine": [f"{one}/cosine_{other}" for one, other in combinations(tasks, 2)],
            "affinity": [f"{by}/affinity_{of}" for by in tasks for of in tasks],
            "conflicts": ["all/conflicts"],
            "fallbacks": ["all/fallbacks"],
        }
        self._sums: dict[str, tuple[Tensor, Tensor | int]] = {}

    def of_tasks(self, what: str, values: Tensor) -> None:
        """A value a task, [K, T], under `TASK/what`."""
        self._add(what, values)

    def affinity(self, moves: Tensor) -> None:
        """What a step for each task (second axis) takes of the loss of each (third), [K, T, T]; NaN is not known.

        `TASK/affinity_OTHER`, in steps that know it.
        """
        self._known("affinity", moves.flatten(1))

    def gramian(self, gramian: Tensor) -> None:
        """Of the inner products of the tasks' gradients [K, T, T]: norms, cosines, and which pairs conflict.

        `TASK/gradient_norm`; `TASK/cosine_OTHER` of every pair, in steps in which both have a gradient; and
        `all/conflicts`, the share of all pairs whose gradients have a negative product.
        """
        norms = gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt()
        self.of_tasks("gradient_norm", norms)
        products = gramian[:, self._one, self._other]
        self._add("conflicts", (products < 0).float().mean(1, keepdim=True))
        self._known("cosine", products / (norms[:, self._one] * norms[:, self._other]))

    def fallbacks(self, fell: Tensor) -> None:
        """`all/fallbacks`: the share of steps whose weights were not those of the method, of 0 and 1 a slot, [K]."""
        self._add("fallbacks", fell.unsqueeze(1))

    def summaries(self) -> list[dict[str, float]]:
        """The means since the last call, a mapping a slot, without those that no step knew."""
        means: list[dict[str, float]] = [{} for _ in range(self._slots)]
        for what, (total, steps) in self._sums.items():
            names = self._names.get(what) or [f"{task}/{what}" for task in self._tasks]
            for slot, values in zip(means, (total / steps).tolist(), strict=True):
                slot |= {name: value for name, value in zip(names, values, strict=True) if value == value}
        self._sums.clear()
        return means

    def _known(self, what: str, values: Tensor) -> None:
        """Values [K, N] that are NaN in steps that do not know them."""
        self._add(what, values.nan_to_num(0.0), ~values.isnan())

    def _add(self, what: str, values: Tensor, steps: Tensor | int = 1) -> None:
        total, before = self._sums.get(what, (0.0, 0))
        self._sums[what] = total + values, before + steps
