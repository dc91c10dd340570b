"""Shared layers of which every task sees what its own attention lets through.

Legend of shapes beside those of `base`:
    T tasks, t of them whose rows pass
    H values that the shared layers answer for a row; C channels that they are of, H where these are no images
    R rows of all tasks one under the other: those of a source as often as it has tasks
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pipeline.model.layers.base import Layer, Pass
from pipeline.model.layers.composite import Gated, back_through, outputs_of, through, unspared
from pipeline.model.layers.plain import Description, Layers
from pipeline.stacked import Stacked

_WHOLE = "all"


@dataclass(frozen=True)
class Attention:
    """What a task makes its mask of.

    Attributes:
        name: The task.
        layers: They answer the mask, H values in [0, 1], from what the shared layers answer and what came `onward`.
        source: The only source of whose rows anybody reads it.
    """

    name: str
    layers: list[Layer]
    source: str


class AttendedModule(nn.Module):
    """The plain module of `Attended`.

    Args:
        about: What that describes itself as.
        layers: Makes modules of described layers whose tensors have a prefix.
    """

    def __init__(self, about: Description, layers: Layers) -> None:
        super().__init__()
        self.inputs, self.last = about["inputs"], about["last"]
        self.shared = layers(about["shared"], "shared")
        self.onward = layers(about["onward"], "onward")
        self.attentions = nn.ModuleList(layers(it["layers"], f"attention.{it['name']}") for it in about["attentions"])

    def forward(self, x: Tensor) -> Tensor:
        """[B, I or (1 + T) * I] -> [B, T * H or (1 + T) * H]."""
        features, *attended = x.split(self.inputs, 1)
        shared = self.shared(features)
        seen = [torch.cat([shared, self.onward(own)], 1) for own in attended] or [shared] * len(self.attentions)
        masked = [attention(it) * shared for attention, it in zip(self.attentions, seen, strict=True)]
        return torch.cat(masked if self.last else [shared, *masked], 1)


@dataclass
class Attended(Gated):
    """One block of a multi-task attention network: p = shared(x), and y_t = a_t(p, onward(x_t)) * p for every task.

    Its input is the shared features of the block before beside what every task attended to there, I values each; in the
    first block it is the rows alone. It answers the same of this block; in the last one what the tasks attended to. A
    task's values at rows of other sources are left as they were.

    Attributes:
        shared: The block.
        attentions: One a task.
        onward: Layers for what a task attended to in the block before, the same for all tasks; none in the first block.
        inputs: I.
        channels: C.
        last: No further block reads the shared features.
    """

    kind, plain = "attended", AttendedModule
    described = ("inputs", "last", "shared", "onward", "attentions")

    shared: list[Layer]
    attentions: list[Attention]
    onward: list[Layer]
    inputs: int
    channels: int
    last: bool

    def __post_init__(self) -> None:
        self._width = outputs_of(self.shared)
        first = 0 if self.last else 1  # the tasks' streams come behind that of the shared features
        self._streams = range(first, first + len(self.attentions))

    @property
    def outputs(self) -> int:
        """Values that it answers for a row."""
        return self._streams.stop * self._width

    def stacks(self) -> dict[str, list[Layer]]:
        """See `Composite`."""
        own = {f"attention.{it.name}": it.layers for it in self.attentions}
        return {"shared": self.shared, "onward": self.onward, **own}

    def entrances(self) -> Iterator[Layer]:
        """See `Layer`."""
        yield from self.shared[0].entrances()

    def units(self, training: bool) -> int:
        """See `Layer`: its answer and what its layers read; backward their gradients; `onward` once for each task."""
        tasks, further = len(self.attentions), bool(self.onward)
        joined = tasks * further * (self.inputs + 2 * self._width)
        back = self._width * (1 + tasks * (1 + further)) + (1 + tasks) * further * self.inputs if training else 0
        again = (tasks - 1) * sum(part.units(training) for it in self.onward for part in it.parts())
        return self.outputs + joined + back + again

    def forward(self, x: Stacked, this: Pass) -> Stacked:
        """[K or 1, B, I or (1 + T) * I] -> [K, B, T * H or (1 + T) * H]."""
        self._this = this
        self._p = unspared(through(self.shared, x.columns(slice(0, self.inputs)), this))
        rows = x.tensor.size(1)
        y = self.like("y", self._p, rows, self.outputs)
        if not self.last:
            self._stream(y, 0, self._width).tensor.copy_(self._p.tensor)
        self._own = self._carried(x) if self.onward else None
        self._masks: list[Stacked | None] = []
        for stream, it in zip(self._streams, self.attentions, strict=True):
            if it.source not in this.rows:
                self._masks.append(None)
                continue
            seen = self._p.part(this.rows[it.source])
            mask = through(it.layers, self._joined(it, seen), this.only(it.source))
            torch.mul(mask.tensor, seen.tensor, out=self._stream(y, stream, self._width, it.source).tensor)
            self._masks.append(mask)
        return y

    def backward(self, grad: Stacked, into: Stacked | None = None) -> Stacked | None:
        """[K, B, T * H or (1 + T) * H] -> [K, B, I or (1 + T) * I]."""
        slope = self.like("slope", self._p, grad.tensor.size(1), self._width)
        if self.last:
            slope.tensor.zero_()
        else:
            slope.tensor.copy_(self._stream(grad, 0, self._width).tensor)
        own = self._own and self.like("own.slope", self._own)
        for stream, it, mask in zip(self._streams, self.attentions, self._masks, strict=True):
            if mask is None:
                continue
            given, total = (
                self._stream(grad, stream, self._width, it.source).tensor,
                slope.part(self._this.rows[it.source]),
            )
            of_mask = self.like("mask.slope", mask)
            torch.mul(given, self._p.part(self._this.rows[it.source]).tensor, out=of_mask.tensor)
            back = back_through(it.layers, of_mask)
            assert back is not None
            total.tensor.addcmul_(given, mask.tensor)
            total.tensor.add_(self._stream(back, 0, self._width).tensor)
            if own is not None:
                own.part(self._places[it.name]).tensor.copy_(self._stream(back, 1, self._width).tensor)
        carried = back_through(self.onward, own) if own is not None else None
        shared = back_through(self.shared, slope, into if carried is None else None)
        return shared if shared is None or carried is None else self._gathered(shared, carried)

    def readers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The tasks; a mask is told on average over the whole block, and for each channel or unit of it."""
        part = "unit" if self.channels == self._width else "channel"
        names = (_WHOLE, *(f"{part} {index}" for index in range(self.channels)))
        yield from ((it.name, names) for it in self.attentions)

    def shares(self) -> Iterator[tuple[str, Tensor]]:
        """See `Gated`."""
        for it, mask in zip(self.attentions, self._masks, strict=True):
            if mask is not None:
                means = mask.tensor.unflatten(2, (self.channels, -1)).mean(3)
                yield it.name, torch.cat([means.mean(2, keepdim=True), means], 2)

    def _carried(self, x: Stacked) -> Stacked:
        """What `onward` makes of what the tasks attended to before: [K, B, (1 + T) * I] -> [K, R, H]."""
        self._places: dict[str, slice] = {}
        sources: dict[str, slice] = {}
        count = 0
        for source, rows in self._this.rows.items():
            start = count
            for it in self.attentions:
                if it.source == source:
                    self._places[it.name] = slice(count, count + rows.stop - rows.start)
                    count = self._places[it.name].stop
            sources[source] = slice(start, count)
        together = self.like("together", x, count, self.inputs)
        for stream, it in enumerate(self.attentions, 1):
            if it.name in self._places:
                place = together.part(self._places[it.name]).tensor
                place.copy_(self._stream(x, stream, self.inputs, it.source).tensor)
        return unspared(through(self.onward, together, replace(self._this, rows=sources)))

    def _joined(self, it: Attention, seen: Stacked) -> Stacked:
        """What a task's attention reads: the shared features, and its own of the block before beside them."""
        if self._own is None:
            return seen
        both = self.like("joined." + it.name, self._p, seen.tensor.size(1), 2 * self._width)
        self._stream(both, 0, self._width).tensor.copy_(seen.tensor)
        self._stream(both, 1, self._width).tensor.copy_(self._own.part(self._places[it.name]).tensor)
        return both

    def _gathered(self, shared: Stacked, carried: Stacked) -> Stacked:
        """The gradients of the shared features and of the tasks' own of the block before, side by side."""
        streams = 1 + len(self.attentions)
        total = self.like("back", shared, shared.tensor.size(1), streams * self.inputs)
        total.tensor.zero_()  # at rows of other sources
        self._stream(total, 0, self.inputs).tensor.copy_(shared.tensor)
        for stream, it in enumerate(self.attentions, 1):
            if it.name in self._places:
                place = self._stream(total, stream, self.inputs, it.source).tensor
                place.copy_(carried.part(self._places[it.name]).tensor)
        return total
