"""Slots go where they are done soonest, as few of them as need be, and are cut into even stacks."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.config import Experiment, with_values
from pipeline.draws import Stream
from pipeline.training.slot import Slot
from pipeline.training.workers.load_balancing import Shares, balanced, blocks, makespan
from tests.training.made import experiment_on, random_data, trials


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return experiment_on(random_data(tmp_path_factory.mktemp("data")))


def one(slot: Slot) -> float:
    return 1.0


def counts(shares: Shares) -> list[int]:
    return [len(share) for share in shares]


@pytest.mark.parametrize(
    ("slots", "lags", "wanted"),
    [
        (16, [0.0, 0.0], [8, 8]),
        (5, [0.0, 0.0], [3, 2]),
        (1, [0.0, 0.0, 0.0], [1, 0, 0]),
        (7, [0.0, 0.0, 0.0], [3, 2, 2]),
        (16, [0.0, 4.0], [10, 6]),
        (16, [0.0, 40.0], [16, 0]),
    ],
)
def test_all_are_done_at_the_same_time(
    slots: int, lags: Sequence[float], wanted: list[int], experiment: Experiment
) -> None:
    start = [trials([experiment] * slots), *([] for _ in lags[1:])]
    assert counts(balanced(start, lags, one)) == wanted


def test_costs_that_cannot_be_told_apart_from_rounding_move_nothing_for_ever(experiment: Experiment) -> None:
    slots = trials([experiment] * 5)
    for cost in (0.1, 0.1 + 1e-17, 1e-9, 0.0):
        shares = balanced([slots[:3], slots[3:]], [0.0, 0.0], lambda slot, cost=cost: cost)  # type: ignore[misc]
        assert counts(shares) == [3, 2]


def test_only_as_many_move_as_need_be_and_the_rest_keep_their_order(experiment: Experiment) -> None:
    slots = trials([experiment] * 8)
    moved = balanced([slots[:6], slots[6:]], [0.0, 0.0], one)
    assert moved[0] == slots[:4]
    assert moved[1][:2] == slots[6:]
    assert counts(moved) == [4, 4]


def test_a_costly_slot_weighs_as_much_as_several_cheap_ones(experiment: Experiment) -> None:
    slots = trials([experiment] * 5)
    cost = {slots[0].name: 4.0}
    shares = balanced([slots, []], [0.0, 0.0], lambda slot: cost.get(slot.name, 1.0))
    assert makespan(shares, [0.0, 0.0], lambda slot: cost.get(slot.name, 1.0)) == 4.0


def test_a_process_without_slots_does_not_delay_an_epoch(experiment: Experiment) -> None:
    assert makespan([trials([experiment] * 3), []], [0.0, 99.0], one) == 3.0


@pytest.mark.parametrize(("count", "most", "wanted"), [(16, 8, [8, 8]), (9, 8, [4, 5]), (3, 8, [3]), (5, 2, [1, 2, 2])])
def test_stacks_are_even_and_no_larger_than_the_most(
    count: int, most: int, wanted: list[int], experiment: Experiment
) -> None:
    assert [len(block) for block in blocks(trials([experiment] * count), most)] == wanted


def test_what_the_experiment_says_of_slots_goes_first(experiment: Experiment) -> None:
    asked = with_values(experiment, {"slots": 3})
    assert [len(block) for block in blocks(trials([asked] * 6), 8)] == [3, 3]


def test_slots_of_several_shapes_are_stacked_apart(experiment: Experiment) -> None:
    wide = with_values(experiment, {"model.trunk.widths": [11]})
    slots = [replace(slot, name=f"trial/{number}") for number, slot in enumerate(trials([experiment, wide] * 2))]
    assert sorted([slot.name for slot in block] for block in blocks(slots, 8)) == [
        ["trial/0", "trial/2"],
        ["trial/1", "trial/3"],
    ]


@pytest.mark.parametrize(
    ("trials_of", "most", "wanted"),
    [
        ([1] * 10, 8, [5, 5]),
        ([2] * 4, 8, [8]),
        ([4] * 3, 8, [4, 4, 4]),
        ([4, 1, 1, 1], 8, [4, 3]),
        ([8, 8], 8, [8, 8]),
        ([1] * 4, 2, [2, 2]),
        ([1] * 3, 1, [1, 1, 1]),
    ],
)
def test_slots_that_share_each_batch_are_not_parted_for_those_that_see_other_rows(
    trials_of: list[int], most: int, wanted: list[int], experiment: Experiment
) -> None:
    numbers = [fold for turn in range(max(trials_of)) for fold, count in enumerate(trials_of) if turn < count]
    streams = [Stream(0, f"study/0/fold/{fold}") for fold in range(len(trials_of))]
    slots = [
        replace(slot, name=str(place), fold=fold, data_stream=streams[fold])
        for place, (fold, slot) in enumerate(zip(numbers, trials([experiment] * len(numbers)), strict=True))
    ]
    found = blocks(slots, most)
    assert [len(block) for block in found] == wanted
    for block in found:
        assert len({slot.fold for slot in block}) in (1, len(block)) or 2 * max(trials_of) < most
