import math
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure, UserError
from pipeline.training.progress import OBJECTIVE
from pipeline.training.slot import SlotState
from pipeline.training.workers.pool import WorkerPool
from pipeline.tuning.search import Callbacks
from pipeline.tuning.study import BATCH, REASON, VALUES, winners

from .studies import assert_equal, digits, searched, study_in, values_of


@pytest.fixture(scope="module")
def reference(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """12 trials in batches of 4, in one process and stacks of up to 8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.tuning.samplers.STARTUP_TRIALS", 4)
        return searched(digits(), prepared, tmp_path_factory.mktemp("reference"))


def test_a_study_has_as_many_trials_as_asked_for_and_a_winner(reference: Study) -> None:
    frame = values_of(reference)
    assert frame["number"].tolist() == list(range(12))
    assert set(frame["state"]) == {"COMPLETE", "PRUNED"}
    best = winners(reference, 12, 1)[0]
    assert best.value == frame.loc[frame["state"] == "COMPLETE", "value"].max()
    weights = frame[[column for column in frame if str(column).startswith("balancing.weights.")]]
    assert weights.sum(axis=1).tolist() == pytest.approx([3.0] * 12)


def test_a_finished_trials_weights_stand_in_its_attributes_as_trained_and_what_was_proposed_stays(
    reference: Study,
) -> None:
    for trial in reference.trials:
        told = {name.removeprefix("weight/"): it for name, it in trial.user_attrs.items() if name.startswith("weight/")}
        drawn = {name.split("/")[1]: -math.log(it) for name, it in trial.params.items() if "/" in name}
        assert len(told) == 3
        assert told == pytest.approx({task: 3 * x / sum(drawn.values()) for task, x in drawn.items()}, rel=1e-3)


def test_a_complete_trial_has_the_kept_epochs_value_and_a_pruned_one_its_last(reference: Study) -> None:
    for trial in reference.trials:
        values = list(trial.intermediate_values.values())
        assert list(trial.intermediate_values) == list(range(1, len(values) + 1))
        if trial.state == TrialState.COMPLETE:
            assert trial.value in values  # of the look with the least loss
            assert REASON not in trial.user_attrs
        else:
            assert trial.value == values[-1]
            assert trial.user_attrs[REASON] == "pruned"
            assert len(values) == 2


def test_a_trial_is_told_the_objective_of_its_kept_look_and_not_of_its_last(prepared: Prepared, tmp_path: Path) -> None:
    heard: dict[int, SlotState] = {}
    values = {
        "training.epochs": 8, "training.learning_rate": 0.1, "training.early_stopping": {"patience": 8},
        "tuning.trials": 4, "tuning.pruner": "none", "tuning.space": {"model.trunk.dropout": {"float": [0.0, 0.5]}},
    }  # fmt: skip
    callbacks = Callbacks(trial=lambda trial, state, _: heard.update({trial.number: state}))
    study = searched(digits(values), prepared, tmp_path, callbacks=callbacks)
    kept = {}
    for number, state in heard.items():
        losses = [metrics["validation/all/loss"] for metrics in state.history]
        kept[number] = 1 + losses.index(min(losses))
    assert set(kept.values()) - {8}, "every trial was best in its last epoch: this shows nothing"
    for trial in study.trials:
        assert len(trial.intermediate_values) == 8
        assert trial.value == trial.intermediate_values[kept[trial.number]]
    told = [trial.value for trial in study.trials]
    assert told != [trial.intermediate_values[8] for trial in study.trials]
    assert told != [max(trial.intermediate_values.values()) for trial in study.trials]


def test_halving_was_applied_to_each_batch_and_its_forerunners(reference: Study) -> None:
    seen: list[float] = []
    for start in (0, 4, 8):
        batch = reference.trials[start : start + 4]
        seen += [trial.intermediate_values[2] for trial in batch]
        worst_going_on = sorted(seen, reverse=True)[len(seen) // 2 - 1]
        for trial in batch:
            assert (trial.state == TrialState.COMPLETE) == (trial.intermediate_values[2] >= worst_going_on)


@pytest.mark.parametrize("slots", [1, 4])
def test_the_size_of_the_stacks_changes_nothing(
    slots: int, prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    assert_equal(searched(digits({"slots": slots}), prepared, tmp_path), reference)


def test_two_processes_change_nothing(prepared: Prepared, reference: Study, tmp_path: Path) -> None:
    assert_equal(searched(digits(), prepared, tmp_path, processes=2), reference)


@pytest.mark.parametrize("sampler", ["gp", "random", "qmc"])
def test_every_sampler_repeats_itself_over_a_continuation(sampler: str, prepared: Prepared, tmp_path: Path) -> None:
    values = {"tuning.sampler": sampler, "tuning.pruner": "none", "training.epochs": 2}
    whole = searched(digits(values | {"slots": 1}), prepared, tmp_path / "whole")
    searched(digits(values | {"tuning.trials": 8}), prepared, tmp_path / "parts")
    assert_equal(searched(digits(values), prepared, tmp_path / "parts"), whole)


def test_a_conditional_study_repeats_itself_over_a_continuation(prepared: Prepared, tmp_path: Path) -> None:
    sgd = {"when": {"training.optimizer": "sgd"}}
    space = {
        "training.optimizer": {"choice": ["sgd", "adam"]},
        "training.momentum": sgd | {"float": [0.0, 0.95]},
        "training.nesterov": sgd | {"choice": [False]},
        "balancing.weights": {"when": {"training.optimizer": "adam"}, "simplex": True},
    }
    values = {"tuning.space": space, "training.epochs": 2}
    whole = searched(digits(values | {"slots": 1}), prepared, tmp_path / "whole")
    searched(digits(values | {"tuning.trials": 8}), prepared, tmp_path / "parts")
    assert_equal(searched(digits(values), prepared, tmp_path / "parts"), whole)
    frame = values_of(whole)
    assert (frame["training.momentum"].notna() == (frame["training.optimizer"] == "sgd")).all()
    assert (frame["balancing.weights.digit"].notna() == (frame["training.optimizer"] == "adam")).all()


def test_a_study_continued_after_whole_batches_equals_one_of_that_many(
    prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    searched(digits({"tuning.trials": 4}), prepared, tmp_path)
    assert len(study_in(tmp_path).trials) == 4
    searched(digits({"tuning.trials": 8}), prepared, tmp_path)
    assert_equal(searched(digits(), prepared, tmp_path), reference)


def test_a_short_last_batch_stays_short_when_the_study_goes_on(
    prepared: Prepared, reference: Study, tmp_path: Path
) -> None:
    short = searched(digits({"tuning.trials": 6}), prepared, tmp_path)
    assert [trial.user_attrs.get(BATCH) for trial in short.trials[3:]] == [None, [4, 6], None]
    before = values_of(short)
    longer = searched(digits(), prepared, tmp_path)
    assert [trial.user_attrs.get(BATCH) for trial in longer.trials[5:9]] == [None, [6, 8], None, [8, 12]]
    pd.testing.assert_frame_equal(values_of(longer)[:6], before, check_dtype=False)
    pd.testing.assert_frame_equal(values_of(longer)[:4], values_of(reference)[:4])


def test_a_study_with_enough_trials_asks_for_nothing(prepared: Prepared, reference: Study, tmp_path: Path) -> None:
    shutil.copytree(Path(str(reference._storage._backend.engine.url.database)).parent, tmp_path, dirs_exist_ok=True)
    told: list[int] = []
    callbacks = Callbacks(trial=lambda trial, *_: told.append(trial.number))
    study = searched(digits({"tuning.trials": 8}), prepared, tmp_path, callbacks=callbacks)
    assert_equal(study, reference)
    assert told == []
    assert winners(study, 8, 1)[0].number < 8


def test_no_further_batch_is_begun_after_the_timeout(prepared: Prepared, tmp_path: Path) -> None:
    assert len(searched(digits({"tuning.timeout": 1e-9}), prepared, tmp_path).trials) == 4
    assert len(searched(digits({"tuning.timeout": 1e-9}), prepared, tmp_path).trials) == 8


def test_the_test_split_is_never_opened(prepared: Prepared, reference: Study, tmp_path: Path) -> None:
    shutil.copytree(prepared.folder, tmp_path / "prepared", ignore=shutil.ignore_patterns("*.test.*"))
    blind = Prepared(tmp_path / "prepared", prepared.sources, prepared.tasks)
    assert_equal(searched(digits(), blind, tmp_path), reference)


def test_callbacks_hear_of_batches_epochs_and_trials_in_order(prepared: Prepared, tmp_path: Path) -> None:
    heard: list[object] = []
    trials: list[int] = []

    def on_batch(trials: Sequence[FrozenTrial]) -> None:
        heard.append([trial.number for trial in trials])
        assert all(VALUES in trial.user_attrs for trial in trials)

    def on_epoch(states: Sequence[SlotState]) -> None:
        heard.append((states[0].looks, [state.name for state in states]))

    def on_trial(trial: FrozenTrial, state: SlotState, tried: Experiment) -> None:
        assert trial.state.is_finished()
        assert trial.intermediate_values == {epoch: it[OBJECTIVE] for epoch, it in enumerate(state.history, start=1)}
        trials.append(trial.number)

    experiment = digits({"tuning.trials": 3, "tuning.batch": 2, "training.epochs": 2, "tuning.pruner": "none"})
    searched(experiment, prepared, tmp_path, callbacks=Callbacks(on_batch, on_epoch, on_trial))
    both = ["trial/0", "trial/1"]
    assert heard == [[0, 1], (1, both), (2, both), [2], (1, ["trial/2"]), (2, ["trial/2"])]
    assert trials == [0, 1, 2]
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_trials_are_told_of_while_the_next_batch_trains(prepared: Prepared, tmp_path: Path) -> None:
    trained = threading.Event()

    def on_epoch(states: Sequence[SlotState]) -> None:
        if states[0].name == "trial/2":
            trained.set()

    def on_trial(trial: FrozenTrial, _: SlotState, tried: Experiment) -> None:
        if trial.number == 0:
            assert trained.wait(60)

    experiment = digits({"tuning.trials": 4, "tuning.batch": 2, "training.epochs": 1})
    study = searched(experiment, prepared, tmp_path, callbacks=Callbacks(look=on_epoch, trial=on_trial))
    assert len(study.trials) == 4


def test_a_tracker_that_fails_costs_no_trial_and_is_told_again(prepared: Prepared, tmp_path: Path) -> None:
    told: list[int] = []

    def on_trial(trial: FrozenTrial, _: SlotState, tried: Experiment) -> None:
        told.append(trial.number)
        if told == [0, 1]:
            raise RuntimeError("tracker gone")

    experiment = digits({"tuning.trials": 6, "tuning.batch": 2, "training.epochs": 2})
    with pytest.raises(RuntimeError, match="tracker gone"):
        searched(experiment, prepared, tmp_path, callbacks=Callbacks(trial=on_trial))
    states = [trial.state for trial in study_in(tmp_path).trials]
    assert len(states) == 4
    assert TrialState.FAIL not in states
    searched(experiment, prepared, tmp_path, callbacks=Callbacks(trial=on_trial))
    assert told == [0, 1, 0, 1, 2, 3, 4, 5]


def test_networks_of_several_shapes_share_a_batch(prepared: Prepared, tmp_path: Path) -> None:
    space = {
        "model.trunk.widths": {"choice": [[4], [8, 4]]},
        "training.batch_size": {"int": [128, 256]},
        "training.early_stopping": {"choice": [None, {"patience": 1}]},
    }
    values = {"tuning.space": space, "tuning.trials": 8}
    study = searched(digits(values), prepared, tmp_path / "one")
    assert set(values_of(study)["model.trunk.widths"]) == {"[8]", "[4]", "[8, 4]"}  # the first one is as written
    assert_equal(searched(digits(values | {"slots": 1}), prepared, tmp_path / "other"), study)


def test_a_trial_that_diverges_is_pruned_with_its_reason_and_harms_nobody(prepared: Prepared, tmp_path: Path) -> None:
    values = {
        "tuning.space": {"training.learning_rate": {"choice": [0.01, 1e30]}},
        "tuning.trials": 8, "training.optimizer": "sgd", "training.clip_norm": None,
    }  # fmt: skip
    frame = values_of(searched(digits(values), prepared, tmp_path))
    diverged = frame["training.learning_rate"] == 1e30
    assert 0 < diverged.sum() < 8
    assert (frame["reason"] == "diverged").tolist() == diverged.tolist()
    assert set(frame.loc[diverged, "state"]) == {"PRUNED"}
    assert frame.loc[diverged, "value"].isna().all()
    assert "COMPLETE" in set(frame.loc[~diverged, "state"])


def test_values_that_do_not_go_together_are_told_before_anything_is_stored(prepared: Prepared, tmp_path: Path) -> None:
    values = {
        "training.optimizer": "sgd", "training.momentum": 0.9,
        "tuning.space": {"training.nesterov": {"choice": [True]}, "training.optimizer": {"choice": ["sgd", "adam"]}},
    }  # fmt: skip
    with pytest.raises(UserError, match=r"do not go together.*nesterov"):
        searched(digits(values), prepared, tmp_path)
    assert all(trial.params["training.optimizer"] == "sgd" for trial in study_in(tmp_path).trials)


def break_training(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(WorkerPool, "advance", broken)


def test_an_error_of_ours_fails_the_batch_and_the_study_goes_on(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    with monkeypatch.context() as patch:
        break_training(patch, RuntimeError("no\nluck"))
        callbacks = Callbacks(trial=lambda trial, *_: heard.append(trial.state.name))
        with pytest.raises(RuntimeError, match="no\nluck"):
            searched(digits(), prepared, tmp_path, callbacks=callbacks)
    assert heard == ["FAIL"] * 4
    frame = values_of(study_in(tmp_path))
    assert frame["state"].tolist() == ["FAIL"] * 4
    assert set(frame["reason"]) == {"RuntimeError: no luck"}
    assert values_of(searched(digits(), prepared, tmp_path))["state"].tolist()[:4] == ["FAIL"] * 4
    assert winners(study_in(tmp_path), 12, 1)[0].number >= 4


@pytest.mark.parametrize("error", [Failure("a worker process ended"), OSError("no space")])
def test_what_could_not_be_done_here_and_now_is_taken_up_again(
    error: Exception, prepared: Prepared, reference: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_training(patch, error)
        with pytest.raises(type(error)):
            searched(digits(), prepared, tmp_path)
    assert {trial.state for trial in study_in(tmp_path).trials} == {TrialState.RUNNING}
    assert_equal(searched(digits(), prepared, tmp_path), reference)


def test_a_study_with_trials_of_others_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    study_in(tmp_path).ask()
    with pytest.raises(Failure, match="trial 0 of the study was not created by headway"):
        searched(digits(), prepared, tmp_path)


def test_a_search_without_tuning_is_an_error_of_the_caller(prepared: Prepared, tmp_path: Path) -> None:
    experiment: Experiment = digits().model_copy(update={"tuning": None})
    with pytest.raises(ValueError, match="tuning is off"):
        searched(experiment, prepared, tmp_path)
