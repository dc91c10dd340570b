"""The gradients of the tasks apart, held against the network's own backward pass with one task at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.model import Network, Pass, TaskGradients, TaskShape, build
from pipeline.stacked import Stacked
from tests.model.bound import streams

SHARED = {"digit": TaskShape("left", 37, 10), "parity": TaskShape("left", 37, 1), "third": TaskShape("left", 37, 4)}
APART = {"digit": TaskShape("left", 37, 10), "other": TaskShape("right", 37, 5)}
BOTH = SHARED | {"other": TaskShape("right", 37, 5)}
LAYOUTS = {"shared rows": SHARED, "rows apart": APART, "both": BOTH}

TRUNKS: dict[str, dict[str, Any]] = {
    "one layer": {"widths": [9]},
    "three layers": {"widths": [9, 5, 11], "activation": "tanh"},
    "layer norm": {"widths": [9, 5], "norm": "layer"},
    "batch norm": {"widths": [9, 5], "norm": "batch"},
    "batch norm per source": {"widths": [9, 5], "norm": "batch_per_source", "activation": "gelu"},
    "residual": {"kind": "residual", "widths": [9, 13]},
}


def network(slots: int, tasks: dict[str, TaskShape], trunk: dict[str, Any], sharing: str = "shared") -> Network:
    settings = Trunk.of({"dropout": 0.4} | trunk)
    made = build(Sharing.of({"kind": sharing}), [settings] * slots, [Head.of("linear")] * slots, tasks)
    made.initialise(list(streams(slots)))
    return made


def passed(made: Network, tasks: dict[str, TaskShape], slots: int, rows: int = 6) -> dict[str, Tensor]:
    """Slopes at every task's logits after a training pass with gradients apart."""
    draws = torch.Generator().manual_seed(0)
    x = {
        source: torch.rand(1, rows, 37, generator=draws) for source in dict.fromkeys(it.source for it in tasks.values())
    }
    logits = made.forward(x, Pass({}, streams(slots), apart=True))
    return {task: torch.randn(it.shape, generator=draws) for task, it in logits.items()}


def one_by_one(made: Network, slopes: dict[str, Tensor]) -> Tensor:
    """The Jacobian [K, T, P], by a backward pass of all tasks for each, in which the slopes of the others are 0."""
    found = []
    for task in slopes:
        made.backward({it: slope if it == task else torch.zeros_like(slope) for it, slope in slopes.items()})
        found.append(made.grads[:, : made.shared()].clone())
    return torch.stack(found, 1)


SHARING = ("cross_stitch", "mmoe", "cgc", "ple", "dselect_k", "mtan")
CASES = [(trunk, "shared") for trunk in TRUNKS] + [("three layers", sharing) for sharing in SHARING]


@pytest.mark.parametrize(("trunk", "sharing"), CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_jacobian_gramian_and_sum_are_those_of_one_task_at_a_time(trunk: str, sharing: str, layout: str) -> None:
    tasks = LAYOUTS[layout]
    made = network(2, tasks, TRUNKS[trunk], sharing)
    slopes = passed(made, tasks, 2)
    wanted = one_by_one(made, slopes)
    assert wanted.abs().sum() > 0
    weights = torch.rand(2, len(tasks)) - 0.3
    near = {"rtol": 1e-5, "atol": 5e-5}  # a bias before a batch norm has no gradient but rounding, 1e-5 of the others'
    for whole in (True, False):
        gradients = TaskGradients(made, whole=whole)
        made.grads.zero_()
        gradients.take({task: Stacked(slope) for task, slope in slopes.items()})
        if whole:
            torch.testing.assert_close(gradients.jacobian(), wanted, **near)
        torch.testing.assert_close(gradients.gramian(), wanted @ wanted.mT, rtol=1e-4, atol=1e-4)
        gradients.descend(weights)
        summed = (weights.unsqueeze(2) * wanted).sum(1)
        torch.testing.assert_close(made.grads[:, : made.shared()], summed, **near)
        heads = made.grads[:, made.shared() :].clone()
        made.backward(slopes)
        assert torch.equal(heads, made.grads[:, made.shared() :])


@pytest.mark.parametrize("width", [1, 9, 64])
def test_both_ways_to_the_gramian_agree(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(2, BOTH, {"widths": [width, 7]})
    slopes = {task: Stacked(slope) for task, slope in passed(made, BOTH, 2, rows=16).items()}
    found = []
    for by_rows in (True, False):
        monkeypatch.setattr(TaskGradients, "_rows_are_cheaper", lambda self, it=by_rows: it)
        gradients = TaskGradients(made)
        gradients.take(slopes)
        gramian = gradients.gramian().clone()
        gradients.descend(torch.ones(2, len(BOTH)))
        found.append((gramian, made.grads[:, : made.shared()].clone()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_rows_are_cheaper_for_many_tasks_on_the_same_rows_only() -> None:
    many = {f"t{number}": TaskShape("left", 784, 2) for number in range(40)}
    for tasks, width, wanted in ((many, 128, True), (APART, 9, False)):
        made = network(1, tasks, {"widths": [width]})
        features = next(iter(tasks.values())).features
        x = {source: torch.rand(1, 64, features) for source in {it.source for it in tasks.values()}}
        logits = made.forward(x, Pass({}, streams(1), apart=True))
        gradients = TaskGradients(made)
        gradients.take({task: Stacked(torch.randn(it.shape)) for task, it in logits.items()})
        assert gradients._by_rows == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gramian_of_the_representation_is_that_of_the_gradients_in_the_trunks_answer(layout: str) -> None:
    tasks = LAYOUTS[layout]
    made = network(2, tasks, {"widths": [9], "dropout": 0.0})
    slopes = passed(made, tasks, 2)
    gradients = TaskGradients(made, of="representation")
    gradients.take({task: Stacked(slope) for task, slope in slopes.items()})
    found = gradients.gramian()
    for k in range(2):
        parts = {task: slopes[task][k] @ made.branches[0].heads[task][0].values["weight"].tensor[k] for task in tasks}
        for i, one in enumerate(tasks):
            for j, other in enumerate(tasks):
                same = tasks[one].source == tasks[other].source
                wanted = (parts[one] * parts[other]).sum().item() if same else 0.0
                assert found[k, i, j].item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_slots_do_not_feel_one_another() -> None:
    for trunk in TRUNKS.values():
        found = []
        for slots in (1, 3):
            made = network(slots, BOTH, trunk)
            slopes = passed(made, BOTH, slots)
            first = passed(network(1, BOTH, trunk), BOTH, 1)
            gradients = TaskGradients(made)
            gradients.take({task: Stacked(first[task].expand_as(slope).clone()) for task, slope in slopes.items()})
            gramian = gradients.gramian().clone()
            gradients.descend(torch.ones(slots, len(BOTH)))
            found.append((gramian[0], made.grads[0, : made.shared()].clone()))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
