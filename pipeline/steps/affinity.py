"""Affinity: one page on what the tasks are to one another, and which of them do better in one network."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Experiment, values_read
from pipeline.config.grouping import AffinitySettings
from pipeline.steps.context import Context, Done
from pipeline.steps.decided import keep
from pipeline.steps.report import openings
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from pipeline.analysis.affinity import Affinities
    from pipeline.analysis.grouping import Grouping
    from pipeline.tracking.run import Run

PAGE, ANSWER, SUMMARY = "affinity.html", "answer.txt", "affinity.json"


class Affinity(Step):
    """The last step of grouping tasks.

    Args:
        experiment: Whose tasks.
        prepared: Key of the prepare step.
        together: What the training of all tasks in one network answered.
        trained: The networks of each task and of groups.
        evaluated: The evaluate step of all of them.
    """

    name = title = "affinity"

    def __init__(
        self,
        experiment: Experiment,
        prepared: str,
        together: Done,
        trained: Sequence[tuple[Train, Done]],
        evaluated: Done,
    ) -> None:
        self.experiment = experiment
        self._prepared, self._together, self._trained, self._evaluated = prepared, together, trained, evaluated

    def key(self) -> Key:
        """Code, and the keys of all that it shows."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("plotly", "scipy"),
                "values": values_read(self.experiment, "affinity"),
                "upstream": {
                    "together": self._together.key,
                    "evaluate": self._evaluated.key,
                    **{step.title: done.key for step, done in self._trained},
                },
            }
        )

    def tags(self) -> dict[str, str]:
        """Which prepared data were looked at."""
        return {tags.PREPARED: self._prepared}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Hold the groupings against each other, and draw the page."""
        import pandas as pd

        from pipeline.analysis import tables
        from pipeline.analysis.affinity import affinities
        from pipeline.analysis.decision import unfinished_names
        from pipeline.analysis.evaluation import Evaluation
        from pipeline.analysis.grouped import Grouped
        from pipeline.analysis.report.grouped import answer, grouped_page, summary

        history = pd.read_parquet(self._together.folder / HISTORY)
        seen = affinities(history, list(self.experiment.tasks))
        proposal, checked = _proposed(seen, self.experiment.affinity)
        found = Grouped(
            name=self.experiment.name,
            affinities=seen,
            history=history,
            evaluation=Evaluation.load(self._evaluated.folder),
            proposal=proposal,
            checked=checked,
            networks=self.experiment.affinity.networks,
            seeds=self.experiment.training.seeds,
            openings=pd.DataFrame(openings(context, self._prepared), columns=["when", "candidates"]),
            command=context.command,
            margin=self.experiment.decision.margin,
        )
        tables.write(found.affinities.table(), folder / "affinities.csv")
        tables.write(found.contrasts, folder / "contrasts.csv")
        tables.write(found.groupings, folder / "groupings.csv")
        (folder / PAGE).write_text(grouped_page(found), encoding="utf-8")
        (folder / ANSWER).write_text(answer(found), encoding="utf-8")
        (folder / SUMMARY).write_text(json.dumps(summary(found), indent=1), encoding="utf-8")
        run.tags({tags.ANSWER: answer(found)})
        keep(run, folder, found.decision.word, unfinished_names(found.evaluation.finished))
        run.metrics(found.metrics())
        run.artifacts(folder)


def watched(folder: Path, experiment: Experiment) -> "tuple[Grouping, list[Grouping]]":
    """The proposed grouping, and those that are to be trained beside one network for all and one for each task."""
    import pandas as pd

    from pipeline.analysis.affinity import affinities

    return _proposed(affinities(pd.read_parquet(folder / HISTORY), list(experiment.tasks)), experiment.affinity)


def _proposed(seen: "Affinities", settings: AffinitySettings) -> "tuple[Grouping, list[Grouping]]":
    from pipeline.analysis.grouping import best, to_check

    proposal = best(seen.tasks, seen.mean, settings.networks)
    return proposal, to_check(proposal, seen.tasks, seen.mean, settings.networks, settings.check)


def first_line(folder: Path) -> str:
    """The page's answer to which tasks should share a network."""
    return (folder / ANSWER).read_text(encoding="utf-8").splitlines()[0]
