"""What the tasks of a network look at, whether it is the same, and whether it comes from what they have learnt.

Legend of shapes as in `attributions`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.draws import seed_of
from pipeline.errors import UserError
from pipeline.serving.specification import TaskSpec
from pipeline.studies.explain.answers import Answers
from pipeline.studies.explain.attributions import (
    Explained,
    agreement,
    attributions,
    outputs,
    randomised,
    strengths,
    targets,
)
from pipeline.studies.explain.inputs import Tokens

_CHECKED = 64  # rows by which other weights are held against these, and that are explained at a time
_SHUFFLES = 3
_RESAMPLES = 1000
_EXAMPLES = 4


@dataclass(frozen=True)
class Subject:
    """A task to explain.

    Attributes:
        source: Whose rows it reads.
        network: Of the slot that is explained.
        another: Of another slot, trained with another seed; None where there is none.
        rows: As prepared, float32 [B, F].
        task: What makes predictions of the network's outputs; None where nothing is said of them.
        labels: Of the rows, as prepared.
    """

    source: str
    network: Explained
    another: Explained | None
    rows: Tensor
    task: TaskSpec | None = None
    labels: np.ndarray | None = None

    @cached_property
    def answers(self) -> Answers | None:
        """What the network predicts of the rows, and what is true."""
        if self.task is None or self.labels is None:
            return None
        return Answers(self.task, outputs(self.network, self.rows), self.labels)

    def reads_rows_of(self, other: "Subject") -> bool:
        """Whether both are explained on the same rows; networks that hold out other folds are not."""
        return self.source == other.source and torch.equal(self.rows, other.rows)


@dataclass(frozen=True)
class Told:
    """A task's answer to a row, in words.

    Attributes:
        truth: What is true.
        predicted: What its network predicts.
        wrong: That is something else.
    """

    truth: str
    predicted: str
    wrong: bool


@dataclass(frozen=True)
class Example:
    """A row, and how much each of its inputs counts for each task.

    Attributes:
        source: Of the row.
        image: [H, W], the mean of its channels; None of a text.
        tokens: Of a text, [t]; of a table what stands in each column; of an image none.
        maps: By task, [H, W] or [t] or a value a column, of integrated gradients where there are some: above zero what
            speaks for the prediction, or for a larger number, below zero what speaks against it. Of several labels at
            once how much it counts for them, whatever the sign.
        told: By task what is true and what is predicted, where that is known.
        is_text: Its tokens are in order.
    """

    source: str
    image: np.ndarray | None
    tokens: list[str]
    maps: dict[str, np.ndarray]
    told: dict[str, Told] = field(default_factory=dict)
    is_text: bool = False


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Attributes:
        importance: task, method, input, share, low, high, another_seed: how much an input counts for a task on average,
            as a share of all, with an interval (95 %, by resampling the rows; of columns), and the share by the network
            of another seed. An image's inputs are its pixels, numbered row by row; texts have none that all of them
            share.
        words: task, method, word, times, strength: of texts instead, how often a word occurs in the rows, and how much
            one occurrence counts on average, where 1 is the mean of all tokens.
        sharing: task, against, method, rows, means, randomised: how far two tasks look at the same inputs, by
            Spearman's rank correlation of how much these count: the mean over rows, of tasks of one source; that of
            the averages, of texts those of words; and the latter with randomised weights, which is what the inputs
            alone bring about.
        checks: task, method, another_seed, randomised: mean rank correlation, with sign, of a row's attributions with
            those of the network trained with another seed, and of networks of randomised weights.
        shapes: Height and width of each task's images; None of a table or a text.
        examples: A few rows, half of them such where a task is wrong, as far as there are any.
        rows: Of each task, how many were explained.
    """

    importance: pd.DataFrame
    words: pd.DataFrame
    sharing: pd.DataFrame
    checks: pd.DataFrame
    shapes: dict[str, tuple[int, int] | None]
    examples: list[Example]
    rows: dict[str, int]

    def save(self, folder: Path) -> None:
        """Write the tables as CSV."""
        for name in ("importance", "words", "sharing", "checks"):
            getattr(self, name).to_csv(folder / f"{name}.csv", index=False)

    def metrics(self) -> dict[str, float]:
        """What the run logs: the checks, and how far tasks look at the same."""
        found = {}
        for row in self.checks.to_dict("records"):
            for name in ("another_seed", "randomised"):
                found[f"validation/{row['task']}/{row['method']}_agreement_{name}"] = row[name]
        for row in self.sharing.to_dict("records"):
            found[f"validation/{row['task']}/{row['method']}_agreement.{row['against']}"] = row["means"]
        return found


@dataclass
class _Found:
    """Of one task and method: strengths [B, I], NaN where nothing is explained, and checked against other weights."""

    strengths: np.ndarray
    another: np.ndarray | None = None  # mean strengths by the network of another seed, of some of the rows
    shuffled: list[np.ndarray] = field(default_factory=list)  # mean strengths of each
    check: dict[str, float] = field(default_factory=dict)


def explain(subjects: Mapping[str, Subject], seed: int, report: Callable[[str], None]) -> Explanation:
    """Explain every task by every method.

    Args:
        subjects: By task.
        seed: Of the shuffles.
        report: Takes a line about each task that is done.

    Raises:
        UserError: No task answers anything that could be explained: all tag, and none has found an entity.
    """
    found: dict[tuple[str, str], _Found] = {}
    counts = {}
    for task, subject in subjects.items():
        wanted = targets(subject.network, subject.rows)
        rows = counts[task] = int(_asked(wanted).sum())
        for method in subject.network.methods if rows else ():
            found[task, method] = _explained(subject, wanted, method, seed)
        explained = f"{rows} rows explained" if rows else "no entity is predicted, so there is nothing to explain"
        report(f"{task}: {explained}")
    if not found:
        raise UserError("no entity is predicted in the rows that are explained: train longer, or raise explain.rows")
    subjects = {task: subjects[task] for task, _ in found}
    shares = ["task", "method", "input", "share", "low", "high", "another_seed"]
    return Explanation(
        pd.DataFrame(_importance(subjects, found, seed), columns=shares),
        pd.DataFrame(_words(subjects, found), columns=["task", "method", "word", "times", "strength"]),
        pd.DataFrame(_sharing(subjects, found), columns=["task", "against", "method", "rows", "means", "randomised"]),
        pd.DataFrame([{"task": task, "method": method, **it.check} for (task, method), it in found.items()]),
        {task: subject.network.inputs.image for task, subject in subjects.items()},
        list(_examples(subjects, found)),
        {task: counts[task] for task in subjects},
    )


def _asked(wanted: Tensor) -> Tensor:
    """Rows that have an answer to explain, bool [B]."""
    return (wanted >= 0).flatten(1).any(1)


def _explained(subject: Subject, wanted: Tensor, method: str, seed: int) -> _Found:
    network, asked = subject.network, _asked(wanted)
    rows, wanted = subject.rows[asked], wanted[asked]
    pieces = zip(rows.split(_CHECKED), wanted.split(_CHECKED), strict=True)
    found = _Found(np.full((len(asked), network.inputs.count), np.nan, np.float32))
    found.strengths[asked.numpy()] = np.concatenate(
        [strengths(attributions(network, *piece, method)) for piece in pieces]
    )
    few = (rows[:_CHECKED], wanted[:_CHECKED], method)
    own = attributions(network, *few)
    shuffles = [
        attributions(randomised(network, seed_of(seed, "randomised", number)), *few) for number in range(_SHUFFLES)
    ]
    found.shuffled = [network.inputs.means(strengths(it), few[0]) for it in shuffles]
    another = subject.another if subject.another and method in subject.another.methods else None
    other = attributions(another, *few) if another else None
    found.another = None if other is None else network.inputs.means(strengths(other), few[0])
    found.check = {
        "another_seed": agreement(own, other) if other is not None else float("nan"),
        "randomised": _mean([agreement(own, it) for it in shuffles]),
    }
    return found


def _mean(values: list[float]) -> float:
    """Of those that have a meaning; NaN without any."""
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")


def _importance(
    subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found], seed: int
) -> Iterator[tuple[str, str, str, float, float, float, float]]:
    """Every pixel and column."""
    for (task, method), it in found.items():
        inputs = subjects[task].network.inputs
        if isinstance(inputs, Tokens):
            continue
        share = _share(_averaged(subjects[task], it))
        unknown = np.full(len(share), np.nan)
        low, high = (unknown, unknown) if inputs.image else _interval(it.strengths, seed_of(seed, "resampled", task))
        another = unknown if it.another is None else _share(it.another)
        names = inputs.names or tuple(map(str, range(len(share))))
        for name, *values in zip(names, share, low, high, another, strict=True):
            whole, lowest, highest, other = map(float, values)
            yield task, method, name, whole, lowest, highest, other


def _share(counts: np.ndarray) -> np.ndarray:
    whole: np.ndarray = counts / (counts.sum() or 1.0)
    return whole


def _interval(strengths: np.ndarray, seed: int) -> np.ndarray:
    """Between what each input's share lies in 95 % of resamples of the rows, [B, I] -> [2, I]."""
    known = strengths[~np.isnan(strengths).any(1)]
    draws = np.random.default_rng(seed).multinomial(len(known), np.full(len(known), 1 / len(known)), _RESAMPLES)
    sums = draws @ known
    found: np.ndarray = np.quantile(sums / np.maximum(sums.sum(1, keepdims=True), 1e-30), (0.025, 0.975), axis=0)
    return found


def _words(
    subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]
) -> Iterator[tuple[str, str, str, int, float]]:
    """Every word that occurs often enough, those that count most first."""
    for (task, method), it in found.items():
        rows, inputs = subjects[task].rows, subjects[task].network.inputs
        if isinstance(inputs, Tokens):
            mean, times = _averaged(subjects[task], it), inputs.times(it.strengths, rows)
            level = float(np.nanmean(it.strengths)) or 1.0
            for word in np.argsort(-mean, kind="stable")[: np.count_nonzero(~np.isnan(mean))]:  # NaN is last
                yield task, method, inputs.names[word], int(times[word]), float(mean[word]) / level


def _sharing(
    subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]
) -> Iterator[tuple[str, str, str, float, float, float]]:
    """Every pair of tasks whose inputs are the same pixels, columns or words."""
    for task, against in combinations(subjects, 2):
        one, two = subjects[task], subjects[against]
        both = [method for method in one.network.methods if method in two.network.methods]
        for method in both if one.network.inputs.like(two.network.inputs) else ():
            a, b = found[task, method], found[against, method]
            same = agreement(a.strengths, b.strengths) if one.reads_rows_of(two) else float("nan")
            shuffled = [agreement(*pair) for pair in zip(a.shuffled, b.shuffled, strict=True)]
            means = agreement(_averaged(one, a), _averaged(two, b))
            yield task, against, method, same, means, _mean(shuffled)


def _averaged(subject: Subject, found: _Found) -> np.ndarray:
    return subject.network.inputs.means(found.strengths, subject.rows)


def _examples(subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]) -> Iterator[Example]:
    left = dict(subjects)
    while left:
        first = next(iter(left.values()))
        own = {task: it for task, it in left.items() if it.reads_rows_of(first)}
        left = {task: it for task, it in left.items() if task not in own}
        inputs, shape = first.network.inputs, first.network.inputs.image
        if shape is None and not isinstance(inputs, Tokens) and not inputs.columns:
            continue  # numbers without names
        places = _shown(own, found)
        maps = {task: _signed(it, places) for task, it in own.items()}
        for number, place in enumerate(places):
            row = first.rows[place]
            tokens = inputs.read(row)
            counted = {task: it[number] for task, it in maps.items() if not np.isnan(it[number]).all()}
            told = {task: _told(it.answers, place, tokens) for task, it in own.items() if it.answers}
            if shape is None:
                counted = {task: it[: len(tokens)] for task, it in counted.items()}
                yield Example(first.source, None, tokens, counted, told, isinstance(inputs, Tokens))
            else:
                image = row.numpy().reshape(-1, *shape).mean(0)
                yield Example(first.source, image, [], {task: it.reshape(shape) for task, it in counted.items()}, told)


def _shown(subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]) -> list[int]:
    """Rows to show, as they come: half of them such where a task is wrong, as far as there are any."""
    strengths = [found[task, it.network.methods[0]].strengths for task, it in subjects.items()]
    explained = np.flatnonzero(np.any([~np.isnan(it).all(1) for it in strengths], axis=0))
    wrong = np.any(
        [np.zeros(len(strengths[0]), bool), *(it.answers.wrong for it in subjects.values() if it.answers)], 0
    )
    failed = [int(it) for it in explained if wrong[it]]
    right = [int(it) for it in explained if not wrong[it]]
    some = failed[: max(_EXAMPLES // 2, _EXAMPLES - len(right))]
    return sorted(some + right[: _EXAMPLES - len(some)])


def _signed(subject: Subject, places: list[int]) -> np.ndarray:
    """What each input of some rows adds to what is predicted of them, [b, I]; NaN where nothing is explained."""
    network, rows = subject.network, subject.rows[places]
    wanted = targets(network, rows)
    asked = _asked(wanted).numpy()
    found = np.full((len(places), network.inputs.count), np.nan, np.float32)
    if asked.any():
        values = attributions(network, rows[asked], wanted[asked], network.methods[0])
        found[asked] = values[:, 0] if values.shape[1] == 1 else strengths(values)
    signs = subject.answers.signs[places] if subject.answers else np.ones(len(places))
    return found * signs[:, None]


def _told(answers: Answers, place: int, tokens: list[str]) -> Told:
    return Told(answers.truth(place, tokens), answers.predicted(place, tokens), bool(answers.wrong[place]))
