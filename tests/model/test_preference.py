"""A preference behind the rows, held against a module whose input is concatenated."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.draws import Stream
from pipeline.model import Conditioning, Network, Pass, TaskShape, build
from pipeline.model.layers import Conv2d, Linear, Preference
from pipeline.stacked import On
from tests.model.bound import batch, bound, streams, training

SHARES = (0.7, 0.1, 0.2)
ALPHAS = (0.5, 4.0)
TOLD = Conditioning(("digit", "parity", "other"), SHARES, ALPHAS)


def drawn(slot: int, epoch: int, step: int) -> Tensor:
    return torch.tensor(Stream(0, f"seed/{slot}").preference(3, ALPHAS[slot], epoch, step))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
@pytest.mark.parametrize("slots", [1, 2])
def test_shares_stand_behind_the_rows_as_values_or_as_channels_of_one_value(shape: tuple[int, ...], slots: int) -> None:
    layer = bound(Preference(shape, TOLD, scale=0.5), 2)
    x = batch(slots, 7, layer.inputs)
    assert layer.answers == (shape[0] + 3, *shape[1:])
    evaluated = layer.forward(x, Pass({})).tensor.clone().unflatten(2, layer.answers)
    assert evaluated.size(0) == slots
    for given, y in ((None, evaluated), (4, layer.forward(x, training(2, 3, 4)).tensor.unflatten(2, layer.answers))):
        for k in range(len(y)):
            own, planes = y[k].split([shape[0], 3], 1)
            assert torch.equal(own.flatten(1), 0.5 * x.tensor[k % slots])
            shares = torch.tensor(SHARES) if given is None else drawn(k, 3, given)
            assert torch.equal(planes, shares.view(1, 3, *[1] * len(shape[1:])).expand_as(planes))


def test_shares_can_be_set_to_others_and_are_described() -> None:
    layer = bound(Preference((2,), TOLD), 2)
    layer.shares = (0.0, 0.0, 1.0)
    assert layer.forward(batch(1, 1, 2), Pass({})).tensor[0, 0, 2:].tolist() == [0.0, 0.0, 1.0]
    assert layer.describe() == {
        "kind": "preference", "shape": [2], "tasks": ["digit", "parity", "other"], "shares": [0.0, 0.0, 1.0],
    }  # fmt: skip


def test_the_gradient_of_the_rows_is_that_of_their_places() -> None:
    layer = bound(Preference((5,), TOLD, first=False), 2)
    layer.forward(batch(2, 7, 5), training(2))
    grad = batch(2, 7, 8, seed=2)
    back = layer.backward(grad)
    assert back is not None
    assert torch.equal(back.tensor, grad.tensor[:, :, :5])
    assert Preference((5,), TOLD).backward(grad) is None


def network(tasks: dict[str, TaskShape], trunk: dict[str, Any], sharing: str = "shared") -> Network:
    settings = Trunk.of({"dropout": 0.0, "activation": "tanh"} | trunk)
    told = Conditioning(tuple(tasks), SHARES, ALPHAS)
    how = Sharing.of(sharing)
    made = build(how, [settings] * 2, [Head.of("linear")] * 2, tasks, conditioning=told)
    made.initialise(list(streams(2)))
    return made


class Concatenated(nn.Module):
    """The whole network the usual way: rows and shares side by side, a trunk, a head a task."""

    def __init__(self, trunk: nn.Module, width: int, tasks: dict[str, TaskShape], row: tuple[int, ...]) -> None:
        super().__init__()
        self.trunk, self.row = trunk, row
        self.heads = nn.ModuleDict({task: nn.Linear(width, it.outputs) for task, it in tasks.items()})

    def forward(self, task: str, x: Tensor, shares: Tensor) -> Tensor:
        rows = x.unflatten(1, self.row)
        planes = shares.view(1, 3, *[1] * len(self.row[1:])).expand(len(x), 3, *self.row[1:])
        answer: Tensor = self.heads[task](self.trunk(torch.cat([rows, planes], 1)))
        return answer


def flat(scale: float) -> dict[str, TaskShape]:
    return {
        "digit": TaskShape("left", 37, 10, scale=255.0),
        "parity": TaskShape("left", 37, 1, scale=255.0),
        "other": TaskShape("right", 37, 5, scale=scale),
    }


def images() -> dict[str, TaskShape]:
    return {task: TaskShape(it.source, 196, it.outputs, 255.0, (14, 14)) for task, it in flat(255.0).items()}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(40, 9), nn.Tanh(), nn.Linear(9, 6), nn.Tanh())


def lenet() -> nn.Module:
    first = [nn.Conv2d(4, 3, 5, padding=2), nn.MaxPool2d(2), nn.Tanh()]
    return nn.Sequential(
        *first, nn.Conv2d(3, 5, 5), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(5, 6), nn.Tanh()
    )


CASES: dict[str, tuple[dict[str, TaskShape], dict[str, Any], nn.Module, tuple[int, ...]]] = {
    "rows": (flat(255.0), {"widths": [9, 6]}, mlp(), (37,)),
    "sources of two scales": (flat(2.0), {"widths": [9, 6]}, mlp(), (37,)),
    "images as rows": (images(), {"widths": [6]}, nn.Sequential(nn.Linear(199, 6), nn.Tanh()), (196,)),
    "images": (images(), {"kind": "lenet", "channels": [3, 5], "widths": [6]}, lenet(), (1, 14, 14)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("training_pass", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_answers_and_gradients_are_those_of_a_concatenated_input(case: str, training_pass: bool, batched: bool) -> None:
    tasks, trunk, module, row = CASES[case]
    made = network(tasks, trunk)
    made.bind(made.values, made.buffers, On(batched=batched))
    draws = torch.Generator().manual_seed(0)
    features = tasks["digit"].features
    x = {
        source: 255.0 * torch.rand(1, count, features, generator=draws) for source, count in (("left", 5), ("right", 7))
    }
    found = {task: it.clone() for task, it in made.forward(x, training(2, 1, 6) if training_pass else None).items()}
    slopes = {task: torch.randn(it.shape, generator=torch.Generator().manual_seed(1)) for task, it in found.items()}
    made.backward(slopes)
    values, grads = (list(made.named(it, made.buffers).values()) for it in (made.values, made.grads))
    twin = Concatenated(module, 6, tasks, row)
    for k in range(2):
        shares = drawn(k, 1, 6) if training_pass else torch.tensor(SHARES)
        for parameter, value in zip(twin.parameters(), values, strict=True):
            parameter.data.copy_(value[k])
        twin.zero_grad()
        for task, it in tasks.items():
            answer = twin(task, x[it.source][0] / it.scale, shares)
            torch.testing.assert_close(found[task][k], answer, rtol=1e-4, atol=1e-5)
            answer.backward(slopes[task][k])
        for parameter, grad in zip(twin.parameters(), grads, strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(grad[k], parameter.grad, rtol=1e-4, atol=1e-4)


def test_only_the_rows_are_divided_by_their_scale_and_by_whom() -> None:
    made = network(flat(255.0), {"widths": [9]})
    first, second = made.branches[0].trunk[:2]
    assert isinstance(first, Preference)
    assert isinstance(second, Linear)
    assert (first.scale, second.scale, made.branches[0].factors) == (1 / 255.0, 1.0, {})
    image = network(images(), {"kind": "lenet"}).branches[0].trunk[1]
    assert isinstance(image, Conv2d)
    assert (image.scale, image.first, image.shape) == (1.0, True, (4, 14, 14))


def test_shares_stand_behind_embedded_columns() -> None:
    tasks = {task: TaskShape("people", 6, 1, categories=(3, 4)) for task in TOLD.tasks}
    made = network(tasks, {"kind": "tabular", "widths": [5], "embedding": 2, "number_embedding": 3})
    kinds = [layer.describe()["kind"] for layer in made.branches[0].trunk]
    assert kinds[:4] == ["number_embedding", "category_embedding", "preference", "linear"]
    linear = made.branches[0].trunk[3]
    assert isinstance(linear, Linear)
    assert (linear.inputs, linear.first) == (4 * 3 + 2 * 2 + 3, False)


@pytest.mark.parametrize("sharing", ["cross_stitch", "mmoe", "cgc", "ple", "dselect_k"])
def test_experts_and_gates_read_the_shares(sharing: str) -> None:
    made = network(flat(255.0), {"widths": [9]}, sharing)
    first, mixtures = made.branches[0].trunk[:2]
    assert isinstance(first, Preference)
    assert {layer.inputs for layer in mixtures.entrances() if isinstance(layer, Linear)} == {40}
