"""Every reference of every task, scored as networks are.

Shapes: N rows, F values a row, C values that a network answers for one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.metrics import Scores, TaskScores
from pipeline.analysis.references.constant import CONSTANT, constant
from pipeline.analysis.references.learning import Allowance, Clock
from pipeline.analysis.references.taught import method_of, taught
from pipeline.analysis.scores import scorer_of
from pipeline.data.prepared import Prepared, PreparedTask, Split, known
from pipeline.stacked import Targets

_VALUES = 1 << 22  # of inputs and answers that are held at once


class References(NamedTuple):
    """What was found.

    Attributes:
        scores: On test, by the name of the method and by task; a single seed of each.
        constants: What the constant prediction answers, by task: the name of a class, or the mean in the target's unit.
        notes: By task a line on what was cut of the method that learns; only of tasks where something was.
    """

    scores: dict[str, Scores]
    constants: dict[str, str]
    notes: dict[str, str]


def references(
    prepared: Prepared,
    train: Split,
    test: Split,
    seed: int,
    seconds: float | None,
    report: Callable[[str], None] = lambda line: None,
    own: Mapping[str, Sequence[str]] = MappingProxyType({}),
    clock: Clock = time.monotonic,
) -> References:
    """The constant prediction of every task, and what a method that learns makes of those that have one.

    A task without any target in training has none.

    Args:
        prepared: What is known of sources and tasks.
        train: What they learn from.
        test: The opened test split.
        seed: Of all draws.
        seconds: That the methods that learn may take for all tasks together; None leaves them out.
        report: Takes a line about what is being done.
        own: Metrics of the user's own by task.
        clock: Tells seconds.
    """
    found = References({CONSTANT: {}}, {}, {})
    tasks = {name: task for name, task in prepared.tasks.items() if known(train.labels[name]).any()}
    for name, task in tasks.items():
        always = constant(task, train.labels[name])
        found.constants[name] = always.text
        found.scores[CONSTANT][name] = _scored(name, task, test, own.get(name, ()), always.answer)
    if seconds is None:
        return found
    allowance = Allowance(seconds, clock)
    methods = {name: method_of(prepared.sources[task.source], task) for name, task in tasks.items()}
    learn = sorted((name for name in tasks if methods[name]), key=lambda name: tasks[name].outputs)
    for place, name in enumerate(learn):  # those of few classes first: the time that they leave is for the others
        task, method = tasks[name], methods[name]
        assert method is not None
        report(f"scoring {method.title} on {name}")
        share = allowance.part(len(learn) - place)
        it = taught(method, prepared.sources[task.source], task, train, test, name, seed, share)
        found.scores.setdefault(method.title, {})[name] = _scored(name, task, test, own.get(name, ()), it.answer)
        if it.cut:
            found.notes[name] = f"{method.title} on {name}: {it.cut}"
            report(found.notes[name])
    scores = {title: {name: its[name] for name in tasks if name in its} for title, its in found.scores.items()}
    return found._replace(scores=scores)


def _scored(
    name: str, task: PreparedTask, test: Split, own: Sequence[str], answer: Callable[[np.ndarray], Tensor]
) -> TaskScores:
    """The scores of answers [1, N, C] to rows [N, F], a few rows at a time; of tags, [1, N * T, C]."""
    inputs, labels = test.inputs[task.source], test.labels[name]
    scorer = scorer_of(task, own=own)
    step = max(1, _VALUES // (inputs.shape[1] + task.outputs * max(task.length, 1)))
    for start in range(0, max(len(labels), 1), step):
        part = slice(start, start + step)
        scorer.take(answer(inputs[part]), Targets.of(torch.from_numpy(np.asarray(labels[part])).unsqueeze(0)))
    return scorer.scores(np.asarray(labels))
