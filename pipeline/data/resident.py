"""Batches of rows that lie on the device that trains.

They are gathered there, by row numbers that the host sends ahead, a few steps in one copy. Which step it is, is known
on the device alone: nothing has to be waited for, and the gathering can be recorded once and replayed.

Shapes as in `pipeline.data.batches`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from pipeline.data.batches import Batch
from pipeline.data.chunks import Chunked
from pipeline.data.plan import STEPS, Part, Plan
from pipeline.data.prepared import Prepared, Split, known
from pipeline.data.rows import Rows, Seen, joined
from pipeline.draws import Stream
from pipeline.stacked import Inputs, Stacked, Targets, places, slotted


class ResidentBatches:
    """The batches of a split on a device.

    Args:
        prepared: What is known of sources and tasks.
        splits: See `Batches`; the rows are copied to the device.
        batch_size: Rows of each source in a step.
        mix: See `Plan`.
        device: As torch names it.
        class_weights: See `Batches`.
        heat: See `Plan`.

    Attributes:
        clock: Which step of the epoch `batch` answers, int64 [1]; whoever takes a step moves it on.
    """

    def __init__(
        self,
        prepared: Prepared,
        splits: Sequence[Split],
        batch_size: int,
        mix: str,
        device: str,
        class_weights: Mapping[str, Tensor] = MappingProxyType({}),
        heat: float = 1.0,
    ) -> None:
        self._weights_of = {task: it.to(device) for task, it in class_weights.items()}
        rows, self._begins = joined(splits)
        self._each, self._rows, self._device = [Rows.of(split) for split in splits], rows.to(device), device
        self._source_of = {task: it.source for task, it in prepared.tasks.items()}
        self._complete = {task: all(known(it.labels[task]).all() for it in splits) for task in prepared.tasks}
        self._plan = Plan(prepared.train_rows | splits[0].rows, batch_size, mix, heat, prepared.sources)
        self.clock = torch.zeros(1, dtype=torch.int64, device=device)
        self._tables: dict[str, Tensor] = {}  # row numbers [STEPS, S, B] of the steps at hand
        self._rooms: dict[tuple[int, ...], tuple[Inputs, dict[str, Tensor]]] = {}
        self._all: dict[tuple[torch.Size, torch.dtype], Targets] = {}
        self.serve(range(len(splits)))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._plan.steps

    @property
    def largest(self) -> dict[str, int]:
        """See `Batches`."""
        return self._plan.largest

    def serve(self, whose: Sequence[int]) -> None:
        """See `Batches`."""
        self._whose, self._seen = list(whose), Seen([self._each[it] for it in whose])
        self._class_weights = {task: weights[self._whose] for task, weights in self._weights_of.items()}

    def epoch(self, streams: Sequence[Stream], epoch: int, steps: range | None = None) -> Iterator[tuple[int, ...]]:
        """How many rows of each source a step takes, for every step of an epoch or for some.

        `batch` answers them before the next is drawn.
        """
        self.clock.fill_(0 if steps is None else steps.start)
        for part in self._plan.epoch(streams, epoch, steps):
            self._send(part)
            yield from zip(*part.sizes.values(), strict=True)

    def batch(self, sizes: tuple[int, ...]) -> Batch:
        """The batch of the clock's step, so many rows of each source; valid until the next call."""
        rows = self._numbers(sizes)
        return Batch(self._gather(rows), self._all_targets(rows))

    def chunked(self, sizes: tuple[int, ...], parts: int) -> Chunked:
        """The same cut into so many parts, which are gathered one at a time."""
        rows = self._numbers(sizes)
        counts = {source: its.size(1) for source, its in rows.items()}
        return Chunked(counts, self._source_of, parts, partial(self._part, rows), self._all_targets(rows))

    def _numbers(self, sizes: tuple[int, ...]) -> dict[str, Tensor]:
        """The rows of the clock's step, [S, B] of each source."""
        at = self.clock % STEPS
        return {
            source: table.index_select(0, at)[0, :, :count]
            for (source, table), count in zip(self._tables.items(), sizes, strict=True)
        }

    def _part(self, rows: Mapping[str, Tensor], places: Mapping[str, slice]) -> Inputs:
        """Some of the rows of a step."""
        return self._gather({source: its[:, places[source]] for source, its in rows.items()})

    def _gather(self, rows: Mapping[str, Tensor]) -> Inputs:
        """The rows of these numbers, [S, B] of each source; valid until the next call."""
        inputs, places_of = self._room({source: it.shape for source, it in rows.items()})
        for source, place in places_of.items():
            place.copy_(_chosen(self._rows.inputs[source], self._rows.stored(source, rows[source])))
        return inputs

    def _all_targets(self, rows: Mapping[str, Tensor]) -> dict[str, Targets]:
        return {task: self._targets(task, rows[source]) for task, source in self._source_of.items()}

    def _send(self, part: Part) -> None:
        """Bring the row numbers of some steps to the device, without waiting until they are there."""
        for source, most in self._plan.largest.items():
            order = self._seen.places(source, part.rows[source]) + self._begins[source][self._whose]
            table = torch.zeros(STEPS, len(order), most, dtype=torch.int64, pin_memory=self._device == "cuda")
            for step, rows in enumerate(order.split(part.sizes[source], 1), part.first % STEPS):
                table[step, :, : rows.size(1)] = rows
            if source not in self._tables or self._tables[source].shape != table.shape:
                self._tables[source] = torch.empty_like(table, device=self._device)
            self._tables[source].copy_(table, non_blocking=True)

    def _room(self, shapes: dict[str, torch.Size]) -> tuple[Inputs, dict[str, Tensor]]:
        """Memory for batches of one size, and where in it [S, B, F] the rows of each source belong."""
        slots = next(iter(shapes.values()))[0]
        counts = {source: shape[1] for source, shape in shapes.items()}
        key = (slots, *counts.values())
        if key not in self._rooms:
            blocks = []
            found: dict[str, Tensor] = {}
            for features in dict.fromkeys(x.size(1) for x in self._rows.inputs.values()):
                alike = {it: count for it, count in counts.items() if self._rows.inputs[it].size(1) == features}
                where, values = places(alike), slotted(slots, sum(alike.values()), features, device=self._device)
                blocks.append((Stacked(values), where))
                found |= {source: values[:, its] for source, its in where.items()}
            self._rooms[key] = (Inputs(blocks), found)
        return self._rooms[key]

    def _targets(self, task: str, rows: Tensor) -> Targets:
        labels = _chosen(self._rows.labels[task], rows)
        if task in self._class_weights:
            return Targets.of(labels).weighted(self._class_weights[task])
        if not self._complete[task]:
            return Targets.of(labels)
        key = (labels.shape, labels.dtype)
        if key not in self._all:
            self._all[key] = Targets.complete(labels)
        return self._all[key].like(labels)


def _chosen(stored: Tensor, rows: Tensor) -> Tensor:
    """The rows of these numbers, [S, B, ...]."""
    return stored.index_select(0, rows.flatten()).view(*rows.shape, *stored.shape[1:])
