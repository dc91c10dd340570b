"""The rows of splits as tensors, and those that each slot sees: all the same, or each its own.

Shapes: S is 1 where all slots share what is meant, else K. N rows of a source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from pipeline.data.prepared import Split
from pipeline.errors import Failure
from pipeline.stacked import MISSING


@dataclass(frozen=True)
class Rows:
    """The rows of a split as tensors: the mapped files themselves, or copies on another device.

    Attributes:
        inputs: [N, F] by source, as stored.
        labels: By task, as `Split` has them.
        without: As `Split` has it.
        at: As `Split` has it.
    """

    inputs: dict[str, Tensor]
    labels: dict[str, Tensor]
    without: dict[str, range] = field(default_factory=dict)
    at: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, split: Split) -> "Rows":
        """All of a split."""
        inputs, labels, at = (
            {name: torch.from_numpy(array) for name, array in arrays.items()}
            for arrays in (split.inputs, split.labels, split.at)
        )
        return cls(inputs, labels, split.without, at)

    def to(self, device: str) -> "Rows":
        """The same on a device.

        Raises:
            Failure: It has no room for them.
        """
        try:
            inputs, labels, at = (
                {name: it.to(device) for name, it in held.items()} for held in (self.inputs, self.labels, self.at)
            )
        except torch.OutOfMemoryError:
            size = sum(it.nbytes for it in self.inputs.values()) / 2**30
            raise Failure(f"{size:.1f} GiB of rows do not fit on device={device}: use device=cpu") from None
        return replace(self, inputs=inputs, labels=labels, at=at)

    def gathered(self) -> "Rows":
        """The same with inputs of its own, where it shares them with other splits."""
        own = {source: self.inputs[source][at] for source, at in self.at.items()}
        return replace(self, inputs=self.inputs | own, at={})

    def places(self, source: str, numbers: Tensor) -> Tensor:
        """Where the rows of these numbers lie among the labels: beyond what the split is without."""
        gap = self.without.get(source)
        return numbers if gap is None else numbers + len(gap) * (numbers >= gap.start)

    def stored(self, source: str, places: Tensor) -> Tensor:
        """Where the inputs of rows at these places are stored."""
        return self.at[source][places] if source in self.at else places

    def chosen(self, source: str, places: slice) -> Tensor:
        """The inputs of some rows in a row, [B, F]."""
        return self.inputs[source][self.at[source][places] if source in self.at else places]

    def count(self, source: str) -> int:
        """How many places there are."""
        return len(self.at.get(source, self.inputs[source]))

    def padded(self, counts: Mapping[str, int], source_of: Mapping[str, str]) -> "Rows":
        """The rows and behind them, up to so many of each source, its last one again, without a label.

        What a product of matrices makes of a row may depend, in its last bit, on the number of rows.

        Args:
            counts: By source.
            source_of: Each task's.
        """
        short = {source: count - self.count(source) for source, count in counts.items() if count > self.count(source)}
        at, labels = dict(self.at), dict(self.labels)
        for source, more in short.items():
            own = self.at[source] if source in self.at else torch.arange(self.count(source))
            at[source] = torch.cat([own, own[-1:].expand(more)])
        for task, known in self.labels.items():
            if source_of[task] in short:
                missing = float("nan") if known.is_floating_point() else MISSING
                labels[task] = torch.cat([known, known.new_full((short[source_of[task]], *known.shape[1:]), missing)])
        return replace(self, labels=labels, at=at)


@dataclass(frozen=True)
class Seen:
    """The rows that the slots of a stack see.

    Attributes:
        each: Those of all slots, or of each.
    """

    each: Sequence[Rows]

    def places(self, source: str, numbers: Tensor) -> Tensor:
        """See `Rows`: int64 [S, N], of numbers [S, N] or [1, N]."""
        return self._of_each(numbers, lambda rows, own: rows.places(source, own))

    def stored(self, source: str, places: Tensor) -> Tensor:
        """See `Rows`: int64 [S, N], of places [S, N]."""
        return self._of_each(places, lambda rows, own: rows.stored(source, own))

    def labels(self, task: str, places: Tensor) -> Tensor:
        """The labels of the rows at these places [S, N]: [S, N, ...]."""
        return self._of_each(places, lambda rows, own: rows.labels[task][own])

    def labels_in(self, task: str, places: slice) -> Tensor:
        """The labels of some rows in a row: [1 or K, N, ...]."""
        if len(self.each) == 1:
            return self.each[0].labels[task][places].unsqueeze(0)
        return torch.stack([rows.labels[task][places] for rows in self.each])

    def _of_each(self, numbers: Tensor, ask: Callable[[Rows, Tensor], Tensor]) -> Tensor:
        if len(self.each) == 1:
            return ask(self.each[0], numbers)
        own = numbers.expand(len(self.each), -1).unbind()
        return torch.stack([ask(rows, of_slot) for rows, of_slot in zip(self.each, own, strict=True)])


def joined(splits: Sequence[Split]) -> tuple[Rows, dict[str, Tensor]]:
    """The rows of V splits under one another; inputs that several of them share are there once.

    Returns:
        The rows, and by source at which place those of each split begin, int64 [V, 1].
    """
    if len(splits) == 1:
        return replace(Rows.of(splits[0]), without={}), {source: _begins([0]) for source in splits[0].inputs}
    every = [Rows.of(split) for split in splits]
    begins = {source: _begins([it.count(source) for it in every]) for source in every[0].inputs}
    inputs, at = {}, {}
    for source in every[0].inputs:
        if source not in every[0].at:
            inputs[source] = torch.cat([it.inputs[source] for it in every])
            continue
        files = [getattr(split.inputs[source], "filename", place) for place, split in enumerate(splits)]
        first = [files.index(file) for file in files]
        kept = sorted(set(first))
        inputs[source] = torch.cat([every[place].inputs[source] for place in kept])
        behind = dict(zip(kept, _begins([len(every[place].inputs[source]) for place in kept]).flatten(), strict=True))
        at[source] = torch.cat([it.at[source] + behind[place] for it, place in zip(every, first, strict=True)])
    labels = {task: torch.cat([it.labels[task] for it in every]) for task in every[0].labels}
    return Rows(inputs, labels, {}, at), begins


def _begins(counts: Sequence[int]) -> Tensor:
    """Where each of several parts of these sizes begins, [V, 1]."""
    sizes = torch.tensor([0, *counts[:-1]])
    return sizes.cumsum(0).unsqueeze(1)
