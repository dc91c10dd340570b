"""Weights that depend on neither losses nor gradients: equal, given, searched by the tuner, or random."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.balance.balancer import Balancer, StepInputs
from pipeline.config.balancing import Balancing
from pipeline.draws import generator


def given_weights(settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu") -> Tensor:
    """The weights in each slot's settings, [K, T], scaled to sum to T."""
    weights = [it.normalised(list(tasks)) for it in settings]
    return torch.tensor([[slot[task] for task in tasks] for slot in weights], device=device)


class Fixed(Balancer):
    """The same weights in every step (linear scalarisation; Kurin et al. 2022, arXiv 2201.04122)."""

    def init_state(self) -> None:
        """See `Balancer`."""
        self._chosen = given_weights(self.settings, self.tasks, self.device)

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`: the same in every step."""
        return self._chosen


class Random(Balancer):
    """The softmax of normal draws, anew in every step (RLW; Lin et al. 2022, arXiv 2111.10603; LibMTL's RLW.py)."""

    def weights(self, inputs: StepInputs) -> Tensor:
        """See `Balancer`: they sum to 1."""
        count = len(self.tasks)
        draws = [
            torch.randn(count, generator=generator(it.seed, it.name, "weights", inputs.epoch, inputs.step))
            for it in inputs.streams
        ]
        return torch.stack(draws).softmax(1).to(self.device)
