"""The base of all balancers: a balancer returns one weight a task for the update L = sum of w_i * L_i.

Shapes, in all files of this folder: K slots of a stack, T tasks, P shared parameters.
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
class StepInputs:
    """The inputs of a balancer in one step; what its method does not need is None.

    Attributes:
        streams: The slots' random streams, one per slot.
        epoch: Number of the epoch, from 0.
        step: Number of the step within the epoch, from 0.
        losses: The tasks' losses, [K, T]; 0 where no row of the batch has a label.
        gramian: Inner products of the tasks' gradients with respect to the shared parameters, [K, T, T]; for methods
            that need `cross_gramian`, of the gradients of the batch's two halves.
        jacobian: The tasks' gradients with respect to the shared parameters, [K, T, P].
    """

    streams: Sequence[Stream]
    epoch: int
    step: int
    losses: Tensor | None = None
    gramian: Tensor | None = None
    jacobian: Tensor | None = None


class Balancer(ABC):
    """Chooses the task weights of a step, for all K slots at once; no slot's weights depend on another's.

    A method of one's own is a subclass that declares what it `needs`:

    >>> import torch
    >>> from pipeline.config.balancing import Balancing
    >>> class InverseLoss(Balancer):
    ...     needs = ("losses",)
    ...
    ...     def weights(self, inputs):
    ...         return 1 / inputs.losses
    >>> balancer = InverseLoss([Balancing.of("fixed")], ["left", "right"])
    >>> balancer.weights(StepInputs([], epoch=0, step=0, losses=torch.tensor([[0.5, 2.0]])))
    tensor([[2.0000, 0.5000]])

    Args:
        settings: The slots' settings, one per slot; all name the same method.
        tasks: Names of the T tasks.
        device: Device of the weights and the state.
        shared: P, the number of shared parameters.

    Attributes:
        needs: The inputs that a method of one's own reads; built-in methods declare them in their settings.
        state: The state from step to step by name, with a leading axis of slots. Checkpoints save it, and restore it
            by writing into these tensors.
        fallbacks: Whether the last step fell back to other weights because the method had no solution, [K], 1 or 0;
            None for methods that solve no problem.
    """

    needs: ClassVar[tuple[Need, ...]] = ()

    def __init__(
        self, settings: Sequence[Balancing], tasks: Sequence[str], device: str = "cpu", shared: int = 0
    ) -> None:
        self.settings, self.tasks, self.device, self.shared = settings, tasks, device, shared
        self.state: dict[str, Tensor] = {}
        self.fallbacks: Tensor | None = None
        self.init_state()

    def init_state(self) -> None:  # noqa: B027
        """Create the method's state; called once, by the constructor."""

    @abstractmethod
    def weights(self, inputs: StepInputs) -> Tensor:
        """The weights [K, T], scaled as in the method's paper.

        Changed weights must be a new tensor: what callers compute from them is cached by the tensor's identity.
        """

    def due(self, step: int) -> bool:
        """Whether new weights are chosen in this step of an epoch."""
        return True

    def after_step(self, losses: Tensor) -> None:  # noqa: B027
        """Receive the losses [K, T] of the same batch after the update; called if the method needs `losses_after`."""

    def column(self, name: str) -> Tensor:
        """A setting of all slots as a tensor [K, 1]."""
        return torch.tensor([[float(it.values()[name])] for it in self.settings], device=self.device)

    def value(self, name: str) -> Any:
        """A setting that is the same in all slots."""
        return self.settings[0].values()[name]

    def add_state(self, name: str, *shape: int, fill: float = 0.0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Add a tensor [K, *shape] to the state, filled with a value, and return it."""
        self.state[name] = torch.full((len(self.settings), *shape), fill, dtype=dtype, device=self.device)
        return self.state[name]


class DirectionBalancer(Balancer):
    """A method without weights: it returns the update direction of the shared parameters."""

    @abstractmethod
    def direction(self, inputs: StepInputs) -> Tensor:
        """The direction that takes the place of the weighted sum of the gradients, [K, P]."""

    def weights(self, inputs: StepInputs) -> Tensor:
        """Not available: the method has a direction, and no weights."""
        raise NotImplementedError


@dataclass(frozen=True)
class StateSpec:
    """Declares an attribute in which a weighting of one slot keeps state between its calls.

    Attributes:
        attribute: Name of the attribute; it is set before each call and read after it.
        axes: Number of task axes: 1 for a value per task, 2 for one per pair of tasks, 0 for a single value.
        fill: Initial value.
        per_task: Whether the initial value is divided by the number of tasks.
        made_by_call: Whether the attribute exists after a first call only, as in TorchJD's weightings.
    """

    attribute: str
    axes: int
    fill: float = 0.0
    per_task: bool = False
    made_by_call: bool = False
