"""Several processes train one network as one process does with the same chunks, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.config import Experiment, load, with_values
from pipeline.data.prepared import Prepared
from pipeline.errors import Failure
from pipeline.training.loop import advance
from pipeline.training.ranks import Ranks
from pipeline.training.slot import SlotState
from pipeline.training.stack.stack import Stack
from tests.conftest import REPOSITORY
from tests.training.made import MIXED, assert_same, by_name, experiment_on, few_data, seeds, trained
from tests.training.made_text import TASKS, text_data
from tests.training.ranks import each_rank, trained_by
from tests.training.stack.test_text_neighbours import on

GAPS = {"digit": 0.2, "marks": 0.3, "size": 0.3}
BATCHES = {"training.batch_size": 16, "training.chunks": 4}
CASES: dict[str, dict[str, Any]] = {
    "every kind": {"tasks.digit.class_weights": "balanced", "training.clip_norm": 0.1},
    "batch norm": {"model.trunk.norm": "batch", "training.early_stopping": {"patience": 1}},
    "losses after": {"balancing.method": "famo", "data.mix": "proportional"},
    "gramian": {"balancing.method": "cagrad", "balancing.every": 2},
}
MORE: dict[str, dict[str, Any]] = {
    "losses": {"balancing.method": "uncertainty", "model.sharing": {"kind": "mmoe", "experts": 3}},
    "both halves": {"balancing.method": "modo"},
    "representation": {"balancing.method": "mgda", "balancing.gradients": "representation"},
    "jacobian": {"balancing.method": "db_mtl", "training.optimizer": "sgd"},
    "draws": {"balancing.method": "graddrop", "training.schedule": "plateau"},
    "bfloat16": {"precision": "bfloat16"},
    "separate": {"model.sharing": "separate", "model.trunk.norm": "layer"},
}


def assert_all_same(found: list[dict[str, SlotState]], wanted: dict[str, SlotState]) -> None:
    for of_rank in found:
        assert of_rank.keys() == wanted.keys()
        for name, state in wanted.items():
            assert_same(of_rank[name], state)


@pytest.mark.parametrize(
    ("case", "ranks"),
    [*((it, 2) for it in CASES), ("every kind", 4), *(pytest.param(it, 4, marks=pytest.mark.slow) for it in MORE)],
)
def test_every_rank_comes_to_what_one_process_does(case: str, ranks: int, tmp_path: Path) -> None:
    # 29 rows: some steps have fewer rows than chunks.
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    slots = seeds(experiment_on(prepared, BATCHES | (CASES | MORE)[case]), 2)
    wanted = trained(prepared, slots)
    assert all(it.status == "finished" for it in wanted.values())
    assert_all_same(trained_by(ranks, tmp_path / "ranks", prepared, slots), wanted)


def test_a_network_that_diverges_does_so_everywhere(tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    fast = {"training.optimizer": "sgd", "training.learning_rate": 1e30}
    slots = seeds(experiment_on(prepared, BATCHES | fast), 1)
    wanted = trained(prepared, slots)
    assert wanted["seed/0"].status == "diverged"
    assert_all_same(trained_by(2, tmp_path / "ranks", prepared, slots), wanted)


@pytest.mark.slow
def test_tags_of_text_come_to_what_they_do_in_one_process(tmp_path: Path) -> None:
    prepared = text_data(tmp_path, TASKS, missing=0.3, rows=21)
    slots = seeds(with_values(on(prepared), BATCHES), 2)
    assert_all_same(trained_by(2, tmp_path / "ranks", prepared, slots), trained(prepared, slots))


def longer(chunks: int) -> Experiment:
    """784-128-10 for two tasks, 300 steps."""
    values = {"training.epochs": None, "training.updates": 300, "training.early_stopping": None, "training.seeds": 1}
    return with_values(
        load("mnist_fashion", {}, REPOSITORY),
        values | {"model.trunk.widths": [128], "model.trunk.dropout": 0.3, "training.chunks": chunks},
    )


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_they_are_the_same_after_300_steps(ranks: int, mnist_fashion: Prepared, tmp_path: Path) -> None:
    slots = seeds(longer(4), 1)
    wanted = trained(mnist_fashion, slots)
    assert wanted["seed/0"].done == 300
    assert_all_same(trained_by(ranks, tmp_path / "ranks", mnist_fashion, slots), wanted)


def test_what_one_process_began_several_end_and_the_other_way_round(tmp_path: Path) -> None:
    prepared = few_data(tmp_path, MIXED, missing=GAPS)
    slots = seeds(experiment_on(prepared, BATCHES | {"model.trunk.norm": "batch", "balancing.method": "dwa"}), 2)
    wanted = trained(prepared, slots)
    begun = trained(prepared, slots, epochs=1)
    assert_all_same(trained_by(2, tmp_path / "ended", prepared, slots, begun), wanted)
    (begun, _) = trained_by(2, tmp_path / "begun", prepared, slots, looks=1)
    stack = Stack(prepared, slots, begun)
    while stack.running:
        advance(stack)
    assert_all_same([by_name(stack)], wanted)


def test_processes_that_come_apart_are_told(tmp_path: Path) -> None:
    prepared = few_data(tmp_path)
    slots = seeds(experiment_on(prepared, BATCHES), 1)

    def work(ranks: Ranks) -> str:
        stack = Stack(prepared, slots, ranks=ranks)
        stack.network.values[0, 0] += ranks.rank
        with pytest.raises(Failure, match="came to other weights") as caught:
            advance(stack)
        return str(caught.value)

    assert len(each_rank(2, tmp_path / "ranks", work)) == 2


def test_sums_are_added_as_the_upper_levels_of_a_tree(tmp_path: Path) -> None:
    given = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.arange(-2, 2).view(4, 1)

    def work(ranks: Ranks) -> Any:
        own = given[ranks.rank].clone()
        ranks.add(own)
        told = ranks.of_first(lambda: ranks.rank)
        return own.tolist(), ranks.gathered(ranks.rank), told, list(ranks.share(8))

    wanted = ((given[0] + given[1]) + (given[2] + given[3])).tolist()
    for rank, (total, gathered, told, share) in enumerate(each_rank(4, tmp_path / "ranks", work)):
        assert total == wanted
        assert (gathered, told, share) == ([0, 1, 2, 3], 0, [2 * rank, 2 * rank + 1])
