"""Weights from gradients: the properties that the papers promise; `test_papers` holds their values."""

import pytest
import torch
from torch import Tensor
from torchjd import aggregation as jd

from tests.balance.made import CROSSED, GRAMIAN, gradients, made, seen

NON_CONFLICTING = ("mgda", "dualproj", "upgrad", "nash_mtl", "fairgrad", "aligned_mtl", "imtl_g")
"""Whose descent hurts no task, to first order."""

SCALE_FREE = ("imtl_g", "nash_mtl", "fairgrad")
"""Whose direction does not follow the scale of a task's loss."""

ALL = [*GRAMIAN, "gradnorm", "excess_mtl"]


def direction(method: str, jacobian: Tensor, losses: Tensor | None = None) -> Tensor:
    """The weighted sum of the gradients of one slot, [P]."""
    weights = made(method, jacobian.size(1), shared=jacobian.size(2)).weights(
        seen(torch.ones(jacobian.shape[:2]) if losses is None else losses, jacobian)
    )
    return weights[0] @ jacobian[0]


def test_nash_solves_the_bargaining_equations() -> None:
    for seed in range(5):
        jacobian = gradients(3, seed=seed)
        weights = made("nash_mtl", 3, max_norm=0.0).weights(seen(jacobian=jacobian))[0]
        gains = jacobian[0] @ (weights @ jacobian[0]) * weights
        torch.testing.assert_close(gains / gains.mean(), torch.ones(3), rtol=0.05, atol=0.05)


def test_imtl_g_projects_equally_on_every_gradient() -> None:
    jacobian = gradients(3, scale={0: 10.0, 2: 0.1})
    units = torch.nn.functional.normalize(jacobian[0], dim=1)
    projections = units @ direction("imtl_g", jacobian)
    torch.testing.assert_close(projections, projections.mean().expand(3), rtol=1e-3, atol=1e-4)


def test_mgda_is_the_point_of_least_norm_between_two_gradients() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 1.0])
    weights = made("mgda", 2).weights(seen(jacobian=torch.stack([a, b]).unsqueeze(0)))[0]
    share = ((b - a) @ b / (a - b).square().sum()).item()  # equation 4 of Sener and Koltun, in closed form
    assert weights[0].item() == pytest.approx(share, abs=1e-5)
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("tasks", [3, 5])
def test_mgda_is_the_point_of_least_norm_which_torchjds_steps_come_near(tasks: int) -> None:
    for seed in range(5):
        jacobian = gradients(tasks, seed=seed)
        ours = direction("mgda", jacobian)
        # The duality gap, in float64: by no more could any other shares make the square of the norm smaller. It is
        # never above the rounding of a Gramian and of shares in float32, 6e-8 of the largest entry at each of 20 sums.
        gap = (ours.double().square().sum() - (jacobian[0].double() @ ours.double()).min()).item()
        assert gap <= 1e-5 * jacobian[0].square().sum(1).max().item()
        torch.testing.assert_close(ours, jd.MGDA(1e-5, 5000)(jacobian[0]), rtol=0.0, atol=0.03)


def test_pcgrad_removes_what_conflicts() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    found = direction("pcgrad", torch.stack([a, b]).unsqueeze(0))
    wanted = (a - (a @ b) / (b @ b) * b) + (b - (a @ b) / (a @ a) * a)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("method", NON_CONFLICTING)
def test_no_task_is_hurt_where_that_is_promised(method: str) -> None:
    for seed in range(20):
        jacobian = gradients(3, values=6, seed=seed)
        gains = jacobian[0] @ direction(method, jacobian)
        assert gains.min().item() > -1e-3 * jacobian[0].norm(dim=1).max().item() ** 2


@pytest.mark.parametrize("method", SCALE_FREE)
def test_scale_of_a_loss_does_not_turn_the_direction_where_that_is_promised(method: str) -> None:
    plain, scaled = gradients(3, seed=3), gradients(3, seed=3, scale={1: 5.0})
    one, other = (torch.nn.functional.normalize(direction(method, it), dim=0) for it in (plain, scaled))
    assert (one @ other).item() > 0.999


@pytest.mark.parametrize("method", [it for it in ALL if it not in ("pcgrad", "gradvac", "pcd", "krum")])
def test_swapping_tasks_swaps_weights(method: str) -> None:
    # PCGrad and GradVac take tasks in a drawn order, Krum the first of equals; of PCD the first is what counts.
    order = [2, 0, 1]
    for seed in range(4):
        jacobian, losses = gradients(3, seed=seed), torch.tensor([[0.5, 1.0, 2.0]])
        ours, other = (made(method, 3, shared=20) for _ in range(2))
        for step in range(3):
            one = ours.weights(seen(losses * 0.9**step, jacobian, step))
            two = other.weights(seen(losses[:, order] * 0.9**step, jacobian[:, order], step))
            torch.testing.assert_close(two, one[:, order], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["pcgrad", "gradvac"])
def test_a_drawn_order_does_not_matter_where_nothing_conflicts(method: str) -> None:
    jacobian = torch.eye(3).unsqueeze(0) + 0.1
    torch.testing.assert_close(direction(method, jacobian), jacobian[0].sum(0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", [*ALL, *CROSSED])
def test_a_slot_is_what_it_is_alone(method: str) -> None:
    jacobian, losses = gradients(3, slots=4), torch.rand(4, 3, generator=torch.Generator().manual_seed(2)) + 0.1
    streams = [f"seed/{k}" for k in range(4)]
    beside = made(method, 3, slots=4, shared=20)
    alone = [made(method, 3, shared=20) for _ in range(4)]
    for step in range(3):
        together = beside.weights(seen(losses, jacobian + step, step, streams=streams))
        for k in range(4):
            own = alone[k].weights(
                seen(losses[k : k + 1], jacobian[k : k + 1] + step, step, streams=streams[k : k + 1])
            )
            assert torch.equal(own[0], together[k])


@pytest.mark.parametrize("method", [it for it in GRAMIAN if it not in ("pcgrad", "gradvac", "pcd", "krum")])
def test_a_task_without_labels_has_no_row_and_the_others_are_as_without_it(method: str) -> None:
    ours, without = made(method, 3), made(method, 2)
    for step in range(3):
        jacobian = gradients(3, seed=step)
        jacobian[:, 1] = 0.0
        weights = ours.weights(seen(jacobian=jacobian, step=step))
        wanted = without.weights(seen(jacobian=jacobian[:, [0, 2]], step=step))
        assert weights[0, 1].item() == 0.0
        torch.testing.assert_close(weights[:, [0, 2]] / weights.sum(), wanted / wanted.sum(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", [*ALL, *CROSSED])
def test_degenerate_gradients_give_finite_weights(method: str) -> None:
    same = gradients(1).expand(1, 3, 20).contiguous()
    opposed = torch.cat([same[:, :1], -same[:, :1], same[:, :1] * 1e-6], 1)
    for jacobian in (torch.zeros(1, 3, 20), same, opposed, gradients(3) * 1e-12, gradients(3) * 1e6):
        balancer = made(method, 3, shared=20)
        for step in range(2):
            assert balancer.weights(seen(torch.ones(1, 3), jacobian, step)).isfinite().all()


@pytest.mark.parametrize("method", [*ALL, *CROSSED])
def test_gradients_that_are_no_numbers_spoil_their_own_slot_alone(method: str) -> None:
    jacobian = gradients(3, slots=2)
    jacobian[0, 1, 4] = torch.nan
    losses = torch.tensor([[1.0, torch.nan, 1.0], [1.0, 1.0, 1.0]])
    balancer = made(method, 3, slots=2, shared=20)
    for step in range(2):
        weights = balancer.weights(seen(losses, jacobian, step))
        assert weights[1].isfinite().all()
    assert not weights[0].isfinite().all()


@pytest.mark.parametrize("method", [*ALL, *CROSSED])
def test_memory_is_all_in_the_state(method: str) -> None:
    unbroken, begun, resumed = (made(method, 3, shared=20) for _ in range(3))
    losses = torch.tensor([[0.5, 1.0, 2.0]])
    for step in range(3):
        for balancer in (unbroken, begun):
            balancer.weights(seen(losses, gradients(3, seed=step), step))
    for name, rows in begun.state.items():
        resumed.state[name].copy_(rows)
    for step in range(3, 6):
        given = seen(losses * 0.8, gradients(3, seed=step), step)
        assert torch.equal(unbroken.weights(given), resumed.weights(given))


def test_gradnorm_raises_the_weight_of_the_task_that_lags() -> None:
    balancer = made("gradnorm", 2)
    jacobian = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    for step in range(50):
        weights = balancer.weights(seen([[1.0, 0.98**step]], jacobian, step))
    assert weights[0, 0] > 1.2 > 0.8 > weights[0, 1]
    assert weights.sum().item() == pytest.approx(2.0, abs=1e-5)


def test_weights_are_kept_between_the_steps_that_choose_them() -> None:
    balancer = made("mgda", 2, every=3)
    first = balancer.weights(seen(jacobian=gradients(2), step=0))
    assert [balancer.due(step) for step in range(5)] == [True, False, False, True, False]
    assert torch.equal(balancer.weights(seen(jacobian=gradients(2, seed=9), step=2)), first)
    assert not torch.equal(balancer.weights(seen(jacobian=gradients(2, seed=9), step=3)), first)
