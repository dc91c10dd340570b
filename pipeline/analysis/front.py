"""The front: what a network that is given a preference among its tasks answers for several of them.

All on the rows that are held out for validation: which preference to ask for is a choice, and test is for what was
chosen.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.networks import each_slot
from pipeline.config.tasks import TaskSettings
from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared
from pipeline.model import Network, loss_of
from pipeline.model.layers import Preference
from pipeline.training.saved import Networks
from pipeline.training.tallies import metrics, tally_of

Shares = tuple[float, ...]
"""A preference: the share of each task."""

_OF_TWO = 11
_MOST_PAIRED = 6  # tasks; of more the midpoints are left out


@dataclass(frozen=True)
class Point:
    """What one seed answers to one preference.

    Attributes:
        shares: The preference, by task.
        losses: Mean loss of each task over its labelled rows, without class weights.
        metrics: Each task's primary metric.
    """

    shares: dict[str, float]
    losses: dict[str, float]
    metrics: dict[str, float]


def front(candidate: Candidate) -> list[list[Point]]:
    """Each seed's points, in the order of `preferences`; empty where the network is given no preference.

    The rows are those that are held out for validation, or where none are, those of train.
    """
    conditioned = any(it.balancing.takes_preference for it in candidate.experiments)
    if not conditioned or len(candidate.prepared.tasks) == 1:
        return []
    split = "validation" if candidate.experiment.validates else "train"
    return each_slot(candidate, lambda networks: _each(networks, split))


def _each(networks: Networks, split: str) -> list[list[Point]]:
    """The points of each slot, on the rows that it holds out; none of networks that are given no preference."""
    network, prepared, tasks = networks.network, networks.prepared, networks.experiment.tasks
    layers = [layer for _, layer in network.layers() if isinstance(layer, Preference)]
    found: list[list[Point]] = [[] for _ in networks.slots]
    for shares in preferences(len(prepared.tasks)) if layers else ():
        for layer in layers:
            layer.shares = shares
        for own, point in zip(found, _points(network, prepared, split, tasks, shares), strict=True):
            own.append(point)
    return found


def preferences(tasks: int) -> list[Shares]:
    """Those that a front is shown by: of two tasks eleven in equal steps from the one to the other.

    Of more tasks each by itself, all alike, and, up to six tasks, every two alike.
    """
    if tasks == 2:
        steps = np.linspace(0.0, 1.0, _OF_TWO).tolist()
        return [(1.0 - share, share) for share in steps]
    pairs = [*combinations(range(tasks), 2)] if tasks <= _MOST_PAIRED else []
    chosen = [(task,) for task in range(tasks)] + [tuple(range(tasks))] + pairs
    return [tuple((task in some) / len(some) for task in range(tasks)) for some in chosen]


def _points(
    network: Network, prepared: Prepared, split: str, tasks: dict[str, TaskSettings], shares: Shares
) -> list[Point]:
    """What every slot answers."""
    losses = {task: loss_of(tasks[task], network.on.device) for task in prepared.tasks}
    tallies = {task: tally_of([it], network.on) for task, it in prepared.tasks.items()}
    totals: dict[str, Tensor] = {task: torch.zeros(len(network.values), dtype=torch.float64) for task in losses}
    counts = dict.fromkeys(losses, 0.0)
    for batch in in_order(prepared, prepared.split(split), evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            tallies[task].take(logits[task], targets)
            rows = losses[task].rows(logits[task], targets.values).mul_(targets.labelled)
            totals[task] += rows.flatten(1).sum(1, dtype=torch.float64)
            counts[task] += float(targets.labelled.sum())
    means = {task: (total / counts[task]).tolist() for task, total in totals.items()}
    by_task = dict(zip(prepared.tasks, shares, strict=True))
    primary = {task: it.primary for task, it in prepared.tasks.items()}
    return [
        Point(
            by_task,
            {task: means[task][place] for task in losses},
            {task: found[f"{task}/{metric}"] for task, metric in primary.items()},
        )
        for place, found in enumerate(metrics(tallies))
    ]
