"""Mixtures of experts.

Legend of shapes beside those of `base`:
    E experts of a mixture, M mixtures
    H values that an expert answers for a row
    N streams that lie side by side in the input: mixtures of an earlier layer, or the rows alone
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.model.layers.composite import Gated, back_through, outputs_of, through
from pipeline.model.layers.plain import Description, Layers
from pipeline.stacked import Stacked


@dataclass(frozen=True)
class Expert:
    """Layers whose answer is mixed with that of others.

    Attributes:
        name: What it is called.
        layers: One after the other.
        stream: Which of the input's streams it reads.
        source: The only source of whose rows anybody reads its answer; None for all.
    """

    name: str
    layers: list[Layer]
    stream: int = 0
    source: str | None = None


@dataclass(frozen=True)
class Mixture:
    """A sum of what some experts answer, each times its gate.

    Attributes:
        name: Who reads it.
        gate: Layers that answer a gate for each of the experts.
        experts: Their places.
        stream: Which of the input's streams the gate reads.
        source: The only source of whose rows anybody reads it; None for all.
    """

    name: str
    gate: list[Layer]
    experts: tuple[int, ...]
    stream: int = 0
    source: str | None = None


class MixturesModule(nn.Module):
    """The plain module of `Mixtures`.

    Args:
        about: What that describes itself as.
        layers: Makes modules of described layers whose tensors have a prefix.
    """

    def __init__(self, about: Description, layers: Layers) -> None:
        super().__init__()
        self.inputs = about["inputs"]
        self.reads = [it["stream"] for it in about["experts"]]
        self.mixed = [(it["stream"], it["experts"]) for it in about["mixtures"]]
        self.experts = nn.ModuleList(layers(it["layers"], f"expert.{it['name']}") for it in about["experts"])
        self.gates = nn.ModuleList(layers(it["gate"], f"gate.{it['name']}") for it in about["mixtures"])

    def forward(self, x: Tensor) -> Tensor:
        """[B, N * I] -> [B, M * H]."""
        streams = x.split(self.inputs, 1)
        answers = [expert(streams[stream]) for stream, expert in zip(self.reads, self.experts, strict=True)]
        mixtures = []
        for (stream, experts), gate in zip(self.mixed, self.gates, strict=True):
            gates = gate(streams[stream]).unsqueeze(2)
            mixtures.append((gates * torch.stack([answers[it] for it in experts], 1)).sum(1))
        return torch.cat(mixtures, 1)


@dataclass
class Mixtures(Gated):
    """y_m = the sum over its experts e of gate_me(x) * expert_e(x), the mixtures side by side.

    An expert or a mixture that is read for the rows of one source only is not computed for others; its values there
    are left as they were.

    Attributes:
        experts: All experts, which answer equally many values.
        mixtures: All mixtures.
        inputs: I, values of a stream.
    """

    kind, described, plain = "mixtures", ("inputs", "experts", "mixtures"), MixturesModule

    experts: list[Expert]
    mixtures: list[Mixture]
    inputs: int

    def __post_init__(self) -> None:
        self._width = outputs_of(self.experts[0].layers)

    @property
    def outputs(self) -> int:
        """Values that it answers for a row."""
        return len(self.mixtures) * self._width

    def stacks(self) -> dict[str, list[Layer]]:
        """See `Composite`."""
        gates = {f"gate.{it.name}": it.gate for it in self.mixtures}
        return {f"expert.{it.name}": it.layers for it in self.experts} | gates

    def entrances(self) -> Iterator[Layer]:
        """See `Layer`."""
        for layers in self.stacks().values():
            yield from layers[0].entrances()

    def units(self, training: bool) -> int:
        """See `Layer`: its mixtures, and backward the gradients of its experts' answers and of its input."""
        return self.outputs + ((len(self.experts) + 1) * self._width + self.inputs if training else 0)

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, N * I] -> [K, B, M * H]."""
        self._this = this
        self._answers = [self._asked(it, it.layers, x) for it in self.experts]
        self._gates = [self._asked(it, it.gate, x) for it in self.mixtures]
        like = next(it for it in self._answers if it is not None)
        y = self.like("y", like, x.tensor.size(1), self.outputs)
        for place, mixture, gates in self._mixing():
            out = self._stream(y, place, self._width, mixture.source).tensor
            first, *others = zip(self._read(mixture), gates.tensor.split(1, 2), strict=True)
            torch.mul(first[0].tensor, first[1], out=out)
            for answer, gate in others:
                out.addcmul_(answer.tensor, gate)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, M * H] -> [K, B, N * I]."""
        slopes = [it and self.like(f"slope.{place}", it) for place, it in enumerate(self._answers)]
        for slope in slopes:
            if slope is not None:
                slope.tensor.zero_()
        backs: list[tuple[Expert | Mixture, Stacked | None]] = []
        for place, mixture, gates in self._mixing():
            given = self._stream(grad, place, self._width, mixture.source).tensor
            gate_slopes = self.turned_scratch(f"gates.{place}", *gates.tensor.shape)
            answers, own = self._read(mixture), self._read(mixture, slopes)
            for index, (answer, slope) in enumerate(zip(answers, own, strict=True)):
                product = torch.mul(given, answer.tensor, out=self.like("product", answer).tensor)
                torch.sum(product, 2, out=gate_slopes.tensor[:, :, index])
                slope.tensor.addcmul_(given, gates.tensor[:, :, index : index + 1])
            backs.append((mixture, back_through(mixture.gate, gate_slopes)))
        for expert, slope in zip(self.experts, slopes, strict=True):
            backs.append((expert, slope and back_through(expert.layers, slope)))
        return self._gathered(backs, grad.tensor.size(1))

    def readers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The mixtures, with their experts."""
        for mixture in self.mixtures:
            yield mixture.name, tuple(self.experts[it].name for it in mixture.experts)

    def shares(self) -> Iterator[tuple[str, Tensor]]:
        """See `Gated`."""
        yield from ((mixture.name, gates.tensor) for _, mixture, gates in self._mixing())

    def _asked(self, it: Expert | Mixture, layers: Sequence[Layer], x: Stacked) -> Stacked | None:
        """What layers answer for the rows whose answer somebody reads; None where there are none."""
        if it.source is not None and it.source not in self._this.rows:
            return None
        this = self._this if it.source is None else self._this.only(it.source)
        return through(layers, self._stream(x, it.stream, self.inputs, it.source), this)

    def _mixing(self) -> Iterator[tuple[int, Mixture, Stacked]]:
        """The mixtures that the last pass computed, with their places and gates."""
        for place, (mixture, gates) in enumerate(zip(self.mixtures, self._gates, strict=True)):
            if gates is not None:
                yield place, mixture, gates

    def _read(self, mixture: Mixture, of: Sequence[Stacked | None] | None = None) -> list[Stacked]:
        """What the mixture's experts answered for its rows, or something else that is kept `of` each expert."""
        found = []
        for place in mixture.experts:
            it = (of or self._answers)[place]
            assert it is not None
            if mixture.source is not None and mixture.source != self.experts[place].source:
                it = it.part(self._this.rows[mixture.source])
            found.append(it)
        return found

    def _gathered(self, backs: list[tuple[Expert | Mixture, Stacked | None]], rows: int) -> Stacked | None:
        """The gradient of the input, summed over all that read it."""
        needed = [(whose, back) for whose, back in backs if back is not None]
        if not needed:
            return None
        streams = max(*(it.stream for it in self.experts), *(it.stream for it in self.mixtures)) + 1
        total = self.like("back", needed[-1][1], rows, streams * self.inputs)
        total.tensor.zero_()
        for whose, back in needed:
            self._stream(total, whose.stream, self.inputs, whose.source).tensor.add_(back.tensor)
        return total
