"""How tasks share the experts, columns or layers of a network: each task's gates or attention, on average over the rows
of validation.
"""

import torch
from torch import Tensor

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.networks import each_slot
from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared
from pipeline.model import Network
from pipeline.model.layers import Gated
from pipeline.training.saved import Networks

At = tuple[int, str, str]
"""Level, reader and expert. Of attention: `all` for the mean over a layer, and its units or channels."""


def gates(candidate: Candidate) -> list[dict[At, float]]:
    """Each seed's mean gates by level, reader and expert; empty where nothing is mixed.

    A reader is a task, or `all` for what goes to the experts of all tasks in the next level. The rows are those of the
    reader's source that are held out for validation, or where none are, those of train.
    """
    if all(it.model.sharing.plain for it in candidate.experiments):
        return []
    split = "validation" if candidate.experiment.validates else "train"
    return each_slot(candidate, lambda networks: _each(networks, split))


def _each(networks: Networks, split: str) -> list[dict[At, float]]:
    """The mean gates of each slot, on the rows that it holds out; none of networks that mix nothing."""
    plain = networks.experiment.model.sharing.plain
    found = {} if plain else _means(networks.network, networks.prepared, split)
    return [{at: float(it[place]) for at, it in found.items()} for place in range(len(networks.slots))]


def _means(network: Network, prepared: Prepared, split: str) -> dict[At, Tensor]:
    """The gates [K] of every slot, mean over rows."""
    gated = [layer for _, layer in network.layers() if isinstance(layer, Gated)]
    named = {(level, reader): names for level, layer in enumerate(gated, 1) for reader, names in layer.readers()}
    sums = {at: torch.zeros(len(network.values), len(names)) for at, names in named.items()}
    counts = dict.fromkeys(sums, 0)
    for batch in in_order(prepared, prepared.split(split), evaluated_rows(network.units(training=False))):
        network.forward(batch.inputs)
        here = {task for task, it in prepared.tasks.items() if it.source in batch.inputs}
        for level, layer in enumerate(gated, 1):
            for reader, found in layer.shares():
                if reader in prepared.tasks and reader not in here:
                    continue  # rows of another source, which pass between levels too
                sums[level, reader] += found.sum(1)
                counts[level, reader] += found.size(1)
    means = {at: (it / counts[at]).unbind(1) for at, it in sums.items()}
    return {(*at, name): mean for at, names in named.items() for name, mean in zip(names, means[at], strict=True)}
