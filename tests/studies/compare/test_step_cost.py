"""What a step of training costs. Times are not tested, only that the right thing is measured."""

from pathlib import Path

import pytest
import torch

from pipeline.config import with_values
from pipeline.studies.compare.step_cost import _Allocated, step_costs
from pipeline.training.stack.network import build_network
from tests.analysis.made import experiment, prepared
from tests.training.made_text import TASKS, TRUNKS, text_data


def test_the_peak_is_what_lives_at_the_same_time() -> None:
    with _Allocated() as allocated:
        kept = torch.zeros(1000)
        for _ in range(5):
            torch.zeros(2000)  # gone at once
        kept.add_(1.0)
        kept.view(10, 100)  # no memory of its own
    assert allocated.peak == 4 * 3000


def test_gradients_kept_apart_take_memory(tmp_path: Path) -> None:
    wide = with_values(experiment(), {"model.trunk.widths": [200]})
    data = prepared(tmp_path)
    methods = ("fixed", "excess_mtl")
    fixed, apart = step_costs([(data, with_values(wide, {"balancing.method": it})) for it in methods])
    values = 5 * 200 + 200
    assert apart.memory_bytes - fixed.memory_bytes >= 4 * 3 * values  # float32, three tasks
    assert fixed.memory_bytes > 4 * 4 * values  # values, gradients and two moments
    assert min(fixed.step_us, apart.step_us) > 0.0


def test_a_single_task_network_costs_less(tmp_path: Path) -> None:
    data, whole = prepared(tmp_path), experiment()
    alone = whole.model_copy(update={"tasks": {"far": whole.tasks["far"]}})
    shared, single = step_costs([(data, whole), (data.only(["far"]), alone)])
    assert single.memory_bytes < shared.memory_bytes


def test_measuring_needs_no_validation_split_of_few_rows(tmp_path: Path) -> None:
    large = with_values(experiment(), {"training.batch_size": 500})  # more than there are rows
    assert step_costs([(prepared(tmp_path), large)])[0].memory_bytes > 0


@pytest.mark.parametrize("method", ["upgrad", "famo", "modo"])
def test_every_kind_of_method_is_measured(tmp_path: Path, method: str) -> None:
    own = with_values(experiment(), {"balancing.method": method})
    assert step_costs([(prepared(tmp_path), own)])[0].memory_bytes > 0


@pytest.mark.parametrize("trunk", ["lstm", "transformer"])
def test_networks_of_text_are_measured_through_what_autograd_does(tmp_path: Path, trunk: str) -> None:
    data = text_data(tmp_path)
    tasks = {name: {"kind": kind, "source": source} for name, (kind, source, _) in TASKS.items()}
    own = experiment(tasks=tasks, model={"trunk": TRUNKS[trunk]}, balancing={"method": "upgrad"})
    assert step_costs([(data, own)])[0].memory_bytes > 4 * build_network(data, [own]).count()
