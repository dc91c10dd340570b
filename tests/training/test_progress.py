import math

import pytest

from pipeline.config.training import EarlyStopping, TrainingSettings
from pipeline.training.length import Length
from pipeline.training.progress import LARGEST, LOSS, OBJECTIVE, note_look
from pipeline.training.slot import SlotState

NAN = float("nan")
NINE = Length(900, range(100, 901, 100))


def metrics(*accuracies: float, nll: float = 1.0) -> dict[str, float]:
    """Of a look, a task for each validation accuracy."""
    return {
        f"{split}/task{number}/{name}": value
        for split in ("train", "validation")
        for number, accuracy in enumerate(accuracies)
        for name, value in (("nll", NAN if math.isnan(accuracy) else nll), ("accuracy", accuracy))
    }


def run(losses: list[float], settings: TrainingSettings, length: Length = NINE) -> SlotState:
    state = SlotState("a")
    for value in losses:
        if state.status == "running":
            note_look(state, metrics(0.5, nll=value), settings, length)
    return state


def test_objective_and_loss_are_unweighted_means_over_tasks() -> None:
    state = SlotState("a")
    assert note_look(state, metrics(0.5, 1.0, nll=0.25), TrainingSettings(), NINE)
    assert state.history == [metrics(0.5, 1.0, nll=0.25) | {OBJECTIVE: 0.75, LOSS: 0.25}]
    assert (state.best_objective, state.best_loss) == (0.75, 0.25)


def test_the_loss_of_a_number_is_what_r2_lacks_to_1() -> None:
    state = SlotState("a")
    number = {"validation/n/rmse": 3.0, "validation/n/mae": 2.0, "validation/n/r2": 0.75}
    note_look(state, metrics(0.5, nll=0.5) | number, TrainingSettings(), NINE)
    assert state.history[0][LOSS] == (0.5 + 0.25) / 2


def test_each_look_knows_how_many_updates_were_done() -> None:
    state = run([1.0, 1.0, 1.0], TrainingSettings(), Length(50, (20, 45, 50)))
    assert (state.updates, state.done, state.status) == ([20, 45, 50], 50, "finished")


def test_slot_stops_when_patience_is_over_and_keeps_the_best() -> None:
    settings = TrainingSettings(early_stopping=EarlyStopping(patience=2))
    state = run([0.9, 0.5, 0.6, 0.5, 0.1], settings)
    assert (state.status, state.looks, state.best_look) == ("finished", 4, 2)


def test_early_stopping_watches_the_loss_and_not_the_objective() -> None:
    state, settings = SlotState("a"), TrainingSettings(early_stopping=EarlyStopping(patience=2))
    for accuracy, loss in ((0.5, 0.7), (0.4, 0.6), (0.9, 0.8)):
        note_look(state, metrics(accuracy, nll=loss), settings, NINE)
    assert (state.best_look, state.best_loss, state.best_objective) == (2, 0.6, 0.4)


def test_fall_of_no_more_than_min_delta_does_not_count() -> None:
    settings = TrainingSettings(early_stopping=EarlyStopping(patience=2, min_delta=0.1))
    state = run([0.9, 0.85, 0.81, 0.1], settings)
    assert (state.status, state.looks, state.best_look) == ("finished", 3, 1)


def test_slot_finishes_with_its_last_look_and_keeps_it() -> None:
    two = Length(30, (27, 30))
    assert run([0.4, 0.5], TrainingSettings(), two).status == "finished"
    assert run([0.4, 0.5], TrainingSettings(), two).best_look == 2


def test_without_a_validation_split_there_is_no_objective_and_the_last_look_is_kept() -> None:
    state, settings = SlotState("a"), TrainingSettings()
    train = {key: value for key, value in metrics(0.5).items() if key.startswith("train/")}
    assert [note_look(state, train, settings, NINE) for _ in range(3)] == [True] * 3
    assert (state.best_look, state.history[0].keys() & {OBJECTIVE, LOSS}) == (3, set())


@pytest.mark.parametrize("nll", [NAN, float("inf"), 2 * LARGEST])
def test_loss_that_is_not_finite_or_absurdly_large_means_diverged(nll: float) -> None:
    state = SlotState("a")
    assert note_look(state, metrics(0.5), TrainingSettings(), NINE)
    assert not note_look(state, metrics(0.9, nll=nll), TrainingSettings(), NINE)
    assert (state.status, state.best_look, state.looks) == ("diverged", 1, 2)


def test_large_loss_that_any_processor_can_square_is_no_divergence() -> None:
    state = SlotState("a")
    note_look(state, metrics(0.5, nll=LARGEST), TrainingSettings(), NINE)
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
    note_look(state, {"validation/size/rmse": rmse, "validation/size/r2": r2}, TrainingSettings(), NINE)
    assert state.status == status


def test_weights_that_are_not_finite_mean_diverged() -> None:
    state = SlotState("a")
    note_look(state, metrics(0.5), TrainingSettings(), NINE, finite=False)
    assert (state.status, state.best_look) == ("diverged", 1)


def test_where_validation_can_measure_no_task_neither_mean_is_known_and_nothing_diverged() -> None:
    state = SlotState("a")
    none = {"validation/a/accuracy": NAN, "validation/a/nll": NAN, "train/a/accuracy": 0.5, "train/a/nll": 0.6}
    assert note_look(state, none, TrainingSettings(), NINE)
    assert (state.status, math.isnan(state.best_objective), math.isnan(state.best_loss)) == ("running", True, True)


def test_task_without_labels_is_left_out_of_both_means_and_is_no_divergence() -> None:
    state = SlotState("a")
    note_look(state, metrics(0.5, NAN), TrainingSettings(), NINE)
    assert (state.status, state.best_objective, state.best_loss) == ("running", 0.5, 1.0)
