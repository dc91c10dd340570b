"""What a report is made of: tables and words only, so that it can be drawn again from what was logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.tables import primary


def _no_steps() -> pd.DataFrame:
    return pd.DataFrame(columns=["step", "seconds", "cached"])


def _no_openings() -> pd.DataFrame:
    return pd.DataFrame(columns=["when", "candidates"])


@dataclass(frozen=True)
class ReportData:
    """Everything that the page shows.

    Attributes:
        name: Of the experiment.
        evaluation: What the evaluate step found.
        trials: The study's table as `pipeline.analysis.trials` describes it; None without tuning.
        space: `tuning.space` as plain data.
        steps: step, seconds, cached: in the order in which they ran.
        openings: when, candidates (text): one row each time that the test split of these data was opened.
        left_out: What the pipeline left out and why, a sentence each.
        notes: What a reader should know, a sentence each, such as an unofficial checksum.
        commands: What makes these results again, a line each.
        facts: Short facts by name: data, rows, seeds, device, versions, date.
        manifest: `sources` and `tasks` of the prepared data, as `pipeline.data.prepare` writes them.
    """

    name: str
    evaluation: Evaluation
    trials: pd.DataFrame | None = None
    space: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: pd.DataFrame = field(default_factory=_no_steps)
    openings: pd.DataFrame = field(default_factory=_no_openings)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=lambda: {"sources": {}, "tasks": {}})

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in the experiment's order."""
        scores = self.evaluation.scores
        return tuple(scores[scores["candidate"] == self.of_role("default")]["task"].drop_duplicates())

    @property
    def best(self) -> str:
        """The candidate whose configuration is recommended: what validation chose, else the experiment as written."""
        return self.of_role("tuned") or self.of_role("default") or ""

    def of_role(self, role: str) -> str | None:
        """The candidate of a role, if there is one."""
        names = self.evaluation.candidates.set_index("role")["candidate"]
        return SINGLE if role == "single" and role in names else names.get(role)

    def difference(self, candidate: str | None, against: str | None) -> pd.DataFrame:
        """Paired differences in each task's primary metric; empty where one of the two is missing."""
        rows = primary(self.evaluation.differences)
        return rows[(rows["candidate"] == candidate) & (rows["against"] == against)]

    def level(self, candidate: str | None, task: str) -> float:
        """Mean of the task's primary metric on test; NaN where the candidate is missing."""
        rows = primary(self.evaluation.scores)
        found = rows[(rows["candidate"] == candidate) & (rows["task"] == task)]["mean"]
        return float(found.iloc[0]) if len(found) else float("nan")

    @property
    def metrics(self) -> dict[str, str]:
        """The primary metric of each task, in the experiment's order."""
        found = dict(primary(self.evaluation.scores)[["task", "metric"]].to_numpy().tolist())
        return {task: found[task] for task in self.tasks}

    def setting(self, candidate: str | None, key: str) -> str | None:
        """A setting of a candidate as JSON text."""
        rows = self.evaluation.settings
        found = rows[(rows["candidate"] == candidate) & (rows["key"] == key)]["value_json"]
        return str(found.iloc[0]) if len(found) else None
