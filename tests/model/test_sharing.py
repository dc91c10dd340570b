"""Ways of sharing against what their papers say, written the usual way."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.config.model import Head
from pipeline.config.sharing import Sharing
from pipeline.config.trunks import Trunk
from pipeline.errors import UserError
from pipeline.model import Network, Pass, TaskShape, build
from tests.model.bound import streams
from tests.model.sharing_twins import PLE, CrossStitch, DSelectK, MMoE, view

TASKS = {
    "digit": TaskShape("left", 37, 10, scale=255.0),
    "parity": TaskShape("left", 37, 1, scale=255.0),
    "other": TaskShape("right", 37, 5, scale=255.0),
}
NAMES = list(TASKS)
WIDTHS = [9, 6]
CASES: dict[str, tuple[dict[str, Any], nn.Module]] = {
    "mmoe": ({"kind": "mmoe", "experts": 3}, MMoE(37, WIDTHS, NAMES, 3)),
    "one expert": ({"kind": "mmoe", "experts": 1}, MMoE(37, WIDTHS, NAMES, 1)),
    "cgc": ({"kind": "cgc", "experts": 2, "own_experts": 2}, PLE(37, [WIDTHS], NAMES, 2, 2)),
    "cgc, nothing shared": ({"kind": "cgc", "experts": 0}, PLE(37, [WIDTHS], NAMES, 0, 1)),
    "cgc, nothing of one's own": ({"kind": "cgc", "own_experts": 0}, PLE(37, [WIDTHS], NAMES, 2, 0)),
    "ple": ({"kind": "ple", "experts": 1, "own_experts": 2}, PLE(37, [[9], [6]], NAMES, 1, 2)),
    "dselect_k": (
        {"kind": "dselect_k", "experts": 8, "chosen": 3, "smoothing": 0.5},
        DSelectK(37, WIDTHS, NAMES, 8, 3, 0.5),
    ),
    "cross_stitch": ({"kind": "cross_stitch", "own_share": 0.7}, CrossStitch(37, WIDTHS, NAMES, 0.7)),
}


def network(sharing: dict[str, Any], slots: int, tasks: dict[str, TaskShape] = TASKS, **trunk: Any) -> Network:
    settings = Trunk.of(
        {"widths": WIDTHS, "dropout": 0.0} | ({} if trunk.get("kind") == "gru" else {"activation": "tanh"}) | trunk
    )
    made = build(Sharing.of(sharing), [settings] * slots, [Head.of("linear")] * slots, tasks)
    made.initialise(list(streams(slots)))
    return made


def inputs(slots: int, **rows: int) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return {source: 255.0 * torch.rand(slots, count, 37, generator=draws) for source, count in rows.items()}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shared", [True, False])
def test_answers_and_gradients_are_those_of_the_paper(case: str, shared: bool) -> None:
    sharing, model = CASES[case]
    made = network(sharing, 2)
    if case == "dselect_k":
        _decide_some_bits(made)
    x = inputs(1 if shared else 2, left=5, right=7)
    found = {task: it.clone() for task, it in made.forward(x, Pass({}, streams(2))).items()}
    slopes = {task: torch.randn(it.shape, generator=torch.Generator().manual_seed(1)) for task, it in found.items()}
    made.backward(slopes)
    grads = made.named(made.grads, made.buffers)
    named = made.named(made.values, made.buffers)
    heads = nn.ModuleDict({task: nn.Linear(WIDTHS[-1], it.outputs) for task, it in TASKS.items()})
    for k in range(2):
        _take(model, heads, named, k)
        model.zero_grad()
        heads.zero_grad()
        for task, it in TASKS.items():
            answer = heads[task](model(x[it.source][0 if shared else k] / 255.0)[task])
            torch.testing.assert_close(found[task][k], answer, rtol=1e-5, atol=1e-5)
            answer.backward(slopes[task][k])
        wanted = {name: it.grad for name, it in model.named_parameters()}
        for name, grad in grads.items():
            if name.startswith("trunk."):
                torch.testing.assert_close(grad[k], view(model, wanted, name), rtol=1e-5, atol=1e-5)


def _decide_some_bits(made: Network) -> None:
    named = made.named(made.values, made.buffers)
    for name, it in named.items():
        if ".gate." in name:
            it.copy_(torch.linspace(-0.3, 0.35, it.size(1)))
    made.load(named)


def _take(model: nn.Module, heads: nn.ModuleDict, named: dict[str, Tensor], k: int) -> None:
    """Slot k's values, none of the model's left as they were."""
    values = {name: it.data for name, it in model.named_parameters()}
    for it in values.values():
        it.fill_(torch.nan)
    for name, value in named.items():
        if name.startswith("trunk."):
            view(model, values, name).copy_(value[k])
        else:
            _, task, _, part = name.split(".")
            getattr(heads[task], part).data.copy_(value[k])
    assert not any(it.isnan().any() for it in values.values())


@pytest.mark.parametrize("sharing", ["mmoe", "cgc", "ple", "cross_stitch", "dselect_k", "mtan"])
def test_a_source_alone_is_answered_as_beside_others(sharing: str) -> None:
    made, x = network({"kind": sharing}, 2), inputs(1, left=5, right=7)
    both = {task: it.clone() for task, it in made.forward(x).items()}
    for source in x:
        alone = made.forward({source: x[source]})
        assert set(alone) == {task for task, it in TASKS.items() if it.source == source}
        for task, it in alone.items():
            torch.testing.assert_close(it, both[task], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sharing", ["mmoe", "cgc", "ple", "cross_stitch", "dselect_k", "mtan"])
def test_one_task_alone_can_have_it_too(sharing: str) -> None:
    made = network({"kind": sharing}, 2, {"digit": TASKS["digit"]})
    x = inputs(2, left=5)
    answers = made.forward(x, Pass({}, streams(2)))
    made.backward({"digit": torch.ones_like(answers["digit"])})
    assert made.grads.isfinite().all()


def test_a_task_alone_begins_with_all_of_its_own_column() -> None:
    made = network({"kind": "cross_stitch"}, 1, {"digit": TASKS["digit"]})
    assert made.named(made.values, made.buffers)["trunk.0.gate.digit.0.gates"].tolist() == [[1.0]]


def test_experts_and_slots_are_drawn_apart() -> None:
    made = network({"kind": "mmoe", "experts": 2}, 2)
    named = made.named(made.values, made.buffers)
    one, other = (named[f"trunk.0.expert.{it}.0.weight"] for it in (0, 1))
    assert not torch.equal(one[0], other[0])
    assert not torch.equal(one[0], one[1])


def test_experts_drop_apart() -> None:
    made = network({"kind": "mmoe", "experts": 2}, 1, widths=[64], dropout=0.5)
    named = made.named(made.values, made.buffers)
    for part in ("weight", "bias"):
        named[f"trunk.0.expert.1.0.{part}"].copy_(named[f"trunk.0.expert.0.0.{part}"])
    made.load(named)
    made.forward(inputs(1, left=6, right=6), Pass({}, streams(1)))
    one, other = made.branches[0].trunk[0]._answers  # type: ignore[attr-defined]
    assert not torch.equal(one.tensor == 0, other.tensor == 0)


@pytest.mark.parametrize(
    ("sharing", "shape", "trunk", "line"),
    [
        ("mmoe", {}, {"widths": []}, "sharing 'mmoe' needs a trunk that has layers: give it widths"),
        (
            "ple",
            {"ids": 9},
            {"kind": "gru", "embedding": 4, "widths": [4]},
            "sharing 'ple' has gates that read the rows, and the rows of s, t are text: use shared, separate, ",
        ),
        (
            "mtan",
            {"ids": 9},
            {"kind": "gru", "embedding": 4, "widths": [4]},
            "sharing 'mtan' masks the values that its layers answer, and the rows of s, t are text: use shared",
        ),
        ("mtan", {}, {"widths": []}, "sharing 'mtan' needs a trunk that has layers: give it widths"),
        ("cgc", {"other": 5}, {}, "a shared trunk needs rows of one size"),
    ],
)
def test_what_cannot_be_shared_so_is_one_line(
    sharing: str, shape: dict[str, Any], trunk: dict[str, Any], line: str
) -> None:
    ids = shape.get("ids", 0)
    sizes = {"s": (4, 3), "t": (shape.get("other", 4), 3)}
    tasks = {name: TaskShape(name, 3 * size[0], 2, shape=size, ids=ids) for name, size in sizes.items()}
    with pytest.raises(UserError, match=line):
        build(Sharing.of(sharing), [Trunk.of(trunk)], [Head.of("linear")], tasks)


@pytest.mark.parametrize("sharing", ["cross_stitch", "dselect_k"])
def test_trunks_of_text_are_shared_where_no_gate_reads_the_rows(sharing: str) -> None:
    tasks = {
        "a": TaskShape("s", 12, 2, shape=(4, 3), ids=9),
        "b": TaskShape("s", 12, 3, shape=(4, 3), ids=9, per_token=True),
    }
    made = network({"kind": sharing}, 1, tasks, kind="gru", embedding=4, widths=[4])
    answers = made.forward({"s": torch.ones(1, 5, 12)}, Pass({}, streams(1)))
    assert {task: tuple(it.shape) for task, it in answers.items()} == {"a": (1, 5, 2), "b": (1, 20, 3)}
    made.backward({task: torch.ones_like(it) for task, it in answers.items()})
    assert made.grads.isfinite().all()


def test_a_selection_begins_with_all_experts_alike_and_ends_with_a_few() -> None:
    made = network({"kind": "dselect_k", "experts": 4, "chosen": 1}, 1)
    made.forward(inputs(1, left=3, right=3))
    mixing = made.branches[0].trunk[0]
    for _, gates in mixing.shares():  # type: ignore[attr-defined]
        torch.testing.assert_close(gates, torch.full_like(gates, 0.25), rtol=0.1, atol=0.0)
    named = made.named(made.values, made.buffers)
    for name, it in named.items():
        if ".gate." in name:
            it.copy_(torch.tensor([0.6, -0.6, 0.0]))
    made.load(named)
    made.forward(inputs(1, left=3, right=3))
    for _, gates in mixing.shares():  # type: ignore[attr-defined]
        torch.testing.assert_close(gates[0], torch.tensor([[0.0, 1.0, 0.0, 0.0]] * 3))
