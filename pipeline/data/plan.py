"""The plan of an epoch: which rows of each source make a step. It exists for a few steps at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.config import Experiment
from pipeline.data.order import shuffled
from pipeline.data.prepared import Prepared
from pipeline.draws import Stream

STEPS = 128  # that are planned at a time: a call for many numbers costs little more than one for few


@dataclass(frozen=True)
class Part:
    """A few steps in a row.

    Attributes:
        rows: Row numbers int64 [S, N] of each source, those of one step after those of another; S is 1 where all slots
            share their data stream, else K.
        sizes: How many of them each step takes, by source.
        steps: Number of steps.
        first: Number of the first in its epoch; no part goes beyond a multiple of `STEPS`.
    """

    rows: dict[str, Tensor]
    sizes: dict[str, list[int]]
    steps: int
    first: int


class Plan:
    """The steps of every epoch.

    Args:
        rows: Number of rows by source, of all that share an epoch.
        batch_size: Rows of each source in a step.
        mix: `longest`, `proportional`, `shortest` or `temperature`.
        heat: The temperature, of the last; 1 is `proportional`.
        present: The sources that are read, by default all: for a network of fewer tasks an epoch has as many steps,
            and a step as many rows of a source, as for one of all.
    """

    def __init__(
        self,
        rows: Mapping[str, int],
        batch_size: int,
        mix: str,
        heat: float = 1.0,
        present: Collection[str] | None = None,
    ) -> None:
        self._rows = rows
        edges = _edges(rows, batch_size, mix, heat)
        self._edges = {source: edges[source] for source in (rows if present is None else present)}

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(next(iter(self._edges.values()))) - 1

    @property
    def largest(self) -> dict[str, int]:
        """The most rows that a step takes of each source."""
        return {source: max(stop - start for start, stop in pairwise(at)) for source, at in self._edges.items()}

    def epoch(self, streams: Sequence[Stream], epoch: int, steps: range | None = None) -> Iterator[Part]:
        """The parts of an epoch, or of some steps of it, each stream in its own order."""
        streams = list(dict.fromkeys(streams)) if len(set(streams)) == 1 else streams
        first, stop = (0, self.steps) if steps is None else (steps.start, steps.stop)
        while first < stop:
            last = min(first - first % STEPS + STEPS, stop)
            edges = {source: every[first : last + 1] for source, every in self._edges.items()}
            rows = {source: self._order(source, streams, epoch, at[0], at[-1]) for source, at in edges.items()}
            sizes = {source: [stop - start for start, stop in pairwise(at)] for source, at in edges.items()}
            yield Part(rows, sizes, last - first, first)
            first = last

    def _order(self, source: str, streams: Sequence[Stream], epoch: int, start: int, stop: int) -> Tensor:
        """Row numbers [S, stop - start]; a source shorter than the epoch is shuffled anew each time round."""
        rows = self._rows[source]
        rounds = [
            shuffled(
                rows,
                [stream.seed_of("order", source, epoch, turn) for stream in streams],
                max(start - turn * rows, 0),
                min(stop - turn * rows, rows),
            )
            for turn in range(start // rows, -(-stop // rows))
        ]
        return torch.from_numpy(np.concatenate(rounds, 1) if rounds else np.empty((len(streams), 0), np.int64))


def plan_of(prepared: Prepared, experiment: Experiment) -> Plan:
    """The plan of an experiment's epochs on these data, whichever of their sources it reads."""
    data = experiment.data
    return Plan(
        prepared.train_rows,
        experiment.training.batch_size,
        data.mix,
        data.effective_temperature,
        present=prepared.sources,
    )


def dropped(rows: Mapping[str, int], mix: str, heat: float = 1.0) -> dict[str, int]:
    """How many rows of each source no step of an epoch uses: other rows every epoch.

    Args:
        rows: Number of rows by source.
        mix: See `Plan`.
        heat: See `Plan`.

    Returns:
        By source, above 0; empty where every row is used.
    """
    drawn = _drawn(rows, mix, heat)
    return {source: count - drawn[source] for source, count in rows.items() if drawn[source] < count}


def _drawn(rows: Mapping[str, int], mix: str, heat: float) -> dict[str, int]:
    """Rows of each source in an epoch, those that come again counted again."""
    if mix in ("longest", "shortest"):
        return dict.fromkeys(rows, max(rows.values()) if mix == "longest" else min(rows.values()))
    shares = {source: count ** (1.0 / heat) for source, count in rows.items()}
    scale = sum(rows.values()) / sum(shares.values())
    return {source: max(1, round(share * scale)) for source, share in shares.items()}


def _edges(rows: Mapping[str, int], batch_size: int, mix: str, heat: float) -> dict[str, Sequence[int]]:
    """For each source, where the steps of an epoch begin in its order, and where the last ends."""
    drawn = _drawn(rows, mix, heat)
    if mix in ("longest", "shortest"):
        wanted = next(iter(drawn.values()))
        edges = [*range(0, wanted, batch_size), wanted]
        return dict.fromkeys(rows, edges)
    # A step has batch_size rows a source on average, shared out by size; rounding never loses a row.
    steps = -(-sum(rows.values()) // (batch_size * len(rows)))
    return {source: [count * step // steps for step in range(steps + 1)] for source, count in drawn.items()}
