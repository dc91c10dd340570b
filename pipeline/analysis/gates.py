"""How tasks share the experts or columns of a network: each task's gates, on average over the rows of validation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.analysis.candidate import Candidate
from pipeline.config.sharing import PLAIN
from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared
from pipeline.model import Network
from pipeline.model.layers import Mixtures
from pipeline.training.saved import load_network
from pipeline.training.slot import Slot, seed_slots

At = tuple[int, str, str]
"""Level, reader and expert."""


def gates(candidate: Candidate) -> list[dict[At, float]]:
    """Each seed's mean gates by level, reader and expert; empty where nothing is mixed.

    A reader is a task, or `all` for what goes to the experts of all tasks in the next level. The rows are those of the
    reader's source that are held out for validation, or where none are, those of train.
    """
    if candidate.experiment.model.sharing.kind in PLAIN:
        return []
    prepared = candidate.prepared
    network, _ = load_network(candidate.model, prepared, candidate.experiment)
    split = "validation" if candidate.experiment.validates else "train"
    return _each(network, prepared, split, seed_slots(candidate.experiment, prepared.chained))


def _each(network: Network, prepared: Prepared, split: str, slots: list[Slot]) -> list[dict[At, float]]:
    """The mean gates of each slot, on the rows that it holds out."""
    found = {fold: _means(network, prepared.holding_out(fold), split) for fold in {slot.fold for slot in slots}}
    return [{at: float(it[place]) for at, it in found[slot.fold].items()} for place, slot in enumerate(slots)]


def _means(network: Network, prepared: Prepared, split: str) -> dict[At, Tensor]:
    """The gates [K] of every slot, mean over rows."""
    mixing = [layer for _, layer in network.layers() if isinstance(layer, Mixtures)]
    sums = {at: torch.zeros(len(network.values)) for at in _places(mixing)}
    counts = dict.fromkeys(sums, 0)
    for batch in in_order(prepared, prepared.split(split), evaluated_rows(network.units(training=False))):
        network.forward(batch.inputs)
        here = {task for task, it in prepared.tasks.items() if it.source in batch.inputs}
        for at, gate in _of_pass(mixing):
            if at[1] in prepared.tasks and at[1] not in here:
                continue  # rows of another source, which pass between levels too
            sums[at] += gate.sum(1)
            counts[at] += gate.size(1)
    return {at: it / counts[at] for at, it in sums.items()}


def _places(mixing: list[Mixtures]) -> Iterator[At]:
    """Every gate's place, tasks in their own order."""
    for level, layer in enumerate(mixing, 1):
        for mixture in layer.mixtures:
            yield from ((level, mixture.name, layer.experts[place].name) for place in mixture.experts)


def _of_pass(mixing: list[Mixtures]) -> Iterator[tuple[At, Tensor]]:
    """Every gate [K, B] of the last pass."""
    for level, layer in enumerate(mixing, 1):
        for reader, experts, found in layer.shares():
            for expert, gate in zip(experts, found.unbind(2), strict=True):
                yield (level, reader, expert), gate
