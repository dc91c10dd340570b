"""A task taught by the method that suits its source: one model, or one for each of several labels.

Shapes: N rows, F values a row, C values that a network answers for one, L labels at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.references import boosting, texts
from pipeline.analysis.references.chances import Always, classes_of
from pipeline.analysis.references.learning import Allowance, Learner, Learnt, Method, learnt
from pipeline.data.prepared import PreparedSource, PreparedTask, Split, known
from pipeline.draws import seed_of

_MOST_ROWS = 100_000  # learnt from, drawn at random where there are more
_SURE = 1e-12


@dataclass(frozen=True)
class Taught:
    """What answers a task's rows.

    Attributes:
        task: Whose.
        models: One, or one a label.
        cut: What was left out and why, in words; empty where nothing was.
    """

    task: PreparedTask
    models: Sequence[Learner]
    cut: str

    def answer(self, rows: np.ndarray) -> Tensor:
        """Logits [1, N, C] of rows [N, F], or numbers [1, N, 1]."""
        found = [torch.from_numpy(model.answer(np.asarray(rows))).double() for model in self.models]
        if self.task.definition.is_number:
            return found[0].float().view(1, -1, 1)
        logs = [chances.clamp_min(_SURE).log() for chances in found]
        if self.task.definition.activation == "softmax":
            return logs[0].float().unsqueeze(0)
        return torch.stack([it[:, 1] - it[:, 0] for it in logs], 1).float().unsqueeze(0)


def method_of(source: PreparedSource, task: PreparedTask) -> Method | None:
    """What suits; None where nothing does: there is none of images, and none of tags."""
    kind = (source.encoding or {}).get("kind", "")
    if task.definition.per_token or kind not in ("table", "text"):
        return None
    if kind == "table":
        return boosting.METHOD
    return texts.RIDGE if task.definition.is_number else texts.LOGISTIC


def taught(
    method: Method,
    source: PreparedSource,
    task: PreparedTask,
    train: Split,
    test: Split,
    name: str,
    seed: int,
    allowance: Allowance,
) -> Taught:
    """Teach a task.

    Args:
        method: How, see `method_of`.
        source: Whose rows.
        task: Whose targets.
        train: The rows to learn from.
        test: The rows that will be answered.
        name: Of the task.
        seed: Of all draws.
        allowance: The time, answers included.
    """
    rows, labels, asked = train.inputs_of(task.source), train.labels[name], test.inputs_of(task.source)
    several = labels if labels.ndim == 2 else labels[:, None]
    room = boosting if method is boosting.METHOD else texts
    make = boosting.Boosting if method is boosting.METHOD else texts.Linear
    most = min(_MOST_ROWS, room.most_rows(source, classes_of(task)))
    models: list[Learnt] = []
    cuts = []
    for place, column in enumerate(several.T):
        targets = np.asarray(column)

        def start(chosen: np.ndarray, targets: np.ndarray = targets) -> Learner:
            present = np.unique(targets[chosen])
            if not task.definition.is_number and len(present) < 2:
                return Always(task, present)
            return make(source, task, rows[chosen], targets[chosen], seed)

        there = np.flatnonzero(known(targets))
        order = np.random.default_rng(seed_of(seed, "reference", task.source)).permutation(there)[:most]
        models.append(learnt(method, start, order, asked, allowance.part(several.shape[1] - place)))
        cuts.append(_cut(method, models[-1], len(order), len(there)))
    return Taught(task, [it.learner for it in models], next(filter(None, cuts), ""))


def _cut(method: Method, found: Learnt, ordered: int, there: int) -> str:
    """What was left out and why.

    Args:
        method: How it learnt.
        found: What came of it.
        ordered: The rows that memory had room for.
        there: The rows that could be learnt from.
    """
    cut = [f"{found.rounds} of at most {method.rounds:,} rounds"] if not found.over else []
    cut += [f"{found.rows:,} of {there:,} rows"] if found.rows < there else []
    cut += [found.learner.coarser] if found.learner.coarser else []
    why = ["at most a third of the job's time"] if not found.over or found.rows < ordered else []
    why += ["little memory"] if ordered < there or found.learner.coarser else []
    return f"{', '.join(cut)}, so that it takes {' and '.join(why)}" if cut else ""
