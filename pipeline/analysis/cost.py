"""What answering costs: parameters, latency of one row, and throughput, of one shared pass or of T networks in turn.

An answer to a row is the answer of every task to it. A shared trunk is passed once; networks that share nothing are
passed one after the other, and their times add up.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.measured import interleaved
from pipeline.analysis.metrics import BATCH
from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.draws import Stream
from pipeline.model import Network, build
from pipeline.training.saved import about, files
from pipeline.training.slot import Slot
from pipeline.training.stack.network import build_network, conditioning, task_shapes

_ENOUGH_S = 0.7  # for each number of rows
_SAMPLE_S = 0.002
_CALLS = 20

_Shape = tuple[float, str, Prepared, Experiment]
"""A share of a candidate's seeds, what describes their networks, and data and experiment that make one."""


@dataclass(frozen=True)
class Cost:
    """What one seed of a candidate costs, on average where their networks differ.

    Times are medians of repeats that take turns with those of all others, CPU time of one thread; `low` and `high` hold
    the middle four fifths of them.

    Attributes:
        parameters: Trained values.
        latency_ms: Time in milliseconds to answer one row.
        latency_low_ms: See above.
        latency_high_ms: See above.
        rows_per_second: Rows answered in a second in batches of `BATCH`.
        rows_per_second_low: See above.
        rows_per_second_high: See above.
    """

    parameters: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    rows_per_second: float
    rows_per_second_low: float
    rows_per_second_high: float


def costs(groups: Mapping[str, Sequence[Candidate]]) -> dict[str, Cost]:
    """The cost of each group of candidates whose networks together answer all tasks.

    Groups whose networks have the same shapes have the same cost: they are measured once.
    """
    shapes = {name: list(chain.from_iterable(map(_shapes, group))) for name, group in groups.items()}
    alike = {name: json.dumps(sorted((share, described) for share, described, *_ in its))
             for name, its in shapes.items()}  # fmt: skip
    first = {alike[name]: its for name, its in reversed(shapes.items())}
    networks = [[(share, as_served(prepared, like)) for share, _, prepared, like in its] for its in first.values()]
    with _one_thread(), torch.inference_mode():
        one, many = (
            interleaved([partial(_seconds, *_repeated(group, rows)) for group in networks], _ENOUGH_S)
            for rows in (1, BATCH)
        )
    found = {
        described: Cost(
            round(sum(share * build_network(prepared, [like]).count() for share, _, prepared, like in its)),
            *(1e3 * it for it in (row.median, row.low, row.high)),
            *(BATCH / it for it in (batch.median, batch.high, batch.low)),
        )
        for (described, its), row, batch in zip(first.items(), one, many, strict=True)
    }
    return {name: found[alike[name]] for name in groups}


def _shapes(candidate: Candidate) -> Iterator[_Shape]:
    """Each shape of the candidate's networks."""
    slots = {slot.name: slot for slot in candidate.slots}
    alike: dict[str, list[Slot]] = {}
    for path, names in files(candidate.folder).items():
        described = json.dumps(about(path)["network"], sort_keys=True)
        alike.setdefault(described, []).extend(slots[name] for name in names)
    for described, (first, *others) in alike.items():
        share = (1 + len(others)) / len(slots)
        yield share, described, candidate.prepared.view(first.replicate, first.fold), first.experiment


def as_served(prepared: Prepared, experiment: Experiment) -> Network:
    """A network whose tasks all answer the same rows, so that one pass answers all.

    Its values are fresh: the time does not depend on them. Its sources are called by their number of values.
    """
    model = experiment.model
    shapes = {name: replace(it, source=str(it.features), scale=1.0) for name, it in task_shapes(prepared).items()}
    given = conditioning(prepared, [experiment])
    network = build(model.sharing, [model.trunk], [model.head], shapes, conditioning=given)
    network.initialise([Stream(0, "cost")])
    return network


_Group = Sequence[tuple[float, Network, dict[str, Tensor]]]


def _repeated(group: Sequence[tuple[float, Network]], rows: int) -> tuple[_Group, int]:
    """Networks with so many rows each, and the number of calls that take long enough to be timed."""
    given = [(*it, _inputs(it[1], rows)) for it in group]
    return given, max(1, min(_CALLS, math.ceil(_SAMPLE_S / max(_seconds(given, 1), 1e-9))))


def _seconds(group: _Group, calls: int) -> float:
    """Seconds that these networks take to answer, each counted by its share; mean of so many calls."""
    total = 0.0
    for _ in range(calls):
        for share, network, inputs in group:
            started = time.thread_time()
            network.forward(inputs)
            total += share * (time.thread_time() - started)
    return total / calls


def _inputs(network: Network, rows: int) -> dict[str, Tensor]:
    """Rows of ones: bright pixels, or as many tokens as there may be."""
    return {source: torch.ones(1, rows, int(source)) for source in set(network.source_of.values())}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
