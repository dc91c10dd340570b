"""Batches: the rows of a step, their values as they are stored.

The network normalises them itself (see `pipeline.model.network`): a byte becomes a float on its way into the batch,
and nothing more. Memory does not grow with the rows: orders, labels and batches exist for a few steps at a time.

Shapes: S is 1 where all slots share their data stream, else K. B rows of a source in the step, F values a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from pipeline.data.plan import Plan
from pipeline.data.prepared import Prepared, Split
from pipeline.draws import Stream
from pipeline.errors import Failure
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


@dataclass(frozen=True)
class Rows:
    """The rows of a split as tensors: the mapped files themselves, or copies on another device.

    Attributes:
        inputs: [N, F] by source, as stored.
        labels: By task, as `Split` has them.
        without: As `Split` has it.
    """

    inputs: dict[str, Tensor]
    labels: dict[str, Tensor]
    without: dict[str, range] = field(default_factory=dict)

    @classmethod
    def of(cls, split: Split, device: str = "cpu") -> "Rows":
        """All of a split.

        Raises:
            Failure: The device has no room for them.
        """
        inputs, labels = (
            {name: torch.from_numpy(array) for name, array in arrays.items()} for arrays in (split.inputs, split.labels)
        )
        try:
            there, known = ({name: it.to(device) for name, it in held.items()} for held in (inputs, labels))
            return cls(there, known, split.without)
        except torch.OutOfMemoryError:
            size = sum(it.nbytes for it in inputs.values()) / 2**30
            raise Failure(f"{size:.1f} GiB of rows do not fit on device={device}: use device=cpu") from None


class Batches:
    """The batches of a split.

    Args:
        prepared: What is known of sources and tasks.
        split: The rows.
        batch_size: Rows of each source in a step.
        mix: See `Plan`.
        class_weights: Of the tasks that have some, see `pipeline.data.class_weights`.
        heat: See `Plan`.
    """

    def __init__(
        self,
        prepared: Prepared,
        split: Split,
        batch_size: int,
        mix: str,
        class_weights: Mapping[str, Tensor] = MappingProxyType({}),
        heat: float = 1.0,
    ) -> None:
        held = Rows.of(split)
        self._class_weights = class_weights
        self._gather, self._labels = Gather(held.inputs), held.labels
        self._source_of = {task: it.source for task, it in prepared.tasks.items()}
        rows = prepared.train_rows | split.rows
        self._plan = Plan(rows, batch_size, mix, heat, split.without, prepared.sources)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._plan.steps

    def epoch(self, streams: Sequence[Stream], epoch: int, steps: range | None = None) -> Iterator[Batch]:
        """The batches of an epoch, or of some steps of it, each stream in its own order.

        Batches share memory: one is valid until the next is drawn.
        """
        for part in self._plan.epoch(streams, epoch, steps):
            split = {
                source: list(zip(*(order.split(part.sizes[source]) for order in orders.unbind()), strict=True))
                for source, orders in part.rows.items()
            }
            targets = {
                task: _targets(self._labels[task][part.rows[source]], part.sizes[source], self._class_weights.get(task))
                for task, source in self._source_of.items()
            }
            for step in range(part.steps):
                inputs = self._gather({source: parts[step] for source, parts in split.items()})
                yield Batch(inputs, {task: parts[step] for task, parts in targets.items()})


class Gather:
    """Collects rows by number, the sources with equally long rows under one another.

    Args:
        stored: The rows [N, F] of each source.
    """

    def __init__(self, stored: dict[str, Tensor]) -> None:
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

    def fill(self, rows: dict[str, tuple[Tensor, ...]]) -> Inputs:
        for source, chosen in rows.items():
            for one, out in zip(chosen, self._fetched[source], strict=True):
                torch.index_select(self._stored[source], 0, one, out=out)
        for values, raw in self._casts:
            values.copy_(raw)
        return self._inputs


def evaluated_rows(units: int) -> int:
    """Rows of a pass that evaluates, where it keeps so many values for each: fewer of a deep network's images."""
    return max(_LEAST, min(EVALUATED, _KEPT // max(units, 1)))


def in_order(prepared: Prepared, split: Split | Rows, rows: int = EVALUATED) -> Iterator[Batch]:
    """The rows from first to last, so many of each source at a time, for evaluation: S is 1.

    Batches share memory: one is valid until the next is drawn.
    """
    held = split if isinstance(split, Rows) else Rows.of(split)
    labels = {task: held.labels[task].unsqueeze(0) for task in prepared.tasks}
    memory: dict[str, Tensor] = {}
    for source in prepared.sources:
        x = held.inputs[source]
        tasks = [task for task, it in prepared.tasks.items() if it.source == source]
        for here in _parts(len(x), rows, held.without.get(source)):
            part = x[here]
            if source not in memory or memory[source].size(1) != len(part):
                memory[source] = slotted(1, *part.shape, device=part.device)
                inputs = Inputs([(Stacked(memory[source]), {source: slice(0, len(part))})])
            memory[source].copy_(part)
            yield Batch(inputs, {task: Targets.of(labels[task][:, here]) for task in tasks})


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
