import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.tuning.pruners import PRUNERS, halving, median, none


def past(number: int, values: list[float], state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    trial = create_trial(
        state=state,
        value=values[-1] if state != TrialState.FAIL else None,
        intermediate_values=dict(enumerate(values, start=1)),
    )
    trial.number = number
    return trial


def test_halving_keeps_the_better_half_of_a_first_batch() -> None:
    curves = {0: [0.9, 0.1], 1: [0.1, 0.4], 2: [0.2, 0.3], 3: [0.3, 0.2]}
    assert halving(curves, []) == [0, 3]


def test_halving_decides_after_2_4_8_epochs_only() -> None:
    rungs = [epoch for epoch in range(1, 20) if halving({0: [0.0] * epoch, 1: [1.0] * epoch}, [])]
    assert rungs == [2, 4, 8, 16]


def test_halving_counts_earlier_trials_that_came_as_far() -> None:
    earlier = [past(0, [0.5, 0.8, 0.9]), past(1, [0.5, 0.6], TrialState.PRUNED), past(2, [0.9], TrialState.PRUNED)]
    assert halving({3: [0.0, 0.7], 4: [0.0, 0.5]}, earlier) == [4]
    assert halving({3: [0.0, 0.5], 4: [0.0, 0.4]}, earlier) == [3, 4]


def test_halving_rounds_the_better_half_up_and_breaks_ties_by_number() -> None:
    assert halving({5: [0.0, 0.1]}, []) == []
    assert halving({5: [0.0, 0.1], 6: [0.0, 0.1], 7: [0.0, 0.1]}, []) == [7]
    assert halving({5: [0.0, 0.1]}, [past(0, [0.0, 0.1])]) == [5]


def test_halving_never_prunes_the_best_ever_seen_at_a_rung() -> None:
    earlier = [past(number, [0.0, 0.1 * number]) for number in range(5)]
    assert halving({5: [0.0, 0.9]}, earlier) == []


def test_median_prunes_whoever_was_never_above_the_median_of_complete_trials() -> None:
    earlier = [past(number, [0.5, 0.1 * number]) for number in range(5)]
    assert median({5: [0.0, 0.19], 6: [0.0, 0.21], 7: [0.3, 0.1]}, earlier) == [5]
    assert median({5: [0.0, 0.2]}, earlier) == []


def test_median_waits_for_five_complete_trials() -> None:
    earlier = [past(number, [0.5]) for number in range(4)] + [past(4, [0.5], TrialState.PRUNED)]
    assert median({5: [0.0]}, earlier) == []
    assert median({5: [0.0]}, [*earlier, past(5, [0.5])]) == [5]


def test_median_keeps_trials_that_came_further_than_any_before() -> None:
    assert median({5: [0.0, 0.0]}, [past(number, [0.5]) for number in range(5)]) == []


@pytest.mark.parametrize("prune", PRUNERS.values(), ids=PRUNERS)
def test_nobody_is_pruned_when_all_of_a_batch_diverged(prune: object) -> None:
    assert callable(prune)
    assert prune({}, [past(0, [0.1, 0.2])]) == []


def test_none_prunes_nobody() -> None:
    assert none({0: [0.0, 0.0], 1: [1.0, 1.0]}, []) == []
