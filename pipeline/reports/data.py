"""What a report is made of: tables and words only, so that it can be drawn again from what was logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.statistics.decision import Decision, decide_between
from pipeline.analysis.tables import TUNED_AGAINST_UNTUNED, primary
from pipeline.config.data import OuterFolds
from pipeline.reports.words import every_row_tests


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
        facts: Short facts by name: data, rows, seeds, commit, versions, hardware.
        given: Dotted keys of the settings that the experiment gives itself; the others are at their defaults.
        manifest: `sources` and `tasks` of the prepared data, as `pipeline.data.prepare` writes them.
        margin: See `pipeline.config.decision`.
        champion: The candidate that validation chose; None for the tuned one, or else that as written.
        champion_why: How, in a sentence.
        champion_settings: Where every row tests, what the champion's own studies chose: by task or for all, by key.
        recipe: Which recipe the first line compares, in a sentence.
        replicates: Of a tuned arm, each the whole procedure; None where arms are seeds of one configuration.
        optimism: By arm, by how much its winners' validation score exceeded that of the same settings trained afresh.
    """

    name: str
    evaluation: Evaluation
    trials: pd.DataFrame | None = None
    space: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["step", "seconds", "cached"]))
    openings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["when", "candidates"]))
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    manifest: Mapping[str, Any] = field(default_factory=lambda: {"sources": {}, "tasks": {}})
    margin: float = 0.01
    champion: str | None = None
    champion_why: str = ""
    champion_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipe: str = ""
    replicates: int | None = None
    optimism: Mapping[str, float] = field(default_factory=dict)

    @property
    def outer(self) -> OuterFolds | None:
        """How every row tests; None for one split."""
        found = self.manifest.get("outer")
        return OuterFolds(folds=found["folds"], repeats=found["repeats"]) if found else None

    @property
    def tested(self) -> str:
        """How every row tests, in words; empty for one split."""
        if self.outer is None:
            return ""
        rows = sum(count for it in self.manifest["sources"].values() for count in it["rows"].values())
        return every_row_tests(self.outer, sum(self.manifest["outer"].get("tested", {}).values()), rows)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in the experiment's order."""
        scores = self.evaluation.scores
        return tuple(scores[scores["candidate"] == self.of_role("default")]["task"].drop_duplicates())

    @property
    def best(self) -> str:
        """The candidate whose configuration is recommended: what validation chose, else the experiment as written."""
        return self.champion or self.of_role("tuned") or self.of_role("default") or ""

    @cached_property
    def compares_tuned(self) -> bool:
        """Whether the first line is of networks that were tuned alike, and not of those as written."""
        tuned, delta = self.of_role("tuned"), self.evaluation.delta_m
        rows = delta[(delta["candidate"] == tuned) & (delta["against"] == SINGLE)]
        return tuned is not None and len(rows) > 0 and not (rows["note"] == TUNED_AGAINST_UNTUNED).any()

    @property
    def shared(self) -> str | None:
        """The candidate that the first line holds against the single-task networks."""
        return self.of_role("tuned") if self.compares_tuned else self.of_role("default")

    @cached_property
    def decision(self) -> Decision:
        """What may be said of sharing."""
        if len(self.tasks) == 1:
            return Decision("no_claim", "one_task")
        return decide_between(
            self.evaluation,
            self.shared or "",
            SINGLE,
            self.margin,
            replicates=self.replicates if self.compares_tuned else None,
            shares=self.setting(self.shared, "model.sharing.kind") != '"separate"',
        )

    @property
    def seeds(self) -> int:
        """Networks of the compared arm."""
        scores = self.evaluation.scores
        return int(scores[scores["candidate"] == self.shared]["num_seeds"].min())

    @property
    def folds(self) -> int:
        """Where every row tests, how many folds that is done in; else 0."""
        return self.outer.folds if self.outer else 0

    @property
    def is_once(self) -> bool:
        """Whether the rows can be cut into these folds in one way alone."""
        return bool(self.manifest.get("outer", {}).get("once"))

    @property
    def replicates_setting(self) -> str:
        """The setting that says how many networks of an arm are compared."""
        return "tuning.replicates" if self.compares_tuned else "training.seeds"

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
