"""The decision: what the numbers allow to be said of one way to train against another.

Delta-m decides, with the tasks beside it under Holm's correction; all by the one standard error of
`pipeline.analysis.statistics.intervals`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.analysis.candidate import CONSTANT, SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import LOWER_IS_BETTER, of_one
from pipeline.analysis.statistics.intervals import LEVEL, Estimate, Verdict, holm, quantile
from pipeline.analysis.tables import primary
from pipeline.config.tasks import ALL

Word = Literal["no_claim", "no_difference", "mixed", "helps", "hurts", "unknown"]
Lack = Literal["one_task", "nothing_shared", "no_single", "no_shared", "one_replicate", "unfinished"]

POWER = 0.8
"""Share of tries in which the smallest effect that is told of would have been shown."""

_EQUIVALENCE = 0.90  # two one-sided tests at 5 % each (Schuirmann 1987)
_MOST = 4  # times as many replicates: half the standard error is the most that is proposed


@dataclass(frozen=True)
class Decision:
    """What may be said, and why.

    Attributes:
        word: It. Of `mixed`, `helps` and `hurts` the first arm is meant: sharing.
        lack: Why nothing is claimed; None unless the word is `no_claim`.
        unfinished: Names of arms that were still improving when their training ended.
        delta: Delta-m, in percent; None without a single-task arm.
        p: Of delta-m, corrected where there are several arms.
        tasks: Differences of the tasks' primary metrics, positive is better.
        p_tasks: Their p-values, corrected.
        smallest: The smallest delta-m, in percent, that could have been shown in 80 % of tries; NaN where not known.
        narrows: What brings most, more test rows or more replicates.
        replicates: How many of these; None where rows bring more.
    """

    word: Word
    lack: Lack | None = None
    unfinished: tuple[str, ...] = ()
    delta: Estimate | None = None
    p: float = math.nan
    tasks: Mapping[str, Estimate] = field(default_factory=dict)
    p_tasks: Mapping[str, float] = field(default_factory=dict)
    smallest: float = math.nan
    narrows: Literal["rows", "replicates"] = "rows"
    replicates: int | None = None

    @property
    def better(self) -> tuple[str, ...]:
        """The tasks that are clearly better."""
        return self._told("better")

    @property
    def worse(self) -> tuple[str, ...]:
        """The tasks that are clearly worse."""
        return self._told("worse")

    def _told(self, verdict: Verdict) -> tuple[str, ...]:
        return tuple(task for task, it in self.tasks.items() if it.verdict(p=self.p_tasks[task]) == verdict)


def decide(
    delta: Estimate | None,
    tasks: Mapping[str, Estimate],
    margin: float,
    margins: Mapping[str, float],
    *,
    replicates: int | None = None,
    unfinished: Sequence[str] = (),
    shares: bool = True,
    p: float | None = None,
    p_tasks: Mapping[str, float] | None = None,
) -> Decision:
    """Decide between two arms.

    Args:
        delta: Delta-m of one against the other, in percent; None where the other was not trained.
        tasks: Differences of the tasks' primary metrics, turned so that positive is better.
        margin: Of delta-m, in percent: what does not matter.
        margins: Of each task, in its metric's unit; NaN where it is not known.
        replicates: Whole procedures that the variance between is of; None for as many as there are networks.
        unfinished: Names of the arms among the two that were still improving at their end.
        shares: Whether the first arm shares anything.
        p: Of delta-m where it is corrected for the number of arms; None for its own.
        p_tasks: Of the tasks where they are corrected for arms and tasks; None to correct for the tasks.
    """
    p = (delta.p if delta else math.nan) if p is None else p
    p_tasks = _corrected(tasks) if p_tasks is None else p_tasks
    lack = _lack(delta, tasks, replicates, unfinished, shares)
    found = Decision("no_claim", lack, tuple(unfinished), delta, p, tasks, p_tasks)
    if lack or delta is None:
        return found
    if _within(delta, margin) and all(_within(it, margins[task]) for task, it in tasks.items()):
        return _worded(found, "no_difference")
    if found.better and found.worse:
        return _worded(found, "mixed")
    together = delta.verdict(p=p)
    if together == "better" and not found.worse:
        return _worded(found, "helps")
    if together == "worse" and not found.better:
        return _worded(found, "hurts")
    return _worded(found, "unknown")


def smallest_effect(estimate: Estimate) -> float:
    """The smallest effect that a two-sided test at 5 % would have shown in 80 % of tries, to first order."""
    return (quantile((1.0 + LEVEL) / 2.0, estimate.df) + quantile(POWER, estimate.df)) * estimate.se


def decide_between(
    evaluation: Evaluation,
    candidate: str,
    against: str,
    margin: float,
    *,
    replicates: int | None = None,
    shares: bool = True,
    corrected: Mapping[str, float] | None = None,
) -> Decision:
    """Decide between two candidates of an evaluation.

    Args:
        evaluation: Holds both.
        candidate: In its tables.
        against: In its tables.
        margin: See `pipeline.config.decision`.
        replicates: See `decide`.
        shares: See `decide`.
        corrected: P-values by task, and of delta-m under `all`, where they are corrected
            for several arms.
    """
    delta, each = evaluation.delta_m, primary(evaluation.differences)
    delta, rows = (
        it[(it["candidate"] == candidate) & (it["against"] == against)].to_dict("records") for it in (delta, each)
    )
    tasks = {row["task"]: Estimate.of_row(row, -1.0 if row["metric"] in LOWER_IS_BETTER else 1.0) for row in rows}
    constant = primary(evaluation.references)
    constant = constant[constant["candidate"] == CONSTANT].set_index("task")["mean"].to_dict()
    margins = {
        row["task"]: margin * (1.0 if of_one(row["metric"]) else abs(constant.get(row["task"], math.nan)))
        for row in rows
    }
    return decide(
        Estimate.of_row(delta[0]) if delta else None,
        tasks,
        100.0 * margin,
        margins,
        replicates=replicates,
        unfinished=unfinished_names(evaluation.finished, (candidate, against)),
        shares=shares,
        p=corrected[ALL] if corrected else None,
        p_tasks={task: corrected[task] for task in tasks} if corrected else None,
    )


def unfinished_names(finished: pd.DataFrame, candidates: Sequence[str] | None = None) -> tuple[str, ...]:
    """What arms are called that were still improving, those of single tasks one by one.

    Args:
        finished: See `pipeline.analysis.statistics.unfinished`.
        candidates: Which; None for all.
    """
    rows = finished[finished["unfinished"].astype(bool)]
    return tuple(
        f"single {row['task']}" if row["candidate"] == SINGLE else row["candidate"]
        for row in rows.to_dict("records")
        if candidates is None or row["candidate"] in candidates
    )


def _lack(
    delta: Estimate | None,
    tasks: Mapping[str, Estimate],
    replicates: int | None,
    unfinished: Sequence[str],
    shares: bool,
) -> Lack | None:
    """What is missing to claim anything."""
    if len(tasks) == 1:
        return "one_task"
    if not shares:
        return "nothing_shared"
    if delta is None:
        return "no_single"
    if min(delta.num_seeds, replicates or delta.num_seeds) < 2:
        return "one_replicate"
    return "unfinished" if unfinished else None


def _within(estimate: Estimate, margin: float) -> bool:
    interval = estimate.interval(_EQUIVALENCE)
    return -margin <= interval.low and interval.high <= margin


def _corrected(tasks: Mapping[str, Estimate]) -> dict[str, float]:
    return dict(zip(tasks, holm(np.array([it.p for it in tasks.values()])).tolist(), strict=True))


def _worded(found: Decision, word: Word) -> Decision:
    """With what would settle it."""
    delta = found.delta
    assert delta is not None
    rows, between, count = delta.rows_var, delta.between_var, delta.num_seeds
    more = None
    if between > rows or rows != rows:
        most = _MOST * count
        balanced = math.ceil(count * between / rows) if rows > 0.0 else most
        more = max(count + 1, min(balanced, most))
    narrows: Literal["rows", "replicates"] = "replicates" if more else "rows"
    return replace(found, word=word, lack=None, smallest=smallest_effect(delta), narrows=narrows, replicates=more)
