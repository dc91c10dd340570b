import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.model import Loss, loss_of
from pipeline.stacked import MISSING, Targets

SLOTS, ROWS = 3, 17


def made(kind: str, shared: bool = True, missing: int = 0, classes: int = 10) -> tuple[Tensor, Tensor]:
    """Random logits and targets, the first so many targets of them missing."""
    draws = torch.Generator().manual_seed(0)
    outputs, labels = (1, 2) if kind == "binary" else (classes, classes)
    logits = 3 * torch.randn(SLOTS, ROWS, outputs, generator=draws)
    targets = torch.randint(labels, (1 if shared else SLOTS, ROWS), generator=draws)
    targets[:, :missing] = MISSING
    return logits, targets


def forward(loss: Loss, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each slot's mean loss, and the number of labelled rows."""
    targets = Targets.of(labels)
    return (loss.rows(logits, targets.classes) * targets.share).sum(1), targets.labelled.sum(1)


def slopes(loss: Loss, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """A copy of the gradient in the logits."""
    weights = torch.ones(len(logits)) if weights is None else weights
    return loss.slopes(logits, Targets.of(labels), weights).tensor.clone()


def right(loss: Loss, logits: Tensor, labels: Tensor) -> list[int]:
    """How many labelled rows are predicted right, by slot."""
    return (loss.predict(logits) == labels).sum(1).tolist()


def by_torch(kind: str, logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of one slot over its labelled rows."""
    there = targets != MISSING
    if kind == "binary":
        return functional.binary_cross_entropy_with_logits(logits[there, 0], targets[there].float())
    return functional.cross_entropy(logits[there], targets[there])


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("missing", [0, 5])
def test_loss_and_gradient_equal_torch_over_the_labelled_rows(kind: str, shared: bool, missing: int) -> None:
    logits, targets = made(kind, shared, missing)
    weights = torch.tensor([0.3, 1.0, 1.7])
    loss = loss_of(kind)
    mean, count = forward(loss, logits, targets)
    grads = slopes(loss, logits, targets, weights)
    assert count.unique().tolist() == [ROWS - missing]
    for k in range(SLOTS):
        x = logits[k].clone().requires_grad_()
        wanted = by_torch(kind, x, targets[0 if shared else k])
        (wanted * weights[k]).backward()
        torch.testing.assert_close(mean[k], wanted.detach(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(grads[k], x.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_logits_of_a_row_without_a_label_change_nothing(kind: str) -> None:
    logits, targets = made(kind, missing=5)
    loss = loss_of(kind)
    mean, _ = forward(loss, logits, targets)
    grads = slopes(loss, logits, targets)
    assert not grads[:, :5].any()
    logits[:, :5] = 1e4 * torch.randn(SLOTS, 5, logits.size(-1))
    changed, _ = forward(loss, logits, targets)
    assert torch.equal(changed, mean)
    assert torch.equal(slopes(loss, logits, targets), grads)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_task_without_a_labelled_row_has_loss_and_gradient_zero(kind: str) -> None:
    logits, targets = made(kind, missing=ROWS)
    loss = loss_of(kind)
    mean, count = forward(loss, logits, targets)
    assert mean.tolist() == [0.0] * SLOTS
    assert count.tolist() == [0]
    assert not slopes(loss, logits, targets).any()
    assert right(loss, logits, targets) == [0] * SLOTS


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_step_without_rows_has_loss_zero(kind: str) -> None:
    logits, targets = made(kind)
    loss = loss_of(kind)
    mean, _ = forward(loss, logits[:, :0], targets[:, :0])
    assert mean.tolist() == [0.0] * SLOTS
    assert slopes(loss, logits[:, :0], targets[:, :0]).shape == logits[:, :0].shape
    assert right(loss, logits[:, :0], targets[:, :0]) == [0] * SLOTS


def test_right_answers_are_counted_among_labelled_rows_only() -> None:
    logits = torch.tensor([[[2.0, 1.0], [0.0, 1.0], [5.0, 0.0]]])
    assert right(loss_of("multiclass"), logits, torch.tensor([[0, 0, MISSING]])) == [1]
    binary = torch.tensor([[[2.0], [-1.0], [-3.0], [-1.0]]])
    assert right(loss_of("binary"), binary, torch.tensor([[1, 1, 0, MISSING]])) == [2]


def test_binary_loss_stays_exact_where_the_network_is_sure() -> None:
    sure = torch.tensor([[[18.0], [-18.0]]])
    mean, _ = forward(loss_of("binary"), sure, torch.tensor([[1, 0]]))
    assert mean.item() == pytest.approx(by_torch("binary", sure[0].double(), torch.tensor([1, 0])).item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
@pytest.mark.parametrize("rows", [1, 7, 17, 64])
def test_slot_has_the_same_loss_and_gradient_bit_for_bit_whatever_its_neighbours(kind: str, rows: int) -> None:
    draws = torch.Generator().manual_seed(0)
    outputs = 1 if kind == "binary" else 10
    logits = 3 * torch.randn(16, rows, outputs, generator=draws)
    targets = torch.randint(2, (1, rows), generator=draws)
    loss, weights = loss_of(kind), torch.rand(16, generator=draws)
    mean, _ = forward(loss, logits, targets)
    grads = slopes(loss, logits, targets, weights)
    for k in range(16):
        alone, _ = forward(loss, logits[k : k + 1], targets)
        assert torch.equal(alone, mean[k : k + 1])
        assert torch.equal(slopes(loss, logits[k : k + 1], targets, weights[k : k + 1]), grads[k : k + 1])
