"""Slots of replicates: each sees a split of its own, and keeps the stack's promises."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import Experiment, with_values
from pipeline.data.prepared import Prepared
from pipeline.training.assess import assess
from pipeline.training.saved import about, load_networks, save
from pipeline.training.slot import Slot, batch_slots, seed_slots, slots_of, trial_slots
from pipeline.training.thresholds import thresholds
from tests.training.made import MIXED, assert_same, experiment_on, trained
from tests.training.replicates import in_replicates

COUNT = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return in_replicates(tmp_path_factory.mktemp("data"), MIXED, COUNT)


@pytest.fixture(scope="module")
def experiment(data: Prepared) -> Experiment:
    return experiment_on(data, {"training.seeds": COUNT})


def alone(data: Prepared, slot: Slot) -> tuple[Prepared, Slot]:
    """A replicate as data of one split, and the slot that trains on them."""
    assert slot.replicate is not None
    return data.replicates[slot.replicate], replace(slot, replicate=None)


def test_seeds_and_trials_see_one_replicate_after_the_other(data: Prepared, experiment: Experiment) -> None:
    assert [slot.replicate for slot in seed_slots(experiment, data)] == [0, 1, 2]
    assert [slot.replicate for slot in seed_slots(experiment, data.whole())] == [None] * 3
    tuned = with_values(experiment, {"tuning.replicates": COUNT, "tuning.trials": 6})
    trials = batch_slots(dict.fromkeys(range(6), tuned), data)
    assert [slot.replicate for slot in trials] == [0, 1, 2] * 2
    assert [slot.data_stream for slot in trials[:3]] == [slot.data_stream for slot in trials[3:]]
    folded = with_values(tuned, {"training.folds": 2, "data.validation": 0.0})
    assert [(slot.replicate, slot.fold) for slot in trial_slots(4, folded, data)] == [(1, 0), (1, 1)]


def test_other_numbers_of_networks_than_of_replicates_are_refused(data: Prepared, experiment: Experiment) -> None:
    with pytest.raises(ValueError, match="2 networks cannot see 3 replicates"):
        slots_of([experiment] * 2, data)


def test_saved_networks_answer_as_their_slots_did_on_their_own_split(
    data: Prepared, experiment: Experiment, tmp_path: Path
) -> None:
    slots = seed_slots(experiment, data)
    states = [trained(data, [slot])[slot.name] for slot in slots]
    for slot, state in zip(slots, states, strict=True):
        own, as_seed = alone(data, slot)
        assert_same(state, trained(own, [as_seed])[slot.name])
    paths = save(tmp_path, data, slots, states)
    assert [about(path)["tasks"]["size"]["mean"] for path in paths] == [10.0, 11.0, 12.0]
    for place, group in enumerate(load_networks(tmp_path, data, slots)):
        assert (group.places, group.slots, group.prepared) == ([place], [slots[place]], data.replicates[place])
        assert group.thresholds == thresholds(group.network, group.prepared)
        (told,) = assess(group.network, group.prepared, group.prepared.split("validation"))
        for key, value in told.items():
            assert value == pytest.approx(states[place].best[f"validation/{key}"], rel=1e-5)
