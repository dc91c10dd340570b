"""Metrics of the networks of a stack on a split."""

from collections.abc import Sequence

from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared, Split
from pipeline.data.rows import Rows, Seen
from pipeline.model import Network
from pipeline.training.tallies import metrics, tally_of


def assess(network: Network, prepared: Prepared, split: Split) -> list[dict[str, float]]:
    """Each slot's metrics as `task/metric`, over the labelled rows of each task; NaN where there are none."""
    return assess_each(network, [prepared], Seen([Rows.of(split)]))


def assess_each(network: Network, views: Sequence[Prepared], seen: Seen) -> list[dict[str, float]]:
    """The same where slots may see rows of their own.

    Args:
        network: K slots.
        views: The data as all slots see them, or each.
        seen: Their rows.
    """
    tallies = {task: tally_of([it.tasks[task] for it in views], network.on) for task in views[0].tasks}
    for batch in in_order(views[0], seen, evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            tallies[task].take(logits[task], targets)
    return metrics(tallies)
