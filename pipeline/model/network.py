"""The multi-task network of a whole stack: trunks under heads, all tasks answered in one forward pass."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.draws import Stream, seed_of
from pipeline.model.layers import Declared, Layer, Pass, Scratch, Stacked, aligned, padded


@dataclass
class Branch:
    """One trunk and the heads on it.

    Attributes:
        sources: Whose rows pass through the trunk.
        trunk: Its layers.
        heads: Each task's own layers.
    """

    name: str
    sources: tuple[str, ...]
    trunk: list[Layer]
    heads: dict[str, list[Layer]]


@dataclass
class Network:
    """K networks of one shape.

    Shapes: inputs [K or 1, B, F] for each source, outputs [K, B, C] for each task, values and gradients [K, P].

    Attributes:
        branches: One under all tasks when they share, else one a task.
        source_of: Each task's source.
        values: All trained values, a row a slot.
        grads: Their gradients.
        buffers: Running statistics, a row a slot.
    """

    branches: list[Branch]
    source_of: dict[str, str]
    values: Tensor = field(init=False)
    grads: Tensor = field(init=False)
    buffers: Tensor = field(init=False)

    def layers(self) -> Iterator[tuple[str, Layer]]:
        """All layers by name, in a fixed order."""
        for branch in self.branches:
            for index, layer in enumerate(branch.trunk):
                yield f"{branch.name}.{index}", layer
            for task, head in branch.heads.items():
                for index, layer in enumerate(head):
                    yield f"head.{task}.{index}", layer

    def declared(self, what: str) -> dict[str, Declared]:
        """All `parameters` or `statistics` by full name."""
        return {
            f"{name}.{part}": declared
            for name, layer in self.layers()
            for part, declared in getattr(layer, what)().items()
        }

    def initialise(self, streams: list[Stream]) -> None:
        """Give each slot its initial values, drawn from its own stream."""
        values, buffers = self._empty("parameters", len(streams)), self._empty("statistics", len(streams))
        for flat, what in ((values, "parameters"), (buffers, "statistics")):
            every = self.declared(what)
            for name, view in self._views(flat, what).items():
                declared = every[name]
                for k, stream in enumerate(streams):
                    if declared.bound is None:
                        view[k].fill_(declared.constant)
                        continue
                    draws = torch.Generator().manual_seed(seed_of(stream.seed, stream.name, "initial", name))
                    view[k].uniform_(-declared.bound, declared.bound, generator=draws)
        self.bind(values, buffers)

    def bind(self, values: Tensor, buffers: Tensor) -> None:
        """Put the network on these rows: [K, P] and [K, Q]."""
        self.values, self.buffers, self.grads = values, buffers, torch.zeros_like(values)
        self._scratch = Scratch()
        stacked = {
            "values": self._views(values, "parameters"),
            "grads": self._views(self.grads, "parameters"),
            "buffers": self._views(buffers, "statistics"),
        }
        for name, layer in self.layers():
            layer.bind(**{what: _under(name, views) for what, views in stacked.items()})

    def forward(self, inputs: dict[str, Tensor], this: Pass | None = None) -> dict[str, Tensor]:
        """Logits of every task whose source is given: [K, B, C] each, valid until the next pass.

        Args:
            inputs: Rows of each source, [K or 1, B, F].
            this: What the pass is for; None evaluates.
        """
        outputs: dict[str, Tensor] = {}
        slots = len(self.values)
        self._rows: list[dict[str, slice]] = []
        for branch in self.branches:
            present = [source for source in branch.sources if source in inputs]
            rows = _rows({source: inputs[source] for source in present})
            self._rows.append(rows)
            if not present:
                continue
            x = Stacked(self._joined(branch.name, [inputs[source] for source in present]), slots)
            where = Pass(rows) if this is None else Pass(rows, this.streams, this.epoch, this.step)
            for layer in branch.trunk:
                x = layer.forward(x, where)
            for task, head in branch.heads.items():
                if (source := self.source_of[task]) in rows:
                    outputs[task] = _through(head, Stacked(x.tensor[:, rows[source]], slots), where, source).tensor
        return outputs

    def backward(self, grads: dict[str, Tensor]) -> None:
        """Write the gradients of all values, given those of every task's logits, [K, B, C] each."""
        for branch, rows in zip(self.branches, self._rows, strict=True):
            parts: dict[str, Stacked] = {}
            for task, head in branch.heads.items():
                if (part := _back_through(head, Stacked(grads[task]))) is not None:
                    parts[task] = part
            if parts:
                _back_through(branch.trunk, self._summed(branch.name, parts, rows))

    def named(self, values: Tensor, buffers: Tensor) -> dict[str, Tensor]:
        """Rows [K, P] and [K, Q] as contiguous tensors [K, *shape] by full name."""
        views = self._views(values, "parameters") | self._views(buffers, "statistics")
        return {name: view.contiguous() for name, view in views.items()}

    def load(self, named: dict[str, Tensor]) -> None:
        """The reverse of `named`: put the network on these values."""
        slots = next(iter(named.values())).size(0)
        values, buffers = self._empty("parameters", slots), self._empty("statistics", slots)
        for name, view in (self._views(values, "parameters") | self._views(buffers, "statistics")).items():
            view.copy_(named[name])
        self.bind(values, buffers)

    def count(self) -> int:
        """Trained values of one slot."""
        return sum(torch.Size(declared.shape).numel() for declared in self.declared("parameters").values())

    def describe(self) -> dict[str, object]:
        """What rebuilds the network outside a stack, as JSON."""
        return {
            "branches": [
                {
                    "name": branch.name,
                    "sources": list(branch.sources),
                    "trunk": [layer.describe() for layer in branch.trunk],
                    "heads": {task: [layer.describe() for layer in head] for task, head in branch.heads.items()},
                }
                for branch in self.branches
            ],
            "source_of": dict(self.source_of),
        }

    def _joined(self, branch: str, inputs: list[Tensor]) -> Tensor:
        """The rows of all sources of a branch under one another, [K or 1, B, F], each slot aligned alike."""
        if len(inputs) == 1 and aligned(inputs[0]):
            return inputs[0]
        joined = self._scratch(f"{branch}.x", len(inputs[0]), sum(x.size(1) for x in inputs), inputs[0].size(2))
        return torch.cat(inputs, 1, out=joined.tensor)

    def _summed(self, branch: str, parts: dict[str, Stacked], rows: dict[str, slice]) -> Stacked:
        """The gradient of a trunk's output: at the rows of each source, the sum over the heads that read them."""
        slots, _, width = next(iter(parts.values())).tensor.shape
        total = self._scratch(f"{branch}.back", slots, max(where.stop for where in rows.values()), width)
        total.tensor.zero_()
        for task, part in parts.items():
            total.tensor[:, rows[self.source_of[task]]].add_(part.tensor)
        return total

    def _empty(self, what: str, slots: int) -> Tensor:
        return torch.zeros(slots, sum(padded(declared.shape) for declared in self.declared(what).values()))

    def _views(self, flat: Tensor, what: str) -> dict[str, Tensor]:
        views, start = {}, 0
        for name, declared in self.declared(what).items():
            count = torch.Size(declared.shape).numel()
            views[name] = flat[:, start : start + count].view(flat.size(0), *declared.shape)
            start += padded(declared.shape)
        return views


def _under(name: str, views: dict[str, Tensor]) -> dict[str, Tensor]:
    return {full.removeprefix(name + "."): view for full, view in views.items() if full.startswith(name + ".")}


def _rows(inputs: dict[str, Tensor]) -> dict[str, slice]:
    rows, start = {}, 0
    for source, x in inputs.items():
        rows[source] = slice(start, start + x.size(1))
        start += x.size(1)
    return rows


def _through(head: list[Layer], x: Stacked, where: Pass, source: str) -> Stacked:
    inside = Pass({source: slice(0, x.tensor.size(1))}, where.streams, where.epoch, where.step)
    for layer in head:
        x = layer.forward(x, inside)
    return x


def _back_through(layers: list[Layer], grad: Stacked) -> Stacked | None:
    back: Stacked | None = grad
    for layer in reversed(layers):
        back = layer.backward(back) if back is not None else None
    return back
