"""Affinity: one page on what the tasks are to one another, and which of them do better in one network."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment
from pipeline.config.affinity import AffinitySettings
from pipeline.steps.context import Context
from pipeline.steps.page import PageStep
from pipeline.steps.reproduce import commands, facts
from pipeline.steps.runs.logged import openings
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking import tags

if TYPE_CHECKING:
    from pipeline.studies.affinity.affinities import Affinities
    from pipeline.studies.affinity.groupings import Grouping
    from pipeline.tracking.run import Run


class Affinity(PageStep):
    """The last step of grouping tasks.

    Args:
        experiment: Whose tasks.
        prepare: Prepares the data.
        trained: The network of all tasks, those of each task and of groups.
        evaluate: Scores all of them.
    """

    name = title = "affinity"
    packages = ("plotly", "scipy", "jinja2")

    def __init__(self, experiment: Experiment, prepare: Step, trained: Sequence[Train], evaluate: Step) -> None:
        self.experiment = experiment
        self.inputs = (*trained, evaluate)
        self._prepare, self._together, self._evaluate = prepare, trained[0], evaluate

    def tags(self) -> dict[str, str]:
        """Which prepared data were used."""
        return {tags.PREPARED: self._prepare.digest}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Hold the groupings against each other, and draw the page."""
        import pandas as pd

        from pipeline.analysis import tables
        from pipeline.analysis.evaluation import Evaluation
        from pipeline.studies.affinity.affinities import affinities
        from pipeline.studies.affinity.answer import answer
        from pipeline.studies.affinity.page import affinity_page, summary
        from pipeline.studies.affinity.result import AffinityResult

        history = pd.read_parquet(self._together.outputs / HISTORY)
        seen = affinities(history, list(self.experiment.tasks))
        proposal, checked = _proposed(seen, self.experiment.affinity)
        found = AffinityResult(
            name=self.experiment.name,
            affinities=seen,
            history=history,
            evaluation=Evaluation.load(self._evaluate.outputs),
            proposal=proposal,
            checked=checked,
            networks=self.experiment.affinity.networks,
            seeds=self.experiment.training.seeds,
            openings=openings(context, self._prepare.digest),
            commands=commands(context),
            facts=facts(context),
            margin=self.experiment.decision.margin,
        )
        tables.write(found.affinities.table(), folder / "affinities.csv")
        tables.write(found.contrasts, folder / "contrasts.csv")
        tables.write(found.groupings, folder / "groupings.csv")
        (folder / "affinity.json").write_text(json.dumps(summary(found), indent=1), encoding="utf-8")
        run.metrics(found.metrics())
        self.decide(run, folder, affinity_page(found), answer(found), found.decision, found.evaluation)


def proposed(folder: Path, experiment: Experiment) -> "tuple[Grouping, list[Grouping]]":
    """The proposed grouping, and those that are to be trained beside one network for all and one for each task."""
    import pandas as pd

    from pipeline.studies.affinity.affinities import affinities

    return _proposed(affinities(pd.read_parquet(folder / HISTORY), list(experiment.tasks)), experiment.affinity)


def _proposed(seen: "Affinities", settings: AffinitySettings) -> "tuple[Grouping, list[Grouping]]":
    from pipeline.studies.affinity.groupings import best, to_check

    proposal = best(seen.tasks, seen.mean, settings.networks)
    return proposal, to_check(proposal, seen.tasks, seen.mean, settings.networks, settings.check)
