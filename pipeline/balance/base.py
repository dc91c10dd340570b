"""What a balancer is: it answers one weight a task for the update L = sum of w_i * L_i."""

from typing import Protocol

from torch import Tensor


class Balancer(Protocol):
    """Chooses the weights of a step, for all K slots at once.

    Attributes:
        needs: What `weights` must be given: `losses`; `fixed` needs nothing.
    """

    needs: frozenset[str]

    def weights(self, losses: Tensor | None) -> Tensor:
        """Weights [K, T] that sum to T in every slot, from the losses [K, T] of the step where they are needed.

        Other weights come in another tensor: what is computed from them is kept as long as they are the same object.
        """
