"""Scores: what each seed of a candidate answers on a split, and how good the answers are.

Shapes: K seeds, N rows of a task's source, C classes. A binary task's single logit z counts as two: [0, z].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.analysis.candidate import Candidate
from pipeline.analysis.metrics import Scores, TaskScores
from pipeline.data.batches import in_order
from pipeline.data.prepared import Prepared, PreparedTask, Split
from pipeline.model import Network
from pipeline.stacked import MISSING
from pipeline.training.saved import load_network

_BINS = 15


@dataclass(frozen=True)
class _Answers:
    """What stays of each labelled row's logits: class and its probability, loss, and probability of class 1; [K, N]."""

    predicted: Tensor
    confidence: Tensor
    nll: Tensor
    positive: Tensor

    @classmethod
    def of(cls, logits: Tensor, targets: Tensor) -> "_Answers":
        log = functional.log_softmax(logits.double(), -1)
        best, predicted = log.max(-1)
        nll = -log.gather(-1, targets.expand(log.shape[:2]).unsqueeze(-1)).squeeze(-1)
        return cls(predicted, best.exp(), nll, log[..., 1].exp())

    @classmethod
    def joined(cls, parts: list["_Answers"]) -> "_Answers":
        return cls(*(torch.cat([getattr(part, name) for part in parts], 1) for name in cls.__annotations__))


def score(candidate: Candidate, rows: Split) -> Scores:
    """Score every seed and task of a candidate, a few rows at a time.

    Args:
        candidate: What to score.
        rows: A split with at least the candidate's sources and tasks.
    """
    network, _ = load_network(candidate.model, candidate.prepared, candidate.experiment)
    return score_network(network, candidate.prepared, rows)


def score_network(network: Network, prepared: Prepared, rows: Split) -> Scores:
    """Score every slot of a network; see `score`."""
    tasks = prepared.tasks
    seen = Split({name: rows.inputs[name] for name in prepared.sources}, {name: rows.labels[name] for name in tasks})
    parts: dict[str, list[_Answers]] = {name: [] for name in tasks}
    for name, part in _answered(network, prepared, seen):
        parts[name].append(part)
    return {name: _task_scores(task, seen.labels[name], _Answers.joined(parts[name])) for name, task in tasks.items()}


def _answered(network: Network, prepared: Prepared, rows: Split) -> Iterator[tuple[str, _Answers]]:
    for batch in in_order(prepared, rows):
        logits = network.forward(batch.inputs)
        for task, targets in batch.targets.items():
            labelled = targets.labelled[0] > 0
            yield task, _Answers.of(_two_or_more(logits[task])[:, labelled], targets.classes[:, labelled])


def _two_or_more(logits: Tensor) -> Tensor:
    return logits if logits.size(-1) > 1 else functional.pad(logits, (1, 0))


def _task_scores(task: PreparedTask, labels: np.ndarray, answers: _Answers) -> TaskScores:
    labelled = labels != MISSING
    targets = torch.from_numpy(labels[labelled])
    correct = np.zeros((len(answers.predicted), len(labels)), dtype=bool)
    correct[:, labelled] = (answers.predicted == targets).numpy()
    slots = [_Answers(*(getattr(answers, name)[k] for name in _Answers.__annotations__)) for k in range(len(correct))]
    each = [_metrics(task, targets, slot) for slot in slots]
    metrics = {name: np.array([one[name] for one in each]) for name in each[0]}
    return TaskScores(task.source, metrics, correct, labelled, _confusion(task, targets, answers.predicted))


def _metrics(task: PreparedTask, targets: Tensor, answers: _Answers) -> dict[str, float]:
    """One seed's metrics, from its answers [N].

    The calibration error is that of the answered class: the mean distance of confidence and accuracy over 15 bins of
    confidence, weighted by rows (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599).
    """
    from sklearn import metrics as sk  # late: only a step that really scores should pay for it

    names = ["accuracy", "macro_f1", "nll", "ece"] + (["roc_auc", "average_precision"] if task.kind == "binary" else [])
    if len(targets) == 0:
        return dict.fromkeys(names, float("nan"))
    true, predicted, confidence, positive = (
        it.numpy() for it in (targets, answers.predicted, answers.confidence, answers.positive)
    )
    right = predicted == true
    distances, _ = np.histogram(confidence, _BINS, (0.0, 1.0), weights=confidence - right)
    values = {
        "accuracy": right.mean(),
        "macro_f1": sk.f1_score(true, predicted, average="macro"),
        "nll": answers.nll.mean(),
        "ece": np.abs(distances).sum() / len(true),
    }
    if task.kind == "binary":
        both = 0 < true.sum() < len(true)  # a ranking needs rows of both classes
        values["roc_auc"] = sk.roc_auc_score(true, positive) if both else np.nan
        values["average_precision"] = sk.average_precision_score(true, positive) if both else np.nan
    return {name: float(values[name]) for name in names}


def _confusion(task: PreparedTask, targets: Tensor, predicted: Tensor) -> np.ndarray:
    from sklearn.metrics import confusion_matrix

    count = len(task.classes)
    if len(targets) == 0:
        return np.zeros((count, count), dtype=np.int64)
    everyone = targets.expand(predicted.shape).flatten()
    matrix: np.ndarray = confusion_matrix(everyone, predicted.flatten(), labels=range(count))
    return matrix
