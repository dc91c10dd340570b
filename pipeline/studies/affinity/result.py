"""Groupings of the tasks held against one another: what was expected of each, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from pipeline.analysis.candidate import SINGLE
from pipeline.analysis.evaluation import Evaluation
from pipeline.analysis.metrics import LOWER_IS_BETTER
from pipeline.analysis.statistics.contrasts import contrasts
from pipeline.analysis.statistics.decision import Decision, decide_between, unfinished_names
from pipeline.analysis.statistics.differences import relative
from pipeline.analysis.tables import primary
from pipeline.config.affinity import TOGETHER
from pipeline.config.tasks import ALL
from pipeline.studies.affinity.affinities import Affinities
from pipeline.studies.affinity.groupings import Grouping, expected, titled, value


@dataclass(frozen=True)
class AffinityResult:
    """What the page shows.

    Attributes:
        name: Of the experiment.
        affinities: Of the tasks while all of them trained together.
        history: Of that training.
        evaluation: Of all groupings on test.
        proposal: The grouping of which most is expected.
        checked: Those that were trained, beside one network for all and one for each task.
        networks: Into how many networks the tasks might be grouped.
        seeds: Of each network.
        openings: when, candidates: one row each time that the test split of these data was opened.
        commands: That do all of it again, a line each.
        facts: Short facts by name: commit, versions, hardware.
        margin: See `pipeline.config.decision`.
    """

    name: str
    affinities: Affinities
    history: pd.DataFrame
    evaluation: Evaluation
    proposal: Grouping
    checked: Sequence[Grouping]
    networks: int
    seeds: int
    openings: pd.DataFrame
    commands: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    margin: float = 0.01

    @property
    def tasks(self) -> list[str]:
        """In the experiment's order."""
        return self.affinities.tasks

    @property
    def proposed(self) -> str:
        """What the proposal is called in tables."""
        return self.called(self.proposal)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """See `pipeline.analysis.statistics.contrasts`: against single-task networks and all tasks together."""
        return contrasts(self.evaluation, (SINGLE, TOGETHER))

    @cached_property
    def decision(self) -> Decision:
        """Whether the proposal (or, where that is to share nothing, all tasks together) beats single-task networks."""
        return self._decided(TOGETHER if self.proposed == SINGLE else self.proposed)

    @cached_property
    def sharing(self) -> Decision:
        """Whether one network for all tasks beats single-task networks."""
        return self._decided(TOGETHER)

    @cached_property
    def advised(self) -> Grouping | None:
        """What test shows to be right to train; None where it does not tell.

        The best on test of those groupings that are more than noise better than one network for all tasks, and not
        worse than a network for each. Where there are none that one network, if it beats a network for each. Where it
        does not either, the best of those that do; or that one network again, the cheapest, if it makes no difference.
        """
        if unfinished_names(self.evaluation.finished):
            return None
        every = {self.called(it): it for it in self._every()}
        order = [name for name in self.groupings["candidate"] if name != TOGETHER]
        better, alike = (
            [it for it in order if self.verdict(it, against) == "better" and self.verdict(it, other) != "worse"]
            for against, other in ((TOGETHER, SINGLE), (SINGLE, TOGETHER))
        )
        helps = self.verdict(TOGETHER, SINGLE) == "better"
        name = next(iter(better), None) or (TOGETHER if helps else next(iter(alike), None))
        if name is None and self.sharing.word == "no_difference":
            name = TOGETHER
        return every[name] if name else None

    def verdict(self, candidate: str, against: str) -> str:
        """Of all tasks together, corrected: `better`, `worse` or `unclear`, also of a candidate against itself."""
        rows = self.contrasts[self.contrasts["task"] == ALL].set_index(["candidate", "against"])["verdict"]
        if (candidate, against) in rows.index:
            return str(rows[candidate, against])
        turned = {"better": "worse", "worse": "better"}
        return turned.get(str(rows.get((against, candidate))), "unclear")

    @cached_property
    def groupings(self) -> pd.DataFrame:
        """One row a grouping that was trained, the best on test first.

        Columns: candidate, networks, expected (mean affinity onto a task), delta_m (against single-task networks, in
        percent), low, high, proposed.
        """
        found = self.evaluation.delta_m
        against_single = found[found["against"] == SINGLE].set_index("candidate")
        rows = []
        for grouping in self._every():
            name = self.called(grouping)
            row: dict[str, object] = {"delta_m": 0.0, "low": np.nan, "high": np.nan}
            if name in against_single.index:
                one = against_single.loc[name]
                row = {"delta_m": one["mean"], "low": one["low"], "high": one["high"]}
            about = {"candidate": name, "networks": len(grouping), "expected": self._value(grouping)}
            rows.append(about | row | {"proposed": grouping == self.proposal})
        return pd.DataFrame(rows).sort_values("delta_m", ascending=False, kind="stable", ignore_index=True)

    @cached_property
    def gains(self) -> pd.DataFrame:
        """One row a network and task: network, task, expected (affinity), found (percent against the task alone)."""
        rows = []
        for grouping in self._every():
            for group in (group for group in grouping if len(group) > 1):
                said = expected(group, self.tasks, self.affinities.mean)
                for task in group:
                    found = self._found(self.called(grouping), task)
                    rows.append({"network": titled((group,)), "task": task, "expected": said[task], "found": found})
        return pd.DataFrame(rows, columns=["network", "task", "expected", "found"]).drop_duplicates(
            ["network", "task"], ignore_index=True
        )

    @property
    def agreement(self) -> float:
        """Spearman's rank correlation of what was expected and what was found of every task in every network."""
        gains = self.gains
        if len(gains) < 3 or gains["expected"].nunique() == 1 or gains["found"].nunique() == 1:
            return float("nan")
        return float(gains["expected"].corr(gains["found"], method="spearman"))

    def called(self, grouping: Grouping) -> str:
        """A grouping in tables."""
        if len(grouping) == 1:
            return TOGETHER
        return SINGLE if len(grouping) == len(self.tasks) else titled(grouping)

    def metrics(self) -> dict[str, float]:
        """What the step's run logs: `train/TASK/affinity_OTHER`, mean over seeds and training."""
        return {
            f"train/{row['task']}/affinity_{row['other']}": row["affinity"]
            for row in self.affinities.table().to_dict("records")
            if row["affinity"] == row["affinity"]
        }

    def _decided(self, candidate: str) -> Decision:
        """Of a candidate against single-task networks."""
        rows = self.contrasts[(self.contrasts["candidate"] == candidate) & (self.contrasts["against"] == SINGLE)]
        corrected = dict(zip(rows["task"], rows["p_holm"], strict=True))
        return decide_between(self.evaluation, candidate, SINGLE, self.margin, corrected=corrected or None)

    def _every(self) -> list[Grouping]:
        """All groupings that were trained."""
        return [(tuple(self.tasks),), *self.checked, tuple((task,) for task in self.tasks)]

    def _value(self, grouping: Grouping) -> float:
        return value(grouping, self.tasks, self.affinities.mean)

    def _found(self, candidate: str, task: str) -> float:
        rows = primary(self.evaluation.scores)
        rows = rows[rows["task"] == task].set_index("candidate")
        higher = rows["metric"].iloc[0] not in LOWER_IS_BETTER
        one, alone = (np.array([rows.loc[name, "mean"]]) for name in (candidate, SINGLE))
        return float(relative(one, alone, higher)[0])
