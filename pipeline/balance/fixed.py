"""Weights that look at nothing: equal, given, searched by the tuner, or drawn."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.balance.base import Balancer, Seen
from pipeline.config.balancing import Balancing
from pipeline.draws import generator


def preferred(settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu") -> Tensor:
    """The weights that each slot's settings give, [K, T], which sum to T."""
    given = [it.normalised(list(tasks)) for it in settings]
    return torch.tensor([[slot[task] for task in tasks] for slot in given], device=device)


class Fixed(Balancer):
    """The same weights in every step (linear scalarisation; Kurin et al. 2022, arXiv 2201.04122)."""

    def begin(self) -> None:
        """See `Balancer`."""
        self._chosen = preferred(self.settings, self.tasks, self.device)

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: always the same."""
        return self._chosen


class Random(Balancer):
    """The softmax of normal draws, in every step anew (RLW; Lin et al. 2022, arXiv 2111.10603; LibMTL's RLW.py)."""

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: they sum to 1."""
        count = len(self.tasks)
        draws = [
            torch.randn(count, generator=generator(it.seed, it.name, "weights", seen.epoch, seen.step))
            for it in seen.streams
        ]
        return torch.stack(draws).softmax(1).to(self.device)
