"""What fits into a time is arithmetic."""

from collections.abc import Sequence

import pytest

from pipeline.config.tuning import TuningSettings
from pipeline.tuning.budget import Costs, Plan, least, plan
from pipeline.tuning.pruners import expected_share

TUNING = TuningSettings(trials=40, batch=8, pruner="none")
COSTS = Costs(fixed_s=20.0, epoch_s=10.0, trial_epoch_s=1.0, trial_s=0.5)


def planned(budget_s: float, tuning: TuningSettings | None = TUNING, epochs: int = 10) -> tuple[int, int]:
    found = plan(COSTS, budget_s, epochs, tuning)
    assert found is not None
    assert found.seconds <= budget_s
    return found.epochs, found.trials


@pytest.mark.parametrize(
    ("pruner", "looks", "wanted"),
    [
        ("none", range(8, 81, 8), 1.0),
        ("median", range(8, 81, 8), 1.0),
        ("halving", [8], 1.0),
        ("halving", [8, 16], 1.0),
        ("halving", [8, 16, 24, 32], 3 / 4),
        ("halving", range(8, 81, 8), (2 + 2 / 2 + 4 / 4 + 2 / 8) / 10),
        ("halving", (10, 20, 27, 30), (20 + 10 / 2) / 30),
    ],
)
def test_halving_trains_half_as_many_trials_past_every_rung(pruner: str, looks: Sequence[int], wanted: float) -> None:
    assert expected_share(pruner, looks) == pytest.approx(wanted)


def test_time_enough_takes_all_epochs_and_what_is_left_goes_to_trials() -> None:
    said = 20 + 10 * 10 + 40 * 10.5
    assert planned(said) == (10, 40)
    assert planned(said + 100) == (10, 48)
    assert planned(1e9) == (10, 1000)


def test_a_short_time_shrinks_epochs_and_trials_alike() -> None:
    assert planned(270) == (7, 24)  # 24 of 40 trials go with 6 of 10 epochs, and leave time for a seventh
    assert planned(150) == (4, 16)


def test_trials_come_in_whole_batches_or_are_fewer_than_one() -> None:
    large = TuningSettings(trials=64, batch=16, pruner="none")
    assert planned(20 + 20 + 2.5 * 40, large)[1] % 16 == 0
    assert planned(20 + 20 + 2.5 * 12, large) == (2, 12)


def test_what_cannot_be_done_at_all_is_none_and_the_least_is_known() -> None:
    shortest = least(COSTS, 10, TUNING)
    assert shortest == Plan(epochs=2, trials=8, seconds=20 + 2 * 10 + 8 * 2.5, study_s=8 * 2.5)
    assert plan(COSTS, shortest.seconds - 0.1, 10, TUNING) is None
    assert planned(shortest.seconds) == (2, 8)


def test_an_experiment_that_says_less_than_the_least_gets_no_less() -> None:
    small = TuningSettings(trials=4, batch=2, pruner="none")
    assert least(COSTS, 1, small) == Plan(1, 4, 20 + 10 + 4 * 1.5, 4 * 1.5)
    assert planned(36, small, epochs=1) == (1, 4)


def test_without_a_study_only_epochs_are_planned() -> None:
    assert planned(79, None) == (5, 0)
    assert planned(1e9, None) == (10, 0)
    assert plan(COSTS, 39, 10, None) is None


def test_pruning_makes_room_for_more_trials() -> None:
    halving = TUNING.model_copy(update={"pruner": "halving"})
    assert planned(540, halving)[1] > planned(540)[1]
