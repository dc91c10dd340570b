"""The multi-task attention network against its paper's equations, written the usual way, under autograd."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.model import Network, Pass, TaskGradients, TaskShape, build
from pipeline.stacked import Stacked
from tests.model.bound import streams
from tests.model.test_task_gradients import one_by_one

SIDE, SLOTS = 14, 2
TASKS = {
    name: TaskShape(source, SIDE * SIDE, outputs, scale=255.0, shape=(SIDE, SIDE))
    for name, source, outputs in (("digit", "left", 10), ("parity", "left", 1), ("other", "right", 5))
}
TRUNKS: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "widths": [9, 6, 7], "activation": "tanh"},
    "one layer": {"kind": "mlp", "widths": [8], "norm": "batch"},
    "lenet": {"kind": "lenet", "channels": [3, 5], "widths": [7], "activation": "tanh"},
    "resnet": {"kind": "resnet", "channels": [3, 4]},
}


class Sum(nn.Module):
    """A residual block without the activation behind it."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*convolved(inputs, outputs, stride), nn.ReLU(), *convolved(outputs, outputs, 1))
        conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs)) if stride > 1 else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.shortcut(x)  # type: ignore[no-any-return]


def convolved(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)


def blocks(trunk: str) -> tuple[list[nn.Sequential], list[nn.Sequential], list[tuple[type[nn.Module], int]]]:
    """The shared blocks, f of all but the first, and of what and how wide g and h are."""
    if trunk == "lenet":
        shared = [
            nn.Sequential(nn.Unflatten(1, (1, SIDE)), nn.Conv2d(1, 3, 5, padding=2), nn.MaxPool2d(2), nn.Tanh()),
            nn.Sequential(nn.Identity(), nn.Conv2d(3, 5, 5), nn.MaxPool2d(2), nn.Tanh()),
            nn.Sequential(nn.Flatten(), nn.Linear(5, 7), nn.Tanh()),
        ]
        f = [
            nn.Sequential(nn.Identity(), nn.Conv2d(3, 5, 5, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(nn.Flatten(), nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU()),
        ]
        return shared, f, [(nn.Conv2d, 3), (nn.Conv2d, 5), (nn.Linear, 7)]
    if trunk == "resnet":
        pool = nn.AdaptiveAvgPool2d(1)
        shared = [
            nn.Sequential(nn.Unflatten(1, (1, SIDE)), *convolved(1, 3, 1), nn.ReLU()),
            nn.Sequential(nn.Identity(), Sum(3, 3, 1), nn.ReLU()),
            nn.Sequential(nn.Identity(), Sum(3, 4, 2), nn.ReLU(), pool),
        ]
        f = [
            nn.Sequential(nn.Identity(), *convolved(3, 3, 1), nn.ReLU()),
            nn.Sequential(nn.Identity(), *convolved(3, 4, 2), nn.ReLU(), pool),
        ]
        return shared, f, [(nn.Conv2d, 3), (nn.Conv2d, 3), (nn.Conv2d, 4)]
    norm, act = (nn.Identity, nn.Tanh) if trunk == "mlp" else (nn.BatchNorm1d, nn.ReLU)
    widths = [SIDE * SIDE, *TRUNKS[trunk]["widths"]]
    pairs = list(pairwise(widths))
    first = [nn.Flatten(), *[nn.Identity()] * len(pairs)]
    shared = [nn.Sequential(first[j], nn.Linear(i, o), norm(o), act()) for j, (i, o) in enumerate(pairs)]
    f = [nn.Sequential(nn.Identity(), nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU()) for i, o in pairs[1:]]
    return shared, f, [(nn.Linear, o) for _, o in pairs]


class MTAN(nn.Module):
    """Equations 1 and 2 of Liu et al. 2019, arXiv 1803.10704, with u = p."""

    def __init__(self, trunk: str, bottleneck: float) -> None:
        super().__init__()
        shared, f, sizes = blocks(trunk)
        self.shared, self.f = nn.ModuleList(shared), nn.ModuleList(f)
        self.g, self.h = nn.ModuleList(), nn.ModuleList()
        for j, (layer, width) in enumerate(sizes):
            hidden, seen = max(1, round(width * bottleneck)), width if j == 0 else 2 * width
            self.g.append(nn.ModuleDict({task: attention(layer, seen, hidden, nn.ReLU()) for task in TASKS}))
            self.h.append(nn.ModuleDict({task: attention(layer, hidden, width, nn.Sigmoid()) for task in TASKS}))
        self.heads = nn.ModuleDict({task: nn.Linear(sizes[-1][1], it.outputs) for task, it in TASKS.items()})

    def forward(self, x: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """Logits, and every block's masks, by task."""
        counts = {source: len(it) for source, it in x.items()}
        p, attended, masks = torch.cat(list(x.values())).unflatten(1, (SIDE, SIDE)), {}, []
        for j, block in enumerate(self.shared):
            p = block(p)
            of_source = dict(zip(counts, p.split(list(counts.values())), strict=True))
            seen = {task: of_source[it.source] for task, it in TASKS.items()}
            read = seen
            if j > 0:
                onward = self.f[j - 1](torch.cat(list(attended.values()))).split([len(it) for it in seen.values()])
                read = {task: torch.cat([it, own], 1) for (task, it), own in zip(seen.items(), onward, strict=True)}
            masks.append({task: self.h[j][task](self.g[j][task](it)) for task, it in read.items()})
            attended = {task: masks[j][task] * it for task, it in seen.items()}
        return {task: head(attended[task].flatten(1)) for task, head in self.heads.items()}, masks

    def place(self, name: str) -> str:
        """What a value of the stack is called here."""
        first, *rest = name.replace(".mean", ".running_mean").replace(".variance", ".running_var").split(".")
        if first == "head":
            task, _, what = rest
            return f"heads.{task}.{what}"
        block, kind, *rest = rest
        if kind == "attention":
            task, index, what = rest
            return f"{'gh'[int(index) > 2]}.{block}.{task}.{int(index) % 3}.{what}"
        index, *what = rest  # in front of each block is what shapes its rows
        part = {"shared": f"shared.{block}", "onward": f"f.{int(block) - 1}"}[kind]
        return ".".join([part, str(int(index) + 1), *what])


def attention(layer: type[nn.Module], inputs: int, outputs: int, then: nn.Module) -> nn.Sequential:
    """A layer of linear maps, or of convolutions of 1 x 1, and batch norm."""
    if layer is nn.Linear:
        return nn.Sequential(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), then)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), then)


def network(trunk: str, bottleneck: float = 1.0, slots: int = SLOTS) -> Network:
    settings = Trunk.of({"dropout": 0.0} | TRUNKS[trunk])
    sharing = Sharing.of({"kind": "mtan", "bottleneck": bottleneck})
    made = build(sharing, [settings] * slots, [Head.of("linear")] * slots, TASKS)
    made.initialise(list(streams(slots)))
    named = made.named(made.values, made.buffers)
    # Larger than they begin: batch norm of what hardly differs between rows is mostly rounding.
    made.load({name: 4.0 * it if ".shared." in name and it.dim() > 2 else it for name, it in named.items()})
    return made


def inputs(slots: int = 1) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    counts = {"left": 12, "right": 16}
    return {name: 255.0 * torch.rand(slots, rows, SIDE**2, generator=draws) for name, rows in counts.items()}


def slopes_for(logits: dict[str, Tensor]) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    return {task: torch.randn(it.shape, generator=draws) for task, it in logits.items()}


def taken(made: Network, model: MTAN, slot: int) -> None:
    """Give the model all values of a slot."""
    state = model.state_dict()
    named = made.named(made.values, made.buffers)
    assert {model.place(name) for name in named} == {it for it in state if not it.endswith("num_batches_tracked")}
    for name, value in named.items():
        state[model.place(name)].copy_(value[slot])


@pytest.mark.parametrize("bottleneck", [1.0, 0.4])
@pytest.mark.parametrize("own_rows", [False, True])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_answers_gradients_and_statistics_are_those_of_the_paper(trunk: str, own_rows: bool, bottleneck: float) -> None:
    made, x = network(trunk, bottleneck), inputs(SLOTS if own_rows else 1)
    models = [MTAN(trunk, bottleneck).double().train() for _ in range(SLOTS)]
    for slot, model in enumerate(models):
        taken(made, model, slot)
    found = {task: it.clone() for task, it in made.forward(x, Pass({}, streams(SLOTS))).items()}
    slopes = slopes_for(found)
    made.backward(slopes)
    grads = made.named(made.grads, made.buffers)
    evaluated = {task: it.clone() for task, it in made.forward(x).items()}
    for slot, model in enumerate(models):
        own = {source: rows[slot if own_rows else 0].double() / 255.0 for source, rows in x.items()}
        wanted, _ = model(own)
        sum((slopes[task][slot] * it).sum() for task, it in wanted.items()).backward()
        state, trained = model.state_dict(), dict(model.named_parameters())
        for name, it in grads.items():
            place = model.place(name)
            other = trained[place].grad if place in trained else state[place]
            assert other is not None
            # float32 against float64: near a tie of max pooling and where batch norm divides, rounding grows.
            assert (it[slot] - other).norm() <= 5e-4 * max(1.0, other.norm().item()), name
        answers, _ = model.eval()(own)
        for task, it in wanted.items():
            torch.testing.assert_close(found[task][slot].double(), it, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(evaluated[task][slot].double(), answers[task], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_what_is_read_of_a_pass_is_the_mean_mask_of_each_block_and_channel(trunk: str) -> None:
    made, x = network(trunk), inputs()
    model = MTAN(trunk, 1.0).eval()
    taken(made, model, 1)
    made.forward(x)
    _, masks = model({source: rows[0] / 255.0 for source, rows in x.items()})
    for layer, of_block in zip(made.branches[0].trunk, masks, strict=True):
        names, gates = dict(layer.readers()), dict(layer.shares())  # type: ignore[attr-defined]
        assert list(names) == list(gates) == list(TASKS)
        for task, mask in of_block.items():
            means = mask.flatten(2).mean(2) if mask.dim() > 2 else mask
            assert len(names[task]) == 1 + means.size(1)
            assert names[task][0] == "all"
            torch.testing.assert_close(gates[task][1], torch.cat([means.mean(1, keepdim=True), means], 1))
            assert 0.0 < gates[task].min() <= gates[task].max() < 1.0


@pytest.mark.parametrize("trunk", TRUNKS)
def test_jacobian_gramian_and_sum_are_those_of_one_task_at_a_time(trunk: str) -> None:
    made = network(trunk)
    slopes = slopes_for(made.forward(inputs(), Pass({}, streams(SLOTS), apart=True)))
    wanted = one_by_one(made, slopes)
    weights = torch.rand(SLOTS, len(TASKS)) - 0.3
    gradients = TaskGradients(made)
    made.grads.zero_()
    gradients.take({task: Stacked(slope) for task, slope in slopes.items()})
    torch.testing.assert_close(gradients.gramian(), wanted @ wanted.mT, rtol=1e-4, atol=1e-4)
    gradients.descend(weights)
    summed = (weights.unsqueeze(2) * wanted).sum(1)
    torch.testing.assert_close(made.grads[:, : made.shared()], summed, rtol=1e-4, atol=1e-5)


def test_a_mask_of_ones_leaves_the_shared_network() -> None:
    made = network("mlp", slots=1)
    plain = build(Sharing.of("shared"), [Trunk.of({"dropout": 0.0} | TRUNKS["mlp"])], [Head.of("linear")], TASKS)
    plain.initialise(list(streams(1)))
    values, others = made.named(made.values, made.buffers), plain.named(plain.values, plain.buffers)
    for name, it in values.items():
        if ".attention." in name and name.endswith(".4.bias"):
            it.fill_(50.0)
        elif ".shared." in name:
            _, block, _, layer, what = name.split(".")
            it.copy_(others[f"trunk.{3 * int(block) + int(layer)}.{what}"])
        elif name.startswith("head."):
            it.copy_(others[name])
    made.load(values)
    wanted = plain.forward(inputs())
    for task, it in made.forward(inputs()).items():
        torch.testing.assert_close(it, wanted[task], rtol=1e-5, atol=1e-6)
