"""Weights that do not change: equal, given, or searched by the tuner."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Fixed:
    """The same weights in every step (linear scalarisation; Kurin et al. 2022, arXiv 2201.04122).

    Attributes:
        chosen: Weights [K, T].
    """

    chosen: Tensor
    needs: frozenset[str] = frozenset()

    @classmethod
    def of(cls, weights: list[dict[str, float]]) -> "Fixed":
        """From each slot's weights by task, in the order of the tasks."""
        return cls(torch.tensor([list(slot.values()) for slot in weights]))

    def weights(self, losses: Tensor | None) -> Tensor:
        """The chosen weights [K, T], whatever the losses."""
        return self.chosen
