"""A study where every row tests: each trial sees the split of its replicate, whoever trains beside it."""

from pathlib import Path
from typing import Any

import pytest
from optuna.study import Study

from pipeline.config import Experiment
from pipeline.data.prepared import Prepared
from pipeline.training.slot import trial_slots
from pipeline.training.stack.layout import shapes
from pipeline.tuning.space import trial_experiment
from pipeline.tuning.study import REPLICATE, VALUES
from tests.training.made import trained

from .studies import assert_equal, digits, prepared_at, searched

OWN: dict[str, Any] = {"data.test": {"folds": 2, "repeats": 1}, "tuning.replicates": 2, "tuning.trials": 8}


def outer(**values: Any) -> Experiment:
    return digits(OWN | values)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared_at(outer(), tmp_path_factory.mktemp("outer") / "prepared").only(outer().tasks)


@pytest.fixture(scope="module")
def reference(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """8 trials in batches of 4, two of each replicate, in one process and one stack."""
    return searched(outer(), data, tmp_path_factory.mktemp("reference"))


def test_trials_of_both_replicates_share_a_stack(data: Prepared) -> None:
    assert len(data.replicates) == 2
    slots = [slot for number in range(4) for slot in trial_slots(number, outer(), data)]
    assert [slot.replicate for slot in slots] == [0, 1, 0, 1]
    assert len(set(shapes(data, slots))) == 1


@pytest.mark.parametrize(("slots", "processes"), [(1, 1), (3, 1), ("auto", 2)])
def test_neither_stacks_nor_processes_change_the_table(
    slots: int | str, processes: int, data: Prepared, reference: Study, tmp_path: Path
) -> None:
    assert_equal(searched(outer(slots=slots), data, tmp_path, processes), reference)


def test_a_trial_is_what_it_comes_to_alone_on_the_split_of_its_replicate(data: Prepared, reference: Study) -> None:
    for number in (0, 1):
        trial = reference.trials[number]
        (slot,) = trial_slots(number, trial_experiment(outer(), trial.user_attrs[VALUES]), data)
        assert slot.replicate == trial.user_attrs[REPLICATE] == number
        state = trained(data, [slot], len(trial.intermediate_values))[slot.name]
        objectives = [it["validation/all/objective"] for it in state.history]
        assert objectives == list(trial.intermediate_values.values())
