"""The multi-task network of a whole stack: trunks under heads, all tasks answered in one forward pass."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pipeline.draws import Stream, seed_of
from pipeline.model.layers import Declared, Layer, Pass, back_through, through
from pipeline.model.layers.composite import under
from pipeline.stacked import HOST, Inputs, On, Scratch, Stacked, padded

Heads = dict[str, list[Layer]]
"""Each task's own layers."""

Passed = tuple[Stacked, dict[str, slice]]
"""What a trunk answered, and which of its rows are whose."""


@dataclass
class Branch:
    """One trunk and the heads on it.

    Attributes:
        sources: Whose rows pass through the trunk.
        trunk: Its layers.
        heads: Each task's own layers.
        reads: Which of the trunk's values each task's head reads, where these differ; else all read all.
        factors: What each source's rows are multiplied by on the way in; empty where the first layers do it.
    """

    name: str
    sources: tuple[str, ...]
    trunk: list[Layer]
    heads: Heads
    reads: dict[str, slice] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)

    def read(self, task: str, x: Stacked, rows: slice) -> Stacked:
        """The part of the trunk's values, or of their gradients, that is a task's."""
        return (x.columns(self.reads[task]) if task in self.reads else x).part(rows)


@dataclass
class Network:
    """K networks of one shape.

    They take rows as they are stored: to divide them by the source's scale is the first thing that they do.

    Shapes: inputs [K or 1, B, F] for each source, outputs [K, B, C] for each task, values and gradients [K, P].

    Attributes:
        branches: One under all tasks when they share, else one a task.
        source_of: Each task's source.
        values: All trained values, a row a slot.
        grads: Their gradients.
        buffers: Running statistics, a row a slot.
        on: Where these lie.
        passed: Of the last forward pass, each branch's answer and which of its rows are whose; None where it had none.
    """

    branches: list[Branch]
    source_of: dict[str, str]
    values: Tensor = field(init=False)
    grads: Tensor = field(init=False)
    buffers: Tensor = field(init=False)
    on: On = field(init=False)

    def layers(self) -> Iterator[tuple[str, Layer]]:
        """All layers by name, in a fixed order."""
        for branch in self.branches:
            for index, layer in enumerate(branch.trunk):
                yield f"{branch.name}.{index}", layer
            for task, head in branch.heads.items():
                for index, layer in enumerate(head):
                    yield f"head.{task}.{index}", layer

    def units(self, training: bool) -> int:
        """Values that a pass keeps in memory for each row and slot, about."""
        return sum(part.units(training) for _, layer in self.layers() for part in layer.parts())

    def declared(self, what: str) -> dict[str, Declared]:
        """All `parameters` or `statistics` by full name."""
        return {
            f"{name}.{part}": declared
            for name, layer in self.layers()
            for part, declared in getattr(layer, what)().items()
        }

    def initialise(self, streams: list[Stream], on: On = HOST) -> None:
        """Give each slot its initial values, drawn from its own stream, and put them `on` a device."""
        values, buffers = self._empty("parameters", len(streams)), self._empty("statistics", len(streams))
        views = self._views(values, "parameters") | self._views(buffers, "statistics")
        every = self.declared("parameters") | self.declared("statistics")
        for k, stream in enumerate(streams):
            own = {f"{name}.{part}": it for name, layer in self.layers() for part, it in layer.initial(stream).items()}
            for name, view in views.items():
                declared = every[name]
                if name in own:
                    view[k].copy_(own[name])
                elif declared.bound is None:
                    view[k].fill_(declared.constant)
                else:
                    draws = torch.Generator().manual_seed(seed_of(stream.seed, stream.name, "initial", name))
                    view[k].uniform_(-declared.bound, declared.bound, generator=draws)
        self.bind(values.to(on.device), buffers.to(on.device), on)

    def bind(self, values: Tensor, buffers: Tensor, on: On = HOST) -> None:
        """Put the network on these rows, which lie `on` a device: [K, P] and [K, Q]."""
        self.values, self.buffers, self.grads, self.on = values, buffers, torch.zeros_like(values), on
        self._scratch = Scratch(on.device)
        stacked = {
            "values": self._views(values, "parameters"),
            "grads": self._views(self.grads, "parameters"),
            "buffers": self._views(buffers, "statistics"),
        }
        for name, layer in self.layers():
            layer.bind(**{what: under(name, views) for what, views in stacked.items()}, on=on)

    def begin(self, streams: Sequence[Stream], epoch: int) -> None:
        """Before an epoch of training with batched calls; see `Layer`."""
        for _, layer in self.layers():
            layer.begin(streams, epoch)

    def forward(self, inputs: Inputs | Mapping[str, Tensor], this: Pass | None = None) -> dict[str, Tensor]:
        """Logits of every task whose source is given: [K, B, C] each, valid until the next pass.

        Args:
            inputs: Rows of each source as stored, [K or 1, B, F].
            this: What the pass is for; None evaluates.
        """
        inputs = inputs if isinstance(inputs, Inputs) else Inputs.of(inputs)
        this = this or Pass({})
        outputs: dict[str, Tensor] = {}
        self.passed: list[Passed | None] = []
        for branch in self.branches:
            found = inputs.under(branch.sources)
            if found is None:
                self.passed.append(None)
                continue
            x, rows = found
            x = self._normalised(branch, x, rows)
            where = replace(this, rows=rows)
            x = through(branch.trunk, x, where)
            self.passed.append((x, rows))
            for task, head in branch.heads.items():
                source = self.source_of[task]
                if source in rows:
                    part = branch.read(task, x, rows[source])
                    outputs[task] = through(head, part, where.only(source)).tensor
        return outputs

    def backward(self, grads: Mapping[str, Stacked | Tensor]) -> None:
        """Write the gradients of all values, given those of every task's logits, [K, B, C] each."""
        slopes = {task: it if isinstance(it, Stacked) else Stacked(it) for task, it in grads.items()}
        for branch, passed in zip(self.branches, self.passed, strict=True):
            if passed is None:
                continue
            heads = {task: head for task, head in branch.heads.items() if self.source_of[task] in passed[1]}
            if branch.trunk:
                back_through(branch.trunk, self._summed(branch, heads, slopes, passed))
            else:
                for task, head in heads.items():
                    back_through(head, slopes[task])

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

    def shared(self) -> int:
        """P, the values of a slot's trunk with their padding: they come first; 0 where no tasks share one."""
        if len(self.branches) > 1:
            return 0
        return sum(padded(it.shape) for layer in self.branches[0].trunk for it in layer.parameters().values())

    def shared_views(self, flat: Tensor) -> list[dict[str, Stacked]]:
        """Rows [K, P] as the parameters of each of the trunk's layers by name."""
        views = self._views(flat, "parameters", self.branches[0].name)
        return [
            {name: Stacked(view) for name, view in under(f"{self.branches[0].name}.{index}", views).items()}
            for index in range(len(self.branches[0].trunk))
        ]

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
                    **({"reads": {it: [at.start, at.stop] for it, at in branch.reads.items()}} if branch.reads else {}),
                }
                for branch in self.branches
            ],
            "source_of": dict(self.source_of),
        }

    def _normalised(self, branch: Branch, x: Stacked, rows: dict[str, slice]) -> Stacked:
        """The rows as the branch's first layer wants them."""
        if not branch.factors:
            return x
        normalised = self._scratch(f"{branch.name}.x", *x.tensor.shape)
        for source, where in rows.items():
            torch.mul(x.part(where).tensor, branch.factors[source], out=normalised.part(where).tensor)
        return normalised

    def _summed(self, branch: Branch, heads: Heads, slopes: dict[str, Stacked], passed: Passed) -> Stacked:
        """The gradient of a trunk's output: at the rows of each source, the sum over the heads that read them."""
        x, rows = passed
        total = self._scratch(f"{branch.name}.back", len(self.values), *x.tensor.shape[1:])
        if branch.reads:
            total.tensor.zero_()  # nobody reads the values of a task at the rows of other sources
        begun: set[Stacked] = set()
        for task, head in heads.items():
            place = branch.read(task, total, rows[self.source_of[task]])
            # The first head of a place writes where its gradient belongs.
            back = back_through(head, slopes[task], None if place in begun else place)
            assert back is not None
            if place in begun:
                place.tensor.add_(back.tensor)
            elif back is not place:
                place.tensor.copy_(back.tensor)
            begun.add(place)
        return total

    def _empty(self, what: str, slots: int) -> Tensor:
        return torch.zeros(slots, sum(padded(declared.shape) for declared in self.declared(what).values()))

    def _views(self, flat: Tensor, what: str, under: str = "") -> dict[str, Tensor]:
        views, start = {}, 0
        for name, declared in self.declared(what).items():
            if not name.startswith(under):
                continue
            count = torch.Size(declared.shape).numel()
            views[name] = flat[:, start : start + count].view(flat.size(0), *declared.shape)
            start += padded(declared.shape)
        return views
