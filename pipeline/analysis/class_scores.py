"""Scores of multiclass and binary tasks.

Shapes: K seeds, N rows of a task's source, C classes. A binary task's single logit z counts as two: [0, z].
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.analysis.counts import average_precision, balanced_accuracy, confusions, macro_f1, roc_auc
from pipeline.analysis.metrics import TaskScores
from pipeline.data.prepared import PreparedTask, known
from pipeline.stacked import Targets

BINS = 15
"""Of confidence, in a calibration error."""

UNSEEN_NLL = -float(np.log(np.finfo(np.float64).eps))
"""Log loss of a class that training never showed: scikit-learn's `log_loss` has it of a probability of 0."""


@dataclass(frozen=True)
class Answers:
    """What stays of each labelled row's logits: class and its probability, loss, and probability of class 1; [K, N]."""

    predicted: Tensor
    confidence: Tensor
    nll: Tensor
    positive: Tensor

    @classmethod
    def of(cls, logits: Tensor, targets: Tensor) -> "Answers":
        """From logits [K, N, C] and classes [1, N]."""
        log = functional.log_softmax(logits.double(), -1)
        best, predicted = log.max(-1)
        nll = losses(log, targets)
        return cls(predicted, best.exp(), nll, log[..., 1].exp())

    @classmethod
    def joined(cls, parts: list["Answers"]) -> "Answers":
        """Those of several batches, in order."""
        return cls(*(torch.cat([getattr(part, name) for part in parts], 1) for name in cls.__annotations__))


def losses(log: Tensor, targets: Tensor) -> Tensor:
    """Log losses [K, N] from logarithms of probabilities [K, N, C], 0 of an unseen class, and classes [1, N]."""
    found = -log.gather(-1, targets.expand(log.shape[:2]).unsqueeze(-1)).squeeze(-1)
    return found.masked_fill(found.isposinf(), UNSEEN_NLL)


def with_unseen(task: PreparedTask, logits: Tensor) -> Tensor:
    """Logits [..., C] with those of the classes that training never showed behind them, which are never answered."""
    return functional.pad(logits, (0, len(task.unseen)), value=-torch.inf) if task.unseen else logits


class ClassScorer:
    """Takes the answers to a split's rows, a batch at a time, and scores them.

    Args:
        task: Whose answers.
    """

    def __init__(self, task: PreparedTask) -> None:
        self._task = task
        self._parts: list[Answers] = []

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take logits [K, B, C] and the targets [1, B] that belong to them."""
        labelled = targets.labelled[0] > 0
        two_or_more = logits if logits.size(-1) > 1 else functional.pad(logits, (1, 0))
        answers = with_unseen(self._task, two_or_more[:, labelled])
        self._parts.append(Answers.of(answers, targets.values[:, labelled]))

    def scores(self, labels: np.ndarray, of_fold: bool = False) -> TaskScores:
        """The scores, given the targets [N] of all rows taken; a fold that lacks a class has no F1."""
        task, answers, labelled = self._task, Answers.joined(self._parts), known(labels)
        targets = torch.from_numpy(labels[labelled])
        slots = [Answers(*(getattr(answers, name)[k] for name in Answers.__annotations__))
                 for k in range(len(answers.predicted))]  # fmt: skip
        each = [metrics(self._task, targets, slot) for slot in slots]
        columns = np.zeros((len(labels), 2))
        columns[labelled, 0] = 1.0
        columns[labelled, 1] = (answers.predicted == targets).double().mean(0).numpy()
        found = {name: np.array([one[name] for one in each]) for name in each[0]}
        if of_fold and len(torch.unique(targets)) < len(task.scored):
            found["macro_f1"][:] = np.nan
        cells = _confusions(self._task, targets, answers.predicted)
        return TaskScores(task.source, task.primary, found, labelled, columns, cells, task.scored)


def metrics(task: PreparedTask, targets: Tensor, answers: Answers) -> dict[str, float]:
    """One seed's metrics, from its answers [N] and the classes [N].

    The calibration error is that of the answered class: the mean distance of confidence and accuracy over 15 bins of
    confidence, weighted by rows (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599). The balanced accuracy is the
    mean over classes of the share of their rows that are answered right.

    A class that training never showed counts as any other that is never answered: its rows are wrong, its recall and F1
    are 0, and its log loss is `UNSEEN_NLL`. Ranks of a binary task are of the rows of its two classes.
    """
    names = ["accuracy", "balanced_accuracy", "macro_f1", "nll", "ece"]
    names += ["roc_auc", "average_precision"] if task.definition.single else []
    if len(targets) == 0:
        return dict.fromkeys(names, float("nan"))
    true, predicted, confidence, positive = (
        it.numpy() for it in (targets, answers.predicted, answers.confidence, answers.positive)
    )
    right, count = predicted == true, len(task.scored)
    values = {
        "accuracy": right.mean(),
        "balanced_accuracy": balanced_accuracy(true, predicted, count),
        "macro_f1": macro_f1(true, predicted, count),
        "nll": answers.nll.mean(),
        "ece": calibration_error(confidence, right),
    }
    if task.definition.single:
        own, chances = true[true < 2], positive[true < 2]
        values |= {"roc_auc": roc_auc(own, chances), "average_precision": average_precision(own, chances)}
    return {name: float(values[name]) for name in names}


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean distance of confidence [N] and share of right answers [N] over 15 bins of confidence, weighted by rows."""
    distances, _ = np.histogram(confidence, BINS, (0.0, 1.0), weights=confidence - right)
    return float(np.abs(distances).sum() / len(right))


def _confusions(task: PreparedTask, targets: Tensor, predicted: Tensor) -> np.ndarray:
    everyone = targets.expand(predicted.shape).flatten().numpy()
    return confusions(everyone, predicted.flatten().numpy(), len(task.scored))
