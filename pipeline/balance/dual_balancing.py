"""Update directions from running means of the gradients of the log losses (DB-MTL)."""

import torch
from torch import Tensor

from pipeline.balance.balancer import DirectionBalancer, StepInputs

_EPSILON = 1e-8


class DBMTL(DirectionBalancer):
    """The sum of running means of the log losses' gradients, each scaled to the norm of the longest.

    Lin et al. 2023 (arXiv 2308.12029), as the authors' LibMTL/weighting/DB_MTL.py: G = g + beta / t^sigma (G - g) in
    step t, with g the gradients of log(L + 1e-8) and G initially 0. A task without a labelled row in a step keeps its
    mean, which does not count in that step; neither does a task with a loss of 0 or below, which has no logarithm.
    """

    def init_state(self) -> None:
        """See `Balancer`."""
        self._means = self.add_state("means", len(self.tasks), self.shared)
        self._steps = self.add_state("steps", 1)
        self._beta, self._sigma = self.column("beta"), self.column("sigma")

    def direction(self, inputs: StepInputs) -> Tensor:
        """See `DirectionBalancer`."""
        assert inputs.losses is not None
        assert inputs.jacobian is not None
        present = (inputs.losses > 0.0).unsqueeze(2)
        gradients = inputs.jacobian / (inputs.losses.unsqueeze(2) + _EPSILON)
        decay = (self._beta / self._steps.add_(1.0) ** self._sigma).unsqueeze(2)
        self._means.copy_(torch.where(present, gradients + decay * (self._means - gradients), self._means))
        norms = torch.linalg.vector_norm(self._means, dim=2, keepdim=True) * present
        scales = norms.amax(1, keepdim=True) / (norms + _EPSILON) * present
        return (scales * self._means).sum(1)
