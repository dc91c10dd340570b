"""What is noted of the steps of an epoch, and told at its end as a mean.

Shapes: K slots, T tasks, N names.
"""

from itertools import combinations

import torch
from torch import Tensor


class Noted:
    """Sums over steps, a row a slot.

    Args:
        tasks: Names of the T tasks.
        slots: K.
    """

    def __init__(self, tasks: list[str], slots: int) -> None:
        self._tasks, self._slots = tasks, slots
        self._one, self._other = torch.triu_indices(len(tasks), len(tasks), 1).unbind()
        self._pairs = tuple(f"{one}/cosine_{other}" for one, other in combinations(tasks, 2))
        self._sums: dict[tuple[str, ...], tuple[Tensor, Tensor | int]] = {}

    def of_tasks(self, what: str, values: Tensor) -> None:
        """A value a task, [K, T], under `TASK/what`."""
        self._add(tuple(f"{task}/{what}" for task in self._tasks), values)

    def gramian(self, gramian: Tensor) -> None:
        """Of the inner products of the tasks' gradients [K, T, T]: norms, cosines, and which pairs conflict.

        `TASK/gradient_norm`; `TASK/cosine_OTHER` of every pair, in steps in which both have a gradient; and
        `all/conflicts`, the share of all pairs whose gradients have a negative product.
        """
        norms = gramian.diagonal(dim1=1, dim2=2).clamp_min(0.0).sqrt()
        self.of_tasks("gradient_norm", norms)
        products = gramian[:, self._one, self._other]
        self._add(("all/conflicts",), (products < 0).float().mean(1, keepdim=True))
        self.known(self._pairs, products / (norms[:, self._one] * norms[:, self._other]))

    def known(self, names: tuple[str, ...], values: Tensor) -> None:
        """Values [K, N] that are NaN in steps that do not know them."""
        self._add(names, values.nan_to_num(0.0), ~values.isnan())

    def told(self) -> list[dict[str, float]]:
        """The means since the last call, a mapping a slot; what no step knew is left out."""
        found: list[dict[str, float]] = [{} for _ in range(self._slots)]
        for names, (total, steps) in self._sums.items():
            for slot, values in zip(found, (total / steps).tolist(), strict=True):
                slot |= {name: value for name, value in zip(names, values, strict=True) if value == value}
        self._sums.clear()
        return found

    def _add(self, names: tuple[str, ...], values: Tensor, steps: Tensor | int = 1) -> None:
        total, before = self._sums.get(names, (0.0, 0))
        self._sums[names] = total + values, before + steps
