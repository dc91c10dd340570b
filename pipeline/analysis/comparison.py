"""Ways to choose the task weights held against each other: what each differs in from the others, and whether by chance.

Each arm is held against the single-task networks, against equal and against tuned weights. A question is one of these
three, of all tasks together or of the tasks one by one: within it p-values are corrected for the number of tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.decision import Decision, decide_between
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.intervals import Estimate, holm
from pipeline.analysis.metrics import LOWER_IS_BETTER
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
        arms: arm, group (its name in the evaluation), trials, diverged, objective (of the winners, mean),
            winners_json (values and objective of each replicate's), step_us, memory_bytes.
        failed: Why an arm was left out, by its title.
        frontier: The trials of the tuned weights; None where they failed.
        space: What every study searched, as JSON by dotted key.
        trials: Of each study.
        replicates: Of each arm, each the whole procedure.
        openings: when, candidates: one row each time that the test split of these data was opened.
        command: That makes this comparison again.
        margin: See `pipeline.config.deciding`.
        notes: What a reader should know, a sentence each.
    """

    name: str
    evaluation: Evaluation
    contrasts: pd.DataFrame
    arms: pd.DataFrame
    failed: Mapping[str, str]
    frontier: pd.DataFrame | None
    space: Mapping[str, str]
    trials: int
    replicates: int
    openings: pd.DataFrame
    command: str = ""
    margin: float = 0.01
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, str]:
        """The primary metric of each task, in the experiment's order."""
        rows = tables.primary(self.evaluation.scores)
        shared = rows[rows["candidate"] == self.shared[0]]
        return dict(shared[["task", "metric"]].to_numpy().tolist())

    @cached_property
    def decisions(self) -> dict[tuple[str, str], Decision]:
        """Of each arm (first) against the single-task networks and against equal weights (second).

        P-values are corrected for all arms that are held against the same.
        """
        pairs = [(arm, against) for against in (SINGLE, EQUAL) for arm in self.shared if arm != against]
        return {(arm, against): self._decided(arm, against) for arm, against in pairs}

    @property
    def decision(self) -> Decision:
        """Whether sharing helps: of the tuned weights against the single-task networks."""
        return self.decisions.get((TUNED, SINGLE), Decision("no_claim", "no_shared"))

    def _decided(self, arm: str, against: str) -> Decision:
        rows = self.contrasts
        rows = rows[(rows["candidate"] == arm) & (rows["against"] == against)]
        corrected = dict(zip(rows["task"], rows["p_holm"], strict=True))
        return decide_between(
            self.evaluation, arm, against, self.margin, replicates=self.replicates, corrected=corrected or None
        )

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
        candidate, against, task, metric, mean, low, high, se, df, rows_var, between_var, num_seeds (see
        `pipeline.analysis.intervals.Estimate`), p (of the same standard error), p_holm (corrected within the question),
        verdict: `better` or `worse` where p_holm is below 0.05, else `unclear`.
    """
    together = evaluation.delta_m.assign(task=ALL, metric="delta_m_percent", scale=1.0)
    each = tables.primary(evaluation.differences).assign(scale=100.0)
    rows = pd.concat([it for it in (together, each) if len(it)] or [together], ignore_index=True)
    rows = rows[rows["against"].isin(references)].reset_index(drop=True)
    for column in ("mean", "low", "high", "se"):
        rows[column] = rows[column] * rows["scale"]
    for column in ("rows_var", "between_var"):
        rows[column] = rows[column] * rows["scale"] ** 2
    question = [rows["against"], rows["task"] == ALL]
    rows["p_holm"] = rows.groupby(question)["p"].transform(lambda p: holm(p.to_numpy()))
    rows["verdict"] = [
        Estimate.of_row(row).verdict(row["metric"] not in LOWER_IS_BETTER, row["p_holm"])
        for row in rows.to_dict("records")
    ]
    return rows[_COLUMNS]


_COLUMNS = ["candidate", "against", "task", "metric", "mean", "low", "high", "se", "df", "rows_var", "between_var",
            "num_seeds", "p", "p_holm", "verdict"]  # fmt: skip
