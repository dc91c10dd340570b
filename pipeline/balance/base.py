"""What a balancer is: it answers one weight a task for the update L = sum of w_i * L_i.

Legend of shapes, in all files of this folder: K slots of a stack, T tasks, P values that the tasks share.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pipeline.config.balancing import Balancing, Need
from pipeline.draws import Stream


@dataclass(frozen=True)
class Seen:
    """What a balancer is given of a step, as far as its method needs it.

    Attributes:
        streams: The slots' sources of chance.
        epoch: Of the step.
        step: Within the epoch.
        losses: Of the tasks, [K, T]; 0 where no row has a label.
        gramian: Inner products of the tasks' gradients on what they share, [K, T, T]; or of those of two halves of the
            batch.
        jacobian: These gradients, [K, T, P].
    """

    streams: Sequence[Stream]
    epoch: int
    step: int
    losses: Tensor | None = None
    gramian: Tensor | None = None
    jacobian: Tensor | None = None


class Balancer(ABC):
    """Chooses the weights of a step, for all K slots at once; no slot's weights depend on another's.

    Args:
        settings: One a slot; all name the same method.
        tasks: Names of the T tasks.
        device: Where the weights lie.
        shared: P.

    Attributes:
        needs: Of a method of one's own: what it is given in every step; of others the settings say it.
        state: What it remembers from step to step, a row a slot; whoever holds a balancer may write to these rows.
        fallbacks: Of the last step, [K]: 1 where the method's own answer could not be computed; None of methods that
            solve nothing.
    """

    needs: ClassVar[tuple[Need, ...]] = ()

    def __init__(
        self, settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu", shared: int = 0
    ) -> None:
        self.settings, self.tasks, self.device, self.shared = settings, tasks, device, shared
        self.state: dict[str, Tensor] = {}
        self.fallbacks: Tensor | None = None
        self.begin()

    def begin(self) -> None:  # noqa: B027
        """Make what the method remembers; called once, at its start."""

    @abstractmethod
    def weights(self, seen: Seen) -> Tensor:
        """Weights [K, T], as the method's paper scales them.

        Other weights come in another tensor: what is computed from them is kept as long as they are the same object.
        """

    def due(self, step: int) -> bool:
        """Whether it looks at this step of an epoch."""
        return True

    def after(self, losses: Tensor) -> None:  # noqa: B027
        """Take the losses [K, T] of the same batch after the step; called where the method needs them."""

    def column(self, name: str) -> Tensor:
        """A setting of every slot, [K, 1]."""
        return torch.tensor([[float(it.values()[name])] for it in self.settings], device=self.device)

    def value(self, name: str) -> Any:
        """A setting that all slots have in common."""
        return self.settings[0].values()[name]

    def rows(self, name: str, *shape: int, of: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
        """New rows [K, *shape] of the state."""
        self.state[name] = torch.full((len(self.settings), *shape), of, dtype=dtype, device=self.device)
        return self.state[name]


class Directional(Balancer):
    """A method that gives no weights, but what the shared values descend along."""

    @abstractmethod
    def direction(self, seen: Seen) -> Tensor:
        """In place of the weighted sum of the gradients, [K, P]."""

    def weights(self, seen: Seen) -> Tensor:
        """See `Balancer`: there are none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Kept:
    """What a weighting remembers between its calls.

    Attributes:
        attribute: Its name there; what the weighting leaves in it is kept.
        axes: How many axes of tasks it has: 1 of a value a task, 2 of one a pair, 0 of a single value.
        of: What it is at the start.
        per_task: Whether that is divided by the number of tasks.
        made_by_call: Whether it is there after a first call only, as in TorchJD's.
    """

    attribute: str
    axes: int
    of: float = 0.0
    per_task: bool = False
    made_by_call: bool = False
