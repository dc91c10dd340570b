"""Scores of multilabel tasks: each label as a question of its own, and their mean.

Shapes: K seeds, N rows of a task's source, L labels at once.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.analysis.class_scores import UNSEEN_NLL, calibration_error
from pipeline.analysis.counts import average_precision, f1_score, roc_auc
from pipeline.analysis.metrics import TaskScores, by_label, mean_of_known
from pipeline.data.prepared import PreparedTask, known
from pipeline.stacked import Targets
from pipeline.training.thresholds import HALF


class LabelScorer:
    """Takes the answers to a split's rows, a batch at a time, and scores them.

    Args:
        task: Whose answers.
        thresholds: Probability from which each seed answers that a label is present, [K][L]; one half where missing.
    """

    def __init__(self, task: PreparedTask, thresholds: list[list[float]] | None = None) -> None:
        self._task, self._thresholds = task, thresholds
        self._logits: list[Tensor] = []

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take logits [K, B, L]."""
        self._logits.append(logits.clone())

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets [N, L] of all rows taken; of a label that no row of a fold has there is no F1.

        A label that training never showed is known where a row has it, and is never answered: it is wrong there, its F1
        is 0, its log loss `UNSEEN_NLL`, and it has no ranks.
        """
        task, logits = self._task, torch.cat(self._logits, 1).double()
        unseen = labels.shape[1] - logits.size(2)
        logits = functional.pad(logits, (0, unseen), value=-UNSEEN_NLL)
        present = known(labels)
        own_ = self._thresholds or [[HALF] * len(task.classes)] * len(logits)
        thresholds = np.array([[*slot, *[HALF] * unseen] for slot in own_])
        each = [
            _metrics(task.scored[: labels.shape[1]], slot, labels, present, own, of_fold)
            for slot, own in zip(logits, thresholds, strict=True)
        ]
        found = {name: np.array([one[name] for one in each]) for name in each[0]}
        return TaskScores(
            task.source, task.primary, found, np.any(present, axis=1), _columns(logits.numpy(), labels, present)
        )


def _metrics(
    classes: tuple[str, ...],
    logits: Tensor,
    labels: np.ndarray,
    present: np.ndarray,
    thresholds: np.ndarray,
    of_fold: bool,
) -> dict[str, float]:
    """One seed's metrics, from its logits [N, L], and its answers, which are probabilities above thresholds [L].

    `accuracy` (of answers), `nll` and `ece` (of probabilities) are over all labels of all rows, the others means over
    labels; a label without rows of both kinds is left out of `roc_auc` and `average_precision`, and in a fold one that
    no row has of `macro_f1`.
    """
    answers = torch.sigmoid(logits).numpy() > thresholds
    found = {
        name: by_label(metric, labels, logits.numpy(), present)
        for name, metric in (("roc_auc", roc_auc), ("average_precision", average_precision))
    }
    f1 = by_label(
        lambda true, said: f1_score(true, said) if (true.any() if of_fold else len(true)) else np.nan,
        labels, answers, present,
    )  # fmt: skip
    values = {name: mean_of_known(its) for name, its in (found | {"macro_f1": f1}).items()}
    values |= _over_all(logits[torch.from_numpy(present)], labels[present] > 0, answers[present])
    for name, its in found.items():
        values |= {f"{name}.{label}": it for label, it in zip(classes, its, strict=True)}
    return values


def _over_all(logits: Tensor, true: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Metrics over all labels of all rows, from logits, truth and answers of those that are known."""
    if len(true) == 0:
        return dict.fromkeys(("accuracy", "nll", "ece"), float("nan"))
    targets = torch.from_numpy(true).double()
    likelier = (logits > 0).numpy() == true
    return {
        "accuracy": float(np.mean(answers == true)),
        "nll": float(functional.binary_cross_entropy_with_logits(logits, targets)),
        "ece": calibration_error(torch.sigmoid(logits.abs()).numpy(), likelier),
    }


def _columns(logits: np.ndarray, labels: np.ndarray, present: np.ndarray) -> np.ndarray:
    """What each row adds to the sums that the mean AUC is made of: [N, 4 L], see `TaskScores`."""
    columns = np.zeros((*labels.shape, 4))
    for label in range(labels.shape[1]):
        rows = present[:, label]
        positive = labels[rows, label] > 0
        if not 0 < positive.sum() < len(positive):
            continue
        placed = np.mean([_placements(slot[rows, label], positive) for slot in logits], axis=0)
        placed -= placed[positive].mean() / 2  # which is half the AUC, as the mean over the others is
        columns[rows, label] = np.stack([positive, ~positive, placed * positive, placed * ~positive], 1)
    return columns.reshape(len(labels), -1)


def _placements(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The share of the rows of the other kind that each row is ranked rightly against; ties count half: [N]."""
    placed = np.empty(len(values))
    for own, sign in ((positive, 1.0), (~positive, -1.0)):
        others, mine = np.sort(sign * values[~own]), sign * values[own]
        below = np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")
        placed[own] = below / (2 * len(others))
    return placed
