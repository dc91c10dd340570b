"""Report: one self-contained HTML page of everything that was found, drawn from outputs and runs alone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.config import Experiment, values_read
from pipeline.config.comparing import TUNED
from pipeline.steps.arms import MOST_ALONE
from pipeline.steps.context import Context, Done
from pipeline.steps.decided import keep
from pipeline.steps.evaluate import Trained
from pipeline.steps.notes import notes
from pipeline.steps.select import selected
from pipeline.steps.step import Step
from pipeline.steps.took import took_s
from pipeline.steps.train import HISTORY
from pipeline.steps.tune import TRIALS, won
from pipeline.tracking import tags
from pipeline.tracking.keys import Key, code_of, versions

if TYPE_CHECKING:
    from pipeline.analysis.report import ReportData
    from pipeline.tracking.run import Run

PAGE, ANSWER = "report.html", "answer.txt"


class Report(Step):
    """The last step.

    Args:
        experiment: What the page is about.
        prepared: Key of the prepare step.
        trained: The candidates.
        studies: The tune steps by the titles of their arms; empty without tuning.
        selected: The select step; None without validation.
        evaluated: The evaluate step.
    """

    name = title = "report"

    def __init__(
        self,
        experiment: Experiment,
        prepared: str,
        trained: Trained,
        studies: Mapping[str, Done],
        selected: Done | None,
        evaluated: Done,
    ) -> None:
        self.experiment = experiment
        self._prepared, self._trained = prepared, trained
        self._studies, self._selected, self._evaluated = studies, selected, evaluated

    def key(self) -> Key:
        """Code and the keys of all that it shows."""
        return Key(
            {
                "step": self.name,
                "code": code_of(__name__),
                "versions": versions("plotly", "optuna"),
                "values": values_read(self.experiment, "report"),
                "upstream": {"evaluate": self._evaluated.key, "select": self._selected.key if self._selected else None}
                | {done.title: done.key for done in self._studies.values()}
                | {step.title: done.key for step, done in self._trained},
            }
        )

    def work(self, context: Context, run: "Run", folder: Path) -> None:
        """Draw the page."""
        from pipeline.analysis.decision import unfinished_names
        from pipeline.analysis.report import render, verdict

        data = self._data(context)
        (folder / PAGE).write_text(render(data), encoding="utf-8")
        (folder / ANSWER).write_text(verdict(data), encoding="utf-8")
        run.tags({tags.ANSWER: verdict(data)})
        keep(run, folder, data.decision.word, unfinished_names(data.evaluation.finished))
        run.artifacts(folder)

    def _data(self, context: Context) -> "ReportData":
        import pandas as pd

        from pipeline.analysis.evaluation import Evaluation
        from pipeline.analysis.report import ReportData
        from pipeline.data.prepared import MANIFEST

        tuned = self._studies.get(TUNED)
        return ReportData(
            name=self.experiment.name,
            evaluation=Evaluation.load(self._evaluated.folder),
            trials=pd.read_parquet(tuned.folder / TRIALS) if tuned else None,
            space=self.experiment.model_dump(mode="json")["tuning"]["space"] if tuned else {},
            steps=pd.DataFrame(_steps(context), columns=["step", "seconds", "cached"]),
            openings=pd.DataFrame(openings(context, self._prepared), columns=["when", "candidates"]),
            left_out=_left_out(self.experiment),
            notes=tuple(notes(context)),
            commands=(context.command, *(f"headway rerun {done.run_id}" for done in context.done.values()
                                         if done.title.startswith(("prepare", "train", "tune")))),
            facts=self._facts(context),
            margin=self.experiment.decision.margin,
            recipe=_recipe(self.experiment),
            replicates=self.experiment.replicates if tuned else None,
            optimism=self._optimism(),
            **self._champion(),
            manifest=json.loads((context.prepared_folder(self._prepared) / MANIFEST).read_text(encoding="utf-8")),
        )  # fmt: skip

    def _champion(self) -> dict[str, Any]:
        """Which candidate validation chose, as tables call it, and why."""
        from pipeline.analysis.candidate import SINGLE

        if self._selected is None:
            return {}
        told = selected(self._selected.folder)
        role = SINGLE if told["role"] == "single" else told["role"]
        return {"champion": role, "champion_why": f"{told['why'][0].upper()}{told['why'][1:]}."}

    def _optimism(self) -> dict[str, float]:
        """By arm, the winners' validation score in the study less that of the same settings trained afresh; means."""
        import pandas as pd

        from pipeline.training.progress import OBJECTIVE

        trained = {step.title: done for step, done in self._trained}
        found = {}
        for title, study in self._studies.items():
            history = pd.read_parquet(trained[f"train {title}"].folder / HISTORY)
            afresh = float(history.loc[history["kept"], OBJECTIVE].mean())
            found[title] = fmean(it["objective"] for it in won(study.folder)) - afresh
        return found

    def _facts(self, context: Context) -> dict[str, str]:
        from pipeline.data.prepared import open_prepared

        sources = open_prepared(context.prepared_folder(self._prepared)).sources
        rows = "; ".join(
            f"{name}: " + ", ".join(f"{count:,} {split}" for split, count in it.rows.items())
            for name, it in sources.items()
        )
        return {
            "data": self.experiment.data.variant,
            "rows": rows,
            **({"folds": str(folds)} if (folds := self.experiment.training.folds) else {}),
            "seeds": str(self.experiment.training.seeds),
            "precision": self.experiment.precision,
            "versions": ", ".join(f"{name} {version}" for name, version in versions("optuna", "mlflow").items()),
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }


def first_line(folder: Path) -> str:
    """The page's answer to whether sharing helps."""
    return (folder / ANSWER).read_text(encoding="utf-8")


def _steps(context: Context) -> list[dict[str, Any]]:
    """What each step took when it ran, be it now or before."""
    return [
        {"step": done.title, "seconds": took_s(context, done), "cached": done.cached} for done in context.done.values()
    ]


def openings(context: Context, prepared: str) -> list[dict[str, str]]:
    """Every time the test split of these data was opened, oldest first."""
    runs = [
        run
        for run in context.tracker.runs(f"tags.`{tags.STEP}` = 'evaluate' and tags.`{tags.PREPARED}` = '{prepared}'")
        if tags.TEST_OPENING in run.data.tags
    ]
    return [
        {
            "when": datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "candidates": run.data.tags[tags.TEST_CANDIDATES],
        }
        for run in reversed(runs)
    ]


def _recipe(experiment: Experiment) -> str:
    """What the compared arms differ in from the experiment as written, in a sentence."""
    base = experiment.tuning.base if experiment.tuning else {}
    if not base:
        return ""
    told = ", ".join(f"{key}={json.dumps(value)}" for key, value in base.items())
    return f"What is compared was tuned and trained under tuning.base ({told}), not as the experiment is written."


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
