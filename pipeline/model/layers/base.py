"""What a layer is: one small object for all K slots of a stack, with its own forward and backward.

Legend of shapes, in all files of this folder:
    K slots in the stack; x may have 1 there when all slots share their batch
    B rows of a batch
    I, O inputs and outputs of a layer

Every product and every reduction is one call a slot, everything else one call for all slots: so no slot's value can
depend on K (a batched product may choose another kernel for another K).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.draws import Stream

_ALIGNED = 16  # float32 values in 64 bytes: kernels may depend on alignment, so every slot starts at a multiple


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


@dataclass
class Layer:
    """A stateless layer; subclasses declare what they need and get it as stacked views.

    `forward` keeps what `backward` needs, so the two alternate.
    """

    values: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    grads: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    buffers: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _scratch: dict[tuple[str, tuple[int, ...]], Tensor] = field(default_factory=dict, init=False, repr=False)

    def parameters(self) -> dict[str, Declared]:
        """Trained values by name."""
        return {}

    def statistics(self) -> dict[str, Declared]:
        """Values that forward passes update themselves."""
        return {}

    def bind(self, values: dict[str, Tensor], grads: dict[str, Tensor], buffers: dict[str, Tensor]) -> None:
        """Take the stacked views [K, *shape] of all that was declared."""
        self.values, self.grads, self.buffers = values, grads, buffers
        self._scratch.clear()

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """[K or 1, B, I] -> [K, B, O]."""
        raise NotImplementedError

    def backward(self, grad: Tensor) -> Tensor | None:
        """[K, B, O] -> [K, B, I], or None where nobody needs it; writes the parameters' gradients."""
        raise NotImplementedError

    def describe(self) -> dict[str, object]:
        """What rebuilds the layer outside a stack, as JSON."""
        raise NotImplementedError

    def scratch(self, name: str, *shape: int) -> Tensor:
        """A buffer [K, *shape] that lives as long as the layer, each slot aligned alike."""
        key = (name, shape)
        if key not in self._scratch:
            self._scratch[key] = slotted(*shape)
        return self._scratch[key]


def slotted(slots: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """An empty stacked tensor [slots, *shape] whose slots each start at a multiple of 64 bytes."""
    count = math.prod(shape)
    padded = -(-count // _ALIGNED) * _ALIGNED
    return torch.empty(slots, padded, dtype=dtype)[:, :count].view(slots, *shape)


def slot(x: Tensor, k: int) -> Tensor:
    """Slot k of x, or its only slot when all share it."""
    return x[0] if x.size(0) == 1 else x[k]
