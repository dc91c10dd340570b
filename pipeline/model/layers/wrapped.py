"""The general layer: any torch.nn.Module, for all slots of a stack.

Its forward runs under autograd, its backward is a vector-Jacobian product, and there are two ways to run it. A slot at
a time is a plain call of the module on each slot's values, and no slot can feel another. Lifted, the calls of all slots
become one by torch.func: a batched product may choose another kernel for another K, so values agree within a tolerance
(1e-5 of a tensor's norm) and not to the last bit.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.draws import Stream, seeded
from pipeline.model.layers.base import Declared, Layer, Pass, Tensors
from pipeline.model.layers.call import Call
from pipeline.model.layers.module import check_size, make
from pipeline.model.layers.plain import Description, Shaped
from pipeline.model.layers.replaced import replace_dropout
from pipeline.stacked import On, Stacked


@dataclass
class Wrapped(Layer):
    """A module of torch, of torchvision or of the user's own.

    It takes a tensor [B, *shape] and answers a tensor [B, ...], which is flattened to [B, O]. Its parameters that
    require a gradient are trained; the others and its buffers are statistics, kept as float32 (whole numbers are exact
    up to 2^24). State kept anywhere else is lost when the stack dies. Each `nn.Dropout` inside is replaced by ours;
    whatever else it draws while training comes from torch's global generator, seeded for the slot and step. Its batch
    norms meet a step of a single row with their running statistics, as ours do.

    Attributes:
        module: Its class, as `package.module:Class`.
        arguments: Keyword arguments of it, as JSON.
        shape: Of one row as the module takes it, such as (1, 28, 28).
        name: Names the layer's draws, so that two layers of a network draw apart.
        first: Nobody needs the gradient of its input.
        lifted: Whether several slots run in one call where the module can be lifted: where it draws nothing, reads no
            value in Python, and consists of operations that torch.func can batch.
        rates: The rate of every dropout inside, one a slot; None leaves each its own.
        outputs: O, found by a call on two rows of zeros.

    Raises:
        UserError: There is no such module, or it cannot take such rows.
        Failure: It is one of this package's, and does not fit into memory.
    """

    kind, described = "module", ("module", "arguments", "shape", "outputs")

    recordable = False

    module: str
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    name: str
    first: bool = False
    lifted: bool = True
    rates: Sequence[float] | None = None
    outputs: int = field(init=False)

    def __post_init__(self) -> None:
        check_size(self.module, self.arguments)
        made = make(self.module, self.arguments, self.shape, seed=0)
        self.outputs, self._writes = made.outputs, made.writes
        self._dropouts = replace_dropout(made.module, self.name, self.rates)
        self._module = made.module
        trained = {name for name, it in self._module.named_parameters() if it.requires_grad}
        every = {name: Declared(tuple(it.shape)) for name, it in made.tensors().items()}
        self._trained = {name: it for name, it in every.items() if name in trained}
        self._kept = {name: it for name, it in every.items() if name not in trained}
        self._types = {name: it.dtype for name, it in self._module.named_buffers()}
        self._norms = [it for it in self._module.modules() if isinstance(it, _BatchNorm)]
        self._mode: tuple[bool, bool] | None = None
        for it in (*self._module.parameters(), *self._module.buffers()):
            it.data = it.new_empty(0)  # each call brings its own; one that the module holds on to elsewhere shows so

    def parameters(self) -> dict[str, Declared]:
        """The module's parameters that require a gradient, under its own names."""
        return self._trained

    def statistics(self) -> dict[str, Declared]:
        """The module's frozen parameters and its buffers, under its own names."""
        return self._kept

    def initial(self, stream: Stream) -> Tensors:
        """The module's own initial values."""
        return make(self.module, self.arguments, self.shape, stream.seed_of("initial", self.name)).tensors()

    def normalised(self, sources: tuple[str, ...]) -> list[tuple[str, ...]]:
        """See `Layer`."""
        return [sources] if self._norms else []

    def units(self, training: bool) -> int:
        """See `Layer`: its answer and the gradients of both; what the module itself keeps is not known."""
        return self.outputs + (self.outputs + math.prod(self.shape) if training else 0)

    def bound(self, on: On) -> None:
        """See `Layer`."""
        self._on = on
        self._slots = max((len(it.slots) for it in (*self.values.values(), *self.buffers.values())), default=1)
        self._calls: dict[int | None, Call] = {}
        self._can_lift: dict[bool, bool] = {}

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, O]."""
        self._slots = max(self._slots, len(x.slots), len(this.streams or ()))
        self._enter(this.training, x.tensor.size(1))
        y = self.scratch("y", self._slots, x.tensor.size(1), self.outputs)
        with torch.set_grad_enabled(this.training):
            self._whose = [None] if self._lifts(x.tensor, this) else list(range(self._slots))
            for slot, part, out in zip(self._whose, self._parts(x), self._parts(y), strict=True):
                with _turn(this, slot, self.name, self._on) as own:
                    out.copy_(self._call(slot).forward(part, own))
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, O] -> [K, B, I]."""
        back = None if self.first else into or self.scratch("back", *grad.tensor.shape[:2], math.prod(self.shape))
        backs = self._parts(back) if back else [None] * len(self._whose)
        for slot, part, out in zip(self._whose, self._parts(grad), backs, strict=True):
            self._call(slot).backward(part, out)
        return back

    @classmethod
    def rebuild(cls, about: Description, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
        """See `Layer`."""
        made = make(_here(about["module"]), about["arguments"], tuple(about["shape"]), seed=0)
        for name, it in made.tensors().items():
            it.copy_(tensors[name])  # buffers are kept as float32
        return Shaped(made.module, about["shape"])

    def _enter(self, training: bool, rows: int) -> None:
        """Put the module in its training or evaluation mode."""
        mode = (training, training and rows > 1)
        if mode != self._mode:
            self._mode = mode
            self._module.train(training)
            for norm in self._norms:  # as our own: one row has no variance
                norm.train(mode[1])

    def _parts(self, it: Stacked) -> Sequence[Tensor]:
        """What each call of this pass reads or writes."""
        if self._whose != [None]:
            return it.each(self._slots)
        return [it.tensor if self.first else it.tensor.expand(self._slots, *it.tensor.shape[1:])]

    def _call(self, slot: int | None) -> Call:
        """The module on one slot's values, or on those of all."""
        if slot not in self._calls:
            values, grads, kept = (_of(slot, views) for views in (self.values, self.grads, self.buffers))
            buffers = {name: kept.pop(name) for name in self._types}
            run = self._run_all if slot is None else partial(self._run, slot)
            self._calls[slot] = Call(run, values | kept, grads, buffers, self._types)
        return self._calls[slot]

    def _lifts(self, x: Tensor, this: Pass) -> bool:
        """Whether this pass is one call for all slots; found out by the first of its kind."""
        if self._slots == 1 or not self.lifted:
            return False
        if this.training not in self._can_lift:
            self._can_lift[this.training] = self._call(None).works(x, this)
        return self._can_lift[this.training]

    def _run(
        self, slot: int | None, this: Pass, values: Tensors, buffers: Tensors, x: Tensor, index: Tensor | None = None
    ) -> tuple[Tensor, Tensors]:
        """One slot's call, or, with a batched index, that of each: [B, I] -> [B, O]; and the buffers afterwards."""
        for dropout in self._dropouts:
            dropout.begin(this, slot, index, self._on)
        state = values | buffers
        rows = x.reshape(len(x), *self.shape)
        y = functional_call(self._module, state, (rows.clone() if self._writes else rows,))
        return y.flatten(1), {name: state[name] for name in buffers}

    def _run_all(self, this: Pass, values: Tensors, buffers: Tensors, x: Tensor) -> tuple[Tensor, Tensors]:
        """The calls of all slots as one: [K or 1, B, I] -> [K, B, O]."""
        shared = len(x) == 1
        run = vmap(partial(self._run, None, this), in_dims=(0, 0, None if shared else 0, 0), randomness="error")
        index = torch.arange(self._slots, device=x.device)
        return run(values, buffers, x[0] if shared else x, index)


def _here(path: str) -> str:
    """Where a module of this package is imported from: in a copy of the package, from that."""
    return path.replace("pipeline.", f"{__name__.partition('.')[0]}.", 1) if path.startswith("pipeline.") else path


def _of(slot: int | None, views: dict[str, Stacked]) -> Tensors:
    return {name: it.tensor if slot is None else it.slots[slot] for name, it in views.items()}


@contextmanager
def _turn(this: Pass, slot: int | None, name: str, on: On) -> Iterator[Pass]:
    """The pass as one slot sees it, with torch's global generators seeded for what its module draws."""
    if slot is None or this.streams is None:
        yield this
        return
    stream = this.streams[slot]
    part = () if this.cut is None else (this.cut.number,)
    with seeded(stream.seed_of("module", name, this.epoch, this.step, *part), on.device):
        yield replace(this, streams=[stream])
