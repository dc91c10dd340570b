"""Compare: one page that says whether sharing helps, by which way to choose the weights, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment
from pipeline.config.compare import TUNED
from pipeline.config.tasks import titles
from pipeline.steps.context import Context
from pipeline.steps.data import outer_of
from pipeline.steps.device import on_device, resolve_device
from pipeline.steps.page import PageStep
from pipeline.steps.reproduce import commands, facts
from pipeline.steps.runs.logged import notes, openings
from pipeline.steps.step import Step
from pipeline.steps.train import Train
from pipeline.steps.tune import TRIALS, mean_objective, winners_in
from pipeline.tracking import tags

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.studies.compare.comparison import Comparison
    from pipeline.studies.compare.step_cost import StepCost
    from pipeline.tracking.run import Run

SUMMARY = "comparison.json"


class Compare(PageStep):
    """The last step of a comparison.

    Args:
        experiment: What is compared on.
        prepare: Prepares the data.
        trained: The winners of the arms' studies.
        failed: Why other arms were not trained, by their titles.
        evaluate: Scores the arms.
    """

    name = title = "compare"
    packages = ("plotly", "scipy", "jinja2")

    def __init__(
        self, experiment: Experiment, prepare: Step, trained: Sequence[Train], failed: Mapping[str, str], evaluate: Step
    ) -> None:
        self.experiment = experiment
        self._prepare, self._trained, self._failed, self._evaluate = prepare, trained, failed, evaluate
        self._studies = {it.candidate: it.study for it in trained if it.study}
        self.inputs = (*trained, *self._studies.values(), evaluate)

    def reads(self) -> dict[str, Any]:
        """What failed."""
        return {"failed": dict(self._failed)}

    def tags(self) -> dict[str, str]:
        """Which prepared data were compared on."""
        return {tags.PREPARED: self._prepare.digest}

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Test every difference, and draw the page."""
        from pipeline.analysis import tables
        from pipeline.reports.figures.tradeoff import validated
        from pipeline.studies.compare.page import answer, comparison_page, summary

        found = self._comparison(context)
        tables.write(found.contrasts, folder / "contrasts.csv")
        tables.write(found.arms, folder / "arms.csv")
        tables.write(validated(found.frontier, found.evaluation.gaps, found.metrics), folder / "frontier.csv")
        (folder / SUMMARY).write_text(json.dumps(summary(found), indent=1), encoding="utf-8")
        self.decide(run, folder, comparison_page(found), answer(found), found.decision, found.evaluation)

    def _comparison(self, context: Context) -> "Comparison":
        import pandas as pd

        from pipeline.analysis.evaluation import Evaluation
        from pipeline.analysis.statistics.contrasts import contrasts
        from pipeline.studies.compare.comparison import REFERENCES, Comparison

        evaluation = Evaluation.load(self._evaluate.outputs).called(titles(self.experiment.tasks))
        trials = {arm: pd.read_parquet(study.outputs / TRIALS) for arm, study in self._studies.items()}
        arms = pd.DataFrame([self._row(it, trials[it.candidate]) | vars(cost)
                             for it, cost in zip(self._trained, self._costs(context), strict=True)])  # fmt: skip
        first = self._trained[0].experiment
        assert first.tuning is not None
        space = first.tuning.model_dump(mode="json")["space"]
        outer = outer_of(self._prepare.outputs)
        return Comparison(
            name=self.experiment.name,
            evaluation=evaluation,
            contrasts=contrasts(evaluation, REFERENCES),
            arms=arms,
            failed=self._failed,
            frontier=trials.get(TUNED),
            space={key: json.dumps(it) for key, it in space.items()},
            trials=first.trials,
            replicates=first.replicates,
            openings=openings(context, self._prepare.digest),
            commands=commands(context),
            facts=facts(context),
            margin=self.experiment.decision.margin,
            notes=tuple(notes(context, (tags.FALLBACKS,), "train")),
            folds=int(outer.get("folds", 0)),
            once=bool(outer.get("once")),
        )

    def _row(self, train: Train, trials: "pd.DataFrame") -> dict[str, Any]:
        """What the study of an arm chose, replicate by replicate."""
        from pipeline.analysis.candidate import SINGLE

        winners = winners_in(self._studies[train.candidate].outputs)
        return {
            "arm": train.candidate,
            "group": SINGLE if train.task else train.candidate,
            "trials": len(trials),
            "diverged": int((trials["reason"] == "diverged").sum()),
            "objective": mean_objective(winners),
            "winners_json": json.dumps([{name: it[name] for name in ("values", "objective")} for it in winners]),
        }

    def _costs(self, context: Context) -> list["StepCost"]:
        from pipeline.data.prepared import open_prepared
        from pipeline.studies.compare.step_cost import step_costs

        prepared = open_prepared(self._prepare.outputs)
        context.console.detail("measuring what a step of each arm costs")
        device = resolve_device(self.experiment)
        trained = [on_device(it.experiments[0], device) for it in self._trained]
        return step_costs([(prepared.only(it.tasks), it) for it in trained])

    def conclude(self, context: Context) -> dict[str, Any]:
        """As of any page, with the `decisions` of all arms: candidate, against, decision."""
        summary = json.loads((self.outputs / SUMMARY).read_text(encoding="utf-8"))
        return super().conclude(context) | {"decisions": summary["decisions"]}
