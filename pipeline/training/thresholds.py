"""Thresholds of multilabel tasks, chosen on validation: from which probability on a label counts as present.

A rare label seldom reaches one half; the threshold with the highest F1 is half of that F1 and lies lower (Lipton,
Elkan and Narayanaswamy 2014, arXiv 1402.1892).
"""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.data.batches import evaluated_rows, in_order
from pipeline.data.prepared import Prepared, known
from pipeline.model import Network

HALF = 0.5


def thresholds(
    network: Network, prepared: Prepared, folds: Sequence[int | None] = (None,)
) -> dict[str, list[list[float]]]:
    """Of every task that has thresholds, each slot's threshold of each label, [K][L].

    One half where validation has no row with the label, or where there is no validation split.

    Args:
        network: K slots.
        prepared: The data.
        folds: What each slot holds out, by which its thresholds are chosen; one for all where they hold out the same.
    """
    by_fold = {fold: _thresholds(network, prepared.holding_out(fold)) for fold in dict.fromkeys(folds)}
    if len(by_fold) == 1:
        return by_fold[folds[0]]
    tasks = by_fold[folds[0]]
    return {task: [by_fold[fold][task][slot] for slot, fold in enumerate(folds)] for task in tasks}


def _thresholds(network: Network, prepared: Prepared) -> dict[str, list[list[float]]]:
    tasks = {name: task for name, task in prepared.tasks.items() if task.definition.thresholds}
    slots = len(network.values)
    halves = {name: [[HALF] * len(task.classes) for _ in range(slots)] for name, task in tasks.items()}
    seen = prepared.only(tasks)
    if not tasks or any("validation" not in source.rows for source in seen.sources.values()):
        return halves
    split = seen.split("validation")
    answered: dict[str, list[torch.Tensor]] = {name: [] for name in tasks}
    for batch in in_order(seen, split, evaluated_rows(network.units(training=False))):
        logits = network.forward(batch.inputs)
        for name in batch.targets:
            answered[name].append(torch.sigmoid(logits[name].double()))
    for name, parts in answered.items():
        chances, labels = torch.cat(parts, 1).numpy(), np.asarray(split.labels[name])
        for label, present in enumerate(known(labels).T):
            for slot in range(slots):
                halves[name][slot][label] = best_threshold(labels[present, label], chances[slot, present, label])
    return halves


def best_threshold(true: np.ndarray, chances: np.ndarray) -> float:
    """The threshold with the highest F1; of several the one in the middle of the widest gap between probabilities.

    Args:
        true: 1 or 0, [N].
        chances: Probabilities [N].
    """
    if not (true > 0).any():
        return HALF
    order = np.argsort(-chances, kind="stable")
    sorted_chances = chances[order]
    hits = np.cumsum(true[order] > 0)
    f1 = 2 * hits / (np.arange(1, len(true) + 1) + hits[-1])
    below = np.append(sorted_chances[1:], 0.0)
    f1[below == sorted_chances] = -1.0  # equal probabilities cannot be parted
    best = np.flatnonzero(f1 == f1.max())
    chosen = best[np.argmax((sorted_chances - below)[best])]
    return float((sorted_chances[chosen] + below[chosen]) / 2)
