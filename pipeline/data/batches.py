"""Batches: the rows of a step, their values as they are stored.

The network normalises them itself (see `pipeline.model.network`): a byte becomes a float on its way into the batch,
and nothing more. Memory does not grow with the rows: orders, labels and batches exist for a few steps at a time.

Shapes: S is 1 where all slots share rows and data stream, else K. B rows of a source in the step, F values a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from pipeline.data.chunks import Chunked
from pipeline.data.plan import Plan
from pipeline.data.prepared import Prepared, Split
from pipeline.data.rows import Rows, Seen
from pipeline.draws import Stream
from pipeline.stacked import Inputs, Stacked, Targets, missing_in, places, slotted

EVALUATED = 512
"""Most rows of a pass that evaluates."""

_LEAST, _KEPT = 16, 2**23


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
    """The batches of a split, or of several that are alike in size and shape, side by side.

    Args:
        prepared: What is known of sources and tasks.
        splits: The rows of V splits; by default each slot sees one, or all the only one.
        batch_size: Rows of each source in a step.
        mix: See `Plan`.
        class_weights: Of the tasks that have some, those of each split [V, ...], see `pipeline.data.class_weights`.
        heat: See `Plan`.
    """

    def __init__(
        self,
        prepared: Prepared,
        splits: Sequence[Split],
        batch_size: int,
        mix: str,
        class_weights: Mapping[str, Tensor] = MappingProxyType({}),
        heat: float = 1.0,
    ) -> None:
        self._rows, self._weights_of = [Rows.of(split) for split in splits], class_weights
        self._source_of = {task: it.source for task, it in prepared.tasks.items()}
        self._plan = Plan(prepared.train_rows | splits[0].rows, batch_size, mix, heat, prepared.sources)
        self.serve(range(len(splits)))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._plan.steps

    @property
    def largest(self) -> dict[str, int]:
        """The most rows that a step takes of each source."""
        return self._plan.largest

    def serve(self, whose: Sequence[int]) -> None:
        """From now on, these slots: which of the splits all of them see, or each."""
        each = [self._rows[it] for it in whose]
        self._seen, self._gather = Seen(each), Gather({it: [own.inputs[it] for own in each] for it in each[0].inputs})
        self._class_weights = {task: weights[list(whose)] for task, weights in self._weights_of.items()}

    def epoch(self, streams: Sequence[Stream], epoch: int, steps: range | None = None) -> Iterator[Batch]:
        """The batches of an epoch, or of some steps of it, each stream in its own order.

        Batches share memory: one is valid until the next is drawn.
        """
        for rows, targets in self._steps(streams, epoch, steps):
            yield Batch(self._gather(rows), targets)

    def chunked(
        self, streams: Sequence[Stream], epoch: int, parts: int, steps: range | None = None
    ) -> Iterator[Chunked]:
        """The same batches, each cut into so many parts, which are gathered one at a time."""
        for rows, targets in self._steps(streams, epoch, steps):
            counts = {source: len(its[0]) for source, its in rows.items()}
            yield Chunked(counts, self._source_of, parts, partial(self._part, rows), targets)

    def _part(self, rows: Mapping[str, tuple[Tensor, ...]], places: Mapping[str, slice]) -> Inputs:
        """Some of the rows of a step."""
        return self._gather({source: tuple(one[places[source]] for one in its) for source, its in rows.items()})

    def _steps(
        self, streams: Sequence[Stream], epoch: int, steps: range | None
    ) -> Iterator[tuple[dict[str, tuple[Tensor, ...]], dict[str, Targets]]]:
        """Numbers of each step's rows, S times [B] for each source, and its targets."""
        for part in self._plan.epoch(streams, epoch, steps):
            places = {source: self._seen.places(source, numbers) for source, numbers in part.rows.items()}
            stored = {source: self._seen.stored(source, its).unbind() for source, its in places.items()}
            split = {
                source: list(zip(*(order.split(part.sizes[source]) for order in orders), strict=True))
                for source, orders in stored.items()
            }
            targets = {}
            for task, source in self._source_of.items():
                labels = self._seen.labels(task, places[source])
                targets[task] = _targets(labels, part.sizes[source], self._class_weights.get(task))
            for step in range(part.steps):
                rows = {source: parts[step] for source, parts in split.items()}
                yield rows, {task: parts[step] for task, parts in targets.items()}


class Gather:
    """Collects rows by number, the sources with equally long rows under one another.

    Args:
        stored: The rows [N, F] of each source: one for all slots, or one for each.
    """

    def __init__(self, stored: dict[str, list[Tensor]]) -> None:
        self._stored = stored
        self._rooms: dict[tuple[int, ...], _Room] = {}

    def __call__(self, rows: dict[str, tuple[Tensor, ...]]) -> Inputs:
        """The rows of these numbers, S times [B] for each source; valid until the next call."""
        counts = {source: len(its[0]) for source, its in rows.items()}
        slots = len(next(iter(rows.values())))
        sizes = (slots, *counts.values())
        if sizes not in self._rooms:
            self._rooms[sizes] = _Room(self._stored, counts, slots)
        return self._rooms[sizes].fill(rows)


class _Room:
    """Memory for batches of one size."""

    def __init__(self, stored: dict[str, list[Tensor]], counts: dict[str, int], slots: int) -> None:
        self._stored = {source: x if len(x) == slots else x * slots for source, x in stored.items()}
        alike = {source: (x[0].size(1), x[0].dtype) for source, x in stored.items()}
        self._fetched: dict[str, Tensor | tuple[Tensor, ...]] = {}
        self._casts: list[tuple[Tensor, Tensor]] = []
        blocks = []
        for features, dtype in dict.fromkeys(alike.values()):
            mine = {source: counts[source] for source, kind in alike.items() if kind == (features, dtype)}
            where, total = places(mine), sum(mine.values())
            values = slotted(slots, total, features)
            raw = values if dtype == torch.float32 else torch.empty(slots, total, features, dtype=dtype)
            if raw is not values:
                self._casts.append((values, raw))
            self._fetched |= {source: raw[:, where[source]].unbind() for source in mine}
            blocks.append((Stacked(values), where))
        self._inputs = Inputs(blocks)

    def fill(self, rows: dict[str, tuple[Tensor, ...]]) -> Inputs:
        for source, chosen in rows.items():
            for x, one, out in zip(self._stored[source], chosen, self._fetched[source], strict=True):
                torch.index_select(x, 0, one, out=out)
        for values, raw in self._casts:
            values.copy_(raw)
        return self._inputs


def evaluated_rows(units: int) -> int:
    """Rows of a pass that evaluates, where it keeps so many values for each: fewer of a deep network's images."""
    return max(_LEAST, min(EVALUATED, _KEPT // max(units, 1)))


def in_order(prepared: Prepared, split: Split | Seen, rows: int = EVALUATED) -> Iterator[Batch]:
    """The rows from first to last, so many of each source at a time, for evaluation.

    Batches share memory: one is valid until the next is drawn.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows that all slots see, or equally many for each.
        rows: At a time.
    """
    seen = Seen([Rows.of(split)]) if isinstance(split, Split) else split
    first, slots = seen.each[0], len(seen.each)
    memory: dict[str, Tensor] = {}
    for source in prepared.sources:
        tasks = [task for task, it in prepared.tasks.items() if it.source == source]
        for here in _parts(first.count(source), rows, first.without.get(source)):
            parts = [it.chosen(source, here) for it in seen.each]
            count, features = parts[0].shape
            if source not in memory or memory[source].size(1) != count:
                memory[source] = slotted(slots, count, features, device=parts[0].device)
                inputs = Inputs([(Stacked(memory[source]), {source: slice(0, count)})])
            for values, part in zip(memory[source], parts, strict=True):
                values.copy_(part)
            yield Batch(inputs, {task: Targets.of(seen.labels_in(task, here)) for task in tasks})


def _parts(rows: int, most: int, without: range | None) -> Iterator[slice]:
    """All rows but some, so many at a time at most."""
    ranges = [range(rows)] if without is None else [range(without.start), range(without.stop, rows)]
    for one in ranges:
        for start in one[::most]:
            yield slice(start, min(start + most, one.stop))


def _targets(labels: Tensor, sizes: list[int], weights: Tensor | None) -> list[Targets]:
    """The targets of each step, from the stored ones [S, N, ...] of several steps of these sizes."""
    parts = labels.split(sizes, 1)
    if weights is not None:
        return [Targets.of(part).weighted(weights) for part in parts]
    if missing_in(labels).any():
        return [Targets.of(part) for part in parts]
    complete = {part.size(1): Targets.complete(part) for part in parts}  # steps of one size share their masks
    return [complete[part.size(1)].like(part) for part in parts]
