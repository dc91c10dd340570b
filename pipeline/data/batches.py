"""Batches: which rows of each source make a step, and their values as they are stored.

The network normalises them itself (see `pipeline.model.network`): a byte becomes a float on its way into the batch,
and nothing more. Memory does not grow with the rows: orders, labels and batches exist for a few steps at a time.

Shapes: S is 1 where all slots share their data stream, else K. B rows of a source in the step, F values a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.data.order import shuffled
from pipeline.data.prepared import Prepared, Split
from pipeline.draws import Stream
from pipeline.stacked import Inputs, Stacked, Targets, places, slotted

_STEPS = 32  # that are planned at a time


@dataclass(frozen=True)
class Batch:
    """One step's rows.

    Attributes:
        inputs: float32 [S, B, F] of every source, as stored.
        targets: By task.
    """

    inputs: Inputs
    targets: dict[str, Targets]


class Batches:
    """The batches of a split.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows.
        batch_size: Rows of each source in a step.
        mix: `longest`, `proportional` or `shortest`.
    """

    def __init__(self, prepared: Prepared, split: Split, batch_size: int, mix: str) -> None:
        self._gather = Gather(split)
        self._labels = {task: torch.from_numpy(array) for task, array in split.labels.items()}
        self._source_of = {task: it.source for task, it in prepared.tasks.items()}
        self._rows = {source: len(array) for source, array in split.inputs.items()}
        self._edges = _edges(self._rows, batch_size, mix)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(next(iter(self._edges.values()))) - 1

    def epoch(self, streams: Sequence[Stream], epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, each stream in its own order.

        Batches share memory: one is valid until the next is drawn.
        """
        streams = list(dict.fromkeys(streams)) if len(set(streams)) == 1 else streams
        for first in range(0, self.steps, _STEPS):
            last = min(first + _STEPS, self.steps)
            edges = {source: every[first : last + 1] for source, every in self._edges.items()}
            rows = {source: self._order(source, streams, epoch, at[0], at[-1]) for source, at in edges.items()}
            sizes = {source: [stop - start for start, stop in pairwise(at)] for source, at in edges.items()}
            split = {source: order.split(sizes[source], 1) for source, order in rows.items()}
            targets = {
                task: _targets(self._labels[task][rows[source]], sizes[source])
                for task, source in self._source_of.items()
            }
            for step in range(last - first):
                inputs = self._gather({source: parts[step] for source, parts in split.items()})
                yield Batch(inputs, {task: parts[step] for task, parts in targets.items()})

    def _order(self, source: str, streams: Sequence[Stream], epoch: int, start: int, stop: int) -> Tensor:
        """Row numbers [S, stop - start]; a source shorter than the epoch is shuffled anew each time round."""
        rows = self._rows[source]
        orders = []
        for stream in streams:
            rounds = [
                shuffled(
                    rows,
                    stream.seed_of("order", source, epoch, turn),
                    max(start - turn * rows, 0),
                    min(stop - turn * rows, rows),
                )
                for turn in range(start // rows, -(-stop // rows))
            ]
            orders.append(np.concatenate(rounds) if rounds else np.empty(0, np.int64))
        return torch.from_numpy(np.stack(orders))


class Gather:
    """Collects rows by number, the sources with equally long rows under one another.

    Args:
        split: The rows.
    """

    def __init__(self, split: Split) -> None:
        self._stored = {source: torch.from_numpy(array) for source, array in split.inputs.items()}
        self._rooms: dict[tuple[int, ...], _Room] = {}

    def __call__(self, rows: dict[str, Tensor]) -> Inputs:
        """The rows of these numbers, [S, B] for each source; valid until the next call."""
        slots = next(iter(rows.values())).size(0)
        sizes = (slots, *(it.size(1) for it in rows.values()))
        if sizes not in self._rooms:
            self._rooms[sizes] = _Room(self._stored, {source: it.size(1) for source, it in rows.items()}, slots)
        return self._rooms[sizes].fill(rows)


class _Room:
    """Memory for batches of one size."""

    def __init__(self, stored: dict[str, Tensor], counts: dict[str, int], slots: int) -> None:
        self._stored = stored
        self._fetched: dict[str, Tensor | tuple[Tensor, ...]] = {}
        self._casts: list[tuple[Tensor, Tensor]] = []
        blocks = []
        for features, dtype in dict.fromkeys((x.size(1), x.dtype) for x in stored.values()):
            alike = [source for source, x in stored.items() if (x.size(1), x.dtype) == (features, dtype)]
            where = places({source: counts[source] for source in alike})
            total = sum(counts[source] for source in alike)
            values = slotted(slots, total, features)
            raw = values if dtype == torch.float32 else torch.empty(slots, total, features, dtype=dtype)
            if raw is not values:
                self._casts.append((values, raw))
            self._fetched |= {source: raw[:, where[source]].unbind() for source in alike}
            blocks.append((Stacked(values), where))
        self._inputs = Inputs(blocks)

    def fill(self, rows: dict[str, Tensor]) -> Inputs:
        for source, chosen in rows.items():
            for one, out in zip(chosen, self._fetched[source], strict=True):
                torch.index_select(self._stored[source], 0, one, out=out)
        for values, raw in self._casts:
            values.copy_(raw)
        return self._inputs


def in_order(prepared: Prepared, split: Split, rows: int = 512) -> Iterator[Batch]:
    """The rows from first to last, so many of each source at a time, for evaluation: S is 1.

    Batches share memory: one is valid until the next is drawn.
    """
    stored = {source: torch.from_numpy(split.inputs[source]) for source in prepared.sources}
    labels = {task: torch.from_numpy(split.labels[task]).unsqueeze(0) for task in prepared.tasks}
    memory: dict[str, Tensor] = {}
    for source, x in stored.items():
        tasks = [task for task, it in prepared.tasks.items() if it.source == source]
        for start in range(0, len(x), rows):
            part = x[start : start + rows]
            if source not in memory or len(part) < rows:
                memory[source] = slotted(1, *part.shape)
                inputs = Inputs([(Stacked(memory[source]), {source: slice(0, len(part))})])
            memory[source].copy_(part)
            yield Batch(inputs, {task: Targets.of(labels[task][:, start : start + rows]) for task in tasks})


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


def _targets(labels: Tensor, sizes: list[int]) -> list[Targets]:
    """The targets of each step, from the labels int64 [S, N] of several steps of these sizes."""
    missing = labels < 0
    classes = labels.clamp_min(0)
    labelled = (~missing).float()
    parts = zip(classes.split(sizes, 1), labelled.split(sizes, 1), strict=True)
    if not missing.any():
        share = {size: torch.full((len(labels), size), 1.0 / max(size, 1)) for size in set(sizes)}
        return [Targets(part, there, share[part.size(1)]) for part, there in parts]
    return [Targets(part, there, there / there.sum(1, keepdim=True).clamp_min(1)) for part, there in parts]


def _edges(rows: dict[str, int], batch_size: int, mix: str) -> dict[str, Sequence[int]]:
    """For each source, where the steps of an epoch begin in its order, and where the last ends."""
    if mix == "proportional":
        # A step has batch_size rows a source on average, shared out by size; rounding never loses a row.
        steps = -(-sum(rows.values()) // (batch_size * len(rows)))
        return {source: [count * step // steps for step in range(steps + 1)] for source, count in rows.items()}
    wanted = max(rows.values()) if mix == "longest" else min(rows.values())
    edges = [*range(0, wanted, batch_size), wanted]
    return dict.fromkeys(rows, edges)
