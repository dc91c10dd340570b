import pytest
import torch
from torch import Tensor

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.draws import Stream
from pipeline.errors import UserError
from pipeline.model import Network, Pass, TaskShape, build
from tests.model.bound import streams

TASKS = {
    "digit": TaskShape("left", 37, 10),
    "parity": TaskShape("left", 37, 1),
    "other": TaskShape("right", 37, 5),
}


def network(slots: int, sharing: str = "shared", norm: str = "none", activation: str = "relu") -> Network:
    trunk = Trunk.of({"widths": [9, 5], "norm": norm, "dropout": 0.5, "activation": activation})
    made = build(Sharing.of(sharing), [trunk] * slots, [Head.of("linear")] * slots, TASKS)
    made.initialise(list(streams(slots)))
    return made


def inputs(slots: int = 1, rows: int = 6) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return {source: torch.rand(slots, rows, 37, generator=draws) for source in ("left", "right")}


@pytest.mark.parametrize("sharing", ["shared", "separate"])
def test_one_pass_answers_all_tasks_of_the_sources_given(sharing: str) -> None:
    made, x = network(2, sharing), inputs()
    both = made.forward(x)
    assert {task: tuple(it.shape) for task, it in both.items()} == {
        "digit": (2, 6, 10),
        "parity": (2, 6, 1),
        "other": (2, 6, 5),
    }
    both = {task: it.clone() for task, it in both.items()}
    left = made.forward({"left": x["left"]})
    assert set(left) == {"digit", "parity"}
    torch.testing.assert_close(left["digit"], both["digit"])


@pytest.mark.parametrize("norm", ["none", "batch", "batch_per_source", "layer"])
def test_backward_equals_numerical_derivatives_with_dropout(norm: str) -> None:
    made, x, this = network(1, norm=norm, activation="tanh"), inputs(), Pass({}, streams(1))
    draws = torch.Generator().manual_seed(1)
    grads = {task: torch.randn(it.shape, generator=draws) for task, it in made.forward(x, this).items()}

    def total(place: int, move: float) -> float:
        before = made.values[0, place].item()
        made.values[0, place] = before + move
        outputs = made.forward(x, this)
        made.values[0, place] = before
        return sum((outputs[task].double() * grad).sum().item() for task, grad in grads.items())

    made.forward(x, this)
    made.backward(grads)
    found = made.grads[0].clone()
    for place in range(0, len(found), 17):
        wanted = (total(place, 1e-2) - total(place, -1e-2)) / 2e-2
        assert found[place].item() == pytest.approx(wanted, rel=0.02, abs=0.02)


@pytest.mark.parametrize("sharing", ["shared", "separate"])
def test_networks_of_one_source_do_not_write_over_each_other(sharing: str) -> None:
    # Rows of 37 values are not aligned, so each branch copies them: into memory of its own.
    made, x = network(2, sharing), inputs(slots=2, rows=7)
    grads = {task: torch.ones_like(it) for task, it in made.forward(x).items()}
    made.backward(grads)
    first = made.grads.clone()
    for k in range(2):
        alone = network(1, sharing)
        alone.load({name: value[k : k + 1] for name, value in made.named(made.values, made.buffers).items()})
        alone.forward({source: it[k : k + 1] for source, it in x.items()})
        alone.backward({task: grad[k : k + 1] for task, grad in grads.items()})
        assert torch.equal(alone.grads[0], first[k])


def test_initial_values_depend_on_the_stream_alone() -> None:
    made = network(3)
    alone = build(Sharing.of("shared"), [Trunk.of({"widths": (9, 5)})], [Head.of("linear")], TASKS)
    alone.initialise([Stream(0, "seed/2")])
    assert torch.equal(alone.values[0], made.values[2])
    assert not torch.equal(made.values[0], made.values[1])


def test_initial_weights_are_uniform_within_torch_bounds() -> None:
    weight = network(1).named(network(1).values, network(1).buffers)["trunk.0.weight"]
    bound = 37**-0.5
    assert weight.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize("norm", ["none", "batch_per_source"])
def test_named_values_loaded_again_give_the_same_answers(norm: str) -> None:
    made, other, x = network(2, norm=norm), network(2, norm=norm), inputs()
    made.forward(x, Pass({}, streams(2)))  # moves the running statistics
    other.load(made.named(made.values, made.buffers))
    wanted = {task: it.clone() for task, it in made.forward(x).items()}
    found = other.forward(x)
    assert all(torch.equal(found[task], it) for task, it in wanted.items())


def test_named_values_have_the_layers_names_and_shapes() -> None:
    made = network(2, norm="batch")
    shapes = {name: tuple(it.shape) for name, it in made.named(made.values, made.buffers).items()}
    assert shapes["trunk.0.weight"] == (2, 9, 37)
    assert shapes["trunk.1.mean"] == (2, 9)
    assert shapes["head.parity.0.weight"] == (2, 1, 5)
    assert all(it.is_contiguous() for it in made.named(made.values, made.buffers).values())


def test_count_leaves_out_padding_and_statistics() -> None:
    linear = 37 * 9 + 9 + 9 * 5 + 5 + (5 * 10 + 10) + (5 + 1) + (5 * 5 + 5)
    assert network(1).count() == linear
    assert network(3, norm="batch").count() == linear + 2 * (9 + 5)


@pytest.mark.parametrize("slots", [1, 2])
def test_every_value_of_every_slot_starts_at_a_multiple_of_64_bytes(slots: int) -> None:
    # MKL's products differ in the last bit with the alignment of what they read.
    for _, layer in network(slots, norm="batch").layers():
        for views in (layer.values, layer.grads, layer.buffers):
            for stacked in views.values():
                assert {view.data_ptr() % 64 for view in stacked.slots} == {0}


def test_description_tells_layers_in_order() -> None:
    told = network(1, norm="batch").describe()
    trunk = told["branches"][0]["trunk"]  # type: ignore[index]
    assert [layer["kind"] for layer in trunk] == ["linear", "batch_norm", "activation", "dropout"] * 2
    assert told["source_of"] == {"digit": "left", "parity": "left", "other": "right"}


def test_shared_trunk_over_rows_of_two_sizes_is_refused_with_the_way_out() -> None:
    tasks = TASKS | {"small": TaskShape("tiny", 4, 2)}
    with pytest.raises(UserError, match=r"tiny has 4 values a row: use model.sharing=separate"):
        build(Sharing.of("shared"), [Trunk.of("mlp")], [Head.of("linear")], tasks)
    separate = build(Sharing.of("separate"), [Trunk.of("mlp")], [Head.of("linear")], tasks)
    assert [branch.name for branch in separate.branches] == [f"trunk.{task}" for task in tasks]


def test_network_without_trunk_is_one_linear_layer_a_task() -> None:
    made = build(Sharing.of("shared"), [Trunk.of({"widths": ()})], [Head.of("linear")], TASKS)
    made.initialise([Stream(0, "a")])
    made.forward(inputs())
    made.backward({"digit": torch.ones(1, 6, 10), "parity": torch.ones(1, 6, 1), "other": torch.ones(1, 6, 5)})
    assert made.count() == 38 * 16
    assert made.grads.any()
