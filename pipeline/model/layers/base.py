"""What a layer is: one small object for all K slots of a stack, with its own forward and backward.

Legend of shapes, in all files of this folder:
    K slots in the stack; x may have 1 there when all slots share their batch
    B rows of a batch
    I, O inputs and outputs of a layer

No slot's value can depend on K. So every matrix product and every norm is one call a slot: a batched product may
choose another kernel for another K. Elementwise functions are one call over the padded memory of all slots (see
`pipeline.stacked`), and sums within a slot one call for all slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from pipeline.draws import Stream
from pipeline.stacked import Scratch, Stacked


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

    `forward` keeps what `backward` needs, so the two alternate. What either answers is overwritten by its next call,
    and may be written over by who gets it where it is marked spare.
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

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """One slot's initial values by name, of all that is not drawn as declared."""
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

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I], or None where nobody needs it; writes the parameters' gradients.

        A layer may write its answer `into` a tensor that it is given, which saves a copy, or leave that alone.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, object]:
        """What rebuilds the layer outside a stack, as JSON."""
        raise NotImplementedError
