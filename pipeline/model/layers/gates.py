"""Gates: how much of each expert goes into a mixture.

Legend of shapes beside those of `base`: E experts of a mixture. Gates lie in memory as [K, E, B].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.draws import Stream
from pipeline.model.layers.base import Declared, Layer, Pass
from pipeline.stacked import Stacked

_softmax_backward = torch.ops.aten._softmax_backward_data


@dataclass
class Softmax(Layer):
    """Gates of each row that sum to 1."""

    kind, plain = "softmax", lambda: nn.Softmax(1)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K, B, E] -> [K, B, E]."""
        self._y = self.turned_scratch("y", *x.tensor.shape)
        slots = len(x.slots)
        for given, out in zip(self.turned(x, slots), self.turned(self._y, slots), strict=True):
            out.copy_(torch.softmax(given, -2))  # it cannot write into memory with gaps between slots
        return self._y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked:
        """[K, B, E] -> [K, B, E]."""
        back = self.turned_scratch("back", *grad.tensor.shape)
        slots = len(grad.slots)
        for slope, y, out in zip(*(self.turned(it, slots) for it in (grad, self._y, back)), strict=True):
            out.copy_(_softmax_backward(slope, y, -2, torch.float32))
        return back


class ConstantModule(nn.Module):
    """The plain module of `Constant`."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, E]."""
        return self.gates.expand(x.size(0), -1)


@dataclass
class Constant(Layer):
    """The same gates for all rows, which are trained.

    Attributes:
        begins: Their initial values, E of them.
    """

    kind, described, plain = "constant", ("outputs",), ConstantModule

    begins: tuple[float, ...]

    def parameters(self) -> dict[str, Declared]:
        """The gates [E]."""
        return {"gates": Declared((len(self.begins),))}

    def initial(self, stream: Stream) -> dict[str, Tensor]:
        """See `Layer`."""
        return {"gates": torch.tensor(self.begins)}

    def entrances(self) -> Iterator[Layer]:
        """It does not look at its input."""
        return iter(())

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, E]."""
        gates = self.values["gates"].tensor.unsqueeze(1)
        return Stacked(gates.expand(-1, x.tensor.size(1), -1))

    def backward(self, grad: Stacked, into: Stacked | None = None) -> None:
        """[K, B, E] -> nothing: the input has no part in it."""
        torch.sum(grad.tensor, 1, out=self.grads["gates"].tensor)

    def describe(self) -> dict[str, object]:
        """Kind and size."""
        return {"kind": self.kind, "outputs": len(self.begins)}


class SelectionModule(nn.Module):
    """The plain module of `Selection`.

    Args:
        experts: E.
        choices: c.
        smoothing: See there.
    """

    def __init__(self, experts: int, choices: int, smoothing: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(choices * experts.bit_length()))
        self.experts, self.choices, self.smoothing = experts, choices, smoothing

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, E]."""
        t = (self.logits[: -self.choices] / self.smoothing).clamp(-0.5, 0.5)
        steps = (0.5 + 1.5 * t - 2.0 * t**3).reshape(self.choices, self.experts.bit_length() - 1)
        gates = x.new_zeros(self.experts)
        for bits, weight in zip(steps, self.logits[-self.choices :].softmax(0), strict=True):
            shares = x.new_ones(1)
            for bit in bits:
                shares = torch.cat([shares * (1.0 - bit), shares * bit])
            gates = gates + weight * shares
        return gates.expand(x.size(0), -1)


@dataclass
class Selection(Layer):
    """Gates, the same for all rows, that come to choose a few experts: DSelect-k (Hazimeh et al. 2021, "DSelect-k:
    differentiable selection in the mixture of experts with applications to multi-task learning", arXiv 2106.03760).

    Each of c single choices has m logits, one for each bit of an expert's number; a smooth step makes of a logit the
    share of experts with that bit, which becomes exactly 0 or 1. An expert's share in a choice is the product over its
    bits, and choices are weighed by a softmax of c further logits.

    Logits begin uniform in a hundredth of the smoothing to either side, as in the authors' code, so that all experts
    begin nearly alike.

    Attributes:
        experts: E, 2^m.
        choices: c.
        smoothing: The paper's gamma: a logit beyond half of it is decided.
    """

    kind, described, plain = "selection", ("experts", "choices", "smoothing"), SelectionModule

    experts: int
    choices: int
    smoothing: float

    def parameters(self) -> dict[str, Declared]:
        """The logits, c * m of bits and then c of the choices' weights."""
        return {"logits": Declared((self.choices * self.experts.bit_length(),), self.smoothing / 100)}

    def entrances(self) -> Iterator[Layer]:
        """It does not look at its input."""
        return iter(())

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I] -> [K, B, E]."""
        logits = self.values["logits"]
        gates = self.scratch("gates", len(logits.slots), self.experts)
        self._chosen = [self._choices(own) for own in self._lanes(logits)]
        for (_, _, shares, weights), out in zip(self._chosen, self._lanes(gates), strict=True):
            out.copy_((weights.unsqueeze(-1) * shares).sum(-2))
        return Stacked(gates.tensor.unsqueeze(1).expand(-1, x.tensor.size(1), -1))

    def backward(self, grad: Stacked, into: Stacked | None = None) -> None:
        """[K, B, E] -> nothing: the input has no part in it."""
        slopes = self.scratch("slopes", len(grad.slots), self.experts)
        torch.sum(grad.tensor, 1, out=slopes.tensor)
        of = zip(self._chosen, self._lanes(slopes), self._lanes(self.grads["logits"]), strict=True)
        for (rise, factors, shares, weights), slope, out in of:
            each = slope.unsqueeze(-2)
            of_weights = (each * shares).sum(-1)
            of_weights = weights * (of_weights - (weights * of_weights).sum(-1, keepdim=True))
            of_shares, signs = each * weights.unsqueeze(-1), self._codes(slope) * 2 - 1  # [..., c, E] and [E, m]
            of_bits = torch.empty_like(rise)
            for bit in range(rise.size(-1)):
                others = torch.cat([factors[..., :bit], factors[..., bit + 1 :]], -1).prod(-1)
                of_bits[..., bit] = (of_shares * others * signs[:, bit]).sum(-1) * rise[..., bit]
            out.copy_(torch.cat([of_bits.flatten(-2), of_weights], -1))

    def _lanes(self, it: Stacked) -> tuple[Tensor, ...]:
        """What each call reads or writes of [K, ...]: a slot's part, or where calls are batched all."""
        return (it.tensor,) if self.batched else it.slots

    def _choices(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of logits [..., c * (m + 1)] the steps' derivative [..., c, m], each expert's factors [..., c, E, m], their
        product, and the choices' weights [..., c].
        """
        codes = self._codes(logits)
        bits, weights = logits.split([self.choices * codes.size(1), self.choices], -1)
        t = (bits / self.smoothing).clamp(-0.5, 0.5).unflatten(-1, (self.choices, codes.size(1)))
        step = (0.5 + 1.5 * t - 2.0 * t**3).unsqueeze(-2)
        factors = torch.where(codes > 0, step, 1.0 - step)
        return (1.5 - 6.0 * t**2) / self.smoothing, factors, factors.prod(-1), weights.softmax(-1)

    def _codes(self, like: Tensor) -> Tensor:
        """The bits of the experts' numbers, [E, m], least first."""
        places = torch.arange(self.experts.bit_length() - 1, device=like.device)
        return torch.arange(self.experts, device=like.device).unsqueeze(1) >> places & 1
