"""Metrics of the networks of a stack on a split."""

from pipeline.data.batches import Rows, evaluated_rows, in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.model import Network
from pipeline.training.tallies import metrics, tally_of


def assess(network: Network, prepared: Prepared, split: Split | Rows) -> list[dict[str, float]]:
    """Each slot's metrics as `task/metric`, over the labelled rows of each task; NaN where there are none."""
    tallies = {task: tally_of(it, network.on) for task, it in prepared.tasks.items()}
    for batch in in_order(prepared, split, evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            tallies[task].take(logits[task], targets)
    return metrics(tallies)
