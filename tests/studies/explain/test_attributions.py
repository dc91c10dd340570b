"""Attributions of networks of which it is known what they read."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from pipeline.studies.explain.attributions import (
    METHODS,
    Explained,
    agreement,
    attributions,
    randomised,
    strengths,
    targets,
)  # fmt: skip
from pipeline.studies.explain.inputs import Inputs, inputs_of

TABLE = {
    "kind": "table",
    "columns": [
        {"name": "age", "kind": "numeric", "marked": False},
        {"name": "town", "kind": "categorical"},
        {"name": "pay", "kind": "numeric", "marked": True},
    ],
}
EVERY = pytest.mark.parametrize("method", METHODS)


class Reads(nn.Module):
    """The sum of the squares of some of a row's values."""

    def __init__(self, places: list[int]) -> None:
        super().__init__()
        self.places = places

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.places].square().sum(1, keepdim=True)


def explained(answer: nn.Module, inputs: Inputs, kind: str = "regression", embed: nn.Module | None = None) -> Explained:
    embed = embed or nn.Identity()
    return Explained(kind, inputs, nn.Sequential(embed, answer), embed, (1,) * len(inputs.of_value))


def rows(count: int, features: int) -> Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(0)) + 3.0


def found(it: Explained, x: Tensor, method: str) -> np.ndarray:
    return attributions(it, x, targets(it, x), method)


@EVERY
def test_a_network_that_reads_one_column_is_explained_by_it_alone(method: str) -> None:
    x = rows(5, 6)
    told = found(explained(Reads([2]), inputs_of((6,), None)), x, method)
    assert told.shape == (5, 1, 6)
    np.testing.assert_allclose(told[:, 0, 2], x[:, 2].square(), rtol=1e-4)
    assert not np.delete(told, 2, axis=2).any()


@EVERY
def test_the_mark_of_a_missing_number_counts_to_its_column(method: str) -> None:
    # age, pay, the mark of pay, the code of town.
    inputs = inputs_of((4,), TABLE)
    assert inputs.names == ("age", "town", "pay")
    x = rows(5, 4)
    told = found(explained(Reads([1, 2, 3]), inputs), x, method)[:, 0]
    wanted = np.stack([np.zeros(5), x[:, 3].square(), x[:, 1].square() + x[:, 2].square()], 1)
    np.testing.assert_allclose(told, wanted, rtol=1e-4, atol=1e-5)


def test_gradients_through_an_embedding_count_to_its_column() -> None:
    table = nn.Embedding(4, 3)
    embed = Embeds(table)
    inputs = inputs_of((2,), {"kind": "table", "columns": TABLE["columns"][:2]})
    it = Explained("regression", inputs, nn.Sequential(embed, Reads([1, 2, 3])), embed, (1, 3))
    x = torch.tensor([[5.0, 2.0], [7.0, 0.0]])
    told = found(it, x, "gradients")[:, 0]
    gain = (table.weight[2].square().sum() - table.weight[0].square().sum()).item()
    np.testing.assert_allclose(told, [[0.0, gain], [0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(told, found(it, x, "occlusion")[:, 0], atol=1e-5)


class Embeds(nn.Module):
    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table = table.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :1], self.table(x[:, 1].long())], 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_reads_one_patch_is_explained_by_it(channels: int) -> None:
    shape = (28, 28) if channels == 1 else (3, 28, 28)
    patch = np.zeros((channels, 28, 28), bool)
    patch[-1, 8:12, 16:20] = True
    it = explained(Reads(list(np.flatnonzero(patch))), inputs_of(shape, None))
    x = rows(3, patch.size)
    gradients, occlusion = (found(it, x, method)[:, 0].reshape(3, 28, 28) for method in METHODS)
    inside = patch.any(0)
    assert (gradients[:, inside] > 0).all()
    assert not gradients[:, ~inside].any()
    far = np.ones((28, 28), bool)
    far[5:15, 13:23] = False  # no window of 4 x 4 that touches the patch reaches there
    assert (occlusion[:, inside] > 0).all()
    assert not occlusion[:, far].any()


def test_integrated_gradients_add_up_to_what_the_row_adds() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, 3))
    it = explained(network, inputs_of((7,), None), "multiclass")
    x = rows(20, 7)
    wanted = targets(it, x)
    with torch.no_grad():
        gained = (network(x) - network(torch.zeros(1, 7))).gather(1, wanted[:, :, 0])
    assert (wanted[:, :, 0] == network(x).argmax(1, keepdim=True)).all()
    np.testing.assert_allclose(attributions(it, x, wanted, "gradients").sum(2), gained, atol=1e-4)


def test_each_label_of_several_is_explained() -> None:
    network = nn.Linear(4, 3, bias=False).requires_grad_(False)
    it = explained(network, inputs_of((4,), None), "multilabel")
    x = rows(6, 4)
    wanted = x[:, None, :] * network.weight
    for method in METHODS:
        told = found(it, x, method)
        np.testing.assert_allclose(told, wanted, atol=1e-4)
        np.testing.assert_allclose(strengths(told), wanted.abs().mean(1), atol=1e-4)


def test_many_rows_are_explained_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    it = explained(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1)), inputs_of((4,), None))
    x = rows(30, 4)
    whole = found(it, x, "gradients")
    monkeypatch.setattr("pipeline.studies.explain.attributions._VALUES", 50 * 4 * 7)  # seven rows at a time
    np.testing.assert_allclose(found(it, x, "gradients"), whole, atol=1e-6)


def test_agreement_is_spearmans_mean_over_rows() -> None:
    draws = np.random.default_rng(0)
    a, b = draws.normal(size=(4, 9)), draws.integers(0, 3, (4, 9)).astype(float)
    wanted = np.mean([spearmanr(*pair).statistic for pair in zip(a, b, strict=True)])
    assert agreement(a, b) == pytest.approx(wanted)
    assert agreement(a, np.exp(a)) == pytest.approx(1.0)
    assert agreement(a[0], -a[0]) == pytest.approx(-1.0)
    assert np.isnan(agreement(a, np.ones((4, 9))))


def trained(seed: int) -> nn.Module:
    """Learns a function of twelve values, by plain gradient descent."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1))
    x = torch.randn(512, 12, generator=torch.Generator().manual_seed(1))
    y = x @ torch.linspace(-2.0, 2.0, 12) + x[:, 5] * x[:, 7]
    for _ in range(200):
        slopes = torch.autograd.grad((network(x)[:, 0] - y).square().mean(), list(network.parameters()))
        with torch.no_grad():
            for weights, slope in zip(network.parameters(), slopes, strict=True):
                weights -= 0.03 * slope
    return network.requires_grad_(False)


@EVERY
def test_randomised_weights_destroy_what_two_seeds_agree_on(method: str) -> None:
    inputs = inputs_of((12,), None)
    one, two = (explained(trained(seed), inputs) for seed in (0, 1))
    x = torch.randn(64, 12, generator=torch.Generator().manual_seed(2))
    own = found(one, x, method)
    seeds = agreement(own, found(two, x, method))
    shuffled = np.mean([agreement(own, found(randomised(one, seed), x, method)) for seed in range(5)])
    assert seeds > 0.7
    assert abs(shuffled) < 0.25


def test_randomised_tasks_keep_the_trunk_that_they_share() -> None:
    trunk = nn.Linear(4, 6)
    tasks = [explained(nn.Sequential(trunk, nn.ReLU(), nn.Linear(6, 2)), inputs_of((4,), None)) for _ in range(2)]
    one, two = (randomised(it, 3).network[1][0].weight for it in tasks)
    assert torch.equal(one, two)
    assert not torch.equal(one, trunk.weight)
    assert torch.equal(one.flatten().sort().values, trunk.weight.flatten().sort().values)


def test_rows_of_a_kind_that_is_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="sound"):
        inputs_of((9,), {"kind": "sound"})


def test_a_gradient_that_there_is_no_embedding_for_is_not_taken() -> None:
    assert Explained("regression", inputs_of((2,), None), nn.Identity(), None, (1, 1)).methods == ("occlusion",)


def test_only_what_both_have_is_compared() -> None:
    there = np.array([[3.0, 1.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    some = np.array([[3.0, 1.0, 2.0, np.nan], [np.nan, np.nan, np.nan, 4.0]])
    assert agreement(there, some) == pytest.approx(1.0)
    assert agreement(some, -there) == pytest.approx(-1.0)
    assert np.isnan(agreement(there[1], some[1]))
