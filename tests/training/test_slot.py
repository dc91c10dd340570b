from dataclasses import replace

import pytest

from pipeline.config import load, with_values
from pipeline.config.experiment import Experiment
from pipeline.training.slot import SlotState, seed_slots, slots_of, trial_slot
from tests.conftest import REPOSITORY
from tests.training.made import ONE_SPLIT


@pytest.fixture
def experiment() -> Experiment:
    return load("mnist_fashion", {}, REPOSITORY)


def test_seeds_have_streams_of_their_own_for_weights_and_data(experiment: Experiment) -> None:
    slots = seed_slots(experiment, ONE_SPLIT)
    assert [slot.name for slot in slots] == [f"seed/{number}" for number in range(5)]
    assert len({slot.stream for slot in slots}) == len({slot.data_stream for slot in slots}) == 5


def test_each_seed_may_train_settings_of_its_own(experiment: Experiment) -> None:
    values = {"training.folds": 3, "data.validation": 0.0, "training.early_stopping": None}
    base = with_values(experiment.model_copy(update={"tuning": None}), values)
    own = [with_values(base, {"model.trunk.widths": [width]}) for width in (5, 6, 7, 8, 9)]
    slots, alike = slots_of(own, ONE_SPLIT), seed_slots(base, ONE_SPLIT)
    assert [slot.experiment for slot in slots] == own
    for one, other in zip(slots, alike, strict=True):
        assert (one.name, one.stream, one.data_stream, one.fold) == (
            other.name, other.stream, other.data_stream, other.fold
        )  # fmt: skip
    assert [slot.fold for slot in slots] == [0, 1, 2, 0, 1]
    assert {slot.fold for slot in slots_of(own, replace(ONE_SPLIT, chained=True))} == {2}


def test_trials_of_a_replicate_share_the_order_of_the_data_and_nothing_with_seeds(experiment: Experiment) -> None:
    slots = [trial_slot(number, experiment) for number in (0, 5 * 7)]
    assert slots[0].data_stream == slots[1].data_stream
    assert slots[0].stream != slots[1].stream
    used = {stream for slot in seed_slots(experiment, ONE_SPLIT) for stream in (slot.stream, slot.data_stream)}
    assert not used & {slots[0].stream, slots[1].stream, slots[0].data_stream}


@pytest.mark.parametrize(
    "values",
    [
        {"training.learning_rate": 0.5, "training.weight_decay": 0.1, "training.clip_norm": 1.0},
        {"model.trunk.dropout": 0.1, "balancing.weights": {"mnist": 1.5, "fashion": 0.5}},
        {"training.early_stopping": None, "training.seeds": 9, "seed": 3, "name": "other"},
    ],
)
def test_settings_that_are_only_numbers_stack(values: dict[str, object], experiment: Experiment) -> None:
    assert trial_slot(0, with_values(experiment, values)).shape() == trial_slot(1, experiment).shape()


@pytest.mark.parametrize(
    "values",
    [
        {"model.trunk.widths": [64]},
        {"training.batch_size": 32},
        {"training.optimizer": "sgd"},
        {"training.schedule": "cosine"},
        {"training.epochs": 3},
        {"model.trunk.norm": "batch"},
        {"data.mix": "shortest"},
    ],
)
def test_settings_that_change_shape_or_course_do_not_stack(values: dict[str, object], experiment: Experiment) -> None:
    assert trial_slot(0, with_values(experiment, values)).shape() != trial_slot(1, experiment).shape()


def test_fresh_state_runs_and_has_no_epoch() -> None:
    state = SlotState("seed/0")
    assert (state.status, state.looks, state.best_look) == ("running", 0, 0)
