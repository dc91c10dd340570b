"""Report: one self-contained HTML page of everything that was found, drawn from outputs and runs alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, flatten, public
from pipeline.config.compare import TUNED
from pipeline.config.tasks import titles
from pipeline.steps.candidates import MOST_ALONE
from pipeline.steps.champion import Register
from pipeline.steps.context import Context
from pipeline.steps.page import PageStep
from pipeline.steps.reproduce import commands, facts
from pipeline.steps.runs.logged import duration_s, notes, openings
from pipeline.steps.select import selected
from pipeline.steps.step import Step
from pipeline.steps.train import HISTORY, Train
from pipeline.steps.tune import TRIALS, mean_objective, winners_in

if TYPE_CHECKING:
    from pipeline.data.prepared import Prepared
    from pipeline.reports import ReportData
    from pipeline.tracking.run import Run


class Report(PageStep):
    """The last step.

    Args:
        experiment: What the page is about.
        prepare: Prepares the data.
        trained: The candidates.
        select: None without validation.
        evaluate: Scores the candidates.
    """

    name = title = "report"
    packages = ("plotly", "optuna", "jinja2")

    def __init__(
        self, experiment: Experiment, prepare: Step, trained: Sequence[Train], select: Step | None, evaluate: Step
    ) -> None:
        self.experiment = experiment
        self._prepare, self._trained, self._select, self._evaluate = prepare, trained, select, evaluate
        self._studies = {it.candidate: it.study for it in trained if it.study}
        # What is registered is chosen before test is opened.
        chosen = (select, evaluate) if select else (evaluate,)
        self.inputs = (*trained, *self._studies.values(), *chosen)

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Draw the page."""
        from pipeline.reports import render, verdict

        data = self._data(context)
        self.decide(run, folder, render(data), verdict(data), data.decision, data.evaluation)

    def _data(self, context: Context) -> "ReportData":
        import pandas as pd

        from pipeline.analysis.evaluation import Evaluation
        from pipeline.data.prepared import MANIFEST
        from pipeline.reports import ReportData

        tuned, called = self._studies.get(TUNED), titles(self.experiment.tasks)
        manifest = json.loads((self._prepare.outputs / MANIFEST).read_text(encoding="utf-8"))
        return ReportData(
            name=self.experiment.name,
            evaluation=Evaluation.load(self._evaluate.outputs).called(called),
            trials=pd.read_parquet(tuned.outputs / TRIALS) if tuned else None,
            space=self.experiment.model_dump(mode="json")["tuning"]["space"] if tuned else {},
            steps=pd.DataFrame(_steps(context), columns=["step", "seconds", "cached"]),
            openings=openings(context, self._prepare.digest),
            left_out=_left_out(self.experiment),
            notes=tuple(notes(context)),
            commands=commands(context),
            facts=self._facts() | facts(context),
            given=frozenset(flatten(public(self.experiment, exclude_defaults=True))),
            margin=self.experiment.decision.margin,
            recipe=_recipe(self.experiment),
            replicates=self.experiment.replicates if tuned else None,
            optimism=self._optimism(),
            **self._champion(),
            manifest=manifest | {"tasks": {called.get(name, name): it for name, it in manifest["tasks"].items()}},
        )  # fmt: skip

    def _champion(self) -> dict[str, Any]:
        """Which candidate validation chose, as tables call it, and why."""
        from pipeline.analysis.candidate import SINGLE

        if self._select is None:
            return {}
        choice = selected(self._select.outputs)
        role = SINGLE if choice["role"] == "single" else choice["role"]
        found = {"champion": role, "champion_why": f"{choice['why'][0].upper()}{choice['why'][1:]}."}
        if not isinstance(self._select, Register):
            return found
        called = titles(self.experiment.tasks)
        tuned = {called.get(it.task or "", "all tasks"): it.winners[0] for it in self._select.champion if it.winners}
        return found | {"champion_settings": tuned}

    def _optimism(self) -> dict[str, float]:
        """By arm, the winners' validation score in the study less that of the same settings trained afresh; means."""
        import pandas as pd

        from pipeline.training.progress import OBJECTIVE

        found = {}
        for it in self._trained:
            if it.study:
                history = pd.read_parquet(it.outputs / HISTORY)
                afresh = float(history.loc[history["kept"], OBJECTIVE].mean())
                found[it.candidate] = mean_objective(winners_in(it.study.outputs)) - afresh
        return found

    def _facts(self) -> dict[str, str]:
        from pipeline.data.prepared import open_prepared

        prepared = open_prepared(self._prepare.outputs)
        replicates = prepared.replicates
        splits = {"rows of the champion": prepared, "rows of a replicate": replicates[0]} if replicates else {}
        return {
            "data": _sources(self.experiment),
            **{name: _rows(it) for name, it in (splits or {"rows": prepared}).items()},
            **({"folds": str(folds)} if (folds := self.experiment.training.folds) else {}),
            "replicates" if replicates else "seeds": str(self.experiment.training.seeds),
        }


def _sources(experiment: Experiment) -> str:
    """Where the rows come from: files as the experiment has them, or what else it says of a source."""
    named = (experiment.sources.get(name) for name in dict.fromkeys(it.source for it in experiment.tasks.values()))
    found = (getattr(it, "path", it.kind) if it else experiment.data.variant for it in named)
    return ", ".join(dict.fromkeys(str(it) for it in found))


def _rows(prepared: "Prepared") -> str:
    """How many rows each source has in each split."""
    return "; ".join(
        f"{name}: " + ", ".join(f"{count:,} {split}" for split, count in it.rows.items())
        for name, it in prepared.sources.items()
    )


def _steps(context: Context) -> list[dict[str, Any]]:
    """What each step took when it ran, be it now or before."""
    return [
        {"step": done.title, "seconds": duration_s(context, done), "cached": done.cached}
        for done in context.done.values()
    ]


def _recipe(experiment: Experiment) -> str:
    """What the compared arms differ in from the experiment as written, in a sentence."""
    base = experiment.tuning.base if experiment.tuning else {}
    if not base:
        return ""
    values = ", ".join(f"{key}={json.dumps(value)}" for key, value in base.items())
    return f"What is compared was tuned and trained under tuning.base ({values}), not as the experiment is written."


def _left_out(experiment: Experiment) -> tuple[str, ...]:
    if not experiment.validates:
        return (
            "Tuning, the winner and its registration were left out: data.validation=0 leaves nothing to choose by.",
        )
    if experiment.tuning is None:
        return ("The search was left out: tuning=null.",)
    if experiment.baselines.single and len(experiment.tasks) > MOST_ALONE:
        return (
            f"With more than {MOST_ALONE} tasks the single-task networks have one study together: a trial sets the "
            "same values for all of them.",
        )
    return ()
