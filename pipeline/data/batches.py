"""Batches: which rows of each source make a step, and their values as the network sees them.

Shapes: S is 1 where all slots share their data stream, else K. B rows of a source in the step, F values a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.data.prepared import Prepared, Split
from pipeline.draws import Stream


@dataclass(frozen=True)
class Batch:
    """One step's rows.

    Attributes:
        inputs: By source, float32 [S, B, F].
        targets: By task, int64 [S, B], -1 where missing.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]


class Batches:
    """The batches of a split.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows.
        batch_size: Rows of each source in a step.
        mix: `longest`, `proportional` or `shortest`.
    """

    def __init__(self, prepared: Prepared, split: Split, batch_size: int, mix: str) -> None:
        self._inputs = {source: torch.from_numpy(array) for source, array in split.inputs.items()}
        self._labels = {task: torch.from_numpy(array) for task, array in split.labels.items()}
        self._scale = {source: it.scale for source, it in prepared.sources.items()}
        self._source_of = {task: it.source for task, it in prepared.tasks.items()}
        rows = {source: len(array) for source, array in self._inputs.items()}
        self._edges = _edges(rows, batch_size, mix)
        self._buffers: dict[tuple[str, int, int], Tensor] = {}

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(next(iter(self._edges.values()))) - 1

    def epoch(self, streams: Sequence[Stream], epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, each stream in its own order.

        Batches share memory for their inputs: one is valid until the next is drawn.
        """
        streams = list(dict.fromkeys(streams)) if len(set(streams)) == 1 else streams
        orders = [{source: self._order(source, stream, epoch) for source in self._inputs} for stream in streams]
        for step in range(self.steps):
            rows = {
                source: [order[source][edges[step] : edges[step + 1]] for order in orders]
                for source, edges in self._edges.items()
            }
            yield self._batch(rows)

    def _order(self, source: str, stream: Stream, epoch: int) -> Tensor:
        """Row numbers in the order of the epoch; a source shorter than the epoch is shuffled anew each time round."""
        rows, wanted = len(self._inputs[source]), self._edges[source][-1]
        rounds = [
            torch.randperm(rows, generator=torch.Generator().manual_seed(stream.seed_of("order", source, epoch, turn)))
            for turn in range(-(-wanted // rows))
        ]
        return torch.cat(rounds)[:wanted]

    def _batch(self, rows: dict[str, list[Tensor]]) -> Batch:
        inputs = {source: self._gather(source, chosen) for source, chosen in rows.items()}
        targets = {
            task: torch.stack([self._labels[task].index_select(0, where) for where in rows[source]])
            for task, source in self._source_of.items()
        }
        return Batch(inputs, targets)

    def _gather(self, source: str, rows: list[Tensor]) -> Tensor:
        key = (source, len(rows), len(rows[0]))
        if key not in self._buffers:
            self._buffers[key] = torch.empty(len(rows), len(rows[0]), self._inputs[source].size(1))
        out = self._buffers[key]
        for index, where in enumerate(rows):
            torch.div(self._inputs[source].index_select(0, where), self._scale[source], out=out[index])
        return out


def in_order(prepared: Prepared, split: Split, source: str, rows: int = 2048) -> Iterator[Batch]:
    """The rows of one source from first to last, so many at a time, for evaluation: S is 1."""
    inputs = torch.from_numpy(split.inputs[source])
    labels = {
        task: torch.from_numpy(array) for task, array in split.labels.items() if prepared.tasks[task].source == source
    }
    for start in range(0, len(inputs), rows):
        x = inputs[start : start + rows] / prepared.sources[source].scale
        targets = {task: values[start : start + rows].unsqueeze(0) for task, values in labels.items()}
        yield Batch({source: x.float().unsqueeze(0)}, targets)


def dropped(rows: dict[str, int], mix: str) -> dict[str, int]:
    """How many rows of each source no step of an epoch uses: other rows every epoch, and only under `shortest`.

    Args:
        rows: Number of rows by source.
        mix: `longest`, `proportional` or `shortest`.

    Returns:
        By source, above 0; empty where every row is used.
    """
    shortest = min(rows.values())
    return {source: count - shortest for source, count in rows.items() if mix == "shortest" and count > shortest}


def _edges(rows: dict[str, int], batch_size: int, mix: str) -> dict[str, list[int]]:
    """For each source, where the steps of an epoch begin in its order, and where the last ends."""
    if mix == "proportional":
        # A step has batch_size rows a source on average, shared out by size; rounding never loses a row.
        steps = -(-sum(rows.values()) // (batch_size * len(rows)))
        return {source: [count * step // steps for step in range(steps + 1)] for source, count in rows.items()}
    wanted = max(rows.values()) if mix == "longest" else min(rows.values())
    edges = [*range(0, wanted, batch_size), wanted]
    return dict.fromkeys(rows, edges)
