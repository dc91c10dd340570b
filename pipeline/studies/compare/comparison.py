"""The result of a comparison of ways to choose the task weights, and the decisions that it allows.

Each arm is held against the single-task networks, against equal and against tuned weights, see
`pipeline.analysis.statistics.contrasts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from pipeline.analysis import tables
from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.statistics.decision import Decision, decide_between
from pipeline.config.compare import EQUAL, TUNED

REFERENCES = (SINGLE, EQUAL, TUNED)
"""What all arms are held against."""


@dataclass(frozen=True)
class Comparison:
    """What the page shows.

    Attributes:
        name: Of the experiment.
        evaluation: Of all arms on test.
        contrasts: See `contrasts`.
        arms: arm, group (its name in the evaluation), trials, diverged, objective (of the winners, mean),
            winners_json (values and objective of each replicate's), step_us with step_low_us and step_high_us,
            memory_bytes.
        failed: Why an arm was left out, by its title.
        frontier: The trials of the tuned weights; None where they failed.
        space: What every study searched, as JSON by dotted key.
        trials: Of each study.
        replicates: Of each arm, each the whole procedure.
        openings: when, candidates: one row each time that the test split of these data was opened.
        commands: That make this comparison again, a line each.
        facts: Short facts by name: commit, versions, hardware.
        margin: See `pipeline.config.decision`.
        notes: What a reader should know, a sentence each.
        folds: Where every row tests, how many folds that is done in; else 0.
        once: The rows can be cut into these folds in one way alone.
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
    commands: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    margin: float = 0.01
    notes: tuple[str, ...] = ()
    folds: int = 0
    once: bool = False

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
