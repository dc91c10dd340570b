"""What the tasks of a network look at, whether it is the same, and whether it comes from what they have learnt.

Legend of shapes as in `attributions`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline.analysis.attributions import Explained, agreement, attributions, randomised, strengths, targets
from pipeline.draws import seed_of

_CHECKED = 64  # rows by which other weights are held against these, and that are explained at a time
_SHUFFLES = 3
_EXAMPLES = 4


@dataclass(frozen=True)
class Subject:
    """A task to explain.

    Attributes:
        source: Whose rows it reads.
        network: Of the first slot.
        another: Of the second slot, trained with another seed; None where there is none.
        rows: As prepared, float32 [B, F].
    """

    source: str
    network: Explained
    another: Explained | None
    rows: Tensor


@dataclass(frozen=True)
class Example:
    """An image, and how much each of its pixels counts for each task.

    Attributes:
        source: Of the image.
        image: [H, W], the mean of its channels.
        maps: By task, [H, W], of integrated gradients.
    """

    source: str
    image: np.ndarray
    maps: dict[str, np.ndarray]


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Attributes:
        importance: task, method, input, share: how much an input counts for a task on average, as a share of all. An
            image's inputs are its pixels, numbered row by row.
        sharing: task, against, method, rows, means, randomised: how far two tasks look at the same inputs, by
            Spearman's rank correlation of how much these count: the mean over rows, of tasks of one source; that of
            the averages; and the latter with randomised weights, which is what the inputs alone bring about.
        checks: task, method, another_seed, randomised: mean rank correlation, with sign, of a row's attributions with
            those of the network trained with another seed, and of networks of randomised weights.
        shapes: Height and width of each task's images; None of a table.
        examples: A few images.
    """

    importance: pd.DataFrame
    sharing: pd.DataFrame
    checks: pd.DataFrame
    shapes: dict[str, tuple[int, int] | None]
    examples: list[Example]

    def save(self, folder: Path) -> None:
        """Write the tables as CSV."""
        for name in ("importance", "sharing", "checks"):
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
    """Of one task and method: strengths [B, I], and checked against other weights."""

    strengths: np.ndarray
    shuffled: list[np.ndarray] = field(default_factory=list)  # mean strengths [I] of each
    check: dict[str, float] = field(default_factory=dict)


def explain(subjects: Mapping[str, Subject], seed: int, report: Callable[[str], None]) -> Explanation:
    """Explain every task by every method.

    Args:
        subjects: By task.
        seed: Of the shuffles.
        report: Is told of each task that is done.
    """
    found: dict[tuple[str, str], _Found] = {}
    for task, subject in subjects.items():
        for method in subject.network.methods:
            found[task, method] = _explained(subject, method, seed)
        report(f"{task}: {len(subject.rows)} rows explained")
    return Explanation(
        pd.concat([_importance(*it, subjects[it[0]], found[it]) for it in found], ignore_index=True),
        pd.DataFrame(_sharing(subjects, found), columns=["task", "against", "method", "rows", "means", "randomised"]),
        pd.DataFrame([{"task": task, "method": method, **it.check} for (task, method), it in found.items()]),
        {task: subject.network.inputs.image for task, subject in subjects.items()},
        list(_examples(subjects, found)),
    )


def _explained(subject: Subject, method: str, seed: int) -> _Found:
    network, rows = subject.network, subject.rows
    wanted = targets(network, rows)
    pieces = zip(rows.split(_CHECKED), wanted.split(_CHECKED), strict=True)
    found = _Found(np.concatenate([strengths(attributions(network, *piece, method)) for piece in pieces]))
    few = (rows[:_CHECKED], wanted[:_CHECKED], method)
    own = attributions(network, *few)
    shuffles = [
        attributions(randomised(network, seed_of(seed, "randomised", number)), *few) for number in range(_SHUFFLES)
    ]
    found.shuffled = [strengths(it).mean(0) for it in shuffles]
    other = attributions(subject.another, *few) if subject.another else None
    found.check = {
        "another_seed": agreement(own, other) if other is not None else float("nan"),
        "randomised": _mean([agreement(own, it) for it in shuffles]),
    }
    return found


def _mean(values: list[float]) -> float:
    """Of those that have a meaning; NaN without any."""
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")


def _importance(task: str, method: str, subject: Subject, found: _Found) -> pd.DataFrame:
    mean = found.strengths.mean(0)
    names = subject.network.inputs.names or range(len(mean))
    share = mean / (mean.sum() or 1.0)
    return pd.DataFrame({"task": task, "method": method, "input": [str(name) for name in names], "share": share})


def _sharing(
    subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]
) -> Iterator[tuple[str, str, str, float, float, float]]:
    """Every pair of tasks whose inputs are the same pixels or columns."""
    for task, against in combinations(subjects, 2):
        one, two = subjects[task], subjects[against]
        both = [method for method in one.network.methods if method in two.network.methods]
        for method in both if one.network.inputs.like(two.network.inputs) else ():
            a, b = found[task, method], found[against, method]
            same = agreement(a.strengths, b.strengths) if one.source == two.source else float("nan")
            shuffled = [agreement(*pair) for pair in zip(a.shuffled, b.shuffled, strict=True)]
            means = agreement(a.strengths.mean(0), b.strengths.mean(0))
            yield task, against, method, same, means, _mean(shuffled)


def _examples(subjects: Mapping[str, Subject], found: Mapping[tuple[str, str], _Found]) -> Iterator[Example]:
    for source in dict.fromkeys(it.source for it in subjects.values()):
        tasks = [task for task, it in subjects.items() if it.source == source]
        first = subjects[tasks[0]]
        if (shape := first.network.inputs.image) is None:
            continue
        for place in range(min(_EXAMPLES, len(first.rows))):
            image = first.rows[place].numpy().reshape(-1, *shape).mean(0)
            maps = {task: found[task, "gradients"].strengths[place].reshape(shape) for task in tasks}
            yield Example(source, image, maps)
