"""What answering costs. Times are not tested, only that the right thing is timed."""

from pathlib import Path

import pytest
import torch

from pipeline.analysis.cost import as_served, costs
from pipeline.config import with_values
from pipeline.data.prepared import Prepared
from tests.analysis.made import candidate, experiment, prepared


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    return prepared(tmp_path / "data")


def test_one_pass_over_the_same_rows_answers_all_tasks(data: Prepared, tmp_path: Path) -> None:
    network = as_served(data, experiment())
    outputs = network.forward({"5": torch.rand(1, 7, 5)})
    assert {name: tuple(it.shape) for name, it in outputs.items()} == {
        "side": (1, 7, 3), "odd": (1, 7, 1), "far": (1, 7, 3)
    }  # fmt: skip
    assert len(network.branches) == 1


def test_parameters_of_networks_that_share_nothing_add_up(data: Prepared, tmp_path: Path) -> None:
    shared = candidate(tmp_path, data, experiment())
    singles = [candidate(tmp_path, data, experiment(), "single", task) for task in ("side", "odd", "far")]
    found = costs({"default": [shared], "single-task": singles})
    trunk, heads = 5 * 6 + 6, (6 * 3 + 3) + (6 + 1) + (6 * 3 + 3)
    assert found["default"].parameters == trunk + heads
    assert found["single-task"].parameters == 3 * trunk + heads
    assert all(it.latency_ms > 0 and it.rows_per_second > 0 for it in found.values())


def test_measuring_leaves_the_number_of_threads_as_it_was(data: Prepared, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    separate = with_values(experiment(), {"model.sharing": "separate", "model.trunk.norm": "batch_per_source"})
    costs({"separate": [candidate(tmp_path, data, separate, "separate")]})
    assert torch.get_num_threads() == before


def test_candidates_whose_networks_have_the_same_shapes_cost_the_same(data: Prepared, tmp_path: Path) -> None:
    alike = [candidate(tmp_path, data, experiment(), title) for title in ("default", "tuned")]
    wide = candidate(tmp_path, data, with_values(experiment(), {"model.trunk.widths": [9]}), "wide")
    found = costs({"default": [alike[0]], "tuned": [alike[1]], "wide": [wide]})
    assert list(found) == ["default", "tuned", "wide"]
    assert found["default"] == found["tuned"]
    assert found["wide"].parameters > found["default"].parameters
    for it in found.values():
        assert it.latency_low_ms <= it.latency_ms <= it.latency_high_ms
        assert it.rows_per_second_low <= it.rows_per_second <= it.rows_per_second_high
