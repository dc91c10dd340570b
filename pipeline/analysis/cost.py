"""What answering costs: parameters, latency of one row, and throughput, of one shared pass or of T networks in turn.

An answer to a row is the answer of every task to it. A shared trunk is passed once; networks that share nothing are
passed one after the other, and their times add up.
"""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.metrics import BATCH
from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.draws import Stream
from pipeline.model import Network, build
from pipeline.training.saved import about, files
from pipeline.training.slot import Slot
from pipeline.training.stack.network import build_network, conditioning, task_shapes

_ROUNDS = 25
_CALLS = 10
_FEWEST = 3  # rounds, where networks are slow
_ENOUGH_S = 10.0


@dataclass(frozen=True)
class Cost:
    """What one seed of a candidate costs, on average where their networks differ.

    Attributes:
        parameters: Trained values.
        latency_ms: Median time in milliseconds to answer one row.
        rows_per_second: Rows answered in a second in batches of `BATCH`.
    """

    parameters: int
    latency_ms: float
    rows_per_second: float


def costs(groups: Mapping[str, Sequence[Candidate]]) -> dict[str, Cost]:
    """The cost of each group of candidates whose networks together answer all tasks.

    Measured on one thread; the groups take turns, so that what else the machine does falls on all of them alike, and
    the median of the rounds counts.
    """
    shapes = {name: list(chain.from_iterable(map(_shapes, group))) for name, group in groups.items()}
    networks = {
        name: [(share, as_served(prepared, like)) for share, prepared, like in its] for name, its in shapes.items()
    }
    with _one_thread(), torch.inference_mode():
        one, many = (_medians(networks, rows) for rows in (1, BATCH))
    return {
        name: Cost(
            round(sum(share * build_network(prepared, [like]).count() for share, prepared, like in its)),
            1e3 * one[name],
            BATCH / many[name],
        )
        for name, its in shapes.items()
    }


def _shapes(candidate: Candidate) -> Iterator[tuple[float, Prepared, Experiment]]:
    """Each shape of the candidate's networks: the share of its seeds that have it, and an experiment that makes it."""
    slots = {slot.name: slot for slot in candidate.slots}
    alike: dict[str, list[Slot]] = {}
    for path, names in files(candidate.folder).items():
        described = json.dumps(about(path)["network"], sort_keys=True)
        alike.setdefault(described, []).extend(slots[name] for name in names)
    for first, *others in alike.values():
        share = (1 + len(others)) / len(slots)
        yield share, candidate.prepared.view(first.replicate, first.fold), first.experiment


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


def _medians(networks: Mapping[str, Sequence[tuple[float, Network]]], rows: int) -> dict[str, float]:
    """Median seconds that each group takes to answer so many rows."""
    work = {name: [(*it, _inputs(it[1], rows)) for it in group] for name, group in networks.items()}
    times: dict[str, list[float]] = {name: [] for name in work}
    turn = sum(_seconds(group, 1) for group in work.values())
    calls = max(1, min(_CALLS, int(_ENOUGH_S / (_FEWEST * turn))))
    for _ in range(max(_FEWEST, min(_ROUNDS, int(_ENOUGH_S / (calls * turn))))):
        for name, group in work.items():
            times[name].append(_seconds(group, calls))
    return {name: statistics.median(taken) for name, taken in times.items()}


def _seconds(group: Sequence[tuple[float, Network, dict[str, Tensor]]], calls: int) -> float:
    """Seconds that these networks take to answer, each counted by its share; mean of so many calls."""
    total = 0.0
    for _ in range(calls):
        for share, network, inputs in group:
            started = time.perf_counter()
            network.forward(inputs)
            total += share * (time.perf_counter() - started)
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
