"""Every solver's fallback: what is taken instead, and that it is counted."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.balance import DirectionBalancer, double_sampling
from pipeline.config.balancing import Balancing
from tests.balance.made import CROSSED, GRAMIAN, gradients, made, seen

DIRECTIONS = [name for name, it in Balancing.choices.items() if not it.returns_weights and it.needs == ("jacobian",)]


def refuse(error: Exception) -> Callable:
    def called(*_: object, **__: object) -> None:
        raise error

    return called


NNLS = ("scipy.optimize.nnls", None, refuse(RuntimeError("Maximum number of iterations reached.")))
SINGULAR = (np.linalg, "eigh", refuse(np.linalg.LinAlgError("Eigenvalues did not converge")))
NO_NUMBERS = (double_sampling, "project_to_simplex", lambda point: np.full_like(point, np.nan))
FORCED = {
    "mgda": NNLS,
    "dualproj": NNLS,
    "upgrad": NNLS,
    "cagrad": NNLS,
    "imtl_g": SINGULAR,
    "nash_mtl": SINGULAR,
    "fairgrad": SINGULAR,
    "config": SINGULAR,
    "aligned_mtl": (np.linalg, "svd", refuse(np.linalg.LinAlgError("SVD did not converge"))),
    "pcd": ("torchjd.aggregation._pcd._solve_qp", None, refuse(ValueError("no solution"))),
    "modo": NO_NUMBERS,
    "sdmgrad": NO_NUMBERS,
}
"""What keeps each method from its solution."""

UNFAILING = ("pcgrad", "gradvac", "krum", "graddrop", "trimmed_mean")
"""That solve nothing: the others of them fall back where too few tasks are there, or not at all."""


def test_every_method_that_reads_gradients_is_here() -> None:
    assert {*GRAMIAN, *CROSSED, *DIRECTIONS} == {*FORCED, *UNFAILING}


def taken(method: str, jacobian: torch.Tensor, **values: object) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights or the direction of a step, and what fell back."""
    balancer = made(method, jacobian.size(1), slots=len(jacobian), shared=jacobian.size(2), **values)
    this = seen(torch.ones(jacobian.shape[:2]), jacobian)
    found = balancer.direction(this) if isinstance(balancer, DirectionBalancer) else balancer.weights(this)
    return found, balancer.fallbacks


@pytest.mark.parametrize("method", FORCED)
def test_a_solver_that_fails_is_counted_and_all_tasks_weigh_alike(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jacobian = gradients(3, slots=2)
    assert taken(method, jacobian)[1].tolist() == [0.0, 0.0]
    where, name, instead = FORCED[method]
    # TorchJD's QP is called once when its memory is made.
    monkeypatch.setattr(where, instead) if name is None else monkeypatch.setattr(where, name, instead)
    if method == "pcd":
        monkeypatch.setattr("pipeline.balance.from_gradients.PerSlotWeighting._weighting", _made_before)
    found, fallbacks = taken(method, jacobian)
    assert fallbacks.tolist() == [1.0, 1.0]
    alike = jacobian.sum(1) if method in DIRECTIONS else torch.full((2, 3), 1 / 3)
    torch.testing.assert_close(found, alike)


def _made_before(balancer, k: int, count: int):
    from torchjd.aggregation import PCDWeighting

    return balancer._weightings.setdefault((k, count), PCDWeighting())


@pytest.mark.parametrize("method", ["nash_mtl", "fairgrad"])
def test_steps_that_do_not_suffice_are_counted_and_their_last_is_taken(method: str) -> None:
    jacobian = gradients(4, scale={0: 30.0, 1: 0.1})
    (weights, fallbacks), (wanted, none) = (taken(method, jacobian, iterations=it) for it in (2, 50))
    assert (fallbacks.tolist(), none.tolist()) == ([1.0], [0.0])
    assert weights.isfinite().all()
    assert not torch.allclose(weights, torch.full((1, 4), 0.25), rtol=0.1)
    assert not torch.allclose(weights, wanted, rtol=1e-4)


def test_opposed_gradients_have_no_equal_projections_which_is_counted() -> None:
    one = gradients(1)
    weights, fallbacks = taken("imtl_g", torch.cat([one, -2 * one], 1))
    assert weights.tolist() == [[0.5, 0.5]]
    assert fallbacks.tolist() == [1.0]


def test_too_few_tasks_in_a_step_are_counted() -> None:
    jacobian = gradients(4)
    jacobian[:, 1:3] = 0.0
    for method in ("krum", "trimmed_mean"):
        assert taken(method, jacobian)[1].tolist() == [1.0]
        assert taken(method, gradients(4))[1].tolist() == [0.0]


def test_a_method_that_solves_nothing_counts_nothing() -> None:
    for method in ("uncertainty", "gradnorm", "excess_mtl"):
        assert taken(method, gradients(3))[1] is None


def test_mgda_is_the_shorter_of_two_parallel_gradients() -> None:
    for scale in (1e-6, 1.0, 1e5):
        one = scale * gradients(1)
        weights, fallbacks = taken("mgda", torch.cat([one, 3 * one], 1))
        torch.testing.assert_close(weights, torch.tensor([[1.0, 0.0]]))
        assert fallbacks.tolist() == [0.0]


@pytest.mark.parametrize("method", [*GRAMIAN, *CROSSED, *DIRECTIONS])
def test_more_tasks_than_directions_are_solved_in_every_step(method: str) -> None:
    # Gradients of 14 tasks through a layer of 4 units, of which some are dead in a batch of 7 rows.
    draws = torch.Generator().manual_seed(0)
    for _ in range(60):
        layer = torch.randn(1, 14, 3, generator=draws) @ torch.randn(1, 3, 80, generator=draws)
        assert taken(method, 1e-3 * layer)[1].tolist() == [0.0]
