"""The projection of a study onto MLflow: one child run a trial, written when Optuna has its result."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import Experiment
from pipeline.steps.console import Bar
from pipeline.steps.context import Context
from pipeline.steps.runs.parameters import of_network
from pipeline.tracking import tags
from pipeline.tracking.run import Run

_MOST_METRICS, _MOST_KEPT = 22, 11
"""A study's trials stand side by side in a table, of which nobody reads a hundred columns; Optuna has all."""

_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


class Projection:
    """Writes trials under the tune step's run; what is there already stays.

    Args:
        context: Of the command.
        run: Of the tune step.
        experiment: That is searched.
        study: Name of the study.
        prepared: Key of the prepare step.
        bar: Shows how far the study has come.
    """

    def __init__(self, context: Context, run: Run, experiment: Experiment, study: str, prepared: str, bar: Bar) -> None:
        self._context, self._run, self._experiment = context, run, experiment
        self._tags = {
            tags.STEP: "tune", tags.ROLE: "trial", tags.STUDY: study, tags.PREPARED: prepared,
            tags.EXPERIMENT: experiment.name,
        }  # fmt: skip
        self._bar = bar
        self._before: int | None = None  # trials that were done when this command began
        self._told: set[int] = set()
        self._best = float("-inf")
        self._written = self._found()

    def _found(self) -> set[int]:
        """Numbers of the trials that are written already; what a killed process left half-written is deleted."""
        tracker, numbers = self._context.tracker, set()
        study = self._tags[tags.STUDY]
        for run in list(tracker.runs(f"tags.`{tags.STUDY}` = '{study}' and tags.`{tags.ROLE}` = 'trial'")):
            if tags.OUTCOME in run.data.tags:  # only the mending of runs gives one to a trial's
                tracker.client.delete_run(run.info.run_id)
            elif run.info.status != "RUNNING":
                numbers.add(int(run.data.tags[tags.TRIAL_NUMBER]))
        return numbers

    def batch(self, trials: Sequence[Any]) -> None:
        """Show that a batch begins."""
        if self._before is None:
            self._before = trials[0].number
        self._show()

    def trial(self, trial: Any, state: Any, tried: Experiment) -> None:
        """Write one finished trial, and the experiment that it tries."""
        from pipeline.steps.runs.curves import best, in_order

        if state.status == "finished":
            self._best = max(self._best, state.best_objective)
        self._told.add(trial.number)
        self._show()
        if trial.number in self._written:
            return
        kept = dict(list(best(state.best, tried).items())[:_MOST_KEPT]) if state.history else {}
        curves = [dict(list(in_order(it).items())[: _MOST_METRICS - len(kept)]) for it in state.history]
        self._write(trial, tried, curves, kept)

    def complete(self, trials: Sequence[Any]) -> int:
        """Write the finished trials that have no run, as far as the study knows them: the objective is the only curve.

        The process that trained them ended before it wrote them, or tracked elsewhere.

        Returns:
            How many there were.
        """
        from pipeline.steps.runs.curves import best
        from pipeline.training.progress import OBJECTIVE
        from pipeline.tuning.space import trial_experiment
        from pipeline.tuning.study import METRICS, VALUES

        lacking = [trial for trial in trials if trial.state.is_finished() and trial.number not in self._written]
        for trial in lacking:
            tried = trial_experiment(self._experiment, trial.user_attrs[VALUES])
            kept = dict(list(best(trial.user_attrs.get(METRICS, {}), tried).items())[:_MOST_KEPT])
            curve = [{OBJECTIVE: value} for _, value in sorted(trial.intermediate_values.items())]
            self._write(trial, tried, curve, kept)
        return len(lacking)

    def _write(
        self, trial: Any, tried: Experiment, curves: Sequence[Mapping[str, float]], kept: Mapping[str, float]
    ) -> None:
        """Write a trial's run."""
        from pipeline.tuning.study import REASON, VALUES

        own = {
            tags.TRIAL_NUMBER: str(trial.number),
            tags.TRIAL_STATE: trial.state.name,
            tags.TRIAL_VALUES: json.dumps(trial.user_attrs[VALUES], sort_keys=True),
        }
        if REASON in trial.user_attrs:
            own[tags.TRIAL_REASON] = trial.user_attrs[REASON]
        child = self._context.tracker.start(
            f"trial {trial.number}", self._tags | own, self._run.id, trial.datetime_start
        )
        as_written = tried.model_copy(update={"device": self._experiment.device})  # trained on the one it stands for
        child.fill(of_network(as_written), curves, kept)
        child.end(_STATUS[trial.state.name], trial.datetime_complete)
        self._written.add(trial.number)

    def _show(self) -> None:
        """Show how many trials are recorded; batches that are in flight together may end in any order."""
        before = self._before or 0
        done = before + sum(number >= before for number in self._told)
        self._bar.at(done, f"best {self._best:.4f}" if self._best > float("-inf") else "")
