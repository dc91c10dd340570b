"""A step's batch in parts that pass through the network one after the other, or on several devices.

A part has its share of the rows of each source, in their order; where a source has fewer rows than there are parts,
some have none of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from pipeline.stacked import Cut, Inputs, Targets

Gathered = Callable[[Mapping[str, slice]], Inputs]
"""Gathers these rows of each source of the step; valid until the next call."""


def part(rows: int, number: int, parts: int) -> slice:
    """Which rows a part has.

    >>> [part(10, number, 4) for number in range(4)]
    [slice(0, 2, None), slice(2, 5, None), slice(5, 7, None), slice(7, 10, None)]
    """
    return slice(rows * number // parts, rows * (number + 1) // parts)


@dataclass(frozen=True)
class Chunked:
    """The batch of a step, of which one part at a time is gathered.

    Attributes:
        counts: Rows by source.
        source_of: Each task's.
        parts: How many.
        gather: Gathers rows.
        targets: Of all rows, by task: each target's share is that in the mean over the whole batch.
    """

    counts: Mapping[str, int]
    source_of: Mapping[str, str]
    parts: int
    gather: Gathered
    targets: Mapping[str, Targets]

    def cut(self, number: int) -> Cut | None:
        """The rows of a part; None where it has none of any source."""
        rows = {source: part(count, number, self.parts) for source, count in self.counts.items()}
        return Cut(number, rows, self.counts) if any(it.start < it.stop for it in rows.values()) else None

    def inputs(self, cut: Cut) -> Inputs:
        """The rows of a part; valid until the next call."""
        return self.gather(cut.rows)

    def targets_of(self, cut: Cut) -> dict[str, Targets]:
        """The targets of a part, by task."""
        sources = {task: self.source_of[task] for task in self.targets}
        return {task: self.targets[task].part(cut.rows[it], self.counts[it]) for task, it in sources.items()}

    def changed(self, change: Callable[[Inputs], Mapping[str, Tensor]]) -> "Chunked":
        """The same with other inputs, [S, B, F] by source, made of those of the whole batch."""
        every = change(self.gather({source: slice(0, count) for source, count in self.counts.items()}))
        return Chunked(
            self.counts,
            self.source_of,
            self.parts,
            lambda rows: Inputs.of({source: every[source][:, here] for source, here in rows.items()}),
            self.targets,
        )
