"""Metrics of the networks of a stack on a split."""

from collections.abc import Sequence

from pipeline.data.batches import Rows, evaluated_rows, in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network
from pipeline.training.slot import Slot
from pipeline.training.tallies import metrics, tally_of


def assess(network: Network, prepared: Prepared, split: Split | Rows) -> list[dict[str, float]]:
    """Each slot's metrics as `task/metric`, over the labelled rows of each task; NaN where there are none."""
    tallies = {task: tally_of(it, network.on) for task, it in prepared.tasks.items()}
    for batch in in_order(prepared, split, evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            tallies[task].take(logits[task], targets)
    return metrics(tallies)


def assess_each(network: Network, prepared: Prepared, split: str, slots: Sequence[Slot]) -> list[dict[str, float]]:
    """Each slot's metrics on train or validation; a slot that holds out a fold has its fold's."""
    by_fold = {}
    for fold in {slot.fold for slot in slots}:
        own = prepared.holding_out(fold)
        by_fold[fold] = assess(network, own, own.split(split))
    return [by_fold[slot.fold][place] for place, slot in enumerate(slots)]
