import math

import pytest

from pipeline.config.training import EarlyStopping, TrainingSettings
from pipeline.training.progress import LARGEST, OBJECTIVE, note_epoch
from pipeline.training.slot import SlotState

NAN = float("nan")


def metrics(*accuracies: float, nll: float = 1.0) -> dict[str, float]:
    """Of an epoch, a task for each validation accuracy."""
    return {
        f"{split}/task{number}/{name}": value
        for split in ("train", "validation")
        for number, accuracy in enumerate(accuracies)
        for name, value in (("nll", NAN if math.isnan(accuracy) else nll), ("accuracy", accuracy))
    }


def run(objectives: list[float], settings: TrainingSettings) -> SlotState:
    state = SlotState("a")
    for value in objectives:
        if state.status == "running":
            note_epoch(state, metrics(value), settings)
    return state


def test_objective_is_the_unweighted_mean_over_tasks() -> None:
    state = SlotState("a")
    assert note_epoch(state, metrics(0.5, 1.0), TrainingSettings())
    assert state.history == [metrics(0.5, 1.0) | {OBJECTIVE: 0.75}]
    assert state.best_objective == 0.75


def test_slot_stops_when_patience_is_over_and_keeps_the_best() -> None:
    settings = TrainingSettings(epochs=9, early_stopping=EarlyStopping(patience=2))
    state = run([0.1, 0.5, 0.4, 0.5, 0.9], settings)
    assert (state.status, state.epoch, state.best_epoch) == ("finished", 4, 2)


def test_rise_of_no_more_than_min_delta_does_not_count() -> None:
    settings = TrainingSettings(epochs=9, early_stopping=EarlyStopping(patience=2, min_delta=0.1))
    state = run([0.5, 0.55, 0.59, 0.9], settings)
    assert (state.status, state.epoch, state.best_epoch) == ("finished", 3, 1)


def test_slot_finishes_with_its_last_epoch() -> None:
    settings = TrainingSettings(epochs=2, early_stopping=None)
    assert run([0.5, 0.4], settings).status == "finished"
    assert run([0.5, 0.4], settings).best_epoch == 2


def test_without_a_validation_split_there_is_no_objective_and_the_last_epoch_is_kept() -> None:
    state, settings = SlotState("a"), TrainingSettings(epochs=3, early_stopping=None)
    train = {key: value for key, value in metrics(0.5).items() if key.startswith("train/")}
    assert [note_epoch(state, train, settings) for _ in range(3)] == [True] * 3
    assert (state.best_epoch, OBJECTIVE in state.history[0]) == (3, False)


@pytest.mark.parametrize("nll", [NAN, float("inf"), 2 * LARGEST])
def test_loss_that_is_not_finite_or_absurdly_large_means_diverged(nll: float) -> None:
    state = SlotState("a")
    assert note_epoch(state, metrics(0.5), TrainingSettings())
    assert not note_epoch(state, metrics(0.9, nll=nll), TrainingSettings())
    assert (state.status, state.best_epoch, state.epoch) == ("diverged", 1, 2)


def test_large_loss_that_any_processor_can_square_is_no_divergence() -> None:
    state = SlotState("a")
    note_epoch(state, metrics(0.5, nll=LARGEST), TrainingSettings())
    assert state.status == "running"


@pytest.mark.parametrize(
    ("rmse", "r2", "status"),
    [(1e30, 0.5, "running"), (1e30, -1.0, "running"), (1.0, -1e30, "running"), (1.0, -1e39, "diverged"),
     (float("inf"), float("-inf"), "diverged"), (NAN, NAN, "running")],
)  # fmt: skip
def test_error_of_a_number_is_told_in_standard_deviations_whatever_its_unit(
    rmse: float, r2: float, status: str
) -> None:
    state = SlotState("a")
    note_epoch(state, {"validation/size/rmse": rmse, "validation/size/r2": r2}, TrainingSettings())
    assert state.status == status


def test_weights_that_are_not_finite_mean_diverged() -> None:
    state = SlotState("a")
    note_epoch(state, metrics(0.5), TrainingSettings(), finite=False)
    assert (state.status, state.best_epoch) == ("diverged", 1)


def test_task_without_labels_is_left_out_of_the_objective_and_is_no_divergence() -> None:
    state = SlotState("a")
    note_epoch(state, metrics(0.5, NAN), TrainingSettings())
    assert (state.status, state.best_objective) == ("running", 0.5)
