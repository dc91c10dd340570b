"""Compare: one page that says whether sharing helps, by which way to choose the weights, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, values_read
from pipeline.config.comparing import TUNED
from pipeline.steps.context import Context, Done
from pipeline.steps.decided import keep
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.notes import notes
from pipeline.steps.replicated import Replicated
from pipeline.steps.report import openings
from pipeline.steps.step import Step
from pipeline.steps.tune import TRIALS, won
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from pipeline.analysis.comparison import Comparison
    from pipeline.analysis.step_cost import StepCost
    from pipeline.tracking.run import Run

PAGE, ANSWER, SUMMARY = "compare.html", "answer.txt", "comparison.json"


class Compare(Step):
    """The last step of a comparison.

    Args:
        experiment: What is compared on.
        prepared: Key of the prepare step.
        compared: The arms that were trained.
        failed: Why others were not, by their titles.
        evaluated: The evaluate step of these arms.
    """

    name = title = "compare"

    def __init__(
        self,
        experiment: Experiment,
        prepared: str,
        compared: Sequence[Replicated],
        failed: Mapping[str, str],
        evaluated: Done,
    ) -> None:
        self.experiment = experiment
        self._prepared, self._compared, self._failed, self._evaluated = prepared, compared, failed, evaluated

    def key(self) -> Key:
        """Code and the keys of all that it shows."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("plotly", "scipy"),
                "values": values_read(self.experiment, "compare"),
                "failed": dict(self._failed),
                "upstream": {"evaluate": self._evaluated.key}
                | {done.title: done.key for it in self._compared for done in (it.tuned, it.done) if done},
            }
        )

    def tags(self) -> dict[str, str]:
        """Which prepared data were compared on."""
        return {tags.PREPARED: self._prepared}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Test every difference, and draw the page."""
        from pipeline.analysis import tables
        from pipeline.analysis.decision import unfinished_names
        from pipeline.analysis.figures.tradeoff import validated
        from pipeline.analysis.report.compared import answer, compared_page, summary

        found = self._comparison(context)
        tables.write(found.contrasts, folder / "contrasts.csv")
        tables.write(found.arms, folder / "arms.csv")
        tables.write(validated(found.frontier, found.evaluation.gaps, found.metrics), folder / "frontier.csv")
        (folder / PAGE).write_text(compared_page(found), encoding="utf-8")
        (folder / ANSWER).write_text(answer(found), encoding="utf-8")
        (folder / SUMMARY).write_text(json.dumps(summary(found), indent=1), encoding="utf-8")
        run.tags({tags.ANSWER: answer(found)})
        keep(run, folder, found.decision.word, unfinished_names(found.evaluation.finished))
        run.artifacts(folder)

    def _comparison(self, context: Context) -> "Comparison":
        import pandas as pd

        from pipeline.analysis.comparison import Comparison, contrasts
        from pipeline.analysis.evaluation import Evaluation

        evaluation = Evaluation.load(self._evaluated.folder)
        studies = {it.arm.title: pd.read_parquet(it.tuned.folder / TRIALS) for it in self._compared if it.tuned}
        arms = pd.DataFrame([self._row(it, studies[it.arm.title]) | vars(cost)
                             for it, cost in zip(self._compared, self._costs(context), strict=True)])  # fmt: skip
        first = self._compared[0].arm.experiment
        assert first.tuning is not None
        space = first.tuning.model_dump(mode="json")["space"]
        return Comparison(
            name=self.experiment.name,
            evaluation=evaluation,
            contrasts=contrasts(evaluation),
            arms=arms,
            failed=self._failed,
            frontier=studies.get(TUNED),
            space={key: json.dumps(it) for key, it in space.items()},
            trials=first.trials,
            replicates=first.replicates,
            openings=pd.DataFrame(openings(context, self._prepared), columns=["when", "candidates"]),
            command=context.command,
            margin=self.experiment.decision.margin,
            notes=tuple(notes(context, (tags.FALLBACKS,), "train")),
        )

    def _row(self, compared: Replicated, study: Any) -> dict[str, Any]:
        """What the study of an arm chose, replicate by replicate."""
        from pipeline.analysis.candidate import SINGLE

        assert compared.tuned is not None  # every arm of a comparison searches
        winners = won(compared.tuned.folder)
        return {
            "arm": compared.arm.title,
            "group": SINGLE if compared.arm.task else compared.arm.name,
            "trials": len(study),
            "diverged": int((study["reason"] == "diverged").sum()),
            "objective": fmean(it["objective"] for it in winners),
            "winners_json": json.dumps([{name: it[name] for name in ("values", "objective")} for it in winners]),
        }

    def _costs(self, context: Context) -> list["StepCost"]:
        from pipeline.analysis.step_cost import step_costs
        from pipeline.data.prepared import open_prepared

        prepared = open_prepared(context.prepared_folder(self._prepared))
        context.say.line("  measuring what a step of each arm costs")
        device = resolve_device(self.experiment)
        trained = [on_device(it.train.experiments[0], device) for it in self._compared]
        return step_costs([(prepared.only(it.tasks), it) for it in trained])


def first_line(folder: Path) -> str:
    """The page's answer to whether sharing helps, and which method."""
    return (folder / ANSWER).read_text(encoding="utf-8").splitlines()[0]


def decisions(folder: Path) -> list[dict[str, str]]:
    """Of every arm: candidate, against, decision."""
    found: list[dict[str, str]] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["decisions"]
    return found
