"""The projection of trials onto runs."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.config import load
from pipeline.steps.console import Bar, Console
from pipeline.steps.context import Context
from pipeline.steps.device import on_device
from pipeline.steps.runs.curves import BEST
from pipeline.steps.runs.projection import Projection
from pipeline.tracking import tags
from pipeline.tracking.run import Run
from pipeline.tracking.tracker import Tracker
from pipeline.training.progress import OBJECTIVE
from pipeline.training.slot import SlotState
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.study import METRICS, REASON, VALUES
from tests.conftest import REPOSITORY

DEBUG = load("debug", {}, REPOSITORY)
BEGUN = datetime(2024, 1, 1)


class Shown(Bar):
    """Keeps what a bar would show."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, str]] = []

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        self.shown.append((done, note))


@pytest.fixture
def tracker(project: Path) -> Tracker:
    return Tracker(project, "trying")


def projection(tracker: Tracker, project: Path, bar: Bar | None = None) -> Projection:
    run = tracker.start("tune", {})
    context = Context(project, DEBUG, tracker, Console(quiet=True))
    return Projection(context, run, DEBUG, "study", "prepared", bar or Shown())


def told(number: int, state: TrialState, reason: str = "", **more: Any) -> FrozenTrial:
    attributes = {VALUES: {"training.learning_rate": 0.01 * (number + 1)}} | ({REASON: reason} if reason else {})
    trial = create_trial(state=state, user_attrs=attributes, **more)
    trial.number = number
    trial.datetime_start, trial.datetime_complete = BEGUN, BEGUN + timedelta(seconds=5)
    return trial


def written(own: Projection, trial: FrozenTrial, state: SlotState) -> None:
    own.trial(trial, state, on_device(trial_experiment(DEBUG, trial.user_attrs[VALUES]), "cpu"))


def grown(name: str, values: list[float], status: Any = "finished") -> SlotState:
    best = max(values, default=float("-inf"))
    kept = values.index(best) + 1 if values else 0
    return SlotState(name, status, [{OBJECTIVE: value} for value in values], best_look=kept, best_objective=best)


def runs_of(tracker: Tracker) -> dict[str, Any]:
    return {run.info.run_name: run for run in tracker.runs(f"tags.`{tags.ROLE}` = 'trial'")}


def test_trials_that_another_process_did_not_write_are_written_as_the_study_has_them(
    tracker: Tracker, project: Path
) -> None:
    own = projection(tracker, project)
    written(own, told(0, TrialState.COMPLETE, value=0.75), grown("trial/0", [0.75]))
    trials = [
        told(0, TrialState.COMPLETE, value=0.75),
        told(1, TrialState.COMPLETE, value=0.5, intermediate_values={1: 0.25, 2: 0.5}),
        told(2, TrialState.PRUNED, "pruned", intermediate_values={1: 0.125}),
        told(3, TrialState.RUNNING),
    ]
    trials[3].datetime_complete = None
    trials[1].user_attrs[METRICS] = {OBJECTIVE: 0.5, "validation/digit/nll": 1.0}
    assert own.complete(trials) == 2
    assert own.complete(trials) == 0
    found = runs_of(tracker)
    assert {name: run.info.status for name, run in found.items()} == {
        "trial 0": "FINISHED", "trial 1": "FINISHED", "trial 2": "KILLED",
    }  # fmt: skip
    one = found["trial 1"]
    assert tracker.metric_history(one.info.run_id, OBJECTIVE) == [(1, 0.25), (2, 0.5)]
    assert one.data.metrics[f"{BEST}{OBJECTIVE}"] == 0.5
    assert found["trial 2"].data.tags[tags.TRIAL_REASON] == "pruned"
    assert projection(tracker, project).complete(trials) == 0  # the next process finds them


def test_a_trials_run_has_its_values_its_curve_its_state_and_its_times(tracker: Tracker, project: Path) -> None:
    own = projection(tracker, project)
    written(own, told(0, TrialState.COMPLETE, value=0.75), grown("trial/0", [0.5, 0.75, 0.25]))
    written(own, told(1, TrialState.PRUNED, "pruned"), grown("trial/1", [0.25], "pruned"))
    written(own, told(2, TrialState.FAIL, "OSError: no luck"), SlotState("trial/2"))
    found = runs_of(tracker)
    assert {name: run.info.status for name, run in found.items()} == {
        "trial 0": "FINISHED", "trial 1": "KILLED", "trial 2": "FAILED",
    }  # fmt: skip
    first = found["trial 0"]
    assert first.data.params["training.learning_rate"] == "0.01"
    assert "device" not in first.data.params
    assert tracker.metric_history(first.info.run_id, OBJECTIVE) == [(1, 0.5), (2, 0.75), (3, 0.25)]
    assert tracker.metric_history(first.info.run_id, f"{BEST}{OBJECTIVE}") == [(0, 0.75)]
    assert first.info.end_time - first.info.start_time == 5000
    assert found["trial 1"].data.tags[tags.TRIAL_REASON] == "pruned"
    assert found["trial 2"].data.metrics == {}


def test_a_trial_that_is_told_of_again_has_one_run(tracker: Tracker, project: Path) -> None:
    for _ in range(2):
        own = projection(tracker, project)
        for number in range(2):
            written(own, told(number, TrialState.COMPLETE, value=0.5), grown(f"trial/{number}", [0.5]))
    assert len(list(tracker.runs(f"tags.`{tags.ROLE}` = 'trial'"))) == 2


def test_a_run_that_a_killed_process_left_half_written_is_written_anew(
    tracker: Tracker, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = projection(tracker, project)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "fill", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            written(own, told(0, TrialState.COMPLETE, value=0.5), grown("trial/0", [0.5]))
    monkeypatch.setattr("pipeline.tracking.process.is_gone", lambda _: True)
    tracker.end_orphaned_runs()
    written(projection(tracker, project), told(0, TrialState.COMPLETE, value=0.5), grown("trial/0", [0.5]))
    (run,) = tracker.runs(f"tags.`{tags.ROLE}` = 'trial'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {OBJECTIVE: 0.5, f"{BEST}{OBJECTIVE}": 0.5}


def test_the_bar_never_goes_back_when_a_batch_begins_before_the_last_one_is_written(
    tracker: Tracker, project: Path
) -> None:
    bar = Shown()
    own = projection(tracker, project, bar)
    own.batch(cast(Any, [told(2, TrialState.RUNNING)]))
    for number, value in ((0, 0.5), (1, 0.25)):
        written(own, told(number, TrialState.COMPLETE, value=value), grown(f"trial/{number}", [value]))
    written(own, told(2, TrialState.COMPLETE, value=0.75), grown("trial/2", [0.75]))
    assert bar.shown == [(2, ""), (2, "best 0.5000"), (2, "best 0.5000"), (3, "best 0.7500")]
