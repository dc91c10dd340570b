"""What is counted of a task's rows while training and evaluating: sums, whatever the number of rows.

Each kind of task names its tally.

Shapes: K slots, B rows, C outputs, L labels at once, Q sums, M metrics.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from pipeline.data.answers import within
from pipeline.data.prepared import PreparedTask
from pipeline.model import BinaryCrossEntropy, CrossEntropy, Loss
from pipeline.stacked import On, Targets
from pipeline.training.spans import Spans, f1

_ROUNDING = 1e-12  # times the sum of squares: what is left of the deviations of equal targets
_COUNTED, _LOGITS = 2048, 1 << 18


def counted(outputs: int) -> int:
    """Rows that are counted at a time: a call for many costs little more than one for few.

    Of many outputs they are fewer: what does not fit into a processor's cache takes five times as long.
    """
    return max(min(_COUNTED, _LOGITS // max(outputs, 1)), 1)


_BINS = 1024
_PER_LOGIT = 32  # bins: a ranking of logits 1/32 apart is a tie


class Tally(ABC):
    """Counts one task's rows: so metrics weigh rows, not batches.

    Args:
        on: Where logits and targets lie. Where calls are batched each batch is counted when it is taken, as the graph
            of a step has to.
        tasks: Whose rows: the task as all slots see it, or as each does; with the same classes.

    Attributes:
        metrics: Names of what `values` answers.
    """

    metrics: ClassVar[tuple[str, ...]]

    def __init__(self, on: On, tasks: Sequence[PreparedTask]) -> None:
        self._on = on
        self._room: Tensor | None = None  # [K, C, counted]
        self._taken = 0
        self._targets: list[Targets] = []
        self._totals: Tensor | None = None

    def take(self, logits: Tensor, targets: Targets) -> None:
        """Take the logits [K, B, C] of a batch."""
        slots, rows, outputs = logits.shape
        most = counted(outputs)
        if self._on.batched or rows > most:
            self._add(logits, targets.values, targets.labelled)
            return
        if self._taken + rows > most:
            self._add_taken()
        if self._room is None:
            self._room = logits.new_empty(slots, outputs, most)
        self._room.narrow(2, self._taken, rows).copy_(logits.mT)
        self._taken += rows
        self._targets.append(targets)

    def values(self) -> Tensor:
        """Each metric of each slot over the rows taken [M, K], NaN without a labelled one; the count starts again."""
        self._add_taken()
        assert self._totals is not None
        found = self._found(self._totals)
        self._totals.zero_()
        return found

    def sums(self) -> Tensor | None:
        """What was counted [Q, K], for `values_of`; None of nothing. The count starts again."""
        self._add_taken()
        sums, self._totals = self._totals, None
        return sums

    def values_of(self, sums: Tensor) -> Tensor:
        """What `values` answers, of what was counted by several."""
        return self._found(sums)

    @abstractmethod
    def _sums(self, logits: Tensor, values: Tensor, labelled: Tensor) -> Tensor:
        """What is summed over rows, float64 [Q, K], of logits [K, B, C] and their targets."""

    @abstractmethod
    def _found(self, totals: Tensor) -> Tensor:
        """Metrics [M, K] from sums [Q, K]."""

    def _add_taken(self) -> None:
        if not self._targets:
            return
        assert self._room is not None
        values = torch.cat([it.values for it in self._targets], 1)
        labelled = torch.cat([it.labelled for it in self._targets], 1)
        self._add(self._room.narrow(2, 0, self._taken).mT, values, labelled)
        self._targets, self._taken = [], 0

    def _add(self, logits: Tensor, values: Tensor, labelled: Tensor) -> None:
        sums = self._sums(logits, values, labelled)
        if self._totals is None:
            self._totals = torch.zeros_like(sums)
        self._totals.add_(sums)


class ClassTally(Tally):
    """Of one class a row: mean negative log-likelihood, and the share of rows answered right."""

    metrics = ("nll", "accuracy")
    loss: ClassVar[type[Loss]] = CrossEntropy

    def __init__(self, on: On, tasks: Sequence[PreparedTask]) -> None:
        super().__init__(on, tasks)
        self._loss = self.loss(on.device)

    def _sums(self, logits: Tensor, values: Tensor, labelled: Tensor) -> Tensor:
        right = (self._answered(logits) == values) & (labelled > 0)
        losses = self._loss.rows(logits, values).mul_(labelled)
        there = labelled.sum(1, dtype=torch.float64).expand(len(logits))
        return torch.stack([losses.sum(1, dtype=torch.float64), right.sum(1).double(), there])

    def _found(self, totals: Tensor) -> Tensor:
        return totals[:2] / totals[2]

    def _answered(self, logits: Tensor) -> Tensor:
        """The classes answered, int64 [K, B]: of equals the first."""
        return logits.mT.max(1).indices  # argmax takes ten times as long


class BinaryTally(ClassTally):
    """The same of one of two classes, by a single logit."""

    loss = BinaryCrossEntropy

    def _answered(self, logits: Tensor) -> Tensor:
        return (logits.squeeze(2) > 0).long()


class LabelsTally(Tally):
    """Of several labels a row: mean negative log-likelihood of a label, and the mean over labels of their ROC-AUC.

    The AUC is that of logits in 1,024 bins of 1/32 from -16 to 16, so that memory does not grow with the rows; logits
    in one bin are tied. A label without rows of both kinds is left out of the mean.
    """

    metrics = ("nll", "roc_auc")

    def __init__(self, on: On, tasks: Sequence[PreparedTask]) -> None:
        super().__init__(on, tasks)
        self._loss = BinaryCrossEntropy(on.device)

    def _sums(self, logits: Tensor, values: Tensor, labelled: Tensor) -> Tensor:
        slots, _, labels = logits.shape
        losses = self._loss.rows(logits, values).mul_(labelled).flatten(1).sum(1, dtype=torch.float64)
        there = labelled.flatten(1).sum(1, dtype=torch.float64).expand(slots)
        scaled = logits.nan_to_num().mul(_PER_LOGIT).add_(_BINS // 2)
        bins = scaled.clamp_(0, _BINS - 1).long()
        # A histogram of the logits of each label where it is absent, and one where it is there.
        bins += _BINS * (torch.arange(labels, device=logits.device) + labels * values.long())
        counts = logits.new_zeros(slots, 2 * labels * _BINS, dtype=torch.float64)
        counts.scatter_add_(1, bins.flatten(1), labelled.double().expand(slots, -1, -1).flatten(1))
        return torch.cat([torch.stack([losses, there]), counts.T])

    def _found(self, totals: Tensor) -> Tensor:
        slots = totals.size(1)
        absent, present = totals[2:].T.reshape(slots, 2, -1, _BINS).unbind(1)  # [K, L, bins]
        below = absent.cumsum(2) - absent / 2  # a tie counts half
        area = (present * below).sum(2) / (present.sum(2) * absent.sum(2))
        return torch.stack([totals[0] / totals[1], area.nanmean(1)])


class NumberTally(Tally):
    """Of a number a row: root mean squared and mean absolute error in the target's unit, and R2.

    Answers are clipped as the task says, unlike in the loss.

    R2 is 1 minus the squared errors over the squared deviations from the mean of the rows that are counted; NaN where
    all their targets are equal. An answer that is no number is infinitely wrong.
    """

    metrics = ("rmse", "mae", "r2")

    def __init__(self, on: On, tasks: Sequence[PreparedTask]) -> None:
        super().__init__(on, tasks)
        self._std = torch.tensor([it.std for it in tasks], dtype=torch.float64, device=on.device)
        self._low, self._high = torch.tensor([it.bounds for it in tasks], device=on.device).T.unsqueeze(2).unbind()

    def _sums(self, logits: Tensor, values: Tensor, labelled: Tensor) -> Tensor:
        there = labelled.double()
        targets = values.double()
        errors = (within(logits.squeeze(2), self._low, self._high) - targets).where(labelled > 0, 0.0)
        errors.masked_fill_(errors.isnan(), torch.inf)
        kept = targets * there
        own = torch.stack([errors.square().sum(1), errors.abs().sum(1)])
        shared = torch.stack([there.sum(1), kept.sum(1), kept.square().sum(1)]).expand(-1, len(logits))
        return torch.cat([own, shared])

    def _found(self, totals: Tensor) -> Tensor:
        squared, absolute, count, linear, squares = totals
        deviations = squares - linear.square() / count
        r2 = 1.0 - squared / deviations.where(deviations > _ROUNDING * squares, float("nan"))
        return torch.stack([self._std * (squared / count).sqrt(), self._std * absolute / count, r2])


class TagTally(ClassTally):
    """Of a tag a token: mean negative log-likelihood of a tag, and the F1 of entities over all types."""

    metrics = ("nll", "entity_f1")

    def __init__(self, on: On, tasks: Sequence[PreparedTask]) -> None:
        super().__init__(on, tasks)
        self._length, self._spans = tasks[0].length, Spans(tasks[0].classes, on.device)

    def _sums(self, logits: Tensor, values: Tensor, labelled: Tensor) -> Tensor:
        answered, true, known = (
            it.unflatten(1, (-1, self._length)) for it in (self._answered(logits), values, labelled > 0)
        )
        losses = self._loss.rows(logits, values).mul_(labelled).sum(1, dtype=torch.float64)
        there = labelled.sum(1, dtype=torch.float64).expand(len(logits))
        counts = self._spans.counts(answered, true, known).sum((1, 3)).double()
        return torch.cat([torch.stack([losses, there]), counts.T])

    def _found(self, totals: Tensor) -> Tensor:
        return torch.stack([totals[0] / totals[1], f1(totals[2:].T).where(totals[1] > 0, float("nan"))])


def tally_of(tasks: Sequence[PreparedTask], on: On) -> Tally:
    """The tally of a task, as all slots see it or as each does."""
    kind = tasks[0].definition
    tally: Tally = kind.load(kind.tally)(on, tasks)
    return tally


def metrics(tallies: dict[str, Tally]) -> list[dict[str, float]]:
    """Each slot's metrics as `task/metric`; NaN for a task without a labelled row."""
    return named(tallies, [tally.values() for tally in tallies.values()])


def named(tallies: dict[str, Tally], values: Sequence[Tensor]) -> list[dict[str, float]]:
    """The same, given each tally's values."""
    names = [f"{task}/{metric}" for task, tally in tallies.items() for metric in tally.metrics]
    columns = torch.cat([*values])  # read at once: a GPU is waited for
    return [dict(zip(names, values, strict=True)) for values in columns.T.tolist()]
