import torch

from pipeline.balance import Fixed
from pipeline.config.balancing import BalancingSettings


def test_fixed_weights_are_those_given_whatever_the_losses() -> None:
    balancer = Fixed.of([{"a": 0.5, "b": 1.5}, {"a": 1.0, "b": 1.0}])
    for losses in (torch.zeros(2, 2), torch.full((2, 2), float("nan"))):
        assert balancer.weights(losses).tolist() == [[0.5, 1.5], [1.0, 1.0]]


def test_settings_give_weights_in_the_order_of_the_tasks_that_sum_to_their_number() -> None:
    settings = BalancingSettings(weights={"b": 3.0, "a": 1.0})
    assert Fixed.of([settings.normalised(["a", "b"])]).weights(torch.zeros(1, 2)).tolist() == [[0.5, 1.5]]
