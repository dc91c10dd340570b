import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from pipeline.config.tasks import TaskSettings
from pipeline.model import Loss, loss_of
from pipeline.stacked import MISSING, Targets, missing_in

SLOTS, ROWS, LABELS = 3, 17, 4
FOCAL = {f"focal {kind}": kind for kind in ("multiclass", "binary", "multilabel")}
KINDS = ["multiclass", "binary", "multilabel", "squared", "absolute", "huber", *FOCAL]
OUTPUTS = {"multiclass": 10, "multilabel": LABELS}


def of(kind: str) -> Loss:
    """The loss of a kind of task, or of a regression task by the loss's own name."""
    if kind in ("squared", "absolute", "huber"):
        return loss_of(TaskSettings.of({"kind": "regression", "source": "a", "loss": kind}))
    return loss_of(
        TaskSettings.of(
            {"kind": FOCAL[kind], "source": "a", "focal": 2.0} if kind in FOCAL else {"kind": kind, "source": "a"}
        )
    )


def made(
    kind: str, shared: bool = True, missing: int = 0, rows: int = ROWS, slots: int = SLOTS
) -> tuple[Tensor, Tensor]:
    """Random logits and targets, those of the first so many rows missing."""
    kind = FOCAL.get(kind, kind)
    draws = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(slots, rows, OUTPUTS.get(kind, 1), generator=draws)
    shape = (1 if shared else slots, rows)
    if kind in ("multiclass", "binary"):
        targets = torch.randint(OUTPUTS.get(kind, 2), shape, generator=draws)
        targets[:, :missing] = MISSING
        return logits, targets
    if kind == "multilabel":
        targets = torch.randint(2, (*shape, LABELS), generator=draws).float()
    else:
        targets = torch.randn(shape, generator=draws)
    targets[:, :missing] = torch.nan
    return logits, targets


def mean_of(loss: Loss, logits: Tensor, stored: Tensor) -> Tensor:
    """Each slot's mean loss."""
    targets = Targets.of(stored)
    return (loss.rows(logits, targets.values) * targets.share).flatten(1).sum(1)


def slopes(loss: Loss, logits: Tensor, stored: Tensor, weights: Tensor | None = None) -> Tensor:
    """A copy of the gradient in the logits."""
    weights = torch.ones(len(logits)) if weights is None else weights
    return loss.slopes(logits, Targets.of(stored), weights).tensor.clone()


def by_torch(kind: str, logits: Tensor, stored: Tensor) -> Tensor:
    """Mean loss of one slot over the targets that are there."""
    there = ~missing_in(stored)
    if kind in FOCAL:
        return _focal(FOCAL[kind], logits, stored, there)
    if kind == "multiclass":
        return functional.cross_entropy(logits[there], stored[there])
    answers = logits if kind == "multilabel" else logits.squeeze(1)
    if kind in ("binary", "multilabel"):
        return functional.binary_cross_entropy_with_logits(answers[there], stored[there].to(logits.dtype))
    function = {"squared": functional.mse_loss, "absolute": functional.l1_loss, "huber": functional.huber_loss}[kind]
    return function(answers[there], stored[there])


def _focal(kind: str, logits: Tensor, stored: Tensor, there: Tensor) -> Tensor:
    if kind == "multiclass":
        each = functional.cross_entropy(logits[there], stored[there], reduction="none")
        return ((1 - torch.exp(-each)) ** 2 * each).mean()
    answers = logits if kind == "multilabel" else logits.squeeze(1)
    true = stored[there].to(logits.dtype)
    # torchvision's has a balance of its own, which -1 turns off.
    return sigmoid_focal_loss(answers[there], true, alpha=-1, gamma=2, reduction="mean")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("missing", [0, 5])
def test_loss_and_gradient_equal_torch_over_the_labelled_rows(kind: str, shared: bool, missing: int) -> None:
    logits, targets = made(kind, shared, missing)
    weights = torch.tensor([0.3, 1.0, 1.7])
    loss = of(kind)
    mean = mean_of(loss, logits, targets)
    grads = slopes(loss, logits, targets, weights)
    for k in range(SLOTS):
        x = logits[k].clone().requires_grad_()
        wanted = by_torch(kind, x, targets[0 if shared else k])
        (wanted * weights[k]).backward()
        torch.testing.assert_close(mean[k], wanted.detach(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(grads[k], x.grad, rtol=1e-5, atol=1e-7)


def test_labels_are_missing_one_by_one() -> None:
    logits, targets = made("multilabel", shared=False)
    targets[torch.rand(targets.shape, generator=torch.Generator().manual_seed(1)) < 0.3] = torch.nan
    loss = of("multilabel")
    mean, grads = mean_of(loss, logits, targets), slopes(loss, logits, targets)
    for k in range(SLOTS):
        x = logits[k].clone().requires_grad_()
        wanted = by_torch("multilabel", x, targets[k])
        wanted.backward()
        torch.testing.assert_close(mean[k], wanted.detach(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(grads[k], x.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_a_row_without_a_label_change_nothing(kind: str) -> None:
    logits, targets = made(kind, missing=5)
    loss = of(kind)
    mean, grads = mean_of(loss, logits, targets), slopes(loss, logits, targets)
    assert not grads[:, :5].any()
    logits[:, :5] = 1e4 * torch.randn(SLOTS, 5, logits.size(-1))
    assert torch.equal(mean_of(loss, logits, targets), mean)
    assert torch.equal(slopes(loss, logits, targets), grads)


@pytest.mark.parametrize("kind", KINDS)
def test_task_without_a_labelled_row_has_loss_and_gradient_zero(kind: str) -> None:
    logits, targets = made(kind, missing=ROWS)
    loss = of(kind)
    assert mean_of(loss, logits, targets).tolist() == [0.0] * SLOTS
    assert not slopes(loss, logits, targets).any()


@pytest.mark.parametrize("kind", KINDS)
def test_step_without_rows_has_loss_zero(kind: str) -> None:
    logits, targets = made(kind)
    loss = of(kind)
    assert mean_of(loss, logits[:, :0], targets[:, :0]).tolist() == [0.0] * SLOTS
    assert slopes(loss, logits[:, :0], targets[:, :0]).shape == logits[:, :0].shape


def test_targets_that_are_all_there_are_those_that_could_be_missing() -> None:
    for kind in ("binary", "multilabel", "squared"):
        _, stored = made(kind, shared=False)
        complete, checked = Targets.complete(stored), Targets.of(stored)
        for name in ("values", "labelled", "share"):
            torch.testing.assert_close(getattr(complete, name), getattr(checked, name))


def test_binary_loss_stays_exact_where_the_network_is_sure() -> None:
    sure = torch.tensor([[[18.0], [-18.0]]])
    mean = mean_of(of("binary"), sure, torch.tensor([[1, 0]]))
    assert mean.item() == pytest.approx(by_torch("binary", sure[0].double(), torch.tensor([1, 0])).item(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 7, 17, 64])
def test_slot_has_the_same_loss_and_gradient_bit_for_bit_whatever_its_neighbours(kind: str, rows: int) -> None:
    logits, targets = made(kind, rows=rows, slots=16)
    loss, weights = of(kind), torch.rand(16, generator=torch.Generator().manual_seed(1))
    mean, grads = mean_of(loss, logits, targets), slopes(loss, logits, targets, weights)
    for k in range(16):
        assert torch.equal(mean_of(loss, logits[k : k + 1], targets), mean[k : k + 1])
        assert torch.equal(slopes(loss, logits[k : k + 1], targets, weights[k : k + 1]), grads[k : k + 1])
