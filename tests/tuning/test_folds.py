"""A study under cross-validation: a trial is a network a fold, and its objective is their mean."""

import math
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.loop import fit
from pipeline.training.progress import OBJECTIVE, STANDARD_ERROR
from pipeline.training.slot import SlotState, trial_slots
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.folds import FoldedState, joined
from pipeline.tuning.search import Callbacks
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.study import ERROR, FOLDS, METRICS, REASON, VALUES

from .studies import PROJECT, assert_equal, digits, prepared_at, searched, values_of

OWN: dict[str, Any] = {"training.folds": 3, "tuning.trials": 8}
SOON = {"patience": 1, "min_delta": 0.01}
"""Early stopping that some folds of a trial meet at once, and others not at all."""


def folded(**values: Any) -> Experiment:
    return digits(OWN | {name.replace("__", "."): value for name, value in values.items()})


@pytest.fixture(scope="module")
def in_folds(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_at(folded(), tmp_path_factory.mktemp("folds") / "prepared")


@pytest.fixture(scope="module")
def reference(in_folds: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """8 trials in batches of 4, in one process and stacks of up to 8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
        return searched(folded(), in_folds, tmp_path_factory.mktemp("reference"))


def state(fold: int, values: Sequence[float], status: str = "finished") -> SlotState:
    best = max(range(len(values)), key=lambda epoch: values[epoch])
    history = [{OBJECTIVE: value} for value in values]
    return SlotState(f"trial/0/fold/{fold}", status, history, best + 1, values[best])  # type: ignore[arg-type]


def test_a_trials_objective_is_the_mean_of_what_its_folds_kept() -> None:
    found = joined("trial/0", [state(0, [0.5, 0.9, 0.6]), state(1, [0.7, 0.6, 0.5]), state(2, [0.2, 0.4, 0.5])])
    assert found.name == "trial/0"
    assert found.best_objective == pytest.approx((0.9 + 0.7 + 0.5) / 3)
    assert found.best[OBJECTIVE] == found.best_objective
    assert found.best[STANDARD_ERROR] == pytest.approx(statistics.stdev([0.9, 0.7, 0.5]) / math.sqrt(3))
    assert [it[OBJECTIVE] for it in found.history] == pytest.approx([1.4 / 3, 1.9 / 3, 1.6 / 3])


def test_a_fold_that_stopped_counts_with_its_kept_epoch() -> None:
    found = joined("trial/0", [state(0, [0.5, 0.9, 0.6], "running"), state(1, [0.7, 0.6])])
    assert [it[OBJECTIVE] for it in found.history] == pytest.approx([0.6, 0.75, 0.65])


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (("finished", "finished"), "finished"),
        (("finished", "running"), "running"),
        (("finished", "pruned"), "pruned"),
        (("pruned", "diverged"), "diverged"),
        (("running", "diverged"), "diverged"),
    ],
)
def test_a_trials_status_is_that_of_the_fold_that_decides(statuses: tuple[str, str], told: str) -> None:
    found = joined("trial/0", [state(fold, [0.5], status) for fold, status in enumerate(statuses)])
    assert found.status == told


def test_a_trial_of_one_slot_is_that_slot() -> None:
    only = state(0, [0.5])
    assert joined("trial/0", [only]) is only


def test_values_errors_and_folds_are_stored(reference: Study) -> None:
    assert {trial.state for trial in reference.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in reference.trials:
        folds = trial.user_attrs[FOLDS]
        assert len(folds) == 3
        error = statistics.stdev(folds) / math.sqrt(3)
        assert trial.user_attrs[ERROR] == pytest.approx(error) == trial.user_attrs[METRICS][STANDARD_ERROR]
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(statistics.fmean(folds))
    frame = values_of(reference)
    assert frame[STANDARD_ERROR].tolist() == [trial.user_attrs[ERROR] for trial in reference.trials]


def test_a_trial_is_what_its_folds_come_to_alone(reference: Study, in_folds: Prepared) -> None:
    trial = next(it for it in reference.trials if it.state == TrialState.COMPLETE)
    slots = trial_slots(trial.number, trial_experiment(folded(), trial.user_attrs[VALUES]), in_folds)
    alone = []
    for slot in slots:
        with WorkerPool(1) as pool:
            alone += fit(pool, in_folds, [slot], lambda _: [])
    assert [it.best_objective for it in alone] == trial.user_attrs[FOLDS]
    means = {epoch: it[OBJECTIVE] for epoch, it in enumerate(joined("", alone).history, start=1)}
    assert means == trial.intermediate_values


def test_halving_compares_means_and_lets_all_folds_of_a_trial_go(reference: Study) -> None:
    first = reference.trials[:4]
    at_rung = sorted((trial.intermediate_values[2] for trial in first), reverse=True)
    for trial in first:
        goes_on = trial.intermediate_values[2] >= at_rung[1]
        assert (trial.state == TrialState.COMPLETE) == goes_on
        if not goes_on:
            assert list(trial.intermediate_values) == [1, 2]
            assert trial.user_attrs[REASON] == "pruned"


@pytest.mark.parametrize(("slots", "processes"), [(1, 1), (4, 1), ("auto", 2)])
def test_neither_stacks_nor_processes_change_the_table(
    slots: int | str, processes: int, in_folds: Prepared, reference: Study, tmp_path: Path
) -> None:
    assert_equal(searched(folded(slots=slots), in_folds, tmp_path, processes), reference)


def test_early_stopping_is_each_folds_own_and_the_trial_goes_on_until_the_last(
    in_folds: Prepared, tmp_path: Path
) -> None:
    seen: dict[int, SlotState] = {}
    own = folded(training__epochs=12, training__early_stopping=SOON, tuning__pruner="none", tuning__trials=4)
    callbacks = Callbacks(trial=lambda trial, state, _: seen.setdefault(trial.number, state) and None)
    searched(own, in_folds, tmp_path, callbacks=callbacks)
    lengths = {number: {fold.looks for fold in it.folds} for number, it in seen.items() if isinstance(it, FoldedState)}
    assert len(lengths) == 4
    assert any(len(its) > 1 for its in lengths.values())
    assert all(seen[number].looks == max(its) for number, its in lengths.items())


@pytest.mark.parametrize("epochs", [3, 6, 9])
def test_a_study_that_fails_where_some_folds_have_stopped_already_goes_on_as_if_unbroken(
    epochs: int, in_folds: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.throttle.Throttle.due", lambda _: True)  # every epoch is kept
    own = folded(training__epochs=12, training__early_stopping=SOON, tuning__trials=4)
    unbroken = searched(own, in_folds, tmp_path / "unbroken")
    done: list[int] = []

    def on_epoch(states: Sequence[SlotState]) -> None:
        done.append(states[0].looks)
        if len(done) == epochs:
            raise Failure("no luck")

    with pytest.raises(Failure, match="no luck"):
        searched(own, in_folds, tmp_path / "broken", callbacks=Callbacks(look=on_epoch))
    assert_equal(searched(own, in_folds, tmp_path / "broken", callbacks=Callbacks(look=on_epoch)), unbroken)
    assert done[: epochs + 1] == [*range(1, epochs + 1), epochs]  # from the last checkpoint, not from the start


def test_a_trial_with_a_diverged_fold_is_told_as_diverged_and_ends_at_once(
    in_folds: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.loop.note_look", _diverging("trial/1/fold/2", 2))
    heard: list[tuple[int, str]] = []

    def on_trial(trial: FrozenTrial, state: SlotState, tried: Experiment) -> None:
        heard.append((trial.number, state.status))

    own = folded(tuning__pruner="none", tuning__trials=3, tuning__batch=3)
    study = searched(own, in_folds, tmp_path, callbacks=Callbacks(trial=on_trial))
    assert heard == [(0, "finished"), (1, "diverged"), (2, "finished")]
    lost = study.trials[1]
    assert (lost.state, lost.user_attrs[REASON]) == (TrialState.PRUNED, "diverged")
    assert list(lost.intermediate_values) == [1]
    assert ERROR not in lost.user_attrs
    assert [len(study.trials[number].intermediate_values) for number in (0, 2)] == [4, 4]


def _diverging(name: str, epoch: int) -> Any:
    from pipeline.training.progress import note_look

    def noted(state: SlotState, metrics: dict[str, float], settings: Any, length: Any, finite: bool) -> bool:
        lost = state.name == name and state.looks == epoch - 1
        return note_look(state, metrics, settings, length, finite and not lost)

    return noted


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_killed_study_goes_on_to_the_same_table(
    epochs: int, in_folds: Prepared, reference: Study, tmp_path: Path
) -> None:
    (tmp_path / "experiment.json").write_text(folded(processes=1).model_dump_json())
    arguments = [tmp_path / "experiment.json", in_folds.folder, tmp_path / "study", 4, epochs]
    (tmp_path / "study").mkdir()
    killed = subprocess.run([sys.executable, "-m", "tests.tuning.killable", *map(str, arguments)], cwd=PROJECT)
    assert killed.returncode == -signal.SIGKILL
    assert_equal(searched(folded(), in_folds, tmp_path / "study"), reference)
