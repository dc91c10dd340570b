"""Ways to choose the task weights held against each other: what each differs in from the others, and whether by chance.

Each arm is held against the single-task networks, against equal and against tuned weights. A question is one of these
three, of all tasks together or of the tasks one by one: within it p-values are corrected for the number of tests.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.intervals import LEVEL, student_p
from pipeline.config.comparing import EQUAL, TUNED

ALL = "all"
"""Stands for all tasks together: the mean relative change of their primary metrics, in percent."""

REFERENCES = (SINGLE, EQUAL, TUNED)


@dataclass(frozen=True)
class Comparison:
    """What the page shows.

    Attributes:
        name: Of the experiment.
        evaluation: Of all arms on test.
        contrasts: See `contrasts`.
        arms: arm, group (its name in the evaluation), trials, diverged, objective, values_json, step_us, memory_bytes.
        failed: Why an arm was left out, by its title.
        frontier: The trials of the tuned weights; None where they failed.
        space: What every study searched, as JSON by dotted key.
        trials: Of each study.
        seeds: Of each arm.
        openings: when, candidates: one row each time that the test split of these data was opened.
        command: That makes this comparison again.
    """

    name: str
    evaluation: Evaluation
    contrasts: pd.DataFrame
    arms: pd.DataFrame
    failed: Mapping[str, str]
    frontier: pd.DataFrame | None
    space: Mapping[str, str]
    trials: int
    seeds: int
    openings: pd.DataFrame
    command: str = ""

    @property
    def metrics(self) -> dict[str, str]:
        """The primary metric of each task, in the experiment's order."""
        rows = tables.primary(self.evaluation.scores)
        shared = rows[rows["candidate"] == self.shared[0]]
        return dict(shared[["task", "metric"]].to_numpy().tolist())

    @property
    def shared(self) -> list[str]:
        """The arms that share layers, in the order of the plan."""
        names = self.evaluation.candidates["candidate"]
        return [name for name in names if name != SINGLE]


def contrasts(evaluation: Evaluation, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """One row an arm, reference and task, in points; `all` tasks in percent.

    Args:
        evaluation: Of all arms.
        references: What they are held against.

    Returns:
        candidate, against, task, metric, mean, low, high (the wider of the intervals over seeds and over rows), p
        (paired Student t over seeds), p_holm (corrected within the question), verdict: `better` or `worse` where p_holm
        is below 0.05 and the wider interval leaves out 0, else `unclear`.
    """
    together = evaluation.delta_m.assign(task=ALL, metric="delta_m_percent", scale=1.0)
    each = tables.primary(evaluation.differences).assign(scale=100.0)
    rows = pd.concat([it for it in (together, each) if len(it)] or [together], ignore_index=True)
    rows = rows[rows["against"].isin(references)].reset_index(drop=True)
    rows["p"] = [_p(row) for row in rows.to_dict("records")]
    for column in ("mean", "low", "high"):
        rows[column] = rows[column] * rows["scale"]
    question = [rows["against"], rows["task"] == ALL]
    rows["p_holm"] = rows.groupby(question)["p"].transform(lambda p: holm(p.to_numpy()))
    sure = rows["p_holm"] < 1.0 - LEVEL
    rows["verdict"] = rows["verdict"].where(sure, "unclear")
    return rows[["candidate", "against", "task", "metric", "mean", "low", "high", "p", "p_holm", "verdict"]]


def holm(p: np.ndarray) -> np.ndarray:
    """P-values [N] corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6); NaN is no test."""
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return corrected


def _p(row: dict) -> float:
    """Of a difference whose interval over seeds is known."""
    half = (row["seeds_high"] - row["seeds_low"]) / 2.0
    return math.nan if half != half else student_p(row["mean"], half, int(row["num_seeds"]))
