"""Weights from losses, held against TorchJD's scalarisations and the papers' closed forms."""

import pytest
import torch
from torch import Tensor, nn
from torchjd import scalarization as jd

from pipeline.balance import StepInputs
from pipeline.draws import Stream
from tests.balance.made import LOSSES, made, seen, settings

DRAWN = ("cosmos",)
"""Methods that draw something for each task, by its place."""


def slopes(scalarizer: nn.Module, losses: list[float]) -> Tensor:
    """What a scalarisation's gradient in each loss is."""
    values = torch.tensor(losses, requires_grad=True)
    return torch.autograd.grad(scalarizer(values), values)[0]


def course(steps: int = 12, tasks: int = 3) -> list[list[float]]:
    draws = torch.Generator().manual_seed(1)
    return (torch.rand(steps, tasks, generator=draws) + 0.1).tolist()


@pytest.mark.parametrize(
    ("method", "scalarizer"), [("uncertainty", jd.UW(3)), ("imtl_l", jd.IMTLL(3))], ids=["uncertainty", "imtl_l"]
)
def test_trained_noise_and_scale_follow_torchjds_parameters_under_torchs_adam(
    method: str, scalarizer: nn.Module
) -> None:
    scalarizer.reset()  # type: ignore[operator]
    ours = made(method, 3, learning_rate=0.05)
    adam = torch.optim.Adam(scalarizer.parameters(), lr=0.05)
    for step, losses in enumerate(course()):
        torch.testing.assert_close(ours.weights(seen([losses], step=step))[0], slopes(scalarizer, losses))
        adam.zero_grad()
        scalarizer(torch.tensor(losses)).backward()
        adam.step()


def test_famo_follows_torchjds() -> None:
    ours, theirs = made("famo", 3), jd.FAMO(3)
    before = course(20)
    for step, losses in enumerate(before):
        torch.testing.assert_close(ours.weights(seen([losses], step=step))[0], slopes(theirs, losses))
        after = torch.tensor(losses) * torch.tensor([0.9, 0.99, 1.02])
        ours.after_step(after.unsqueeze(0))
        theirs.update(after)
    weights = ours.weights(seen([[1.0, 1.0, 1.0]]))[0]
    assert weights[2] > weights[1] > weights[0]  # most to what falls least


def test_dynamic_average_follows_torchjds_over_epochs() -> None:
    ours, theirs = made("dwa", 3), jd.DWA()
    for epoch in range(5):
        for step, losses in enumerate(course(4)):
            losses = [value * (step + 1) ** -epoch for value in losses]
            torch.testing.assert_close(ours.weights(seen([losses], step=step, epoch=epoch))[0], slopes(theirs, losses))
        theirs.step()


def test_random_weights_are_a_softmax_of_normal_draws_of_the_slot_and_step() -> None:
    random = made("random", 3, slots=2)
    drawn = torch.stack([random.weights(seen(torch.ones(2, 3), step=step)) for step in range(3000)])
    torch.testing.assert_close(drawn.sum(2), torch.ones(3000, 2))
    logs = drawn.log() - drawn.log().mean(2, keepdim=True)
    assert logs.std().item() == pytest.approx((2 / 3) ** 0.5, rel=0.03)  # three normal draws about their mean
    again = made("random", 3, slots=2).weights(seen(torch.ones(2, 3), step=7))
    assert torch.equal(again, drawn[7])
    assert not torch.equal(drawn[7, 0], drawn[7, 1])


@pytest.mark.parametrize("losses", [[0.5, 2.0, 1.0], [1e-4, 3.0, 0.2], [0.7, 0.7, 0.71]])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 8.0])
def test_cosmos_as_published_is_the_gradient_of_torchjds_at_the_preference_drawn(
    losses: list[float], gamma: float
) -> None:
    for step in range(4):
        drawn = Stream(0, "seed/0").preference(3, 1.2, 0, step)
        weights = made("cosmos", 3, gamma=gamma, ray="preference").weights(seen([losses], step=step))[0]
        torch.testing.assert_close(weights, slopes(jd.COSMOS(gamma, torch.tensor(drawn)), losses))


def test_cosmos_holds_losses_to_the_mirrored_preference_by_default() -> None:
    losses = torch.tensor([0.5, 2.0, 1.0], requires_grad=True)
    drawn = torch.tensor(Stream(0, "seed/0").preference(3, 0.4, 2, 7))
    loss = drawn @ losses - 3.0 * nn.functional.cosine_similarity(1 - drawn, losses, dim=0)
    weights = made("cosmos", 3, gamma=3.0, alpha=0.4).weights(seen([losses.tolist()], step=7, epoch=2))[0]
    torch.testing.assert_close(weights, torch.autograd.grad(loss, losses)[0])


@pytest.mark.parametrize("ray", ["mirrored", "preference"])
def test_cosmos_swaps_weights_with_tasks_and_their_shares(ray: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order, losses, shares = [2, 0, 1], [0.5, 2.0, 1.0], [0.2, 0.7, 0.1]

    def weights(losses: list[float], shares: list[float]) -> Tensor:
        monkeypatch.setattr(Stream, "preference", lambda *_: tuple(shares))
        return made("cosmos", len(shares), ray=ray).weights(seen([losses]))[0]

    swapped = weights([losses[it] for it in order], [shares[it] for it in order])
    torch.testing.assert_close(swapped, weights(losses, shares)[order])


def test_cosmos_leaves_out_tasks_without_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stream, "preference", lambda *_: (0.2, 0.7, 0.1))
    weights = made("cosmos", 3, ray="preference").weights(seen([[0.5, 0.0, 1.0]]))[0]
    wanted = slopes(jd.COSMOS(0.5, torch.tensor([0.2, 0.1])), [0.5, 1.0])
    torch.testing.assert_close(weights[[0, 2]], wanted)
    assert weights[1] == 0
    alone = made("cosmos", 3).weights(seen([[0.0, 3.0, 0.0]]))[0]
    torch.testing.assert_close(alone, torch.tensor([0.0, 0.7, 0.0]))
    assert made("cosmos", 3).weights(seen([[0.0, 0.0, 0.0]])).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("alpha", [0.1, 1.2, 10.0])
def test_preferences_are_dirichlet_draws_of_the_slot_and_step(alpha: float) -> None:
    drawn = torch.tensor([Stream(0, "seed/0").preference(3, alpha, 0, step) for step in range(4000)])
    torch.testing.assert_close(drawn.sum(1), torch.ones(4000))
    assert drawn.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert drawn.var(0).tolist() == pytest.approx([2 / 9 / (3 * alpha + 1)] * 3, rel=0.12)
    assert Stream(0, "seed/0").preference(3, alpha, 0, 7) == pytest.approx(drawn[7].tolist())
    assert Stream(0, "seed/1").preference(3, alpha, 0, 7) != Stream(0, "seed/0").preference(3, alpha, 0, 7)
    assert Stream(0, "seed/0").preference(3, alpha, 1, 7) != Stream(0, "seed/0").preference(3, alpha, 0, 7)


@pytest.mark.parametrize("method", [it for it in LOSSES if it not in DRAWN])
def test_swapping_tasks_swaps_weights_and_slots_stay_apart(method: str) -> None:
    order = [2, 0, 1]
    ours, swapped, beside = made(method, 3), made(method, 3), made(method, 3, slots=3)
    for step, losses in enumerate(course()):
        one, other = seen([losses], step=step % 4, epoch=step // 4), [losses[it] for it in order]
        weights = ours.weights(one)
        torch.testing.assert_close(swapped.weights(seen([other], step=step % 4, epoch=step // 4)), weights[:, order])
        three = seen([losses, [9.0, 8.0, 7.0], [0.1, 0.2, 0.1]], step=step % 4, epoch=step // 4)
        assert torch.equal(beside.weights(three)[0], weights[0])
        for balancer, values in ((ours, one), (swapped, seen([other])), (beside, three)):
            balancer.after_step(_fallen(values))


def _fallen(values: StepInputs) -> Tensor:
    """After a step, each by a share of its own: FAMO has no gradient but rounding where all fall alike."""
    assert values.losses is not None
    return values.losses * torch.exp(-values.losses / 4)


@pytest.mark.parametrize("method", [it for it in LOSSES if it not in DRAWN])
def test_a_task_without_labels_in_a_step_neither_weighs_nor_learns_nor_breaks_the_others(method: str) -> None:
    ours, without = made(method, 3), made(method, 2)
    for step, losses in enumerate(course()):
        with_gap = [losses[0], 0.0, losses[2]]
        weights = ours.weights(seen([with_gap], step=step % 4, epoch=step // 4))
        ours.after_step(_fallen(seen([with_gap])))
        assert weights.isfinite().all()
        wanted = without.weights(seen([[losses[0], losses[2]]], step=step % 4, epoch=step // 4))
        without.after_step(_fallen(seen([[losses[0], losses[2]]])))
        if method not in ("dwa", "stch", "famo"):  # whose weights are shares of all tasks
            torch.testing.assert_close(weights[:, [0, 2]], wanted)
        ratio = weights[0, 0] / weights[0, 2], wanted[0, 0] / wanted[0, 1]
        if method != "stch":
            torch.testing.assert_close(*ratio)


@pytest.mark.parametrize("method", LOSSES)
def test_a_loss_that_is_no_number_makes_weights_that_are_none_in_its_slot_alone(method: str) -> None:
    ours = made(method, 2, slots=2)
    for step in range(3):
        weights = ours.weights(seen([[float("nan"), 1.0], [0.5, 1.0]], step=step, epoch=step))
        ours.after_step(torch.tensor([[float("nan"), 1.0], [0.4, 0.9]]))
        assert weights[1].isfinite().all()
    if method != "dwa":  # whose first two epochs look at nothing
        assert not weights[0].isfinite().all()


@pytest.mark.parametrize("method", LOSSES)
def test_memory_is_all_in_the_state(method: str) -> None:
    unbroken, begun = made(method, 3), made(method, 3)
    steps = course()
    for step, losses in enumerate(steps[:8]):
        for balancer in (unbroken, begun):
            balancer.weights(seen([losses], step=step % 4, epoch=step // 4))
            balancer.after_step(_fallen(seen([losses])))
    resumed = made(method, 3)
    for name, rows in begun.state.items():
        resumed.state[name].copy_(rows)
    for step, losses in enumerate(steps[8:], 8):
        both = [it.weights(seen([losses], step=step % 4, epoch=step // 4)) for it in (unbroken, resumed)]
        assert torch.equal(*both)
        unbroken.after_step(_fallen(seen([losses])))
        resumed.after_step(_fallen(seen([losses])))


def test_weights_are_brought_to_sum_to_the_number_of_tasks_unless_told_otherwise() -> None:
    for method in LOSSES:
        ours = made(method, 3, normalise=True)
        for losses in course():
            assert ours.weights(seen([losses])).abs().sum().item() == pytest.approx(3.0)
    assert made("uncertainty", 3).weights(seen([[1.0, 2.0, 3.0]]))[0].tolist() == pytest.approx([0.5] * 3)
    assert settings("uncertainty")[0].normalise is False


def test_smoothing_keeps_a_share_of_the_last_weights() -> None:
    plain, smooth = made("gls", 2), made("gls", 2, smoothing=0.75)
    steps = course(4, 2)
    weights = [plain.weights(seen([losses])) for losses in steps]
    wanted = weights[0]
    for losses, own in zip(steps, weights, strict=True):
        wanted = 0.75 * wanted + 0.25 * own
        torch.testing.assert_close(smooth.weights(seen([losses])), wanted)
