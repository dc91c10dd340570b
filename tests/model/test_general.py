"""Networks of wrapped modules, held to those of the built-in layers, and to the promises of a stack."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.training import TrainingSettings
from pipeline.config.trunks import Trunk
from pipeline.draws import Stream
from pipeline.model import BinaryCrossEntropy, CrossEntropy, Network, Pass, TaskShape, build
from pipeline.model.layers import Wrapped
from pipeline.model.layers.module import make
from pipeline.model.network import Branch
from pipeline.stacked import Stacked, Targets
from pipeline.training.optim.per_slot import Optimizer

TASKS = {"digit": TaskShape("left", 784, 10), "parity": TaskShape("right", 784, 1)}
TOLERANCE = 1e-5  # of a tensor's norm
SHAPED = {"Convolutions": (1, 28, 28), "Trunk": (784,)}


def head(task: str, inputs: int, lifted: bool) -> list[Any]:
    sizes = {"in_features": inputs, "out_features": TASKS[task].outputs}
    return [Wrapped("torch.nn:Linear", sizes, (inputs,), f"head.{task}", lifted=lifted)]


def general(name: str, lifted: bool, **arguments: Any) -> Network:
    """A trunk and two linear heads, all of them modules."""
    trunk = Wrapped(f"tests.model.modules:{name}", arguments, SHAPED[name], "trunk", first=True, lifted=lifted)
    heads = {task: head(task, trunk.outputs, lifted) for task in TASKS}
    branch = Branch("trunk", ("left", "right"), [trunk], heads)
    return Network([branch], {task: shape.source for task, shape in TASKS.items()})


def initialised(network: Network, whose: list[int]) -> Network:
    network.initialise([Stream(0, f"seed/{k}") for k in whose])
    return network


class Training:
    """Trains the slots of these numbers, on batches that are a function of the step."""

    def __init__(self, network: Network, whose: list[int], optimizer: str = "adam", steps: int = 0) -> None:
        self.network, self.steps = network, steps
        self._streams = [Stream(0, f"seed/{k}") for k in whose]
        settings = TrainingSettings.model_validate({"optimizer": optimizer})
        self.optimizer = Optimizer([settings] * len(whose), network.values, network.grads)
        self.optimizer.resume(steps)
        self._losses = {"digit": CrossEntropy(), "parity": BinaryCrossEntropy()}

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.gradients()
            self.optimizer.update([1e-3] * len(self._streams))
            self.steps += 1

    def gradients(self) -> dict[str, Tensor]:
        """The logits of the next step, whose gradients are in the network."""
        draws = torch.Generator().manual_seed(self.steps)
        rows = {source: torch.rand(1, 16, 784, generator=draws) for source in ("left", "right")}
        logits = self.network.forward(rows, Pass({}, self._streams, 0, self.steps))
        slots, grads = len(self._streams), {}
        for task, loss in self._losses.items():
            classes = torch.randint(max(2, TASKS[task].outputs), (1, 16), generator=draws)
            grads[task] = loss.slopes(logits[task], Targets.of(classes), torch.ones(slots))
        self.network.backward(grads)
        return logits

    def moved(self, network: Network, rows: list[int]) -> "Training":
        """The same training, gone on with some of its slots from copies of what it holds of them."""
        other = Training(initialised(network, rows), rows, steps=self.steps)
        mine = [self.network.values, self.network.buffers, *self.optimizer.state.values()]
        theirs = [other.network.values, other.network.buffers, *other.optimizer.state.values()]
        for given, taken in zip(mine, theirs, strict=True):
            taken.copy_(given[rows])
        return other


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).norm() <= TOLERANCE * wanted.norm()


def all_close(found: dict[str, Tensor], wanted: dict[str, Tensor], names: dict[str, str]) -> None:
    # Before batch norm a bias has no gradient but rounding.
    least = 1e-2 * max(it.norm().item() for it in wanted.values())
    for name, other in names.items():
        assert (found[other] - wanted[name]).norm() <= TOLERANCE * max(wanted[name].norm().item(), least)


def names_in_modules(names: list[str]) -> dict[str, str]:
    """What a value of the built-in network is called in the general one."""
    told = {}
    for name in names:
        inside = f"trunk.0.{name.removeprefix('trunk.')}" if name.startswith("trunk.") else name
        told[name] = inside.replace(".mean", ".running_mean").replace(".variance", ".running_var")
    return told


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adam", {"widths": [128]}),
        ("adam", {"widths": [128], "norm": "layer", "activation": "gelu"}),
        # Not Adam: it would blow up the rounding that is the gradient of a bias before batch norm.
        ("sgd", {"widths": [128, 64], "norm": "batch"}),
    ],
)
@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("slots", [1, 3])
def test_network_of_modules_trains_as_the_built_in_one(
    optimizer: str, settings: dict[str, Any], lifted: bool, slots: int
) -> None:
    whose = list(range(slots))
    trunk = Trunk.of({**settings, "dropout": 0.0})
    built = initialised(build(Sharing.of("shared"), [trunk] * slots, [Head.of("linear")] * slots, TASKS), whose)
    ours = initialised(general("Trunk", lifted, inputs=784, **settings), whose)
    start, names = built.named(built.values, built.buffers), {}
    names = names_in_modules(list(start))
    ours.load(ours.named(ours.values, ours.buffers) | {names[name]: it for name, it in start.items()})

    wanted, found = Training(built, whose, optimizer), Training(ours, whose, optimizer)
    outputs = wanted.gradients()
    for task, logits in found.gradients().items():
        close(logits, outputs[task])
    all_close(ours.named(ours.grads, ours.buffers), built.named(built.grads, built.buffers), names)

    wanted.run(10)
    found.run(10)
    all_close(ours.named(ours.values, ours.buffers), built.named(built.values, built.buffers), names)
    x = {source: torch.rand(1, 5, 784) for source in ("left", "right")}
    outputs = built.forward(x)
    for task, logits in ours.forward(x).items():
        close(logits, outputs[task])


def test_convolutions_train_lifted_as_they_do_a_slot_at_a_time() -> None:
    each, lifted = (
        Training(initialised(general("Convolutions", lifted, norm=True, dropout=0.25), [0, 1, 2]), [0, 1, 2])
        for lifted in (False, True)
    )
    each.run(5)
    lifted.run(5)
    close(lifted.network.values, each.network.values)
    close(lifted.network.buffers, each.network.buffers)


@pytest.mark.parametrize("lifted", [False, True])
def test_training_resumed_from_values_and_buffers_is_bitwise_the_unbroken_one(lifted: bool) -> None:
    def made() -> Network:
        return general("Convolutions", lifted, norm=True, dropout=0.25)

    unbroken = Training(initialised(made(), [0, 1]), [0, 1])
    unbroken.run(2)
    resumed = unbroken.moved(made(), [0, 1])
    unbroken.run(2)
    resumed.run(2)
    assert torch.equal(resumed.network.values, unbroken.network.values)
    assert torch.equal(resumed.network.buffers, unbroken.network.buffers)


@pytest.mark.parametrize("lifted", [False, True])
def test_a_slot_leaves_without_touching_the_others(lifted: bool) -> None:
    def made() -> Network:
        return general("Convolutions", lifted, norm=True, dropout=0.25)

    whole = Training(initialised(made(), [0, 1, 2]), [0, 1, 2])
    whole.run(2)
    left = whole.moved(made(), [0, 2])
    whole.run(2)
    left.run(2)
    for found, wanted in ((left.network.values, whole.network.values), (left.network.buffers, whole.network.buffers)):
        if lifted:
            close(found, wanted[[0, 2]])
        else:
            assert torch.equal(found, wanted[[0, 2]])


def test_description_and_named_values_rebuild_the_trunk_outside_a_stack() -> None:
    network = initialised(general("Convolutions", True, norm=True), [0, 1])
    Training(network, [0, 1]).run(2)
    told: dict[str, Any] = network.describe()["branches"][0]["trunk"][0]  # type: ignore[index]
    assert told["kind"] == "module"
    module = make(told["module"], told["arguments"], tuple(told["shape"]), seed=0).module
    for name, it in network.named(network.values, network.buffers).items():
        if name.startswith("trunk.0."):
            part = name.removeprefix("trunk.0.")
            dict(module.state_dict(keep_vars=True))[part].data.copy_(it[1])
    x = torch.rand(1, 5, 784)
    found = network.branches[0].trunk[0].forward(Stacked(x), Pass({})).slots[1]
    close(found, module(x[0].unflatten(1, told["shape"])).detach())
