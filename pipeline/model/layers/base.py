"""What a layer is: one small object for all K slots of a stack, with its own forward and backward.

Legend of shapes, in all files of this folder:
    K slots in the stack; x may have 1 there when all slots share their batch
    B rows of a batch
    I, O inputs and outputs of a layer

No slot's value can depend on K. So every matrix product and every function that is not exact to the last bit (exp,
tanh, the norms) is one call a slot: a batched product may choose another kernel for another K, and a function's
vectorised and scalar forms differ in the last bit. Exact elementwise operations, and sums within a slot, are one call
for all slots. Each slot's memory starts at a multiple of 64 bytes, so that all slots are aligned alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from pipeline.draws import Stream

_ALIGNED = 16  # float32 values in 64 bytes


@dataclass(frozen=True)
class Pass:
    """What a forward pass is for.

    Attributes:
        rows: Which rows of the batch belong to which source.
        streams: The slots' sources of chance while training; None evaluates (no dropout, running statistics).
        epoch: Of the draws.
        step: Of the draws.
    """

    rows: dict[str, slice]
    streams: Sequence[Stream] | None = None
    epoch: int = 0
    step: int = 0

    @property
    def training(self) -> bool:
        """Whether this pass trains."""
        return self.streams is not None


@dataclass(frozen=True)
class Declared:
    """A parameter or buffer that a layer needs in each slot.

    Attributes:
        shape: Of one slot's value.
        bound: Initial values are uniform in [-bound, bound].
        constant: Initial value where bound is None.
    """

    shape: tuple[int, ...]
    bound: float | None = None
    constant: float = 0.0


class Stacked:
    """A stacked tensor and its slots, viewed once: making a view costs as much as a small product.

    Attributes:
        tensor: [K, *shape], or [1, *shape] where all slots share it.
        slots: K views [*shape].
    """

    def __init__(self, tensor: Tensor, slots: int | None = None) -> None:
        self.tensor = tensor
        self.slots = (tensor if slots is None else tensor.expand(slots, *tensor.shape[1:])).unbind()

    @cached_property
    def turned(self) -> tuple[Tensor, ...]:
        """The slots' transposes."""
        return self.tensor.mT.unbind()


class Scratch:
    """Stacked buffers that are made once and then used again."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, tuple[int, ...]], Stacked] = {}

    def __call__(self, name: str, *shape: int) -> Stacked:
        """The buffer [K, ...] of this name and shape, with whatever was last written to it."""
        key = (name, shape)
        if key not in self._buffers:
            self._buffers[key] = Stacked(slotted(*shape))
        return self._buffers[key]


@dataclass
class Layer:
    """A stateless layer; subclasses declare what they need and get it as stacked views.

    `forward` keeps what `backward` needs, so the two alternate. What either answers is overwritten by its next call.
    """

    values: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    grads: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    buffers: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    scratch: Scratch = field(default_factory=Scratch, init=False, repr=False)

    def parameters(self) -> dict[str, Declared]:
        """Trained values by name."""
        return {}

    def statistics(self) -> dict[str, Declared]:
        """Values that forward passes update themselves."""
        return {}

    def bind(self, values: dict[str, Tensor], grads: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
        """Take the stacked views [K, *shape] of all that was declared."""
        self.values, self.grads, self.buffers = (
            {name: Stacked(tensor) for name, tensor in views.items()} for views in (values, grads, buffers)
        )
        self.scratch = Scratch()

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        raise NotImplementedError

    def backward(self, grad: Stacked) -> Stacked | None:
        """[K, B, O] -> [K, B, I], or None where nobody needs it; writes the parameters' gradients."""
        raise NotImplementedError

    def describe(self) -> dict[str, object]:
        """What rebuilds the layer outside a stack, as JSON."""
        raise NotImplementedError


def padded(shape: tuple[int, ...]) -> int:
    """How many float32 values a tensor of this shape takes up to the next multiple of 64 bytes."""
    return -(-math.prod(shape) // _ALIGNED) * _ALIGNED


def slotted(slots: int, *shape: int) -> Tensor:
    """An empty stacked tensor [slots, *shape] whose slots each start at a multiple of 64 bytes."""
    return torch.empty(slots, padded(shape))[:, : math.prod(shape)].view(slots, *shape)


def aligned(x: Tensor) -> bool:
    """Whether every slot of x [K or 1, ...] starts at a multiple of 64 bytes, as those of `slotted` do."""
    return x.data_ptr() % (4 * _ALIGNED) == 0 and (x.size(0) == 1 or x.stride(0) % _ALIGNED == 0)
