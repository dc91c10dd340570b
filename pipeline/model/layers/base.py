"""What a layer is: one small object for all K slots of a stack, with its own forward and backward.

Legend of shapes, in all files of this folder:
    K slots in the stack; x may have 1 there when all slots share their batch
    B rows of a batch
    I, O inputs and outputs of a layer

On a CPU no slot's value can depend on K. So every matrix product is one call a slot: a batched product may choose
another kernel for another K. Elementwise functions are one call over the padded memory of all slots (see
`pipeline.stacked`), and sums within a slot one call for all slots.

Batched, as on a GPU, everything is one call for all slots, since a call costs there what a thousand slots cost; a
slot's values then agree for every K within a tolerance only. No call waits for a value or takes one from the host that
changes from step to step, so a step can be recorded once and replayed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline.draws import Stream
from pipeline.model.layers.plain import Description
from pipeline.stacked import HOST, Cut, On, Scratch, Stacked

Tensors = dict[str, Tensor]
"""By name."""


@dataclass(frozen=True)
class Pass:
    """What a forward pass is for.

    Attributes:
        rows: Which rows of the batch belong to which source.
        streams: The slots' sources of chance while training; None evaluates (no dropout, running statistics).
        epoch: Of the draws.
        step: Of the draws.
        clock: The step as an int64 tensor [1] beside the values, where calls are batched. A layer that can be recorded
            reads nothing else: `begin` told it streams and epoch.
        apart: Several gradients go back through it, those of each task apart.
        cut: Which part of the step's batch it is; None where it is all of it.
    """

    rows: dict[str, slice]
    streams: Sequence[Stream] | None = None
    epoch: int = 0
    step: int = 0
    clock: Tensor | None = None
    apart: bool = False
    cut: Cut | None = None

    @property
    def training(self) -> bool:
        """Whether this pass trains."""
        return self.streams is not None

    def only(self, source: str) -> "Pass":
        """The same for the rows of one source, taken out of the batch."""
        where = self.rows[source]
        return replace(self, rows={source: slice(0, where.stop - where.start)})


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

    `forward` keeps what `backward` needs, so the two alternate; only after a pass with gradients `apart` may several
    calls of `backward` follow one another. What either answers is overwritten by its next call,
    and may be written over by who gets it where it is marked spare.

    Attributes:
        batched: Each call is for all slots.
        rowwise: A row's answer depends on no other row, and `backward_parts` tells the gradients of rows apart.
        kind: Names it in descriptions; `plain.KINDS` knows its file.
        described: Its attributes that a description has.
        plain: Makes the same layer of one network, from what is described, in this order.
        recordable: What a pass with batched calls asks of the device can be recorded and replayed.
    """

    kind: ClassVar[str]
    described: ClassVar[tuple[str, ...]] = ()
    plain: ClassVar[Callable[..., nn.Module]]
    recordable: ClassVar[bool] = True

    values: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    grads: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    buffers: dict[str, Stacked] = field(default_factory=dict, init=False, repr=False)
    scratch: Scratch = field(default_factory=Scratch, init=False, repr=False)
    batched: bool = field(default=False, init=False, repr=False)
    rowwise: bool = field(default=False, init=False, repr=False)

    def parameters(self) -> dict[str, Declared]:
        """Trained values by name."""
        return {}

    def statistics(self) -> dict[str, Declared]:
        """Values that forward passes update themselves."""
        return {}

    def initial(self, stream: Stream) -> Tensors:
        """One slot's initial values by name, of all that is not drawn as declared."""
        return {}

    def bind(self, values: Tensors, grads: Tensors, buffers: Tensors, on: On = HOST) -> None:
        """Take the stacked views [K, *shape] of all that was declared, which lie `on` a device."""
        self.values, self.grads, self.buffers = (
            {name: Stacked(tensor) for name, tensor in views.items()} for views in (values, grads, buffers)
        )
        self.scratch, self.batched = Scratch(on.device), on.batched
        self.bound(on)

    def bound(self, on: On) -> None:
        """Called once the views are there: what a layer derives from them, or keeps beside them `on` the device."""

    def begin(self, streams: Sequence[Stream], epoch: int) -> None:
        """Before an epoch of training with batched calls: what the draws of all its steps depend on."""

    def each(self, it: Stacked, slots: int) -> tuple[Tensor, ...]:
        """What each call reads or writes of it: a slot's part, or where calls are batched that of all slots."""
        return (it.tensor.expand(slots, -1, -1),) if self.batched else it.each(slots)

    def lanes(self, stacked: Tensor) -> tuple[Tensor, ...]:
        """What each call reads or writes of a tensor [K, ...]: a slot's part, or where calls are batched all."""
        return (stacked,) if self.batched else stacked.unbind()

    def turned(self, it: Stacked, slots: int) -> tuple[Tensor, ...]:
        """The transposes of what `each` answers."""
        return self.each(it.turned, slots)

    def turned_scratch(self, name: str, slots: int, rows: int, width: int) -> Stacked:
        """A buffer [K, B, I] that lies in memory as [K, I, B]; the same object each time."""
        turned = self.scratch(f"{name}.turned", slots, width, rows).turned
        turned.spare = True
        return turned

    def like(self, name: str, x: Stacked, *size: int) -> Stacked:
        """A buffer that lies in memory as x does, of its shape or of this many rows and values."""
        shape = (x.tensor.size(0), *size) if size else x.tensor.shape
        return (self.turned_scratch if x.lies_turned else self.scratch)(name, *shape)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        raise NotImplementedError

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I], or None where nobody needs it; writes the parameters' gradients.

        A layer may write its answer `into` a tensor that it is given, which saves a copy, or leave that alone.
        """
        raise NotImplementedError

    def backward_parts(self, grad: Stacked, parts: Sequence[tuple[slice, Mapping[str, Stacked]]]) -> Stacked | None:
        """As `backward`, but the parameters' gradients come from some rows at a time, and go where each part says.

        Here of layers without parameters.
        """
        return self.backward(grad)

    def entrances(self) -> Iterator["Layer"]:
        """The layers that see its input as it is."""
        yield self

    def parts(self) -> Iterator["Layer"]:
        """The layer itself, or the layers that it consists of."""
        yield self

    def normalised(self, sources: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Of these sources, whose rows a pass that trains normalises by their own statistics: those of one together."""
        return []

    def units(self, training: bool) -> int:
        """Values that a pass keeps in memory for each row and slot, about."""
        return 0

    def describe(self) -> dict[str, object]:
        """What rebuilds the layer outside a stack, as JSON: its kind, and what is `described`."""
        return {"kind": self.kind} | {name: _plain(getattr(self, name)) for name in self.described}

    @classmethod
    def rebuild(cls, about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """The layer outside a stack: [B, I] -> [B, O], what one slot computes in evaluation.

        Args:
            about: What `describe` returns.
            tensors: One slot's parameters and statistics, by name.
            source: Whose statistics normalise, where each source has its own.
        """
        with torch.device("meta"):  # initial values take neither memory nor random draws
            module = cls.plain(*(about[name] for name in cls.described))
        module.load_state_dict(tensors, assign=True)
        return module


def _plain(value: Any) -> Any:
    """As JSON: layers describe themselves, other dataclasses are their fields but `source`, which serving ignores."""
    if isinstance(value, Layer):
        return value.describe()
    if isinstance(value, tuple | list):
        return [_plain(it) for it in value]
    if is_dataclass(value):
        return {it.name: _plain(getattr(value, it.name)) for it in fields(value) if it.name != "source"}
    return value
