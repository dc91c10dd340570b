"""Every reference of every task, scored as networks are.

Shapes: N rows, F values a row, C values that a network answers for one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.metrics import Scores, TaskScores
from pipeline.analysis.pooled import Tested, pooled
from pipeline.analysis.references.constant import CONSTANT, Constant, constant
from pipeline.analysis.references.learning import Allowance, Clock, Method
from pipeline.analysis.references.taught import method_of, taught
from pipeline.analysis.scores import grouped, scorer_of
from pipeline.data.prepared import Prepared, PreparedTask, Split, known
from pipeline.stacked import Targets

_VALUES = 1 << 22  # of inputs and answers that are held at once


class References(NamedTuple):
    """What was found.

    Attributes:
        scores: On test, by the name of the method and by task; a single seed of each, or one a replicate.
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
    of_fold: bool = False,
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
        of_fold: See `pipeline.analysis.own_metrics.Scorer`.
    """
    always = _constants(prepared, train)
    tasks = {name: prepared.tasks[name] for name in always}
    found = References({}, {name: it.text for name, it in always.items()}, {})

    def scored(name: str, answer: Callable[[np.ndarray], Tensor]) -> TaskScores:
        return _scored(name, tasks[name], test, own.get(name, ()), answer, of_fold)

    found.scores[CONSTANT] = {name: scored(name, it.answer) for name, it in always.items()}
    if seconds is None:
        return found
    methods = _loaded(prepared, tasks)
    allowance = Allowance(seconds, clock)
    learn = sorted((name for name in tasks if methods[name]), key=lambda name: tasks[name].outputs)
    for place, name in enumerate(learn):  # those of few classes first: the time that they leave is for the others
        task, method = tasks[name], methods[name]
        assert method is not None
        report(f"scoring {method.title} on {name}")
        share = allowance.part(len(learn) - place)
        it = taught(method, prepared.sources[task.source], task, train, test, name, seed, share)
        found.scores.setdefault(method.title, {})[name] = scored(name, it.answer)
        if it.cut:
            found.notes[name] = f"{method.title} on {name}: {it.cut}"
            report(found.notes[name])
    scores = {title: {name: its[name] for name in tasks if name in its} for title, its in found.scores.items()}
    return found._replace(scores=scores)


def every_reference(
    prepared: Prepared,
    test: Tested,
    seed: int,
    seconds: float | None,
    report: Callable[[str], None] = lambda line: None,
    own: Mapping[str, Sequence[str]] = MappingProxyType({}),
    clock: Clock = time.monotonic,
) -> References:
    """See `references`. Where every row tests they learn from each replicate's training rows and answer its fold.

    The time is for all replicates together: what one leaves is for those after it. What the constant prediction answers
    is said of the rows that the network that is put to use learns from.
    """
    if not prepared.replicates:
        return references(prepared, prepared.split("train"), test.of(None), seed, seconds, report, own, clock)
    if seconds is not None:
        _loaded(prepared, prepared.tasks)
    allowance = None if seconds is None else Allowance(seconds, clock)
    each: list[References] = []
    for seen in prepared.replicates:
        share = allowance.part(len(prepared.replicates) - len(each)).left if allowance else None
        told = (lambda line: None) if each else report  # of each replicate it would be the same
        rows = test.of(len(each))
        each.append(references(seen, seen.split("train"), rows, seed, share, told, own, clock, of_fold=True))
    found = {
        method: [
            (place, it.scores[method], prepared.replicates[place].tasks)
            for place, it in enumerate(each)
            if method in it.scores
        ]
        for method in dict.fromkeys(method for it in each for method in it.scores)
    }
    return References(
        {method: pooled(its, test) for method, its in found.items()},
        {name: it.text for name, it in _constants(prepared, prepared.split("train")).items()},
        {task: note for it in reversed(each) for task, note in it.notes.items()},
    )


def _loaded(prepared: Prepared, tasks: Mapping[str, PreparedTask]) -> dict[str, Method | None]:
    """What suits each task, ready to learn."""
    methods = {name: method_of(prepared.sources[task.source], task) for name, task in tasks.items()}
    for library in {it.library for it in methods.values() if it}:
        import_module(library)
    return methods


def _constants(prepared: Prepared, train: Split) -> dict[str, Constant]:
    """The constant prediction of each task that has a target in training."""
    labels = train.labels
    return {name: constant(task, labels[name]) for name, task in prepared.tasks.items() if known(labels[name]).any()}


def _scored(
    name: str,
    task: PreparedTask,
    test: Split,
    own: Sequence[str],
    answer: Callable[[np.ndarray], Tensor],
    of_fold: bool,
) -> TaskScores:
    """The scores of answers [1, N, C] to rows [N, F], a few rows at a time; of tags, [1, N * T, C]."""
    inputs, labels, at = test.inputs[task.source], test.labels[name], test.at.get(task.source)
    scorer = scorer_of(task, own=own)
    step = max(1, _VALUES // (inputs.shape[1] + task.outputs * max(task.length, 1)))
    for start in range(0, max(len(labels), 1), step):
        part = slice(start, start + step)
        asked = inputs[part] if at is None else inputs[at[part]]
        scorer.take(answer(asked), Targets.of(torch.from_numpy(np.asarray(labels[part])).unsqueeze(0)))
    return grouped({name: scorer.scores(np.asarray(labels), of_fold)}, test)[name]
