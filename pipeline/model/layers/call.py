"""A call of a module: forward under autograd, backward as a vector-Jacobian product."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.model.layers.base import Pass, Tensors

Run = Callable[[Pass, Tensors, Tensors, Tensor], tuple[Tensor, Tensors]]
"""(pass, values, buffers, x) -> the output, and the buffers as they are afterwards."""

_NOT_BATCHED = "There is a performance drop"  # how torch.func begins its warning that it falls back to a loop


class Call:
    """What a module reads and writes, for one slot or with a leading axis of all slots.

    Args:
        run: Calls the module.
        values: Trained or frozen; read where they are at each call.
        grads: Where the gradients of the trained ones are written.
        buffers: Changed by each call.
        types: What the module wants each buffer to be.
    """

    def __init__(
        self, run: Run, values: Tensors, grads: Tensors, buffers: Tensors, types: dict[str, torch.dtype]
    ) -> None:
        self._run = run
        # `data`, not `detach`: autograd takes views of one tensor, such as all buffers, to change together.
        self._values = {name: it.data.requires_grad_(name in grads) for name, it in values.items()}
        self._trained = [self._values[name] for name in grads]
        self._grads = list(grads.values())
        self._buffers, self._types = buffers, types

    def works(self, x: Tensor, this: Pass) -> bool:
        """Whether the module can be called so, and not only by a loop inside torch.func; changes nothing."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", _NOT_BATCHED)
                self._answer(x, this)
        except Exception:  # a mistake of the module's own shows again when it is called another way
            return False
        return True

    def forward(self, x: Tensor, this: Pass) -> Tensor:
        """The output; in a grad mode, what leads there is kept until `backward`."""
        self._x, self._apart = x.detach().requires_grad_(), this.apart
        self._y, left = self._answer(self._x, this)
        for name, it in self._buffers.items():
            it.copy_(left[name].detach())
        return self._y.detach()

    def backward(self, grad: Tensor, back: Tensor | None) -> None:
        """Write the gradients, that of x into `back` where somebody needs it."""
        wanted, into = [*self._trained], [*self._grads]
        if back is not None:
            wanted, into = [*wanted, self._x], [*into, back]
        if wanted and self._y.requires_grad:
            slopes = torch.autograd.grad(self._y, wanted, grad, retain_graph=self._apart, materialize_grads=True)
            torch._foreach_copy_(into, slopes)
        elif into:
            torch._foreach_zero_(into)
        if not self._apart:
            del self._y

    def _answer(self, x: Tensor, this: Pass) -> tuple[Tensor, Tensors]:
        # Copies: a buffer may be needed backward after another has changed, which for autograd is the same tensor; and
        # torch.func loses what batch norm writes to statistics with gaps between the slots.
        own = {
            name: it.to(self._types[name], copy=True, memory_format=torch.contiguous_format)
            for name, it in self._buffers.items()
        }
        return self._run(this, self._values, own, x)
